//! Tables of keys: what the parser knows of a mapping, and what an editor learns about it.

use serde_json::{Map, Value, json};

/// The keys of a mapping.
///
/// The parser asks for keys of the table and for no others, and the JSON Schema is printed from it: neither can
/// know a key, a bound or a word that the other does not. What a schema cannot say, such as that names are unique
/// or that a date exists, the parser alone knows.
#[derive(Debug)]
pub struct Table {
    /// What the mapping is, for people.
    pub description: &'static str,
    /// In the order in which a message lists them.
    pub fields: &'static [Field],
}

/// A key of a mapping and its value.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What the value means, for people.
    pub description: &'static str,
    /// The form of the value.
    pub shape: Shape,
    /// What to do where the key is missing; `None` where it may be.
    pub required: Option<&'static str>,
}

/// The form of a value.
#[derive(Debug)]
pub enum Shape {
    /// A list of whatever values.
    OpaqueList,
    /// A mapping of whatever values.
    OpaqueMap,
    /// `true` or `false`.
    Boolean,
    /// The version of the format: 1.
    Version,
    /// A whole number.
    Integer(Bounds),
    /// Text that a pattern of ECMA-262 fits, where there is one.
    Text(Option<&'static str>),
    /// As `Text`, with at most so many characters.
    Short(u32, Option<&'static str>),
    /// Text that a pattern fits, or null, which is as good as no key.
    OptionalText(&'static str),
    /// One of these words.
    Words(fn() -> Vec<&'static str>),
    /// A list of values of one form.
    List(&'static Shape),
    /// A mapping with known keys.
    Mapping(&'static Table),
    /// A mapping of strings, numbers and booleans, with keys that a pattern fits.
    Scalars(&'static str),
}

/// The least and the greatest number that a value may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The least.
    pub least: i64,
    /// The greatest.
    pub most: i64,
}

/// A type whose values are words in a document.
pub trait Choice: Copy + 'static {
    /// Every word with its value, in the order in which a message lists them.
    const WORDS: &'static [(&'static str, Self)];
}

/// The words of a choice, for [`Shape::Words`].
#[must_use]
pub fn words<T: Choice>() -> Vec<&'static str> {
    T::WORDS.iter().map(|(word, _)| *word).collect()
}

impl Shape {
    /// Any text.
    pub const TEXT: Self = Self::Text(None);
    /// Text that is not blank: [`Check::filled`](super::Check::filled).
    pub const FILLED: Self = Self::Text(Some("\\S"));
    /// Text of one line that is not blank: [`Check::line`](super::Check::line).
    pub const LINE: Self = Self::Text(Some("^[^\\n\\t]*[^\\s][^\\n\\t]*$"));

    fn schema(&self) -> Value {
        let text = |pattern: &Option<&str>| match pattern {
            Some(pattern) => json!({ "type": "string", "pattern": pattern }),
            None => json!({ "type": "string" }),
        };
        match self {
            Self::OpaqueList => json!({ "type": "array" }),
            Self::OpaqueMap => json!({ "type": "object" }),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Version => json!({ "type": "integer", "const": 1 }),
            Self::Integer(Bounds { least, most }) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::Text(pattern) => text(pattern),
            Self::Short(most, pattern) => {
                let mut schema = text(pattern);
                schema["maxLength"] = json!(most);
                schema
            }
            Self::OptionalText(pattern) => json!({ "type": ["string", "null"], "pattern": pattern }),
            Self::Words(words) => json!({ "enum": words() }),
            Self::List(item) => json!({ "type": "array", "items": item.schema() }),
            Self::Mapping(table) => table.schema(),
            Self::Scalars(names) => json!({
                "type": "object",
                "propertyNames": { "pattern": names },
                "additionalProperties": { "type": ["string", "number", "boolean"] }
            }),
        }
    }
}

impl Field {
    /// A key that may be missing.
    #[must_use]
    pub const fn new(key: &'static str, description: &'static str, shape: Shape) -> Self {
        Self { key, description, shape, required: None }
    }

    /// A key that may be missing, whose value is a mapping and means what the mapping is.
    #[must_use]
    pub const fn section(key: &'static str, table: &'static Table) -> Self {
        Self::new(key, table.description, Shape::Mapping(table))
    }

    /// The same key, which must be there; `hint` is what to do where it is not.
    #[must_use]
    pub const fn required(self, hint: &'static str) -> Self {
        let Self { key, description, shape, required: _ } = self;
        Self { key, description, shape, required: Some(hint) }
    }
}

impl Table {
    /// The JSON Schema (draft 2020-12) of a document whose root is this mapping.
    #[must_use]
    pub fn json_schema(&self, title: &str) -> Value {
        let mut schema = self.schema();
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["title"] = json!(title);
        schema
    }

    pub(super) fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    pub(super) fn keys(&self) -> Vec<&'static str> {
        self.fields.iter().map(|field| field.key).collect()
    }

    fn schema(&self) -> Value {
        let property = |field: &Field| {
            let mut schema = field.shape.schema();
            schema["description"] = json!(field.description);
            (field.key.to_owned(), schema)
        };
        let properties: Map<String, Value> = self.fields.iter().map(property).collect();
        let required: Vec<&str> =
            self.fields.iter().filter(|field| field.required.is_some()).map(|field| field.key).collect();
        let mut schema = json!({
            "description": self.description,
            "type": "object",
            "additionalProperties": false,
            "properties": properties
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }
}
