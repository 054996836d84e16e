//! `lock`: writes down exactly which packages a module is built from.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use builder::apt::Resolution;
use builder::apt::lock::{Change, Drift, Lock};
use clap::Args;
use model::Arch;
use model::path::json::keys;
use model::words::count;
use serde::Serialize;

use crate::commands::{Context, Module, ModuleDirectory, RequiredModules, Verb};
use crate::error::{Error, Kind};
use crate::recipes::build::downloads::Downloads;
use crate::recipes::lock::{self, Known, LockRequest, Locked, Outcome};
use crate::recipes::packages::archives::{self, Archive};
use crate::recipes::packages::lock as file;
use crate::recipes::packages::request::Packages;
use crate::settings::Flags;
use crate::ui::{Ui, clean};

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

impl LockArgs {
    /// Puts arguments and settings together.
    fn request(&self, known: &Known, context: &Context) -> Result<LockRequest, Error> {
        let Context { settings, environment, .. } = context;
        let mut archs = known.archs(&self.archs);
        if archs.is_empty() {
            archs.push(settings.require_arch()?);
        }
        Ok(LockRequest {
            packages: Packages::new(settings, archs[0], environment)?.offline(self.offline),
            lower: self.required.source(&archs, environment),
            module: settings.of_module(self.module.path())?,
            fleet: settings.fleet().numbers(),
            downloads: Downloads::new(settings, environment, false),
            update: self.update.clone(),
            offline: self.offline,
            archs,
        })
    }
}

/// Writes, updates or checks the lock.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: LockArgs, context: &Context) -> Result<(), Error> {
    let ui = &context.ui;
    let everything = args.update.as_ref().is_some_and(Vec::is_empty);
    let known = ui.reported(Known::read(args.module.path(), everything)?);
    let request = args.request(&known, context)?;
    if args.check {
        return show_checked(&request.path(), &lock::check(&request, &known, ui)?, ui);
    }
    let locked = lock::lock(&request, &known, ui)?;
    match locked.outcome {
        Outcome::Fits => ui.note("the lock fits: nothing to do; `lock --update` takes newer versions"),
        Outcome::Same | Outcome::Written => show_new(&request, &locked, known.old.as_ref(), ui)?,
    }
    result(&request.path(), &locked, ui)
}

/// Shows what a lock has that was made, and in what it differs from the `old` one.
fn show_new(request: &LockRequest, locked: &Locked, old: Option<&Lock>, ui: &Ui) -> Result<(), Error> {
    let Locked { lock, changes, outcome } = locked;
    for change in changes.iter().take(MOST_CHANGES) {
        ui.note(&change.to_string());
    }
    if let more @ 1.. = changes.len().saturating_sub(MOST_CHANGES) {
        ui.note(&format!("and {} more: `--format json` has all, and so has the lock", count(more, "change")));
    }
    if let Some(old) = old {
        archives::compare(old, lock, ui);
    }
    for archive in archives::of(lock)? {
        ui.note(&archive.line());
    }
    ui.note(&summary(lock, *outcome == Outcome::Written));
    file::note_numbers(&request.module, lock, ui);
    Ok(())
}

fn result(path: &Path, locked: &Locked, ui: &Ui) -> Result<(), Error> {
    let Locked { lock, changes, outcome } = locked;
    let written = *outcome == Outcome::Written;
    let architectures = lock.resolutions.iter().map(|one| one.arch).collect();
    let packages = lock.resolutions.iter().map(|one| one.packages.len()).collect();
    let archives = archives::of(lock)?;
    let files = lock.inputs.file.len();
    let value = Written { path, written, architectures, packages, files, archives, changes };
    ui.result(&clean(&path.display().to_string()), &value)
}

/// Shows whether the lock fits, and fails where it does not.
fn show_checked(path: &Path, checked: &lock::Checked, ui: &Ui) -> Result<(), Error> {
    let drift = &checked.drift;
    let (resolved, changes) = (checked.changes.is_some(), checked.changes.as_deref().unwrap_or_default());
    let fits = drift.is_empty() && changes.is_empty();
    let mut text = String::new();
    for drift in drift {
        let _ = writeln!(text, "{}", clean(&drift.to_string()));
    }
    for change in changes {
        let _ = writeln!(text, "{}", clean(&change.to_string()));
    }
    if fits {
        let _ = writeln!(text, "{} fits", clean(&path.display().to_string()));
    }
    ui.result(&text, &Checked { path, fits, drift, resolved, changes })?;
    if fits {
        return Ok(());
    }
    if ui.is_json() {
        return Err(Error::shown(Kind::Differences));
    }
    let (message, hint) = match drift.is_empty() {
        true => ("does not have what the archive has now", "take the newer versions by `module-builder lock --update`"),
        false => ("does not fit the module any more", "bring it up to date by `module-builder lock`"),
    };
    Err(Error::differences(format!("{} {message}", path.display())).hint(hint))
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
