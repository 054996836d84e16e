//! What differs between two trees, path by path.
//!
//! Contents are compared by fs-verity digest, so nothing but the two images is needed: no object, no
//! mount, no rights. Two trees have no difference here exactly when they are the same image.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;

use model::path::escape;
use model::path::json::keys;
use model::{ImagePath, VerityDigest};
use serde::Serialize;

use crate::composefs::Stored;
use crate::tree::{Kind, Mtime, Node, NodeId, Tree, Walk, Xattrs};
use crate::verity;

/// One path that is not the same in both trees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The path.
    #[serde(flatten, serialize_with = "keys::path")]
    pub path: ImagePath,
    /// What happened to it.
    #[serde(flatten)]
    pub change: Change,
}

/// What happened to a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Only the second tree has it.
    Added {
        /// What it is there.
        after: Facts,
    },
    /// Only the first tree has it.
    Removed {
        /// What it was there.
        before: Facts,
    },
    /// Both have it.
    Changed {
        /// What it was in the first tree.
        before: Facts,
        /// What it is in the second.
        after: Facts,
        /// What of it differs, at least one, in the order of the type.
        aspects: Vec<Aspect>,
    },
}

/// A part of an inode that can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// File, directory, link...
    Kind,
    /// The content of a regular file.
    Content,
    /// The path of the backing file that holds the content, in an image that others made.
    BackingFile,
    /// The target of a symbolic link.
    Target,
    /// The number of a device.
    Device,
    /// The permission bits.
    Mode,
    /// User or group.
    Owner,
    /// The time of modification.
    Mtime,
    /// Extended attributes.
    Xattrs,
    /// Which other paths are the same file.
    HardLink,
}

impl Aspect {
    /// The aspect's name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Content => "content",
            Self::BackingFile => "backing file",
            Self::Target => "target",
            Self::Device => "device",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Mtime => "mtime",
            Self::Xattrs => "xattrs",
            Self::HardLink => "hard link",
        }
    }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl Type {
    /// The type of a node.
    pub fn of<C>(kind: &Kind<C>) -> Self {
        match kind {
            Kind::Directory(_) => Self::Directory,
            Kind::Regular(_) => Self::File,
            Kind::Symlink(_) => Self::Symlink,
            Kind::CharDevice(_) => Self::CharDevice,
            Kind::BlockDevice(_) => Self::BlockDevice,
            Kind::Fifo => Self::Fifo,
            Kind::Socket => Self::Socket,
        }
    }

    /// The type's name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file",
            Self::Symlink => "link",
            Self::CharDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Fifo => "pipe",
            Self::Socket => "socket",
        }
    }
}

/// Everything that is compared of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The permission bits, the low twelve of `st_mode`; in JSON four octal digits.
    #[serde(serialize_with = "octal")]
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds since 1970 with nine decimals.
    #[serde(serialize_with = "seconds")]
    pub mtime: Mtime,
    /// The size of a regular file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The fs-verity digest of a regular file, whether it is an object or is in the image. A file that others
    /// made may have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<VerityDigest>,
    /// The path of the backing file, with unusual bytes escaped, of a file that others made: the objects of a build
    /// are named by their digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing_file: Option<String>,
    /// A symbolic link's target.
    #[serde(flatten, serialize_with = "keys::target")]
    pub target: Option<Box<[u8]>>,
    /// A device's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<u64>,
    /// Extended attributes: name with unusual bytes escaped, value in hexadecimal.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// Another path that is the same file. For a path that both trees have it is the first such path
    /// of its group, and the first one itself has none.
    #[serde(flatten, serialize_with = "keys::hard_link")]
    pub hard_link: Option<ImagePath>,
}

fn octal<S: serde::Serializer>(mode: &u16, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:04o}"))
}

fn seconds<S: serde::Serializer>(time: &Mtime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}.{:09}", time.seconds, time.nanoseconds))
}

