//! `module.lock` in the service of the recipes: reading it, and saying whether it fits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use builder::apt::lock::{self, Drift, Lock, LockedFile, Wanted};
use builder::apt::{self, Resolution};
use host::Dir;
use model::closure::Ship;
use model::manifest::Entry;
use model::observe::Observer;
use model::{Arch, Diagnostic, FileName, Manifest, Severity, shell};

use crate::error::{Error, Findings};
use crate::recipes::packages::request::Packages;
use crate::settings::{self, ModuleSettings};

/// The lock's name, beside the manifest.
pub(crate) const FILE: &str = "module.lock";

/// Where the lock of `module` is.
pub(crate) fn path(module: &Path) -> PathBuf {
    settings::join(module, FILE)
}

/// The lock of `module`; `None` when it has none.
pub(crate) fn read(module: &Path) -> Result<Option<Lock>, Error> {
    let path = path(module);
    match Dir::open(module).map_err(lock::Error::from).and_then(|module| lock::read(&module, FILE)) {
        Ok(lock) => Ok(Some(lock)),
        Err(lock::Error::Host(error)) if error.is_not_found() => Ok(None),
        Err(lock::Error::Host(host::Error::Io { source, .. })) => Err(Error::io("read", &path, &source)),
        Err(lock::Error::Host(error)) => Err(error.into()),
        Err(error) => Err(Error { message: format!("{} cannot be used", path.display()), ..error.into() }),
    }
}

/// Says that a lock has no numbers of accounts yet, where the closure of its packages may want some: which accounts there are
/// is known when the packages were installed.
pub(crate) fn note_numbers(module: &ModuleSettings, lock: &Lock, observer: &dyn Observer) {
    let settings::ClosureSettings { ship, accounts, .. } = &module.closure;
    if *ship == Ship::Closure && accounts.is_empty() && lock.accounts.is_empty() {
        let directory = module.directory.as_path();
        let is_here = directory == Path::new(".");
        let place = if is_here { String::new() } else { format!(" -C {}", shell::word(directory)) };
        observer.note(&format!(
            "no account has a number yet: `module-builder build{place}` writes those of the packages' accounts into the lock, and \
             `build --frozen` needs them there"
        ));
    }
}

/// A command line for `module`, as the user would write it here.
pub(crate) fn command(verb: &str, module: &Path) -> String {
    match module == Path::new(".") {
        true => format!("module-builder {verb}"),
        false => format!("module-builder {verb} {}", shell::word(module)),
    }
}

/// The settings with the snapshot that the user `wants`, else with that of the manifest, which `file` is.
///
/// # Errors
/// When there is no archive of past states to take it from.
pub(crate) fn pinned(
    settings: &apt::Settings,
    wants: Option<&str>,
    manifest: &Manifest,
    file: &FileName,
) -> Result<apt::Settings, Error> {
    let snapshot = match wants {
        Some(settings::NO_SNAPSHOT) => None,
        Some(moment) => Some(moment.to_owned()),
        None => manifest.snapshot().map(|entry| entry.value.clone()),
    };
    if let Some(moment) = &snapshot
        && settings.snapshot_mirror.is_none()
    {
        return Err(no_snapshot_mirror(moment, manifest.snapshot().filter(|_| wants.is_none()), file));
    }
    let mut settings = apt::Settings { snapshot, ..settings.clone() };
    // In place of the host's archives, none of which has past states.
    settings.repositories.retain(|repository| !repository.is_hosts || settings.snapshot.is_none());
    Ok(settings)
}

/// Adds to `found` that the manifest pins a moment, where no archive of past states is set.
pub(crate) fn check_snapshot(module: &ModuleSettings, manifest: &Manifest, file: &FileName, found: &mut Findings) {
    let Some(entry) = manifest.snapshot().filter(|_| !manifest.requests().is_empty()) else { return };
    if module.snapshot_mirror.is_none() {
        found.extend(no_snapshot_mirror(&entry.value, Some(entry), file).findings);
    }
}

/// There is a moment, and no archive that has it.
fn no_snapshot_mirror(moment: &str, entry: Option<&Entry<String>>, file: &FileName) -> Error {
    let hint = format!(
        "name one in builder.toml, as in snapshot_mirror = \"https://snapshot.example.org/archive/debian\", or take the archives as \
         they are by `--snapshot {}`",
        settings::NO_SNAPSHOT
    );
    let message = format!("the state {moment} of the archive is wanted, and no archive of past states is set");
    let Some(entry) = entry else { return Error::input(message).hint(hint) };
    let found = Diagnostic::new(Severity::Error, "no-snapshot-archive", message, hint)
        .in_file(file.clone())
        .at(Some(entry.position))
        .in_field("build.apt_snapshot")
        .quoting(moment.to_owned());
    Error::input("the packages cannot be resolved")
        .findings(Findings { diagnostics: vec![found], ..Findings::default() })
}

