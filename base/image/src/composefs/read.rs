//! The reader: bytes of unknown origin become a tree, or an error that says where they are wrong.
//!
//! Two budgets bound time and memory. Everything but the shared attributes belongs to one inode
//! only, so all of it together is not larger than the image: overlapping inodes or blocks run out of
//! that budget. Shared attributes may come out [`SHARED_FACTOR`] times as large as the image, and not larger
//! than [`SHARED_LIMIT`].

use model::VerityDigest;

use super::format::{
    ACLS, BLOCK, BLOCK_BITS, CHUNKS_LIMIT, CONTENT_LIMIT, DEPTH_LIMIT, ESCAPED, FILE_LIMIT, FIRST_INODE, LAYOUT_CHUNKS,
    LAYOUT_INLINE, LAYOUT_PLAIN, METACOPY, OPAQUE, OVERLAY, PARENT_MARKS, REDIRECT, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO,
    S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, SELINUX, SLOT, SUPERBLOCK, WHITEOUT_MARKS, chunk_bits, chunk_count, filter_bit,
};
use super::plan::is_stub_name;
use super::raw::{
    BLOCK_BYTES, Checked, Header, Raw, RawName, XATTR_HEADER_BYTES, all_zero, attribute, damaged, dirents, part, u32_at,
};
use super::survey::is_file_name;
use super::write::dirent_type;
use super::{ImageError, Stored};
use crate::Error;
use crate::tree::{Entries, Kind, Node, NodeId, Stat, Tree, TreeError, Xattrs};

/// How many times larger than the image its shared attributes may come out.
const SHARED_FACTOR: u64 = 64;

/// The most bytes of shared attributes that come out: a label of 100 bytes for each of five million files.
const SHARED_LIMIT: u64 = 512 << 20;

/// The content of a regular file in an image that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Empty,
    /// These bytes, at least one.
    Inline(Box<[u8]>),
    /// What the object of this digest holds.
    Object {
        /// The size in bytes, at least one.
        size: u64,
        /// The object's name.
        digest: VerityDigest,
    },
}

impl Stored for Entry {
    fn size(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Object { size, .. } => *size,
        }
    }

    fn inline(&self) -> Option<&[u8]> {
        match self {
            Self::Inline(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn verity(&self) -> Option<&VerityDigest> {
        match self {
            Self::Object { digest, .. } => Some(digest),
            _ => None,
        }
    }
}

/// Reads a composefs image of format version 1.
///
/// The tree is what was written: overlay attributes are unescaped, whiteouts are whiteouts, and the
/// stubs of the root are gone. Nodes are numbered in the order of a walk.
///
/// # Errors
/// When the bytes are no image, or one of another version, or with features that this reader does
/// not know, or damaged. Never panics, and takes time and memory in proportion to the image.
pub fn read(bytes: &[u8]) -> Result<Tree<Entry>, Error> {
    let header = Header::parse(bytes)?;
    let slots = usize::try_from(bytes.len() as u64 / SLOT + 1).unwrap_or(usize::MAX);
    let mut nodes = Vec::new();
    // The size comes from outside; a vector that cannot be allocated would end the process.
    nodes.try_reserve_exact(slots).map_err(|_| ImageError::Memory { size: bytes.len() as u64 })?;
    nodes.resize(slots, None);
    let reader = Reader {
        bytes,
        header: &header,
        budget: bytes.len() as u64,
        shared_budget: (bytes.len() as u64).saturating_mul(SHARED_FACTOR).min(SHARED_LIMIT),
        nodes,
        links: Vec::new(),
        inodes: 0,
        has_acl: false,
    };
    Ok(reader.read()?)
}

/// A directory whose entries are being read.
struct Frame<'b> {
    node: NodeId,
    inode: u64,
    names: std::vec::IntoIter<RawName<'b>>,
}

struct Reader<'b> {
    bytes: &'b [u8],
    header: &'b Header,
    budget: u64,
    shared_budget: u64,
    /// The node of each inode that was read, by inode number.
    nodes: Vec<Option<NodeId>>,
    /// How many names each node should have and has, by node index; directories are checked apart.
    links: Vec<(u32, u32)>,
    inodes: u64,
    has_acl: bool,
}

