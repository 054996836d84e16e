//! The archives in a lock that a module adds to Debian's.

use std::fmt;

use model::closure::BaseRequest;
use model::{Arch, Digest};
use serde::{Deserialize, Serialize};

use super::{Error, Inputs, LockedFile, boxed};
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

/// How a message lists them, or files.
pub(super) fn listed<'a, T: fmt::Display + 'a>(all: impl Iterator<Item = &'a T>) -> String {
    let names: Vec<String> = all.map(ToString::to_string).collect();
    if names.is_empty() { "none".to_owned() } else { names.join("; ") }
}

/// The tables of a lock; empty where there is none.
pub(super) fn text(inputs: &Inputs) -> Result<String, toml::ser::Error> {
    #[derive(Serialize)]
    struct Head<'a> {
        inputs: Tables<'a>,
    }
    #[derive(Serialize)]
    struct Tables<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        base: Option<&'a BaseRequest>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        repository: &'a [LockedRepository],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        file: &'a [LockedFile],
    }
    let Inputs { base, repository, file, .. } = inputs;
    if base.is_none() && repository.is_empty() && file.is_empty() {
        return Ok(String::new());
    }
    let tables = Tables { base: base.as_ref(), repository, file };
    Ok(format!("\n{}", toml::to_string(&Head { inputs: tables })?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::super::{Lock, Wanted, check, parse, tests};
    use super::*;
    use crate::apt::{ReleaseInfo, Settings};

    fn repository(uri: &str, host: bool) -> LockedRepository {
        LockedRepository {
            uri: uri.to_owned(),
            suite: "./".to_owned(),
            components: Vec::new(),
            architectures: vec![Arch::Amd64],
            keyring: Some(Digest::of(b"vendor")),
            keyring_fingerprints: vec![Fingerprint::parse(&"C".repeat(40)).unwrap()],
            host,
        }
    }

    /// The lock of the other tests with an archive of the module's and one of the host's.
    fn lock() -> Lock {
        let mut lock = tests::lock();
        lock.inputs.repository =
            vec![repository("https://vendor.example.org", false), repository("https://host.example.org", true)];
        let more: Vec<ReleaseInfo> = lock
            .inputs
            .repository
            .iter()
            .map(|added| {
                let release = lock.resolutions[0].release.clone().unwrap();
                release.changed(|fields| (fields.uri, fields.path) = (added.uri.clone(), added.suite.clone())).unwrap()
            })
            .collect();
        lock.resolutions[0] = lock.resolutions[0].changed(|fields| fields.more_releases = more).unwrap();
        lock.settings = wanted(true).settings_digest(&lock.inputs.mirrors);
        lock
    }

    fn wanted(named: bool) -> Wanted {
        let lock = tests::lock();
        let settings = Settings::new("trixie", lock.inputs.mirrors.clone(), Arch::Amd64);
        let wanted = Wanted::of(&lock.resolutions[0].requests, &settings, named).unwrap();
        Wanted { repositories: vec![repository("https://vendor.example.org", false)], ..wanted }
    }

    #[test]
    fn repositories_lead_back_to_themselves_and_are_checked() {
        let good = super::super::text(&lock()).unwrap();
        insta::assert_snapshot!(good.split("[[architecture.package]]").next().unwrap());
        assert_eq!(parse(&good).unwrap(), lock());
        for (from, to) in [
            ("uri = \"https://vendor", "uri = \"https://u:p@vendor"),
            ("suite = \"./\"", "suite = \"../\""),
            ("suite = \"./\"", "suite = \"stable\""),
            ("architectures = [\"amd64\"]", "architectures = [\"arm64\"]"),
            ("architectures = [\"amd64\"]", "architectures = [\"x\"]"),
            ("[\"CCCC", "[\"DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD\", \"CCCC"),
            ("keyring = \"sha256:6", "keyring = \"md5:6"),
            ("host = true", "host = 1"),
            ("host = true", "trusted = true"),
            ("https://host.example.org\"", "https://vendor.example.org\""),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            assert!(parse(&text).is_err(), "{to}");
        }
    }

    #[test]
    fn a_module_is_held_to_its_own_archives_and_not_to_the_hosts() {
        let lock = lock();
        let drifts = |lock: &Lock, wanted: &Wanted| -> Vec<String> {
            check(lock, wanted, &[Arch::Amd64]).iter().map(ToString::to_string).collect()
        };
        let unnamed = Wanted { mirrors: None, ..wanted(true) };
        assert_eq!(drifts(&lock, &unnamed), [""; 0]);
        // Where the module names its mirrors, the host's archive belongs to nothing.
        assert!(drifts(&lock, &wanted(true))[0].contains("repository was https://vendor.example.org ./ for amd64"));
        let mut other = unnamed.clone();
        other.repositories[0].keyring = Some(Digest::of(b"other"));
        other.repositories[0].keyring_fingerprints = vec![Fingerprint::parse(&"E".repeat(40)).unwrap()];
        assert_eq!(drifts(&lock, &other).len(), 1, "{:?}", drifts(&lock, &other));
        // Whose keys they were and are is said by their names.
        let said = &drifts(&lock, &other)[0];
        assert!(said.contains(&format!("(keys {}), and is now", "C".repeat(40))), "{said}");
        assert!(said.ends_with(&format!("(keys {})", "E".repeat(40))), "{said}");
        other.repositories.clear();
        assert!(drifts(&lock, &other)[0].ends_with("and is now none"));
        assert!(!check(&lock, &other, &[])[0].keeps_versions());
        let mut edited = lock;
        edited.inputs.repository[0].keyring = Some(Digest::of(b"other"));
        assert_eq!(drifts(&edited, &unnamed).len(), 1);
    }
}
