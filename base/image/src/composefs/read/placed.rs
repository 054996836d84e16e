//! What follows from the places of the inodes in an image, and not from its tree.

use std::collections::BTreeMap;

use crate::composefs::Entry;
use crate::composefs::form::Home;
use crate::tree::{NodeId, Tree};

/// Where inodes lie.
pub(super) struct Placed<'r> {
    /// The node of each inode by its number, which says where it is; none for numbers of no inode, and of stubs.
    pub(super) nodes: &'r [Option<NodeId>],
    /// The stubs of the root by name, with their numbers.
    pub(super) stubs: &'r [(&'r [u8], u64)],
    /// How many names each node says it has, and how many it has.
    pub(super) links: &'r [(u32, u32)],
}

impl Placed<'_> {
    /// How many names each inode says it has, where that is another number.
    pub(super) fn other_counts(&self) -> BTreeMap<NodeId, u32> {
        let said = self.nodes.iter().flatten().filter_map(|id| Some((*id, self.links.get(id.index())?)));
        said.filter(|(_, (said, counted))| said != counted).map(|(id, (said, _))| (id, *said)).collect()
    }

    /// By which of its names each inode with several stands: the inodes are in the order in which their
    /// directories list them, level by level.
    pub(super) fn homes(&self, tree: &Tree<Entry>) -> BTreeMap<NodeId, Home> {
        let mut homes = BTreeMap::new();
        if self.links.iter().all(|(_, counted)| *counted < 2) {
            return homes;
        }
        let mut numbers: BTreeMap<NodeId, u64> = BTreeMap::new();
        let numbered = (0..).zip(self.nodes);
        numbers.extend(numbered.filter_map(|(number, id)| Some(((*id)?, number))));
        let mut order: Vec<u64> =
            numbers.values().copied().chain(self.stubs.iter().map(|(_, number)| *number)).collect();
        order.sort_unstable();
        let mut next = order.into_iter().skip(1).peekable();
        for directory in self.nodes.iter().flatten().filter(|id| tree.node(**id).is_directory()) {
            let entries = tree.node(*directory).entries().into_iter().flatten();
            let mut names: Vec<(&[u8], u64, Option<NodeId>)> =
                entries.filter_map(|(name, id)| Some((&**name, *numbers.get(id)?, Some(*id)))).collect();
            if *directory == NodeId::ROOT {
                names.extend(self.stubs.iter().map(|(name, number)| (*name, *number, None)));
                names.sort_unstable_by_key(|(name, ..)| *name);
            }
            for (name, number, id) in names {
                let is_here = next.next_if_eq(&number).is_some();
                if let Some(id) = id.filter(|id| is_here && self.links[id.index()].1 > 1) {
                    homes.insert(id, (*directory, name.into()));
                }
            }
        }
        homes
    }
}
