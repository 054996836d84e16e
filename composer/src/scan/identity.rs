//! What tells a content from another without reading it.

use std::fs::File;

use rustix::fs::{AtFlags, CWD, FileType, Stat};

use super::Source;
use crate::Error;
use crate::tree::Mtime;

/// A part of a file of the host as the kernel describes it. While two of these are equal, the content
/// is the same, unless somebody wrote within the same tick of the file system's clock or set the
/// machine's clock back: times of both kinds count, and nobody can set the time of the last change.
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

impl Source {
    /// The identity of the content now; none where it is in memory, or where there is no regular file any more.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        match self {
            Self::Bytes(_) => None,
            Self::File { file, size } => {
                let stat = rustix::fs::statat(CWD, file.path(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
                of(&stat, 0, *size)
            }
            Self::Range { archive, offset, size } => of_open(archive.file(), *offset, *size),
        }
    }
}

impl Source {
    /// The file of the host that holds the content, if it still has this identity.
    ///
    /// # Errors
    /// When it has another, or cannot be opened.
    pub(crate) fn reopen(&self, identity: &Identity) -> Result<File, Error> {
        let file = self.host_file()?;
        let same = file.as_ref().and_then(|file| of_open(file, identity.offset, identity.size)) == Some(*identity);
        file.filter(|_| same).ok_or_else(|| self.changed())
    }

    /// Says that the content is no longer what it was.
    pub(crate) fn changed(&self) -> Error {
        Error::ChangedMeanwhile { path: self.name() }
    }
}

/// The identity of a part of an open file.
pub(crate) fn of_open(file: &File, offset: u64, size: u64) -> Option<Identity> {
    of(&rustix::fs::fstat(file).ok()?, offset, size)
}

fn of(stat: &Stat, offset: u64, size: u64) -> Option<Identity> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    Some(Identity {
        device: stat.st_dev,
        inode: stat.st_ino,
        file_size: u64::try_from(stat.st_size).ok()?,
        modified: time(stat.st_mtime, stat.st_mtime_nsec)?,
        changed: time(stat.st_ctime, stat.st_ctime_nsec)?,
        offset,
        size,
    })
}

fn time(seconds: i64, nanoseconds: impl TryInto<u32>) -> Option<Mtime> {
    Some(Mtime { seconds, nanoseconds: nanoseconds.try_into().ok()? })
}
