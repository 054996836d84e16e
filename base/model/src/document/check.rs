//! Walking the tree: every helper reports what is wrong and returns `None`, so that the walk goes
//! on and all errors of a file come out of one run.

use std::collections::HashSet;
use std::rc::Rc;

use super::entry::Entry;
use super::format::Format;
use super::scalar::Scalar;
use super::text;
use super::yaml::{Key, Node, Place, Value};
use crate::diagnostic::{Diagnostic, Position, Severity};

/// The most findings that are listed; a file with more is no document gone slightly wrong.
const MAX_FINDINGS: usize = 1000;

/// What was found so far.
///
/// Whatever is asked here about a value reports what is wrong with it and then gives nothing.
#[derive(Debug)]
pub struct Check<'t> {
    format: &'t Format,
    /// The text without a byte order mark.
    text: &'t str,
    /// The length of the byte order mark.
    offset: usize,
    diagnostics: Vec<Diagnostic>,
    /// Findings that were reported already: an alias leads to one place by several fields.
    seen: HashSet<(&'static str, usize, String)>,
    full: bool,
}

/// A value with the path of the field that holds it.
#[derive(Debug, Clone)]
pub struct Cursor<'n> {
    pub(super) node: &'n Node,
    field: String,
}

/// A mapping whose keys were compared with the known ones.
#[derive(Debug)]
pub struct Object<'n> {
    entries: &'n [(Key, Rc<Node>)],
    place: Place,
    field: String,
}

impl<'t> Check<'t> {
    pub(super) fn new(text: &'t str, offset: usize, format: &'t Format) -> Self {
        Self { format, text, offset, diagnostics: Vec::new(), seen: HashSet::new(), full: false }
    }

