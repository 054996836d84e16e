//! Composefs images: a tree of names, inodes and digests as one EROFS file.
//!
//! [`write`] makes the bytes that C `mkcomposefs --min-version=1 --max-version=1` makes for the same
//! tree; [`read`] gives the tree back, [`read_canonical`] only of exactly these bytes; [`dump`] prints
//! it as composefs-dump(5). The format is described in `docs/formats/composefs-image.md`.
//!
//! Writing takes four steps, each in its module: `survey` checks the tree and finds the first name
//! of each inode, `plan` puts the inodes in order and turns them into what overlayfs is to see,
//! `share` finds the attributes that several inodes have, `layout` says where every byte goes. Then
//! `write` emits what was laid out, and `dump` prints it.

mod canonical;
mod dump;
mod error;
mod format;
mod layout;
mod plan;
mod raw;
mod read;
mod share;
mod survey;
mod write;

use model::VerityDigest;

pub use canonical::read_canonical;
pub use dump::dump;
pub use error::ImageError;
pub use read::{Entry, read};
pub use write::write;

/// What an image says about a regular file's content.
///
/// A file is empty, or its bytes are in the image, or the image holds the fs-verity digest by which
/// the object store knows it.
pub trait Stored {
    /// The size of the content in bytes.
    fn size(&self) -> u64;

    /// The content itself, when the image is to hold it. Files of at most [`INLINE_LIMIT`] bytes
    /// are stored like this.
    fn inline(&self) -> Option<&[u8]>;

    /// The digest of the content, when an object holds it. Neither empty nor inline files have one.
    fn verity(&self) -> Option<&VerityDigest>;
}

/// The largest content, in bytes, that an image holds itself; anything larger is an object.
pub const INLINE_LIMIT: u64 = 64;

/// Whether a file that begins with `head` (four bytes or more) is meant to be a composefs image. Only
/// [`read`] says whether it is one.
#[must_use]
pub fn is_image(head: &[u8]) -> bool {
    head.starts_with(&format::COMPOSEFS_MAGIC.to_le_bytes())
}
