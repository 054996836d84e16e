//! What the settings files and the environment say, from the weakest to the strongest.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use builder::apt::KeyringFile;
use composer::overlay::Rule;
use host::{Dir, Links};
use model::Digest;
use model::file_input::FileInput;

use super::accounts::AccountTables;
use super::closure::ClosureSettings;
use super::host::directory;
use super::origin::Warning;
use super::parse::near;
use super::rows::{ROWS, Slots};
use super::setting::{PREFIX, own_variable};
use super::{file, join, keyring_of};
use crate::environment::Environment;
use crate::error::{Error, Findings};

/// The name of the module's own settings file.
pub(crate) const BUILDER_TOML: &str = "builder.toml";
const HINT: &str = "fix or remove this settings file";
const SYSTEM_CONFIG: &str = "/etc/module-builder/config.toml";

/// What the files and the environment say, not yet merged.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(super) slots: Slots,
    pub(super) warnings: Vec<Warning>,
    pub(super) findings: Findings,
    pub(super) failure: Option<Error>,
    /// The directory of the module's own settings file.
    pub(super) module: Option<PathBuf>,
    /// The file itself as it was read.
    pub(super) module_file: ModuleFile,
}

/// The state in which a module's own settings file was read; none where there was no file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ModuleFile(Option<Digest>);

impl ModuleFile {
    /// Fails where the file in `module` is not as it was: what several parts of a build took from it may be of two states.
    ///
    /// # Errors
    /// Where it changed, or cannot be read any more.
    pub(crate) fn check_unchanged(&self, module: &Path) -> Result<(), Error> {
        let path = join(module, BUILDER_TOML);
        let now = match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            _ => read(&path, true).map_err(|error| Error::from(&error))?.map(|bytes| Digest::of(&bytes)),
        };
        if now == self.0 {
            return Ok(());
        }
        let message = format!("{} changed while the module was built", path.display());
        Err(Error::input(message).hint("run the command again: the results before are as they were"))
    }
}

impl Layers {
    /// Reads every layer below the flags, the weakest first. What is wrong is kept, and reported by
    /// [`Settings::new`].
    pub(crate) fn read(module: Option<&Path>, environment: &Environment) -> Self {
        let mut layers = Self { module: module.map(Path::to_owned), ..Self::default() };
        layers.read_file(Path::new(SYSTEM_CONFIG), false);
        if let Some(directory) = directory(environment, "XDG_CONFIG_HOME", ".config") {
            layers.read_file(&directory.join("module-builder/config.toml"), false);
        }
        if let Some(module) = module {
            layers.read_file(&join(module, BUILDER_TOML), true);
        }
        layers.read_variables(environment);
        layers
    }

    /// Takes `MODULE_BUILDER_*`, and warns of what is almost one.
    fn read_variables(&mut self, environment: &Environment) {
        for row in ROWS {
            if let Err(error) = row.take_variable(environment, &mut self.slots) {
                self.failure = self.failure.take().or(Some(error));
            }
        }
        let known: Vec<String> =
            ROWS.iter().filter(|row| row.owner().is_some()).map(|row| own_variable(row.name())).collect();
        let known = || known.iter().filter_map(|name| name.strip_prefix(PREFIX));
        for name in environment.variables.keys().filter_map(|name| name.to_str()) {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            if let Some(near) = near(rest, known()).filter(|near| *near != rest) {
                self.warnings.push(Warning {
                    message: format!("the environment variable {name} is no setting"),
                    hint: format!("did you mean {PREFIX}{near}?"),
                });
            }
        }
    }

    fn read_file(&mut self, path: &Path, is_module: bool) {
        // Of a file that is not there nothing is taken, whoever owns the way to it.
        if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return;
        }
        if !is_module && let Err(error) = check_own(path) {
            self.warnings.push(Warning {
                message: format!("the settings in {} are not taken: {error}", path.display()),
                hint: "a settings file belongs to its user or root, and no one else may write to it or its directories"
                    .to_owned(),
            });
            return;
        }
        match read(path, is_module) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                if is_module {
                    self.module_file = ModuleFile(Some(Digest::of(&bytes)));
                }
                file::parse(path, bytes, is_module, &mut self.slots, &mut self.findings);
            }
            Err(failed) => {
                let failure = || match &failed {
                    // Not the file's fault.
                    host::Error::Io { source, .. } if host::explain::limit(source).is_some() => Error::from(&failed),
                    // What the file says is not what is in the way.
                    host::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                        Error::io("read", path, source)
                    }
                    host::Error::Io { source, .. } => Error::io("read", path, source).hint(HINT),
                    host::Error::Place { fault: host::Fault::NotAFile(_), .. } => Error::from(&failed).hint(HINT),
                    host::Error::Place { .. } => Error::from(&failed),
                };
                self.failure = self.failure.take().or_else(|| Some(failure()));
            }
        }
    }
}

