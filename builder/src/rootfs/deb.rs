//! Reads .deb files without dpkg.
//!
//! Source of the format: `deb(5)`: an `ar` archive (`members`) with the members `debian-binary`,
//! `control.tar[.EXT]` (`control`) and `data.tar[.EXT]` (`entries`) in this order. Contents are read as a
//! stream; nothing a file claims about itself is believed before it was checked, and every size has
//! a limit.

mod control;
mod entries;
mod members;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use model::path::ImagePathError;

pub use control::{Control, Metadata};
pub use entries::{DebEntry, DebKind};

/// Why a file is no .deb that can be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub reason: Reason,
}

/// What is wrong with a .deb.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It cannot be read, or its compressed data is damaged.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as an `ar` archive does.
    #[error("it is not a Debian package: the `ar` signature is missing")]
    NotAnArchive,
    /// An `ar` member's header is damaged.
    #[error("the header of an `ar` member is damaged")]
    MemberHeader,
    /// A member that must be there is not, or not in its place.
    #[error("it has no {member}")]
    MissingMember {
        /// The member's name, without the compression's suffix.
        member: &'static str,
    },
    /// `debian-binary` names a format that is not known.
    #[error("its format version {version:?} is not known: only 2.x is")]
    Version {
        /// What it says.
        version: String,
    },
    /// A member is compressed in a way that dpkg no longer writes or not yet.
    #[error("the member {name:?} is compressed in a way that is not known")]
    Compression {
        /// The member's name.
        name: String,
    },
    /// An archive unpacks to more than the limit, or holds more files.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A path in it could leave the root.
    #[error(transparent)]
    Path(#[from] ImagePathError),
    /// A tar entry of a kind that no package holds.
    #[error("the entry {path} has the unknown tar type {kind:?}")]
    EntryKind {
        /// The entry.
        path: String,
        /// The type byte.
        kind: char,
    },
    /// The control file is missing or damaged.
    #[error("its control file is damaged: {what}")]
    Control {
        /// What is wrong.
        what: &'static str,
    },
}

/// The files of the package at `path` in their order.
///
/// # Errors
/// When the file is no sound package.
pub fn contents(path: &Path) -> Result<Vec<DebEntry>, Error> {
    at(path, entries::contents)
}

/// What the package at `path` says about itself.
///
/// # Errors
/// When the file is no sound package.
pub fn metadata(path: &Path) -> Result<Metadata, Error> {
    at(path, control::metadata)
}

fn at<T>(path: &Path, read: impl FnOnce(BufReader<File>) -> Result<T, Reason>) -> Result<T, Error> {
    File::open(path)
        .map_err(Reason::Io)
        .and_then(|file| read(BufReader::with_capacity(64 << 10, file)))
        .map_err(|reason| Error { path: path.to_owned(), reason })
}

#[cfg(test)]
pub(crate) mod tests;
