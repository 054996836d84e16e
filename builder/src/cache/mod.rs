//! The cache: one directory for everything that can be made again.
//!
//! ```text
//! debs/sha256/xx/<64 hex>.deb   .debs by their sha256
//! files/<64 hex>                files from addresses by their sha256; `.part` behind it while it comes, and `.used`
//!                               for an empty one whose time is that of the last use
//! apt/<64 hex>/                 isolated apt states by what apt may see
//! rootfs/<64 hex>/              root file systems by their keys
//! digests/<64 hex>              what is known of files that were read, by who reads them
//! listings/<64 hex>             what .debs list, by their sha256
//! controls/<64 hex>             what services did in full trees, by tree and services
//! computed/<64 hex>             what programs computed from a module's files, by root file system and files
//! records/<64 hex>              the sha256 of the record that a build wrote, by where it is
//! tmp/                          temporary names, on the same file system as all of the above
//! locks/<name>.lock             advisory locks (flock); empty files, for their owner alone
//! place                         which directory this cache was made in
//! CACHEDIR.TAG                  says that all of this is a cache, where this program made the directory
//! ```
//!
//! Nothing in it vouches for itself: an entry is used only if it is an own one ([`host::owner`]) all the way
//! down from the cache's directory, and .debs and files are hashed each time. What is not hashed each time, which is
//! everything else, counts only in the directory where it was made: a cache that was copied, unpacked or
//! checked out brings its .debs, and the rest is made again (`place`).
//!
//! Several processes may share it. Whoever uses an entry marks it by [`touch`], and [`gc`](Cache::gc) removes
//! what was not used for long.

mod names;
mod place;
mod sweep;
mod tag;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use host::lock::{Hold, LockFile};
use host::{Dir, Fault, owner};
use model::Digest;
use model::explain::{Explain, Explanation, Kind as ErrorKind};
use model::observe::Observer;

pub use host::lock::LockGuard;
pub use sweep::{GcOptions, GcReport, Kind, Removed, Usage};

/// The cache directory. Making this value touches no file.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Set when it is known that no one else decides where `root` leads: programs are given paths.
    is_checked: Arc<OnceLock<()>>,
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something in it could not be made, read, locked or removed, is not ours, or not what it has to be.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// Another process uses the cache, and this operation needs it alone.
    #[error("the cache {} is in use by another process", root.display())]
    Busy {
        /// The cache's directory.
        root: PathBuf,
    },
    /// The directory holds other things than a cache's, and no mark of one.
    #[error("{} was not made by this program: it holds {}", root.display(), name.display())]
    NotACache {
        /// The directory.
        root: PathBuf,
        /// Something in it.
        name: PathBuf,
    },
    /// A lock's name could be no file name.
    #[error("{name:?} is no name for a lock")]
    LockName {
        /// The name.
        name: String,
    },
}

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        const WRITABLE: &str = "make the directory writable, or name another one with --cache-dir";
        let hint = match self {
            Self::Busy { .. } => {
                return Explanation::new(ErrorKind::Outside, self).hint("run the command again when no build runs");
            }
            Self::LockName { .. } => return Explanation::new(ErrorKind::Bug, self),
            Self::Host(host::Error::Io { source, .. }) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => NO_SPACE,
                _ => host::explain::limit(source).unwrap_or(WRITABLE),
            },
            Self::Host(host::Error::Place { fault: Fault::NotADirectory(_), .. }) => "name a directory by --cache-dir",
            Self::Host(host::Error::Place { .. }) => {
                "a cache is its owner's alone: remove what others own there and `chmod go-w` the rest, or name another \
                 directory by --cache-dir"
            }
            Self::NotACache { .. } => {
                "name another directory by --cache-dir, one that is not there yet or the cache's own: what is in it may \
                 be removed at any time"
            }
        };
        Explanation::under("the cache cannot be used", ErrorKind::Outside, self).hint(hint)
    }
}

/// What to do where the disk of the cache is full.
pub(crate) const NO_SPACE: &str = "free some space, for example by `cache gc`";

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let failed = host::Error::io(action, path);
    move |source| failed(source).into()
}

