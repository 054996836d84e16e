//! Contents that an image made by others does not hold, and names in its own way.

use model::VerityDigest;

/// The content of a regular file that is outside of the image, under a name that is not its digest, or
/// without a digest at all.
///
/// No build writes such a file: C tools do, of a dump that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// The size in bytes, at least one.
    pub size: u64,
    /// The fs-verity digest. Without one nothing can vouch for the content.
    pub digest: Option<VerityDigest>,
    /// The backing file's path in the object store, relative and not empty. Without one the file reads as zeros.
    pub path: Option<Box<[u8]>>,
}

impl Backing {
    /// The value of `trusted.overlay.metacopy`: version, length, flags, hash algorithm, and the digest.
    pub(super) fn metacopy(digest: Option<&VerityDigest>) -> Vec<u8> {
        digest.map_or_else(Vec::new, |digest| [&[0, 36, 0, 1], &digest.as_bytes()[..]].concat())
    }

    /// The value of `trusted.overlay.redirect`.
    pub(super) fn redirect(path: &[u8]) -> Vec<u8> {
        [b"/", path].concat()
    }
}
