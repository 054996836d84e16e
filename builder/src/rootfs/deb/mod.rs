//! Reads .deb files without dpkg.
//!
//! Source of the format: `deb(5)`: an `ar` archive (`members`) with the members `debian-binary`,
//! `control.tar[.EXT]` (`control`) and `data.tar[.EXT]` (`entries`) in this order. Contents are read as a
//! stream; nothing a file claims about itself is trusted before it was checked, and every size has
//! a limit.

mod control;
mod entries;
mod members;
mod texts;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use model::Digest;
use model::path::ImagePathError;

use super::hashing::Hashing;
use crate::deb822::Fault;

pub(super) use control::SCRIPTS;
pub use control::{Control, Metadata};
pub use entries::{DebEntry, DebKind};
pub use texts::{DebTexts, texts};

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
    /// It cannot be opened, or is not ours.
    #[error(transparent)]
    Host(#[from] host::Error),
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
    /// Its sha256 is not the one that was asked for.
    #[error("it has the sha256 {found}, and {wanted} was checked before: it changed meanwhile")]
    Changed {
        /// What it has.
        found: Digest,
        /// What it has to have.
        wanted: Digest,
    },
    /// A line of the control file is damaged.
    #[error("its control file is damaged: {0}")]
    ControlText(#[from] Fault),
    /// The control file is missing, or it is not one paragraph.
    #[error("its control file is damaged: {what}")]
    Control {
        /// What is wrong.
        what: &'static str,
    },
}

/// Everything that a package says without its files' contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebContents {
    /// What it says about itself.
    pub metadata: Metadata,
    /// Its files in their order.
    pub entries: Vec<DebEntry>,
}

/// The files of the package at `path` in their order.
///
/// # Errors
/// When the file is no sound package.
pub fn contents(path: &Path) -> Result<Vec<DebEntry>, Error> {
    at(path, |file| {
        let mut package = members::Package::new(file)?;
        package.find("control.tar")?;
        entries::contents(&mut package)
    })
}

/// What the package at `path`, an own file, says about itself, and only if its bytes have this sha256.
///
/// # Errors
/// When the file is no sound package, or another one.
pub(super) fn checked(path: &Path, sha256: &Digest) -> Result<Metadata, Error> {
    hashed(path, sha256, |file| control::metadata(&mut members::Package::new(file)?))
}

/// What the package at `path` says about itself.
///
/// # Errors
/// When the file is no sound package.
pub fn metadata(path: &Path) -> Result<Metadata, Error> {
    at(path, |file| control::metadata(&mut members::Package::new(file)?))
}

/// What [`metadata`] and [`contents`] give, from one reading of the package at `path`, and only if the
/// bytes that were read are those with this sha256.
///
/// # Errors
/// When the file is no sound package, or another one.
pub fn listing(path: &Path, sha256: &Digest) -> Result<DebContents, Error> {
    hashed(path, sha256, |file| read(file))
}

/// What `take` gives from an own file, of which every byte is hashed by the same reading.
fn hashed<T>(
    path: &Path,
    sha256: &Digest,
    take: impl FnOnce(&mut Hashing<BufReader<File>>) -> Result<T, Reason>,
) -> Result<T, Error> {
    let read = |file| {
        let mut file = Hashing::new(BufReader::with_capacity(64 << 10, file));
        let taken = take(&mut file)?;
        io::copy(&mut file, &mut io::sink())?;
        let (_, found) = file.finish();
        if found == *sha256 { Ok(taken) } else { Err(Reason::Changed { found, wanted: *sha256 }) }
    };
    // The way to it was checked when it came into the cache or was found there.
    let file = host::open::file(path).and_then(|file| host::owner::check(&file, path).map(|()| file));
    let taken = file.map_err(Reason::Host).and_then(read);
    taken.map_err(|reason| Error { path: path.to_owned(), reason })
}

fn read(input: impl Read) -> Result<DebContents, Reason> {
    let mut package = members::Package::new(input)?;
    let metadata = control::metadata(&mut package)?;
    Ok(DebContents { metadata, entries: entries::contents(&mut package)? })
}

fn at<T>(path: &Path, read: impl FnOnce(BufReader<File>) -> Result<T, Reason>) -> Result<T, Error> {
    host::open::file(path)
        .map_err(Reason::Host)
        .and_then(|file| read(BufReader::with_capacity(64 << 10, file)))
        .map_err(|reason| Error { path: path.to_owned(), reason })
}

#[cfg(test)]
pub(crate) mod tests;
