//! `lock`: writes down exactly which packages a module is built from.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use builder::apt::lock::{self, Change, Drift, Inputs, Lock, LockedFile, LockedRepository, Wanted};
use builder::apt::{self, Keep, Resolution};
use builder::cache::Cache;
use clap::Args;
use model::path::json::keys;
use model::words::count;
use model::{Arch, Manifest};
use serde::Serialize;

use crate::commands::{Context, Module, ModuleDirectory, RequiredModules, Verb};
use crate::error::{Error, Kind};
use crate::recipes::build;
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::{inputs, lower, root, unresolved};
use crate::recipes::packages::archives::{self, Archive};
use crate::recipes::packages::request::Packages;
use crate::recipes::packages::{host, lock as file};
use crate::recipes::results::writable;
use crate::settings::{Flags, ModuleSettings};
use crate::ui::clean;

/// Write module.lock: exactly which packages a build uses
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LockArgs {
    #[command(flatten)]
    pub(crate) module: ModuleDirectory,
    /// The architectures to lock together [default: those of the lock, else this machine's]
    #[arg(long = "arch", value_name = "ARCH", value_delimiter = ',')]
    pub(crate) archs: Vec<Arch>,
    /// Take the newest version of these packages, or of everything when none is named
    ///
    /// All other packages keep their locked version, unless one of the named ones needs them to move.
    #[arg(long, value_name = "PACKAGE", num_args = 0.., value_delimiter = ',')]
    pub(crate) update: Option<Vec<String>>,
    /// Write nothing: say whether the lock fits, and whether resolving now gives the same
    #[arg(long, conflicts_with = "update")]
    pub(crate) check: bool,
    /// Use the package lists of the last run instead of fetching them; with --check, compare no packages
    #[arg(long)]
    pub(crate) offline: bool,

    #[command(flatten, next_help_heading = "Packages")]
    pub(crate) required: RequiredModules,
    /// A Debian mirror; may be repeated [default: the lock's, else the archives of the host's apt]
    #[arg(long = "mirror", value_name = "URL", help_heading = "Packages")]
    pub(crate) mirrors: Vec<String>,
    /// The state of the archives to take instead of the manifest's build.apt_snapshot: YYYYMMDDTHHMMSSZ, or none for today's
    #[arg(long, value_name = "TIME|none", help_heading = "Packages")]
    pub(crate) snapshot: Option<String>,
    /// A table [accounts] that a fleet shares: numbers of it replace those that the lock has
    #[arg(long, value_name = "FILE.toml", help_heading = "Packages")]
    pub(crate) accounts: Option<PathBuf>,
    /// Where package lists are kept
    #[arg(long, value_name = "DIR", help_heading = "Speed and place")]
    pub(crate) cache_dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Without --update, versions that the lock has stay as they are: only what the manifest newly asks for
is added, and what it no longer needs goes. A lock that fits is not touched. Before a lock is
written, each [[file]] is fetched from its address and unpacked: a wrong address, sha256 or form is
found by that. An address that the lock has is asked whether it answers.

Suite, variant and components are taken from builder.toml alone, so that the lock fits every build.

Examples:
  module-builder lock --arch amd64,arm64
      Locks for both; a package comes from the same source version on both.
  module-builder lock --update nginx
      Takes the newest nginx, and moves nothing that nginx does not need to move.
  module-builder lock --check
      Exits with 5 and shows the difference when the lock drifted from the module or the archive.";

/// What `lock` did, as JSON.
#[derive(Debug, Serialize)]
struct Written<'a> {
    #[serde(flatten, serialize_with = "keys::path")]
    path: &'a Path,
    /// Whether the file was written: a lock that fits is not.
    written: bool,
    architectures: Vec<Arch>,
    /// How many packages each architecture has, in the order of `architectures`.
    packages: Vec<usize>,
    /// How many files of `[[file]]`, over all architectures.
    files: usize,
    /// Every archive that was looked into.
    archives: Vec<Archive<'a>>,
    changes: &'a [Change],
}

/// What `lock --check` found, as JSON.
#[derive(Debug, Serialize)]
struct Checked<'a> {
    #[serde(flatten, serialize_with = "keys::path")]
    path: &'a Path,
    fits: bool,
    /// In what the lock differs from manifest and settings.
    drift: &'a [Drift],
    /// Whether the packages were compared with the archive's: not with `--offline`, and not where they cannot be
    /// resolved.
    resolved: bool,
    /// What resolving everything now would change.
    changes: &'a [Change],
}