/// What the manifest and the settings of `module` ask for.
///
/// # Errors
/// When a keyring that they name cannot be used.
pub(crate) fn wanted(
    module: &ModuleSettings,
    manifest: &Manifest,
    settings: &apt::Settings,
    named_mirrors: bool,
) -> Result<Wanted, Error> {
    let wanted = Wanted::of(&manifest.requests(), settings, named_mirrors).map_err(|error| {
        let named = error.keyring().map(|path| settings::naming::keyring(module, path));
        Error::from(error).findings(named.unwrap_or_default())
    })?;
    Ok(Wanted { files: LockedFile::all(&module.files), ..wanted })
}

/// The locked packages of a build with `settings`, or none where the module has no lock.
///
/// Nothing here asks whether the archive's signature is still in date: it was good when the lock was
/// written, and every .deb is held to the sha256 that the lock has from then.
///
/// # Errors
/// When the lock does not fit the module, or there is none and one is required.
pub(crate) fn resolution(
    own: &ModuleSettings,
    (packages, settings): (&Packages, &apt::Settings),
    manifest: &Manifest,
    manifest_file: &FileName,
) -> Result<Option<Resolution>, Error> {
    let module = own.directory.as_path();
    let Some(lock) = read(module)? else {
        if packages.locked {
            return Err(Error::input(format!("there is no {}, and a lock is required", path(module).display()))
                .hint(format!("make one by `{}`, and keep it in version control", command("lock", module))));
        }
        return Ok(None);
    };
    let settings = pinned(settings, packages.snapshot.as_deref(), manifest, manifest_file)?;
    let wanted = wanted(own, manifest, &settings, packages.named_mirrors)?;
    let mut drifts = lock::check(&lock, &wanted, &[settings.arch]);
    // That the next architecture of this run is missing is known before the work for this one.
    let is_missing = |arch: &&Arch| **arch != settings.arch && lock.resolution(**arch).is_none();
    drifts.extend(packages.archs.iter().filter(is_missing).map(|arch| Drift::Architecture { arch: *arch }));
    let other_module = drifts.iter().find(|drift| matches!(drift, Drift::Requires { .. }));
    if let Some(drift) = other_module.filter(|_| packages.locked) {
        let hint = format!("name those that were locked by --modules, or lock these by `{}`", command("lock", module));
        let message = format!("{} holds other modules than were found", path(module).display());
        return Err(Error::refused(message).because(drift).hint(hint));
    }
    if !drifts.is_empty() {
        return Err(drifted(module, &lock, &drifts, packages));
    }
    Ok(lock.resolution(settings.arch).cloned())
}

fn drifted(module: &Path, lock: &Lock, drifts: &[Drift], packages: &Packages) -> Error {
    let file = path(module);
    let error = Error::input(format!("{} does not fit the module any more", file.display()));
    let flag = |drift: &Drift| match drift {
        Drift::Input { field, .. } => packages.flags.iter().find(|(name, _)| name == field).map(|(_, flag)| *flag),
        _ => None,
    };
    let overriding: Vec<&str> = drifts.iter().filter_map(flag).collect();
    let hint = if drifts.iter().all(|drift| matches!(drift, Drift::Architecture { .. })) {
        // Those that are not named go, and the next ones of this run would be missed after this one.
        let locked = lock.resolutions.iter().map(|one| one.arch);
        let all: BTreeSet<Arch> = locked.chain(packages.archs.iter().copied()).collect();
        let all: Vec<&str> = all.into_iter().map(Arch::debian).collect();
        format!("lock for all that are built: `{} --arch {}`", command("lock", module), all.join(","))
    } else if overriding.len() == drifts.len() {
        let flags = overriding.join(" and ");
        format!(
            "leave {flags} out, or write it into builder.toml and bring the lock up to date by `{}`",
            command("lock", module)
        )
    } else {
        format!("bring it up to date by `{}`, and read the difference before you commit it", command("lock", module))
    };
    drifts.iter().fold(error, |error, drift| error.because(drift)).hint(hint)
}
