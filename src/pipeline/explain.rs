//! Why a path is in or out of a module, and what each rule and package brings.
//!
//! The answers come from the same tree, filter and ownership that a build uses
//! ([`carve`](crate::pipeline::carve)).

mod path;
mod summary;

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::pipeline::inputs::MANIFEST;

pub(crate) use path::{Explained, Found, Why, in_image, path};
pub(crate) use summary::{Bringer, RuleLine, Summary, summary};

/// Where an explanation starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A module's repository.
    Module(PathBuf),
    /// A build's results whose repository is not known.
    Image(PathBuf),
}

/// Finds the module's repository that `path` is, or that holds the results at `path`.
///
/// # Errors
/// When `path` is neither.
pub(crate) fn place(path: &Path) -> Result<Place, Error> {
    if path.join(MANIFEST).is_file() || path.is_file() && path.extension().is_some_and(|end| end == "yaml") {
        return Ok(Place::Module(path.to_owned()));
    }
    if path.join("module.cfs").is_file() || path.join("file-list.txt").is_file() {
        // `..` of a link is not the directory that the link stands in.
        let parent = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
        return Ok(match parent.filter(|parent| parent.join(MANIFEST).is_file()) {
            Some(module) => Place::Module(module),
            None => Place::Image(path.to_owned()),
        });
    }
    if path.is_file() || path.join("oci-layout").is_file() {
        return Ok(Place::Image(path.to_owned()));
    }
    let what = if path.exists() { "is neither a module's repository nor a build's result" } else { "does not exist" };
    Err(Error::input(format!("{} {what}", path.display()))
        .hint("name the directory that holds manifest.yaml, or one that `build` wrote"))
}
