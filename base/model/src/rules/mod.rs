//! The rules of one build: which patterns exclude, which include, and where each was written.

mod conflict;
mod index;
mod overlap;

pub use conflict::{Conflict, conflicts};

use serde::Serialize;

use crate::FileName;
use crate::path::json::keys;

use crate::diagnostic::Position;
use crate::manifest::{Entry, Manifest};
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
    /// The rules of `own` beside `neighbours`, each with the file that it was read from: own `mask`,
    /// then the neighbours' `protected_spec`; own `protected_spec`, then own `file_spec`.
    ///
    /// An include of a bare directory stays as it is written: what it means depends on the tree.
    #[must_use]
    pub fn new(own: (&Manifest, &FileName), neighbours: &[(Manifest, FileName)]) -> Self {
        let (manifest, file) = own;
        let list = |field| rules(manifest, file, field);
        let protected = neighbours.iter().flat_map(|(other, file)| rules(other, file, Field::ProtectedSpec));
        Self {
            excludes: list(Field::Mask).into_iter().chain(protected).collect(),
            includes: list(Field::ProtectedSpec).into_iter().chain(list(Field::FileSpec)).collect(),
        }
    }
}

/// One list of a manifest as rules.
fn rules(manifest: &Manifest, file: &FileName, field: Field) -> Vec<Rule> {
    let entries = match field {
        Field::Mask => &manifest.mask,
        Field::FileSpec => &manifest.file_spec,
        Field::ProtectedSpec => &manifest.protected_spec,
        Field::DependencySpec => &manifest.dependency_spec,
        Field::Default => return Vec::new(),
    };
    let rule = |entry: &Entry<Pattern>| Rule {
        pattern: entry.value.clone(),
        origin: Origin { module: manifest.name.clone(), file: file.clone(), field, position: Some(entry.position) },
    };
    entries.iter().map(rule).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
