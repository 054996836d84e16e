//! Writing down exactly which packages and files a module is built from.

mod kept;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use builder::apt::lock::{self, Change, Drift, Inputs, Lock, LockedFile, Wanted};
use builder::apt::{self, Keep};
use model::closure::Accounts;
use model::observe::Observer;
use model::{Arch, FileName, Manifest};

use crate::error::{Error, Reported};
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::lower::{self, LowerSource};
use crate::recipes::build::{files, inputs, root, unresolved};
use crate::recipes::packages::request::Packages;
use crate::recipes::packages::{archives, host, lock as file};
use crate::recipes::results::writable;
use crate::settings::ModuleSettings;

/// What is to be locked, and how.
#[derive(Debug)]
pub(crate) struct LockRequest {
    /// The module, and what its builder.toml says.
    pub(crate) module: Arc<ModuleSettings>,
    /// The architectures to lock together, of which there is one at least.
    pub(crate) archs: Vec<Arch>,
    /// Where packages come from, as a build has them.
    pub(crate) packages: Packages,
    /// Where the modules are that it requires.
    pub(crate) lower: LowerSource,
    /// The numbers that a fleet gives to accounts.
    pub(crate) fleet: Accounts,
    /// Where files from addresses are kept, and how they are fetched.
    pub(crate) downloads: Downloads,
    /// The packages to take in their newest version, or all where none is named; without, those of the lock stay.
    pub(crate) update: Option<Vec<String>>,
    /// Whether the network is off limits.
    pub(crate) offline: bool,
}

/// What locking starts from.
#[derive(Debug)]
pub(crate) struct Known {
    /// The lock that there is.
    pub(crate) old: Option<Lock>,
    manifest: Manifest,
    /// The manifest's file as the user named it.
    file: FileName,
}

/// The lock that there is now.
#[derive(Debug)]
pub(crate) struct Locked {
    /// The lock.
    pub(crate) lock: Lock,
    /// In what it differs from the one before.
    pub(crate) changes: Vec<Change>,
    /// How it came to be.
    pub(crate) outcome: Outcome,
}

/// How a lock came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The one that there was fits: nothing was resolved.
    Fits,
    /// What was resolved is what the one before has.
    Same,
    /// The file was written.
    Written,
}

/// Whether the lock fits.
#[derive(Debug)]
pub(crate) struct Checked {
    /// In what it differs from manifest and settings.
    pub(crate) drift: Vec<Drift>,
    /// What resolving everything now would change; none where the packages were not compared with the archive's.
    pub(crate) changes: Option<Vec<Change>>,
}

impl Known {
    /// Reads the lock and the manifest of the module in `directory`. Where `everything` is made anew, a lock that cannot be read
    /// is no reason not to.
    ///
    /// # Errors
    /// When one of them cannot be read, or the manifest holds errors.
    pub(crate) fn read(directory: &Path, everything: bool) -> Result<Reported<Self>, Error> {
        inputs::check_directory(directory)?;
        let old = match file::read(directory) {
            Err(_) if everything => None,
            read => read?,
        };
        let Reported { value: (manifest, file), findings } = inputs::manifest(directory, "locked")?;
        Ok(Reported { value: Self { old, manifest, file }, findings })
    }

    /// The architectures to lock for: those that are `named`, else those of the lock; in a fixed order.
    pub(crate) fn archs(&self, named: &[Arch]) -> Vec<Arch> {
        let locked = || self.old.iter().flat_map(|old| old.resolutions.iter().map(|one| one.arch));
        let mut archs = if named.is_empty() { locked().collect() } else { named.to_vec() };
        archs.sort_by_key(|arch| arch.debian());
        archs.dedup();
        archs
    }
}

impl LockRequest {
    /// Where the lock is.
    pub(crate) fn path(&self) -> PathBuf {
        file::path(&self.module.directory)
    }

