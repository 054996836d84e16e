//! Where a path leads in the whole tree, and whether everything on the way is there on the node.

use image::tree::{Kind, NodeId, Tree};
use model::ImagePath;

use crate::scan::Source;

/// How many links one path may pass through, as in Linux.
const MAX_LINKS: u32 = 40;
/// Directories that a running system fills.
const RUN_TIME: [&[u8]; 5] = [b"proc", b"sys", b"dev", b"run", b"tmp"];
/// Where programs are looked for that are named without a directory (`systemd.exec(5)`).
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What a module ships, and what it was taken from.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The whole root file system, overlay included.
    pub whole: &'a Tree<Source>,
    /// What is shipped of it.
    pub shipped: &'a Tree<Source>,
    /// Whether someone else brings a real path to the node: the base system, or a neighbour.
    pub provided: &'a dyn Fn(&ImagePath) -> bool,
    /// Whether the node makes its linker's cache anew, so that it knows the directories of `ld.so.conf.d`.
    pub makes_cache: bool,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Whether something that is needed will be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It will.
    Met,
    /// The whole tree has it, and these real paths are not shipped: links on the way, then the end.
    Dropped(Vec<ImagePath>),
    /// Not even the whole tree has it.
    Absent,
}

/// The way that a path takes through a tree.
enum Way {
    /// The links that were passed, by their real paths, and what is at the end.
    Leads(Vec<ImagePath>, ImagePath, NodeId),
    /// Into a directory that only a running system fills.
    RunTime,
    /// Nowhere. What is missing: the first name that does not exist, with all that follows.
    Missing(Option<ImagePath>),
}

impl World<'_> {
    /// Whether a link at the real path `from`, or the path itself, leads to something that will be
    /// there. `path` is absolute, or relative to the directory of `from`.
    pub(super) fn reach(&self, from: Option<&ImagePath>, path: &[u8]) -> Reach {
        match way(self.whole, from, path) {
            Way::RunTime => Reach::Met,
            Way::Missing(Some(path)) if (self.provided)(&path) => Reach::Met,
            // What was generated is in the shipped tree alone.
            Way::Missing(_) => match way(self.shipped, from, path) {
                Way::Leads(..) => Reach::Met,
                Way::RunTime | Way::Missing(_) => Reach::Absent,
            },
            Way::Leads(mut steps, end, _) => {
                steps.push(end);
                steps.retain(|step| self.shipped.lookup(step).is_none() && !(self.provided)(step));
                steps.dedup();
                if steps.is_empty() { Reach::Met } else { Reach::Dropped(steps) }
            }
        }
    }

    /// As [`World::reach`] for a program: a path, or a name that is looked for in `PATH`.
    pub(super) fn reach_program(&self, name: &[u8]) -> Reach {
        if name.contains(&b'/') {
            return self.reach(None, name);
        }
        let places = PATH.iter().map(|directory| self.reach(None, &[directory.as_bytes(), b"/", name].concat()));
        best(places)
    }

    /// The file that `path` leads to in the whole tree.
    pub(super) fn file(&self, path: &[u8]) -> Option<(NodeId, &Source)> {
        let Way::Leads(_, _, id) = way(self.whole, None, path) else { return None };
        match &self.whole.node(id).kind {
            Kind::Regular(source) => Some((id, source)),
            _ => None,
        }
    }

    /// Whether the real path will be there.
    pub(super) fn has(&self, path: &ImagePath) -> bool {
        self.shipped.lookup(path).is_some() || (self.provided)(path)
    }
}

/// The first that is met, else the first that was dropped.
pub(super) fn best(places: impl Iterator<Item = Reach>) -> Reach {
    let mut found = Reach::Absent;
    for place in places {
        match place {
            Reach::Met => return Reach::Met,
            dropped if found == Reach::Absent => found = dropped,
            _ => {}
        }
    }
    found
}

/// Follows `path` as a kernel would after `chroot` into the tree.
fn way(tree: &Tree<Source>, from: Option<&ImagePath>, path: &[u8]) -> Way {
    let mut place: Vec<(Vec<u8>, NodeId)> = Vec::new();
    let mut passed = Vec::new();
    let mut links = 0;
    let mut pending: Vec<Vec<u8>> = Vec::new();
    push(&mut pending, path);
    if let Some(directory) = from.filter(|_| !path.starts_with(b"/")).and_then(ImagePath::parent) {
        push(&mut pending, directory.as_bytes());
    }
    while let Some(name) = pending.pop() {
        let here = place.last().map_or(NodeId::ROOT, |(_, id)| *id);
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                place.pop();
                continue;
            }
            _ => {}
        }
        if place.is_empty() && RUN_TIME.contains(&name.as_slice()) {
            return Way::RunTime;
        }
        let Some(child) = tree.node(here).entries().and_then(|entries| entries.get(name.as_slice())).copied() else {
            let rest = std::iter::once(name.as_slice()).chain(pending.iter().rev().map(Vec::as_slice));
            let names = place.iter().map(|(name, _)| name.as_slice()).chain(rest);
            return Way::Missing(join(names));
        };
        let Kind::Symlink(target) = &tree.node(child).kind else {
            place.push((name, child));
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return Way::Missing(None);
        }
        passed.extend(join(place.iter().map(|(name, _)| name.as_slice()).chain([name.as_slice()])));
        if target.starts_with(b"/") {
            place.clear();
        }
        push(&mut pending, target);
    }
    let end = join(place.iter().map(|(name, _)| name.as_slice())).unwrap_or_else(ImagePath::root);
    Way::Leads(passed, end, place.last().map_or(NodeId::ROOT, |(_, id)| *id))
}

/// Puts the components of `path` on the stack, the first one on top.
fn push(pending: &mut Vec<Vec<u8>>, path: &[u8]) {
    pending.extend(path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
}

fn join<'a>(names: impl Iterator<Item = &'a [u8]>) -> Option<ImagePath> {
    let bytes = names.fold(Vec::new(), |bytes, name| [bytes.as_slice(), b"/", name].concat());
    ImagePath::new(bytes).ok()
}
