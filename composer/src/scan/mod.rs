//! A root file system becomes a tree: the only reader of a root file system.
//!
//! Contents are not read: each regular file of the tree is a [`Source`] that says where its bytes are.

mod acl;
mod archive;
mod directory;
mod error;
mod header;
mod number;
mod pax;
mod source;
mod sparse;

use std::collections::BTreeSet;
use std::path::Path;

pub use archive::{archive, opened_archive};
pub use directory::{below, directory};
pub use error::ArchiveFault;
pub use source::{ArchiveFile, Content, FileKey, HostFile, Positioned, Source};

use image::tree::Tree;

use crate::Error;

/// Which extended attributes come into the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XattrFilter {
    /// Those with these full names. Others, such as `security.selinux` and `user.*`, say something
    /// about the machine of the build and would change the image's digest.
    Only(BTreeSet<Box<[u8]>>),
    /// All that the file system or archive gives.
    All,
}

impl XattrFilter {
    /// Keeps no attribute at all.
    #[must_use]
    pub fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether no attribute at all comes into the tree.
    pub(crate) fn keeps_none(&self) -> bool {
        matches!(self, Self::Only(names) if names.is_empty())
    }

    /// Whether the attribute `name` comes into the tree.
    #[must_use]
    pub fn keeps(&self, name: &[u8]) -> bool {
        match self {
            Self::Only(names) => names.contains(name),
            Self::All => true,
        }
    }
}

impl Default for XattrFilter {
    /// File capabilities and POSIX access control lists.
    fn default() -> Self {
        let names = [&b"security.capability"[..], b"system.posix_acl_access", b"system.posix_acl_default"];
        Self::Only(names.into_iter().map(Box::from).collect())
    }
}

/// How a root file system is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Which extended attributes come into the tree.
    pub xattrs: XattrFilter,
}

/// Reads the root file system at `path`: a directory or a tar archive, by what it is.
///
/// # Errors
/// As [`directory`] and [`archive`]; [`Error::NotARootfs`] when it is neither.
pub fn rootfs(path: &Path, options: &Options) -> Result<Tree<Source>, Error> {
    // What it is by then is found out by opening it.
    let metadata = std::fs::metadata(path).map_err(Error::io("stat", path))?;
    if metadata.is_dir() { directory(path, options) } else { archive(path, options) }
}
