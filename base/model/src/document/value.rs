//! Single values: text, numbers, booleans, words.

use super::check::Check;
use super::cursor::Cursor;
use super::entry::Entry;
use super::scalar::Scalar;
use super::table::{self, Bounds, Choice};
use super::text;
use super::yaml::Value;

impl Check<'_> {
    /// Any string without control characters but line breaks and tabs.
    pub fn string(&mut self, at: &Cursor<'_>) -> Option<Entry<String>> {
        let Value::Scalar(Scalar::String(value)) = &at.node.value else {
            let hint = match &at.node.value {
                Value::Scalar(_) => format!("put it in quotes: \"{}\"", self.written(at)),
                _ => "write a single value".to_owned(),
            };
            self.wrong_type(at, "a string", hint);
            return None;
        };
        if let Some(c) = value.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            let message = format!("the string holds the control character U+{:04X}", u32::from(c));
            self.error(at, "control-character", message, "remove the character");
            return None;
        }
        Some(Entry { value: value.clone(), position: at.node.place.position })
    }

    /// The key and the text of a mapping of one key to a single value, for a hint where a string is wanted.
    pub fn pair(&self, at: &Cursor<'_>) -> Option<(String, String)> {
        let Value::Mapping(pairs) = &at.node.value else { return None };
        let [(key, node)] = pairs.as_slice() else { return None };
        let text = match &node.value {
            Value::Scalar(Scalar::String(text)) => text.clone(),
            Value::Scalar(_) => self.excerpt(node.place),
            Value::List(_) | Value::Mapping(_) => return None,
        };
        Some((key.text.clone(), text))
    }

    /// A string that is not blank, such as a command; it may have several lines.
    pub fn filled(&mut self, at: &Cursor<'_>) -> Option<Entry<String>> {
        let entry = self.string(at)?;
        if entry.value.trim().is_empty() {
            self.error(at, "empty-string", "the string is empty", "give it a value, or remove the key");
            return None;
        }
        Some(entry)
    }

    /// A filled string of one line.
    pub fn line(&mut self, at: &Cursor<'_>) -> Option<Entry<String>> {
        let entry = self.filled(at)?;
        if entry.value.contains(['\n', '\t']) {
            self.error(at, "several-lines", "the string holds a line break or tab", "write it on one line");
            return None;
        }
        Some(entry)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, at: &Cursor<'_>) -> Option<bool> {
        if let Value::Scalar(Scalar::Boolean(value)) = at.node.value {
            return Some(value);
        }
        let hint = match &at.node.value {
            Value::Scalar(Scalar::String(text)) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "true" => {
                    "write `true` without quotes; YAML 1.2 reads every other word as a string"
                }
                "no" | "off" | "n" | "false" => {
                    "write `false` without quotes; YAML 1.2 reads every other word as a string"
                }
                _ => "write `true` or `false`",
            },
            _ => "write `true` or `false`",
        };
        self.wrong_type(at, "a boolean", hint);
        None
    }

    /// An integer within bounds, both included.
    pub fn integer(&mut self, at: &Cursor<'_>, Bounds { least, most }: Bounds) -> Option<i64> {
        let range = format!("a whole number from {least} to {most}");
        match &at.node.value {
            Value::Scalar(Scalar::Integer(value)) if (least.into()..=most.into()).contains(value) => {
                i64::try_from(*value).ok()
            }
            Value::Scalar(Scalar::Integer(_) | Scalar::Beyond) => {
                let message = format!("the number is out of range, expected {range}");
                self.error(at, "out-of-range", message, format!("write {range}"));
                None
            }
            Value::Scalar(Scalar::String(text)) if text.parse::<i128>().is_ok() => {
                self.wrong_type(at, "a number", "remove the quotes");
                None
            }
            _ => {
                self.wrong_type(at, "a whole number", format!("write {range}"));
                None
            }
        }
    }

    /// The version of a format of which there is one: `schema_version: 1`.
    pub fn version(&mut self, at: &Cursor<'_>) -> Option<u32> {
        match &at.node.value {
            Value::Scalar(Scalar::Integer(1)) => Some(1),
            Value::Scalar(Scalar::Integer(_)) => {
                let hint = "write `schema_version: 1`, or use a newer module-builder";
                self.error(at, "unknown-version", "this version of the format is not known", hint);
                None
            }
            _ => {
                self.wrong_type(at, "the whole number 1", "write `schema_version: 1`, without quotes");
                None
            }
        }
    }

    /// One of the words of a choice.
    pub fn choice<T: Choice>(&mut self, at: &Cursor<'_>) -> Option<T> {
        let words = table::words::<T>();
        let Value::Scalar(Scalar::String(text)) = &at.node.value else {
            self.wrong_type(at, "a string", format!("write one of {}", text::list(&words)));
            return None;
        };
        if let Some((_, value)) = T::WORDS.iter().find(|(word, _)| word == text) {
            return Some(*value);
        }
        let hint = match text::nearest(text, &words) {
            Some(near) => format!("did you mean `{near}`? The choices are {}", text::list(&words)),
            None => format!("write one of {}", text::list(&words)),
        };
        self.error(at, "unknown-value", format!("`{}` is no choice here", text::excerpt(text)), hint);
        None
    }
}
