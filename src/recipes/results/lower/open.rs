//! A built module, opened and checked.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use image::archive::Opened;
use image::composefs::Entry;
use image::object::Objects as _;
use image::tree::{Kind, Tree};
use image::verity;
use model::closure::{ModuleRef, ModuleRefFields, is_module_version};
use model::{ImagePath, Manifest, VerityDigest, sysusers};
use oci::media::annotation;
use oci::reference::Reference;

use super::candidates::{self, Candidate};
use super::{LowerModule, LowerRequest};
use crate::error::Error;
use crate::recipes::results::artifact::{self, Form, Module};

/// Where a module has its accounts.
const SYSUSERS: &str = "/usr/lib/sysusers.d";

/// The module that `[base]` names.
///
/// # Errors
/// When there is none, it is damaged, or is for another architecture.
pub(super) fn base((path, named): (&Path, &str), request: &LowerRequest<'_>) -> Result<LowerModule, Error> {
    const WANTED: &str = "name a dist directory, a folder that `oras pull` writes, or an OCI image layout";
    if !path.exists() {
        let message = match named.parse::<Reference>().is_ok() {
            true => format!("the base {named} is in a registry, and registries are not read yet"),
            false => format!("there is no {}, which `module` of [base] in builder.toml names", path.display()),
        };
        return Err(Error::input(message).hint(WANTED));
    }
    let path = candidates::results(path);
    let opened = artifact::open(&path)?;
    if !matches!(opened.form, Form::Dist | Form::Layout | Form::Pulled) {
        return Err(Error::input(format!("{} does not say what it was laid over", path.display())).hint(WANTED));
    }
    let mut found = of_arch(opened.modules, &path, request, &|_| true)?;
    let module = found.pop().ok_or_else(|| {
        Error::input(format!("the base {} was not built for {}", path.display(), request.arch))
            .hint("build it for this architecture first")
    })?;
    if !found.is_empty() {
        return Err(Error::input(format!("{} holds several modules for {}", path.display(), request.arch)).hint(WANTED));
    }
    match module.requirements {
        Some(_) => Ok(LowerModule { is_base: true, ..module }),
        None => Err(Error::input(format!("{} does not say what it was laid over, and can be no base", path.display()))
            .hint("build it with ship = \"closure\" in its builder.toml")),
    }
}

/// The module at `path`, which is named by its own directory or by that of its results.
///
/// # Errors
/// When there is none for the architecture, or it is damaged.
pub(super) fn one(path: &Path, request: &LowerRequest<'_>) -> Result<LowerModule, Error> {
    let path = candidates::results(path);
    let opened = artifact::open(&path)?;
    let found = of_arch(opened.modules, &path, request, &|_| true)?.into_iter().next();
    found.ok_or_else(|| {
        Error::input(format!("{} is no module that was built for {}", path.display(), request.arch))
            .hint("build it for this machine, or name a dist directory or an OCI layout")
    })
}

/// Those of `candidates` that `is_meant` takes, for the architecture.
///
/// # Errors
/// When one is damaged.
pub(super) fn all<'a>(
    candidates: impl Iterator<Item = &'a Candidate>,
    request: &LowerRequest<'_>,
    is_meant: impl Fn(&Manifest) -> bool,
) -> Result<Vec<LowerModule>, Error> {
    let mut found = Vec::new();
    for candidate in candidates {
        let opened = artifact::open(&candidate.path)?;
        found.extend(of_arch(opened.modules, &candidate.path, request, &is_meant)?);
    }
    Ok(found)
}

fn of_arch(
    modules: Vec<Module>,
    path: &Path,
    request: &LowerRequest<'_>,
    is_meant: &dyn Fn(&Manifest) -> bool,
) -> Result<Vec<LowerModule>, Error> {
    let mut found = Vec::new();
    for module in modules {
        let said = module.requirements.as_ref().map(|said| said.arch);
        if [module.arch, said].into_iter().flatten().any(|arch| arch != request.arch) {
            continue;
        }
        let manifest = module.manifest.as_ref().and_then(|text| Manifest::parse(text).manifest);
        if let Some(manifest) = manifest.filter(is_meant) {
            found.push(of(module, manifest, path, request)?);
        }
    }
    Ok(found)
}

fn of(module: Module, manifest: Manifest, path: &Path, request: &LowerRequest<'_>) -> Result<LowerModule, Error> {
    let bug = |what: &str| Error::bug(format!("{} has no {what}", path.display()));
    let digest = |name: &str| module.blobs.get(name).map(|blob| blob.digest);
    let digest = ModuleRefFields::digest_of(
        &digest("manifest.json").ok_or_else(|| bug("manifest.json"))?,
        &digest("module.cfs").ok_or_else(|| bug("module.cfs"))?,
        digest(model::requirements::FILE).as_ref(),
    );
    let said = module.requirements.as_ref().and_then(|said| said.version.clone());
    let annotated =
        module.oci.as_ref().and_then(|listed| listed.manifest.annotations.get(annotation::VERSION).cloned());
    let version = said.or(annotated).filter(|version| is_module_version(version));
    let reference = ModuleRef::new(ModuleRefFields { name: manifest.name.clone(), version, digest });
    let reference = reference.map_err(|fault| bug("name").because(&fault))?;
    let sysusers = if module.requirements.is_none() { sysusers_of(&module, request.scratch)? } else { Vec::new() };
    let Module { tree, requirements, .. } = module;
    Ok(LowerModule { path: path.to_owned(), reference, manifest, tree, requirements, sysusers, is_base: false })
}

/// The texts of its files of sysusers.d; none where it has no contents.
fn sysusers_of(module: &Module, scratch: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let files = files_in(&module.tree, SYSUSERS);
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let opened = module.contents(scratch)?;
    let mut texts = Vec::new();
    for entry in files {
        match entry {
            Entry::Empty => {}
            Entry::Inline(bytes) => texts.push(bytes.to_vec()),
            Entry::Object { digest, size } => {
                let limit = sysusers::MAX_BYTES as u64;
                let Some(opened) = opened.as_ref().filter(|_| *size <= limit) else { continue };
                texts.push(content(opened, digest, *size)?);
            }
            // Only others make such.
            Entry::Backing(_) => {}
        }
    }
    Ok(texts)
}

/// The contents of the regular files in a directory.
fn files_in<'a>(tree: &'a Tree<Entry>, directory: &str) -> Vec<&'a Entry> {
    let id = ImagePath::new(directory).ok().and_then(|path| tree.lookup(&path));
    let entries = id.and_then(|id| tree.node(id).entries()).into_iter().flat_map(|entries| entries.values());
    let content = |id: &image::tree::NodeId| match &tree.node(*id).kind {
        Kind::Regular(entry) => Some(entry),
        _ => None,
    };
    entries.filter_map(content).collect()
}

/// What an object holds, checked once more.
fn content(opened: &Opened, digest: &VerityDigest, size: u64) -> Result<Vec<u8>, Error> {
    let extent = opened.locate(digest, size)?;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let read = extent.file.read_exact_at(&mut bytes, extent.offset);
    read.map_err(|error| Error::outside("cannot read an object of a module").because(&error))?;
    match verity::digest(&bytes) == *digest {
        true => Ok(bytes),
        false => Err(Error::refused("an object of a module is not what its name says")),
    }
}
