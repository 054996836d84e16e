//! Composefs images.

use model::VerityDigest;

/// What an image says about a regular file's content.
///
/// A file is empty, or its bytes lie in the image, or the image holds the fs-verity digest by which
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
