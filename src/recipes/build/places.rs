//! Whether what a build writes is in the way of what it reads, or of itself.
//!
//! Looked at before any work, and by where the paths lead: through links, `..`, mounts, and for what is not
//! there yet.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;
use crate::recipes::build::request::{BuildRequest, RootSource};

/// How many links are followed to find what is not there yet; the kernel follows as many.
const LINKS: u32 = 40;

/// A place of the file system, which need not exist.
#[derive(Debug)]
pub(crate) struct Place {
    /// How messages call it.
    what: String,
    full: PathBuf,
    /// Device and inode, if it exists.
    identity: Option<(u64, u64)>,
    /// Those of everything around it, and its own.
    around: Vec<(u64, u64)>,
}

impl Place {
    /// Finds where `path` leads; `what` is what it is for.
    ///
    /// # Errors
    /// When a part of the path cannot be looked at.
    pub(crate) fn new(what: impl Into<String>, path: &Path) -> Result<Self, Error> {
        let full = resolve(path, LINKS).map_err(|error| Error::io("read", path, &error))?;
        let identity = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
        let around = full.ancestors().filter_map(identity).collect();
        Ok(Self { what: what.into(), identity: identity(&full), around, full })
    }

    /// Whether it is `other`, or below it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.full.starts_with(&other.full) || other.identity.is_some_and(|other| self.around.contains(&other))
    }
}

/// The full path without links, as far as it is there, and by its names from there.
fn resolve(path: &Path, links: u32) -> std::io::Result<PathBuf> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let error = match fs::canonicalize(path) {
        // Whoever opens it will say what stands in the way.
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) && links > 0 => error,
        found => return found,
    };
    let mut around = path.to_owned();
    let Some(last) = path.components().next_back() else { return Err(error) };
    around.pop();
    match last {
        Component::Normal(name) => match fs::read_link(path) {
            Ok(target) => resolve(&around.join(target), links - 1),
            Err(_) => Ok(resolve(&around, links)?.join(name)),
        },
        // Of something that is not there.
        Component::ParentDir => {
            let mut full = resolve(&around, links)?;
            full.pop();
            Ok(full)
        }
        _ => Err(error),
    }
}

/// Checks where a build writes: to `directory`, and to what else `request` names.
///
/// # Errors
/// When it would overwrite what it reads, the directory that the user is in, or what it writes itself.
pub(crate) fn check(request: &BuildRequest, directory: &Path) -> Result<(), Error> {
    let output = Place::new(format!("the output {}", directory.display()), directory)?;
    let module = Place::new("the module", request.module.directory())?;
    let here = Place::new("the current directory", Path::new("."))?;
    for holds in [&module, &here] {
        apart(holds, &output, "a build replaces its output directory: name one of its own with --output")?;
    }
    // Of a link that leads out it would be said where to, and not that it does.
    request.module.check_overlay()?;
    let overlay = Place::new("the module's rootfs/", &request.module.overlay_path())?;
    let mut inputs = vec![overlay];
    if let RootSource::Given(path) = &request.root {
        let root = Place::new(format!("the root file system {}", path.display()), path)?;
        apart(&root, &output, "a build replaces its output directory: name another one with --output")?;
        inputs.push(root);
    }
    for input in &inputs {
        apart(&output, input, "results must not become part of the next build: name a directory elsewhere")?;
    }
    if let Some(path) = request.outputs.objects() {
        let objects = Place::new(format!("the object store {}", path.display()), path)?;
        apart(&objects, &output, "a build replaces its output directory: name a store elsewhere with --objects")?;
        apart(&output, &objects, "name a directory elsewhere with --output: the store is for objects alone")?;
        for input in &inputs {
            apart(&objects, input, "objects must not become part of the next build: name a store elsewhere")?;
        }
    }
    let caches = request.packages().map(|packages| &packages.cache);
    if let Some(cache) = caches.or(request.reuse.as_ref().map(|remembered| &remembered.cache)) {
        // The user's own files in it must neither be moved nor be swept. Whether a cache can be used is seen where
        // it is.
        if let Err(error @ builder::cache::Error::NotACache { .. }) = cache.check_is_a_cache() {
            return Err(error.into());
        }
        let cache = Place::new("the cache", cache.root())?;
        apart(&cache, &output, "a build replaces its output directory: name a cache elsewhere with --cache-dir")?;
        for input in &inputs {
            apart(
                &cache,
                input,
                "the cache must not become part of the next build: name one elsewhere with --cache-dir",
            )?;
        }
        apart(&output, &cache, REMOVED)?;
        if let Some(path) = request.outputs.objects() {
            let objects = Place::new(format!("the object store {}", path.display()), path)?;
            apart(&objects, &cache, REMOVED)?;
            apart(&cache, &objects, "name a cache elsewhere with --cache-dir: the store is for objects alone")?;
        }
    }
    Ok(())
}

const REMOVED: &str = "what is in the cache may be removed at any time: name a directory elsewhere";

/// Checks where the second build of a comparing is kept against the cache of the settings, which builds from a
/// given root file system may use as well.
///
/// # Errors
/// When one of the two is in the other.
pub(crate) fn check_kept(keep: &Path, cache: &Path) -> Result<(), Error> {
    let keep = Place::new(format!("--keep {}", keep.display()), keep)?;
    let cache = Place::new("the cache", cache)?;
    apart(&keep, &cache, REMOVED)?;
    apart(&cache, &keep, "a build replaces its output directory: name a directory that is not there yet")
}

fn apart(inner: &Place, outer: &Place, hint: &str) -> Result<(), Error> {
    if !inner.is_within(outer) {
        return Ok(());
    }
    let is = if outer.is_within(inner) { "is" } else { "is in" };
    Err(Error::usage(format!("{} {is} {}", inner.what, outer.what)).hint(hint))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_not_there_lies_where_its_path_would_lead() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("m/dist")).unwrap();
        symlink("m", path("link")).unwrap();
        symlink("m/dist/later", path("dangling")).unwrap();
        symlink("loop", path("loop")).unwrap();
        let place = |name: &str| Place::new(name, &path(name)).unwrap();
        let dist = place("m/dist");
        for inside in [
            "m/dist",
            "m/dist/",
            "m/dist/a/b",
            "link/dist/a",
            "dangling",
            "dangling/x",
            "m/none/../dist/x",
            "link/../m/dist/none",
            "m/dist/a/..",
            "m/./dist/.",
        ] {
            assert!(place(inside).is_within(&dist), "{inside}");
        }
        for outside in ["m", "m/distant", "m/dist/..", "m/dist/../other", "none/../m/none", "link"] {
            assert!(!place(outside).is_within(&dist), "{outside}");
        }
        assert!(dist.is_within(&place("link")) && dist.is_within(&place(".")));
        assert!(Place::new("loop", &path("loop/x")).is_err());
    }
}
