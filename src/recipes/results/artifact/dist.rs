//! A dist directory: every file in it is recomputed from the others, or compared with them.

use std::collections::{BTreeMap, BTreeSet};

use host::{Dir, Links};
use image::archive::IMAGE_LIMIT;
use model::Epoch;
use model::closure::ModuleRef;
use model::record::{Closure, RootInput};
use model::requirements::{self, PackageVersion, Requirements};
use model::resolution::Resolved;

use super::{
    Archived, Artifact, Blob, Form, MANIFEST_LIMIT, Module, REBUILD, TEXT_LIMIT, blob, check_archive, checks, layouts,
    misplaced,
};
use crate::error::Error;
use crate::recipes::results::record::{self, Several};

/// `sha256:`, 64 digits, a line break; more is damage.
const DIGEST_LIMIT: u64 = 128;

/// The image indexes of a layout by tag.
type Indexes = BTreeMap<String, oci::layout::ListedIndex>;

/// A dist directory that is being read.
struct Dist<'a> {
    directory: &'a Dir,
    /// Every file that was read, by its name.
    seen: BTreeMap<String, Blob>,
}

/// Opens the dist directory.
pub(super) fn open(directory: &Dir) -> Result<Artifact, Error> {
    let (module, indexes) = one(directory)?;
    Ok(Artifact { form: Form::Dist, modules: vec![module], indexes })
}

/// The record of a build for several architectures, where that is in the directory.
pub(super) fn several(directory: &Dir) -> Result<Option<Several>, Error> {
    let bytes = directory.read_if_there(record::FILE, Links::Refuse, record::LIMIT).map_err(misplaced)?;
    bytes.map_or(Ok(None), |bytes| Several::parse(&bytes, &directory.join(record::FILE)))
}

/// Opens the dist directory of several architectures.
pub(super) fn open_several(directory: &Dir, several: &Several) -> Result<Artifact, Error> {
    check_whole(directory)?;
    let wrong =
        |what: String| Error::refused(format!("{} {what}", directory.join(record::FILE).display())).hint(REBUILD);
    let mut dist = Dist { directory, seen: BTreeMap::new() };
    let manifest = dist.read("manifest.json", MANIFEST_LIMIT)?;
    let mut modules = Vec::new();
    for (arch, digest) in several.architectures() {
        let name = arch.debian();
        let below = directory.directory(name, Links::Refuse).map_err(|error| dist.incomplete(error))?;
        let (mut module, _) = one(&below)?;
        if module.files.get(record::FILE).is_none_or(|blob| blob.digest != *digest) {
            return Err(wrong(format!("records another build for {name} than the one that is there")));
        }
        same_manifest(name, &manifest, &module)?;
        module.arch = Some(*arch);
        modules.push(module);
    }
    let indexes = dist.common_layout(&mut modules)?;
    let found: Vec<(&str, &Blob)> = dist.seen.iter().map(|(name, blob)| (name.as_str(), blob)).collect();
    let recorded = several.outputs.iter().map(|(name, output)| (name.as_str(), output.sha256, output.size));
    if !found.into_iter().map(|(name, blob)| (name, blob.digest, blob.size)).eq(recorded) {
        return Err(wrong("records other files in common than those that are there".to_owned()));
    }
    Ok(Artifact { form: Form::Dist, modules, indexes })
}

