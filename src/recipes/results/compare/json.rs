//! Where two JSON documents differ, by JSON pointer (RFC 6901).

use serde::Serialize;
use serde_json::Value;
use similar::{Algorithm, DiffOp};

/// Lists up to this length are aligned; longer ones are compared place by place.
const ALIGNED: usize = 4000;

/// One place that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ValueChange {
    /// The place: in the second document, or in the first where only that one has it.
    pub(crate) pointer: String,
    /// The value in the first document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    /// The value in the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
}

/// Every place that differs, in the order of the documents.
pub(crate) fn compare(before: &Value, after: &Value) -> Vec<ValueChange> {
    let mut changes = Vec::new();
    value("", before, after, &mut changes);
    changes
}

fn value(pointer: &str, before: &Value, after: &Value, changes: &mut Vec<ValueChange>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                pair(&below(pointer, key), old.get(key), new.get(key), changes);
            }
        }
        (Value::Array(old), Value::Array(new)) => list(pointer, old, new, changes),
        (old, new) => pair_of_values(pointer, old, new, changes),
    }
}

fn pair_of_values(pointer: &str, old: &Value, new: &Value, changes: &mut Vec<ValueChange>) {
    if old != new {
        let (before, after) = (Some(old.clone()), Some(new.clone()));
        changes.push(ValueChange { pointer: pointer.to_owned(), before, after });
    }
}

fn pair(pointer: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<ValueChange>) {
    match (before, after) {
        (Some(old), Some(new)) => value(pointer, old, new, changes),
        (before, after) => {
            changes.push(ValueChange { pointer: pointer.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}

fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Lists are aligned first, so that an entry in front does not make all that follow differ.
fn list(pointer: &str, old: &[Value], new: &[Value], changes: &mut Vec<ValueChange>) {
    let at = |index: usize| format!("{pointer}/{index}");
    for op in operations(old, new) {
        let (_, from, to) = op.as_tag_tuple();
        let shared = from.len().min(to.len());
        for offset in 0..shared {
            value(&at(to.start + offset), &old[from.start + offset], &new[to.start + offset], changes);
        }
        for index in from.start + shared..from.end {
            pair(&at(index), old.get(index), None, changes);
        }
        for index in to.start + shared..to.end {
            pair(&at(index), None, new.get(index), changes);
        }
    }
}

fn operations(old: &[Value], new: &[Value]) -> Vec<DiffOp> {
    if old.len().max(new.len()) > ALIGNED {
        let (old_len, new_len) = (old.len(), new.len());
        return vec![DiffOp::Replace { old_index: 0, old_len, new_index: 0, new_len }];
    }
    let texts = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>();
    similar::capture_diff_slices(Algorithm::Myers, &texts(old), &texts(new))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(before: &Value, after: &Value) -> Vec<String> {
        let text = |value: Option<Value>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let line = |change: ValueChange| format!("{} {} {}", change.pointer, text(change.before), text(change.after));
        compare(before, after).into_iter().map(line).collect()
    }

    #[test]
    fn keys_values_and_kinds_are_found_by_pointer() {
        let before = json!({ "a": 1, "b": { "c": [1, { "d": 2 }] }, "x/y~": true });
        let after = json!({ "b": { "c": [1, { "d": "2" }] }, "n": null, "x/y~": false });
        assert!(lines(&before, &before).is_empty());
        assert_eq!(lines(&before, &after), ["/a 1 -", "/b/c/1/d 2 \"2\"", "/n - null", "/x~1y~0 true false"]);
        assert_eq!(lines(&json!({ "a": [] }), &json!({ "a": {} })), ["/a [] {}"]);
    }

    #[test]
    fn an_entry_in_front_is_one_difference() {
        let before = json!(["/usr/***", "/etc/a", "/etc/b"]);
        let after = json!(["/bin/***", "/usr/***", "/etc/b"]);
        assert_eq!(lines(&before, &after), ["/0 - \"/bin/***\"", "/1 \"/etc/a\" -"]);
    }

    #[test]
    fn long_lists_are_compared_place_by_place() {
        let before: Vec<usize> = (0..=ALIGNED).collect();
        let mut after = before.clone();
        after[7] = 0;
        after.push(1);
        assert_eq!(lines(&json!(before), &json!(after)), ["/7 7 0", &format!("/{} - 1", ALIGNED + 1)]);
    }
}