/// Every path that differs, in the order of [`Tree::walk`].
#[must_use]
pub fn compare<A: Stored, B: Stored>(before: &Tree<A>, after: &Tree<B>) -> Vec<Difference> {
    let links = (Links::common(before, after), Links::common(after, before));
    let all = (Links::all(before), Links::all(after));
    let mut differences = Vec::new();
    let pairs = Pairs { before: before.walk().peekable(), after: after.walk().peekable() };
    for pair in pairs {
        let difference = match pair {
            Pair::Before(path, id, node) => {
                let before = facts(node, all.0.other(id, &path));
                Difference { path, change: Change::Removed { before } }
            }
            Pair::After(path, id, node) => {
                let after = facts(node, all.1.other(id, &path));
                Difference { path, change: Change::Added { after } }
            }
            Pair::Both(path, (id, old), (new_id, new)) => {
                let (link, new_link) = (links.0.of(id, &path), links.1.of(new_id, &path));
                let aspects = aspects(old, new, link != new_link);
                if aspects.is_empty() {
                    continue;
                }
                let (before, after) = (facts(old, link), facts(new, new_link));
                Difference { path, change: Change::Changed { before, after, aspects } }
            }
        };
        differences.push(difference);
    }
    differences
}

/// A path with its node in one tree or in both.
enum Pair<'a, A, B> {
    Before(ImagePath, NodeId, &'a Node<A>),
    After(ImagePath, NodeId, &'a Node<B>),
    Both(ImagePath, (NodeId, &'a Node<A>), (NodeId, &'a Node<B>)),
}

/// Two walks side by side.
struct Pairs<'a, A, B> {
    before: Peekable<Walk<'a, A>>,
    after: Peekable<Walk<'a, B>>,
}

impl<'a, A, B> Iterator for Pairs<'a, A, B> {
    type Item = Pair<'a, A, B>;

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.before.peek(), self.after.peek()) {
            (Some((old, ..)), Some((new, ..))) => old.components().cmp(new.components()),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => self.before.next().map(|(path, id, node)| Pair::Before(path, id, node)),
            Ordering::Greater => self.after.next().map(|(path, id, node)| Pair::After(path, id, node)),
            Ordering::Equal => {
                let (path, id, old) = self.before.next()?;
                let (_, new_id, new) = self.after.next()?;
                Some(Pair::Both(path, (id, old), (new_id, new)))
            }
        }
    }
}

/// The first two paths of each inode that has several.
struct Links(BTreeMap<NodeId, Vec<ImagePath>>);

impl Links {
    fn all<C>(tree: &Tree<C>) -> Self {
        Self::of_paths(tree, |_| true)
    }

    /// Only paths that `other` has too, so that a path that comes or goes does not change the rest of
    /// its group.
    fn common<C, D>(tree: &Tree<C>, other: &Tree<D>) -> Self {
        Self::of_paths(tree, |path| other.lookup(path).is_some())
    }

    fn of_paths<C>(tree: &Tree<C>, counts: impl Fn(&ImagePath) -> bool) -> Self {
        let names = tree.link_counts();
        let mut first = BTreeMap::new();
        for (path, id, node) in tree.walk() {
            if names[id.index()] > 1 && !node.is_directory() && counts(&path) {
                let paths: &mut Vec<ImagePath> = first.entry(id).or_default();
                if paths.len() < 2 {
                    paths.push(path);
                }
            }
        }
        Self(first)
    }

    /// The first path of the inode, none when that is `path`: two trees group their paths in the same
    /// way when this is the same everywhere.
    fn of(&self, id: NodeId, path: &ImagePath) -> Option<ImagePath> {
        self.0.get(&id)?.first().filter(|first| *first != path).cloned()
    }

    /// The first path of the inode that is not `path`.
    fn other(&self, id: NodeId, path: &ImagePath) -> Option<ImagePath> {
        self.0.get(&id)?.iter().find(|other| *other != path).cloned()
    }
}

