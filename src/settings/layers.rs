//! What the settings files and the environment say, from the weakest to the strongest. This is the only file that reads a
//! settings file to take something from it.

use std::path::Path;
use std::sync::Arc;

use super::file;
use super::flags::Flags;
use super::host::directory;
use super::module::{BUILDER_TOML, ModuleSettings, join};
use super::origin::Warning;
use super::parse::near;
use super::rows::{ROWS, Row, Slots};
use super::setting::{PREFIX, own_variable};
use super::text;
use crate::environment::Environment;
use crate::error::{Error, Findings};

const SYSTEM_CONFIG: &str = "/etc/module-builder/config.toml";

/// What the files and the environment say, not yet merged.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(super) slots: Slots,
    pub(super) warnings: Vec<Warning>,
    pub(super) findings: Findings,
    pub(super) failure: Option<Error>,
    /// What the module's own settings file says, where there is a module and nothing is wrong in the file.
    pub(super) own: Option<Arc<ModuleSettings>>,
}

impl Layers {
    /// Reads every layer below the flags, the weakest first. What is wrong is kept, and reported by
    /// [`Settings::new`](super::Settings::new).
    pub(crate) fn read(module: Option<&Path>, environment: &Environment) -> Self {
        let mut layers = Self::default();
        layers.read_file(Path::new(SYSTEM_CONFIG));
        if let Some(directory) = directory(environment, "XDG_CONFIG_HOME", ".config") {
            layers.read_file(&directory.join("module-builder/config.toml"));
        }
        if let Some(module) = module {
            match read_module(module, &mut layers.findings) {
                Ok((own, slots)) => {
                    layers.own = own.map(Arc::new);
                    layers.slots = std::mem::take(&mut layers.slots).over(slots);
                }
                Err(error) => layers.fail(error),
            }
        }
        layers.read_variables(environment);
        layers
    }

    fn fail(&mut self, error: Error) {
        self.failure = self.failure.take().or(Some(error));
    }

    /// Adds what the files give that flags name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn read_named(&mut self, flags: &Flags, environment: &Environment) -> Result<(), Error> {
        for row in ROWS {
            let Some((path, hint)) = row.file_of_flag(flags) else { continue };
            let path = environment.absolute(path);
            let bytes = text::read(&path, false).map_err(|error| match error {
                host::Error::Io { source, .. } if host::explain::limit(&source).is_none() => {
                    Error::io("read", &path, &source).hint(hint)
                }
                error => Error::from(&error).hint(hint),
            })?;
            let missing = || Error::io("read", &path, &std::io::Error::from(std::io::ErrorKind::NotFound)).hint(hint);
            self.take_named(*row, &path, bytes.ok_or_else(missing)?);
        }
        Ok(())
    }

    /// Adds what the file at `path` gives for `row`; what is wrong in it gives nothing.
    fn take_named(&mut self, row: &Row, path: &Path, bytes: Vec<u8>) {
        let mut slots = Slots::default();
        let before = self.findings.diagnostics.len();
        file::parse(path, bytes, false, &mut slots, &mut self.findings);
        file::check_alone(path, row, &slots, &mut self.findings);
        if self.findings.diagnostics.len() == before {
            self.slots = std::mem::take(&mut self.slots).over(slots);
        }
    }

    /// Takes `MODULE_BUILDER_*`, and warns of what is almost one.
    fn read_variables(&mut self, environment: &Environment) {
        for row in ROWS {
            if let Err(error) = row.take_variable(environment, &mut self.slots) {
                self.fail(error);
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

    /// Takes a file of the machine or of the user.
    fn read_file(&mut self, path: &Path) {
        if text::is_absent(path) {
            return;
        }
        if let Err(error) = check_own(path) {
            self.warnings.push(Warning {
                message: format!("the settings in {} are not taken: {error}", path.display()),
                hint: "a settings file belongs to its user or root, and no one else may write to it or its directories"
                    .to_owned(),
            });
            return;
        }
        match text::read(path, false) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let mut slots = Slots::default();
                file::parse(path, bytes, false, &mut slots, &mut self.findings);
                self.slots = std::mem::take(&mut self.slots).over(slots);
            }
            Err(failed) => self.fail(text::failure(path, &failed)),
        }
    }
}

impl ModuleSettings {
    /// What the `builder.toml` in `directory` says.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an error.
    pub(crate) fn read(directory: &Path) -> Result<Self, Error> {
        let mut findings = Findings::default();
        Self::checked(directory, &mut findings)?
            .ok_or_else(|| Error::input("the settings are wrong").findings(findings))
    }

    /// The same; none where the file holds an error, which is added to `findings`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn checked(directory: &Path, findings: &mut Findings) -> Result<Option<Self>, Error> {
        Ok(read_module(directory, findings)?.0)
    }
}

/// What the `builder.toml` in `directory` says: to whoever works on the module, where nothing is wrong in it, and to the
/// effective settings. What is wrong goes to `findings`.
fn read_module(directory: &Path, findings: &mut Findings) -> Result<(Option<ModuleSettings>, Slots), Error> {
    let path = join(directory, BUILDER_TOML);
    let bytes = text::read(&path, true).map_err(|failed| text::failure(&path, &failed))?;
    let (mut slots, before) = (Slots::default(), findings.diagnostics.len());
    if let Some(bytes) = &bytes {
        file::parse(&path, bytes.clone(), true, &mut slots, findings);
    }
    let own = (findings.diagnostics.len() == before).then(|| slots.of_module(directory, bytes));
    Ok((own, slots))
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
