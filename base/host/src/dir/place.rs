//! What can be done in a directory: whether files can be made in it, and what is mounted there.

use std::ffi::OsStr;
use std::io::{self, Write as _};

use rustix::fs::{Access, AtFlags, FileType, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::Dir;
use crate::error::{Error, Fault};

/// The bit of a directory in which no one replaces what is someone else's.
const STICKY: u32 = 0o1000;

fn denied(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what.to_owned())
}

impl Dir {
    /// Whether this process may make files in it, found out by making one: what the rights say is not all, since a file
    /// system can be read-only, full, or the kernel's own (`proc`, `sysfs`). Nothing is left of the file.
    ///
    /// # Errors
    /// When no one may, or the system does not report it.
    pub fn is_writable(&self) -> Result<bool, Error> {
        if let Some(what) = self.fixed(OsStr::new(""), AtFlags::EMPTY_PATH) {
            return Err(Error::io("write to", &self.path)(denied(what)));
        }
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
            None => directory.is_writable(),
            Some(_) => Ok(directory.is_writable()? && directory.is_replaceable(&name)?),
        }
    }

    /// Whether what `name` is may be replaced, in a directory that this process may write to.
    fn is_replaceable(&self, name: &OsStr) -> Result<bool, Error> {
        let refused = |what: String| Err(Error::io("replace", &self.join(name))(denied(&what)));
        if let Some(what) = self.fixed(name, AtFlags::SYMLINK_NOFOLLOW) {
            return refused(what.to_owned());
        }
        let around = rustix::fs::fstat(&self.fd).map_err(Error::io("read", &self.path))?;
        let (user, Some(there)) = (rustix::process::geteuid(), self.stat(name)?) else { return Ok(true) };
        let is_sticky = around.st_mode & STICKY != 0;
        if !is_sticky || user.is_root() || [around.st_uid, there.st_uid].contains(&user.as_raw()) {
            return Ok(true);
        }
        refused(format!("it belongs to the user id {}, and the directory around it is sticky", there.st_uid))
    }

    /// What keeps even its owner from renaming and removing what is there, by an attribute of the file system.
    fn fixed(&self, name: &OsStr, flags: AtFlags) -> Option<&'static str> {
        let found = rustix::fs::statx(&self.fd, name, flags | AtFlags::NO_AUTOMOUNT, StatxFlags::TYPE).ok()?;
        let has = |attribute| (found.stx_attributes & found.stx_attributes_mask).contains(attribute);
        match (has(StatxAttributes::IMMUTABLE), has(StatxAttributes::APPEND)) {
            (true, _) => Some("it is immutable, which `chattr -i` ends"),
            (false, true) => Some("it is append-only, which `chattr -a` ends"),
            (false, false) => None,
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
}
