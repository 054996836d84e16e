//! Where content is, for messages.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::reference::Reference;

/// Where content is, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file or directory of the host.
    Path(PathBuf),
    /// In a registry.
    Reference(Box<Reference>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Reference(reference) => reference.fmt(f),
        }
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<&PathBuf> for Place {
    fn from(path: &PathBuf) -> Self {
        Self::Path(path.clone())
    }
}
