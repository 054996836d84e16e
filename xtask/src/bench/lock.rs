//! What module.lock names.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::command::Outcome;

/// A package of a lock.
pub(super) struct Locked {
    /// Its name.
    pub(super) name: String,
    /// Where it is downloaded from.
    pub(super) url: String,
    sha256: String,
}

impl Locked {
    /// Its sha256 without the name of the algorithm.
    pub(super) fn hex(&self) -> &str {
        self.sha256.trim_start_matches("sha256:")
    }

    /// Where `cache` keeps it.
    pub(super) fn deb(&self, cache: &Path) -> PathBuf {
        cache.join("debs/sha256").join(&self.hex()[..2]).join(format!("{}.deb", self.hex()))
    }
}

/// The packages of a lock.
pub(super) struct Lock {
    pub(super) packages: Vec<Locked>,
}

#[derive(Deserialize)]
struct Document {
    architecture: Vec<Architecture>,
}

#[derive(Deserialize)]
struct Architecture {
    archive: Vec<Archive>,
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Archive {
    uri: String,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    archive: usize,
    path: String,
    sha256: String,
}

/// Reads the lock at `path`.
pub(super) fn read(path: &Path) -> Outcome<Lock> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let document: Document = toml::from_str(&text).map_err(|error| failed(&error))?;
    let mut packages = Vec::new();
    for architecture in document.architecture {
        for Package { name, archive, path, sha256 } in architecture.package {
            let archive = architecture.archive.get(archive).ok_or("module.lock names no such archive")?;
            packages.push(Locked { name, url: format!("{}/{path}", archive.uri), sha256 });
        }
    }
    Ok(Lock { packages })
}
