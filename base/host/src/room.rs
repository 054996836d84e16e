//! How much can still be written.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// What a file system has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The device: two directories with the same one share their room.
    pub device: u64,
    /// The bytes that any user may still write; none where the file system does not count them.
    pub bytes: Option<u64>,
}

/// The room where `path` is or, as it is not there yet, will be.
///
/// # Errors
/// When the file system cannot be asked.
pub fn at(path: &Path) -> Result<Room, Error> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = absolute.ancestors().find(|path| path.exists()).map_or_else(|| PathBuf::from("/"), Path::to_owned);
    let stat = rustix::fs::statvfs(&there);
    let stat =
        stat.map_err(|source| Error::Io { action: "measure the room at", path: there.clone(), source: source.into() })?;
    let found = there.metadata().map_err(|source| Error::Io { action: "read", path: there, source })?;
    // One that has no blocks at all, such as ramfs, a tmpfs without a limit or many that programs make, is not
    // full: it does not say. What is kept for the superuser is there to keep the machine alive, not for results.
    let bytes = (stat.f_blocks != 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize));
    Ok(Room { device: found.dev(), bytes })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn what_is_not_there_yet_has_the_room_of_what_it_will_lie_in() {
        let folder = tempfile::tempdir().unwrap();
        let inside = at(&folder.path().join("a/b/c")).unwrap();
        assert_eq!(inside.device, at(folder.path()).unwrap().device);
        assert!(inside.bytes.is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn a_file_system_that_counts_no_blocks_is_not_full() {
        assert_eq!(at(Path::new("/proc/self")).unwrap().bytes, None);
    }
}
