//! Each shipped file is read once, and everything that needs its bytes takes them from that read.
//!
//! Sealing turns a tree of sources into a tree of digests. From one buffer come the sha256 (for the
//! SBOM), the fs-verity digest (for the image and the object's name) and the bytes that go to the
//! [`ObjectSink`]s: the object store and the spool of `module.tar`.

use std::sync::Arc;

use model::{Digest, VerityDigest};

use crate::error::Error;

/// The largest file, in bytes, that lies in the image itself and has no object.
pub const INLINE_LIMIT: u64 = 64;

/// What is known of a regular file after its one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The content's length in bytes.
    pub size: u64,
    /// The plain sha256 of the content.
    pub sha256: Digest,
    /// The fs-verity digest of the content; names its object, where it has one.
    pub verity: VerityDigest,
    /// The content itself, if and only if `size` is at most [`INLINE_LIMIT`].
    pub inline: Option<Arc<[u8]>>,
}

/// Takes the content of files that are too large to be inline. Called from many threads at once.
///
/// The same content may come more than once; a sink keeps one copy.
pub trait ObjectSink: Sync {
    /// Takes a whole object.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn small(&self, digest: &VerityDigest, content: &[u8]) -> Result<(), Error>;

    /// Begins an object that comes in chunks; its digest is known only at the end.
    ///
    /// # Errors
    /// When there is no room for `size` bytes.
    fn large(&self, size: u64) -> Result<Box<dyn LargeObject + '_>, Error>;
}

/// An object that comes in chunks. Dropped without [`LargeObject::finish`], it leaves nothing.
pub trait LargeObject: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn write(&mut self, chunk: &[u8]) -> Result<(), Error>;

    /// Ends the object and gives it its name.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn finish(self: Box<Self>, digest: &VerityDigest) -> Result<(), Error>;
}
