//! A module that is tried: its results, opened and checked.

use std::path::{Path, PathBuf};

use host::Dir;
use image::archive::Opened;
use image::composefs::Entry;
use image::tree::{Kind, Tree};
use model::closure::ModuleRef;
use model::{Arch, ImagePath, Manifest};
use node::unpack;

use crate::error::Error;
use crate::recipes::results::artifact::{self, Artifact, Module};
use crate::recipes::results::differ::Built;

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

/// Where the results of a module are, which is named by its own directory or by theirs.
pub(crate) fn results(path: &Path) -> PathBuf {
    let results = path.join("dist");
    let is_repository = path.join("manifest.yaml").exists();
    if is_repository || results.is_dir() { results } else { path.to_owned() }
}

/// Opens the results of a module, by its own directory or theirs.
///
/// # Errors
/// When they cannot be opened, are damaged, or are not of a module that can run here.
pub(crate) fn open(path: &Path, arch: Option<Arch>, scratch: &Path) -> Result<TriedModule, Error> {
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