/// Everything that locking starts from.
struct Task<'a> {
    context: &'a Context,
    path: PathBuf,
    manifest: Manifest,
    /// The manifest's file as the user named it.
    file: model::FileName,
    archs: Vec<Arch>,
    settings: apt::Settings,
    /// Whether the archives are those of the host's apt.
    is_hosts: bool,
    wanted: Wanted,
    cache: Cache,
    /// What the module's builder.toml says.
    own: Arc<ModuleSettings>,
}

impl Verb for LockArgs {
    fn settings(&self) -> (Module, Flags) {
        (
            self.module.module(),
            Flags {
                mirrors: self.mirrors.clone(),
                snapshot: self.snapshot.clone(),
                cache_dir: self.cache_dir.clone(),
                accounts: self.accounts.clone(),
                ..Flags::default()
            },
        )
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Writes, updates or checks the lock.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: LockArgs, context: &Context) -> Result<(), Error> {
    inputs::check_directory(args.module.path())?;
    // A lock that cannot be read is no reason not to make it anew.
    let everything = args.update.as_ref().is_some_and(Vec::is_empty);
    let old = match file::read(args.module.path()) {
        Err(_) if everything => None,
        read => read?,
    };
    let task = Task::new(&args, old.as_ref(), context)?;
    if args.check {
        return task.check(old.as_ref(), args.offline);
    }
    let drifts = old.as_ref().map(|old| task.drifts(old));
    let keep = match (&old, &drifts, &args.update) {
        (Some(old), Some(drifts), None) if drifts.is_empty() => return task.unchanged(old),
        (Some(old), Some(drifts), None) if drifts.iter().all(Drift::keeps_versions) => Keep::AllBut(old, &[]),
        (_, _, None) => Keep::Nothing,
        (_, _, Some(names)) if names.is_empty() => Keep::Nothing,
        (Some(old), Some(drifts), Some(names)) if drifts.iter().all(Drift::keeps_versions) => Keep::AllBut(old, names),
        (Some(_), Some(drifts), Some(_)) => return Err(settings_changed(&task.path, drifts)),
        (_, _, Some(_)) => return Err(missing(args.module.path(), &task.path)),
    };
    check_writable(args.module.path(), &task.path)?;
    let new = task.resolve(keep)?;
    task.try_files(old.as_ref(), args.offline)?;
    task.write(old.as_ref(), &new)
}

/// Checks that the lock can be written, before the work that it takes to make one.
fn check_writable(module: &Path, lock: &Path) -> Result<(), Error> {
    let directory = ::host::Dir::open(module)?;
    let message = format!("{} cannot be written", lock.display());
    let answer = directory.is_target_writable(file::FILE);
    writable::judge(answer, &directory, (&message, ""), "make the directory writable, or lock as its owner")
}

fn missing(module: &Path, path: &Path) -> Error {
    Error::input(format!("there is no {}", path.display()))
        .hint(format!("make one by `{}`", file::command("lock", module)))
}

/// Whether a new solve asks the archives of the `old` lock, given that no mirrors are named. Those of another suite are none
/// to ask; and where everything is updated, what the host's apt has and the lock has not is taken, such as security updates.
fn keeps_archives(old: &Lock, settings: &apt::Settings, everything: bool, context: &Context) -> bool {
    let inputs = &old.inputs;
    let same = inputs.suite == settings.suite && inputs.components == settings.components;
    if !same || inputs.snapshot.is_some() {
        return false;
    }
    let suites = |settings: &apt::Settings| -> BTreeSet<String> {
        let sources = settings.sources().unwrap_or_default().into_iter().filter(|source| !source.is_added);
        sources.map(|source| source.suite).collect()
    };
    let is_here = |locked: &&LockedRepository| {
        settings.repositories.iter().any(|own| (&own.uri, &own.suite) == (&locked.uri, &locked.suite))
    };
    if let Some(gone) = inputs.repository.iter().filter(|locked| locked.host).find(|locked| !is_here(locked)) {
        let message = format!("the lock has the archive {} of another host's apt, which this one has not", gone.uri);
        context.ui.warning(&message, "name it in builder.toml as [[repository]], with its keys");
        return false;
    }
    let before = suites(&apt::Settings { mirrors: inputs.mirrors.clone(), ..settings.clone() });
    let new: Vec<String> = suites(settings).difference(&before).cloned().collect();
    if !new.is_empty() && !everything {
        let message = format!("the host's apt has {}, and the lock was made without", new.join(", "));
        context.ui.warning(&message, "take packages from there, too, by `module-builder lock --update`");
    }
    new.is_empty() || !everything
}

/// Whether a lock has this archive.
fn has(inputs: &Inputs, repository: &apt::Repository) -> bool {
    inputs.repository.iter().any(|locked| (&locked.uri, &locked.suite) == (&repository.uri, &repository.suite))
}

fn settings_changed(path: &Path, drifts: &[Drift]) -> Error {
    let error = Error::input(format!("single packages of {} cannot be updated: its settings changed", path.display()));
    let changed = drifts.iter().filter(|drift| !drift.keeps_versions());
    changed.fold(error, |error, drift| error.because(drift)).hint("update everything by `module-builder lock --update`")
}

impl<'a> Task<'a> {
    fn new(args: &LockArgs, old: Option<&Lock>, context: &'a Context) -> Result<Self, Error> {
        let (manifest, file) = context.ui.reported(inputs::manifest(args.module.path(), "locked")?);
        let known = &context.settings;
        let mut archs = args.archs.clone();
        if archs.is_empty() {
            archs = old.map_or(Vec::new(), |old| old.resolutions.iter().map(|one| one.arch).collect());
        }
        if archs.is_empty() {
            archs.push(known.require_arch()?);
        }
        archs.sort_by_key(|arch| arch.debian());
        archs.dedup();
        // Exactly what a build resolves from.
        let packages = Packages::new(known, archs[0], &context.environment)?.offline(args.offline);
        let source = args.required.source(&archs, &context.environment);
        let own = known.of_module(args.module.path())?;
        let held = lower::held(&own, (&manifest, &file), &packages.settings, &source)?;
        let mut settings = file::pinned(&held, known.snapshot.value.as_deref(), &manifest, &file)?;
        let named = known.mirrors.is_named();
        // Where no one names mirrors, a change in one package must not become one in every URI.
        let everything = args.update.as_ref().is_some_and(Vec::is_empty);
        let kept = old.filter(|old| !named && keeps_archives(old, &settings, everything, context));
        if let Some(old) = kept {
            settings.mirrors.clone_from(&old.inputs.mirrors);
            settings.repositories.retain(|repository| !repository.is_hosts || has(&old.inputs, repository));
        }
        let is_hosts = !named && kept.is_none() && settings.snapshot.is_none();
        let wanted = file::wanted(&own, &manifest, &settings, named)?;
        Ok(Self {
            context,
            path: file::path(args.module.path()),
            manifest,
            file,
            archs,
            settings,
            is_hosts,
            wanted,
            cache: packages.cache,
            own,
        })
    }