/// The module of one architecture.
fn one(directory: &Dir) -> Result<(Module, Indexes), Error> {
    check_whole(directory)?;
    let mut dist = Dist { directory, seen: BTreeMap::new() };
    let manifest = dist.read("manifest.json", MANIFEST_LIMIT)?;
    let image = dist.read("module.cfs", IMAGE_LIMIT)?;
    let path = |name: &str| directory.join(name);
    let claimed = checks::digest_file(&dist.read("composefs.digest", DIGEST_LIMIT)?, &path("composefs.digest"))?;
    let name = checks::manifest(&manifest, directory.path())?;
    let (tree, composefs) = checks::image(&image, claimed, &path("module.cfs"))?;
    drop(image);
    checks::file_list(&dist.read("file-list.txt", TEXT_LIMIT)?, &tree, &path("file-list.txt"))?;
    checks::file_entries(&dist.read("file-list.json", TEXT_LIMIT)?, &tree, &path("file-list.json"))?;
    checks::package_list(&dist.read("package-list.txt", TEXT_LIMIT)?, &path("package-list.txt"))?;
    let mut module = Module::of(Some((name, manifest)), composefs, tree);
    dist.requirements(&mut module)?;
    dist.tar(&mut module)?;
    let indexes = dist.layout(&mut module)?;
    let epoch = same_time(&module.archives)?;
    dist.record(&module, &indexes, epoch)?;
    let Dist { seen, .. } = dist;
    for (name, blob) in seen {
        let own = if ["manifest.json", "module.cfs", requirements::FILE].contains(&name.as_str()) {
            &mut module.blobs
        } else if !name.starts_with("oci/") && name != "composefs.digest" {
            &mut module.files
        } else {
            continue;
        };
        own.insert(name, blob);
    }
    module.dist = Some(directory.path().to_owned());
    Ok((module, indexes))
}

/// The record of a build is removed first and written last where files are replaced one by one.
fn check_whole(dist: &Dir) -> Result<(), Error> {
    if dist.kind(record::FILE)?.is_some() {
        return Ok(());
    }
    Err(not_whole(dist, format!("it has no {}, which a build writes last", record::FILE)))
}

/// Why a dist directory is refused that a build did not finish.
pub(super) fn not_whole(dist: &Dir, cause: String) -> Error {
    let mut error = Error::refused(format!("{} is not whole", dist.path().display()));
    error.causes.push(cause);
    error.hint("run the build again; fetch it again where it is what `oras pull` wrote")
}