    /// Whether everything is made anew.
    fn is_whole(&self) -> bool {
        self.update.as_ref().is_some_and(Vec::is_empty)
    }
}

/// Writes or updates the lock.
///
/// # Errors
/// When packages or files cannot be had, single packages cannot be updated, or the lock cannot be written.
pub(crate) fn lock(request: &LockRequest, known: &Known, observer: &dyn Observer) -> Result<Locked, Error> {
    let task = Task::new(request, known, observer)?;
    let old = known.old.as_ref();
    let drifts = old.map(|old| task.drifts(old));
    let keep = match (old, &drifts, &request.update) {
        (Some(old), Some(drifts), None) if drifts.is_empty() => {
            return Ok(Locked { lock: old.clone(), changes: Vec::new(), outcome: Outcome::Fits });
        }
        (Some(old), Some(drifts), None) if drifts.iter().all(Drift::keeps_versions) => Keep::AllBut(old, &[]),
        (_, _, None) => Keep::Nothing,
        (_, _, Some(names)) if names.is_empty() => Keep::Nothing,
        (Some(old), Some(drifts), Some(names)) if drifts.iter().all(Drift::keeps_versions) => Keep::AllBut(old, names),
        (Some(_), Some(drifts), Some(_)) => return Err(settings_changed(&request.path(), drifts)),
        (_, _, Some(_)) => return Err(missing(request)),
    };
    check_writable(request)?;
    let new = task.resolve(keep)?;
    task.try_files(old)?;
    task.write(new)
}

/// Says whether the lock fits, and whether resolving now gives the same.
///
/// # Errors
/// When there is none, or when nothing is wrong with it and the packages cannot be resolved.
pub(crate) fn check(request: &LockRequest, known: &Known, observer: &dyn Observer) -> Result<Checked, Error> {
    let task = Task::new(request, known, observer)?;
    let old = known.old.as_ref().ok_or_else(|| missing(request))?;
    let drift = task.drifts(old);
    if request.offline {
        return Ok(Checked { drift, changes: None });
    }
    let changes = match task.resolve(Keep::Nothing) {
        Ok(new) => Some(lock::diff(old, &new)),
        Err(error) if drift.is_empty() => return Err(error),
        // Drift from the module is certain all the same.
        Err(error) => {
            observer.warning(&format!("the packages are not compared with the archive's: {error}"), "");
            None
        }
    };
    Ok(Checked { drift, changes })
}

/// Checks that the lock can be written, before the work that it takes to make one.
fn check_writable(request: &LockRequest) -> Result<(), Error> {
    let directory = ::host::Dir::open(&request.module.directory)?;
    let message = format!("{} cannot be written", request.path().display());
    let answer = directory.is_target_writable(file::FILE);
    writable::judge(answer, &directory, (&message, ""), "make the directory writable, or lock as its owner")
}

fn missing(request: &LockRequest) -> Error {
    Error::input(format!("there is no {}", request.path().display()))
        .hint(format!("make one by `{}`", file::command("lock", &request.module.directory)))
}

fn settings_changed(path: &Path, drifts: &[Drift]) -> Error {
    let error = Error::input(format!("single packages of {} cannot be updated: its settings changed", path.display()));
    let changed = drifts.iter().filter(|drift| !drift.keeps_versions());
    changed.fold(error, |error, drift| error.because(drift)).hint("update everything by `module-builder lock --update`")
}

/// A request with what follows from it and from what there is.
struct Task<'a> {
    request: &'a LockRequest,
    known: &'a Known,
    observer: &'a dyn Observer,
    settings: apt::Settings,
    /// Whether the archives are those of the host's apt.
    is_hosts: bool,
    wanted: Wanted,
}

