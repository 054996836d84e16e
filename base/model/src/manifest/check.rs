//! Walking the tree: every helper reports what is wrong and returns `None`, so that the walk goes
//! on and all errors of a file come out of one run.

use std::collections::HashSet;
use std::rc::Rc;

use super::scalar::Scalar;
use super::types::Entry;
use super::yaml::{Key, Node, Place, Value};
use super::{retired, text};
use crate::diagnostic::{Diagnostic, Severity};

/// The most findings that are listed; a file with more is no manifest gone slightly wrong.
const MAX_FINDINGS: usize = 1000;

/// What was found so far.
pub(super) struct Check<'t> {
    /// The text without a byte order mark.
    text: &'t str,
    /// The length of the byte order mark.
    offset: usize,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Findings that were reported already: an alias leads to one place by several fields.
    seen: HashSet<(&'static str, usize, String)>,
    full: bool,
}

/// A node with the path of the field that holds it.
#[derive(Clone)]
pub(super) struct Cursor<'n> {
    pub(super) node: &'n Node,
    pub(super) field: String,
}

/// A mapping whose keys were compared with the known ones.
pub(super) struct Object<'n> {
    entries: &'n [(Key, Rc<Node>)],
    pub(super) place: Place,
    field: String,
}

impl<'t> Check<'t> {
    pub(super) fn new(text: &'t str, offset: usize) -> Self {
        Self { text, offset, diagnostics: Vec::new(), seen: HashSet::new(), full: false }
    }

    pub(super) fn error(&mut self, code: &'static str, place: Place, field: &str, message: String, cure: String) {
        self.report(Severity::Error, code, place, field, message, cure);
    }

    pub(super) fn warn(&mut self, code: &'static str, place: Place, field: &str, message: String, cure: String) {
        self.report(Severity::Warning, code, place, field, message, cure);
    }

    fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: Place,
        field: &str,
        message: String,
        cure: String,
    ) {
        if self.diagnostics.len() >= MAX_FINDINGS {
            self.overflow(severity);
            return;
        }
        if !self.seen.insert((code, place.span.0, message.clone())) {
            return;
        }
        let (start, end) = place.span;
        let found = Diagnostic::new(severity, code, message, cure).at(place.position);
        let found = found.spanning(start + self.offset, end + self.offset);
        self.diagnostics.push(found.in_field(text::shorten(field, 200)).quoting(self.written(place)));
    }

    /// Past the limit a single entry, without a place, says that there is more.
    fn overflow(&mut self, severity: Severity) {
        if severity == Severity::Error && !self.full {
            self.full = true;
            self.diagnostics.push(whole_file(
                "too-many-findings",
                format!("the file has more than {MAX_FINDINGS} findings, the rest is not listed"),
                "mend those that are listed and run again",
            ));
        }
    }

    /// The text at `place`, as an excerpt.
    pub(super) fn written(&self, place: Place) -> String {
        text::excerpt(self.text.get(place.span.0..place.span.1).unwrap_or_default())
    }

    /// A value of the wrong kind, and nothing at all where the value is broken already.
    pub(super) fn wrong_type(&mut self, at: &Cursor<'_>, wanted: &str, cure: String) {
        match &at.node.value {
            Value::Scalar(Scalar::Broken) => {}
            Value::Scalar(Scalar::Null) => self.error(
                "null-value",
                at.node.place,
                &at.field,
                format!("expected {wanted}, found nothing (null)"),
                "give it a value, or remove the key".to_owned(),
            ),
            _ => {
                let message = format!("expected {wanted}, found {}", at.node.kind());
                self.error("wrong-type", at.node.place, &at.field, message, cure);
            }
        }
    }

    /// A mapping with only `known` keys.
    pub(super) fn object<'n>(&mut self, at: &Cursor<'n>, known: &[&str]) -> Option<Object<'n>> {
        let Value::Mapping(entries) = &at.node.value else {
            self.wrong_type(at, "a mapping", format!("write `key: value` lines with keys of {}", text::list(known)));
            return None;
        };
        let object = Object { entries, place: at.node.place, field: at.field.clone() };
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                self.unknown_key(&object, key, known);
            }
        }
        Some(object)
    }

    fn unknown_key(&mut self, object: &Object<'_>, key: &Key, known: &[&str]) {
        let field = join(&object.field, &key.text);
        if key.plain && key.text == "<<" {
            return; // Reported once for the whole tree.
        }
        if let Some((message, cure)) = retired::key(&object.field, &key.text) {
            self.error("retired-key", key.place, &field, message, cure);
            return;
        }
        let cure = match text::nearest(&key.text, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("remove it; the keys here are {}", text::list(known)),
        };
        self.error("unknown-key", key.place, &field, format!("unknown key `{}`", text::excerpt(&key.text)), cure);
    }

    /// The items of a list.
    pub(super) fn list<'n>(&mut self, at: &Cursor<'n>, of: &str) -> Vec<Cursor<'n>> {
        if let Value::List(items) = &at.node.value {
            let item = |(index, node): (usize, &'n Rc<Node>)| Cursor { node, field: format!("{}[{index}]", at.field) };
            return items.iter().enumerate().map(item).collect();
        }
        let cure = match &at.node.value {
            Value::Scalar(_) => "put `- ` before the value, on a line of its own below the key".to_owned(),
            _ => format!("write one `- ` line for each of the {of}"),
        };
        self.wrong_type(at, &format!("a list of {of}"), cure);
        Vec::new()
    }

    /// Any string without control characters but line breaks and tabs.
    pub(super) fn string(&mut self, at: &Cursor<'_>) -> Option<Entry<String>> {
        let Value::Scalar(Scalar::String(value)) = &at.node.value else {
            let cure = match &at.node.value {
                Value::Scalar(_) => format!("put it in quotes: \"{}\"", self.written(at.node.place)),
                _ => "write a single value".to_owned(),
            };
            self.wrong_type(at, "a string", cure);
            return None;
        };
        if let Some(c) = value.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            let message = format!("the string holds the control character U+{:04X}", u32::from(c));
            self.error("control-character", at.node.place, &at.field, message, "remove the character".to_owned());
            return None;
        }
        Some(Entry { value: value.clone(), position: at.node.place.position })
    }

    /// A string that is not blank, such as a command; it may have several lines.
    pub(super) fn filled(&mut self, at: &Cursor<'_>) -> Option<Entry<String>> {
        let entry = self.string(at)?;
        if entry.value.trim().is_empty() {
            let cure = "give it a value, or remove the key".to_owned();
            self.error("empty-string", at.node.place, &at.field, "the string is empty".to_owned(), cure);
            return None;
        }
        Some(entry)
    }

    /// A filled string of one line.
    pub(super) fn line(&mut self, at: &Cursor<'_>) -> Option<Entry<String>> {
        let entry = self.filled(at)?;
        if entry.value.contains(['\n', '\t']) {
            let message = "the string holds a line break or tab".to_owned();
            self.error("several-lines", at.node.place, &at.field, message, "write it on one line".to_owned());
            return None;
        }
        Some(entry)
    }

    pub(super) fn boolean(&mut self, at: &Cursor<'_>) -> Option<bool> {
        if let Value::Scalar(Scalar::Boolean(value)) = at.node.value {
            return Some(value);
        }
        let cure = match &at.node.value {
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
        self.wrong_type(at, "a boolean", cure.to_owned());
        None
    }

    /// An integer within bounds, both included.
    pub(super) fn integer(&mut self, at: &Cursor<'_>, least: i128, most: i128) -> Option<i128> {
        let range = format!("a whole number from {least} to {most}");
        match &at.node.value {
            Value::Scalar(Scalar::Integer(value)) if (least..=most).contains(value) => Some(*value),
            Value::Scalar(Scalar::Integer(_) | Scalar::Beyond) => {
                let message = format!("the number is out of range, expected {range}");
                self.error("out-of-range", at.node.place, &at.field, message, format!("write {range}"));
                None
            }
            Value::Scalar(Scalar::String(text)) if text.parse::<i128>().is_ok() => {
                self.wrong_type(at, "a number", "remove the quotes".to_owned());
                None
            }
            _ => {
                self.wrong_type(at, "a whole number", format!("write {range}"));
                None
            }
        }
    }

    /// One of the words of `choices`.
    pub(super) fn choice<T: Copy>(&mut self, at: &Cursor<'_>, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let Value::Scalar(Scalar::String(text)) = &at.node.value else {
            self.wrong_type(at, "a string", format!("write one of {}", text::list(&words)));
            return None;
        };
        if let Some((_, value)) = choices.iter().find(|(word, _)| word == text) {
            return Some(*value);
        }
        let cure = match text::nearest(text, &words) {
            Some(near) => format!("did you mean `{near}`? The choices are {}", text::list(&words)),
            None => format!("write one of {}", text::list(&words)),
        };
        self.error(
            "unknown-value",
            at.node.place,
            &at.field,
            format!("`{}` is no choice here", text::excerpt(text)),
            cure,
        );
        None
    }
}

impl<'n> Cursor<'n> {
    /// Every key of a mapping with its value; nothing for what is no mapping.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'n Key, Self)> + '_ {
        let entries: &'n [(Key, Rc<Node>)] = match &self.node.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        };
        entries.iter().map(|(key, node)| (key, Self { node, field: join(&self.field, &key.text) }))
    }
}

impl<'n> Object<'n> {
    /// The value of a key; of several equal keys, which are reported for the whole tree, the first.
    pub(super) fn get(&self, key: &str) -> Option<Cursor<'n>> {
        let (_, node) = self.entries.iter().find(|(known, _)| known.text == key)?;
        Some(Cursor { node, field: join(&self.field, key) })
    }

    /// The value of a key that must be there.
    pub(super) fn required(&self, check: &mut Check<'_>, key: &str, cure: &str) -> Option<Cursor<'n>> {
        let found = self.get(key);
        if found.is_none() {
            let place = Place { span: (self.place.span.0, self.place.span.0), ..self.place };
            let field = join(&self.field, key);
            check.error("missing-key", place, &field, format!("the key `{key}` is missing"), cure.to_owned());
        }
        found
    }
}

/// A finding about the whole file.
pub(super) fn whole_file(code: &'static str, message: String, cure: &str) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, message, cure)
}

/// `field.key`, with a key that is no plain word in quotes.
pub(super) fn join(field: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let key = if plain { key.to_owned() } else { format!("{:?}", text::excerpt(key)) };
    if field.is_empty() { key } else { format!("{field}.{key}") }
}
