//! Something at a path of a tree that may have no directory around it yet.

use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::ImagePath;

use super::Error;

/// Puts `node` at `path`, with the directories around it.
pub(super) fn put<C>(tree: &mut Tree<C>, path: &ImagePath, node: Node<C>, mtime: Mtime) -> Result<(), Error> {
    let id = tree.add(node)?;
    link_at(tree, path, id, mtime)
}

/// Gives the inode `id` the name `path`, with the directories around it.
pub(super) fn link_at<C>(tree: &mut Tree<C>, path: &ImagePath, id: NodeId, mtime: Mtime) -> Result<(), Error> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let mut at = NodeId::ROOT;
    for name in parent.components() {
        let there = tree.node(at).entries().and_then(|entries| entries.get(name).copied());
        at = match there {
            Some(id) => id,
            None => {
                let stat = Stat::root_owned(0o755, mtime);
                let new = tree.add(Node { stat, kind: Kind::Directory(Entries::new()) })?;
                tree.link(at, name, new)?;
                new
            }
        };
    }
    tree.link(at, name, id)?;
    Ok(())
}
