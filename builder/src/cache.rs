//! The cache: one directory for everything that can be made again.
//!
//! ```text
//! debs/sha256/xx/<64 hex>.deb   .debs by their sha256
//! apt/<64 hex>/                 isolated apt states by what apt may see
//! rootfs/<entry>                root file systems; each direct child is one entry
//! tmp/                          temporary names, on the same file system as all of the above
//! locks/<name>.lock             advisory locks (flock); empty files
//! ```
//!
//! Nothing in it is trusted: readers check what they take. Several processes may share it. Whoever
//! uses an entry marks it by [`touch`], and [`gc`](Cache::gc) removes what was not used for long.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::Digest;
use serde::Serialize;
use walkdir::WalkDir;

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

/// What an entry of the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A .deb.
    Deb,
    /// An isolated apt state.
    Apt,
    /// A root file system.
    Rootfs,
    /// What an interrupted run left.
    Temporary,
}

impl Kind {
    /// What it is for, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Deb => "packages",
            Self::Apt => "package lists",
            Self::Rootfs => "root file systems",
            Self::Temporary => "left by interrupted runs, or in use",
        }
    }
}

/// How much of the cache is for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The purpose.
    pub kind: Kind,
    /// How many entries.
    pub entries: u64,
    /// The bytes of their files, as their lengths add up.
    pub bytes: u64,
}

/// An entry that `gc` removed, or would remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
    /// The bytes of its files, as their lengths add up.
    pub bytes: u64,
}

/// What `gc` did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// What was removed (in a dry run: what would be), sorted by path.
    pub removed: Vec<Removed>,
    /// How many entries stay, by kind.
    pub kept: BTreeMap<Kind, u64>,
    /// The bytes of the entries that stay.
    pub kept_bytes: u64,
}

/// What `gc` may remove.
#[derive(Debug, Clone, Copy)]
pub struct GcOptions {
    /// The time of the call.
    pub now: SystemTime,
    /// Entries that were used within this time before `now` stay.
    pub unused_for: Duration,
    /// Only say what would be removed.
    pub dry_run: bool,
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

    /// Removes what was not used for long: .debs, apt states, root file systems, and everything
    /// temporary that is as old.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process uses the cache; otherwise when something cannot be read
    /// or removed. What was removed until then stays removed.
    pub fn gc(&self, options: GcOptions) -> Result<GcReport, Error> {
        if !self.root.is_dir() {
            return Ok(GcReport::default());
        }
        let (file, path) = self.lock_file("use")?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { root: self.root.clone() }),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        let mut report = GcReport::default();
        for (kind, path) in self.entries()? {
            let (bytes, last_use) = measure(&path)?;
            let age = options.now.duration_since(last_use).unwrap_or_default();
            if age < options.unused_for {
                *report.kept.entry(kind).or_default() += 1;
                report.kept_bytes += bytes;
                continue;
            }
            if !options.dry_run {
                remove(&path)?;
            }
            report.removed.push(Removed { kind, path, bytes });
        }
        report.removed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(report)
    }

    /// How much of the cache is for what, every purpose once. Makes nothing.
    ///
    /// # Errors
    /// When a directory of the cache cannot be read.
    pub fn usage(&self) -> Result<Vec<Usage>, Error> {
        let kinds = [Kind::Deb, Kind::Apt, Kind::Rootfs, Kind::Temporary];
        let mut usage = kinds.map(|kind| Usage { kind, entries: 0, bytes: 0 });
        for (kind, path) in self.entries()? {
            // What another process takes away meanwhile is not there to be counted.
            let Ok((bytes, _)) = measure(&path) else { continue };
            for usage in usage.iter_mut().filter(|usage| usage.kind == kind) {
                usage.entries += 1;
                usage.bytes += bytes;
            }
        }
        Ok(usage.into())
    }

    fn entries(&self) -> Result<Vec<(Kind, PathBuf)>, Error> {
        let mut entries = Vec::new();
        for shelf in children(&self.root.join("debs/sha256"))? {
            for path in children(&shelf)? {
                let whole = path.extension().is_some_and(|extension| extension == "deb");
                entries.push((if whole { Kind::Deb } else { Kind::Temporary }, path));
            }
        }
        for (kind, name) in [(Kind::Apt, "apt"), (Kind::Rootfs, "rootfs"), (Kind::Temporary, "tmp")] {
            entries.extend(children(&self.root.join(name))?.into_iter().map(|path| (kind, path)));
        }
        Ok(entries)
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

fn children(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed("read", directory)(source)),
    };
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map_err(failed("read", directory))
}

