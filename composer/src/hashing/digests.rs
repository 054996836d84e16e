//! What is computed of a content while it is read.

use std::sync::Arc;

use image::composefs::{INLINE_LIMIT, Stored};
use image::verity::{DualDigest, Hasher};
use model::VerityDigest;

use super::{Hashed, Known, Measured};

/// The digests of a content that comes in pieces.
pub(super) trait Digests: Default + Send {
    /// What is known of a file when it was read.
    type File: Stored + Clone + Send + Sync;

    fn update(&mut self, bytes: &[u8]);

    /// The file and its fs-verity digest.
    fn end(self, size: u64, inline: Option<Arc<[u8]>>) -> (Self::File, VerityDigest);

    /// A file of which the digests are known already, where they are what is remembered.
    fn known(_size: u64, _known: &Known) -> Option<Self::File> {
        None
    }

    /// What the next build would like to know, where anything is remembered.
    fn to_remember(_file: &Self::File) -> Option<Known> {
        None
    }

    /// A content that is in memory.
    fn of(content: &[u8]) -> Self::File {
        let size = content.len() as u64;
        let mut digests = Self::default();
        digests.update(content);
        digests.end(size, (size <= INLINE_LIMIT).then(|| Arc::from(content))).0
    }
}

impl Digests for DualDigest {
    type File = Hashed;

    fn update(&mut self, bytes: &[u8]) {
        Self::update(self, bytes);
    }

    fn end(self, size: u64, inline: Option<Arc<[u8]>>) -> (Hashed, VerityDigest) {
        let (sha256, verity) = self.finish();
        (Hashed { size, sha256, verity, inline }, verity)
    }

    fn known(size: u64, known: &Known) -> Option<Hashed> {
        Some(Hashed { size, sha256: known.sha256, verity: known.verity, inline: None })
    }

    fn to_remember(file: &Hashed) -> Option<Known> {
        Some(Known { sha256: file.sha256, verity: file.verity })
    }
}

impl Digests for Hasher {
    type File = Measured;

    fn update(&mut self, bytes: &[u8]) {
        Self::update(self, bytes);
    }

    fn end(self, size: u64, inline: Option<Arc<[u8]>>) -> (Measured, VerityDigest) {
        let verity = self.finish();
        (Measured { size, verity, inline }, verity)
    }
}
