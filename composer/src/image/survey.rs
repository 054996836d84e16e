//! The first walk over a tree that becomes an image: is it a tree that an image can hold, which
//! name of each inode comes first, and how is each object called?

use model::path::escape;

use super::error::ImageError;
use super::format::{CONTENT_LIMIT, DEPTH_LIMIT, FILE_LIMIT};
use super::{INLINE_LIMIT, Stored};
use crate::tree::{Entries, Kind, Node, NodeId, Tree};

/// What the image says of an object: the values of its two overlay attributes.
#[derive(Debug)]
pub(super) struct Object {
    /// Version, length, flags, hash algorithm (sha256), and the digest.
    pub(super) metacopy: [u8; 36],
    /// `/xx/` and the other 62 digits.
    pub(super) redirect: Box<[u8]>,
}

/// What the first walk found out about an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    /// The directory and name by which the walk first came to it. The root has none.
    pub(super) first: Option<(NodeId, &'a [u8])>,
    /// How many names it has.
    pub(super) links: u32,
    /// Its index in [`Survey::objects`].
    pub(super) object: Option<u32>,
}

/// What the first walk found out.
#[derive(Debug)]
pub(super) struct Survey<'a> {
    /// By node index. Nothing for nodes that no name leads to.
    found: Vec<Option<Found<'a>>>,
    objects: Vec<Object>,
    /// How many inodes have names.
    pub(super) inodes: usize,
    /// How many names there are.
    pub(super) names: usize,
}

impl<'a> Survey<'a> {
    /// Walks `tree` in the byte order of its names, parents first, and checks every inode.
    pub(super) fn of<C: Stored>(tree: &'a Tree<C>) -> Result<Self, ImageError> {
        let nothing = Self { found: vec![None; tree.node_count()], objects: Vec::new(), inodes: 1, names: 0 };
        let mut survey = nothing;
        survey.found[NodeId::ROOT.index()] = Some(Found { first: None, links: 1, object: None });
        survey.check(tree, NodeId::ROOT)?;
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
            match &mut survey.found[child.index()] {
                Some(_) if is_directory => return Err(ImageError::DirectoryLink { path: survey.path(*child) }),
                Some(found) => found.links += 1,
                unseen @ None => {
                    *unseen = Some(Found { first: Some((directory, name)), links: 1, object: None });
                    survey.inodes += 1;
                    survey.check(tree, *child)?;
                    if is_directory {
                        if pending.len() >= DEPTH_LIMIT {
                            let mut path = survey.path_bytes(directory);
                            path.truncate(100);
                            return Err(ImageError::Depth { path: escape(&path), limit: DEPTH_LIMIT });
                        }
                        pending.push((*child, children(*child)));
                    }
                }
            }
        }
        Ok(survey)
    }

    /// What was found about an inode. A node without a name looks as the root does, which nobody
    /// asks for.
    pub(super) fn found(&self, id: NodeId) -> Found<'a> {
        self.found[id.index()].unwrap_or(Found { first: None, links: 0, object: None })
    }

    /// The object of an inode, if it has one.
    pub(super) fn object(&self, id: NodeId) -> Option<&Object> {
        self.objects.get(self.found(id).object? as usize)
    }

    /// The first path of an inode, as bytes.
    pub(super) fn path_bytes(&self, id: NodeId) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = self.found(id);
        while let Some((directory, name)) = at.first {
            names.push(name);
            at = self.found(directory);
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

    /// Checks one inode by itself, and keeps its object's names.
    fn check<C: Stored>(&mut self, tree: &Tree<C>, id: NodeId) -> Result<(), ImageError> {
        let Node { stat, kind } = tree.node(id);
        if stat.mode > 0o7777 {
            return Err(ImageError::Mode { path: self.path(id), mode: stat.mode });
        }
        let nanoseconds = stat.mtime.nanoseconds;
        if nanoseconds >= 1_000_000_000 {
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

    fn check_content(&mut self, id: NodeId, content: &impl Stored) -> Result<(), ImageError> {
        let size = content.size();
        let bad = |survey: &Self| ImageError::Content { path: survey.path(id), size };
        match (content.inline(), content.verity()) {
            (inline, None) if inline.unwrap_or_default().len() as u64 == size && size <= CONTENT_LIMIT => Ok(()),
            (None, Some(_)) if size == 0 => Err(bad(self)),
            (None, Some(_)) if size > FILE_LIMIT => {
                Err(ImageError::FileSize { path: self.path(id), size, limit: FILE_LIMIT })
            }
            (None, Some(digest)) => {
                let mut metacopy = [0; 36];
                metacopy[1] = 36;
                metacopy[3] = 1;
                metacopy[4..].copy_from_slice(digest.as_bytes());
                let redirect = format!("/{}", digest.object_path()).into_bytes().into_boxed_slice();
                let index = u32::try_from(self.objects.len()).map_err(|_| bad(self))?;
                self.objects.push(Object { metacopy, redirect });
                if let Some(found) = &mut self.found[id.index()] {
                    found.object = Some(index);
                }
                Ok(())
            }
            _ => Err(bad(self)),
        }
    }
}

// Anything that is inline by the product's own rule is inline for C tools too.
const _: () = assert!(INLINE_LIMIT <= CONTENT_LIMIT);

/// Whether a directory can hold an entry of this name.
pub(super) fn is_file_name(name: &[u8]) -> bool {
    matches!(name.len(), 1..=255) && name != b"." && name != b".." && !name.iter().any(|b| matches!(b, b'/' | 0))
}
