//! Looking at an object that exists.

use std::path::Path;

use host::{Dir, Links};
use model::VerityDigest;

use crate::error::Error;
use crate::verity;

/// The fs-verity digest of the regular file at `path`, which has `size` bytes.
pub(super) fn digest_of(path: &Path, size: u64) -> Result<VerityDigest, Error> {
    let (directory, name) = Dir::parent_of(path)?;
    let file = directory.file(&name, Links::Refuse)?;
    verity::digest_of_file(&file, size).map_err(Error::io("read", path))
}
