//! A directory by its descriptor, and what is in it.
//!
//! A path that is opened twice can lead to two places, and whoever owns a directory on the way decides
//! which. A descriptor stays the same directory whatever is renamed around it, so a run opens a directory
//! once and names what is in it from there.

mod change;
mod place;
mod resolve;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::{Error, Fault};

/// Which symbolic links are followed below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// None.
    Refuse,
    /// Those that stay below the directory. A kernel without `openat2` (before 5.6, or behind a filter of
    /// system calls) cannot do so safely: there none is followed.
    Below,
}

/// How often a path is resolved again when something was renamed meanwhile.
const RACES: usize = 64;

/// An open directory.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    /// What the user calls it; for messages only.
    path: PathBuf,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    /// Opens the directory that `path` leads to. Links are followed: the user named it.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path: path.to_owned() }),
            Err(errno) => Err(match rustix::fs::stat(path) {
                // Where it is not this one, the way to it holds a file.
                Ok(found) if errno == Errno::NOTDIR => {
                    Error::place(path, Fault::NotADirectory(FileType::from_raw_mode(found.st_mode).into()))
                }
                _ => Error::io("open", path)(errno),
            }),
        }
    }

    /// Opens the directory that holds `path`, and gives the name that `path` has in it.
    ///
    /// # Errors
    /// When there is none, or `path` ends in no name.
    pub fn parent_of(path: &Path) -> Result<(Self, OsString), Error> {
        let name = path.file_name().ok_or_else(|| Error::place(path, Fault::Name))?;
        Ok((Self::open(path.parent().unwrap_or(Path::new("")))?, name.to_owned()))
    }

    /// The same directory by another descriptor.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let fd = self.fd.try_clone().map_err(Error::io("open", &self.path))?;
        Ok(Self { fd, path: self.path.clone() })
    }

    /// What the user calls it; for messages only, since it may lead elsewhere by now.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the user calls `name` in it; for messages only.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        if self.path == Path::new(".") { name.as_ref().to_owned() } else { self.path.join(name) }
    }

    /// What is at `path`, without following a link at its end; none when there is nothing.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn stat(&self, path: impl AsRef<Path>) -> Result<Option<Stat>, Error> {
        let path = path.as_ref();
        match rustix::fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io("read", &self.join(path))(errno)),
        }
    }

    /// The kind of file that `name` is; none when there is nothing.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn kind(&self, name: impl AsRef<Path>) -> Result<Option<FileType>, Error> {
        Ok(self.stat(name)?.map(|stat| FileType::from_raw_mode(stat.st_mode)))
    }

    /// The id of the user whose it is.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn owner(&self) -> Result<u32, Error> {
        Ok(rustix::fs::fstat(&self.fd).map_err(Error::io("read", &self.path))?.st_uid)
    }

    /// Device and inode: what distinguishes this directory from every other one.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn identity(&self) -> Result<(u64, u64), Error> {
        let stat = rustix::fs::fstat(&self.fd).map_err(Error::io("read", &self.path))?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// The names in it, sorted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self) -> Result<Vec<OsString>, Error> {
        // A descriptor of its own, since reading moves a position.
        let own =
            rustix::fs::openat(&self.fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(Error::io("read", &self.path))?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(own).map_err(Error::io("read", &self.path))? {
            let entry = entry.map_err(Error::io("read", &self.path))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn checked<'a>(&self, name: &'a OsStr) -> Result<&'a OsStr, Error> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') || bytes.contains(&0) {
            return Err(Error::place(&self.join(name), Fault::Name));
        }
        Ok(name)
    }
}

/// `prefix`, `name`, and digits that no one can foresee.
pub(crate) fn temporary_name(prefix: &str, name: &OsStr) -> OsString {
    let mut random = [0_u8; 8];
    // Without randomness the name is taken or it is not: whoever makes it fails if it is.
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    let mut text = OsString::from(prefix);
    text.push(name);
    text.push(format!(".{:016x}", u64::from_ne_bytes(random)));
    text
}

#[cfg(test)]
mod tests;
