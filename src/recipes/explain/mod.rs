//! Why a path is in or out of a module, and what each rule and package brings.
//!
//! The answers come from the same tree, filter and ownership that a build uses
//! ([`select`](crate::recipes::build::select)).

mod path;
mod summary;

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::recipes::build::inputs::MANIFEST;
use crate::recipes::results::artifact;
use crate::recipes::results::record::{self, Several};

pub(crate) use path::{Explained, Found, Why, in_image, path};
pub(crate) use summary::{RuleLine, Summary, summary};

/// Where an explanation starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A module's repository.
    Module(PathBuf),
    /// A build's results, and the repository that they were built from.
    Built {
        /// The repository.
        module: PathBuf,
        /// The results.
        dist: PathBuf,
    },
    /// A build's results whose repository is not known.
    Image(PathBuf),
}

/// Finds the module's repository that `path` is, or that holds the results at `path`.
///
/// # Errors
/// When `path` is neither.
pub(crate) fn place(path: &Path) -> Result<Place, Error> {
    let is_file = artifact::stat(path)?.is_file();
    if is_file && path.file_name().is_some_and(|name| name == MANIFEST) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        return Ok(Place::Module(parent.unwrap_or(Path::new(".")).to_owned()));
    }
    if !is_file {
        std::fs::read_dir(path).map_err(|error| Error::io("read", path, &error))?;
    }
    if path.join(MANIFEST).is_file() {
        return Ok(Place::Module(path.to_owned()));
    }
    if path.join("module.cfs").is_file() || path.join("file-list.txt").is_file() {
        // `..` of a link is not the directory that the link stands in.
        let full = path.canonicalize().unwrap_or_default();
        // The results of one architecture are in the directory with those of others.
        let is_one_of_several = full.parent().map(|dist| Several::read(&dist.join(record::FILE))).transpose()?;
        let parent = full.ancestors().nth(if is_one_of_several.flatten().is_some() { 2 } else { 1 });
        return Ok(match parent.map(Path::to_owned).filter(|parent| parent.join(MANIFEST).is_file()) {
            Some(module) if path.join(record::FILE).exists() => Place::Built { module, dist: path.to_owned() },
            // A dry run leaves lists and no record.
            Some(module) if !path.join("module.cfs").is_file() => Place::Module(module),
            Some(_) | None => Place::Image(path.to_owned()),
        });
    }
    if !is_file && let Some(several) = Several::read(&path.join(record::FILE))? {
        let names: Vec<&str> = several.architectures().keys().map(|arch| arch.debian()).collect();
        let first = path.join(names.first().copied().unwrap_or_default());
        return Err(Error::input(format!("{} holds modules of several architectures", path.display())).hint(format!(
            "name one of {}, as in {}",
            names.join(", "),
            model::shell::word(&first)
        )));
    }
    if is_file || path.join("oci-layout").is_file() {
        return Ok(Place::Image(path.to_owned()));
    }
    Err(Error::input(format!("{} is neither a module's repository nor a build's result", path.display()))
        .hint("name the directory that holds manifest.yaml, or one that `build` wrote"))
}