/// Whether `error` says that an entry is not ours, which can be fixed by making it again.
#[must_use]
pub fn is_not_ours(error: &host::Error) -> bool {
    use Fault as F;
    matches!(
        error,
        host::Error::Place {
            fault: F::Foreign { .. } | F::Writable { .. } | F::Link | F::NotAFile(_) | F::NotADirectory(_),
            ..
        }
    )
}

impl Cache {
    /// The cache below `root`, which need not exist yet.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, is_checked: Arc::default() }
    }

    /// Checks once that no one else can put another directory in the cache's place.
    fn check_way(&self) -> Result<(), host::Error> {
        if self.is_checked.get().is_none() {
            owner::check_way(&self.root)?;
            let _ = self.is_checked.set(());
        }
        Ok(())
    }

    /// The directory of the whole cache.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The open directory of the whole cache, made if need be; it is ours.
    fn dir(&self) -> Result<Dir, Error> {
        self.check_way()?;
        if !self.root.exists() {
            #[allow(clippy::disallowed_methods, reason = "the user named it: links are followed on the way")]
            DirBuilder::new().recursive(true).mode(0o755).create(&self.root).map_err(failed("make", &self.root))?;
        }
        let dir = Dir::open(&self.root)?;
        owner::check(&dir, &self.root)?;
        if dir.names()?.is_empty() {
            tag::write(&dir)?;
        }
        Ok(dir)
    }

    /// Opens the own file at `path`, which is one below the cache's directory, such as [`Cache::deb_path`]
    /// gives.
    ///
    /// # Errors
    /// When there is none, or it or a directory on the way is not ours ([`is_not_ours`]).
    pub fn file(&self, path: &Path) -> Result<File, host::Error> {
        self.check_way()?;
        Dir::open(&self.root)?.own_file(path.strip_prefix(&self.root).unwrap_or(path))
    }

    /// Opens the own directory at `path`, which is one below the cache's directory.
    ///
    /// # Errors
    /// As [`Cache::file`].
    pub(crate) fn own_directory(&self, path: &Path) -> Result<Dir, host::Error> {
        self.check_way()?;
        Dir::open(&self.root)?.own_directory(path.strip_prefix(&self.root).unwrap_or(path))
    }

    /// Where the .deb with this sha256 is, if it is there. Makes nothing.
    #[must_use]
    pub fn deb_path(&self, sha256: &Digest) -> PathBuf {
        let hex = sha256.hex();
        self.root.join("debs/sha256").join(&hex[..2]).join(format!("{hex}.deb"))
    }

    /// The directory of the .debs, made if need be; anyone may read it.
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn debs(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("debs/sha256"), 0o755)
    }

    /// The directory of an isolated apt state, made if need be; private.
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn apt_state(&self, key: &Digest) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("apt"), 0o700)?;
        self.directory(&self.root.join("apt").join(key.hex()), 0o700)
    }

    /// Takes away what is at the place of an apt state, where that is what is wrong; false where the directory
    /// of all states is.
    pub(crate) fn discard_apt_state(&self, key: &Digest) -> Result<bool, Error> {
        match self.dir()?.own_directory("apt") {
            Ok(subdir) => Ok(subdir.remove_tree(key.hex()).map(|()| true)?),
            Err(_) => Ok(false),
        }
    }

    /// The directory of the root file systems, made if need be. Each direct child, file or
    /// directory, is one entry for [`Cache::gc`], whose last use is its modification time.
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn rootfs(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("rootfs"), 0o755)
    }

    /// The directory of what is known of files that were read, made if need be. Each file in it is
    /// one entry for [`Cache::gc`].
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn digests(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("digests"), 0o755)
    }

    /// The directory of what builds wrote, made if need be; private. Each file in it is one entry for
    /// [`Cache::gc`].
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn records(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("records"), 0o700)
    }

    /// The directory of what services did in full trees, made if need be; private. Each file in it is one entry for
    /// [`Cache::gc`].
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn controls(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("controls"), 0o700)
    }

    /// The directory of what programs of root file systems computed from modules' files, made if need be; private. Each
    /// file in it is one entry for [`Cache::gc`].
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn computed(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("computed"), 0o700)
    }

    /// Where the list of what the .deb with this sha256 holds is, if it is there. Makes nothing.
    #[must_use]
    pub fn listing_path(&self, sha256: &Digest) -> PathBuf {
        self.root.join("listings").join(sha256.hex())
    }

    /// The directory of what .debs list, made if need be; anyone may read it. Each file in it is one
    /// entry for [`Cache::gc`].
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn listings(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("listings"), 0o755)
    }

    /// The directory of the files from addresses, by their sha256, made if need be; anyone may read it. Each file in it is
    /// one entry for [`Cache::gc`].
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn files(&self) -> Result<PathBuf, Error> {
        self.directory(&self.files_path(), 0o755)
    }

    /// Where that directory is, if it is there. Makes nothing.
    pub(crate) fn files_path(&self) -> PathBuf {
        self.root.join("files")
    }

    /// Whether there is something under the name of the file with this sha256. Makes nothing.
    #[must_use]
    pub fn has_file(&self, sha256: &Digest) -> bool {
        self.files_path().join(sha256.hex()).symlink_metadata().is_ok()
    }

    /// A directory for temporary names, made if need be; private, and on the same file system as
    /// the rest, so that a rename from it is whole or not at all.
    ///
    /// # Errors
    /// When it cannot be made, or is not ours.
    pub fn temporary(&self) -> Result<PathBuf, Error> {
        self.directory(&self.root.join("tmp"), 0o700)
    }

    /// Makes `path`, below the cache's directory, with exactly `mode`, whatever the umask, and parents that
    /// anyone may enter. What is there already must be ours, all the way down.
    pub(crate) fn directory(&self, path: &Path, mode: u32) -> Result<PathBuf, Error> {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        self.dir()?.make_own_directory(below, mode)?;
        Ok(path.to_owned())
    }

    /// Waits until no one else holds the lock `name`, and holds it. A long wait is reported to `observer`.
    ///
    /// `name` is a single file name of letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// When the lock's file cannot be made or locked, or is not ours.
    pub fn lock(&self, name: &str, observer: &dyn Observer) -> Result<LockGuard, Error> {
        Ok(self.lock_file(name)?.hold(Hold::Alone, observer)?)
    }

    /// As [`Cache::lock`], but gives `None` at once when someone else holds it.
    ///
    /// # Errors
    /// As [`Cache::lock`].
    pub fn try_lock(&self, name: &str) -> Result<Option<LockGuard>, Error> {
        Ok(self.lock_file(name)?.try_hold(Hold::Alone)?)
    }

    /// Says that this process uses the cache: [`Cache::gc`] does not run while such a guard lives.
    /// Any number of processes and threads may hold one.
    ///
    /// The first use in a directory that is not the one where the cache was made puts aside what is not
    /// hashed each time it is used, and reports it to `observer`.
    ///
    /// # Errors
    /// As [`Cache::lock`], when what is to be put aside cannot be, and [`Error::NotACache`] before anything is
    /// made in a directory that holds other things.
    pub fn in_use(&self, observer: &dyn Observer) -> Result<LockGuard, Error> {
        self.check_is_a_cache()?;
        place::sweep_unused(self);
        let lock = self.lock_file("use")?.hold(Hold::Shared, observer)?;
        place::settle(self, observer)?;
        place::sweep(self);
        Ok(lock)
    }

    fn lock_file(&self, name: &str) -> Result<LockFile, Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || name.len() > 200 || name.starts_with('.') || !name.bytes().all(allowed) {
            return Err(Error::LockName { name: name.chars().take(80).collect() });
        }
        let directory = self.dir()?.make_own_directory("locks", 0o700)?;
        Ok(LockFile::open(&directory, format!("{name}.lock"))?)
    }
}

/// Marks an entry of the cache as used now, so that [`Cache::gc`] keeps it.
///
/// # Errors
/// When the file's times cannot be set, for example because it belongs to someone else.
pub fn touch(path: &Path) -> io::Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?)
}

/// The mark of use beside the file `path` from an address.
fn mark(path: &Path) -> PathBuf {
    path.with_extension("used")
}

/// Marks a file from an address as used now, as [`touch`] does, but beside it: another build may have it open, which would take
/// one whose times change for one whose content does.
///
/// # Errors
/// As [`touch`].
pub fn touch_beside(path: &Path) -> Result<(), host::Error> {
    let mark = mark(path);
    // An own empty file, as that of a lock is.
    host::lock::open(&mark)?;
    touch(&mark).map_err(host::Error::io("set the times of", &mark))
}

#[cfg(test)]
mod tests;
