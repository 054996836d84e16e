//! JSON whose bytes depend on the value alone.

use serde::Serialize;
use serde_json::{Map, Value};

/// `value` as JSON without blanks and without a line break at the end, the keys of every object in the order of
/// their bytes.
///
/// Maps without an order of their own would change from run to run, and those of `serde_json` keep the order of
/// insertion as soon as any crate of the build turns that feature on.
///
/// # Errors
/// When a value cannot be JSON: a key that is no string, or what its own serialisation refuses.
pub fn json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&sorted(serde_json::to_value(value)?))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::collections::HashMap;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_level() {
        for _ in 0..20 {
            // A new map has a new order each time.
            let inner: HashMap<String, u8> = ('a'..='z').map(|c| (c.to_string(), 0)).collect();
            let outer = HashMap::from([("z", vec![inner.clone()]), ("a", vec![inner])]);
            let letters: Vec<String> = ('a'..='z').map(|c| format!("\"{c}\":0")).collect();
            let letters = letters.join(",");
            let wanted = format!("{{\"a\":[{{{letters}}}],\"z\":[{{{letters}}}]}}");
            assert_eq!(String::from_utf8(json(&outer).unwrap()).unwrap(), wanted);
        }
    }

    #[test]
    fn what_cannot_be_json_is_an_error() {
        assert!(json(&HashMap::from([(vec![1u8], 1u8)])).is_err());
    }
}
