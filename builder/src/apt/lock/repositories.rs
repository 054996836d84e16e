//! The archives in a lock that a module adds to Debian's.

use std::fmt;

use model::{Arch, Digest};
use serde::{Deserialize, Serialize};

use super::{Error, boxed};
use crate::apt::keyring::Keyring;
use crate::apt::{Fingerprint, Repository};

/// An archive that the module adds, and the keyring that vouches for it alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRepository {
    /// Its base URI in its one form.
    pub uri: String,
    /// The suite, or the path of a flat archive.
    pub suite: String,
    /// The components; none of a flat archive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// The architectures; none where it has packages for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<Arch>,
    /// The sha256 of its keyring; `None` where Debian's keyring vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyring: Option<Digest>,
    /// The primary keys in it, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyring_fingerprints: Vec<Fingerprint>,
    /// Whether it is of the host's apt, where the module names no archives.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub host: bool,
}

impl LockedRepository {
    /// What the lock holds of `repositories`.
    ///
    /// # Errors
    /// When one is wrong, or its keyring cannot be read.
    pub fn all(repositories: &[Repository]) -> Result<Vec<Self>, Error> {
        repositories.iter().map(Self::of).collect()
    }

    fn of(repository: &Repository) -> Result<Self, Error> {
        let source = repository.source().map_err(boxed)?;
        let keyring = repository.keyring.as_ref().map(Keyring::read).transpose().map_err(boxed)?;
        let fingerprints = keyring.as_ref().map(Keyring::fingerprints).transpose().map_err(boxed)?;
        Ok(Self {
            uri: source.uri,
            suite: source.suite,
            components: source.components,
            architectures: repository.architectures.clone(),
            keyring: keyring.map(|keyring| keyring.sha256()),
            keyring_fingerprints: fingerprints.unwrap_or_default(),
            host: repository.is_hosts,
        })
    }

    /// The archive without its keyring.
    pub(super) fn unsigned(&self) -> Repository {
        let Self { uri, suite, components, architectures, keyring: _, keyring_fingerprints: _, host } = self.clone();
        Repository { uri, suite, components, architectures, keyring: None, is_hosts: host }
    }
}

impl fmt::Display for LockedRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uri, suite, components, architectures, keyring, keyring_fingerprints: _, host: _ } = self;
        write!(f, "{uri} {suite}")?;
        components.iter().try_for_each(|component| write!(f, " {component}"))?;
        if !architectures.is_empty() {
            let names: Vec<&str> = architectures.iter().map(|arch| arch.debian()).collect();
            write!(f, " for {}", names.join(", "))?;
        }
        keyring.as_ref().map_or(Ok(()), |keyring| write!(f, " by the keyring {keyring}"))
    }
}

/// How a message lists them.
pub(super) fn listed<'a>(repositories: impl Iterator<Item = &'a LockedRepository>) -> String {
    let names: Vec<String> = repositories.map(ToString::to_string).collect();
    if names.is_empty() { "none".to_owned() } else { names.join("; ") }
}

/// The tables of a lock; empty where there is none.
pub(super) fn text(repositories: &[LockedRepository]) -> Result<String, toml::ser::Error> {
    #[derive(Serialize)]
    struct Head<'a> {
        inputs: Tables<'a>,
    }
    #[derive(Serialize)]
    struct Tables<'a> {
        repository: &'a [LockedRepository],
    }
    if repositories.is_empty() {
        return Ok(String::new());
    }
    Ok(format!("\n{}", toml::to_string(&Head { inputs: Tables { repository: repositories } })?))
}
