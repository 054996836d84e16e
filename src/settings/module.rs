//! What a module's own settings file says, from one read of it: whoever works on a module takes all of it from here, so that
//! nothing is made of two states of the file.

use std::path::{Path, PathBuf};

use builder::apt::KeyringFile;
use composer::overlay::Rule;
use model::file_input::FileInput;
use model::{Arch, FileName};

use super::accounts::AccountTables;
use super::closure::ClosureSettings;
use super::text;
use crate::error::{Error, Findings};

/// The name of the module's own settings file.
pub(crate) const BUILDER_TOML: &str = "builder.toml";

/// What the `builder.toml` of a module says, in which nothing is wrong; and what holds where there is none.
#[derive(Debug)]
pub(crate) struct ModuleSettings {
    /// The module's repository.
    pub(crate) directory: PathBuf,
    /// Owners and modes in the overlay.
    pub(crate) overlay: Vec<Rule>,
    /// The files from addresses.
    pub(crate) files: Vec<FileInput>,
    /// The closure of its packages, and the base.
    pub(crate) closure: ClosureSettings,
    /// The files that hold the keys of the archives.
    pub(crate) keyrings: Vec<KeyringFile>,
    /// The numbers of accounts, each with its place.
    pub(crate) accounts: AccountTables,
    /// The archive of past states.
    pub(crate) snapshot_mirror: Option<String>,
    /// The file as it was read; none where there was none.
    pub(super) text: Option<Vec<u8>>,
}

impl ModuleSettings {
    /// Where the file is, or would be.
    pub(super) fn path(&self) -> PathBuf {
        join(&self.directory, BUILDER_TOML)
    }

    /// Adds the file's text to those that findings point into.
    pub(crate) fn show_in(&self, findings: &mut Findings) {
        if let Some(text) = &self.text {
            findings.sources.insert(FileName::from(self.path().as_path()).to_string(), text.clone());
        }
    }

    /// The files from addresses that one of `archs` takes.
    pub(crate) fn files_for(&self, archs: &[Arch]) -> Vec<FileInput> {
        self.files.iter().filter(|file| archs.iter().any(|arch| file.is_for(*arch))).cloned().collect()
    }

    /// Fails where the file is not as it was read: a result would be of a state of the module that is no more.
    ///
    /// # Errors
    /// Where it changed, or cannot be read any more.
    pub(crate) fn check_unchanged(&self) -> Result<(), Error> {
        let path = self.path();
        if text::read(&path, true).map_err(|error| Error::from(&error))? == self.text {
            return Ok(());
        }
        let message = format!("{} changed while the module was built", path.display());
        Err(Error::input(message).hint("run the command again: the results before are as they were"))
    }
}

/// The file at `path`, which the `builder.toml` of `module` names. A path that it gives relative to itself, or below the
/// module, stays in the module; one that leads elsewhere by itself is written for all to see.
pub(super) fn keyring_of(module: Option<&Path>, path: PathBuf) -> KeyringFile {
    let base = module.map(|module| join(module, BUILDER_TOML));
    let base = base.as_deref().and_then(Path::parent);
    match base.and_then(|base| Some((base, path.strip_prefix(base).ok()?))) {
        Some((base, below)) if base.is_absolute() || path.is_relative() => {
            KeyringFile::Below { directory: base.to_owned(), path: below.to_owned() }
        }
        _ => KeyringFile::At(path),
    }
}

/// `directory/name`, without a `./` in front that would only be noise in messages.
pub(crate) fn join(directory: &Path, name: impl AsRef<Path>) -> PathBuf {
    if directory == Path::new(".") { name.as_ref().to_owned() } else { directory.join(name) }
}
