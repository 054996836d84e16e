//! What a module leaves to those over which it is laid, since they have it already.

use std::collections::BTreeMap;

use composer::scan::Source;
use image::composefs::Entry;
use image::tree::{Kind, Node, Tree};
use image::verity;
use model::{Diagnostic, ImagePath, Severity};

use super::replaces;
use crate::error::{Error, Findings};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::results::lower::LowerModule;

/// Takes out of `tree`, which is what ships, what modules below have already; gives each path with the module's name.
///
/// # Errors
/// Where one has something else at a path, and `replaces` does not name it; when a file cannot be read.
pub(super) fn leave(
    tree: &mut Tree<Source>,
    modules: &[LowerModule],
    inputs: &Inputs,
) -> Result<BTreeMap<ImagePath, String>, Error> {
    let (mut left, mut differ) = (BTreeMap::new(), Vec::new());
    for (path, _, node) in tree.walk() {
        // What lies uppermost counts on the node.
        let there = modules.iter().rev().find_map(|module| Some((module, module.tree.lookup(&path)?)));
        let Some((module, id)) = there.filter(|_| !node.is_directory()) else { continue };
        if is_same(node, module.tree.node(id))? {
            left.insert(path, module.reference.name.clone());
        } else if !replaces(&inputs.settings.closure.rules, &path) {
            differ.push((path, module.reference.name.clone()));
        }
    }
    if !differ.is_empty() {
        return Err(refused(&differ, inputs));
    }
    for path in left.keys() {
        tree.remove(path);
        prune(tree, path, modules);
    }
    Ok(left)
}

/// Takes the directories around `path` away that are empty by now and that a module below has.
fn prune(tree: &mut Tree<Source>, path: &ImagePath, modules: &[LowerModule]) {
    let mut at = path.parent();
    while let Some(directory) = at.filter(|directory| !directory.is_root()) {
        let entries = tree.lookup(&directory).and_then(|id| tree.node(id).entries());
        let is_empty = entries.is_some_and(|entries| entries.is_empty());
        if !is_empty || !modules.iter().any(|module| module.has(&directory)) {
            return;
        }
        tree.remove(&directory);
        at = directory.parent();
    }
}

fn refused(differ: &[(ImagePath, String)], inputs: &Inputs) -> Error {
    let name = &inputs.manifest.name;
    let finding = |(path, module): &(ImagePath, String)| {
        let message = format!("{name} and {module}, which it is laid over, ship different {path}");
        let hint = format!("name it in `replaces` of [closure] in builder.toml, or mask it: `{path}`");
        Diagnostic::new(Severity::Error, "modules-differ", message, hint).in_file(inputs.file.clone())
    };
    let diagnostics = differ.iter().map(finding).collect();
    Error::refused("the module changes what modules below have")
        .findings(Findings { diagnostics, ..Findings::default() })
}

/// Whether both are the same on a node; times do not count.
fn is_same(own: &Node<Source>, other: &Node<Entry>) -> Result<bool, Error> {
    let owned = |stat: &image::tree::Stat| (stat.mode, stat.uid, stat.gid);
    let is_owned_alike = owned(&own.stat) == owned(&other.stat) && *own.stat.xattrs == *other.stat.xattrs;
    Ok(match (&own.kind, &other.kind) {
        (Kind::Symlink(one), Kind::Symlink(other)) => one == other,
        (Kind::Regular(one), Kind::Regular(other)) => is_owned_alike && is_content(one, other)?,
        (Kind::CharDevice(one), Kind::CharDevice(other)) | (Kind::BlockDevice(one), Kind::BlockDevice(other)) => {
            is_owned_alike && one == other
        }
        (Kind::Fifo, Kind::Fifo) | (Kind::Socket, Kind::Socket) => is_owned_alike,
        (
            Kind::Directory(_)
            | Kind::Symlink(_)
            | Kind::Regular(_)
            | Kind::CharDevice(_)
            | Kind::BlockDevice(_)
            | Kind::Fifo
            | Kind::Socket,
            _,
        ) => false,
    })
}

fn is_content(own: &Source, other: &Entry) -> Result<bool, Error> {
    let read = |limit: usize| own.read(limit as u64).map_err(composer::Error::from);
    Ok(match other {
        Entry::Empty => own.size() == 0,
        Entry::Inline(bytes) => own.size() == bytes.len() as u64 && read(bytes.len())? == **bytes,
        Entry::Object { size, digest } => own.size() == *size && digest_of(own)? == *digest,
        // Only others make such, and no reader of modules takes it.
        Entry::Backing(_) => false,
    })
}

/// The fs-verity digest of a content.
fn digest_of(source: &Source) -> Result<model::VerityDigest, Error> {
    let mut content = source.open().map_err(composer::Error::from)?;
    let (mut hasher, mut buffer) = (verity::Hasher::new(), vec![0; 1 << 16]);
    loop {
        let count = host::read::fill(&mut content, &mut buffer)
            .map_err(|error| Error::outside("cannot read a file of the root file system").because(&error))?;
        hasher.update(&buffer[..count]);
        if count < buffer.len() {
            break;
        }
    }
    content.check().map_err(composer::Error::from)?;
    Ok(hasher.finish())
}
