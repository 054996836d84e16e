//! Exactly the locked .debs become a tar of a root file system, by mmdebstrap, without network.
//!
//! [`build`] makes a local repository of the .debs (`repository`), runs mmdebstrap over it in
//! fresh namespaces ([`plan`](mod@plan)), checks that what is installed is what is locked, and keeps
//! the tar in the cache under a key of everything that can reach its bytes (`entry`).

pub mod deb;
pub mod deb_contents;
mod entry;
mod error;
mod explain;
mod failure;
mod hashing;
mod installed;
mod log;
mod making;
mod memory;
pub mod merged;
mod over;
pub mod plan;
mod privilege;
mod repository;
mod script;
mod tools;
mod work;

use std::cmp::Reverse;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::observe::Observer;
use model::record::{Closure, RootfsInputs};
use model::{Digest, Epoch};
use serde::Serialize;

use crate::apt::Resolution;
use crate::cache::{self, Cache};

pub use entry::{Change, Record, changes};
pub use error::{Error, Named};
pub use failure::Failure;
pub use installed::check_packages;
use making::Making;
use plan::Privilege;
pub use privilege::IsolationMode;
use privilege::choose;
pub use script::{Lack, Reason, Script};
use work::Work;

/// How to build.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The one time of the build: no file is newer.
    pub epoch: Epoch,
    /// By whose privilege.
    pub mode: IsolationMode,
    /// Make the root file system although the cache has it. When the bytes are the same, the entry
    /// stays; when they are not, there is a warning and the new one takes its place.
    pub fresh: bool,
    /// Install all packages from nothing although there is a base, and keep what comes out in the place of what would
    /// be made over that: for tests which show that no module depends on it.
    pub from_nothing: bool,
}

/// A root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rootfs {
    /// The tar, in the cache. It must not be changed.
    pub archive: PathBuf,
    /// The key of everything that it was made from.
    pub key: Digest,
    /// Whether it was there already.
    pub reused: bool,
    /// What was recorded with it: the inputs, the tar's size and sha256, and which packages have
    /// maintainer scripts (which did not run in the variant extract).
    pub record: Record,
}

/// Why a root file system is made anew, or that it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The key that is wanted.
    pub key: Digest,
    /// Whether the cache has it.
    pub cached: bool,
    /// What differs from the entry that is most like the one wanted; empty when there is none.
    pub changes: Vec<Change>,
    /// Whether the cache has any entry to compare with.
    pub compared: bool,
    /// How many entries could not be read, and were not compared.
    pub unreadable: usize,
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let failed = host::Error::io(action, path);
    move |source| Error::File(failed(source))
}

/// Everything that can reach the bytes of the tar. By whose privilege it is built is not among them.
fn inputs(resolution: &Resolution, epoch: Epoch, tools: &[tools::Tool]) -> RootfsInputs {
    let over = over::base(resolution).map(|base| inputs(&base, epoch, tools).key());
    let tools = tools.iter().map(|tool| (tool.name.to_owned(), tool.version.clone())).collect();
    RootfsInputs { format: entry::FORMAT, epoch, tools, closure: Closure::of(resolution), over }
}

/// Says whether [`build`] would take the root file system from the cache, and else what changed.
///
/// # Errors
/// When the cache cannot be read.
pub fn explain(resolution: &Resolution, options: &Options, cache: &Cache) -> Result<Explanation, Error> {
    let inputs = inputs(resolution, options.epoch, &tools::versions()?);
    let key = inputs.key();
    let rootfs_dir = cache.rootfs()?;
    let cached = matches!(entry::open(cache, &key), entry::Found::Whole(_));
    if cached {
        return Ok(Explanation { key, cached, changes: Vec::new(), compared: true, unreadable: 0 });
    }
    // The entry with the fewest differences is most likely the one that this module used before; of
    // several, the one that was used last.
    let mut entries = Vec::new();
    let mut unreadable = 0;
    for entry in fs::read_dir(&rootfs_dir).map_err(io_error("read", &rootfs_dir))? {
        let entry = entry.map_err(io_error("read", &rootfs_dir))?;
        let used = entry.metadata().and_then(|found| found.modified());
        match (used, entry::read_record(cache, &entry.path())) {
            (Ok(used), Some(record)) => entries.push((changes(&record.inputs, &inputs), used)),
            (Err(_), _) | (_, None) => unreadable += 1,
        }
    }
    let nearest = entries.into_iter().min_by_key(|(changes, used)| (changes.len(), Reverse(*used)));
    let compared = nearest.is_some();
    Ok(Explanation { key, cached, changes: nearest.map_or(Vec::new(), |(changes, _)| changes), compared, unreadable })
}

