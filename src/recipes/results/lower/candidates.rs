//! The modules that are in directories which the user names.

use std::path::{Path, PathBuf};

use host::{Dir, Links};
use model::Manifest;
use model::manifest::Requirement;
use oci::content::ContentStore as _;
use oci::layout;

use crate::error::Error;
use crate::recipes::results::record;

/// The most entries of a directory that are looked at.
const MOST: usize = 10_000;
/// The largest manifest that is read, in bytes.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// The name of an author's manifest, and of the directory with the results beside it.
const REPOSITORY: (&str, &str) = ("manifest.yaml", "dist");

/// What may be a module, or several of a layout.
pub(super) struct Candidate {
    /// Where its results are, or would be.
    pub(super) path: PathBuf,
    /// Whether they are there.
    pub(super) is_built: bool,
    /// The manifests.
    manifests: Vec<Manifest>,
}

/// The modules in `directories`: each is one itself, or holds some.
///
/// # Errors
/// When one cannot be read.
pub(super) fn all(directories: &[PathBuf]) -> Result<Vec<Candidate>, Error> {
    let mut found = Vec::new();
    for path in directories {
        let directory = Dir::open(path).map_err(|error| {
            Error::from(error).hint("--modules names a directory with built modules or modules' repositories")
        })?;
        if let Some(candidate) = one(path) {
            found.push(candidate);
            continue;
        }
        let mut names = directory.names()?;
        names.sort();
        found.extend(names.iter().take(MOST).filter_map(|name| one(&path.join(name))));
    }
    Ok(found)
}

/// Where the results of the module at `path` are, which is named by its own directory or by theirs.
pub(super) fn results(path: &Path) -> PathBuf {
    let (manifest, results) = REPOSITORY;
    if path.join(manifest).is_file() { path.join(results) } else { path.to_owned() }
}

/// The module at `path`; none where there is none, or none that can be read.
fn one(path: &Path) -> Option<Candidate> {
    let directory = Dir::open(path).ok()?;
    let own = manifest_in(&directory, REPOSITORY.0);
    let path = results(path);
    let built = Dir::open(&path).ok().and_then(|results| manifests(&results));
    match (own, built) {
        (_, Some(manifests)) => Some(Candidate { path, is_built: true, manifests }),
        (Some(manifest), None) => Some(Candidate { path, is_built: false, manifests: vec![manifest] }),
        (None, None) => None,
    }
}

/// The manifests of results.
fn manifests(results: &Dir) -> Option<Vec<Manifest>> {
    let has = |name: &str| results.kind(name).is_ok_and(|kind| kind.is_some());
    if has("oci-layout") {
        return of_layout(results.try_clone().ok()?);
    }
    let is_module = has("module.cfs") || has(record::FILE);
    manifest_in(results, "manifest.json").filter(|_| is_module).map(|manifest| vec![manifest])
}

fn of_layout(directory: Dir) -> Option<Vec<Manifest>> {
    let (layout, store) = layout::open(directory).ok()?;
    let mut found = Vec::new();
    for listed in layout.documents().filter(|listed| listed.kind().is_some()) {
        let bytes = store.open(&listed.manifest.config).ok()?.bytes(MANIFEST_LIMIT).ok()?;
        found.extend(Manifest::parse(&bytes).manifest);
    }
    Some(found)
}

fn manifest_in(directory: &Dir, name: &str) -> Option<Manifest> {
    let bytes = directory.read(name, Links::Below, MANIFEST_LIMIT).ok()?;
    Manifest::parse(&bytes).manifest
}

impl Candidate {
    /// Whether it is what `requirement` names, in whatever version.
    pub(super) fn is_meant(&self, requirement: &Requirement) -> bool {
        self.manifests.iter().any(|manifest| is_meant(manifest, requirement))
    }

    /// Whether it is a module of this name.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.manifests.iter().any(|manifest| manifest.name == name)
    }
}

/// Whether a module with this manifest is what `requirement` names, in whatever version.
pub(super) fn is_meant(manifest: &Manifest, requirement: &Requirement) -> bool {
    match requirement {
        Requirement::Module { module, .. } => manifest.name == *module,
        Requirement::Capability(tag) => manifest.dependencies.provides.iter().any(|entry| entry.value == *tag),
    }
}
