//! Where in a document a walk is.

use std::rc::Rc;

use super::scalar::Scalar;
use super::text;
use super::yaml::{Key, Node, Value};
use crate::diagnostic::Position;

/// A value with the path of the field that holds it.
#[derive(Debug, Clone)]
pub struct Cursor<'n> {
    pub(super) node: &'n Node,
    field: String,
}

impl<'n> Cursor<'n> {
    pub(super) fn root(node: &'n Node) -> Self {
        Self { node, field: String::new() }
    }

    pub(super) fn value(&self) -> &'n Value {
        &self.node.value
    }

    /// The path of the field, such as `services[0].name`; empty for the whole document.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Where the value begins.
    #[must_use]
    pub fn position(&self) -> Position {
        self.node.place.position
    }

    /// The value, where it is a single one.
    #[must_use]
    pub fn scalar(&self) -> Option<&'n Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Mapping(_) => None,
        }
    }

    /// Whether the value is null: nothing, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.scalar(), Some(Scalar::Null))
    }

    /// Whether the value is a mapping.
    #[must_use]
    pub fn is_mapping(&self) -> bool {
        matches!(self.node.value, Value::Mapping(_))
    }

    /// Every item of a list; nothing for what is no list.
    pub fn items(&self) -> impl Iterator<Item = Self> + '_ {
        let items: &'n [Rc<Node>] = match &self.node.value {
            Value::List(items) => items,
            Value::Scalar(_) | Value::Mapping(_) => &[],
        };
        items.iter().enumerate().map(|(index, node)| Self { node, field: format!("{}[{index}]", self.field) })
    }

    /// The value of a mapping's key, known or not; of several equal keys the first.
    #[must_use]
    pub fn child(&self, key: &str) -> Option<Self> {
        let (_, node) = self.pairs().iter().find(|(known, _)| known.text == key)?;
        Some(Self { node, field: join(&self.field, key) })
    }

    fn pairs(&self) -> &'n [(Key, Rc<Node>)] {
        match &self.node.value {
            Value::Mapping(entries) => entries,
            Value::Scalar(_) | Value::List(_) => &[],
        }
    }

    /// Every key of a mapping with its value; nothing for what is no mapping.
    pub fn entries(&self) -> impl Iterator<Item = (&'n Key, Self)> + '_ {
        self.pairs().iter().map(|(key, node)| (key, Self { node, field: join(&self.field, &key.text) }))
    }
}

/// `field.key`, with a key that is no plain word in quotes.
pub(super) fn join(field: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let key = if plain { key.to_owned() } else { format!("{:?}", text::excerpt(key)) };
    if field.is_empty() { key } else { format!("{field}.{key}") }
}
