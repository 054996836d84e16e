//! `module.tar`: a module as one file.
//!
//! It holds `manifest.json`, `composefs.digest`, `module.cfs`, and every object of the image as
//! `objects/xx/<62 hex>`, sorted by digest. It is plain ustar: mode 0644 and 0755, owner 0:0 without
//! names, one time for all. Same content, same bytes.
//!
//! A [`Spool`] takes the objects during the one read of each file; a [`Plan`] knows where every
//! byte of the archive comes from; [`write`] writes it, plain and compressed, from one reading.
//! [`check`] reads an archive from outside, [`open`] one whose contents are wanted.

pub(crate) mod error;
mod frames;
mod plan;
mod read;
mod spool;
mod stream;
mod target;
mod write;

use model::VerityDigest;

use crate::error::Error;

pub use error::{FrameFault, Problem};
pub use plan::{Parts, Plan};
pub use read::{Archive, IMAGE_LIMIT, Member, Opened, check, open};
pub use spool::Spool;
pub use target::Place;
pub use write::{Blob, LEVEL, Targets, Written, write};

/// The name of the manifest in the archive.
const MANIFEST: &str = "manifest.json";
/// The name of the file that holds the fs-verity digest of the image.
const DIGEST: &str = "composefs.digest";
/// The name of the composefs image in the archive.
const IMAGE: &str = "module.cfs";
/// The directory of the objects.
const OBJECTS: &str = "objects/";
/// The size of a header and the unit of everything in a tar file.
const BLOCK: u64 = 512;

/// What `composefs.digest` holds: the fs-verity digest of `module.cfs` and a line break.
#[must_use]
pub fn digest_file(digest: &VerityDigest) -> String {
    format!("{digest}\n")
}

/// The bytes of a tar file, and where its entries begin.
pub trait TarBytes: Sync {
    /// The offset at which each entry begins, and last the length of the archive with its end mark.
    fn boundaries(&self) -> &[u64];

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// When the bytes cannot be read.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error>;
}

/// `size` with the padding that fills its last block.
fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests;