impl Dist<'_> {
    fn has(&self, name: &str) -> Result<bool, Error> {
        Ok(self.directory.kind(name)?.is_some())
    }

    /// A file that `build` always writes.
    fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let bytes = self.directory.read(name, Links::Refuse, limit).map_err(|error| self.incomplete(error))?;
        self.seen.insert(name.to_owned(), blob(&bytes));
        Ok(bytes)
    }

    fn incomplete(&self, error: host::Error) -> Error {
        if !error.is_not_found() {
            return misplaced(error);
        }
        let hint = format!("{} is not whole any more: fetch or build it again", self.directory.path().display());
        Error::refused(format!("there is no {}", error.path().display())).hint(hint)
    }

    fn requirements(&mut self, module: &mut Module) -> Result<(), Error> {
        if !self.has(requirements::FILE)? {
            return Ok(());
        }
        let bytes = self.read(requirements::FILE, requirements::LIMIT)?;
        let path = self.directory.join(requirements::FILE);
        module.requirements = Some(checks::requirements(&bytes, (module, None), &path)?);
        Ok(())
    }

    fn tar(&mut self, module: &mut Module) -> Result<(), Error> {
        if !self.has("module.tar")? {
            return Ok(());
        }
        let file = self.directory.file("module.tar", Links::Refuse).map_err(misplaced)?;
        let (archive, archived) = check_archive(file, &self.directory.join("module.tar"))?;
        if archived.is_compressed {
            return Err(
                Error::refused("module.tar in a dist directory is not compressed, and this one is").hint(REBUILD)
            );
        }
        same("module.tar", "module.cfs", &archive.image_digest, &module.composefs)?;
        same_manifest("module.tar", &archive.manifest, module)?;
        self.seen.insert("module.tar".to_owned(), archived.blob.clone());
        module.archives.push(archived);
        Ok(())
    }

    fn layout(&mut self, module: &mut Module) -> Result<Indexes, Error> {
        let Some(opened) = self.opened_layout()? else { return Ok(BTreeMap::new()) };
        let count = opened.modules.len();
        let Ok([other]) = <[Module; 1]>::try_from(opened.modules) else {
            return Err(
                Error::refused(format!("oci/ holds {count} modules beside module.cfs, which is one")).hint(REBUILD)
            );
        };
        join("oci/", module, other)?;
        check_index(&opened.indexes, std::slice::from_ref(module))?;
        Ok(opened.indexes)
    }

    /// The layout of several architectures, each of which is in a directory of its own, too.
    fn common_layout(&mut self, modules: &mut [Module]) -> Result<Indexes, Error> {
        let Some(opened) = self.opened_layout()? else { return Ok(BTreeMap::new()) };
        let place = self.directory.path().display();
        let mut others: BTreeMap<_, _> = opened.modules.into_iter().map(|other| (other.arch, other)).collect();
        for module in modules.iter_mut() {
            let other = others.remove(&module.arch);
            let lacks = || Error::refused(format!("{place}/oci lacks an architecture that is beside it")).hint(REBUILD);
            join("oci/", module, other.ok_or_else(lacks)?)?;
        }
        if !others.is_empty() {
            return Err(
                Error::refused(format!("{place}/oci holds more modules than there are beside it")).hint(REBUILD)
            );
        }
        check_index(&opened.indexes, modules)?;
        Ok(opened.indexes)
    }

    /// The layout, where there is one; its own two files are seen.
    fn opened_layout(&mut self) -> Result<Option<Artifact>, Error> {
        if !self.has("oci")? {
            return Ok(None);
        }
        let directory = self.directory.directory("oci", Links::Refuse).map_err(misplaced)?;
        for name in ["index.json", "oci-layout"] {
            let bytes = directory.read(name, Links::Refuse, MANIFEST_LIMIT).map_err(|error| self.incomplete(error))?;
            self.seen.insert(format!("oci/{name}"), blob(&bytes));
        }
        let (opened, is_canonical) = layouts::read(&directory)?;
        if !is_canonical {
            let what = directory.join("index.json");
            return Err(Error::refused(format!("{} is not written as a build writes it", what.display())).hint(REBUILD));
        }
        Ok(Some(opened))
    }

    /// What the build recorded of its outputs. No one vouches for the record: it is one more file that
    /// must fit the others.
    fn record(&mut self, module: &Module, indexes: &Indexes, epoch: Option<Epoch>) -> Result<(), Error> {
        if !self.has(record::FILE)? {
            return Ok(());
        }
        let bytes = self.read(record::FILE, record::LIMIT)?;
        let path = self.directory.join(record::FILE);
        let record = record::parse(&bytes, &path)?;
        let wrong = |what: String| Err(Error::refused(format!("{} {what}", path.display())).hint(REBUILD));
        let expected = record::OUTPUTS.iter().filter(|name| self.seen.contains_key(**name));
        let expected: BTreeSet<&str> = expected.copied().collect();
        let names: BTreeSet<&str> = record.outputs.keys().map(String::as_str).collect();
        if let Some(name) = expected.symmetric_difference(&names).next() {
            return wrong(match expected.contains(name) {
                true => format!("does not record {name}, which is there"),
                false => format!("records {name:?}, which is not there"),
            });
        }
        for (name, output) in &record.outputs {
            let found = self.seen.get(name);
            if found.is_none_or(|blob| (blob.digest, blob.size) != (output.sha256, output.size)) {
                return wrong(format!("records another {name} than the one that is there"));
            }
        }
        let inputs = &record.inputs;
        let options = &inputs.options;
        if (options.emit_tar, options.emit_oci) != (self.has("module.tar")?, self.has("oci")?) {
            return wrong("records a build with other outputs than the ones that are there".to_owned());
        }
        let is_of_another_tag = indexes.keys().any(|tag| **tag != *options.tag);
        let is_of_another = is_of_another_tag
            || Some(&inputs.name) != module.name.as_ref()
            || module.arch.is_some_and(|arch| arch != inputs.arch)
            || epoch.is_some_and(|epoch| epoch != inputs.epoch)
            || module.manifest.as_ref().is_some_and(|bytes| blob(bytes).digest != inputs.manifest);
        if is_of_another || !of_one_build(inputs, module.requirements.as_ref()) {
            return wrong("records the build of another module".to_owned());
        }
        Ok(())
    }
}

