//! What a build would ship, reported from the packages' own file lists.
//!
//! Nothing is installed, no maintainer script runs and no root rights are needed; files that such
//! scripts make are therefore not listed, and the output says so.

use builder::ownership::Ownership;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use builder::apt::{Reason, Resolution};
use builder::dpkg::Database;
use builder::rootfs::deb::{DebContents, DebEntry, DebKind, Metadata};
use composer::scan::Source;
use host::{Dir, staged};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::observe::Observer;
use model::package::Package;
use model::path::json::keys;
use model::{Arch, Epoch, ImagePath};
use serde::Serialize;

use crate::error::{Error, Findings, Reported};
use crate::recipes::build::closure::BaseRoot;
use crate::recipes::build::files::FetchedFile;
use crate::recipes::build::generators::Programs;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::known::Known;
use crate::recipes::build::lints;
use crate::recipes::build::makeable;
use crate::recipes::build::request::{BuildRequest, Checks, RootSource};
use crate::recipes::build::select::{self, Raw, Selected};
use crate::recipes::build::selection::Seen;
use crate::recipes::build::several::{self, SeveralRequest};
use crate::recipes::build::staging::{Output, Staging};
use crate::recipes::build::{files, inputs, obtained, places, record, root, selection, special};
use crate::recipes::packages::deb_contents;
use crate::recipes::results::counts::Counts;
use crate::recipes::results::file_lists;

/// What a dry run found.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    /// The directory with the lists.
    #[serde(flatten, serialize_with = "keys::output")]
    pub(crate) output: PathBuf,
    /// How many paths `file-list.txt` holds.
    pub(crate) files: usize,
    /// How many files, links and directories a build would ship.
    #[serde(skip)]
    pub(crate) counts: Counts,
    /// How many packages `package-list.txt` holds.
    pub(crate) packages: usize,
}

/// Writes `manifest.json`, `file-list.txt` and `package-list.txt`: never in the place of a build.
pub(crate) fn run(request: &BuildRequest, observer: &dyn Observer) -> Result<Reported<Listed>, Error> {
    Reported::collect(|found| {
        let (inputs, output) = begin(request, (&request.outputs.directory, &request.checks), found, observer)?;
        let lists = list(request, &inputs, found, observer)?;
        let staging = Staging::new(&output)?;
        let listed = lists.write(staging.directory(), &inputs, output.path())?;
        end(staging, &inputs, request, observer)?;
        Ok(listed)
    })
}

/// What a dry run for several architectures found.
#[derive(Debug, Serialize)]
pub(crate) struct ListedSeveral {
    /// The directory with the lists of all.
    #[serde(flatten, serialize_with = "keys::output")]
    pub(crate) output: PathBuf,
    /// What was found for each.
    pub(crate) architectures: BTreeMap<Arch, Listed>,
}

/// The same for several architectures: a directory for each, and `manifest.json` in common.
pub(crate) fn run_several(request: &SeveralRequest, observer: &dyn Observer) -> Result<Reported<ListedSeveral>, Error> {
    Reported::collect(|found| {
        let places = (request.outputs.directory.as_path(), &request.checks);
        let (inputs, output) = begin(request.any()?, places, found, observer)?;
        let (mut all, mut findings) = (Vec::new(), Vec::new());
        for request in &request.each {
            let mut own = Findings::default();
            match list(request, &inputs, &mut own, observer) {
                Ok(lists) => all.push((request.arch, lists)),
                Err(error) => return Err(several::failed(error, (request.arch, own), findings, found)),
            }
            findings.push((request.arch, own));
        }
        several::merge_checked(findings, request, found)?;
        let staging = Staging::new(&output)?;
        let mut architectures = BTreeMap::new();
        for (arch, lists) in all {
            let directory = staging.directory().create_directory(arch.debian(), 0o755)?;
            architectures.insert(arch, lists.write(&directory, &inputs, &output.path().join(arch.debian()))?);
            staged::make_durable(&directory)?;
        }
        staging.write("manifest.json", &inputs.manifest.canonical_json())?;
        end(staging, &inputs, request.any()?, observer)?;
        Ok(ListedSeveral { output: output.path().to_owned(), architectures })
    })
}

