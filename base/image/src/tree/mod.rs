//! The one in-memory tree of files.
//!
//! A [`Tree`] is generic over what a regular file carries: a scan gives a tree of sources (where to
//! read the bytes), hashing gives a tree of digests, and an image that is read gives a tree of what
//! the image says. Nodes are inodes: two names that lead to one node are hard links.
//!
//! Directory entries are always sorted by the bytes of their names, so that no output depends on
//! the order in which a directory was read.

mod xattrs;

use std::collections::BTreeMap;

use host::memory;
use model::ImagePath;
use model::explain::{self, Explain, Explanation};

pub use xattrs::Xattrs;

/// The index of a node in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The root directory of every tree.
    pub const ROOT: Self = Self(0);

    /// The index, for side tables.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A modification time: seconds since 1970 (possibly before it) and nanoseconds below one billion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mtime {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl Mtime {
    /// A time as the kernel gives it; none when the nanoseconds are no such number.
    pub fn new(seconds: i64, nanoseconds: impl TryInto<u32>) -> Option<Self> {
        Some(Self { seconds, nanoseconds: nanoseconds.try_into().ok()? })
    }
}

/// What every inode has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Permission bits with set-user-id, set-group-id and sticky: the low twelve bits of `st_mode`.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The time of the last change of content.
    pub mtime: Mtime,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Stat {
    /// Owned by root, no extended attributes, the given mode and time.
    #[must_use]
    pub fn root_owned(mode: u16, mtime: Mtime) -> Self {
        Self { mode, uid: 0, gid: 0, mtime, xattrs: Xattrs::new() }
    }
}

/// A directory's entries: name to node, sorted by the bytes of the name.
pub type Entries = BTreeMap<Box<[u8]>, NodeId>;

/// What an inode is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<C> {
    /// A directory.
    Directory(Entries),
    /// A regular file.
    Regular(C),
    /// A symbolic link with its target's bytes, 1 to 4095 of them.
    Symlink(Box<[u8]>),
    /// A character device with its `makedev` number. 0:0 is an overlay whiteout.
    CharDevice(u64),
    /// A block device with its `makedev` number.
    BlockDevice(u64),
    /// A named pipe.
    Fifo,
    /// A socket's name.
    Socket,
}

/// An inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<C> {
    /// Owner, mode, time, attributes.
    pub stat: Stat,
    /// What it is.
    pub kind: Kind<C>,
}

impl<C> Node<C> {
    /// The entries, if this is a directory.
    #[must_use]
    pub fn entries(&self) -> Option<&Entries> {
        match &self.kind {
            Kind::Directory(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether this is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }
}

/// Why a tree cannot be built as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The tree has more than four billion inodes.
    #[error("a tree holds at most 4294967295 inodes")]
    TooManyNodes,
    /// There is no memory for so many.
    #[error("there is not enough memory for a tree of {nodes} inodes")]
    NoMemory {
        /// How many there are so far.
        nodes: usize,
    },
    /// A name was to be put into something that is no directory.
    #[error("{path} is not a directory")]
    NotADirectory {
        /// The path.
        path: ImagePath,
    },
}

impl Explain for TreeError {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::NoMemory { .. } => Explanation::new(explain::Kind::Outside, self).hint(host::explain::MEMORY),
            Self::TooManyNodes | Self::NotADirectory { .. } => Explanation::new(explain::Kind::Input, self),
        }
    }
}

/// What an inode of a tree takes beside the tree itself until a module is written, in bytes, about.
const BESIDE: usize = 1024;

/// Files, by name and by inode. Node 0 is the root directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree<C> {
    nodes: Vec<Node<C>>,
}

impl<C> Tree<C> {
    /// A tree that holds an empty root directory.
    #[must_use]
    pub fn new(root: Stat) -> Self {
        Self { nodes: vec![Node { stat: root, kind: Kind::Directory(Entries::new()) }] }
    }

