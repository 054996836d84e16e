//! Changes to a tree: what scrubbing and normalising need.

use model::{Epoch, ImagePath};

use crate::tree::{Kind, Mtime, Tree};

impl<C> Tree<C> {
    /// Takes the name `path` out of the tree, with all below it, following no link. Whether it was
    /// there. The root cannot be removed. The directory's time stays as it is.
    pub fn remove(&mut self, path: &ImagePath) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let Some(parent) = self.lookup(&parent) else { return false };
        self.unlink(parent, name).is_some()
    }

    /// Gives every inode that is newer than `epoch` the time `epoch`. Whether one is newer is judged
    /// to the nanosecond.
    pub fn clamp_times(&mut self, epoch: Epoch) {
        let latest = Mtime { seconds: epoch.seconds(), nanoseconds: 0 };
        for node in self.nodes_mut() {
            node.stat.mtime = node.stat.mtime.min(latest);
        }
    }

    /// Gives the regular file at `path` another content, for all of its hard links. Follows no link.
    /// Whether there is a regular file.
    pub fn replace_content(&mut self, path: &ImagePath, content: C) -> bool {
        let Some(id) = self.lookup(path) else { return false };
        match &mut self.node_mut(id).kind {
            Kind::Regular(old) => {
                *old = content;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;
    use crate::tree::{Entries, Node, NodeId, Stat};

    #[test]
    fn names_contents_and_times_change_where_asked() {
        let time = |seconds, nanoseconds| Mtime { seconds, nanoseconds };
        let mut tree: Tree<&str> = Tree::new(Stat::root_owned(0o755, time(100, 1)));
        let kind = Kind::Directory(Entries::new());
        let directory = tree.add(Node { stat: Stat::root_owned(0o755, time(-5, 7)), kind }).unwrap();
        tree.link(NodeId::ROOT, b"d", directory).unwrap();
        let kind = Kind::Regular("old");
        let file = tree.add(Node { stat: Stat::root_owned(0o644, time(101, 0)), kind }).unwrap();
        tree.link(directory, b"f", file).unwrap();
        tree.link(NodeId::ROOT, b"g", file).unwrap();
        let path = |text| ImagePath::new(text).unwrap();

        assert!(tree.replace_content(&path("/d/f"), "new"));
        assert!(!tree.replace_content(&path("/d"), "new"));
        assert!(!tree.replace_content(&path("/x"), "new"));
        assert!(matches!(&tree.node(file).kind, Kind::Regular("new")));

        tree.clamp_times(Epoch::from_seconds(100).unwrap());
        let times: Vec<Mtime> = tree.walk().map(|(_, _, node)| node.stat.mtime).collect();
        assert_eq!(times, [time(100, 0), time(-5, 7), time(100, 0), time(100, 0)]);

        assert!(tree.remove(&path("/d")));
        assert!(!tree.remove(&path("/d/f")));
        assert!(!tree.remove(&path("/")));
        assert_eq!(tree.walk().count(), 2);
    }
}