/// Reads the manifests, and finds where the lists go.
fn begin(
    request: &BuildRequest,
    (directory, checks): (&Path, &Checks),
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<(Inputs, Output), Error> {
    inputs::check_directory(request.module.directory())?;
    places::check(request, directory)?;
    let output = Output::of_dry_run(directory)?;
    let inputs = inputs::read_for_build(&request.module, checks, found)?;
    output.check_module(&inputs.manifest.name, request.module.directory())?;
    found.diagnostics.extend(makeable::note(request, &inputs, observer));
    Ok((inputs, output))
}

/// Puts the lists in their place, and says what those of packages are worth.
fn end(staging: Staging<'_>, inputs: &Inputs, request: &BuildRequest, observer: &dyn Observer) -> Result<(), Error> {
    staging.commit("manifest.json", (&inputs.manifest.name, request.module.directory()), observer)?;
    if request.packages().is_none() {
        return Ok(());
    }
    observer.note(
        "no maintainer script ran: files that such scripts make (links, alternatives, generated configuration) are \
         not listed",
    );
    observer.note(
        "the packages' files are known by name only: what libraries, interpreters and programs they need, `build` finds",
    );
    Ok(())
}

/// What is listed for one architecture.
struct Lists {
    files: Vec<u8>,
    count: usize,
    counts: Counts,
    packages: Vec<Package>,
}

impl Lists {
    fn of(selected: &Selected, packages: Vec<Package>) -> Self {
        let listed = file_lists::listed(&selected.selection.tree);
        Self {
            files: file_lists::files(&listed),
            count: listed.len(),
            counts: Counts::of(&selected.selection.tree),
            packages,
        }
    }

    /// Writes the lists to `directory`, which `path` leads to.
    fn write(&self, directory: &Dir, inputs: &Inputs, path: &Path) -> Result<Listed, Error> {
        let write = |name: &str, content: &[u8]| directory.write(name, content, 0o644);
        write("manifest.json", &inputs.manifest.canonical_json())?;
        write("file-list.txt", &self.files)?;
        write("package-list.txt", file_lists::packages(&self.packages).as_bytes())?;
        Ok(Listed { output: path.to_owned(), files: self.count, counts: self.counts, packages: self.packages.len() })
    }
}

fn list(
    request: &BuildRequest,
    inputs: &Inputs,
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<Lists, Error> {
    let packages = match &request.root {
        RootSource::Packages(packages) => packages,
        RootSource::Given(_) => return list_given(request, inputs, found, observer),
    };
    let resolution = root::closure(packages, inputs, observer)?;
    // Until they were read, `cache gc` must not take the packages away.
    let in_use = packages.cache.in_use(observer)?;
    let listings = deb_contents::obtain(&resolution, None, request.is_wary_of(packages), packages, observer)?;
    drop(in_use);
    let unpacked = unpack(&resolution, listings);
    let epoch = request.epoch.or_else(|| resolution.newest());
    let files = files::obtain(request, observer)?;
    let selected = select((unpacked, epoch, &files), request, inputs, found, observer)?;
    let packages = resolution.packages.iter().map(|resolved| resolved.package.clone()).collect();
    Ok(Lists::of(&selected, packages))
}

/// The same for a root file system that the user named, where nothing is unknown.
fn list_given(
    request: &BuildRequest,
    inputs: &Inputs,
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<Lists, Error> {
    let (files, root) = obtained::obtain(request, inputs, observer)?;
    let selected = select::root(request, inputs, (&root, &files), observer)?;
    let mut lints = lints::find(inputs, &selected, Known::Contents)?.diagnostics;
    lints.extend(special::find(inputs, &selected));
    selection::report(inputs, (&selected, Seen::All), lints, &request.checks, found)?;
    let packages = selected.ownership.packages();
    Ok(Lists::of(&selected, packages))
}

/// What the packages would ship; what is to be said of it goes to `found`.
fn select(
    (unpacked, epoch, files): (Vec<Unpacked>, Option<Epoch>, &[FetchedFile]),
    request: &BuildRequest,
    inputs: &Inputs,
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<Selected, Error> {
    let tree = lay_out(&unpacked.iter().collect::<Vec<_>>())?;
    let epoch = epoch.map_or_else(|| select::newest(&tree, files), Ok)?;
    let base = base(&unpacked, request.arch)?;
    let seen = if unpacked.iter().any(Unpacked::makes_files) { Seen::Listed } else { Seen::All };
    let database =
        Database::from_packages(unpacked.into_iter().map(|deb| (deb.package, deb.metadata, deb.entries)).collect());
    let ownership = Ownership::new(&tree, database);
    let digest = record::tree_digest(&tree, epoch);
    let (is_made, arch) = (true, request.arch);
    let raw = (Raw { tree, dropped: Vec::new(), ownership, epoch, digest, base, is_made, arch }, Programs::Unknown);
    let selected = select::tree(raw, (&request.module, files), inputs, observer)?;
    let lints = lints::find(inputs, &selected, Known::Names)?.diagnostics;
    selection::report(inputs, (&selected, seen), lints, &request.checks, found)?;
    Ok(selected)
}

/// The same of the packages of the base alone, where the closure is shipped.
fn base(unpacked: &[Unpacked], arch: Arch) -> Result<Option<BaseRoot>, Error> {
    let of_base: Vec<&Unpacked> = unpacked.iter().filter(|deb| deb.is_of_base).collect();
    let packages: BTreeSet<String> = of_base.iter().map(|deb| deb.package.name.clone()).collect();
    if packages.is_empty() {
        return Ok(None);
    }
    let brought = of_base.iter().filter(|deb| deb.is_brought).map(|deb| deb.package.name.clone()).collect();
    Ok(Some(BaseRoot { tree: lay_out(&of_base)?, packages, brought, arch }))
}

/// A package's own account of itself.
struct Unpacked {
    package: Package,
    is_base: bool,
    /// Whether the base has it, over which the module is laid.
    is_of_base: bool,
    /// Whether that is a module which lies between.
    is_brought: bool,
    metadata: Metadata,
    entries: Vec<DebEntry>,
}

impl Unpacked {
    /// Whether a script of it runs when it is installed, which may make files that it does not list.
    fn makes_files(&self) -> bool {
        self.metadata.maintainer_scripts.iter().any(|script| script == "postinst" || script == "preinst")
    }
}

fn unpack(resolution: &Resolution, listings: Vec<DebContents>) -> Vec<Unpacked> {
    let named = resolution.packages.iter().zip(listings);
    let mut unpacked: Vec<Unpacked> = named
        .map(|(resolved, DebContents { metadata, entries })| Unpacked {
            package: resolved.package.clone(),
            is_base: matches!(resolved.reason, Reason::Base(_)),
            is_of_base: resolved.base,
            is_brought: resolved.module.is_some(),
            metadata,
            entries,
        })
        .collect();
    // The base is unpacked first, so that its links are there when others put files below them.
    unpacked.sort_by_key(|deb| !deb.is_base);
    unpacked
}

/// The tree that unpacking would give, names only: all regular files are empty.
fn lay_out(unpacked: &[&Unpacked]) -> Result<Tree<Source>, Error> {
    let mut tree = Tree::new(stat(0o755));
    let all = || unpacked.iter().flat_map(|deb| &deb.entries);
    for name in builder::rootfs::merged::ALIASES {
        let below = |entry: &DebEntry| entry.path.components().next() == Some(name.as_bytes());
        if all().any(below) {
            let usr = directory(&mut tree, &path(&format!("/usr/{name}"))?)?;
            debug_assert!(tree.node(usr).is_directory());
            put(
                &mut tree,
                &path(&format!("/{name}"))?,
                Kind::Symlink(Box::from(format!("usr/{name}").as_bytes())),
                0o777,
            )?;
        }
    }
    for entry in all() {
        place(&mut tree, entry)?;
    }
    Ok(tree)
}

fn place(tree: &mut Tree<Source>, entry: &DebEntry) -> Result<(), Error> {
    let at = tree.resolve_parent(&entry.path);
    if at.is_root() {
        return Ok(());
    }
    let kind = match &entry.kind {
        DebKind::Directory => {
            // A link to a directory stays, as dpkg leaves it.
            if tree.resolve(&at).is_none_or(|id| !tree.node(id).is_directory()) {
                directory(tree, &at)?;
            }
            return Ok(());
        }
        DebKind::Regular => Kind::Regular(Source::Bytes(Arc::from([]))),
        DebKind::Symlink(target) => Kind::Symlink(target.clone()),
        DebKind::HardLink(target) => {
            let target = tree.lookup(&tree.resolve_parent(target));
            let target = target.filter(|id| !tree.node(*id).is_directory());
            let missing = || Error::outside(format!("{} is a hard link to nothing in its package", entry.path));
            return link(tree, &at, target.ok_or_else(missing)?);
        }
        DebKind::CharDevice(..) | DebKind::BlockDevice(..) | DebKind::Fifo => Kind::Fifo,
    };
    let is_directory = tree.lookup(&at).is_some_and(|id| tree.node(id).is_directory());
    if is_directory { Ok(()) } else { put(tree, &at, kind, entry.mode) }
}

fn path(text: &str) -> Result<ImagePath, Error> {
    ImagePath::new(text).map_err(|error| Error::bug(error.to_string()))
}

fn stat(mode: u16) -> Stat {
    Stat::root_owned(mode, Mtime::default())
}

fn put(tree: &mut Tree<Source>, at: &ImagePath, kind: Kind<Source>, mode: u16) -> Result<(), Error> {
    let node = tree.add(Node { stat: stat(mode), kind }).map_err(image::Error::from)?;
    link(tree, at, node)
}

fn link(tree: &mut Tree<Source>, at: &ImagePath, node: NodeId) -> Result<(), Error> {
    let parent = directory(tree, &at.parent().unwrap_or_else(ImagePath::root))?;
    tree.link(parent, at.file_name().unwrap_or_default(), node).map_err(image::Error::from)?;
    Ok(())
}

/// The directory at the real path `at`, made with its parents where it is missing.
fn directory(tree: &mut Tree<Source>, at: &ImagePath) -> Result<NodeId, Error> {
    if let Some(id) = tree.resolve(at).filter(|id| tree.node(*id).is_directory()) {
        return Ok(id);
    }
    let Some(parent) = at.parent() else { return Ok(NodeId::ROOT) };
    let parent = directory(tree, &parent)?;
    let node =
        tree.add(Node { stat: stat(0o755), kind: Kind::Directory(Entries::new()) }).map_err(image::Error::from)?;
    tree.link(parent, at.file_name().unwrap_or_default(), node).map_err(image::Error::from)?;
    Ok(node)
}

#[cfg(test)]
mod tests;
