//! What is made, replaced, renamed and removed in a directory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::{Dir, Links, RACES, temporary_name};
use crate::error::{Error, Fault};

/// How deep a tree is that is removed. Each level takes a descriptor and a part of the stack.
pub(super) const DEPTH: u32 = 256;

impl Dir {
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
    pub(super) fn target(&self, name: &OsStr) -> Result<(Self, OsString), Error> {
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
}
