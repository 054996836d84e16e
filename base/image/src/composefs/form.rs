//! What decides an image besides the tree: the version, and what C tools take over from a dump although
//! the tree already says it, or says otherwise.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::format::{C_FILE_LIMIT, COMPOSEFS_VERSION, FILE_LIMIT, PARENT_MARKS};
use crate::tree::{Entries, NodeId, Tree};

/// A name: the directory and the entry.
pub(super) type Home = (NodeId, Box<[u8]>);

/// How an image of a tree is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The version of composefs: 0 or 1.
    pub(super) version: u32,
    /// Whether it is made by a build, within the limits of a build.
    pub(super) is_own: bool,
    /// How many names an inode claims to have, where that is not the number it has.
    pub(super) links: BTreeMap<NodeId, u32>,
    /// The name by which an inode with several names stands in the order, where that is not the first of a walk.
    pub(super) homes: BTreeMap<NodeId, Home>,
    /// Devices, pipes and sockets in the long form without need: their dump gave them a size beyond 32 bits.
    pub(super) long: BTreeSet<NodeId>,
}

/// How a build writes.
pub(super) static OWN: Form = Form::new(COMPOSEFS_VERSION, true);

impl Form {
    const fn new(version: u32, is_own: bool) -> Self {
        Self { version, is_own, links: BTreeMap::new(), homes: BTreeMap::new(), long: BTreeSet::new() }
    }

    /// How C tools write, to be filled.
    pub(super) const fn others(version: u32) -> Self {
        Self::new(version, false)
    }

    /// The version of composefs: 0 or 1.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The largest file in bytes.
    pub(super) fn file_limit(&self) -> u64 {
        if self.is_own { FILE_LIMIT } else { C_FILE_LIMIT }
    }

    /// The marks of a directory that holds whiteouts, in the order in which C tools set them.
    pub(super) fn parent_marks(&self) -> &'static [(&'static [u8], &'static [u8])] {
        parent_marks(self.version)
    }

    /// Whether everything but the version is as a build has it.
    pub(super) fn is_plain(&self) -> bool {
        self.links.is_empty() && self.homes.is_empty() && self.long.is_empty()
    }
}

/// See [`Form::parent_marks`]: version 0 has only the first two.
pub(super) fn parent_marks(version: u32) -> &'static [(&'static [u8], &'static [u8])] {
    if version == 0 { &PARENT_MARKS[..2] } else { &PARENT_MARKS }
}

/// Takes away the `homes` that are the first names of a walk.
pub(super) fn drop_usual<C>(homes: &mut BTreeMap<NodeId, Home>, tree: &Tree<C>) {
    if homes.is_empty() {
        return;
    }
    let mut first: HashMap<NodeId, (NodeId, &[u8])> = HashMap::new();
    let children = |id: NodeId| tree.node(id).entries().into_iter().flat_map(Entries::iter);
    let mut pending = vec![(NodeId::ROOT, children(NodeId::ROOT))];
    while let Some((directory, entries)) = pending.last_mut() {
        let Some((name, child)) = entries.next() else {
            pending.pop();
            continue;
        };
        if homes.contains_key(child) {
            first.entry(*child).or_insert((*directory, name));
        }
        if tree.node(*child).is_directory() {
            pending.push((*child, children(*child)));
        }
    }
    homes.retain(|id, (directory, name)| first.get(id) != Some(&(*directory, name)));
}
