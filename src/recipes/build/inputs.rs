//! The texts that a build starts from: the module's manifest and its neighbours'.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use builder::apt;
use host::{Dir, Links};
use model::closure::{Accounts, Ship};
use model::rules::{self, Lists, Rules};
use model::{Arch, Diagnostic, FileName, Manifest, Severity, shell};

use crate::error::{Error, Findings, Reported};
use crate::recipes::build::lower::{self, Lower};
use crate::recipes::build::ports;
use crate::recipes::build::request::{Checks, ModuleSource};
use crate::recipes::build::shared_numbers::{self, Known};
use crate::recipes::packages::lock;
use crate::recipes::results::lower::LowerModule;
use crate::recipes::results::whose;
use crate::settings::{self, AccountTables, ModuleSettings};

/// The manifest's name in a module's repository.
pub(crate) const MANIFEST: &str = "manifest.yaml";
/// One byte more than a manifest may have, so that the parser sees that it is too long.
const READ_LIMIT: u64 = model::document::MAX_BYTES as u64 + 1;

/// The manifests of a build.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// The module's own manifest.
    pub(crate) manifest: Manifest,
    /// Its file as the user named it.
    pub(crate) file: FileName,
    /// What ships, from all of them.
    pub(crate) rules: Rules,
    /// The modules beside it.
    pub(crate) neighbours: Vec<Neighbour>,
    /// What its builder.toml says.
    pub(crate) settings: Arc<ModuleSettings>,
    /// The numbers of accounts that a fleet shares, besides those of builder.toml.
    pub(crate) fleet: AccountTables,
    /// The numbers that the lock has for accounts.
    pub(crate) locked_accounts: Accounts,
    /// The modules over which it is laid; none where no one asks for them.
    pub(crate) lower: Option<Lower>,
}

impl Inputs {
    /// Reads every manifest; warnings and conflicts go to `found`.
    ///
    /// # Errors
    /// When a file cannot be read, or with everything that is wrong in any of them.
    pub(crate) fn read(module: &ModuleSource, checks: &Checks, found: &mut Findings) -> Result<Self, Error> {
        let mut findings = Findings::default();
        check_directory(module.directory())?;
        let own = read_manifest(module.directory(), &mut findings)?;
        let settings = Arc::clone(&module.settings);
        settings.show_in(&mut findings);
        let neighbours = read_neighbours(&module.neighbours, &mut findings)?;
        let known = Known { fleet: &module.fleet, counts_build: false };
        compare(&own, Some(&settings), &neighbours, known, &mut findings)?;
        findings.diagnostics.retain(|found| !checks.allowed.contains(found.code));
        let count = |severity| findings.diagnostics.iter().filter(|found| found.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let Some(manifest) = own.manifest.filter(|_| errors == 0) else {
            return Err(Error::input("the module cannot be built: its files hold errors").findings(findings));
        };
        if checks.strict && warnings > 0 {
            return Err(
                Error::input("the module's files hold warnings, and --strict makes them errors").findings(findings)
            );
        }
        module.check_overlay()?;
        let closure = &settings.closure;
        let locked = if closure.ship == Ship::Closure { lock::read(&own.directory)? } else { None };
        let locked_accounts = locked.map(|lock| lock.accounts).unwrap_or_default();
        let lower = lower::find(&own.directory, (&manifest, &own.file), closure, &module.lower);
        let lower = lower.map_err(|mut error| {
            error.findings.sources.extend(findings.sources.clone());
            error
        })?;
        let rules = Rules::new(manifest.lists(&own.file), &lists(&neighbours));
        findings.conflicts = rules::conflicts(manifest.lists(&own.file), &lists(&neighbours));
        let conflicts = !findings.conflicts.is_empty();
        found.extend(findings);
        if checks.strict && conflicts {
            return Err(Error::input("the module conflicts with its neighbours, and --strict makes that an error"));
        }
        Ok(Self {
            manifest,
            file: own.file,
            rules,
            neighbours,
            settings,
            fleet: module.fleet.clone(),
            locked_accounts,
            lower,
        })
    }
}

impl Inputs {
    /// The modules over which it is laid for an architecture, the lowest first.
    pub(crate) fn lower(&self, arch: Arch) -> &[LowerModule] {
        self.lower.as_ref().map_or(&[], |lower| lower.of(arch))
    }

