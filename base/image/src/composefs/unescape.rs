//! What the tree was before overlayfs' attributes in it were escaped.

use super::Entry;
use super::form::parent_marks;
use super::format::{ESCAPED, OVERLAY, WHITEOUT_MARKS};
use super::raw::{Checked, damaged};
use crate::tree::{Entries, Kind, Node, NodeId, Tree, Xattrs};

/// Takes one `overlay.` out of the names of escaped attributes of overlayfs, all at once, because one
/// may become what another was.
pub(super) fn unescape(xattrs: &mut Xattrs, offset: u64) -> Checked<()> {
    if !xattrs.keys().any(|name| name.starts_with(OVERLAY)) {
        return Ok(());
    }
    for (name, value) in std::mem::take(xattrs) {
        if name.starts_with(OVERLAY) && !name.starts_with(ESCAPED) {
            return Err(damaged("an attribute of overlayfs is not escaped", offset));
        }
        xattrs.insert(plain(&name).into_boxed_slice(), value);
    }
    Ok(())
}

/// The name that an escaped name stands for.
pub(super) fn plain(name: &[u8]) -> Vec<u8> {
    name.strip_prefix(ESCAPED).map_or_else(|| name.to_vec(), |rest| [OVERLAY, rest].concat())
}

/// Turns the files of `directory` that stand for whiteouts into whiteouts, if it is marked as
/// holding some, and takes the marks away.
///
/// A file or directory that has but some of the marks had them as attributes of its own, and so had
/// a file with several names, because no writer makes a whiteout of that.
pub(super) fn restore_whiteouts(tree: &mut Tree<Entry>, directory: NodeId, links: &[(u32, u32)], version: u32) {
    let node = tree.node(directory);
    let parent_marks = parent_marks(version);
    let is_marked = parent_marks
        .iter()
        .all(|(name, value)| node.stat.xattrs.get(&*plain(name)).is_some_and(|found| **found == **value));
    if !is_marked {
        return;
    }
    let stands_for_one = |id: &NodeId| {
        let Node { stat, kind } = tree.node(*id);
        matches!(kind, Kind::Regular(Entry::Empty))
            && links.get(id.index()).is_some_and(|(_, counted)| *counted == 1)
            && WHITEOUT_MARKS.iter().all(|name| stat.xattrs.get(&*plain(name)).is_some_and(|value| value.is_empty()))
    };
    let whiteouts: Vec<_> =
        node.entries().into_iter().flat_map(Entries::values).copied().filter(stands_for_one).collect();
    if whiteouts.is_empty() {
        return;
    }
    for id in whiteouts {
        let node = tree.node_mut(id);
        node.kind = Kind::CharDevice(0);
        WHITEOUT_MARKS.iter().for_each(|name| drop(node.stat.xattrs.remove(&plain(name))));
    }
    let marks = &mut tree.node_mut(directory).stat.xattrs;
    parent_marks.iter().for_each(|(name, _)| drop(marks.remove(&plain(name))));
}
