//! Opaque values (`skills`, `metadata`) as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value as Json};

use super::check::{Check, Cursor, join};
use super::scalar::Scalar;
use super::yaml::Value;

/// Any value; null has its own meaning to whoever reads it, and stays. The tree's depth is bounded.
pub(super) fn value(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<Json> {
    match &at.node.value {
        Value::Scalar(scalar) => self::scalar(check, at, scalar),
        Value::List(items) => {
            let item = |(index, node)| Cursor { node, field: format!("{}[{index}]", at.field) };
            let cursors = items.iter().map(AsRef::as_ref).enumerate().map(item);
            let values: Vec<Option<Json>> = cursors.map(|at| value(check, &at)).collect();
            values.into_iter().collect::<Option<Vec<Json>>>().map(Json::Array)
        }
        Value::Mapping(_) => {
            let map: Map<String, Json> = object(check, at)?.into_iter().collect();
            Some(Json::Object(map))
        }
    }
}

/// A mapping of opaque values.
pub(super) fn object(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<BTreeMap<String, Json>> {
    let Value::Mapping(entries) = &at.node.value else {
        check.wrong_type(at, "a mapping", "write `key: value` lines".to_owned());
        return None;
    };
    let mut map = BTreeMap::new();
    for (key, node) in entries {
        let at = Cursor { node, field: join(&at.field, &key.text) };
        if let Some(value) = value(check, &at) {
            map.entry(key.text.clone()).or_insert(value);
        }
    }
    Some(map)
}

fn scalar(check: &mut Check<'_>, at: &Cursor<'_>, scalar: &Scalar) -> Option<Json> {
    match scalar {
        Scalar::Null => Some(Json::Null),
        Scalar::Boolean(value) => Some(Json::Bool(*value)),
        Scalar::String(text) => Some(Json::String(text.clone())),
        Scalar::Float(value) => Number::from_f64(*value).map(Json::Number),
        Scalar::Integer(value) => {
            let number = i64::try_from(*value).map(Number::from).or_else(|_| u64::try_from(*value).map(Number::from));
            number.ok().map(Json::Number)
        }
        Scalar::Beyond => {
            let message = "the number cannot be written in JSON".to_owned();
            let cure = "put it in quotes, or write a finite number of at most 64 bits".to_owned();
            check.error("out-of-range", at.node.place, &at.field, message, cure);
            None
        }
        Scalar::Broken => None,
    }
}
