//! What is below a directory: opened by the way that is allowed, or not at all.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{Dir, Links, RACES};
use crate::error::{Error, Fault};
use crate::open::{READ, check_regular, read_all};

impl Links {
    fn resolve(self) -> ResolveFlags {
        let below = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match self {
            Self::Refuse => below | ResolveFlags::NO_SYMLINKS,
            Self::Below => below,
        }
    }
}

impl Dir {
    /// Opens the regular file at `path`, which is relative and stays below the directory, for reading.
    ///
    /// # Errors
    /// When there is none, it cannot be opened, something else than a regular file is there, or the way to
    /// it is not allowed.
    pub fn file(&self, path: impl AsRef<Path>, links: Links) -> Result<File, Error> {
        let path = path.as_ref();
        let shown = self.join(path);
        // Not opened before it is known what it is: opening a device can do something.
        let found = self.resolve(path, OFlags::PATH, links).map_err(|errno| self.fault(&shown, path, errno, links))?;
        check_regular(&found, &shown)?;
        let file = self.resolve(path, READ, links).map_err(|errno| self.fault(&shown, path, errno, links))?;
        check_regular(&file, &shown)?;
        Ok(file.into())
    }

    /// As [`Dir::file`], in one step, for a file that was a regular one when this run looked: a walk of many
    /// files has looked at each. Gives what the file is now, too, to be compared with what it was.
    ///
    /// # Errors
    /// As [`Dir::file`].
    pub fn known_file(&self, path: impl AsRef<Path>, links: Links) -> Result<(File, Stat), Error> {
        let path = path.as_ref();
        let file = self.resolve(path, READ, links).map_err(|errno| self.fault(&self.join(path), path, errno, links))?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| Error::io("read", &self.join(path))(errno))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((file.into(), stat)),
            kind => Err(Error::place(&self.join(path), Fault::NotAFile(kind.into()))),
        }
    }

    /// The content of the regular file at `path`.
    ///
    /// # Errors
    /// As [`Dir::file`], and when it has more than `limit` bytes.
    pub fn read(&self, path: impl AsRef<Path>, links: Links, limit: u64) -> Result<Vec<u8>, Error> {
        let path = path.as_ref();
        read_all(self.file(path, links)?, &self.join(path), limit)
    }

    /// As [`Dir::read`]; none when there is nothing at `path`.
    ///
    /// # Errors
    /// As [`Dir::read`].
    pub fn read_if_there(&self, path: impl AsRef<Path>, links: Links, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.read(path, links, limit) {
            Err(error) if error.is_not_found() => Ok(None),
            read => read.map(Some),
        }
    }

    /// Opens the directory at `path`, which is relative and stays below this one.
    ///
    /// # Errors
    /// When there is none, or the way to it is not allowed.
    pub fn directory(&self, path: impl AsRef<Path>, links: Links) -> Result<Self, Error> {
        let path = path.as_ref();
        let shown = self.join(path);
        let fd = self
            .resolve(path, OFlags::RDONLY | OFlags::DIRECTORY, links)
            .map_err(|errno| self.fault(&shown, path, errno, links))?;
        Ok(Self { fd, path: shown })
    }

    /// Resolves `path` below the directory, by the kernel where it can.
    fn resolve(&self, path: &Path, flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        for _ in 0..RACES {
            match rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), links.resolve()) {
                // Something was renamed meanwhile, so that the kernel cannot say.
                Err(Errno::AGAIN) => {}
                Err(Errno::NOSYS | Errno::PERM) => return self.step_by_step(path, flags),
                resolved => return resolved,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Resolves `path` name by name and follows no link.
    pub(super) fn step_by_step(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut names = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name),
                Component::CurDir => {}
                _ => return Err(Errno::XDEV),
            }
        }
        let last = names.pop().unwrap_or(OsStr::new("."));
        let mut at = self.fd.try_clone().map_err(|_| Errno::MFILE)?;
        for name in names {
            at = open_no_link(&at, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC)?;
        }
        open_no_link(&at, last, flags)
    }

    /// What to say of `path` that could not be resolved: the kernel gives one number for several reasons.
    fn fault(&self, shown: &Path, path: &Path, errno: Errno, links: Links) -> Error {
        if errno == Errno::NOTDIR {
            // Where links are followed, what the last of them leads to.
            let followed = self.resolve(path, OFlags::PATH, links).and_then(rustix::fs::fstat).ok();
            match followed.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                None | Some(FileType::Directory | FileType::Symlink) => {}
                Some(kind) => return Error::place(shown, Fault::NotADirectory(kind.into())),
            }
            match self.no_directory(path) {
                Some((_, FileType::Symlink)) => return Error::place(shown, Fault::Link),
                Some((part, kind)) => return Error::place(&self.join(part), Fault::NotADirectory(kind.into())),
                None => {}
            }
        }
        if errno == Errno::NOENT && matches!(self.kind(path), Ok(Some(FileType::Symlink))) {
            // Else a file that is optional would count as not there.
            return Error::place(shown, Fault::Dangling);
        }
        Error::resolved("open", shown, errno)
    }

    /// The first part of `path` at which there is something else than a directory.
    fn no_directory<'a>(&self, path: &'a Path) -> Option<(&'a Path, FileType)> {
        let mut parts: Vec<&Path> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        parts.reverse();
        let kind = |part| Some((part, self.kind(part).ok()??));
        parts.into_iter().filter_map(kind).find(|(_, kind)| *kind != FileType::Directory)
    }
}

fn open_no_link(at: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let opened = rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
    // With O_PATH a link is opened itself.
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode);
    if kind == FileType::Symlink { Err(Errno::LOOP) } else { Ok(opened) }
}