/// The bytes below `path` and when it was last used.
fn measure(path: &Path) -> Result<(u64, SystemTime), Error> {
    let metadata = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    let last_use = metadata.modified().map_err(failed("look at", path))?;
    // A file that vanishes or cannot be read while the sum is taken only makes the sum smaller.
    let files = WalkDir::new(path).follow_links(false).into_iter().filter_map(Result::ok);
    let bytes = files.filter(|entry| entry.file_type().is_file());
    Ok((bytes.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum(), last_use))
}

fn remove(path: &Path) -> Result<(), Error> {
    let is_directory = fs::symlink_metadata(path).map_err(failed("look at", path))?.is_dir();
    let outcome = if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    outcome.map_err(failed("remove", path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().join("cache"));
        (directory, cache)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn directories_are_made_with_their_modes() {
        let (_guard, cache) = cache();
        assert_eq!(mode(&cache.debs().unwrap()), 0o755);
        assert_eq!(mode(&cache.rootfs().unwrap()), 0o755);
        assert_eq!(mode(&cache.temporary().unwrap()), 0o700);
        assert_eq!(mode(&cache.apt_state(&Digest::of(b"x")).unwrap()), 0o700);
    }

    #[test]
    fn a_lock_is_held_by_one_until_it_is_dropped() {
        let (_guard, cache) = cache();
        let held = cache.lock("rootfs-1").unwrap();
        assert!(cache.try_lock("rootfs-1").unwrap().is_none());
        assert!(cache.try_lock("rootfs-2").unwrap().is_some());
        drop(held);
        assert!(cache.try_lock("rootfs-1").unwrap().is_some());
        for name in ["", "../x", "a/b", ".hidden", "a b"] {
            assert!(matches!(cache.lock(name), Err(Error::LockName { .. })), "{name:?}");
        }
    }

    #[test]
    fn old_entries_go_and_used_ones_stay() {
        let (_guard, cache) = cache();
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let deb = |content: &[u8]| {
            let path = cache.deb_path(&Digest::of(content));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            File::open(&path).unwrap().set_modified(old).unwrap();
            path
        };
        let (unused, used) = (deb(b"unused"), deb(b"used"));
        let part = unused.with_extension("part");
        fs::write(&part, b"half").unwrap();
        let state = cache.apt_state(&Digest::of(b"state")).unwrap();
        fs::write(state.join("list"), b"12345").unwrap();
        File::open(&state).unwrap().set_modified(old).unwrap();
        touch(&used).unwrap();
        let now = fs::metadata(&used).unwrap().modified().unwrap() + Duration::from_secs(60);
        let mut options = GcOptions { now, unused_for: Duration::from_secs(3600), dry_run: true };

        let usage: Vec<_> = cache.usage().unwrap().into_iter().map(|u| (u.kind, u.entries, u.bytes)).collect();
        let wanted = [(Kind::Deb, 2, 10), (Kind::Apt, 1, 5), (Kind::Rootfs, 0, 0), (Kind::Temporary, 1, 4)];
        assert_eq!(usage, wanted);

        let plan = cache.gc(options).unwrap();
        assert!(unused.exists() && state.exists(), "a dry run removes nothing");
        let found: Vec<_> = plan.removed.iter().map(|r| (r.kind, r.path.clone(), r.bytes)).collect();
        assert_eq!(found, [(Kind::Apt, state.clone(), 5), (Kind::Deb, unused.clone(), 6)]);
        assert_eq!(plan.kept, BTreeMap::from([(Kind::Deb, 1), (Kind::Temporary, 1)]));

        let user = cache.in_use().unwrap();
        options.dry_run = false;
        assert!(matches!(cache.gc(options), Err(Error::Busy { .. })));
        drop(user);
        assert_eq!(cache.gc(options).unwrap(), plan);
        assert!(!unused.exists() && !state.exists() && used.exists() && part.exists());
    }
}
