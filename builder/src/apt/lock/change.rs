//! What differs in the packages of two locks.

use std::collections::{BTreeMap, BTreeSet};

use model::{Arch, Digest};
use serde::Serialize;

use super::Lock;
use crate::apt::{Reason, Resolved};

/// One difference between two resolutions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A package came.
    #[error("+ {name} {version} ({arch}, {reason})")]
    Added {
        /// The architecture that is built.
        arch: Arch,
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// Why it is there.
        reason: Reason,
    },
    /// A package went.
    #[error("- {name} {version} ({arch})")]
    Removed {
        /// The architecture that is built.
        arch: Arch,
        /// The package.
        name: String,
        /// Its version.
        version: String,
    },
    /// A package has another version.
    #[error("~ {name} {from} -> {to} ({arch})")]
    Version {
        /// The architecture that is built.
        arch: Arch,
        /// The package.
        name: String,
        /// The version before.
        from: String,
        /// The version after.
        to: String,
    },
    /// A package has other bytes under the same version.
    #[error("! {name} {version} has other bytes: {from} -> {to} ({arch})")]
    Bytes {
        /// The architecture that is built.
        arch: Arch,
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// The sha256 before.
        from: Digest,
        /// The sha256 after.
        to: Digest,
    },
}

/// What differs in the packages of two locks, sorted by architecture and name.
#[must_use]
pub fn diff(old: &Lock, new: &Lock) -> Vec<Change> {
    type Packages<'a> = BTreeMap<(&'static str, &'a str), (Arch, &'a Resolved)>;
    fn packages(lock: &Lock) -> Packages<'_> {
        let all = lock.resolutions.iter().flat_map(|resolution| {
            let arch = resolution.arch;
            resolution.packages.iter().map(move |p| ((arch.debian(), p.package.name.as_str()), (arch, p)))
        });
        all.collect()
    }
    let (before, after) = (packages(old), packages(new));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |key| match (before.get(key), after.get(key)) {
        (None, Some((arch, new))) => Some(Change::Added {
            arch: *arch,
            name: new.package.name.clone(),
            version: new.package.version.clone(),
            reason: new.reason.clone(),
        }),
        (Some((arch, old)), None) => {
            Some(Change::Removed { arch: *arch, name: old.package.name.clone(), version: old.package.version.clone() })
        }
        (Some((arch, old)), Some((_, new))) if old.package.version != new.package.version => Some(Change::Version {
            arch: *arch,
            name: new.package.name.clone(),
            from: old.package.version.clone(),
            to: new.package.version.clone(),
        }),
        (Some((arch, old)), Some((_, new))) if old.sha256 != new.sha256 => Some(Change::Bytes {
            arch: *arch,
            name: new.package.name.clone(),
            version: new.package.version.clone(),
            from: old.sha256,
            to: new.sha256,
        }),
        _ => None,
    };
    keys.into_iter().filter_map(change).collect()
}
