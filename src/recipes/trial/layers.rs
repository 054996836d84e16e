//! Which layers a trial has: the modules, what they are laid over, and the full tree to compare with.

use std::path::{Path, PathBuf};

use composer::scan::{self, Source};
use host::Dir;
use image::tree::{Kind, Tree};
use model::observe::{Observer, Task, Unit};
use node::unpack;

use crate::environment::Environment;
use crate::error::Error;
use crate::recipes::trial::beneath;
use crate::recipes::trial::common_base;
use crate::recipes::trial::request::TrialRequest;
use crate::recipes::trial::roots::{self, Roots};
use crate::recipes::trial::tried_module::{self, TriedModule};
use crate::settings::Settings;

/// The layers of a trial.
pub(crate) struct Layers {
    /// The modules, the lowest first.
    pub(crate) modules: Vec<TriedModule>,
    /// What they are laid over.
    pub(crate) base: Tree<Source>,
    /// The full trees to compare with.
    pub(crate) controls: Vec<FullTree>,
}

/// A tree in which all packages of a module are installed.
pub(crate) struct FullTree {
    /// The root file system.
    pub(crate) path: PathBuf,
    /// The module of which it is; none where it has what all of them have.
    pub(crate) of: Option<String>,
}

/// Chooses the layers. This is the one place where it is decided what a trial's base and its control are.
///
/// # Errors
/// When something cannot be opened or is damaged, or there is no base.
pub(crate) fn choose(request: &TrialRequest, roots: &[Option<Roots>], task: &Task<'_>) -> Result<Layers, Error> {
    let mut modules = Vec::new();
    for path in &request.modules {
        task.item(path.display().to_string());
        let module = tried_module::open(path, request.arch, &request.scratch)?;
        if modules.iter().any(|other: &TriedModule| other.name == module.name) {
            return Err(Error::input(format!("{} is the module {} once more", path.display(), module.name))
                .hint("name each module once: a node has one of each name"));
        }
        modules.push(module);
    }
    beneath::check(&modules)?;
    let base = request.base.as_ref().or_else(|| common_base::largest(roots).map(|roots| &roots.base)).ok_or_else(|| {
        Error::usage("no base is known: the modules were not built over one")
            .hint("name it by --base, a root file system as a directory or a tar, or build the modules with ship = \"closure\"")
    })?;
    let controls = match &request.control {
        Some(path) => vec![FullTree { path: path.clone(), of: None }],
        // Of several modules there is no tree that has the packages of all, but each has one of its own.
        None => of_each(&modules, roots),
    };
    Ok(Layers { base: scanned(base, task)?, modules, controls })
}

/// The full trees that the modules were built from.
fn of_each(modules: &[TriedModule], roots: &[Option<Roots>]) -> Vec<FullTree> {
    let own = modules.iter().zip(roots).filter_map(|(module, roots)| Some((module, roots.as_ref()?)));
    own.map(|(module, roots)| FullTree { path: roots.full.clone(), of: Some(module.name.clone()) }).collect()
}

/// What each of the modules was built with, where no base is named.
///
/// # Errors
/// When a root file system cannot be had, or the modules were built over bases of which none has what the others have.
pub(crate) fn roots(
    request: &TrialRequest,
    settings: &Settings,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<Vec<Option<Roots>>, Error> {
    if request.base.is_some() {
        return Ok(Vec::new());
    }
    let all: Vec<Option<Roots>> = request
        .modules
        .iter()
        .map(|path| roots::of_build(&tried_module::results(path), settings, environment, observer))
        .collect::<Result<_, _>>()?;
    common_base::check(&request.modules, &all)?;
    Ok(all)
}

fn scanned(path: &Path, task: &Task<'_>) -> Result<Tree<Source>, Error> {
    task.item(path.display().to_string());
    Ok(scan::rootfs(path, &scan::Options::default())?)
}

/// Writes a root file system into an empty directory.
pub(crate) fn unpack_source(tree: &Tree<Source>, into: &Dir, task: &Task<'_>) -> Result<(), Error> {
    unpack::unpack(tree, into, &mut |path, source, out| {
        task.advance(1);
        let mut content = source.open()?;
        let written = unpack::copy(&mut content, out, path)?;
        content.check()?;
        match written == source.size() {
            true => Ok(()),
            false => Err(node::Error::Digest { path: path.clone() }),
        }
    })?;
    Ok(())
}

/// Begins the task of writing out `tree`.
pub(crate) fn writing<'a, C>(task: &Task<'a>, name: &'static str, tree: &Tree<C>) -> Task<'a> {
    let files = tree.walk().filter(|(_, _, node)| matches!(node.kind, Kind::Regular(_))).count();
    task.child(name, Some(files as u64), Unit::Items)
}
