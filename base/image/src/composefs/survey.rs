//! The first walk over a tree that becomes an image: is it a tree that an image can hold, and which
//! name of each inode comes first?

use model::path::escape;

use super::error::ImageError;
use super::form::Form;
use super::format::{CONTENT_LIMIT, DEPTH_LIMIT};
use super::{INLINE_LIMIT, Stored};
use crate::tree::{Entries, Kind, Node, NodeId, Tree};

/// What the first walk found out about an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// The directory from which the walk first came to it. The root is its own.
    pub(super) parent: NodeId,
    /// How many names it has; none for a node that no name leads to.
    pub(super) links: u32,
}

/// What the first walk found out.
#[derive(Debug)]
pub(super) struct Survey<'a, C> {
    /// The tree.
    pub(super) tree: &'a Tree<C>,
    /// How it is to be written.
    pub(super) form: &'a Form,
    /// Whether some file's content is under a name that is not its digest.
    pub(super) has_backing: bool,
    /// By node index.
    found: Vec<Found>,
    /// How many inodes have names.
    pub(super) inodes: usize,
    /// How many of them are directories.
    pub(super) directories: usize,
    /// How many names there are.
    pub(super) names: usize,
}

impl<'a, C: Stored> Survey<'a, C> {
    /// Walks `tree` in the byte order of its names, parents first, and checks every inode.
    pub(super) fn of(tree: &'a Tree<C>, form: &'a Form) -> Result<Self, ImageError> {
        let nothing = Found { parent: NodeId::ROOT, links: 0 };
        let found = vec![nothing; tree.node_count()];
        let mut survey = Self { tree, form, has_backing: false, found, inodes: 1, directories: 1, names: 0 };
        survey.found[NodeId::ROOT.index()].links = 1;
        survey.check(NodeId::ROOT)?;
        let children = |id: NodeId| tree.node(id).entries().into_iter().flat_map(Entries::iter);
        let mut pending = vec![(NodeId::ROOT, children(NodeId::ROOT))];
        while let Some((directory, entries)) = pending.last_mut() {
            let directory = *directory;
            let Some((name, child)) = entries.next() else {
                pending.pop();
                continue;
            };
            survey.names += 1;
            if !is_file_name(name) {
                return Err(ImageError::Name { directory: survey.path(directory), name: escape(name) });
            }
            let is_directory = tree.node(*child).is_directory();
            let found = &mut survey.found[child.index()];
            if found.links > 0 {
                if is_directory {
                    return Err(ImageError::DirectoryLink { path: survey.path(*child) });
                }
                found.links += 1;
                continue;
            }
            *found = Found { parent: directory, links: 1 };
            survey.inodes += 1;
            survey.check(*child)?;
            if is_directory {
                if pending.len() >= DEPTH_LIMIT {
                    let mut path = survey.path_bytes(directory);
                    path.truncate(100);
                    return Err(ImageError::Depth { path: escape(&path), limit: DEPTH_LIMIT });
                }
                survey.directories += 1;
                pending.push((*child, children(*child)));
            }
        }
        Ok(survey)
    }

    /// What was found about an inode.
    pub(super) fn found(&self, id: NodeId) -> Found {
        self.found[id.index()]
    }

    /// The first path of an inode, as bytes. Only errors ask for it: names are looked for.
    fn path_bytes(&self, id: NodeId) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = id;
        while at != NodeId::ROOT {
            let parent = self.found(at).parent;
            let mut entries = self.tree.node(parent).entries().into_iter().flatten();
            names.extend(entries.find(|(_, child)| **child == at).map(|(name, _)| &**name));
            at = parent;
        }
        if names.is_empty() {
            return b"/".to_vec();
        }
        names.iter().rev().flat_map(|name| [&b"/"[..], *name]).flatten().copied().collect()
    }

    /// The first path of an inode, for an error.
    pub(super) fn path(&self, id: NodeId) -> String {
        escape(&self.path_bytes(id))
    }

    /// Checks one inode by itself.
    fn check(&mut self, id: NodeId) -> Result<(), ImageError> {
        let Node { stat, kind } = self.tree.node(id);
        if stat.mode > 0o7777 {
            return Err(ImageError::Mode { path: self.path(id), mode: stat.mode });
        }
        let nanoseconds = stat.mtime.nanoseconds;
        if self.form.is_own && nanoseconds >= 1_000_000_000 {
            return Err(ImageError::Nanoseconds { path: self.path(id), nanoseconds });
        }
        if let Some(name) = stat.xattrs.keys().find(|name| !matches!(name.len(), 1..=255) || name.contains(&0)) {
            return Err(ImageError::XattrName { path: self.path(id), name: escape(name) });
        }
        match kind {
            Kind::Symlink(target) if !matches!(target.len(), 1..=4095) || target.contains(&0) => {
                Err(ImageError::Symlink { path: self.path(id), length: target.len() })
            }
            Kind::CharDevice(number) | Kind::BlockDevice(number) if u32::try_from(*number).is_err() => {
                Err(ImageError::DeviceNumber { path: self.path(id), number: *number })
            }
            Kind::Regular(content) => self.check_content(id, content),
            _ => Ok(()),
        }
    }

    fn check_content(&mut self, id: NodeId, content: &C) -> Result<(), ImageError> {
        let (size, limit) = (content.size(), self.form.file_limit());
        if content.backing().is_some() && !self.form.is_own {
            self.has_backing = true;
            return match size {
                0 => Err(ImageError::Content { path: self.path(id), size }),
                size if size > limit => Err(ImageError::FileSize { path: self.path(id), size, limit }),
                _ => Ok(()),
            };
        }
        match (content.inline(), content.verity()) {
            (inline, None) if inline.unwrap_or_default().len() as u64 == size && size <= CONTENT_LIMIT => Ok(()),
            (None, Some(_)) if size > limit => Err(ImageError::FileSize { path: self.path(id), size, limit }),
            (None, Some(_)) if size > 0 && content.backing().is_none() => Ok(()),
            _ => Err(ImageError::Content { path: self.path(id), size }),
        }
    }
}

// Anything that is inline by the product's own rule is inline for C tools too.
const _: () = assert!(INLINE_LIMIT <= CONTENT_LIMIT);

/// Whether a directory can hold an entry of this name.
pub(super) fn is_file_name(name: &[u8]) -> bool {
    matches!(name.len(), 1..=255) && name != b"." && name != b".." && !name.iter().any(|b| matches!(b, b'/' | 0))
}