    /// `settings` with what these modules hold.
    pub(crate) fn hold(&self, settings: &apt::Settings) -> apt::Settings {
        self.lower.as_ref().map_or_else(|| settings.clone(), |lower| lower.hold(settings))
    }
}

/// As [`Inputs::read`], for what is to be shipped.
///
/// # Errors
/// Also when a path that one module protects is another's own, so that neither may ship it.
pub(crate) fn read_for_build(module: &ModuleSource, checks: &Checks, found: &mut Findings) -> Result<Inputs, Error> {
    let inputs = Inputs::read(module, checks, found)?;
    if found.conflicts.iter().any(|conflict| conflict.severity == Severity::Error) {
        return Err(Error::input("the module cannot be built beside its neighbours: they claim the same paths")
            .hint("see what each of the findings says to do; `module-builder validate --with` shows the same ones"));
    }
    Ok(inputs)
}

/// A module beside this one, in which nothing is wrong.
#[derive(Debug)]
pub(crate) struct Neighbour {
    /// Its manifest.
    pub(crate) manifest: Manifest,
    /// The manifest's file as the user named it.
    pub(crate) file: FileName,
    /// What its builder.toml says.
    pub(crate) settings: ModuleSettings,
}

/// The modules at `paths`; what is wrong in their files goes to `findings`, and leaves the module out.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn read_neighbours(paths: &[PathBuf], findings: &mut Findings) -> Result<Vec<Neighbour>, Error> {
    let mut neighbours = Vec::new();
    for path in paths {
        let Read { manifest, file, directory } = read_manifest(path, findings)?;
        let settings = ModuleSettings::checked(&directory, findings)?;
        neighbours.extend(manifest.zip(settings).map(|(manifest, settings)| Neighbour { manifest, file, settings }));
    }
    Ok(neighbours)
}

/// Adds to `findings` accounts to which `neighbours` give other numbers than the module of `own` does, those to which this one
/// gives two, and ports that more than one declares. Where something is wrong in a file, there are no numbers to compare.
///
/// # Errors
/// When a lock, a record or a file of an overlay cannot be read.
pub(crate) fn compare(
    own: &Read,
    settings: Option<&ModuleSettings>,
    neighbours: &[Neighbour],
    known: Known<'_>,
    findings: &mut Findings,
) -> Result<(), Error> {
    let is_wrong = findings.diagnostics.iter().any(|found| found.severity == Severity::Error);
    if let Some(settings) = settings.filter(|_| !is_wrong) {
        findings.extend(shared_numbers::disagreements(settings));
        let others: Vec<_> = neighbours.iter().map(|neighbour| (&neighbour.settings, &neighbour.file)).collect();
        findings.diagnostics.extend(shared_numbers::conflicts((settings, &own.file), &others, known)?);
    }
    if let Some(manifest) = &own.manifest {
        let others = neighbours.iter().map(|neighbour| (&neighbour.manifest, &neighbour.file));
        findings.diagnostics.extend(ports::conflicts((manifest, &own.file), &others));
    }
    Ok(())
}

/// The patterns of neighbours.
pub(crate) fn lists(neighbours: &[Neighbour]) -> Vec<Lists<'_>> {
    neighbours.iter().map(|neighbour| neighbour.manifest.lists(&neighbour.file)).collect()
}

