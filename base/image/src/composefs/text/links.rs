//! The hard links of a dump, whose targets may come after them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::error::ImageError;
use super::super::form::{Form, Home, parent_marks};
use super::super::format::WHITEOUT_MARKS;
use super::super::{Entry, unescape};
use super::fields::{SHOWN, shown};
use crate::tree::{Entries, Kind, NodeId, Tree};

/// A hard link's target, and where it stands.
pub(super) struct Wanted {
    pub(super) target: Vec<u8>,
    pub(super) line: u64,
    pub(super) column: usize,
}

/// The names that lead to inodes of other lines.
#[derive(Default)]
pub(super) struct Links {
    /// The name on whose line each inode stands.
    pub(super) first: BTreeMap<NodeId, Home>,
    wanted: HashMap<Home, Wanted>,
    order: Vec<Home>,
}

impl Links {
    pub(super) fn add(&mut self, directory: NodeId, name: Box<[u8]>, wanted: Wanted) {
        self.order.push((directory, name.clone()));
        self.wanted.insert((directory, name), wanted);
    }

    /// Whether `directory` has such a link.
    pub(super) fn has(&self, directory: NodeId, name: &[u8]) -> bool {
        !self.wanted.is_empty() && self.wanted.contains_key(&(directory, name.into()))
    }

    /// Gives each link its inode, and says of each inode with several names by which of them it stands.
    pub(super) fn resolve(self, tree: &mut Tree<Entry>) -> Result<BTreeMap<NodeId, Home>, ImageError> {
        let mut homes = BTreeMap::new();
        let mut found = Vec::with_capacity(self.order.len());
        for home in &self.order {
            let id = self.target(tree, home)?;
            homes.extend(self.first.get(&id).map(|first| (id, first.clone())));
            found.push(id);
        }
        for ((directory, name), id) in self.order.iter().zip(found) {
            // It was looked at when the link was added.
            let _ = tree.link(*directory, name, id);
        }
        Ok(homes)
    }

    /// The inode to which a link leads, through other links.
    fn target(&self, tree: &Tree<Entry>, home: &Home) -> Result<NodeId, ImageError> {
        let start = &self.wanted[home];
        let fault = |problem: &str| {
            let problem = format!("{problem}: {}", shown(&start.target, SHOWN));
            ImageError::Dump { line: start.line, column: start.column as u64 + 1, problem }
        };
        let mut wanted = start;
        for _ in 0..=LONGEST {
            let mut at = NodeId::ROOT;
            let mut link = None;
            for name in wanted.target.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
                if link.is_some() {
                    return Err(fault("the target of the hard link is not there"));
                }
                match tree.node(at).entries().and_then(|entries| entries.get(name)) {
                    Some(child) => at = *child,
                    None => {
                        let found = self.wanted.get(&(at, name.into()));
                        link = Some(found.ok_or_else(|| fault("the target of the hard link is not there"))?);
                    }
                }
            }
            match link {
                Some(next) => wanted = next,
                None if tree.node(at).is_directory() => return Err(fault("a hard link leads to a directory")),
                None => return Ok(at),
            }
        }
        Err(fault("the hard link leads to itself, or over too many others"))
    }
}

/// Over how many other links a link may lead. C tools know no limit, and no program writes more than none.
const LONGEST: usize = 16;

/// Makes whiteouts with several names what C tools make of them: marked files, of whose directories only one is
/// marked.
pub(super) fn mark_linked_whiteouts(tree: &mut Tree<Entry>, form: &Form, counts: &[u32]) {
    for (id, (directory, _)) in &form.homes {
        if counts[id.index()] < 2 || !matches!(tree.node(*id).kind, Kind::CharDevice(0)) {
            continue;
        }
        let node = tree.node_mut(*id);
        node.kind = Kind::Regular(Entry::Empty);
        for name in WHITEOUT_MARKS {
            node.stat.xattrs.insert(unescape::plain(name).into(), Box::default());
        }
        let marks = &mut tree.node_mut(*directory).stat.xattrs;
        for (name, value) in parent_marks(form.version) {
            marks.insert(unescape::plain(name).into(), Box::from(*value));
        }
    }
}

/// Takes the marks away that a dump of an image names, of directories that hold whiteouts: they follow.
pub(super) fn drop_marks(tree: &mut Tree<Entry>, form: &Form, directories: &BTreeSet<NodeId>) {
    for directory in directories {
        let mut entries = tree.node(*directory).entries().into_iter().flat_map(Entries::values);
        if !entries.any(|child| matches!(tree.node(*child).kind, Kind::CharDevice(0))) {
            continue;
        }
        let marks = &mut tree.node_mut(*directory).stat.xattrs;
        for (name, value) in parent_marks(form.version) {
            let name = unescape::plain(name);
            if marks.get(&*name).is_some_and(|found| **found == **value) {
                marks.remove(&name);
            }
        }
    }
}