/// Whether the requirements are those of a build from `inputs`: which ships a closure, over this base, of these packages.
fn of_one_build(inputs: &record::Inputs, found: Option<&Requirements>) -> bool {
    let resolution = match (&inputs.closure, &inputs.rootfs) {
        (Some(_), RootInput::Packages(packages)) => &packages.resolution,
        (_, RootInput::Given { .. }) | (None, RootInput::Packages(_)) => return found.is_none(),
    };
    let (Some(found), Some(base)) = (found, resolution.of_base_alone()) else { return false };
    let own = resolution.packages.iter().filter(|resolved| !resolved.base);
    let same = |recorded: &[PackageVersion], wanted: &mut dyn Iterator<Item = &Resolved>| {
        let wanted = wanted.map(|resolved| (&resolved.package.name, &resolved.package.version));
        recorded.iter().map(|package| (&package.name, &package.version)).eq(wanted)
    };
    let recorded: BTreeSet<&ModuleRef> = inputs.lower.iter().collect();
    let lower: BTreeSet<&ModuleRef> = found.base.module.iter().chain(&found.requires).collect();
    lower == recorded
        && found.arch == inputs.arch
        && found.base.digest == Closure::of(&base).digest()
        && same(&found.base.packages, &mut base.packages.iter())
        && same(&found.packages, &mut own.into_iter())
}

/// Adds what a layout holds of the module to what is beside it.
fn join(what: &str, module: &mut Module, other: Module) -> Result<(), Error> {
    same(what, "module.cfs", &other.composefs, &module.composefs)?;
    same_manifest(what, other.manifest.as_deref().unwrap_or_default(), module)?;
    if other.requirements != module.requirements {
        return Err(Error::refused(format!("{what} holds other requirements than those beside it")).hint(REBUILD));
    }
    (module.arch, module.oci) = (other.arch, other.oci);
    module.blobs.extend(other.blobs);
    module.archives.extend(other.archives);
    Ok(())
}

/// A build writes one index, which lists each of its modules.
fn check_index(indexes: &Indexes, modules: &[Module]) -> Result<(), Error> {
    let digest = |listed: &oci::layout::Listed| listed.descriptor.digest;
    let wanted = || modules.iter().filter_map(|module| module.oci.as_ref()).map(digest);
    let is_whole = |index: &oci::layout::ListedIndex| index.manifests.iter().map(digest).eq(wanted());
    if indexes.len() == 1 && indexes.values().all(is_whole) {
        return Ok(());
    }
    Err(Error::refused("oci/ has not the one index that a build writes").hint(REBUILD))
}

fn same<T: PartialEq + std::fmt::Display>(what: &str, other: &str, found: &T, wanted: &T) -> Result<(), Error> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::refused(format!("{what} holds the image {found}, and {other} is {wanted}")).hint(REBUILD))
}

fn same_manifest(what: &str, found: &[u8], module: &Module) -> Result<(), Error> {
    if module.manifest.as_deref() == Some(found) {
        return Ok(());
    }
    Err(Error::refused(format!("{what} holds another manifest.json than the one beside it")).hint(REBUILD))
}

/// All archives of one build have its one time.
fn same_time(archives: &[Archived]) -> Result<Option<Epoch>, Error> {
    let mut times = archives.iter().map(|archive| archive.epoch);
    let first = times.next();
    match times.find(|other| Some(*other) != first) {
        None => Ok(first),
        Some(_) => Err(Error::refused("module.tar and the archive in oci/ have two times").hint(REBUILD)),
    }
}
