//! Images and dumps that others made.

use super::canonical::{has_misplaced, same};
use super::dump::dump_as;
use super::form::{Form, OWN};
use super::format::COMPOSEFS_VERSION;
use super::read::read_as;
use super::survey::Survey;
use super::write::write_as;
use super::{Entry, Stored, text};
use crate::Error;
use crate::tree::{Kind, Tree};

/// A tree as C tools have it, with all that they write of it and a build does not: format version 0, files without
/// a digest or under another name, sparse files of up to 8 PiB, numbers of links that are not true.
///
/// Nothing that is made of it is a module: it is there to be looked at and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    tree: Tree<Entry>,
    form: Form,
}

impl Foreign {
    /// Reads an image that must be, byte for byte, what C `mkcomposefs` 1.0.8 writes of its tree in its version.
    /// What a build writes is such an image, too.
    ///
    /// # Errors
    /// When the bytes are no such image. Never panics, and takes time and memory in proportion to the image.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let (tree, mut form) = read_as(bytes, true)?;
        // An inode may be where both the name that was found and the usual one put it.
        let homes = std::mem::take(&mut form.homes);
        if !homes.is_empty() && same(write_as(&tree, &form), bytes).is_err() {
            form.homes = homes;
        }
        same(write_as(&tree, &form), bytes)?;
        Ok(Self { tree, form })
    }

    /// Reads a dump, composefs-dump(5), as C `mkcomposefs --from-file` 1.0.8 does. Numbers that do not fit, bytes
    /// that no name can have and lines without all of their fields are refused, where C tools cut them.
    ///
    /// # Errors
    /// When it is none: the error has line and column. Never panics, and takes time and memory in proportion to
    /// the text.
    pub fn of_dump(text: &[u8]) -> Result<Self, Error> {
        let (tree, form) = text::parse(text)?;
        Ok(Self { tree, form })
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree<Entry> {
        &self.tree
    }

    /// The tree, and how it is written: what [`dump_as`](super::dump_as) takes.
    #[must_use]
    pub fn into_parts(self) -> (Tree<Entry>, Form) {
        (self.tree, self.form)
    }

    /// The version of composefs: of a dump that that `mkcomposefs` uses by default.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.form.version
    }

    /// Whether the image is one that a build writes.
    #[must_use]
    pub fn is_built(&self) -> bool {
        let is_plain = self.form.version == COMPOSEFS_VERSION && self.form.is_plain();
        is_plain && !has_misplaced(&self.tree) && Survey::of(&self.tree, &OWN).is_ok()
    }

    /// The image in this version, 0 or 1, as C `mkcomposefs` writes it.
    ///
    /// # Errors
    /// When no image can hold the tree.
    pub fn write(&self, version: u32) -> Result<Vec<u8>, Error> {
        write_as(&self.tree, &Form { version: version.min(COMPOSEFS_VERSION), ..self.form.clone() })
    }

    /// The dump, byte for byte what C `composefs-info dump` prints of the image.
    ///
    /// # Errors
    /// When no image can hold the tree.
    pub fn dump(&self) -> Result<Vec<u8>, Error> {
        dump_as(&self.tree, &self.form)
    }
}

/// How many regular files of `tree`, each inode once, have a content of which no digest says what it is.
#[must_use]
pub fn without_digest<C: Stored>(tree: &Tree<C>) -> u64 {
    let is_open = |content: &C| content.backing().is_some() && content.verity().is_none();
    tree.nodes().filter(|node| matches!(&node.kind, Kind::Regular(content) if is_open(content))).count() as u64
}