fn aspects<A: Stored, B: Stored>(old: &Node<A>, new: &Node<B>, link_differs: bool) -> Vec<Aspect> {
    let (before, after) = (&old.stat, &new.stat);
    let found = [
        body(&old.kind, &new.kind),
        backing_differs(&old.kind, &new.kind).then_some(Aspect::BackingFile),
        (before.mode != after.mode).then_some(Aspect::Mode),
        ((before.uid, before.gid) != (after.uid, after.gid)).then_some(Aspect::Owner),
        (before.mtime != after.mtime).then_some(Aspect::Mtime),
        (before.xattrs != after.xattrs).then_some(Aspect::Xattrs),
        link_differs.then_some(Aspect::HardLink),
    ];
    found.into_iter().flatten().collect()
}

/// What differs besides the inode's attributes.
fn body<A: Stored, B: Stored>(old: &Kind<A>, new: &Kind<B>) -> Option<Aspect> {
    let (differs, aspect) = match (old, new) {
        (Kind::Regular(old), Kind::Regular(new)) => (!same_content(old, new), Aspect::Content),
        (Kind::Symlink(old), Kind::Symlink(new)) => (old != new, Aspect::Target),
        (Kind::CharDevice(old), Kind::CharDevice(new)) | (Kind::BlockDevice(old), Kind::BlockDevice(new)) => {
            (old != new, Aspect::Device)
        }
        (old, new) => (Type::of(old) != Type::of(new), Aspect::Kind),
    };
    differs.then_some(aspect)
}

fn same_content(old: &impl Stored, new: &impl Stored) -> bool {
    // Hashing is for contents that are stored in different ways.
    if let (Some(old), Some(new)) = (old.inline(), new.inline()) {
        return old == new;
    }
    old.size() == new.size() && digest(old) == digest(new)
}

/// Whether two files have backing files of other names. That of a build is named by its digest, which
/// is compared as the content.
fn backing_differs<A: Stored, B: Stored>(old: &Kind<A>, new: &Kind<B>) -> bool {
    let (Kind::Regular(old), Kind::Regular(new)) = (old, new) else { return false };
    (old.backing().is_some() || new.backing().is_some()) && backing_file(old) != backing_file(new)
}

fn backing_file(content: &impl Stored) -> Option<Vec<u8>> {
    match content.backing() {
        Some(backing) => backing.path.as_deref().map(<[u8]>::to_vec),
        None => content.verity().map(|digest| digest.object_path().into_bytes()),
    }
}

/// The fs-verity digest of a file's content, wherever the content is; none where nothing says it.
#[must_use]
pub fn digest(content: &impl Stored) -> Option<VerityDigest> {
    match (content.verity(), content.backing()) {
        (None, Some(_)) => None,
        (digest, _) => Some(digest.copied().unwrap_or_else(|| verity::digest(content.inline().unwrap_or_default()))),
    }
}

fn facts<C: Stored>(node: &Node<C>, hard_link: Option<ImagePath>) -> Facts {
    let (mut size, mut content, mut backing, mut target, mut device) = (None, None, None, None, None);
    match &node.kind {
        Kind::Regular(stored) => {
            (size, content) = (Some(stored.size()), digest(stored));
            backing = stored.backing().and_then(|backing| backing.path.as_deref()).map(escape);
        }
        Kind::Symlink(bytes) => target = Some(bytes.clone()),
        Kind::CharDevice(number) | Kind::BlockDevice(number) => device = Some(*number),
        Kind::Directory(_) | Kind::Fifo | Kind::Socket => {}
    }
    let stat = &node.stat;
    Facts {
        kind: Type::of(&node.kind),
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        mtime: stat.mtime,
        size,
        content,
        backing_file: backing,
        target,
        device,
        xattrs: xattrs(&stat.xattrs),
        hard_link,
    }
}

fn xattrs(xattrs: &Xattrs) -> BTreeMap<String, String> {
    xattrs.iter().map(|(name, value)| (escape(name), hex::encode(value))).collect()
}

#[cfg(test)]
mod tests;
