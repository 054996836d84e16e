//! The numbers of a build in the files of a tree, and those of the fleet in their places.

use std::collections::BTreeMap;

use image::tree::Tree;

use super::attributes;

/// The numbers of a build, and those of the fleet in their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Of users.
    pub uids: BTreeMap<u32, u32>,
    /// Of groups.
    pub gids: BTreeMap<u32, u32>,
}

impl Mapping {
    /// Gives every inode of `tree` the fleet's numbers for those of the build.
    pub fn apply<C>(&self, tree: &mut Tree<C>) {
        let ids: Vec<_> = tree.walk().map(|(_, id, _)| id).collect();
        let mut seen = vec![false; tree.node_count()];
        for id in ids {
            // A file with several names is changed once.
            if std::mem::replace(&mut seen[id.index()], true) {
                continue;
            }
            let stat = &mut tree.node_mut(id).stat;
            stat.uid = self.uid(stat.uid);
            stat.gid = self.gid(stat.gid);
            attributes::map(&mut stat.xattrs, |id| self.uid(id), |id| self.gid(id));
        }
    }

    fn uid(&self, id: u32) -> u32 {
        self.uids.get(&id).copied().unwrap_or(id)
    }

    fn gid(&self, id: u32) -> u32 {
        self.gids.get(&id).copied().unwrap_or(id)
    }
}