/// Checks that a settings file, if there is one, belongs to the user or root alone: it decides where the
/// cache is, and what is wrong in it is shown.
fn check_own(path: &Path) -> Result<(), host::Error> {
    match host::owner::check_way(path) {
        // Where the way ends in a file there is none.
        Err(host::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotADirectory => Ok(()),
        checked => checked,
    }
}

/// Checks the `builder.toml` in `module`, if there is one, and adds what is wrong with it to `findings`.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn check_module(module: &Path, findings: &mut Findings) -> Result<(), Error> {
    let mut layers = Layers::default();
    layers.read_file(&join(module, BUILDER_TOML), true);
    findings.diagnostics.append(&mut layers.findings.diagnostics);
    findings.sources.append(&mut layers.findings.sources);
    layers.failure.map_or(Ok(()), Err)
}

/// What the `builder.toml` in `module` says of owners and modes in the overlay.
///
/// # Errors
/// When the file cannot be read, or holds an error.
pub(crate) fn overlay_rules(module: &Path) -> Result<Vec<Rule>, Error> {
    Ok(module_slots(module)?.overlay())
}

/// The files that the `builder.toml` in `module` takes from addresses.
///
/// # Errors
/// As [`overlay_rules`].
pub(crate) fn module_files(module: &Path) -> Result<Vec<FileInput>, Error> {
    Ok(module_slots(module)?.files())
}

/// What the `builder.toml` in `module` says of the closure of its packages.
///
/// # Errors
/// As [`overlay_rules`].
pub(crate) fn module_closure(module: &Path) -> Result<ClosureSettings, Error> {
    Ok(module_slots(module)?.closure())
}

/// The numbers that the `builder.toml` in `module` gives to accounts, each with its place.
///
/// # Errors
/// As [`overlay_rules`].
pub(crate) fn module_accounts(module: &Path) -> Result<AccountTables, Error> {
    Ok(module_slots(module)?.tables)
}

/// The keyrings that the `builder.toml` in `module` names.
///
/// # Errors
/// As [`overlay_rules`].
pub(crate) fn module_keyrings(module: &Path) -> Result<Vec<KeyringFile>, Error> {
    let keyrings = module_slots(module)?.keyrings();
    Ok(keyrings.into_iter().map(|path| keyring_of(Some(module), path)).collect())
}

/// The archive of past states that the `builder.toml` in `module` names.
///
/// # Errors
/// As [`overlay_rules`].
pub(crate) fn module_snapshot_mirror(module: &Path) -> Result<Option<String>, Error> {
    Ok(module_slots(module)?.snapshot_mirror())
}

/// What the `builder.toml` in `module` says, and nothing else.
fn module_slots(module: &Path) -> Result<Slots, Error> {
    let mut layers = Layers::default();
    layers.read_file(&join(module, BUILDER_TOML), true);
    layers.failure.map_or(Ok(()), Err)?;
    if !layers.findings.diagnostics.is_empty() {
        return Err(Error::input("the settings are wrong").findings(layers.findings));
    }
    Ok(layers.slots)
}

/// The file's bytes, one more than the limit at most; none when there is no such file.
///
/// The user's and the machine's may be links, as people keep them who keep their settings elsewhere. The
/// module's may not lead out of the module: what is wrong in it is shown.
pub(super) fn read(path: &Path, is_module: bool) -> Result<Option<Vec<u8>>, host::Error> {
    let opened = if is_module {
        Dir::parent_of(path).and_then(|(directory, name)| directory.file(name, Links::Below))
    } else {
        host::open::file(path)
    };
    let is_missing = |source: &std::io::Error| {
        matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
    };
    let file = match opened {
        Err(host::Error::Io { source, .. }) if is_missing(&source) => return Ok(None),
        // The verb will say that the module is a file.
        Err(host::Error::Place { fault: host::Fault::NotADirectory(_), .. }) => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(file::LIMIT + 1).read_to_end(&mut bytes).map_err(host::Error::io("read", path))?;
    Ok(Some(bytes))
}
