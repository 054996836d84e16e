//! Where a keyring is.

use std::path::PathBuf;

use host::{Dir, Links};

use super::bounded_read;

/// Where a keyring is, and how far the way to it may lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyringFile {
    /// Where a user or the machine says; links are followed.
    At(PathBuf),
    /// In a directory that brings it along, such as a module, out of which neither the path nor a link may
    /// lead.
    Below {
        /// The directory.
        directory: PathBuf,
        /// The path from there.
        path: PathBuf,
    },
    /// Written into a text that names it, such as a source of the host's apt.
    Inline {
        /// The file that holds the text.
        file: PathBuf,
        /// The keyring in its text form.
        text: String,
    },
    /// Several, each of whose keys counts.
    Together(Vec<KeyringFile>),
}

impl KeyringFile {
    /// The whole path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::At(path) => path.clone(),
            Self::Below { directory, path } => directory.join(path),
            Self::Inline { file, .. } => file.clone(),
            Self::Together(files) => files.first().map_or_else(PathBuf::new, Self::path),
        }
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, host::Error> {
        match self {
            Self::At(path) => host::open::read(path, bounded_read::LIMIT),
            Self::Below { directory, path } => Dir::open(directory)?.read(path, Links::Below, bounded_read::LIMIT),
            Self::Inline { text, .. } => Ok(text.clone().into_bytes()),
            Self::Together(files) => files.first().map_or_else(|| Ok(Vec::new()), Self::read),
        }
    }
}