    /// The node with this id.
    ///
    /// # Panics
    /// When the id is of another, larger tree.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node<C> {
        &self.nodes[id.index()]
    }

    /// The node with this id, to change it.
    ///
    /// # Panics
    /// When the id is of another, larger tree.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node<C> {
        &mut self.nodes[id.index()]
    }

    /// How many nodes there are, including those that no name leads to any more. For side tables.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes in the order of their ids, including those that no name leads to any more.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node<C>> {
        self.nodes.iter()
    }

    /// All nodes in the order of their ids, to change each of them.
    pub(crate) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node<C>> {
        self.nodes.iter_mut()
    }

    /// Adds an inode that no name leads to yet.
    ///
    /// # Errors
    /// When there are too many, or there is no memory for more.
    pub fn add(&mut self, node: Node<C>) -> Result<NodeId, TreeError> {
        let nodes = self.nodes.len();
        let id = u32::try_from(nodes).map_err(|_| TreeError::TooManyNodes)?;
        if nodes.is_multiple_of(memory::STEP) {
            // What comes after makes lists of all paths, and copies of what ships.
            memory::ask(nodes.saturating_mul(BESIDE)).map_err(|_| TreeError::NoMemory { nodes })?;
        }
        self.nodes.try_reserve(1).map_err(|_| TreeError::NoMemory { nodes })?;
        self.nodes.push(node);
        Ok(NodeId(id))
    }

    /// Gives `child` the name `name` in `directory`, replacing what had it. Gives back the replaced
    /// node's id.
    ///
    /// # Errors
    /// When `directory` is no directory.
    pub fn link(&mut self, directory: NodeId, name: &[u8], child: NodeId) -> Result<Option<NodeId>, TreeError> {
        match &mut self.nodes[directory.index()].kind {
            Kind::Directory(entries) => Ok(entries.insert(Box::from(name), child)),
            _ => Err(TreeError::NotADirectory { path: ImagePath::root() }),
        }
    }

    /// Takes the name `name` out of `directory` and gives back the node it led to.
    pub fn unlink(&mut self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        match &mut self.nodes[directory.index()].kind {
            Kind::Directory(entries) => entries.remove(name),
            _ => None,
        }
    }

    /// The node at `path`, following no symbolic link.
    #[must_use]
    pub fn lookup(&self, path: &ImagePath) -> Option<NodeId> {
        let mut id = NodeId::ROOT;
        for name in path.components() {
            id = *self.node(id).entries()?.get(name)?;
        }
        Some(id)
    }

    /// Every name of the tree in the byte order of its components, parents before children, the
    /// root first. A hard-linked node comes once for each name.
    pub fn walk(&self) -> Walk<'_, C> {
        Walk { tree: self, stack: vec![(ImagePath::root(), NodeId::ROOT)] }
    }

    /// How many names lead to each node, by index; the root has one.
    #[must_use]
    pub fn link_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.nodes.len()];
        counts[0] = 1;
        let mut pending = vec![NodeId::ROOT];
        while let Some(id) = pending.pop() {
            for child in self.node(id).entries().into_iter().flat_map(Entries::values) {
                counts[child.index()] += 1;
                if self.node(*child).is_directory() {
                    pending.push(*child);
                }
            }
        }
        counts
    }

    /// The same names and inodes with other contents.
    ///
    /// # Errors
    /// The first error of `convert`.
    pub fn try_map<D, E>(self, mut convert: impl FnMut(NodeId, C) -> Result<D, E>) -> Result<Tree<D>, E> {
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.into_iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "`add` keeps the count below 2^32")]
            let id = NodeId(index as u32);
            let kind = match node.kind {
                Kind::Directory(entries) => Kind::Directory(entries),
                Kind::Regular(content) => Kind::Regular(convert(id, content)?),
                Kind::Symlink(target) => Kind::Symlink(target),
                Kind::CharDevice(number) => Kind::CharDevice(number),
                Kind::BlockDevice(number) => Kind::BlockDevice(number),
                Kind::Fifo => Kind::Fifo,
                Kind::Socket => Kind::Socket,
            };
            nodes.push(Node { stat: node.stat, kind });
        }
        Ok(Tree { nodes })
    }
}

/// The iterator of [`Tree::walk`].
#[derive(Debug)]
pub struct Walk<'a, C> {
    tree: &'a Tree<C>,
    stack: Vec<(ImagePath, NodeId)>,
}

impl<'a, C> Iterator for Walk<'a, C> {
    type Item = (ImagePath, NodeId, &'a Node<C>);

    fn next(&mut self) -> Option<Self::Item> {
        let (path, id) = self.stack.pop()?;
        let node = self.tree.node(id);
        for (name, child) in node.entries().into_iter().flatten().rev() {
            // Names in a tree came through `ImagePath` or a directory of the host, so they join.
            if let Ok(below) = path.join(name) {
                self.stack.push((below, *child));
            }
        }
        Some((path, id, node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat() -> Stat {
        Stat::root_owned(0o755, Mtime::default())
    }

    #[test]
    fn a_walk_is_in_byte_order_with_parents_first_and_names_hard_links_twice() {
        let mut tree = Tree::new(stat());
        let dir = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).unwrap();
        let file = tree.add(Node { stat: stat(), kind: Kind::Regular(7) }).unwrap();
        tree.link(NodeId::ROOT, b"b", file).unwrap();
        tree.link(NodeId::ROOT, b"a", dir).unwrap();
        tree.link(dir, b"z", file).unwrap();
        let names: Vec<String> = tree.walk().map(|(path, ..)| path.to_string()).collect();
        assert_eq!(names, ["/", "/a", "/a/z", "/b"]);
        assert_eq!(tree.link_counts(), [1, 1, 2]);
        assert_eq!(tree.lookup(&ImagePath::new("/a/z").unwrap()), Some(file));
        assert!(tree.link(file, b"x", dir).is_err());
    }
}
