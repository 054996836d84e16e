//! Whether a lock fits the manifest and the settings of now.

use std::collections::BTreeSet;

use model::closure::{AccountName, BaseRequest, Ids};
use model::package::PackageRequest;
use model::{Arch, Digest};
use serde::Serialize;

use super::repositories::listed as listed_all;
use super::requires::{listed as listed_modules, sorted};
use super::{Error, Inputs, Lock, LockedFile, LockedModule, LockedRepository, boxed, mirrors};
use crate::apt::keyring::Keyring;
use crate::apt::{Fingerprint, LowerModule, Settings, Variant};

/// What a lock has to fit: the parts of the manifest and the settings that packages depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What the manifest asks for, sorted, without repetitions.
    pub requests: Vec<PackageRequest>,
    /// The suite.
    pub suite: String,
    /// The variant.
    pub variant: Variant,
    /// What the module is laid over.
    pub base: Option<BaseRequest>,
    /// The components.
    pub components: Vec<String>,
    /// The archives. `None` where the module names none: then those in the lock are as good as the
    /// building machine's own.
    pub mirrors: Option<Vec<String>>,
    /// The pinned moment of the snapshot archive.
    pub snapshot: Option<String>,
    /// The keyring that the module names. `None` where it names none: the machine's own keyring may be
    /// of any age, since every .deb is held to the lock's sha256.
    pub keyring: Option<Keys>,
    /// The files that the module takes from addresses, for whatever architecture.
    pub files: Vec<LockedFile>,
    /// The archives that the module adds, with the keys that vouch for each. Those of the machine's apt are none of
    /// them, as its mirrors are not.
    pub repositories: Vec<LockedRepository>,
    /// The modules over which the module is laid, by name and architecture; none where no one looked for them.
    pub requires: Option<Vec<LockedModule>>,
}

/// What a lock holds of a keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The sha256 of the file.
    pub sha256: Digest,
    /// The primary keys in it, sorted.
    pub fingerprints: Vec<Fingerprint>,
}

impl Keys {
    fn of(settings: &Settings) -> Result<Self, crate::apt::Error> {
        let keyring = Keyring::open(settings)?;
        Ok(Self { sha256: keyring.sha256(), fingerprints: keyring.fingerprints()? })
    }
}

impl Wanted {
    /// What `requests` and `settings` ask for. `named_mirrors` says that the mirrors in `settings`
    /// are the module's or the user's words, and not found out about the machine.
    ///
    /// # Errors
    /// When the settings are wrong, or the keyring that they name cannot be read.
    pub fn of(requests: &[PackageRequest], settings: &Settings, named_mirrors: bool) -> Result<Self, Error> {
        let mut requests = requests.to_vec();
        requests.sort();
        requests.dedup();
        let named = named_mirrors || settings.snapshot.is_some();
        let keyring = settings.keyring.is_some().then(|| Keys::of(settings)).transpose().map_err(boxed)?;
        Ok(Self {
            requests,
            suite: settings.suite.clone(),
            variant: settings.variant,
            base: settings.base.clone(),
            components: settings.components.clone(),
            mirrors: named.then(|| mirrors(settings)).transpose()?,
            snapshot: settings.snapshot.clone(),
            keyring,
            files: Vec::new(),
            repositories: {
                let mut all = LockedRepository::all(&settings.repositories)?;
                all.retain(|repository| !repository.host);
                all
            },
            requires: settings.lower.as_ref().map(|lower| {
                let locked = |one: &LowerModule| LockedModule { module: one.module.clone(), arch: one.arch };
                sorted(lower.iter().map(locked).collect())
            }),
        })
    }

    /// The digest of the manifest's package inputs. Order, repetitions, comments and everything else
    /// in the manifest change nothing.
    #[must_use]
    pub fn manifest_digest(&self) -> Digest {
        let snapshot = self.snapshot.as_deref().unwrap_or("none");
        let requests = self.requests.iter().map(|request| format!("package {request}\n"));
        Digest::of(format!("package inputs 1\nsnapshot {snapshot}\n{}", requests.collect::<String>()).as_bytes())
    }

    /// The digest of the builder settings that packages depend on. Where no mirrors are named,
    /// `locked_mirrors` count.
    #[must_use]
    pub fn settings_digest(&self, locked_mirrors: &[String]) -> Digest {
        let keyring = self.keyring.as_ref().map_or_else(|| "the machine's".to_owned(), |keys| keys.sha256.to_string());
        let mirrors = self.mirrors.as_deref().unwrap_or(locked_mirrors);
        let mut text = format!(
            "builder settings 1\nsuite {}\nvariant {}\ncomponents {}\nkeyring {keyring}\n{}",
            self.suite,
            self.variant,
            self.components.join(" "),
            mirrors.iter().map(|mirror| format!("mirror {mirror}\n")).collect::<String>()
        );
        text.extend(self.base.iter().map(|base| format!("base {base}\n")));
        text.extend(self.files.iter().map(|file| format!("file {file}\n")));
        text.extend(self.repositories.iter().map(|repository| format!("repository {repository}\n")));
        Digest::of(text.as_bytes())
    }
}

