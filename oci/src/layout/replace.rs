//! A directory that appears whole or not at all.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags};

use crate::error::Error;

/// The beginning of the names of directories in the making.
const PREFIX: &str = ".oci-layout-";

/// A directory in the making, beside the one that it will replace, locked while its maker lives.
pub(super) struct Staging {
    directory: PathBuf,
    target: PathBuf,
    /// Held, not used: the lock ends when it is closed.
    _lock: File,
}

impl Staging {
    /// Makes an empty directory beside `target` and removes those that killed builds left there.
    pub(super) fn begin(target: &Path) -> Result<Self, Error> {
        check_replaceable(target)?;
        let parent = parent_of(target);
        fs::create_dir_all(&parent).map_err(Error::io("create", &parent))?;
        remove_abandoned(&parent)?;
        loop {
            let directory = tempfile::Builder::new()
                .prefix(PREFIX)
                .tempdir_in(&parent)
                .map_err(Error::io("create a directory in", &parent))?
                .keep();
            // Between the two calls another build may take it for abandoned: then make another.
            match File::open(&directory) {
                Ok(lock) if lock_it(&lock) && is_the_same(&lock, &directory) => {
                    fs::set_permissions(&directory, Permissions::from_mode(0o755))
                        .map_err(Error::io("change the mode of", &directory))?;
                    return Ok(Self { directory, target: target.to_owned(), _lock: lock });
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("open", &directory)(error));
                }
                _ => {}
            }
        }
    }

    /// The directory in the making.
    pub(super) fn path(&self) -> &Path {
        &self.directory
    }

    /// Puts the directory, which must be durable, in the place of the target.
    pub(super) fn replace(self) -> Result<(), Error> {
        let failed = |errno: rustix::io::Errno| Error::io("replace", &self.target)(errno.into());
        check_replaceable(&self.target)?;
        if self.target.exists() {
            match rustix::fs::renameat_with(CWD, &self.directory, CWD, &self.target, RenameFlags::EXCHANGE) {
                // Dropping removes what was there before.
                Ok(()) => {}
                // A file system that cannot exchange: for a moment there is no layout, but never half of one.
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                    fs::remove_dir_all(&self.target).map_err(Error::io("remove", &self.target))?;
                    rustix::fs::rename(&self.directory, &self.target).map_err(failed)?;
                }
                Err(errno) => return Err(failed(errno)),
            }
        } else {
            rustix::fs::rename(&self.directory, &self.target).map_err(failed)?;
        }
        sync_directory(&parent_of(&self.target))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After an exchange this is the old layout; after a plain rename there is nothing. What
        // cannot be removed now is removed by the next build.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Only a layout or an empty directory is replaced: nobody's other files are removed.
fn check_replaceable(target: &Path) -> Result<(), Error> {
    let refused = || Error::NotALayout { path: target.to_owned() };
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("read", target)(error)),
        Ok(metadata) if !metadata.is_dir() => Err(refused()),
        Ok(_) => {
            let mut entries = fs::read_dir(target).map_err(Error::io("read", target))?;
            let empty = entries.next().is_none();
            if empty || target.join("oci-layout").is_file() { Ok(()) } else { Err(refused()) }
        }
    }
}

fn remove_abandoned(parent: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(parent).map_err(Error::io("read", parent))? {
        let entry = entry.map_err(Error::io("read", parent))?;
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_directory || !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Ok(lock) = File::open(entry.path()) else { continue };
        if lock_it(&lock) {
            match fs::remove_dir_all(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &entry.path())(error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn lock_it(directory: &File) -> bool {
    rustix::fs::flock(directory, FlockOperation::NonBlockingLockExclusive).is_ok()
}

fn is_the_same(open: &File, path: &Path) -> bool {
    match (open.metadata(), fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// The directory that holds `path`.
fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes a directory's entries durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), Error> {
    let directory = File::open(path).map_err(Error::io("open", path))?;
    directory.sync_all().map_err(Error::io("sync", path))
}