/// The root file system of `resolution`, if the cache has it whole. No .deb is needed for that.
///
/// A damaged entry counts as none; [`build`] reports it and replaces it.
///
/// # Errors
/// When the cache cannot be used.
pub fn find(
    resolution: &Resolution,
    options: &Options,
    cache: &Cache,
    observer: &dyn Observer,
) -> Result<Option<Rootfs>, Error> {
    let key = inputs(resolution, options.epoch, &tools::versions()?).key();
    let _in_use = cache.in_use(observer)?;
    work::sweep(cache);
    let found = entry::open(cache, &key);
    let has = if matches!(found, entry::Found::Whole(_)) { "has" } else { "does not have" };
    tracing::debug!("the cache {has} the root file system {}", key.hex());
    match found {
        entry::Found::Whole(record) if !options.fresh => {
            Ok(Some(reuse(&entry::place(cache, &key), key, *record, observer)))
        }
        _ => Ok(None),
    }
}

/// Checks that a root file system of `resolution` could be made here and now, by programs and rights: before its packages are
/// fetched.
///
/// # Errors
/// As those of [`build`] about these.
pub fn check(resolution: &Resolution, mode: IsolationMode) -> Result<(), Error> {
    privilege(resolution, &tools::versions()?, mode).map(drop)
}

fn privilege(resolution: &Resolution, tools: &[tools::Tool], mode: IsolationMode) -> Result<Privilege, Error> {
    if resolution.packages.is_empty() {
        // No program is needed, and no right.
        return Ok(Privilege::Root);
    }
    tools::check(tools)?;
    choose(mode)
}

fn reuse(place: &Path, key: Digest, record: Record, observer: &dyn Observer) -> Rootfs {
    // Another user's cache may be read without being marked as used.
    let _ = cache::touch(place);
    observer.note("root file system taken from the cache");
    Rootfs { archive: entry::archive(place), key, reused: true, record }
}

/// The root file system of `resolution`, from the cache or made now from `debs` (one for each
/// package, in the order of the resolution, verified). Without a package it is empty.
///
/// Two builds of the same root file system at once wait for each other; the second takes what the
/// first made. What is in the cache is verified before it is used; see [`Record`].
///
/// # Errors
/// When mmdebstrap is missing or fails, no mode works here, what was installed is not what is
/// locked, or the cache cannot be used. Its `Explain` says what to do.
#[allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]
pub fn build(
    resolution: &Resolution,
    debs: &[PathBuf],
    options: &Options,
    cache: &Cache,
    observer: &dyn Observer,
) -> Result<Rootfs, Error> {
    let tools = tools::versions()?;
    let inputs = inputs(resolution, options.epoch, &tools);
    let key = inputs.key();
    let _in_use = cache.in_use(observer)?;
    let _lock = cache.lock(&format!("rootfs-{}", key.hex()), observer)?;
    cache.rootfs()?;
    let place = entry::place(cache, &key);
    let mut before = None;
    match entry::open(cache, &key) {
        entry::Found::Whole(record) if options.fresh => before = Some(record.sha256),
        entry::Found::Whole(record) => return Ok(reuse(&place, key, *record, observer)),
        entry::Found::Damaged { what } => {
            let message = format!("the cached root file system {} is not used: {what}", place.display());
            observer.warning(&message, "nothing needs to be done: it is made again");
            entry::remove(cache, &key)?;
        }
        entry::Found::Absent => {}
    }
    let privilege = privilege(resolution, &tools, options.mode)?;
    let base = over::base(resolution).filter(|_| !options.from_nothing).zip(inputs.over);
    let over = base.map(|(base, key)| over::archive((&base, key), (resolution, debs), options, cache, observer));
    let work = Work::new(cache, &key, privilege)?;
    let making = Making { resolution, debs, epoch: options.epoch, privilege, over: over.transpose()?, work: &work };
    let record = making.make(inputs, observer)?;
    if before == Some(record.sha256) {
        let _ = cache::touch(&place);
        observer.note("the root file system came out as it is in the cache");
        return Ok(Rootfs { archive: entry::archive(&place), key, reused: false, record });
    }
    let _whole = host::interrupt::whole();
    if before.is_some() {
        let message = "the root file system came out differently than it is in the cache, which now has the new one";
        let hint = "a package writes something into it that is not an input, such as the time: compare the two outputs";
        observer.warning(message, hint);
        entry::remove(cache, &key)?;
    }
    fs::rename(work.entry(), &place).map_err(io_error("put into place", &place))?;
    // A rename keeps the file but changes its change time on some file systems.
    entry::write_seal(&place)?;
    Ok(Rootfs { archive: entry::archive(&place), key, reused: false, record })
}

#[cfg(test)]
mod tests;