    pub(super) fn format(&self) -> &'t Format {
        self.format
    }

    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    /// Reports that the value at `at` is wrong.
    pub fn error(&mut self, at: &Cursor<'_>, code: &'static str, message: impl Into<String>, cure: impl Into<String>) {
        self.error_at(at.node.place, &at.field, code, message, cure);
    }

    /// Reports that something of the field `field` is wrong that is not the field's value, such as its key.
    pub fn error_at(
        &mut self,
        place: Place,
        field: &str,
        code: &'static str,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.report(place, field, Diagnostic::new(Severity::Error, code, message, cure));
    }

    /// Reports that the value at `at` is hardly the one that was meant.
    pub fn warn(&mut self, at: &Cursor<'_>, code: &'static str, message: impl Into<String>, cure: impl Into<String>) {
        self.report(at.node.place, &at.field, Diagnostic::new(Severity::Warning, code, message, cure));
    }

    fn report(&mut self, place: Place, field: &str, found: Diagnostic) {
        if self.diagnostics.len() >= MAX_FINDINGS {
            self.overflow(found.severity);
            return;
        }
        if !self.seen.insert((found.code, place.span.0, found.message.clone())) {
            return;
        }
        let (start, end) = place.span;
        let found = found.at(place.position).spanning(start + self.offset, end + self.offset);
        self.diagnostics.push(found.in_field(text::shorten(field, 200)).quoting(self.excerpt(place)));
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
    pub(super) fn excerpt(&self, place: Place) -> String {
        text::excerpt(self.text.get(place.span.0..place.span.1).unwrap_or_default())
    }

    /// The value as it was written, as far as a message has room for it.
    #[must_use]
    pub fn written(&self, at: &Cursor<'_>) -> String {
        self.excerpt(at.node.place)
    }

    /// Reports a value of the wrong kind, and nothing at all where the value is broken already.
    pub fn wrong_type(&mut self, at: &Cursor<'_>, wanted: &str, cure: impl Into<String>) {
        match &at.node.value {
            Value::Scalar(Scalar::Broken) => {}
            Value::Scalar(Scalar::Null) => {
                let message = format!("expected {wanted}, found nothing (null)");
                self.error(at, "null-value", message, "give it a value, or remove the key");
            }
            _ => self.error(at, "wrong-type", format!("expected {wanted}, found {}", at.node.kind()), cure),
        }
    }

    /// A mapping with only `known` keys.
    pub fn object<'n>(&mut self, at: &Cursor<'n>, known: &[&str]) -> Option<Object<'n>> {
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
        if let Some(retired) = (self.format.retired)(&object.field, &key.text) {
            self.error_at(key.place, &field, "retired-key", retired.message, retired.cure);
            return;
        }
        let cure = match text::nearest(&key.text, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("remove it; the keys here are {}", text::list(known)),
        };
        let message = format!("unknown key `{}`", text::excerpt(&key.text));
        self.error_at(key.place, &field, "unknown-key", message, cure);
    }

    /// The keys and values of a mapping that may have any keys; `cure` is for what is no mapping.
    pub fn mapping<'n>(&mut self, at: &Cursor<'n>, cure: &str) -> Option<Vec<(&'n Key, Cursor<'n>)>> {
        if !at.is_mapping() {
            self.wrong_type(at, "a mapping", cure);
            return None;
        }
        Some(at.entries().collect())
    }

    /// The items of a list.
    pub fn list<'n>(&mut self, at: &Cursor<'n>, of: &str) -> Vec<Cursor<'n>> {
        if matches!(at.node.value, Value::List(_)) {
            return at.items().collect();
        }
        let cure = match &at.node.value {
            Value::Scalar(_) => "put `- ` before the value, on a line of its own below the key".to_owned(),
            _ => format!("write one `- ` line for each of the {of}"),
        };
        self.wrong_type(at, &format!("a list of {of}"), cure);
        Vec::new()
    }

    /// Any string without control characters but line breaks and tabs.
    pub fn string(&mut self, at: &Cursor<'_>) -> Option<Entry<String>> {
        let Value::Scalar(Scalar::String(value)) = &at.node.value else {
            let cure = match &at.node.value {
                Value::Scalar(_) => format!("put it in quotes: \"{}\"", self.written(at)),
                _ => "write a single value".to_owned(),
            };
            self.wrong_type(at, "a string", cure);
            return None;
        };
        if let Some(c) = value.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            let message = format!("the string holds the control character U+{:04X}", u32::from(c));
            self.error(at, "control-character", message, "remove the character");
            return None;
        }
        Some(Entry { value: value.clone(), position: at.node.place.position })
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
        self.wrong_type(at, "a boolean", cure);
        None
    }

    /// An integer within bounds, both included.
    pub fn integer(&mut self, at: &Cursor<'_>, least: i128, most: i128) -> Option<i128> {
        let range = format!("a whole number from {least} to {most}");
        match &at.node.value {
            Value::Scalar(Scalar::Integer(value)) if (least..=most).contains(value) => Some(*value),
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
                let cure = "write `schema_version: 1`, or use a newer module-builder";
                self.error(at, "unknown-version", "this version of the format is not known", cure);
                None
            }
            _ => {
                self.wrong_type(at, "the whole number 1", "write `schema_version: 1`, without quotes");
                None
            }
        }
    }

    /// One of the words of `choices`.
    pub fn choice<T: Copy>(&mut self, at: &Cursor<'_>, choices: &[(&str, T)]) -> Option<T> {
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
        self.error(at, "unknown-value", format!("`{}` is no choice here", text::excerpt(text)), cure);
        None
    }
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

    /// Every key of a mapping with its value; nothing for what is no mapping.
    pub fn entries(&self) -> impl Iterator<Item = (&'n Key, Self)> + '_ {
        let entries: &'n [(Key, Rc<Node>)] = match &self.node.value {
            Value::Mapping(entries) => entries,
            Value::Scalar(_) | Value::List(_) => &[],
        };
        entries.iter().map(|(key, node)| (key, Self { node, field: join(&self.field, &key.text) }))
    }
}

impl<'n> Object<'n> {
    /// The value of a key; of several equal keys, which are reported for the whole tree, the first.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Cursor<'n>> {
        let (_, node) = self.entries.iter().find(|(known, _)| known.text == key)?;
        Some(Cursor { node, field: join(&self.field, key) })
    }

    /// The value of a key that must be there.
    pub fn required(&self, check: &mut Check<'_>, key: &str, cure: &str) -> Option<Cursor<'n>> {
        let found = self.get(key);
        if found.is_none() {
            let place = Place { span: (self.place.span.0, self.place.span.0), ..self.place };
            let field = join(&self.field, key);
            check.error_at(place, &field, "missing-key", format!("the key `{key}` is missing"), cure);
        }
        found
    }
}

/// A finding about the whole file.
pub(super) fn whole_file(code: &'static str, message: impl Into<String>, cure: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, message, cure)
}

/// `field.key`, with a key that is no plain word in quotes.
pub(super) fn join(field: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let key = if plain { key.to_owned() } else { format!("{:?}", text::excerpt(key)) };
    if field.is_empty() { key } else { format!("{field}.{key}") }
}
