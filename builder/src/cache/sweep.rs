//! What the cache holds, and the removal of what was not used for long.

use std::collections::BTreeMap;
use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::path::json::keys;
use serde::Serialize;
use walkdir::WalkDir;

use super::{Cache, Error, failed};

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
    /// The digests of files that were read.
    Digests,
    /// What packages list.
    Listings,
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
            Self::Digests => "remembered digests of files",
            Self::Listings => "file lists of packages",
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
    #[serde(flatten, serialize_with = "keys::path")]
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

impl Cache {
    /// Removes what was not used for long: .debs and what they list, apt states, root file systems,
    /// digests, and everything temporary that is as old.
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
        let kinds = [Kind::Deb, Kind::Apt, Kind::Rootfs, Kind::Digests, Kind::Listings, Kind::Temporary];
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
        let shelves = [
            (Kind::Apt, "apt"),
            (Kind::Rootfs, "rootfs"),
            (Kind::Digests, "digests"),
            (Kind::Listings, "listings"),
            (Kind::Temporary, "tmp"),
        ];
        for (kind, name) in shelves {
            entries.extend(children(&self.root.join(name))?.into_iter().map(|path| (kind, path)));
        }
        Ok(entries)
    }
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