impl<'b> Reader<'b> {
    fn read(mut self) -> Checked<Tree<Entry>> {
        let root = self.header.root;
        let raw = self.inode(root)?;
        if raw.mode & S_IFMT != S_IFDIR {
            return Err(damaged("the root is no directory", raw.offset));
        }
        let mut stat = self.stat(&raw)?;
        if stat.xattrs.remove(OPAQUE).as_deref() != Some(b"y") {
            return Err(damaged("the root is not opaque", raw.offset));
        }
        unescape(&mut stat.xattrs, raw.offset)?;
        let names = self.directory(&raw, root, root)?;
        let names = self.without_stubs(&stat, names)?;
        let mut tree = Tree::new(stat);
        self.links.push((0, 0));
        self.remember(root, NodeId::ROOT)?;
        let mut frames = vec![Frame { node: NodeId::ROOT, inode: root, names: names.into_iter() }];
        while let Some(frame) = frames.last_mut() {
            match frame.names.next() {
                Some(name) => {
                    let (directory, inode) = (frame.node, frame.inode);
                    let below = self.name(&mut tree, directory, inode, &name)?;
                    frames.extend(below);
                    if frames.len() > DEPTH_LIMIT {
                        return Err(damaged("directories nest too deep", name.inode * SLOT));
                    }
                }
                None => {
                    restore_whiteouts(&mut tree, frame.node, &self.links);
                    frames.pop();
                }
            }
        }
        self.finish(tree)
    }

    /// Checks what only the whole says.
    fn finish(self, tree: Tree<Entry>) -> Checked<Tree<Entry>> {
        if self.links.iter().any(|(said, counted)| said != counted) {
            return Err(damaged("an inode has another number of names than it says", FIRST_INODE));
        }
        if self.inodes != self.header.inodes {
            return Err(damaged("the number of inodes is not that of the superblock", SUPERBLOCK + 16));
        }
        if self.has_acl != self.header.has_acl {
            return Err(damaged("the flag for access control lists is wrong", 8));
        }
        Ok(tree)
    }

    fn spend(&mut self, amount: u64, offset: u64) -> Checked<()> {
        let left = self.budget.checked_sub(amount);
        self.budget = left.ok_or_else(|| damaged("parts of the image overlap", offset))?;
        Ok(())
    }

    fn remember(&mut self, inode: u64, node: NodeId) -> Checked<()> {
        let slot = usize::try_from(inode).ok().and_then(|index| self.nodes.get_mut(index));
        *slot.ok_or_else(|| damaged("an inode is beyond the end", inode))? = Some(node);
        Ok(())
    }

    fn known(&self, inode: u64) -> Option<NodeId> {
        *self.nodes.get(usize::try_from(inode).ok()?)?
    }

