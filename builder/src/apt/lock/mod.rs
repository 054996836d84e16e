//! `module.lock`: a resolution written down. `docs/formats/lock.md` describes the file.

mod change;
mod files;
mod fit;
mod form;
mod repositories;
mod requires;

use std::path::Path;

use model::closure::{Accounts, BaseRequest};
use model::explain::{Explain, Explanation, Kind};
use model::{Arch, Digest, Position};
use serde::{Deserialize, Serialize};

use super::keyring::Keyring;
use super::{Fingerprint, Resolution, Settings, Source, Variant};

pub use change::{Change, diff};
pub use files::LockedFile;
pub use fit::{Drift, Keys, Wanted, check};
pub use form::{parse, text};
pub use repositories::LockedRepository;
pub use requires::LockedModule;

/// The only format version that is read and written.
pub const VERSION: u32 = 1;

/// The largest lock file that is read, in bytes. A closure of a thousand packages has 0.4 MiB, and a
/// byte of what is none can take forty of memory.
pub const SIZE_LIMIT: u64 = 8 << 20;

/// A whole `module.lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// [`Wanted::manifest_digest`].
    pub manifest: Digest,
    /// [`Wanted::settings_digest`].
    pub settings: Digest,
    /// What the settings said that the packages depend on.
    pub inputs: Inputs,
    /// One resolution for each architecture, sorted by its Debian name.
    pub resolutions: Vec<Resolution>,
    /// The numbers that builds gave to accounts which no table names.
    pub accounts: Accounts,
    /// The modules over which the module is laid, by name and architecture.
    pub requires: Vec<LockedModule>,
}

/// The settings that packages depend on, as they were when the lock was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The suite.
    pub suite: String,
    /// The variant.
    pub variant: Variant,
    /// The components.
    pub components: Vec<String>,
    /// The mirrors; with a snapshot, the snapshot archive alone.
    pub mirrors: Vec<String>,
    /// The pinned moment of the snapshot archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The sha256 of the keyring file that apt checked the archives with.
    pub keyring: Digest,
    /// The primary keys in it, sorted; empty in a lock that was written before they were recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyring_fingerprints: Vec<Fingerprint>,
    /// What the module is laid over. It has a table of its own.
    #[serde(default, skip_serializing)]
    pub base: Option<BaseRequest>,
    /// The files that the module takes from addresses. They have tables of their own.
    #[serde(default, skip_serializing)]
    pub file: Vec<LockedFile>,
    /// The archives that the module adds to these, in the order of its settings. They have tables of their own.
    #[serde(default, skip_serializing)]
    pub repository: Vec<LockedRepository>,
}

/// Why a lock cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written, is none, or is larger than [`SIZE_LIMIT`].
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The text breaks the format.
    #[error("the lock is not usable{}: {message}", position.map(|p| format!(" at {p}")).unwrap_or_default())]
    Syntax {
        /// Where, if it can be said.
        position: Option<Position>,
        /// What is wrong.
        message: String,
    },
    /// The file holds both sides of a merge.
    #[error("a conflict of a merge begins in line {line}")]
    Conflict {
        /// The line with the first mark.
        line: u32,
    },
    /// The lock was written by a version of the program that this one does not know.
    #[error("the lock has format version {found}, and this program knows version {VERSION} only")]
    Version {
        /// The version in the file.
        found: i64,
    },
    /// The settings are wrong, or the keyring that they name cannot be read.
    #[error(transparent)]
    Settings(#[from] Box<super::Error>),
}

impl Error {
    /// The keyring that is not there or cannot be used, where it is for one that was named.
    #[must_use]
    pub fn keyring(&self) -> Option<&Path> {
        if let Self::Settings(error) = self { error.keyring() } else { None }
    }
}

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        let hint = match self {
            Self::Host(error) => return error.explain(),
            Self::Settings(error) => return error.explain(),
            Self::Conflict { .. } => {
                "take the whole file of one side, and bring it up to date by `module-builder lock`"
            }
            Self::Version { .. } => {
                "use the module-builder that wrote it, or make it anew by `module-builder lock --update`"
            }
            Self::Syntax { .. } => "take it from version control, or make it anew by `module-builder lock --update`",
        };
        Explanation::under("module.lock cannot be used", Kind::Input, self).hint(hint)
    }
}