/// Something in which a lock no longer fits what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Drift {
    /// The manifest asks for other packages.
    #[error("package_spec changed{}{}", listed("; new: ", added), listed("; gone: ", removed))]
    Requests {
        /// What it asks for and the lock does not know.
        added: Vec<String>,
        /// What the lock was asked for and the manifest no longer names.
        removed: Vec<String>,
    },
    /// A setting that packages depend on changed.
    #[error("{field} was {locked}, and is now {now}")]
    Input {
        /// The setting.
        field: &'static str,
        /// What the lock has.
        locked: String,
        /// What holds now.
        now: String,
    },
    /// The keyring that the module names has other keys.
    #[error("the keys in the keyring changed{}{}", listed("; new: ", added), listed("; gone: ", removed))]
    Keys {
        /// The fingerprints that the lock does not have.
        added: Vec<String>,
        /// The fingerprints that only the lock has.
        removed: Vec<String>,
    },
    /// The manifest's digest in the lock is another one, and the lock's own list of requests is not.
    #[error("the lock's digest of the manifest's packages is not what its own list gives: it was edited")]
    Manifest,
    /// The settings' digest in the lock is another one: whether the module names a keyring changed.
    #[error("the module named a keyring of its own and no longer does, or names the machine's by now")]
    Settings,
    /// The settings' digest in the lock is another one, and no setting is.
    #[error("the lock's digest of the builder settings is not what its own inputs give: it was edited")]
    Edited,
    /// The module is laid over other modules, or over other builds of them.
    #[error("the modules that it is laid over were {locked}, and are now {now}")]
    Requires {
        /// What the lock has.
        locked: String,
        /// What was found.
        now: String,
    },
    /// The lock has no packages for an architecture that is built.
    #[error("the lock has no packages for {arch}")]
    Architecture {
        /// The architecture.
        arch: Arch,
    },
    /// A table of accounts gives another number than the lock has. [`check`] does not look for it.
    #[error("account {name} was {}, and is now {}", numbers(locked), numbers(now))]
    Account {
        /// The account.
        name: AccountName,
        /// What the lock has.
        locked: Ids,
        /// What the table gives.
        now: Ids,
    },
    /// The lock has packages for an architecture that was not asked for. [`check`] does not look for it.
    #[error("the lock has packages for {arch}, which was not asked for")]
    Unwanted {
        /// The architecture.
        arch: Arch,
    },
}

fn numbers(ids: &Ids) -> String {
    if ids.uid == ids.gid { ids.uid.to_string() } else { format!("{} and {}", ids.uid, ids.gid) }
}

fn listed(heading: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{heading}{}", names.join(", ")) }
}

impl Drift {
    /// Whether only packages and architectures were added or taken away, so that what else is in the
    /// lock may stay as it is.
    #[must_use]
    pub fn keeps_versions(&self) -> bool {
        match self {
            Self::Requests { .. }
            | Self::Requires { .. }
            | Self::Architecture { .. }
            | Self::Account { .. }
            | Self::Unwanted { .. } => true,
            Self::Input { field, .. } => matches!(*field, "variant" | "base" | "components" | "file"),
            Self::Keys { .. } | Self::Manifest | Self::Settings | Self::Edited => false,
        }
    }
}