    /// The fixed part of an inode.
    fn inode(&mut self, number: u64) -> Checked<Raw<'b>> {
        let raw = Raw::parse(self.bytes, number, self.header.earliest)?;
        self.spend(raw.end - raw.offset, raw.offset)?;
        self.inodes += 1;
        Ok(raw)
    }

    /// Owner, mode, time and attributes, the latter as they are.
    fn stat(&mut self, raw: &Raw<'b>) -> Checked<Stat> {
        let xattrs = self.xattrs(raw)?;
        self.has_acl |= ACLS.iter().any(|name| xattrs.contains_key(*name));
        Ok(Stat { mode: raw.mode & !S_IFMT, uid: raw.uid, gid: raw.gid, mtime: raw.mtime, xattrs })
    }

    fn xattrs(&mut self, raw: &Raw<'b>) -> Checked<Xattrs> {
        let mut xattrs = Xattrs::new();
        let offset = raw.end - raw.xattrs.len() as u64;
        let Some((header, rest)) = raw.xattrs.split_at_checked(XATTR_HEADER_BYTES) else { return Ok(xattrs) };
        if !all_zero(&header[5..]) {
            return Err(damaged("a reserved byte of the attributes is not zero", offset));
        }
        let Some((references, mut own)) = rest.split_at_checked(usize::from(header[4]) * 4) else {
            return Err(damaged("references to shared attributes are beyond the inode", offset));
        };
        let mut insert = |entry: &[u8]| -> Checked<u64> {
            let (name, value, size) = attribute(entry, offset)?;
            match xattrs.insert(name, value) {
                Some(_) => Err(damaged("an inode has an attribute twice", offset)),
                None => Ok(size),
            }
        };
        while !own.is_empty() {
            let size = insert(own)?;
            own = own.get(usize::try_from(size).unwrap_or(usize::MAX)..).unwrap_or_default();
        }
        for reference in references.as_chunks().0 {
            let at = self.header.shared + u64::from(u32::from_le_bytes(*reference)) * 4;
            let left = (self.bytes.len() as u64).saturating_sub(at);
            let entry = part(self.bytes, at, left, "a shared attribute is beyond the end")?;
            let size = insert(entry)?;
            let budget = self.shared_budget.checked_sub(size);
            self.shared_budget = budget.ok_or_else(|| damaged("shared attributes are used too often", at))?;
        }
        let bits = xattrs.keys().fold(0, |bits, name| bits | filter_bit(name));
        if u32_at(header, 0) != !bits {
            return Err(damaged("the filter of attribute names is wrong", offset));
        }
        Ok(xattrs)
    }

    /// The whole blocks and the tail of an inode's data.
    fn data(&mut self, raw: &Raw<'b>) -> Checked<(&'b [u8], &'b [u8])> {
        let tail_size = if raw.layout == LAYOUT_INLINE { raw.size % BLOCK } else { 0 };
        let tail = part(self.bytes, raw.end, tail_size, "a tail is beyond the end")?;
        let size = raw.size - tail_size;
        let blocks = match size {
            0 => &[][..],
            _ => part(self.bytes, u64::from(raw.data) * BLOCK, size, "a block is beyond the end")?,
        };
        self.spend(raw.size, raw.offset)?;
        Ok((blocks, tail))
    }

    /// A directory's entries but `.` and `..`, which it checks.
    fn directory(&mut self, raw: &Raw<'b>, own: u64, parent: u64) -> Checked<Vec<RawName<'b>>> {
        if raw.layout == LAYOUT_CHUNKS {
            return Err(damaged("a directory is made of chunks", raw.offset));
        }
        let (blocks, tail) = self.data(raw)?;
        let mut names: Vec<RawName<'b>> = Vec::new();
        for block in blocks.chunks(BLOCK_BYTES).chain(tail.chunks(BLOCK_BYTES)) {
            dirents(block, &mut names).map_err(|problem| damaged(problem, raw.offset))?;
        }
        if !names.is_sorted_by(|a, b| a.name < b.name) {
            return Err(damaged("names of a directory are out of order", raw.offset));
        }
        for (name, inode) in [(&b"."[..], own), (b"..", parent)] {
            match names.binary_search_by_key(&name, |entry| entry.name) {
                Ok(at) if names[at].inode == inode && names[at].kind == dirent_type(S_IFDIR) => {
                    names.remove(at);
                }
                _ => return Err(damaged("a directory does not lead to itself and its parent", raw.offset)),
            }
        }
        let below = names.iter().filter(|name| name.kind == dirent_type(S_IFDIR)).count();
        match names.iter().find(|name| !is_file_name(name.name)) {
            Some(_) => Err(damaged("a directory holds a name that no file can have", raw.offset)),
            None if u32::try_from(below + 2) != Ok(raw.links) => {
                Err(damaged("a directory has another number of directories than it says", raw.offset))
            }
            None => Ok(names),
        }
    }

    /// Checks the stubs of the root and takes them away.
    fn without_stubs(&mut self, root: &Stat, names: Vec<RawName<'b>>) -> Checked<Vec<RawName<'b>>> {
        let mut expected = Stat { mode: 0o644, xattrs: Xattrs::new(), ..*root };
        if let Some(label) = root.xattrs.get(SELINUX) {
            expected.xattrs.insert(SELINUX.into(), label.clone());
        }
        if names.iter().filter(|name| is_stub_name(name.name)).count() != 256 {
            return Err(damaged("stubs are missing", FIRST_INODE));
        }
        let mut kept = Vec::with_capacity(names.len());
        for name in names {
            // A device that is no stub will be read, and its budget spent, again.
            let (budget, inodes) = (self.budget, self.inodes);
            if is_stub_name(name.name) && name.kind == dirent_type(S_IFCHR) {
                let raw = self.inode(name.inode)?;
                if raw.mode & S_IFMT == S_IFCHR && raw.data == 0 {
                    if self.stat(&raw)? != expected || raw.links != 1 || raw.size != 0 {
                        return Err(damaged("a stub differs from the root", raw.offset));
                    }
                    continue;
                }
            }
            (self.budget, self.inodes) = (budget, inodes);
            kept.push(name);
        }
        Ok(kept)
    }

    /// Gives a name its node, which is read when it is the first. A directory's entries are to be
    /// read next.
    fn name(
        &mut self,
        tree: &mut Tree<Entry>,
        directory: NodeId,
        parent: u64,
        name: &RawName<'b>,
    ) -> Checked<Option<Frame<'b>>> {
        let offset = name.inode.saturating_mul(SLOT);
        let linked = |_| damaged("an entry does not fit its directory", offset);
        let wrong_kind = || damaged("a name says another file type than its inode", offset);
        if let Some(node) = self.known(name.inode) {
            let Some((_, counted)) = self.links.get_mut(node.index()) else { return Err(wrong_kind()) };
            *counted += 1;
            if tree.node(node).is_directory() {
                return Err(damaged("a directory has two names", offset));
            }
            if name.kind != dirent_type(type_bits(&tree.node(node).kind)) {
                return Err(wrong_kind());
            }
            tree.link(directory, name.name, node).map_err(linked)?;
            return Ok(None);
        }
        let raw = self.inode(name.inode)?;
        if name.kind != dirent_type(raw.mode) {
            return Err(wrong_kind());
        }
        let mut stat = self.stat(&raw)?;
        let kind = self.kind(&raw, &mut stat)?;
        unescape(&mut stat.xattrs, raw.offset)?;
        let is_directory = matches!(kind, Kind::Directory(_));
        let node = tree.add(Node { stat, kind }).map_err(|error| match error {
            TreeError::NoMemory { nodes } => ImageError::NoMemory { nodes },
            _ => damaged("there are too many inodes", offset),
        })?;
        self.links.push(if is_directory { (0, 0) } else { (raw.links, 1) });
        self.remember(name.inode, node)?;
        tree.link(directory, name.name, node).map_err(linked)?;
        if !is_directory {
            return Ok(None);
        }
        let names = self.directory(&raw, name.inode, parent)?.into_iter();
        Ok(Some(Frame { node, inode: name.inode, names }))
    }

    /// What an inode is; takes the attributes away that say so.
    fn kind(&mut self, raw: &Raw<'b>, stat: &mut Stat) -> Checked<Kind<Entry>> {
        let kind = raw.mode & S_IFMT;
        if !matches!(kind, S_IFDIR | S_IFREG | S_IFLNK) && (raw.size != 0 || raw.layout != LAYOUT_PLAIN) {
            return Err(damaged("a device, pipe or socket has data", raw.offset));
        }
        match kind {
            S_IFDIR => Ok(Kind::Directory(Entries::new())),
            S_IFREG if raw.layout == LAYOUT_CHUNKS => self.object(raw, stat).map(Kind::Regular),
            S_IFREG if raw.size == 0 => Ok(Kind::Regular(Entry::Empty)),
            S_IFREG if raw.size > CONTENT_LIMIT => Err(damaged("a content in the image is too long", raw.offset)),
            S_IFREG => {
                let (blocks, tail) = self.data(raw)?;
                Ok(Kind::Regular(Entry::Inline([blocks, tail].concat().into_boxed_slice())))
            }
            S_IFLNK if matches!(raw.size, 1..=4095) && raw.layout != LAYOUT_CHUNKS => {
                let (blocks, tail) = self.data(raw)?;
                let target = [blocks, tail].concat();
                if target.contains(&0) {
                    return Err(damaged("a symbolic link's target holds a zero byte", raw.offset));
                }
                Ok(Kind::Symlink(target.into_boxed_slice()))
            }
            S_IFLNK => Err(damaged("a symbolic link's target is empty or too long", raw.offset)),
            S_IFCHR if raw.data == 0 => Err(damaged("a whiteout is not escaped", raw.offset)),
            S_IFCHR => Ok(Kind::CharDevice(raw.data.into())),
            S_IFBLK => Ok(Kind::BlockDevice(raw.data.into())),
            S_IFIFO => Ok(Kind::Fifo),
            S_IFSOCK => Ok(Kind::Socket),
            _ => Err(damaged("an inode has no known file type", raw.offset)),
        }
    }

    /// A file whose content is an object: chunks that hold nothing, and two attributes.
    fn object(&mut self, raw: &Raw<'b>, stat: &mut Stat) -> Checked<Entry> {
        let size = raw.size;
        if size == 0 || size > FILE_LIMIT || raw.data != chunk_bits(size) - u32::from(BLOCK_BITS) {
            return Err(damaged("the chunks do not fit the file's size", raw.offset));
        }
        let pointers = chunk_count(size).min(CHUNKS_LIMIT) * 4;
        let chunks = part(self.bytes, raw.end, pointers, "chunks are beyond the end")?;
        self.spend(pointers, raw.offset)?;
        if chunks.iter().any(|byte| *byte != 0xff) {
            return Err(damaged("a chunk is not empty", raw.offset));
        }
        let no_digest = || damaged("a file has neither content nor a digest", raw.offset);
        let metacopy = stat.xattrs.remove(METACOPY).ok_or_else(no_digest)?;
        let redirect = stat.xattrs.remove(REDIRECT).ok_or_else(no_digest)?;
        let Some((&[0, 36, 0, 1], digest)) = metacopy.split_first_chunk() else { return Err(no_digest()) };
        let digest = VerityDigest::new(*digest.as_array().ok_or_else(no_digest)?);
        if redirect.strip_prefix(b"/") != Some(digest.object_path().as_bytes()) {
            return Err(damaged("a file's object is not named by its digest", raw.offset));
        }
        Ok(Entry::Object { size, digest })
    }
}