impl<'a> Task<'a> {
    fn new(request: &'a LockRequest, known: &'a Known, observer: &'a dyn Observer) -> Result<Self, Error> {
        let LockRequest { module, packages, .. } = request;
        let (manifest, file) = (&known.manifest, &known.file);
        // Exactly what a build resolves from.
        let held = lower::held(module, (manifest, file), &packages.settings, &request.lower)?;
        let mut settings = file::pinned(&held, packages.snapshot.as_deref(), manifest, file)?;
        let named = packages.named_mirrors;
        // Where no one names mirrors, a change in one package must not become one in every URI.
        let keeps = |old: &&Lock| !named && kept::keeps_archives(old, &settings, request.is_whole(), observer);
        let kept = known.old.as_ref().filter(keeps);
        if let Some(old) = kept {
            settings.mirrors.clone_from(&old.inputs.mirrors);
            settings.repositories.retain(|repository| !repository.is_hosts || kept::has(&old.inputs, repository));
        }
        let is_hosts = !named && kept.is_none() && settings.snapshot.is_none();
        let wanted = file::wanted(module, manifest, &settings, named)?;
        Ok(Self { request, known, observer, settings, is_hosts, wanted })
    }

    /// In what `old` does not fit; an architecture too many counts, too.
    fn drifts(&self, old: &Lock) -> Vec<Drift> {
        let LockRequest { archs, fleet, .. } = self.request;
        let mut drifts = lock::check(old, &self.wanted, archs);
        let others = old.resolutions.iter().map(|one| one.arch).filter(|arch| !archs.contains(arch));
        drifts.extend(others.map(|arch| Drift::Unwanted { arch }));
        let changed = old.accounts.iter().filter_map(|(name, locked)| Some((name, locked, fleet.get(name)?)));
        let changed = changed.filter(|(_, locked, now)| locked != now);
        drifts.extend(changed.map(|(name, locked, now)| Drift::Account { name: name.clone(), locked, now }));
        drifts
    }

    fn resolve(&self, keep: Keep<'_>) -> Result<Lock, Error> {
        let Self { request, known, observer, settings, wanted, .. } = self;
        if self.is_hosts && !settings.asks_for_nothing(&wanted.requests) {
            host::report(&request.packages.host_apt, *observer);
        }
        root::require_archive(settings)?;
        let cache = &request.packages.cache;
        let found = apt::resolve_together(&wanted.requests, settings, &request.archs, keep, cache, *observer);
        let resolutions = found
            .map_err(|error| unresolved::unresolved(error, &request.module, &known.manifest, &known.file, settings))?;
        Ok(Lock::new(wanted, Inputs::of(settings)?, resolutions))
    }

    /// Tries the files of `[[file]]` for the architectures that are locked.
    fn try_files(&self, old: Option<&Lock>) -> Result<(), Error> {
        let LockRequest { module, archs, downloads, .. } = self.request;
        let files = module.files_for(archs);
        if self.request.offline && !files.is_empty() {
            self.observer.note("offline: the files of [[file]] were not tried; `module-builder fetch` does so");
            return Ok(());
        }
        let known = old.map_or(&[] as &[LockedFile], |old| &old.inputs.file);
        files::try_addresses(module, files, known, downloads, self.observer)
    }

    fn write(&self, new: Lock) -> Result<Locked, Error> {
        let old = self.known.old.as_ref();
        // What builds gave to accounts stays, unless a table of the fleet gives another number: their files have it.
        let given = &self.request.fleet;
        let locked = old.map(|old| old.accounts.clone()).unwrap_or_default();
        let accounts = locked.iter().map(|(name, ids)| (name.clone(), given.get(name).unwrap_or(ids))).collect();
        let lock = Lock { accounts, ..new };
        let changes = old.map_or_else(Vec::new, |old| lock::diff(old, &lock));
        // What has no archives to name is no lock.
        archives::of(&lock)?;
        if old == Some(&lock) {
            return Ok(Locked { lock, changes, outcome: Outcome::Same });
        }
        lock::write(&self.request.path(), &lock)?;
        Ok(Locked { lock, changes, outcome: Outcome::Written })
    }
}
