//! Looking at an object that exists.

use std::fs::File;
use std::path::Path;

use model::VerityDigest;

use crate::error::Error;
use crate::verity;

/// The fs-verity digest of the file at `path`, which has `size` bytes.
pub(super) fn digest_of(path: &Path, size: u64) -> Result<VerityDigest, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    verity::digest_of_file(&file, size).map_err(Error::io("read", path))
}
