//! The rules of one build: which patterns exclude, which include, and where each was written.

mod conflict;
mod index;
mod overlap;

pub use conflict::{Conflict, conflicts};

use serde::Serialize;

use crate::FileName;
use crate::path::json::keys;

use crate::diagnostic::Position;
use crate::document::Entry;
use crate::pattern::Pattern;

/// The list of a manifest that a pattern stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// `mask`: what the module does not ship.
    Mask,
    /// `file_spec`: what the module ships.
    FileSpec,
    /// `protected_spec`: what the module ships and no neighbour may.
    ProtectedSpec,
    /// `dependency_spec`: what a dependant may ship.
    DependencySpec,
    /// No list: the module has no `file_spec`, and the files of its own packages and overlay stand in.
    Default,
}

impl Field {
    /// The key in the manifest.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::FileSpec => "file_spec",
            Self::ProtectedSpec => "protected_spec",
            Self::DependencySpec => "dependency_spec",
            Self::Default => "(default)",
        }
    }
}

/// Where a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The module whose manifest holds the pattern.
    pub module: String,
    /// The manifest's file as the user named it.
    #[serde(flatten, serialize_with = "keys::file")]
    pub file: FileName,
    /// The list.
    pub field: Field,
    /// Where the pattern stands in the file.
    pub position: Option<Position>,
}

/// One pattern with its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// What it matches.
    pub pattern: Pattern,
    /// Who wrote it.
    pub origin: Origin,
}

/// The lists of patterns of one module with the file that they were read from, whatever else its manifest says.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
    /// The module's name.
    pub module: &'a str,
    /// The manifest's file as the user named it.
    pub file: &'a FileName,
    /// What the module does not ship.
    pub mask: &'a [Entry<Pattern>],
    /// What the module ships.
    pub file_spec: &'a [Entry<Pattern>],
    /// What the module ships and no neighbour may.
    pub protected_spec: &'a [Entry<Pattern>],
    /// What a dependant may ship.
    pub dependency_spec: &'a [Entry<Pattern>],
}

/// The rules of one build (docs/formats/filter.md): a path is shipped when no exclude takes it and
/// some include does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// Own `mask` first, then the neighbours' `protected_spec`.
    pub excludes: Vec<Rule>,
    /// Own `protected_spec` first, then own `file_spec`.
    pub includes: Vec<Rule>,
}

impl Rules {
    /// The rules of `own` beside `neighbours`: own `mask`, then the neighbours' `protected_spec`; own
    /// `protected_spec`, then own `file_spec`.
    ///
    /// An include of a bare directory stays as it is written: what it means depends on the tree.
    #[must_use]
    pub fn new(own: Lists<'_>, neighbours: &[Lists<'_>]) -> Self {
        let protected = neighbours.iter().flat_map(|other| other.rules(Field::ProtectedSpec));
        Self {
            excludes: own.rules(Field::Mask).into_iter().chain(protected).collect(),
            includes: own.rules(Field::ProtectedSpec).into_iter().chain(own.rules(Field::FileSpec)).collect(),
        }
    }
}

impl Lists<'_> {
    /// One list as rules.
    fn rules(&self, field: Field) -> Vec<Rule> {
        let entries = match field {
            Field::Mask => self.mask,
            Field::FileSpec => self.file_spec,
            Field::ProtectedSpec => self.protected_spec,
            Field::DependencySpec => self.dependency_spec,
            Field::Default => return Vec::new(),
        };
        let (module, file) = (self.module, self.file);
        let origin = |position| Origin { module: module.to_owned(), file: file.clone(), field, position };
        let rule = |entry: &Entry<Pattern>| Rule { pattern: entry.value.clone(), origin: origin(Some(entry.position)) };
        entries.iter().map(rule).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
