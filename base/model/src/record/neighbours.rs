//! The neighbours of a record, each a manifest, checked one by one before any of them takes memory: few bytes
//! of a text that is none would become many of values.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::check::MANY;
use crate::manifest::Manifest;
use crate::words::shortened;

/// Reads the neighbours.
///
/// # Errors
/// When there are too many, or one is no valid manifest.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    deserializer.deserialize_seq(Neighbours)
}

struct Neighbours;

impl<'de> Visitor<'de> for Neighbours {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the manifests of the neighbours")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Vec<Value>, A::Error> {
        let mut neighbours = Vec::new();
        while let Some(text) = all.next_element::<Box<RawValue>>()? {
            if neighbours.len() == MANY {
                return Err(A::Error::custom(format_args!("there are more than {MANY} neighbours")));
            }
            let text = compact(text.get());
            let parsed = Manifest::parse(text.as_bytes());
            if parsed.manifest.is_none() {
                let number = neighbours.len();
                let first = parsed.diagnostics.first().map(|found| format!(": {}", shortened(&found.message)));
                let why = first.as_deref().unwrap_or_default();
                return Err(A::Error::custom(format_args!("the neighbour {number} is no valid manifest{why}")));
            }
            neighbours.push(serde_json::from_str(&text).map_err(A::Error::custom)?);
        }
        Ok(neighbours)
    }
}

/// The JSON `text` without the blanks between its words: the limit of a manifest counts without indentation.
fn compact(text: &str) -> String {
    let (mut is_string, mut is_escaped) = (false, false);
    let keep = |c: &char| {
        if is_escaped {
            is_escaped = false;
        } else if *c == '"' {
            is_string = !is_string;
        } else {
            is_escaped = is_string && *c == '\\';
        }
        is_string || !c.is_ascii_whitespace()
    };
    text.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_go_but_those_of_strings() {
        assert_eq!(compact("{ \"a \\\" b\" :\n [ 1 , \"\\\\\" , \" \" ] }"), "{\"a \\\" b\":[1,\"\\\\\",\" \"]}");
    }
}
