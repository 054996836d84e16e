//! What is wrong with a text, where, and how to fix it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::FileName;
use crate::path::json::keys;

/// A place in a text: line and column from 1, counted in characters as an editor counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The input cannot be used.
    Error,
    /// The input can be used, but probably not as meant.
    Warning,
    /// Something the author should know.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// What a module's author would add, so that a finding is no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Additions {
    /// Packages, for `package_spec`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub package_spec: BTreeSet<String>,
    /// Patterns, for `file_spec`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub file_spec: BTreeSet<String>,
    /// Lines by the file of the overlay that they belong in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub overlay: BTreeMap<String, BTreeSet<String>>,
}

impl Additions {
    /// Whether there is nothing to add.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.package_spec.is_empty() && self.file_spec.is_empty() && self.overlay.is_empty()
    }

    /// Adds what `other` adds.
    pub fn merge(&mut self, other: &Self) {
        self.package_spec.extend(other.package_spec.iter().cloned());
        self.file_spec.extend(other.file_spec.iter().cloned());
        for (file, lines) in &other.overlay {
            self.overlay.entry(file.clone()).or_default().extend(lines.iter().cloned());
        }
    }
}

/// One finding about a text from outside.
///
/// `message` says what is wrong in one line without a full stop, `hint` what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of the kind of finding in kebab-case, such as `unknown-key`.
    pub code: &'static str,
    /// The file as the user named it; `None` until someone who knows the name fills it in.
    #[serde(flatten, serialize_with = "keys::file")]
    pub file: Option<FileName>,
    /// Where it begins; `None` where the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Byte offsets of the offending text in the file as it was read: start, and one past the end.
    #[serde(skip)]
    pub span: Option<(usize, usize)>,
    /// The field, such as `services[0].health.method`; empty where the whole file is meant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// The offending text, cut to 80 characters, control characters escaped; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// What the hint says to add, for programs.
    #[serde(skip_serializing_if = "Additions::is_empty")]
    pub add: Additions,
}

impl Diagnostic {
    /// A finding about a whole text, whose name is not known yet; the methods below say more about its place.
    #[must_use]
    pub fn new(severity: Severity, code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        debug_assert!(crate::long_form::of(code).is_some(), "{code} has no long form");
        let (message, hint) = (message.into(), hint.into());
        let (field, text) = (String::new(), String::new());
        let (file, position, span, add) = (None, None, None, Additions::default());
        Self { severity, code, file, position, span, field, text, message, hint, add }
    }

    /// The same finding in a file.
    #[must_use]
    pub fn in_file(self, file: impl Into<FileName>) -> Self {
        Self { file: Some(file.into()), ..self }
    }

    /// The same finding at a place, where that is known.
    #[must_use]
    pub fn at(self, position: impl Into<Option<Position>>) -> Self {
        Self { position: position.into(), ..self }
    }

    /// The same finding about the bytes from `start` to before `end` of the file.
    #[must_use]
    pub fn spanning(self, start: usize, end: usize) -> Self {
        Self { span: Some((start, end)), ..self }
    }

    /// The same finding about a field, such as `services[0].name`.
    #[must_use]
    pub fn in_field(self, field: impl Into<String>) -> Self {
        Self { field: field.into(), ..self }
    }

    /// The same finding with the text that it is about, which is shown as it is.
    #[must_use]
    pub fn quoting(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self }
    }

    /// The same finding with what its hint says to add.
    #[must_use]
    pub fn adding(self, add: Additions) -> Self {
        Self { add, ..self }
    }

    /// `file:line:column`, as far as it is known.
    #[must_use]
    pub fn place(&self) -> String {
        let file = self.file.as_deref().unwrap_or("<input>");
        self.position.map_or_else(|| file.to_owned(), |position| format!("{file}:{position}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_all_that_is_known_of_it() {
        let place = Position { line: 2, column: 3 };
        let found =
            Diagnostic::new(Severity::Note, "syntax", "message", "").in_file("a.yaml").at(place).in_field("mask");
        let found = found.spanning(4, 6).quoting("it");
        assert_eq!((found.file, found.position, found.field.as_str()), (Some("a.yaml".into()), Some(place), "mask"));
        assert_eq!((found.span, found.text.as_str(), found.code), (Some((4, 6)), "it", "syntax"));
        let add = Additions { package_spec: ["a".to_owned()].into(), ..Additions::default() };
        assert_eq!(Diagnostic::new(Severity::Note, "syntax", "m", "").adding(add.clone()).add, add);
    }
}
