//! From a root file system to what a module ships of it, with everything that was found on the way.
//!
//! `build` makes outputs of it, `explain` describes it, `build --dry-run` lists it: all see the same steps.

use std::collections::BTreeSet;

use builder::ownership::Ownership;
use builder::rootfs::merged;
use builder::scrub::{self, Scrubbed};
use composer::filter::{Filter, Selection};
use composer::overlay::{Overlay, OverlayReport};
use composer::scan::{self, Options, Source, XattrFilter};
use image::tree::{Kind, Node, Tree};
use model::observe::{Observer, Task, Unit};
use model::{Arch, Digest, Epoch, ImagePath};

use crate::error::Error;
use crate::recipes::build::attributes::Attributes;
use crate::recipes::build::closure::{self, BaseRoot, Closed, Prepared};
use crate::recipes::build::files::{self, FetchedFile, LaidFile};
use crate::recipes::build::generators::{self, Fed, Programs};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::protected::{self, Protected};
use crate::recipes::build::record::{self, Stages};
use crate::recipes::build::request::{BuildRequest, ModuleSource};
use crate::recipes::build::root::Root;
use crate::recipes::build::{node_links, own_accounts};

/// A root file system, and what is shipped of it.
pub(crate) struct Selected {
    /// The whole tree, scrubbed, with the overlay.
    pub(crate) whole: Tree<Source>,
    /// The extended attributes of a root file system that is given, as far as they are not kept.
    pub(crate) dropped: Vec<Attributes>,
    /// The one time of the build.
    pub(crate) epoch: Epoch,
    /// Which package installed what.
    pub(crate) ownership: Ownership,
    /// What is not shipped as it was, by rule.
    pub(crate) scrubbed: Vec<Scrubbed>,
    /// The module's own files, as they were when they were scanned.
    pub(crate) overlay: Overlay,
    /// What the overlay added and replaced.
    pub(crate) laid: OverlayReport,
    /// What the files from addresses added and replaced, below the overlay.
    pub(crate) files: Vec<LaidFile>,
    /// What programs of the root file system computed from the author's files.
    pub(crate) fed: Fed,
    /// The rules, for this tree.
    pub(crate) filter: Filter,
    /// What is shipped.
    pub(crate) selection: Selection<Source>,
    /// What neighbours keep out of it.
    pub(crate) protected: Protected,
    /// A digest after each step.
    pub(crate) stages: Stages,
    /// What became of the closure, where one is shipped.
    pub(crate) closed: Option<Closed>,
    /// The architecture.
    pub(crate) arch: Arch,
}

impl Selected {
    /// Whether the author brought what is at `path`: by the overlay, or from an address.
    pub(crate) fn is_authored(&self, path: &ImagePath) -> bool {
        let mut all = self.files.iter().map(|file| &file.laid).chain([&self.laid]);
        all.any(|laid| [&laid.added, &laid.replaced].iter().any(|paths| paths.binary_search(path).is_ok()))
    }
}

/// A root file system as it is read, before anything is done to it.
pub(crate) struct Raw {
    /// Everything in it.
    pub(crate) tree: Tree<Source>,
    /// The extended attributes that it had and that no image keeps.
    pub(crate) dropped: Vec<Attributes>,
    /// Which package installed what.
    pub(crate) ownership: Ownership,
    /// The one time of the build.
    pub(crate) epoch: Epoch,
    /// The digest of the stage.
    pub(crate) digest: Digest,
    /// What it was made over, where the closure is shipped.
    pub(crate) base: Option<BaseRoot>,
    /// Whether it was made from packages, so that `/usr` is merged on whatever it is laid over.
    pub(crate) is_made: bool,
    /// The architecture.
    pub(crate) arch: Arch,
}

/// Whether programs of `root` may run over what is laid over it.
fn programs<'a>(request: &'a BuildRequest, root: &Root) -> Programs<'a> {
    let given = Programs::Stay("no program of a root file system that is given is run");
    match (request.packages(), &root.made) {
        (Some(_), Some(_)) if root.is_unpacked() => Programs::Stay("the variant extract runs no program"),
        (Some(packages), Some(made)) => {
            Programs::Run { cache: &packages.cache, root: made.record.sha256, fresh: request.is_wary_of(packages) }
        }
        (Some(_), None) | (None, _) => given,
    }
}

/// Reads `root`, scrubs it, lays the overlay over it and filters it.
pub(crate) fn root(
    request: &BuildRequest,
    inputs: &Inputs,
    (root, files): (&Root, &[FetchedFile]),
    observer: &dyn Observer,
) -> Result<Selected, Error> {
    let _task = Task::start(observer, "compose", None, Unit::Items);
    // Of one that is given, what is not kept of it is said.
    let is_made = root.made.is_some();
    let options = if is_made { Options::default() } else { Options { xattrs: XattrFilter::All } };
    let mut tree = scan::rootfs(&root.path, &options)?;
    let dropped = if is_made { Vec::new() } else { take_attributes(&mut tree) };
    if root.is_unpacked() {
        merged::merge(&mut tree).map_err(image::Error::from)?;
    }
    let epoch = request.epoch.or(root.epoch).map_or_else(|| newest(&tree, files), Ok)?;
    let digest = root.sha256().unwrap_or_else(|| record::tree_digest(&tree, epoch));
    let ownership = root.ownership(&tree)?;
    let base = root.base()?;
    closure::require_base(base.as_ref(), inputs)?;
    let raw = Raw { tree, dropped, ownership, epoch, digest, base, is_made, arch: request.arch };
    self::tree((raw, programs(request, root)), (&request.module, files), inputs, observer)
}