    /// In what `old` does not fit; an architecture too many counts, too.
    fn drifts(&self, old: &Lock) -> Vec<Drift> {
        let mut drifts = lock::check(old, &self.wanted, &self.archs);
        let others = old.resolutions.iter().map(|one| one.arch).filter(|arch| !self.archs.contains(arch));
        drifts.extend(others.map(|arch| Drift::Unwanted { arch }));
        let given = self.context.settings.fleet().numbers();
        let changed = old.accounts.iter().filter_map(|(name, locked)| Some((name, locked, given.get(name)?)));
        let changed = changed.filter(|(_, locked, now)| locked != now);
        drifts.extend(changed.map(|(name, locked, now)| Drift::Account { name: name.clone(), locked, now }));
        drifts
    }

    fn resolve(&self, keep: Keep<'_>) -> Result<Lock, Error> {
        if self.is_hosts && !self.settings.asks_for_nothing(&self.wanted.requests) {
            host::report(&self.context.settings.host_apt, &self.context.ui);
        }
        root::require_archive(&self.settings)?;
        let (settings, ui) = (&self.settings, &self.context.ui);
        let found = apt::resolve_together(&self.wanted.requests, settings, &self.archs, keep, &self.cache, ui);
        let resolutions: Vec<Resolution> =
            found.map_err(|error| unresolved::unresolved(error, &self.own, &self.manifest, &self.file, settings))?;
        Ok(Lock::new(&self.wanted, Inputs::of(settings)?, resolutions))
    }

    /// Tries the files of `[[file]]` for the architectures that are locked.
    fn try_files(&self, old: Option<&Lock>, offline: bool) -> Result<(), Error> {
        let files = self.own.files_for(&self.archs);
        let Context { ui, settings, environment, .. } = self.context;
        if offline && !files.is_empty() {
            ui.note("offline: the files of [[file]] were not tried; `module-builder fetch` does so");
            return Ok(());
        }
        let known = old.map_or(&[] as &[LockedFile], |old| &old.inputs.file);
        build::files::try_addresses(&self.own, files, known, &Downloads::new(settings, environment, false), ui)
    }

