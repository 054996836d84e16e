//! The inodes of an image, in the order in which the image holds them.
//!
//! This is where a tree becomes what overlayfs is to see: objects get their attributes, whiteouts
//! become marked files, attributes of overlayfs itself are escaped, and the root gets its stubs.
//! The order is by levels: the root, its entries by name, their entries by name. An inode with
//! several names stands where the first of them in the order of a walk stands.

use std::borrow::Cow;
use std::ops::Range;

use super::Stored;
use super::error::ImageError;
use super::format::{
    ESCAPED, METACOPY, OPAQUE, OVERLAY, PARENT_MARKS, REDIRECT, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG,
    S_IFSOCK, SELINUX, WHITEOUT_MARKS, XATTR_LIMIT,
};
use super::survey::{Object, Survey};
use crate::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree, Xattrs};

/// An extended attribute as the image has it.
#[derive(Debug, Clone)]
pub(super) struct Attribute<'a> {
    pub(super) name: Cow<'a, [u8]>,
    pub(super) value: &'a [u8],
    /// Where the shared table has it, in bytes; none while it is the inode's own.
    pub(super) shared: Option<u64>,
}

/// What follows an inode.
#[derive(Debug, Clone)]
pub(super) enum Body<'a> {
    /// Nothing.
    None,
    /// Entries: a range of [`Plan::names`].
    Directory(Range<usize>),
    /// A file's content.
    Content(&'a [u8]),
    /// A symbolic link's target.
    Target(&'a [u8]),
    /// Pointers to chunks that hold nothing, for a file whose content is an object.
    Chunks,
}

/// An inode as the image has it.
#[derive(Debug, Clone)]
pub(super) struct Inode<'a> {
    /// With the file type.
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Mtime,
    pub(super) links: u32,
    pub(super) device: u32,
    /// Zero for a directory, whose size is a matter of layout.
    pub(super) size: u64,
    /// A range of [`Plan::attributes`], sorted by name.
    pub(super) attributes: Range<usize>,
    pub(super) body: Body<'a>,
}

/// A directory entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) name: &'a [u8],
    /// The index of the inode.
    pub(super) inode: u32,
    /// Whether another entry is the inode's first.
    pub(super) again: bool,
}

/// All inodes and names of an image.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) inodes: Vec<Inode<'a>>,
    pub(super) names: Vec<Name<'a>>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

/// The names of the stubs, which hide the object store's directories.
static STUBS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut names = [[0; 2]; 256];
    let mut index = 0;
    while index < 256 {
        names[index] = [DIGITS[index / 16], DIGITS[index % 16]];
        index += 1;
    }
    names
};

/// Whether the root holds a stub of this name.
pub(super) fn is_stub_name(name: &[u8]) -> bool {
    name.len() == 2 && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this is an overlay whiteout.
fn is_whiteout<C>(node: &Node<C>) -> bool {
    matches!(node.kind, Kind::CharDevice(0))
}

/// Where an entry leads, before inodes have numbers.
#[derive(Clone, Copy)]
enum Lead {
    Itself,
    Parent,
    Node(NodeId),
    Stub,
}

/// The making of a [`Plan`].
struct Planner<'a, C> {
    tree: &'a Tree<C>,
    survey: &'a Survey<'a>,
    plan: Plan<'a>,
    /// Which node an inode comes from, and the inode of its parent; no node for stubs.
    origins: Vec<(Option<NodeId>, u32)>,
    /// The inode of each node that has one already.
    numbers: Vec<u32>,
}

impl<'a> Plan<'a> {
    /// Plans the image of `tree`.
    pub(super) fn of<C: Stored>(tree: &'a Tree<C>, survey: &'a Survey<'a>) -> Result<Self, ImageError> {
        let plan = Self {
            inodes: Vec::with_capacity(survey.inodes + 256),
            names: Vec::with_capacity(survey.names + survey.inodes + 256),
            attributes: Vec::with_capacity(survey.inodes * 2),
        };
        let origins = Vec::with_capacity(survey.inodes + 256);
        let mut planner = Planner { tree, survey, plan, origins, numbers: vec![0; tree.node_count()] };
        planner.add(NodeId::ROOT, 0)?;
        let mut index = 0;
        let mut links = Vec::new();
        while index < planner.plan.inodes.len() {
            planner.add_entries(index, &mut links)?;
            index += 1;
        }
        for (name, id) in links {
            planner.plan.names[name].inode = planner.numbers[id.index()];
        }
        Ok(planner.plan)
    }
}

