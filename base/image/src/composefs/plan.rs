//! The inodes of an image, in the order in which the image holds them.
//!
//! This is where a tree becomes what overlayfs is to see: objects get their attributes, whiteouts
//! become marked files, attributes of overlayfs itself are escaped, and the root gets its stubs.
//! The order is by levels: the root, its entries by name, their entries by name. An inode with
//! several names stands where the first of them in the order of a walk stands.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use model::VerityDigest;

use super::error::ImageError;
use super::format::{
    ESCAPED, HEX, METACOPY, OPAQUE, OVERLAY, REDIRECT, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK,
    SELINUX, WHITEOUT_MARKS, XATTR_LIMIT,
};
use super::survey::Survey;
use super::{Backing, Stored};
use crate::tree::{Entries, Kind, Node, NodeId, Stat, Xattrs};

/// An extended attribute as the image has it, but for the two that say where an object is: those
/// follow from [`Body::Object`], though not from [`Body::Chunks`].
#[derive(Debug, Clone)]
pub(super) struct Given<'a> {
    pub(super) name: Cow<'a, [u8]>,
    pub(super) value: Cow<'a, [u8]>,
}

/// What an inode is for, and what follows it.
#[derive(Debug, Clone)]
pub(super) enum Body<'a> {
    /// Nothing.
    None,
    /// A device with its number.
    Device(u32),
    /// Entries: a range of [`Plan::names`].
    Directory(Range<u32>),
    /// A file's content, at least one byte.
    Content(&'a [u8]),
    /// A symbolic link's target.
    Target(&'a [u8]),
    /// Pointers to chunks that hold nothing, for a file of this size whose content is an object.
    Object(u64, &'a VerityDigest),
    /// The same of an image made by others: what its content is stands among the attributes.
    Chunks(u64),
}

/// An inode as the image has it.
#[derive(Debug, Clone)]
pub(super) struct Inode<'a> {
    /// Owner and time.
    pub(super) stat: &'a Stat,
    /// With the file type.
    pub(super) mode: u16,
    pub(super) links: u32,
    /// Whether it has the long form even if the short one holds it.
    pub(super) is_long: bool,
    /// A range of [`Plan::attributes`], sorted by name.
    pub(super) attributes: Range<u32>,
    pub(super) body: Body<'a>,
}

impl Inode<'_> {
    /// Zero for a directory, whose size is a matter of layout.
    pub(super) fn size(&self) -> u64 {
        match &self.body {
            Body::None | Body::Device(_) | Body::Directory(_) => 0,
            Body::Content(bytes) | Body::Target(bytes) => bytes.len() as u64,
            Body::Object(size, _) | Body::Chunks(size) => *size,
        }
    }
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
    pub(super) attributes: Vec<Given<'a>>,
}

impl<'a> Plan<'a> {
    /// The entries of a directory.
    pub(super) fn names(&self, range: &Range<u32>) -> &[Name<'a>] {
        &self.names[range.start as usize..range.end as usize]
    }
}

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

/// A directory whose entries are not planned yet.
struct Pending {
    id: NodeId,
    /// Its inode, and that of its parent.
    inode: u32,
    parent: u32,
}

/// The making of a [`Plan`].
struct Planner<'s, 'a, C> {
    survey: &'s Survey<'a, C>,
    plan: Plan<'a>,
    pending: VecDeque<Pending>,
    /// The inode of each node that has one already, which is not 0 but for the root.
    numbers: Vec<u32>,
    /// Entries whose inodes may come later.
    links: Vec<(usize, NodeId)>,
}

impl<'a> Plan<'a> {
    /// Plans the image of the tree that `survey` walked.
    pub(super) fn of<C: Stored>(survey: &Survey<'a, C>) -> Result<Self, ImageError> {
        let plan = Self {
            inodes: Vec::with_capacity(survey.inodes + HEX.len()),
            // Every directory has the names `.` and `..` too.
            names: Vec::with_capacity(survey.names + 2 * survey.directories + HEX.len()),
            attributes: Vec::new(),
        };
        let numbers = vec![0; survey.tree.node_count()];
        let mut planner = Planner { survey, plan, pending: VecDeque::new(), numbers, links: Vec::new() };
        planner.add(NodeId::ROOT, 0)?;
        while let Some(directory) = planner.pending.pop_front() {
            planner.add_entries(&directory)?;
        }
        let Planner { mut plan, numbers, links, .. } = planner;
        for (name, id) in links {
            plan.names[name].inode = numbers[id.index()];
        }
        Ok(plan)
    }
}