/// Takes the attributes out of `tree` that no image keeps.
fn take_attributes(tree: &mut Tree<Source>) -> Vec<Attributes> {
    let kept = XattrFilter::default();
    let others =
        |node: &Node<Source>| node.stat.xattrs.keys().filter(|name| !kept.keeps(name)).cloned().collect::<Vec<_>>();
    let found: Vec<_> =
        tree.walk().map(|(path, id, node)| (path, id, others(node))).filter(|(.., names)| !names.is_empty()).collect();
    for (_, id, names) in &found {
        let attributes = &mut tree.node_mut(*id).stat.xattrs;
        names.iter().for_each(|name| drop(attributes.remove(name)));
    }
    found.into_iter().map(|(path, _, names)| (path, names)).collect()
}

/// The same for a tree that was read already.
pub(crate) fn tree(
    (raw, programs): (Raw, Programs<'_>),
    (module, files): (&ModuleSource, &[FetchedFile]),
    inputs: &Inputs,
    observer: &dyn Observer,
) -> Result<Selected, Error> {
    let Raw { tree: mut whole, dropped, mut ownership, epoch, digest, base, is_made, arch } = raw;
    if let Some(base) = &base {
        ownership = ownership.over(&base.tree, base.packages.clone());
    }
    let overlay = module.overlay()?;
    let links = node_links::of(&mut whole, is_made, (&overlay, files))?;
    let lines = own_accounts::lines(&overlay, files)?;
    let prepared = base.map(|base| closure::prepare(base, (&mut whole, &ownership), &lines, inputs)).transpose()?;
    let names = own_accounts::names(prepared.as_ref().map(|prepared| &prepared.assigned), &lines, inputs);
    let scrubbed = scrub::apply(&mut whole, &ownership, epoch, observer)?;
    let scrub = record::tree_digest(&whole, epoch);
    let files = files::lay(files, &module.settings, (&mut whole, &names), epoch)?;
    let laid = overlay.apply_with(&mut whole, epoch, &names)?;
    let authored: Vec<&OverlayReport> = files.iter().map(|file| &file.laid).chain([&laid]).collect();
    let fed = generators::feed(&mut whole, &authored, programs, epoch, observer)?;
    whole.clamp_times(epoch);

    let mut owned: BTreeSet<ImagePath> = match &prepared {
        Some(prepared) => prepared.paths(&whole, inputs),
        None => ownership.of_requested(&whole, &inputs.manifest.requests()),
    };
    // The links of a merged /usr are the base's, whichever package has a directory of that name.
    owned.retain(|path| !merged::is_alias(path));
    let brought = files.iter().map(|file| &file.laid).chain([&laid]);
    owned.extend(brought.flat_map(|laid| laid.added.iter().chain(&laid.replaced)).chain(fed.paths()).cloned());
    let with_unnamed = |filter: Filter| match &prepared {
        Some(_) => filter.with_closure(&owned),
        None => filter.with_owned(owned.clone()),
    };
    let filter = with_unnamed(Filter::new(&inputs.rules, &whole)?);
    let mut selection = filter.apply(&whole)?;
    let protected = protected::find(inputs, &whole, (&filter, &selection.tree), with_unnamed)?;
    node_links::check(&selection.tree, &links)?;
    let close =
        |prepared: Prepared| prepared.close(&mut selection.tree, (&mut whole, &filter, &ownership), inputs, epoch);
    let closed = prepared.map(close).transpose()?;
    let stages = Stages {
        rootfs: digest,
        scrub,
        overlay: record::tree_digest(&whole, epoch),
        filter: record::tree_digest(&selection.tree, epoch),
    };
    Ok(Selected {
        whole,
        dropped,
        epoch,
        ownership,
        scrubbed,
        overlay,
        laid,
        files,
        fed,
        filter,
        selection,
        protected,
        stages,
        closed,
        arch,
    })
}

/// The time of the newest file of `tree` or of the archives of `fetched`: the epoch where nothing else has one, as in a root
/// file system that the user names, or in one of no package.
///
/// # Errors
/// When that is no time of a build.
pub(crate) fn newest(tree: &Tree<Source>, fetched: &[FetchedFile]) -> Result<Epoch, Error> {
    let files = tree.walk().filter(|(_, _, node)| !matches!(node.kind, Kind::Directory(_)));
    let seconds =
        files.map(|(_, _, node)| node.stat.mtime.seconds).max().unwrap_or(0).max(files::newest(fetched)).max(0);
    Epoch::from_seconds(seconds).map_err(|error| {
        Error::input("the root file system, or an archive of [[file]], holds a file from after the year 9999")
            .because(&error)
            .hint("set SOURCE_DATE_EPOCH to the time that the build must have")
    })
}