/// Checks that -C names a directory, and not what a build wrote: a manifest alone is no module.
///
/// # Errors
/// When it does not.
pub(crate) fn check_directory(module: &Path) -> Result<(), Error> {
    if let Err(error) = std::fs::metadata(module)
        && error.kind() == std::io::ErrorKind::NotFound
    {
        return Err(Error::io("read", module, &error)
            .hint("name the directory that holds manifest.yaml, or make one by `module-builder init`"));
    }
    if module.is_file() {
        return Err(Error::usage(format!("-C {} names a file", module.display()))
            .hint("name the directory that holds manifest.yaml"));
    }
    if !module.join(MANIFEST).exists()
        && let Ok(directory) = Dir::open(module)
        && whose::holds_build(&directory)?
    {
        let around = module.canonicalize().ok().and_then(|full| Some(full.parent()?.to_owned()));
        let hint = match around.filter(|around| around.join(MANIFEST).exists()) {
            Some(around) => format!("name the module's directory: `-C {}`", shell::word(&around)),
            None => "name the directory that holds manifest.yaml".to_owned(),
        };
        return Err(Error::usage(format!("{} is what a build wrote, and no module", module.display())).hint(hint));
    }
    Ok(())
}

/// The length in bytes from which on a manifest is no ordinary one.
const LARGE: usize = 256 << 10;

/// A manifest that was read, and how the user named its file.
pub(crate) struct Read {
    /// The manifest, when nothing is wrong with it.
    pub(crate) manifest: Option<Manifest>,
    /// Its file as the user named it.
    pub(crate) file: FileName,
    /// The directory that holds it.
    pub(crate) directory: PathBuf,
}

/// The manifest alone, and its file's name, for verbs that need nothing else of a module; `done` is
/// what cannot be done to it when it holds errors.
pub(crate) fn manifest(directory: &Path, done: &str) -> Result<Reported<(Manifest, FileName)>, Error> {
    let mut findings = Findings::default();
    let read = read_manifest(directory, &mut findings)?;
    match read.manifest.filter(|_| !findings.diagnostics.iter().any(|found| found.severity == Severity::Error)) {
        Some(manifest) => Ok(Reported { value: (manifest, read.file), findings }),
        None => Err(Error::input(format!("the module cannot be {done}: its manifest holds errors")).findings(findings)),
    }
}

/// Reads and parses the manifest at `path`, a file or a directory that holds `manifest.yaml`, and
/// adds what was found, with the file's text, to `findings`.
///
/// A `manifest.yaml` may be a link only to what is in its own directory: findings show lines of the
/// file, and a repository must not choose which file of the host they show. A file of another name is
/// the user's to choose.
///
/// # Errors
/// When the file cannot be read. What is wrong *in* the file goes to `findings`.
pub(crate) fn read_manifest(path: &Path, findings: &mut Findings) -> Result<Read, Error> {
    let path = if path.is_dir() { settings::join(path, MANIFEST) } else { path.to_owned() };
    let file = FileName::from(path.as_path());
    let mut bytes = Vec::new();
    let failed = |error: std::io::Error| Error::io("read", &path, &error);
    open_manifest(&path)?.take(READ_LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > LARGE {
        // What is understood of a text takes many times its length.
        host::memory::ask(bytes.len().saturating_mul(64)).map_err(|error| Error::io("understand", &path, &error))?;
    }
    let parsed = Manifest::parse(&bytes);
    let named = |found: Diagnostic| found.in_file(file.clone());
    findings.diagnostics.extend(parsed.diagnostics.into_iter().map(named));
    findings.sources.insert(file.to_string(), bytes);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Read { manifest: parsed.manifest, file, directory: directory.to_owned() })
}

fn open_manifest(path: &Path) -> Result<File, Error> {
    let opened = if path.file_name().is_some_and(|name| name == MANIFEST) {
        Dir::parent_of(path).and_then(|(directory, name)| directory.file(name, Links::Below))
    } else {
        host::open::file(path)
    };
    opened.map_err(|error| match &error {
        host::Error::Io { source, .. } => {
            let hint = match source.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                    "name the manifest or its directory, or make one by `module-builder init`"
                }
                _ => "",
            };
            Error::io("read", path, source).hint(hint)
        }
        host::Error::Place { fault: host::Fault::NotAFile(_), .. } => {
            Error::from(&error).hint("name another manifest, or its directory")
        }
        host::Error::Place { .. } => Error::from(&error),
    })
}