/// In what `lock` differs from what is wanted for `archs`; empty when it fits.
#[must_use]
pub fn check(lock: &Lock, wanted: &Wanted, archs: &[Arch]) -> Vec<Drift> {
    let locked = &lock.inputs;
    let list = |list: &[String]| list.join(", ");
    let base = |base: &Option<BaseRequest>| base.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let snapshot = |snapshot: &Option<String>| snapshot.clone().unwrap_or_else(|| "none".to_owned());
    let keyring = wanted.keyring.as_ref().map_or(locked.keyring, |keys| keys.sha256);
    // Where the module names its mirrors, no archive of a host belongs to them.
    let added = locked.repository.iter().filter(|repository| !repository.host || wanted.mirrors.is_some());
    let fields = [
        ("suite", locked.suite.clone(), wanted.suite.clone()),
        ("variant", locked.variant.to_string(), wanted.variant.to_string()),
        ("base", base(&locked.base), base(&wanted.base)),
        ("components", list(&locked.components), list(&wanted.components)),
        ("snapshot", snapshot(&locked.snapshot), snapshot(&wanted.snapshot)),
        ("mirrors", list(&locked.mirrors), list(wanted.mirrors.as_deref().unwrap_or(&locked.mirrors))),
        ("keyring", locked.keyring.to_string(), keyring.to_string()),
        ("repository", listed_all(added.clone()), listed_all(wanted.repositories.iter())),
        ("file", listed_all(locked.file.iter()), listed_all(wanted.files.iter())),
    ];
    let mut drifts: Vec<Drift> = requests(lock, wanted).into_iter().collect();
    let changed = fields.into_iter().filter(|(_, locked, now)| locked != now);
    drifts.extend(changed.map(|(field, was, now)| match field {
        "repository" => {
            let (was, now) = (with_keys(added.clone()), with_keys(wanted.repositories.iter()));
            Drift::Input { field, locked: was, now }
        }
        _ => Drift::Input { field, locked: was, now },
    }));
    drifts.extend(keys(locked, wanted));
    drifts.extend(requires(lock, wanted, archs));
    let named =
        |what: &[&str]| drifts.iter().any(|drift| matches!(drift, Drift::Input { field, .. } if what.contains(field)));
    let is_manifest = |drift: &Drift| matches!(drift, Drift::Requests { .. });
    let edited = lock.manifest != wanted.manifest_digest() && !drifts.iter().any(is_manifest) && !named(&["snapshot"]);
    let settings = ["suite", "variant", "base", "components", "mirrors", "keyring", "repository", "file"];
    let other = lock.settings != wanted.settings_digest(&locked.mirrors) && !named(&settings);
    drifts.extend(edited.then_some(Drift::Manifest));
    drifts.extend(other.then(|| settings_drift(lock, wanted)));
    let missing = archs.iter().filter(|arch| lock.resolution(**arch).is_none());
    drifts.extend(missing.map(|arch| Drift::Architecture { arch: *arch }));
    drifts
}

/// The archives with the keys in their keyrings: a digest says nothing of whose they are.
fn with_keys<'a>(repositories: impl Iterator<Item = &'a LockedRepository>) -> String {
    let with_keys = |repository: &LockedRepository| {
        let keys: Vec<String> = repository.keyring_fingerprints.iter().map(ToString::to_string).collect();
        if keys.is_empty() { repository.to_string() } else { format!("{repository} (keys {})", keys.join(", ")) }
    };
    let texts: Vec<String> = repositories.map(with_keys).collect();
    listed_all(texts.iter())
}

/// Why the settings' digest is another one, when every setting that the lock writes down is the same.
fn settings_drift(lock: &Lock, wanted: &Wanted) -> Drift {
    let keys = Keys { sha256: lock.inputs.keyring, fingerprints: Vec::new() };
    let keyring = if wanted.keyring.is_some() { None } else { Some(keys) };
    let before = Wanted { keyring, ..wanted.clone() };
    if lock.settings == before.settings_digest(&lock.inputs.mirrors) { Drift::Settings } else { Drift::Edited }
}

fn requests(lock: &Lock, wanted: &Wanted) -> Option<Drift> {
    let texts = |requests: &[PackageRequest]| requests.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let now = texts(&wanted.requests);
    let (mut added, mut removed) = (BTreeSet::new(), BTreeSet::new());
    for resolution in &lock.resolutions {
        let before = texts(&resolution.requests);
        added.extend(now.difference(&before).cloned());
        removed.extend(before.difference(&now).cloned());
    }
    let (added, removed) = (added.into_iter().collect::<Vec<_>>(), removed.into_iter().collect::<Vec<_>>());
    (!added.is_empty() || !removed.is_empty()).then_some(Drift::Requests { added, removed })
}

/// Only the architectures that are asked for are compared: each has modules of its own.
fn requires(lock: &Lock, wanted: &Wanted, archs: &[Arch]) -> Option<Drift> {
    let of_archs = |modules: &[LockedModule]| -> Vec<LockedModule> {
        modules.iter().filter(|locked| archs.contains(&locked.arch)).cloned().collect()
    };
    let (locked, now) = (of_archs(&lock.requires), of_archs(wanted.requires.as_ref()?));
    (locked != now).then(|| Drift::Requires { locked: listed_modules(&locked), now: listed_modules(&now) })
}

/// A lock that was written before keys were recorded is held to the keyring's sha256 only.
fn keys(locked: &Inputs, wanted: &Wanted) -> Option<Drift> {
    let now = &wanted.keyring.as_ref().filter(|_| !locked.keyring_fingerprints.is_empty())?.fingerprints;
    let missing = |from: &[Fingerprint], of: &[Fingerprint]| -> Vec<String> {
        of.iter().filter(|key| !from.contains(key)).map(ToString::to_string).collect()
    };
    let (added, removed) = (missing(&locked.keyring_fingerprints, now), missing(now, &locked.keyring_fingerprints));
    (!added.is_empty() || !removed.is_empty()).then_some(Drift::Keys { added, removed })
}