impl<'a, C: Stored> Planner<'_, 'a, C> {
    /// Adds the entries of `directory`, and the inodes whose first names they are.
    fn add_entries(&mut self, directory: &Pending) -> Result<(), ImageError> {
        let Pending { id, inode: own, parent } = *directory;
        let Some(entries) = self.survey.tree.node(id).entries() else { return Ok(()) };
        let mut leads: Vec<(&'a [u8], Lead)> = Vec::with_capacity(entries.len() + 2);
        leads.extend(entries.iter().map(|(name, child)| (&**name, Lead::Node(*child))));
        for (name, lead) in [(&b"."[..], Lead::Itself), (b"..", Lead::Parent)] {
            let at = leads.partition_point(|(before, _)| *before < name);
            leads.insert(at, (name, lead));
        }
        if id == NodeId::ROOT {
            let missing = HEX.iter().filter(|name| !entries.contains_key(&name[..]));
            leads.extend(missing.map(|name| (&name[..], Lead::Stub)));
            leads.sort_by_key(|(name, _)| *name);
        }
        let start = self.plan.names.len();
        for (name, lead) in leads {
            let mut again = false;
            let inode = match lead {
                Lead::Itself => own,
                Lead::Parent => parent,
                Lead::Stub => self.add_stub(),
                Lead::Node(child) if self.is_first(id, name, child) => self.add(child, own)?,
                Lead::Node(child) => {
                    // The inode may come later than this name of it.
                    again = true;
                    self.links.push((self.plan.names.len(), child));
                    0
                }
            };
            self.plan.names.push(Name { name, inode, again });
        }
        self.plan.inodes[own as usize].body = Body::Directory(number(start)..number(self.plan.names.len()));
        Ok(())
    }

    /// Whether the entry of `directory` that is being added is the first that leads to `child`.
    fn is_first(&self, directory: NodeId, name: &[u8], child: NodeId) -> bool {
        match self.survey.form.homes.get(&child) {
            Some((home, home_name)) => *home == directory && **home_name == *name,
            None => self.survey.found(child).parent == directory && self.numbers[child.index()] == 0,
        }
    }

    /// Adds the inode of a node.
    fn add(&mut self, id: NodeId, parent: u32) -> Result<u32, ImageError> {
        let tree = self.survey.tree;
        let Node { stat, kind } = tree.node(id);
        let names = self.survey.found(id).links;
        let mut links = self.survey.form.links.get(&id).copied().unwrap_or(names);
        let index = number(self.plan.inodes.len());
        let (kind_bits, body) = match kind {
            Kind::Directory(entries) => {
                links = 2 + count(entries, |child| tree.node(child).is_directory());
                self.pending.push_back(Pending { id, inode: index, parent });
                (S_IFDIR, Body::None)
            }
            Kind::Regular(content) => match (content.inline(), content.verity()) {
                (None, _) if self.survey.has_backing && content.size() > 0 => (S_IFREG, Body::Chunks(content.size())),
                (None, Some(digest)) => (S_IFREG, Body::Object(content.size(), digest)),
                (Some(bytes), _) if !bytes.is_empty() => (S_IFREG, Body::Content(bytes)),
                _ => (S_IFREG, Body::None),
            },
            Kind::Symlink(target) => (S_IFLNK, Body::Target(target)),
            Kind::CharDevice(0) if names > 1 => {
                return Err(ImageError::WhiteoutLink { path: self.survey.path(id), links: names });
            }
            Kind::CharDevice(0) => (S_IFREG, Body::None),
            Kind::CharDevice(number) => (S_IFCHR, device(*number)),
            Kind::BlockDevice(number) => (S_IFBLK, device(*number)),
            Kind::Fifo => (S_IFIFO, Body::None),
            Kind::Socket => (S_IFSOCK, Body::None),
        };
        let attributes = self.add_attributes(id)?;
        self.numbers[id.index()] = index;
        let is_long = self.survey.form.long.contains(&id);
        self.plan.inodes.push(Inode { stat, mode: stat.mode | kind_bits, links, is_long, attributes, body });
        Ok(index)
    }

    /// Adds a stub, which has the root's owner, time and SELinux label.
    fn add_stub(&mut self) -> u32 {
        let stat: &'a Stat = &self.survey.tree.node(NodeId::ROOT).stat;
        let start = self.plan.attributes.len();
        if let Some(label) = stat.xattrs.get(SELINUX) {
            self.plan.attributes.push(Given { name: Cow::Borrowed(SELINUX), value: Cow::Borrowed(label) });
        }
        let attributes = number(start)..number(self.plan.attributes.len());
        let (mode, body) = (S_IFCHR | 0o644, Body::None);
        self.plan.inodes.push(Inode { stat, mode, links: 1, is_long: false, attributes, body });
        number(self.plan.inodes.len() - 1)
    }

    /// Adds the attributes of a node as the image has them.
    fn add_attributes(&mut self, id: NodeId) -> Result<Range<u32>, ImageError> {
        let tree = self.survey.tree;
        let node = tree.node(id);
        let holds_whiteouts =
            node.entries().is_some_and(|entries| count(entries, |child| is_whiteout(tree.node(child))) > 0);
        let start = self.plan.attributes.len();
        let (mut editor, size) = Editor::new(&mut self.plan.attributes, &node.stat.xattrs);
        if size > XATTR_LIMIT {
            return Err(ImageError::XattrSize { path: self.survey.path(id), size, limit: XATTR_LIMIT });
        }
        if self.survey.has_backing
            && let Kind::Regular(content) = &node.kind
        {
            editor.set_content(content);
        }
        let mut fits = true;
        if is_whiteout(node) {
            fits &= WHITEOUT_MARKS.iter().all(|name| editor.set(name, b""));
        }
        if holds_whiteouts {
            let marks = self.survey.form.parent_marks();
            fits &= marks.iter().all(|(name, value)| editor.set(name, value));
        }
        if id == NodeId::ROOT {
            fits &= editor.set(OPAQUE, b"y");
        }
        if !fits {
            return Err(ImageError::OverlayMarks { path: self.survey.path(id) });
        }
        Ok(number(start)..number(self.plan.attributes.len()))
    }
}

