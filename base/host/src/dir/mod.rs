//! A directory by its descriptor, and what is in it.
//!
//! A path that is opened twice can lead to two places, and whoever owns a directory on the way decides
//! which. A descriptor stays the same directory whatever is renamed around it, so a run opens a directory
//! once and names what is in it from there.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    Access, AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, StatxAttributes, StatxFlags,
};
use rustix::io::Errno;

use crate::error::{Error, Fault};
use crate::open::{READ, check_regular, read_all};

/// Which symbolic links are followed below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// None.
    Refuse,
    /// Those that stay below the directory. A kernel without `openat2` (before 5.6, or behind a filter of
    /// system calls) cannot do so safely: there none is followed.
    Below,
}

impl Links {
    fn resolve(self) -> ResolveFlags {
        let below = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match self {
            Self::Refuse => below | ResolveFlags::NO_SYMLINKS,
            Self::Below => below,
        }
    }
}

/// How deep a tree is that is removed. Each level takes a descriptor and a part of the stack.
const DEPTH: u32 = 256;

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
    fn step_by_step(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
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

    /// Whether this process may make files in it, found out by making one: what the rights say is not all, since a file
    /// system can be read-only, full, or the kernel's own (`proc`, `sysfs`). Nothing is left of the file.
    ///
    /// # Errors
    /// When no one may, or the system does not report it.
    pub fn is_writable(&self) -> Result<bool, Error> {
        match rustix::fs::accessat(&self.fd, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            // A kernel before 5.8 reports only the real user, which is the effective one of most runs.
            Ok(()) | Err(Errno::NOSYS | Errno::INVAL) => {}
            Err(Errno::ACCESS) => return Ok(false),
            Err(errno) => return Err(Error::io("write to", &self.path)(errno)),
        }
        self.try_file().map_err(|error| match error {
            // The kernel's own file systems say so of every name.
            error if error.is_not_found() => Error::io("write to", &self.path)(Errno::OPNOTSUPP),
            Error::Io { source, .. } => Error::io("write to", &self.path)(source),
            other @ Error::Place { .. } => other,
        })?;
        Ok(true)
    }

    /// Makes a file with a byte in it: a full file system may still have room for names.
    fn try_file(&self) -> Result<(), Error> {
        let mut file = self.unnamed()?;
        file.write_all(b"x").map_err(Error::io("write to", &self.path))
    }

    /// Finds out whether [`Dir::replace_target`] of `name` would be refused. Changes nothing.
    ///
    /// # Errors
    /// When a link leads out of the directory, a directory is there, or as [`Dir::is_writable`].
    pub fn is_target_writable(&self, name: impl AsRef<OsStr>) -> Result<bool, Error> {
        let (directory, name) = self.target(name.as_ref())?;
        match directory.kind(&name)? {
            Some(FileType::Directory) => {
                Err(Error::place(&directory.join(&name), Fault::NotAFile(FileType::Directory.into())))
            }
            _ => directory.is_writable(),
        }
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

    /// Makes the file `name`, which must not be there, with exactly `mode`, for reading and writing.
    ///
    /// # Errors
    /// When something is there, or it cannot be made.
    pub fn create(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File, Error> {
        let name = self.checked(name.as_ref())?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let wanted = Mode::from_raw_mode(mode);
        let path = self.join(name);
        let file = rustix::fs::openat(&self.fd, name, flags, wanted).map_err(Error::io("create", &path))?;
        // The mode that is given to open is cut by the umask. To set it costs as much as to make the file.
        let stat = rustix::fs::fstat(&file).map_err(Error::io("read", &path))?;
        if Mode::from_raw_mode(stat.st_mode) != wanted {
            rustix::fs::fchmod(&file, wanted).map_err(Error::io("set the mode of", &path))?;
        }
        Ok(file.into())
    }

    /// Makes a file without a name on the directory's file system, for reading and writing: it is gone when
    /// it is closed.
    ///
    /// # Errors
    /// When none can be made.
    pub fn unnamed(&self) -> Result<File, Error> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, ".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(file.into()),
            // A kernel or file system that knows only files with names.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                let name = temporary_name(".", OsStr::new("unnamed"));
                let file = self.create(&name, 0o600)?;
                self.remove_file(&name)?;
                Ok(file)
            }
            Err(errno) => Err(Error::io("create a file in", &self.path)(errno)),
        }
    }

    /// Whether another file system, or another part of one, is mounted at the directory `name`: such a name
    /// can neither be given away nor taken.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn is_mount_point(&self, name: impl AsRef<OsStr>) -> Result<bool, Error> {
        let name = self.checked(name.as_ref())?;
        match self.is_mounted(name, AtFlags::SYMLINK_NOFOLLOW) {
            // A kernel before 5.8 reports other file systems only.
            Ok(None) | Err(Errno::NOSYS | Errno::PERM) => {
                Ok(self.stat(name)?.is_some_and(|stat| self.identity().is_ok_and(|(device, _)| device != stat.st_dev)))
            }
            Ok(Some(is)) => Ok(is),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Error::io("read", &self.join(name))(errno)),
        }
    }

    /// Whether the directory itself is a mount point.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn is_itself_mounted(&self) -> Result<bool, Error> {
        match self.is_mounted(OsStr::new(""), AtFlags::EMPTY_PATH) {
            Ok(None) | Err(Errno::NOSYS | Errno::PERM) => {
                let around = self.stat("..")?;
                Ok(around.is_some_and(|stat| self.identity().is_ok_and(|(device, _)| device != stat.st_dev)))
            }
            Ok(Some(is)) => Ok(is),
            Err(errno) => Err(Error::io("read", &self.path)(errno)),
        }
    }

    /// None where the kernel does not know.
    fn is_mounted(&self, name: &OsStr, flags: AtFlags) -> Result<Option<bool>, Errno> {
        let found = rustix::fs::statx(&self.fd, name, flags | AtFlags::NO_AUTOMOUNT, StatxFlags::TYPE)?;
        let knows = found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
        Ok(knows.then(|| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)))
    }

    /// Makes the file `name`, which must not be there, with this content and exactly `mode`.
    ///
    /// # Errors
    /// As [`Dir::create`].
    pub fn write(&self, name: impl AsRef<OsStr>, content: &[u8], mode: u32) -> Result<(), Error> {
        let name = name.as_ref();
        let mut file = self.create(name, mode)?;
        file.write_all(content).map_err(Error::io("write", &self.join(name)))
    }

    /// Puts a file of this content and exactly `mode` at `name`, in the place of what is there: whole or not
    /// at all, and durable when this returns.
    ///
    /// # Errors
    /// When it cannot be made, or a directory is there.
    pub fn replace(&self, name: impl AsRef<OsStr>, content: &[u8], mode: u32) -> Result<(), Error> {
        let name = self.checked(name.as_ref())?;
        let temporary = temporary_name(".", name);
        let mut file = self.create(&temporary, mode)?;
        let written = file
            .write_all(content)
            .and_then(|()| file.sync_all())
            .map_err(Error::io("write", &self.join(name)))
            .and_then(|()| self.rename(&temporary, self, name));
        if written.is_err() {
            // What cannot be removed has a name that no one takes for the file.
            let _ = self.remove_file(&temporary);
        }
        written?;
        self.sync()
    }

    /// As [`Dir::replace`], but where `name` is a link to a file below the directory, that file is replaced
    /// and the link stays: whoever follows the link finds the new content.
    ///
    /// # Errors
    /// As [`Dir::replace`], and when a link leads out of the directory.
    pub fn replace_target(&self, name: impl AsRef<OsStr>, content: &[u8], mode: u32) -> Result<(), Error> {
        let (directory, name) = self.target(name.as_ref())?;
        directory.replace(name, content, mode)
    }

    /// The directory and the name in it that `name` leads to.
    fn target(&self, name: &OsStr) -> Result<(Self, OsString), Error> {
        let mut path = PathBuf::from(self.checked(name)?);
        for _ in 0..RACES {
            if self.kind(&path)? != Some(FileType::Symlink) {
                let parent = path.parent().unwrap_or(Path::new(""));
                let name = path.file_name().ok_or_else(|| Error::place(&self.join(&path), Fault::Name))?;
                // The links were read by their names only; the way that they lead is checked here.
                return Ok((self.directory(parent, Links::Below)?, name.to_owned()));
            }
            let target = rustix::fs::readlinkat(&self.fd, &path, Vec::new())
                .map_err(|errno| Error::io("read the link", &self.join(&path))(errno))?;
            path.set_file_name("");
            // An absolute target takes the place of the whole path, and leads out.
            path.push(OsStr::from_bytes(target.as_bytes()));
        }
        Err(Error::place(&self.join(name), Fault::Link))
    }

    /// Makes the directory `name`, which must not be there, with exactly `mode`, and opens it.
    ///
    /// # Errors
    /// When something is there, it cannot be made, or someone replaced it before it was opened.
    pub fn create_directory(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self, Error> {
        let name = self.checked(name.as_ref())?;
        let path = self.join(name);
        // Private until it is known to be ours.
        rustix::fs::mkdirat(&self.fd, name, Mode::RWXU).map_err(Error::io("create", &path))?;
        let made = self.directory(name, Links::Refuse)?;
        let stat = rustix::fs::fstat(&made.fd).map_err(Error::io("read", &path))?;
        // Whoever owns the directory around can put another one there, but none that is ours, private and empty.
        let is_ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o077 == 0;
        if !is_ours || !made.names()?.is_empty() {
            return Err(Error::place(&path, Fault::Replaced));
        }
        made.set_mode(mode)?;
        Ok(made)
    }

    /// Gives the directory itself exactly `mode`.
    ///
    /// # Errors
    /// When it is someone else's.
    pub fn set_mode(&self, mode: u32) -> Result<(), Error> {
        rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(mode)).map_err(Error::io("set the mode of", &self.path))
    }

    /// Gives `name` the name `to_name` in `to`, in the place of what is there.
    ///
    /// # Errors
    /// When the system refuses, for example because a directory that is not empty is there.
    pub fn rename(&self, name: impl AsRef<OsStr>, to: &Self, to_name: impl AsRef<OsStr>) -> Result<(), Error> {
        let (name, to_name) = (self.checked(name.as_ref())?, to.checked(to_name.as_ref())?);
        rustix::fs::renameat(&self.fd, name, &to.fd, to_name).map_err(Error::io("put into place", &to.join(to_name)))
    }

    /// As [`Dir::rename`], but an error where anything is at `to_name`.
    ///
    /// # Errors
    /// As [`Dir::rename`].
    pub fn rename_to_new(&self, name: impl AsRef<OsStr>, to: &Self, to_name: impl AsRef<OsStr>) -> Result<(), Error> {
        let (name, to_name) = (self.checked(name.as_ref())?, to.checked(to_name.as_ref())?);
        match rustix::fs::renameat_with(&self.fd, name, &to.fd, to_name, RenameFlags::NOREPLACE) {
            // A file system that knows no flags; between the question and the answer someone may come.
            Err(Errno::INVAL | Errno::NOSYS) => match to.stat(to_name)? {
                None => self.rename(name, to, to_name),
                Some(_) => Err(Error::io("put into place", &to.join(to_name))(Errno::EXIST)),
            },
            done => done.map_err(Error::io("put into place", &to.join(to_name))),
        }
    }

    /// Exchanges `name` with `to_name` in `to`, both of which are there, in one step; false where the file
    /// system cannot, or one of the two may not be moved.
    ///
    /// # Errors
    /// When the system refuses for another reason.
    pub fn exchange(&self, name: impl AsRef<OsStr>, to: &Self, to_name: impl AsRef<OsStr>) -> Result<bool, Error> {
        let (name, to_name) = (self.checked(name.as_ref())?, to.checked(to_name.as_ref())?);
        match rustix::fs::renameat_with(&self.fd, name, &to.fd, to_name, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::XDEV | Errno::PERM | Errno::ACCESS) => Ok(false),
            Err(errno) => Err(Error::io("replace", &to.join(to_name))(errno)),
        }
    }

    /// Removes the file or link `name`.
    ///
    /// # Errors
    /// When there is none, or the system refuses.
    pub fn remove_file(&self, name: impl AsRef<OsStr>) -> Result<(), Error> {
        let name = self.checked(name.as_ref())?;
        rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()).map_err(Error::io("remove", &self.join(name)))
    }

    /// Removes the empty directory `name`.
    ///
    /// # Errors
    /// When it is not empty, or the system refuses.
    pub fn remove_directory(&self, name: impl AsRef<OsStr>) -> Result<(), Error> {
        let name = self.checked(name.as_ref())?;
        rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR).map_err(Error::io("remove", &self.join(name)))
    }

    /// Removes `name` and everything below it. No link is followed and no other file system entered.
    ///
    /// # Errors
    /// When the system refuses, or directories are nested deeper than any run makes them; what was
    /// removed by then is gone.
    pub fn remove_tree(&self, name: impl AsRef<OsStr>) -> Result<(), Error> {
        self.remove_tree_of(name.as_ref(), DEPTH)
    }

    fn remove_tree_of(&self, name: &OsStr, depth: u32) -> Result<(), Error> {
        let name = self.checked(name)?;
        match self.remove_file(name) {
            Ok(()) => return Ok(()),
            Err(error) if self.kind(name)? != Some(FileType::Directory) => return Err(error),
            Err(_) => {}
        }
        let below = self.directory(name, Links::Refuse)?;
        if below.identity()?.0 != self.identity()?.0 {
            return Err(Error::io("remove", below.path())(Errno::XDEV));
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Error::io("remove", below.path())(Errno::NAMETOOLONG));
        };
        for entry in below.names()? {
            below.remove_tree_of(&entry, depth)?;
        }
        self.remove_directory(name)
    }

    /// Makes the directory's names durable.
    ///
    /// # Errors
    /// When the system cannot.
    pub fn sync(&self) -> Result<(), Error> {
        match rustix::fs::fsync(&self.fd) {
            // A file system that cannot sync directories keeps them as durable as it does.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(Error::io("make durable", &self.path)(errno)),
        }
    }

    fn checked<'a>(&self, name: &'a OsStr) -> Result<&'a OsStr, Error> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') || bytes.contains(&0) {
            return Err(Error::place(&self.join(name), Fault::Name));
        }
        Ok(name)
    }
}

fn open_no_link(at: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let opened = rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
    // With O_PATH a link is opened itself.
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode);
    if kind == FileType::Symlink { Err(Errno::LOOP) } else { Ok(opened) }
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