    fn unchanged(&self, old: &Lock) -> Result<(), Error> {
        self.context.ui.note("the lock fits: nothing to do; `lock --update` takes newer versions");
        self.result(old, false, &[])
    }

    fn write(&self, old: Option<&Lock>, new: &Lock) -> Result<(), Error> {
        // What builds gave to accounts stays, unless a table of the fleet gives another number: their files have it.
        let given = self.context.settings.fleet().numbers();
        let locked = old.map(|old| old.accounts.clone()).unwrap_or_default();
        let accounts = locked.iter().map(|(name, ids)| (name.clone(), given.get(name).unwrap_or(ids))).collect();
        let new = &Lock { accounts, ..new.clone() };
        let changes = old.map_or_else(Vec::new, |old| lock::diff(old, new));
        for change in changes.iter().take(MOST_CHANGES) {
            self.context.ui.note(&change.to_string());
        }
        if let more @ 1.. = changes.len().saturating_sub(MOST_CHANGES) {
            self.context
                .ui
                .note(&format!("and {} more: `--format json` has all, and so has the lock", count(more, "change")));
        }
        if let Some(old) = old {
            archives::compare(old, new, &self.context.ui);
        }
        for archive in archives::of(new)? {
            self.context.ui.note(&archive.line());
        }
        let written = old != Some(new);
        if written {
            lock::write(&self.path, new)?;
        }
        self.context.ui.note(&summary(new, written));
        file::note_numbers(&self.own, new, &self.context.ui);
        self.result(new, written, &changes)
    }

    fn result(&self, lock: &Lock, written: bool, changes: &[Change]) -> Result<(), Error> {
        let architectures = lock.resolutions.iter().map(|one| one.arch).collect();
        let packages = lock.resolutions.iter().map(|one| one.packages.len()).collect();
        let archives = archives::of(lock)?;
        let files = lock.inputs.file.len();
        let value = Written { path: &self.path, written, architectures, packages, files, archives, changes };
        self.context.ui.result(&clean(&self.path.display().to_string()), &value)
    }

    /// What is to be done when the packages cannot be resolved: drift from the module is certain all the same.
    fn uncompared(&self, error: Error, drift: &[Drift]) -> Result<Option<Lock>, Error> {
        if drift.is_empty() {
            return Err(error);
        }
        self.context.ui.warning(&format!("the packages are not compared with the archive's: {error}"), "");
        Ok(None)
    }

    fn check(&self, old: Option<&Lock>, offline: bool) -> Result<(), Error> {
        let Some(old) = old else {
            return Err(missing(self.path.parent().unwrap_or(Path::new("")), &self.path));
        };
        let drift = self.drifts(old);
        let new = match offline {
            true => None,
            false => self.resolve(Keep::Nothing).map(Some).or_else(|error| self.uncompared(error, &drift))?,
        };
        let changes = new.as_ref().map_or_else(Vec::new, |new| lock::diff(old, new));
        let fits = drift.is_empty() && changes.is_empty();
        let mut text = String::new();
        for drift in &drift {
            let _ = writeln!(text, "{}", clean(&drift.to_string()));
        }
        for change in &changes {
            let _ = writeln!(text, "{}", clean(&change.to_string()));
        }
        if fits {
            let _ = writeln!(text, "{} fits", clean(&self.path.display().to_string()));
        }
        let path = &self.path;
        self.context
            .ui
            .result(&text, &Checked { path, fits, drift: &drift, resolved: new.is_some(), changes: &changes })?;
        if fits {
            return Ok(());
        }
        if self.context.ui.is_json() {
            return Err(Error::shown(Kind::Differences));
        }
        let (message, hint) = match drift.is_empty() {
            true => {
                ("does not have what the archive has now", "take the newer versions by `module-builder lock --update`")
            }
            false => ("does not fit the module any more", "bring it up to date by `module-builder lock`"),
        };
        Err(Error::differences(format!("{} {message}", path.display())).hint(hint))
    }
}

/// How many changes are shown one by one.
const MOST_CHANGES: usize = 20;

fn summary(lock: &Lock, written: bool) -> String {
    let of_arch = |one: &Resolution| format!("{} for {}", count(one.packages.len(), "package"), one.arch);
    let mut counts: Vec<String> = lock.resolutions.iter().map(of_arch).collect();
    match lock.inputs.file.len() {
        0 => {}
        files => counts.push(count(files, "file")),
    }
    format!("{} {}", if written { "locked" } else { "nothing changed:" }, counts.join(", "))
}
