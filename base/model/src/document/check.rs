//! Walking the tree: every helper reports what is wrong and returns `None`, so that the walk goes
//! on and all errors of a file come out of one run.

use std::collections::HashSet;

use super::cursor::{Cursor, join};
use super::format::Format;
use super::scalar::Scalar;
use super::table::Table;
use super::text;
use super::yaml::{Key, Place, Value};
use crate::diagnostic::{Diagnostic, Severity};

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

/// A mapping whose keys were compared with the known ones.
#[derive(Debug)]
pub struct Object<'n> {
    table: &'static Table,
    at: Cursor<'n>,
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
    pub fn error(&mut self, at: &Cursor<'_>, code: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.error_at(at.node.place, at.field(), code, message, hint);
    }

    /// Reports that something of the field `field` is wrong that is not the field's value, such as its key.
    pub fn error_at(
        &mut self,
        place: Place,
        field: &str,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.report(place, field, Diagnostic::new(Severity::Error, code, message, hint));
    }

    /// Reports that the value at `at` is hardly the one that was meant.
    pub fn warn(&mut self, at: &Cursor<'_>, code: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.report(at.node.place, at.field(), Diagnostic::new(Severity::Warning, code, message, hint));
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
                "fix those that are listed and run again",
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
    pub fn wrong_type(&mut self, at: &Cursor<'_>, wanted: &str, hint: impl Into<String>) {
        match &at.node.value {
            Value::Scalar(Scalar::Broken) => {}
            Value::Scalar(Scalar::Null) => {
                let message = format!("expected {wanted}, found nothing (null)");
                self.error(at, "null-value", message, "give it a value, or remove the key");
            }
            _ => self.error(at, "wrong-type", format!("expected {wanted}, found {}", at.node.kind()), hint),
        }
    }

    /// A mapping with only the keys of `table`.
    pub fn object<'n>(&mut self, at: &Cursor<'n>, table: &'static Table) -> Option<Object<'n>> {
        let known = table.keys();
        if !at.is_mapping() {
            self.wrong_type(at, "a mapping", format!("write `key: value` lines with keys of {}", text::list(&known)));
            return None;
        }
        for (key, _) in at.entries().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            self.unknown_key(at.field(), key, &known);
        }
        Some(Object { table, at: at.clone() })
    }

    fn unknown_key(&mut self, parent: &str, key: &Key, known: &[&str]) {
        let field = join(parent, &key.text);
        if key.plain && key.text == "<<" {
            return; // Reported once for the whole tree.
        }
        if let Some(retired) = (self.format.retired)(parent, &key.text) {
            self.error_at(key.place, &field, "retired-key", retired.message, retired.hint);
            return;
        }
        let hint = match text::nearest(&key.text, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("remove it; the keys here are {}", text::list(known)),
        };
        let message = format!("unknown key `{}`", text::excerpt(&key.text));
        self.error_at(key.place, &field, "unknown-key", message, hint);
    }

    /// The keys and values of a mapping that may have any keys; `hint` is for what is no mapping.
    pub fn mapping<'n>(&mut self, at: &Cursor<'n>, hint: &str) -> Option<Vec<(&'n Key, Cursor<'n>)>> {
        if !at.is_mapping() {
            self.wrong_type(at, "a mapping", hint);
            return None;
        }
        Some(at.entries().collect())
    }

    /// The items of a list.
    pub fn list<'n>(&mut self, at: &Cursor<'n>, of: &str) -> Vec<Cursor<'n>> {
        if matches!(at.node.value, Value::List(_)) {
            return at.items().collect();
        }
        let hint = match &at.node.value {
            Value::Scalar(_) => "put `- ` before the value, on a line of its own below the key".to_owned(),
            _ => format!("write one `- ` line for each of the {of}"),
        };
        self.wrong_type(at, &format!("a list of {of}"), hint);
        Vec::new()
    }
}

impl<'n> Object<'n> {
    /// The value of a key; of several equal keys, which are reported for the whole tree, the first.
    ///
    /// The key is one of the table.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Cursor<'n>> {
        debug_assert!(self.table.field(key).is_some(), "the parser asks for `{key}`, which is in no table");
        self.at.child(key)
    }

    /// The value of a key that must be there, as the table says.
    pub fn required(&self, check: &mut Check<'_>, key: &str) -> Option<Cursor<'n>> {
        let found = self.get(key);
        if found.is_none() {
            let place = self.at.node.place;
            let place = Place { span: (place.span.0, place.span.0), ..place };
            let hint = self.table.field(key).and_then(|field| field.required);
            debug_assert!(hint.is_some(), "the parser requires `{key}`, and the table does not");
            let message = format!("the key `{key}` is missing");
            check.error_at(place, &join(self.at.field(), key), "missing-key", message, hint.unwrap_or_default());
        }
        found
    }
}

/// A finding about the whole file.
pub(super) fn whole_file(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, message, hint)
}
