//! JSON whose bytes depend on the value alone.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;

/// `value` as JSON without blanks, with the keys of every object in byte order.
///
/// The maps of the OCI types have no order of their own, so their plain serialisation would change
/// from run to run.
pub(crate) fn canonical(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let error = |source| Error::Serialize { what, source };
    let value = serde_json::to_value(value).map_err(error)?;
    serde_json::to_vec(&sorted(value)).map_err(error)
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
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
            assert_eq!(String::from_utf8(canonical("test", &outer).unwrap()).unwrap(), wanted);
        }
    }
}
