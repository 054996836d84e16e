//! What the cache holds, and the removal of what was not used for long.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use host::Dir;
use host::lock::Hold;
use model::path::json::keys;
use serde::Serialize;
use walkdir::WalkDir;

use super::names::{NAMES, is_aside, is_hex};
use super::{Cache, Error, failed, place, tag};

/// What an entry of the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A .deb.
    Deb,
    /// A file from an address.
    File,
    /// An isolated apt state.
    Apt,
    /// A root file system.
    Rootfs,
    /// The digests of files that were read.
    Digests,
    /// What packages list.
    Listings,
    /// What builds wrote.
    Records,
    /// What services did in full trees.
    Controls,
    /// What programs computed from modules' files.
    Computed,
    /// What an interrupted run left.
    Temporary,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Deb,
        Self::File,
        Self::Apt,
        Self::Rootfs,
        Self::Digests,
        Self::Listings,
        Self::Records,
        Self::Controls,
        Self::Computed,
        Self::Temporary,
    ];

    /// Its name, as JSON has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::File => "file",
            Self::Apt => "apt",
            Self::Rootfs => "rootfs",
            Self::Digests => "digests",
            Self::Listings => "listings",
            Self::Records => "records",
            Self::Controls => "controls",
            Self::Computed => "computed",
            Self::Temporary => "temporary",
        }
    }

    /// What it is for, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Deb => "packages",
            Self::File => "files from addresses",
            Self::Apt => "package lists",
            Self::Rootfs => "root file systems",
            Self::Digests => "remembered digests of files",
            Self::Listings => "file lists of packages",
            Self::Records => "records of results",
            Self::Controls => "services in full trees",
            Self::Computed => "files computed from modules' files",
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
    /// Entries of other kinds than this one stay.
    pub only: Option<Kind>,
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
        self.check_is_a_cache()?;
        let Some(_alone) = self.lock_file("use")?.try_hold(Hold::Alone)? else {
            return Err(Error::Busy { root: self.root.clone() });
        };
        let mut report = GcReport::default();
        for (kind, path) in self.entries()? {
            let (bytes, mut last_use) = measure(&path)?;
            let mark = super::mark(&path);
            let marked = fs::symlink_metadata(&mark).ok().filter(|_| kind == Kind::File);
            if let Some(at) = marked.as_ref().and_then(|found| found.modified().ok()) {
                last_use = last_use.max(at);
            }
            let age = options.now.duration_since(last_use).unwrap_or_default();
            if age < options.unused_for || options.only.is_some_and(|only| only != kind) {
                *report.kept.entry(kind).or_default() += 1;
                report.kept_bytes += bytes;
                continue;
            }
            if !options.dry_run {
                self.remove(&path)?;
                marked.map_or(Ok(()), |_| self.remove(&mark))?;
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
        let mut usage = Kind::ALL.map(|kind| Usage { kind, entries: 0, bytes: 0 });
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

    /// What has the form of an entry: whatever else is in these directories is someone's own.
    fn entries(&self) -> Result<Vec<(Kind, PathBuf)>, Error> {
        let mut entries = Vec::new();
        for subdir in self.children("debs/sha256")? {
            let Ok(below) = subdir.strip_prefix(&self.root) else { continue };
            if !is_hex(&name(&subdir), 2) {
                continue;
            }
            for path in self.children(below)? {
                let name = name(&path);
                match name.split_once('.') {
                    Some((digest, "deb")) if is_hex(digest, 64) => entries.push((Kind::Deb, path)),
                    Some((digest, "part")) if is_hex(digest, 64) => entries.push((Kind::Temporary, path)),
                    _ => {}
                }
            }
        }
        for path in self.children("files")? {
            let name = name(&path);
            match name.split_once('.') {
                Some((digest, "part")) if is_hex(digest, 64) => entries.push((Kind::Temporary, path)),
                // Where it marks nothing any more.
                Some((digest, "used")) if is_hex(digest, 64) && !path.with_extension("").exists() => {
                    entries.push((Kind::Temporary, path));
                }
                None if is_hex(&name, 64) => entries.push((Kind::File, path)),
                Some(_) | None => {}
            }
        }
        let subdirs = [
            (Kind::Apt, "apt"),
            (Kind::Rootfs, "rootfs"),
            (Kind::Digests, "digests"),
            (Kind::Listings, "listings"),
            (Kind::Records, "records"),
            (Kind::Controls, "controls"),
            (Kind::Computed, "computed"),
        ];
        for (kind, subdir) in subdirs {
            let of_form = |path: &PathBuf| is_hex(&name(path), 64);
            entries.extend(self.children(subdir)?.into_iter().filter(of_form).map(|path| (kind, path)));
        }
        entries.extend(self.temporaries()?.into_iter().map(|path| (Kind::Temporary, path)));
        Ok(entries)
    }

    /// What runs left, and what was put aside.
    fn temporaries(&self) -> Result<Vec<PathBuf>, Error> {
        // Other programs make temporary names of the same form: they count only where nothing else can be.
        let is_marked = Dir::open(&self.root).is_ok_and(|root| tag::is_own(&root));
        let mut found = Vec::new();
        for subdir in ["tmp", "digests", "records"] {
            let is_temporary = |path: &PathBuf| {
                let name = name(path);
                let is_file = || fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
                subdir == "tmp" && is_aside(&name) || is_marked && is_temporary_name(&name) && is_file()
            };
            found.extend(self.children(subdir)?.into_iter().filter(is_temporary));
        }
        Ok(found)
    }

    /// What is in the own directory `subdir`; nothing where there is none. A link is none: what it leads to
    /// is not ours to count and to remove.
    fn children(&self, subdir: impl AsRef<Path>) -> Result<Vec<PathBuf>, Error> {
        let subdir = self.root.join(subdir);
        match self.own_directory(&subdir) {
            Ok(directory) => Ok(directory.names()?.iter().map(|name| subdir.join(name)).collect()),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Fails for a directory that has no mark of this program's but something that no cache has: a slip of the
    /// pen in `--cache-dir` must not cost anyone a directory `tmp`. What is not there yet is none of these. Writes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::NotACache`]; otherwise when the directory cannot be read.
    pub fn check_is_a_cache(&self) -> Result<(), Error> {
        let dir = match Dir::open(&self.root) {
            Err(error) if error.is_not_found() => return Ok(()),
            opened => opened?,
        };
        if tag::is_own(&dir) || place::is_noted(&dir) {
            return Ok(());
        }
        match dir.names()?.into_iter().find(|name| !is_known(name)) {
            Some(name) => Err(Error::NotACache { root: self.root.clone(), name: name.into() }),
            None => Ok(()),
        }
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        let (Some(subdir), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        Ok(self.own_directory(subdir)?.remove_tree(name)?)
    }
}

/// Whether a cache may hold something of this name: its own, what a killed run left on its way to such a name,
/// and what a file system brings where it is mounted.
fn is_known(name: &OsStr) -> bool {
    let on_its_way = |file: &str| {
        let rest = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_prefix(file)?.strip_prefix('.'));
        rest.is_some_and(|digits| is_hex(digits, 16))
    };
    NAMES.iter().any(|known| name == *known)
        || [tag::NAME, place::FILE].into_iter().any(on_its_way)
        || name == "lost+found"
}

/// The name of an entry; one that is no UTF-8 is none of ours.
fn name(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned()
}

/// Whether `name` is what `tempfile` gives to a file on its way into the cache.
fn is_temporary_name(name: &str) -> bool {
    name.strip_prefix(".tmp").is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|it| it.is_ascii_alphanumeric()))
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