/// Takes one `overlay.` out of the names of escaped attributes of overlayfs, all at once, because one
/// may become what another was.
fn unescape(xattrs: &mut Xattrs, offset: u64) -> Checked<()> {
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
fn plain(name: &[u8]) -> Vec<u8> {
    name.strip_prefix(ESCAPED).map_or_else(|| name.to_vec(), |rest| [OVERLAY, rest].concat())
}

/// Turns the files of `directory` that stand for whiteouts into whiteouts, if it is marked as
/// holding some, and takes the marks away.
///
/// A file or directory that has but some of the marks had them as attributes of its own, and so had
/// a file with several names, because no writer makes a whiteout of that.
fn restore_whiteouts(tree: &mut Tree<Entry>, directory: NodeId, links: &[(u32, u32)]) {
    let node = tree.node(directory);
    let is_marked = PARENT_MARKS
        .iter()
        .all(|(name, value)| node.stat.xattrs.get(&*plain(name)).is_some_and(|found| **found == **value));
    if !is_marked {
        return;
    }
    let stands_for_one = |id: &NodeId| {
        let Node { stat, kind } = tree.node(*id);
        matches!(kind, Kind::Regular(Entry::Empty))
            && links.get(id.index()).is_some_and(|(said, _)| *said == 1)
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
    PARENT_MARKS.iter().for_each(|(name, _)| drop(marks.remove(&plain(name))));
}

/// The file type bits of a node.
fn type_bits(kind: &Kind<Entry>) -> u16 {
    match kind {
        Kind::Directory(_) => S_IFDIR,
        Kind::Regular(_) => S_IFREG,
        Kind::Symlink(_) => S_IFLNK,
        Kind::CharDevice(0) => S_IFREG,
        Kind::CharDevice(_) => S_IFCHR,
        Kind::BlockDevice(_) => S_IFBLK,
        Kind::Fifo => S_IFIFO,
        Kind::Socket => S_IFSOCK,
    }
}