impl<'a, C: Stored> Planner<'a, C> {
    /// Adds the entries of the directory at `index`, and the inodes whose first names they are.
    fn add_entries(&mut self, index: usize, links: &mut Vec<(usize, NodeId)>) -> Result<(), ImageError> {
        let (Some(id), parent) = self.origins[index] else { return Ok(()) };
        let Some(entries) = self.tree.node(id).entries() else { return Ok(()) };
        let mut leads: Vec<(&'a [u8], Lead)> = Vec::with_capacity(entries.len() + 2);
        leads.extend(entries.iter().map(|(name, child)| (&**name, Lead::Node(*child))));
        for (name, lead) in [(&b"."[..], Lead::Itself), (b"..", Lead::Parent)] {
            let at = leads.partition_point(|(before, _)| *before < name);
            leads.insert(at, (name, lead));
        }
        if id == NodeId::ROOT {
            let missing = STUBS.iter().filter(|name| !entries.contains_key(&name[..]));
            leads.extend(missing.map(|name| (&name[..], Lead::Stub)));
            leads.sort_by_key(|(name, _)| *name);
        }
        let own = number(index);
        let start = self.plan.names.len();
        for (name, lead) in leads {
            let mut again = false;
            let inode = match lead {
                Lead::Itself => own,
                Lead::Parent => parent,
                Lead::Stub => self.add_stub(own),
                Lead::Node(child) if self.survey.found(child).first == Some((id, name)) => self.add(child, own)?,
                Lead::Node(child) => {
                    // The inode may come later than this name of it.
                    again = true;
                    links.push((self.plan.names.len(), child));
                    0
                }
            };
            self.plan.names.push(Name { name, inode, again });
        }
        self.plan.inodes[index].body = Body::Directory(start..self.plan.names.len());
        Ok(())
    }

    /// Adds the inode of a node.
    fn add(&mut self, id: NodeId, parent: u32) -> Result<u32, ImageError> {
        let tree: &'a Tree<C> = self.tree;
        let Node { stat, kind } = tree.node(id);
        let found = self.survey.found(id);
        let mut links = found.links;
        let (kind_bits, device, size, body) = match kind {
            Kind::Directory(entries) => {
                links = 2 + count(entries, |child| tree.node(child).is_directory());
                (S_IFDIR, 0, 0, Body::None)
            }
            Kind::Regular(content) => match (content.inline(), found.object) {
                (_, Some(_)) => (S_IFREG, 0, content.size(), Body::Chunks),
                (Some(bytes), None) if !bytes.is_empty() => (S_IFREG, 0, content.size(), Body::Content(bytes)),
                _ => (S_IFREG, 0, 0, Body::None),
            },
            Kind::Symlink(target) => (S_IFLNK, 0, target.len() as u64, Body::Target(target)),
            Kind::CharDevice(0) if links > 1 => {
                return Err(ImageError::WhiteoutLink { path: self.survey.path(id), links });
            }
            Kind::CharDevice(0) => (S_IFREG, 0, 0, Body::None),
            Kind::CharDevice(number) => (S_IFCHR, *number, 0, Body::None),
            Kind::BlockDevice(number) => (S_IFBLK, *number, 0, Body::None),
            Kind::Fifo => (S_IFIFO, 0, 0, Body::None),
            Kind::Socket => (S_IFSOCK, 0, 0, Body::None),
        };
        #[expect(clippy::cast_possible_truncation, reason = "the survey refused wider numbers")]
        let device = device as u32;
        let attributes = self.add_attributes(id)?;
        let Stat { mode, uid, gid, mtime, .. } = *stat;
        let mode = mode | kind_bits;
        self.numbers[id.index()] = number(self.plan.inodes.len());
        Ok(self.push(Inode { mode, uid, gid, mtime, links, device, size, attributes, body }, Some(id), parent))
    }

    /// Adds a stub, which has the root's owner, time and SELinux label.
    fn add_stub(&mut self, root: u32) -> u32 {
        let stat: &'a Stat = &self.tree.node(NodeId::ROOT).stat;
        let start = self.plan.attributes.len();
        if let Some(label) = stat.xattrs.get(SELINUX) {
            self.plan.attributes.push(Attribute { name: Cow::Borrowed(SELINUX), value: label, shared: None });
        }
        let inode = Inode {
            mode: S_IFCHR | 0o644,
            uid: stat.uid,
            gid: stat.gid,
            mtime: stat.mtime,
            links: 1,
            device: 0,
            size: 0,
            attributes: start..self.plan.attributes.len(),
            body: Body::None,
        };
        self.push(inode, None, root)
    }

    fn push(&mut self, inode: Inode<'a>, id: Option<NodeId>, parent: u32) -> u32 {
        let index = number(self.plan.inodes.len());
        self.plan.inodes.push(inode);
        self.origins.push((id, parent));
        index
    }

    /// Adds the attributes of a node as the image has them.
    fn add_attributes(&mut self, id: NodeId) -> Result<Range<usize>, ImageError> {
        let tree: &'a Tree<C> = self.tree;
        let node = tree.node(id);
        let holds_whiteouts =
            node.entries().is_some_and(|entries| count(entries, |child| is_whiteout(tree.node(child))) > 0);
        let start = self.plan.attributes.len();
        let (mut editor, size) = Editor::new(&mut self.plan.attributes, &node.stat.xattrs);
        if size > XATTR_LIMIT {
            return Err(ImageError::XattrSize { path: self.survey.path(id), size, limit: XATTR_LIMIT });
        }
        let mut fits = true;
        if let Some(Object { metacopy, redirect }) = self.survey.object(id) {
            fits &= editor.set(METACOPY, metacopy) && editor.set(REDIRECT, redirect);
        }
        if is_whiteout(node) {
            fits &= WHITEOUT_MARKS.iter().all(|name| editor.set(name, b""));
        }
        if holds_whiteouts {
            fits &= PARENT_MARKS.iter().all(|(name, value)| editor.set(name, value));
        }
        if id == NodeId::ROOT {
            fits &= editor.set(OPAQUE, b"y");
        }
        if !fits {
            return Err(ImageError::OverlayMarks { path: self.survey.path(id) });
        }
        Ok(start..self.plan.attributes.len())
    }
}

/// How many children are like this.
fn count(entries: &Entries, is_like: impl Fn(NodeId) -> bool) -> u32 {
    entries.values().fold(0, |sum, child| sum + u32::from(is_like(*child)))
}

/// The number of the inode at `index`. A tree has fewer than 2^32 nodes; the 256 stubs on top would
/// need a tree of more memory than any machine has, and saturate.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Edits the attributes of one inode, at the end of the list of all.
struct Editor<'e, 'a> {
    all: &'e mut Vec<Attribute<'a>>,
    start: usize,
    /// The size of what was set, less the size of what that replaced.
    added: i64,
}

/// An entry with its worst padding, as the C tools count it.
#[expect(clippy::cast_possible_wrap, reason = "names and values lie in memory")]
fn counted(name: &[u8], value: &[u8]) -> i64 {
    7 + (name.len() + value.len()) as i64
}

impl<'e, 'a> Editor<'e, 'a> {
    /// Starts with a tree's own attributes, those of overlayfs escaped. Also gives their size in the
    /// way of the C tools, which is what the limit applies to; the escape is not counted.
    fn new(all: &'e mut Vec<Attribute<'a>>, xattrs: &'a Xattrs) -> (Self, i64) {
        let start = all.len();
        let mut size = if xattrs.is_empty() { 0 } else { 12 };
        for (name, value) in xattrs {
            size += counted(name, value);
            let name = match name.strip_prefix(OVERLAY) {
                Some(rest) => Cow::Owned([ESCAPED, rest].concat()),
                None => Cow::Borrowed(&**name),
            };
            all.push(Attribute { name, value, shared: None });
        }
        (Self { all, start, added: 0 }, size)
    }

    /// Sets an attribute to `value`, whatever it was. False if the C tools refuse to: they do not
    /// replace a value by a shorter one, unless what they have set before makes up for it.
    fn set(&mut self, name: &'a [u8], value: &'a [u8]) -> bool {
        let own = &self.all[self.start..];
        match own.binary_search_by(|attribute| (*attribute.name).cmp(name)) {
            Ok(at) => {
                let is_only = own.len() == 1;
                let attribute = &mut self.all[self.start + at];
                self.added = if is_only { 0 } else { self.added - counted(name, attribute.value) };
                self.added += counted(name, value);
                attribute.value = value;
            }
            Err(at) => {
                self.added += counted(name, value);
                self.all.insert(self.start + at, Attribute { name: Cow::Borrowed(name), value, shared: None });
            }
        }
        self.added >= 0
    }
}
