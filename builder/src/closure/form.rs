//! What a tree is turned into the form of a node with, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use image::tree::{Stat, Tree};
use model::{Epoch, ImagePath};

use super::tmpfiles::Owner;

/// Names of numbers, as the node will have them.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Of users.
    pub users: BTreeMap<u32, String>,
    /// Of groups.
    pub groups: BTreeMap<u32, String>,
}

impl Named {
    /// The names of the user and of the group of an inode; their numbers where they have none.
    #[must_use]
    pub fn of(&self, stat: &Stat) -> (String, String) {
        let Owner { user, group } = self.owner(stat);
        (user, group)
    }

    pub(super) fn owner(&self, stat: &Stat) -> Owner {
        let name = |names: &BTreeMap<u32, String>, id: u32| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        Owner { user: name(&self.users, stat.uid), group: name(&self.groups, stat.gid) }
    }
}

/// What a module's tree is turned into the form of a node with.
pub struct Form<'a, C> {
    /// The module's name, which generated files have in theirs.
    pub name: &'a str,
    /// The base, whose directories in `/var` the node has.
    pub base: &'a Tree<C>,
    /// Names of numbers.
    pub named: &'a Named,
    /// The text of the sysusers.d file; empty where there are no accounts.
    pub sysusers: &'a str,
    /// Links, each with its target: what enables units, and what stands for secrets.
    pub links: &'a [(ImagePath, String)],
    /// Further files with their contents: units of the first start.
    pub files: &'a [(ImagePath, String)],
    /// Directories in `/var` besides those of the tree.
    pub directories: &'a [(ImagePath, Stat)],
    /// Whether what is generated may be at a path.
    pub may_ship: &'a dyn Fn(&ImagePath) -> bool,
    /// The time of what is generated.
    pub epoch: Epoch,
}

/// What became of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeForm {
    /// What was added to it.
    pub generated: Vec<ImagePath>,
    /// What would have been, had it been allowed.
    pub masked: Vec<ImagePath>,
    /// What the node makes in `/var`.
    pub in_var: BTreeSet<ImagePath>,
    /// Where files of `/var` are in it, by the place that they have on the node.
    pub moved: BTreeMap<ImagePath, ImagePath>,
    /// What of `/var` no line of tmpfiles.d can make: devices, pipes, sockets, names that are no line of text, capabilities,
    /// and what systemd-tmpfiles finds no safe way to.
    pub lost: Vec<ImagePath>,
}
