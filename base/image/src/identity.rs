//! What distinguishes a content from another without reading it.

use std::fs::File;

use rustix::fs::{FileType, Stat};

use crate::tree::Mtime;

/// A part of a file of the host as the kernel describes it. While two of these are equal, the content
/// is the same, unless someone wrote within the same tick of the file system's clock or set the
/// machine's clock back: times of both kinds count, and no one can set the time of the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The device of the file system.
    pub device: u64,
    /// The number of the inode.
    pub inode: u64,
    /// The size of the whole file in bytes.
    pub file_size: u64,
    /// When the content was last written, as the file says.
    pub modified: Mtime,
    /// When content or attributes were last changed, as the kernel says.
    pub changed: Mtime,
    /// Where the content begins in the file, in bytes: 0 but for a member of an archive.
    pub offset: u64,
    /// The size of the content in bytes.
    pub size: u64,
}

impl Identity {
    /// The identity of a part of an open file.
    #[must_use]
    pub fn of_open(file: &File, offset: u64, size: u64) -> Option<Self> {
        Self::of(&rustix::fs::fstat(file).ok()?, offset, size)
    }

    /// The identity of a part of a file that is what `stat` says; none when that is no regular file.
    #[must_use]
    pub fn of(stat: &Stat, offset: u64, size: u64) -> Option<Self> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        Some(Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            file_size: u64::try_from(stat.st_size).ok()?,
            modified: Mtime::new(stat.st_mtime, stat.st_mtime_nsec)?,
            changed: Mtime::new(stat.st_ctime, stat.st_ctime_nsec)?,
            offset,
            size,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn a_file_has_an_identity_and_nothing_else_does() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(9).unwrap();
        let identity = Identity::of_open(&file, 2, 5).unwrap();
        assert_eq!((identity.file_size, identity.offset, identity.size), (9, 2, 5));
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Identity::of_open(&File::open(directory.path()).unwrap(), 0, 0), None);
    }
}