/// A device's body.
#[expect(clippy::cast_possible_truncation, reason = "the survey refused wider numbers")]
fn device(number: u64) -> Body<'static> {
    Body::Device(number as u32)
}

/// How many children are like this.
fn count(entries: &Entries, is_like: impl Fn(NodeId) -> bool) -> u32 {
    entries.values().fold(0, |sum, child| sum + u32::from(is_like(*child)))
}

/// The number of an inode, name or attribute. A tree has fewer than 2^32 nodes; the 256 stubs on top,
/// and more names or attributes, would need a tree of more memory than any machine has, and saturate.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Edits the attributes of one inode, at the end of the list of all.
struct Editor<'e, 'a> {
    all: &'e mut Vec<Given<'a>>,
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
    fn new(all: &'e mut Vec<Given<'a>>, xattrs: &'a Xattrs) -> (Self, i64) {
        let start = all.len();
        let mut size = if xattrs.is_empty() { 0 } else { 12 };
        for (name, value) in xattrs {
            size += counted(name, value);
            let name = match name.strip_prefix(OVERLAY) {
                Some(rest) => Cow::Owned([ESCAPED, rest].concat()),
                None => Cow::Borrowed(&**name),
            };
            all.push(Given { name, value: Cow::Borrowed(value) });
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
                self.added = if is_only { 0 } else { self.added - counted(name, &attribute.value) };
                self.added += counted(name, value);
                attribute.value = Cow::Borrowed(value);
            }
            Err(at) => {
                self.added += counted(name, value);
                self.all.insert(self.start + at, Given { name: Cow::Borrowed(name), value: Cow::Borrowed(value) });
            }
        }
        self.added >= 0
    }

    /// Says where the content of a file is. Nothing in the plan has these names: those of the tree are escaped.
    fn set_content(&mut self, content: &'a impl Stored) {
        let size = content.size();
        if size == 0 || content.inline().is_some() {
            return;
        }
        let digest = content.verity();
        self.insert(METACOPY, Backing::metacopy(digest));
        let path = match content.backing() {
            Some(backing) => backing.path.as_deref().map(Cow::Borrowed),
            None => digest.map(|digest| Cow::Owned(digest.object_path().into_bytes())),
        };
        if let Some(path) = path {
            self.insert(REDIRECT, Backing::redirect(&path));
        }
    }

    fn insert(&mut self, name: &'static [u8], value: Vec<u8>) {
        let at = self.all[self.start..].partition_point(|given| *given.name < *name);
        self.all.insert(self.start + at, Given { name: Cow::Borrowed(name), value: Cow::Owned(value) });
    }
}