impl Inputs {
    /// The inputs that `settings` stand for now.
    ///
    /// # Errors
    /// When the settings are wrong or the keyring cannot be read.
    pub fn of(settings: &Settings) -> Result<Self, Error> {
        let keyring = Keyring::open(settings).map_err(boxed)?;
        Ok(Self {
            suite: settings.suite.clone(),
            variant: settings.variant,
            components: settings.components.clone(),
            mirrors: mirrors(settings)?,
            snapshot: settings.snapshot.clone(),
            keyring: keyring.sha256(),
            keyring_fingerprints: keyring.fingerprints().map_err(boxed)?,
            repository: LockedRepository::all(&settings.repositories)?,
            file: Vec::new(),
            base: settings.base.clone(),
        })
    }
}

impl Inputs {
    /// The archives for `arch`, without their keyrings, in the order of its resolution's. They are checked as those of a
    /// manifest's settings are: what stands in a lock is fetched from, and may come from anyone.
    ///
    /// # Errors
    /// When one cannot be given to apt, or none is named.
    pub fn sources(&self, arch: Arch) -> Result<Vec<Source>, super::Error> {
        // With a snapshot, its archive is the only mirror.
        let settings = Settings::new(self.suite.clone(), self.mirrors.clone(), arch);
        let repositories = self.repository.iter().map(LockedRepository::unsigned).collect();
        Settings { components: self.components.clone(), repositories, ..settings }.sources()
    }

    /// The keys that vouch for an archive of these inputs.
    #[must_use]
    pub fn keys_of(&self, source: &Source) -> &[Fingerprint] {
        let is = |added: &&LockedRepository| (&added.uri, &added.suite) == (&source.uri, &source.suite);
        let own = self.repository.iter().find(is).filter(|added| source.is_added && added.keyring.is_some());
        own.map_or(&self.keyring_fingerprints, |added| &added.keyring_fingerprints)
    }
}

fn boxed(error: super::Error) -> Error {
    Error::Settings(Box::new(error))
}

/// The archives as the lock writes them: the suite and the components only where they are not those
/// of the settings.
fn mirrors(settings: &Settings) -> Result<Vec<String>, Error> {
    let line = |source: Source| {
        let own = source.suite == settings.suite && source.components == settings.components;
        if own { source.uri } else { source.name() }
    };
    let debian = settings.sources().map_err(boxed)?.into_iter().filter(|source| !source.is_added);
    Ok(debian.map(line).collect())
}

impl Lock {
    /// A lock of `resolutions`, which were made for `wanted` with `inputs`.
    #[must_use]
    pub fn new(wanted: &Wanted, inputs: Inputs, mut resolutions: Vec<Resolution>) -> Self {
        resolutions.sort_by_key(|resolution| resolution.arch.debian());
        Self {
            manifest: wanted.manifest_digest(),
            settings: wanted.settings_digest(&inputs.mirrors),
            inputs: Inputs { file: wanted.files.clone(), ..inputs },
            resolutions,
            accounts: Accounts::default(),
            requires: wanted.requires.clone().unwrap_or_default(),
        }
    }

    /// The resolution for `arch`.
    #[must_use]
    pub fn resolution(&self, arch: Arch) -> Option<&Resolution> {
        self.resolutions.iter().find(|resolution| resolution.arch == arch)
    }
}

/// Reads the lock file `name` of `module`. It may be a link to what is in the module.
///
/// # Errors
/// When it cannot be read, is too large, has another format version, or breaks the format: unknown
/// or repeated keys, a package twice, a path that leaves the archive.
pub fn read(module: &host::Dir, name: &str) -> Result<Lock, Error> {
    let text = String::from_utf8(module.read(name, host::Links::Below, SIZE_LIMIT)?);
    parse(&text.map_err(|_| Error::Syntax { position: None, message: "it is not UTF-8".to_owned() })?)
}

/// Writes a lock file: whole or not at all. Where it is a link to a file of its directory, that file is
/// written.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, lock: &Lock) -> Result<(), Error> {
    let text = text(lock)?;
    let (directory, name) = host::Dir::parent_of(path)?;
    Ok(directory.replace_target(name, text.as_bytes(), 0o644)?)
}

#[cfg(test)]
pub(super) mod tests;
