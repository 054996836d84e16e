//! Which layers a trial has: the modules, what they are laid over, and the full tree to compare with.

use std::path::{Path, PathBuf};

use composer::scan::{self, Source};
use host::Dir;
use image::archive::Opened;
use image::composefs::Entry;
use image::tree::{Kind, Tree};
use model::closure::ModuleRef;
use model::observe::{Observer, Task, Unit};
use model::{Arch, ImagePath, Manifest};
use node::unpack;

use crate::environment::Environment;
use crate::error::Error;
use crate::recipes::results::artifact::{self, Artifact, Module};
use crate::recipes::results::differ::Built;
use crate::recipes::trial::beneath;
use crate::recipes::trial::common_base;
use crate::recipes::trial::request::TrialRequest;
use crate::recipes::trial::roots::{self, Roots};
use crate::settings::Settings;

/// A module, opened and checked.
pub(crate) struct TriedModule {
    /// Its name.
    pub(crate) name: String,
    /// What it declares.
    pub(crate) manifest: Manifest,
    /// What its image holds.
    pub(crate) tree: Tree<Entry>,
    /// The dist directory that it is from, where it is from one.
    pub(crate) dist: Option<PathBuf>,
    /// The modules over which it was built.
    pub(crate) below: Vec<ModuleRef>,
    /// The secrets that are not in it and that nothing makes on the node.
    pub(crate) unmade: Vec<ImagePath>,
    /// Where the contents are.
    contents: Option<Opened>,
}

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
        let module = open(path, request.arch, &request.scratch)?;
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
        .map(|path| roots::of_build(&results(path), settings, environment, observer))
        .collect::<Result<_, _>>()?;
    common_base::check(&request.modules, &all)?;
    Ok(all)
}

/// Where the results of a module are, which is named by its own directory or by theirs.
fn results(path: &Path) -> PathBuf {
    let results = path.join("dist");
    let is_repository = path.join("manifest.yaml").exists();
    if is_repository || results.is_dir() { results } else { path.to_owned() }
}

fn scanned(path: &Path, task: &Task<'_>) -> Result<Tree<Source>, Error> {
    task.item(path.display().to_string());
    Ok(scan::rootfs(path, &scan::Options::default())?)
}

/// Opens the results of a module, by its own directory or theirs.
fn open(path: &Path, arch: Option<Arch>, scratch: &Path) -> Result<TriedModule, Error> {
    if matches!(path.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound) {
        return Err(Error::input(format!("there is no {}", path.display()))
            .hint("name a module's repository, or what a build wrote"));
    }
    let path = &*results(path);
    let Artifact { modules, .. } = artifact::open(path)?;
    let module = of_machine(modules, arch, path)?;
    let (Some(name), Some(text)) = (module.name.clone(), module.manifest.as_ref()) else {
        return Err(Error::input(format!("{} does not say which module it is", path.display()))
            .hint("name a dist directory, a layout or a module.tar: an image alone has no manifest"));
    };
    let manifest = Manifest::parse(text).manifest;
    let manifest = manifest.ok_or_else(|| Error::refused(format!("{} holds no valid manifest", path.display())))?;
    let contents = module.contents(scratch)?;
    if contents.is_none() && needs_objects(&module.tree) {
        return Err(Error::input(format!("{} holds no contents of files", path.display()))
            .hint("build the module with `--emit tar` or `--emit oci`"));
    }
    let said = module.requirements.iter();
    let below = said.flat_map(|said| said.base.module.iter().chain(&said.requires)).cloned().collect();
    let secrets = module.requirements.iter().flat_map(|said| &said.secrets);
    let unmade = secrets.filter(|secret| secret.made_by.is_none()).map(|secret| secret.path.clone()).collect();
    Ok(TriedModule { name, manifest, tree: module.tree, dist: module.dist, below, unmade, contents })
}

fn needs_objects(tree: &Tree<Entry>) -> bool {
    tree.walk().any(|(_, _, node)| matches!(node.kind, Kind::Regular(Entry::Object { .. })))
}

/// The module that can run here.
fn of_machine(modules: Vec<Module>, arch: Option<Arch>, path: &Path) -> Result<Module, Error> {
    let found: Vec<String> = modules.iter().filter_map(|module| module.arch.map(|arch| arch.to_string())).collect();
    let fits = |module: &Module| module.arch.is_none() || module.arch == arch;
    modules.into_iter().find(fits).ok_or_else(|| {
        let machine = arch.map_or_else(|| "this machine's architecture".to_owned(), |arch| arch.to_string());
        Error::input(format!("{} was built for {}, and not for {machine}", path.display(), found.join(", ")))
            .hint("try it on a machine of that architecture, or build it for this one")
    })
}

impl TriedModule {
    /// What is compared with other modules.
    pub(crate) fn built(&self) -> Built<'_> {
        Built { name: &self.name, tree: &self.tree, dist: self.dist.as_deref() }
    }

    /// Writes the module's files into an empty directory, each checked against its digest.
    pub(crate) fn unpack(&self, into: &Dir) -> Result<(), Error> {
        self.unpack_tree(&self.tree, into)
    }

    /// The same for a part of them.
    pub(crate) fn unpack_tree(&self, tree: &Tree<Entry>, into: &Dir) -> Result<(), Error> {
        let contents = self.contents.as_ref();
        unpack::unpack(tree, into, &mut |path, entry, out| match contents {
            Some(opened) => unpack::checked_content(path, entry, opened, out),
            None => unpack::checked_content(path, entry, &NoObjects, out),
        })?;
        Ok(())
    }
}

/// The contents of a module whose files are all in its image.
struct NoObjects;

impl image::object::Objects for NoObjects {
    fn locate(&self, digest: &model::VerityDigest, size: u64) -> Result<image::object::Extent, image::Error> {
        Err(image::Error::MissingObject { digest: *digest, size })
    }
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
