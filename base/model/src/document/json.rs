//! Values that are passed on as they are, as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value as Json};

use super::check::Check;
use super::cursor::Cursor;
use super::scalar::Scalar;
use super::yaml::Value;

impl Check<'_> {
    /// Any value; null has its own meaning to whoever reads it, and stays. The tree's depth is bounded.
    pub fn opaque(&mut self, at: &Cursor<'_>) -> Option<Json> {
        match at.value() {
            Value::Scalar(scalar) => self::scalar(self, at, scalar),
            Value::List(_) => {
                let values: Vec<Option<Json>> = at.items().map(|item| self.opaque(&item)).collect();
                values.into_iter().collect::<Option<Vec<Json>>>().map(Json::Array)
            }
            Value::Mapping(_) => {
                let map: Map<String, Json> = self.opaque_map(at)?.into_iter().collect();
                Some(Json::Object(map))
            }
        }
    }

    /// A mapping of opaque values.
    pub fn opaque_map(&mut self, at: &Cursor<'_>) -> Option<BTreeMap<String, Json>> {
        let mut map = BTreeMap::new();
        for (key, at) in self.mapping(at, "write `key: value` lines")? {
            if let Some(value) = self.opaque(&at) {
                map.entry(key.text.clone()).or_insert(value);
            }
        }
        Some(map)
    }
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
            let hint = "put it in quotes, or write a finite number of at most 64 bits";
            check.error(at, "out-of-range", "the number cannot be written in JSON", hint);
            None
        }
        Scalar::Broken => None,
    }
}
