//! Small files, read whole.

use std::path::Path;

use super::Error;

/// The largest keyring and Release file that is read, in bytes.
pub(super) const LIMIT: u64 = 64 << 20;

/// The content of the file at `path`.
pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(host::open::read(path, LIMIT)?)
}
