//! The cache: one directory for everything that can be made again.
//!
//! ```text
//! debs/sha256/xx/<64 hex>.deb   .debs by their sha256
//! apt/<64 hex>/                 isolated apt states by what apt may see
//! rootfs/<entry>                root file systems; each direct child is one entry
//! digests/<64 hex>              what is known of files that were read, by who reads them
//! listings/<64 hex>             what .debs list, by their sha256
//! tmp/                          temporary names, on the same file system as all of the above
//! locks/<name>.lock             advisory locks (flock); empty files
//! ```
//!
//! Nothing in it is trusted: readers check what they take. Several processes may share it. Whoever
//! uses an entry marks it by [`touch`], and [`gc`](Cache::gc) removes what was not used for long.

mod sweep;

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use model::Digest;

pub use sweep::{GcOptions, GcReport, Kind, Removed, Usage};

/// The cache directory. Making this value touches no file.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory or file could not be made, read, locked or removed.
    #[error("cannot {action} {} in the cache", path.display())]
    Io {
        /// What was tried, such as `lock`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process uses the cache, and this operation needs it alone.
    #[error("the cache {} is in use by another process", root.display())]
    Busy {
        /// The cache's directory.
        root: PathBuf,
    },
    /// A lock's name could be no file name.
    #[error("{name:?} is no name for a lock")]
    LockName {
        /// The name.
        name: String,
    },
}

/// An advisory lock between processes and threads, released when the guard is dropped (or the
/// process dies).
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct Lock {
    _file: File,
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + use<'a> {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

impl Cache {
    /// The cache below `root`, which need not exist yet.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The directory of the whole cache.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the .deb with this sha256 lies, if it is there. Makes nothing.
    #[must_use]
    pub fn deb_path(&self, sha256: &Digest) -> PathBuf {
        let hex = sha256.hex();
        self.root.join("debs/sha256").join(&hex[..2]).join(format!("{hex}.deb"))
    }

    /// The directory of the .debs, made if need be; anybody may read it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn debs(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("debs/sha256"), 0o755)
    }

    /// The directory of an isolated apt state, made if need be; private.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn apt_state(&self, key: &Digest) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("apt"), 0o700)?;
        self.directory(&self.root.join("apt").join(key.hex()), 0o700)
    }

    /// The directory of the root file systems, made if need be. Each direct child, file or
    /// directory, is one entry for [`Cache::gc`], whose last use is its modification time.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn rootfs(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("rootfs"), 0o755)
    }

    /// The directory of what is known of files that were read, made if need be. Each file in it is
    /// one entry for [`Cache::gc`].
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn digests(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("digests"), 0o755)
    }

    /// Where it lies what the .deb with this sha256 lists, if it is there. Makes nothing.
    #[must_use]
    pub fn listing_path(&self, sha256: &Digest) -> PathBuf {
        self.root.join("listings").join(sha256.hex())
    }

    /// The directory of what .debs list, made if need be; anybody may read it. Each file in it is one
    /// entry for [`Cache::gc`].
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn listings(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("listings"), 0o755)
    }

    /// A directory for temporary names, made if need be; private, and on the same file system as
    /// the rest, so that a rename from it is whole or not at all.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn temporary(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("tmp"), 0o700)
    }

    /// Makes `path` with exactly `mode`, whatever the umask, and parents that anybody may enter.
    pub(crate) fn directory(&self, path: &Path, mode: u32) -> Result<PathBuf, Error> {
        if path.is_dir() {
            return Ok(path.to_owned());
        }
        DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed("make", path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("set the mode of", path))?;
        Ok(path.to_owned())
    }

    /// Waits until nobody else holds the lock `name`, and holds it.
    ///
    /// `name` is a single file name of letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// When the lock's file cannot be made or locked.
    pub fn lock(&self, name: &str) -> Result<Lock, Error> {
        let (file, path) = self.lock_file(name)?;
        file.lock().map_err(failed("lock", &path))?;
        Ok(Lock { _file: file })
    }

    /// As [`Cache::lock`], but gives `None` at once when somebody else holds it.
    ///
    /// # Errors
    /// As [`Cache::lock`].
    pub fn try_lock(&self, name: &str) -> Result<Option<Lock>, Error> {
        let (file, path) = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
        }
    }

    /// Says that this process uses the cache: [`Cache::gc`] does not run while such a guard lives.
    /// Any number of processes and threads may hold one.
    ///
    /// # Errors
    /// As [`Cache::lock`].
    pub fn in_use(&self) -> Result<Lock, Error> {
        let (file, path) = self.lock_file("use")?;
        file.lock_shared().map_err(failed("lock", &path))?;
        Ok(Lock { _file: file })
    }

    fn lock_file(&self, name: &str) -> Result<(File, PathBuf), Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || name.len() > 200 || name.starts_with('.') || !name.bytes().all(allowed) {
            return Err(Error::LockName { name: name.chars().take(80).collect() });
        }
        let path = self.directory(&self.root.join("locks"), 0o755)?.join(format!("{name}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        Ok((file.map_err(failed("open", &path))?, path))
    }
}

/// Marks an entry of the cache as used now, so that [`Cache::gc`] keeps it.
///
/// # Errors
/// When the file's times cannot be set, for example because it belongs to somebody else.
pub fn touch(path: &Path) -> io::Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty())?)
}

#[cfg(test)]
mod tests;
