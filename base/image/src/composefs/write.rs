//! The writer: emits what [`Layout`] laid out.

use super::Stored;
use super::error::ImageError;
use super::format::{
    BLOCK, BLOCK_BITS, COMPOSEFS_MAGIC, COMPOSEFS_VERSION, DIRENT_SIZE, EROFS_MAGIC, FEATURE_COMPAT, FIRST_INODE,
    FLAG_HAS_ACL, HEADER_VERSION, LAYOUT_CHUNKS, LAYOUT_INLINE, LAYOUT_PLAIN, METACOPY, NULL_CHUNK, REDIRECT, S_IFBLK,
    S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, SUPERBLOCK, align, chunk_bits, filter_bit,
    split_name,
};
use super::layout::{Layout, Place, dirent_blocks, low, low16};
use super::plan::{Body, Inode, Name, Plan};
use super::share::{Attribute, Shared, Value};
use super::survey::Survey;
use crate::Error;
use crate::tree::Tree;

/// Writes the composefs image of `tree`: format version 1, the bytes that C `mkcomposefs
/// --min-version=1 --max-version=1` 1.0.8 writes.
///
/// The bytes depend on nothing but the names, inodes and contents of the tree.
///
/// # Errors
/// When the format, or the C tools, cannot hold the tree: see [`ImageError`]'s variants.
pub fn write<C: Stored>(tree: &Tree<C>) -> Result<Vec<u8>, Error> {
    let plan = Plan::of(&Survey::of(tree)?)?;
    let shared = Shared::of(&plan);
    let layout = Layout::of(&plan, &shared)?;
    let emitter = Emitter {
        plan: &plan,
        shared: &shared,
        layout: &layout,
        out: Output::with_capacity(layout.blocks)?,
        attributes: Vec::new(),
        object_bits: [METACOPY, REDIRECT].map(filter_bit),
    };
    Ok(emitter.emit())
}

/// Bytes that grow, with the integers of the format.
#[derive(Debug)]
struct Output(Vec<u8>);

impl Output {
    fn with_capacity(blocks: u64) -> Result<Self, ImageError> {
        let bytes = usize::try_from(blocks * BLOCK).map_err(|_| ImageError::ImageSize { blocks })?;
        Ok(Self(Vec::with_capacity(bytes)))
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// An attribute, padded.
    fn attribute(&mut self, attribute: &Attribute<'_>) {
        let (index, rest) = split_name(attribute.name);
        // The survey and the plan keep names below 256 and values below 65536 bytes.
        self.bytes(&[low8(rest.len()), index]);
        self.u16(low16(attribute.value.len() as u64));
        self.bytes(rest);
        attribute.value.append_to(&mut self.0);
        self.fill_to(align(self.position(), 4));
    }

    fn position(&self) -> u64 {
        self.0.len() as u64
    }

    /// Fills with zeros up to `position`.
    #[expect(clippy::cast_possible_truncation, reason = "the capacity, which is larger, fits")]
    fn fill_to(&mut self, position: u64) {
        debug_assert!(self.position() <= position, "the layout left too little room");
        self.0.resize(position as usize, 0);
    }
}

/// As [`low16`], below 2^8.
#[expect(clippy::cast_possible_truncation, reason = "the limits of the format keep these small")]
fn low8(value: usize) -> u8 {
    value as u8
}

/// The number of a file type in a directory entry.
pub(super) fn dirent_type(mode: u16) -> u8 {
    match mode & S_IFMT {
        S_IFREG => 1,
        S_IFDIR => 2,
        S_IFCHR => 3,
        S_IFBLK => 4,
        S_IFIFO => 5,
        S_IFSOCK => 6,
        S_IFLNK => 7,
        _ => 0,
    }
}

struct Emitter<'p> {
    plan: &'p Plan<'p>,
    shared: &'p Shared<'p>,
    layout: &'p Layout,
    out: Output,
    /// The attributes of the inode that is being written.
    attributes: Vec<Attribute<'p>>,
    /// The filter bits of an object's two attributes.
    object_bits: [u32; 2],
}

impl<'p> Emitter<'p> {
    fn emit(mut self) -> Vec<u8> {
        self.headers();
        for (index, (inode, place)) in self.plan.inodes.iter().zip(&self.layout.places).enumerate() {
            self.inode(index, inode, place);
        }
        self.out.fill_to(self.layout.shared_start);
        for attribute in self.shared.table() {
            self.out.attribute(&attribute);
        }
        self.out.fill_to(self.layout.blocks_start);
        for (inode, place) in self.plan.inodes.iter().zip(&self.layout.places) {
            self.blocks(inode, place);
        }
        debug_assert_eq!(self.out.position(), self.layout.blocks * BLOCK, "the layout counted wrongly");
        self.out.0
    }

    fn headers(&mut self) {
        let Layout { earliest, shared_start, blocks, has_acl, .. } = *self.layout;
        self.out.u32(COMPOSEFS_MAGIC);
        self.out.u32(HEADER_VERSION);
        self.out.u32(if has_acl { FLAG_HAS_ACL } else { 0 });
        self.out.u32(COMPOSEFS_VERSION);
        self.out.fill_to(SUPERBLOCK);
        self.out.u32(EROFS_MAGIC);
        self.out.u32(0); // checksum: that feature is off
        self.out.u32(FEATURE_COMPAT);
        self.out.bytes(&[BLOCK_BITS, 0]);
        // The root is the first inode, within the first two blocks, so its number is small.
        self.out.u16(low16(self.layout.places[0].number()));
        self.out.u64(self.plan.inodes.len() as u64);
        self.out.u64(earliest.seconds.cast_unsigned());
        self.out.u32(earliest.nanoseconds);
        self.out.u32(low(blocks));
        self.out.u32(0); // inodes are numbered from the start of the image
        self.out.u32(low(shared_start / BLOCK));
        self.out.fill_to(FIRST_INODE);
    }

    /// An inode, its attributes and its tail.
    fn inode(&mut self, index: usize, inode: &Inode<'p>, place: &Place) {
        self.out.fill_to(place.position);
        let layout = match (&inode.body, place.tail) {
            (Body::Object(..), _) => LAYOUT_CHUNKS,
            (_, 0) => LAYOUT_PLAIN,
            _ => LAYOUT_INLINE,
        };
        self.out.u16(layout << 1 | u16::from(!place.compact));
        // Units of four bytes, of which the header counts as one. The limit on attributes keeps
        // this below 2^14.
        self.out.u16(low16(u64::from(place.xattr_size.saturating_sub(8) / 4)));
        self.out.u16(inode.mode);
        let size = match inode.body {
            Body::Directory(_) => place.body_size(),
            _ => inode.size(),
        };
        let stat = inode.stat;
        #[expect(clippy::cast_possible_truncation, reason = "the short form is chosen when the numbers fit it")]
        if place.compact {
            self.out.u16(inode.links as u16);
            self.out.u32(size as u32);
            self.out.u32(0);
            self.out.u32(data_field(inode, place));
            self.out.u32(index as u32);
            self.out.u16(stat.uid as u16);
            self.out.u16(stat.gid as u16);
            self.out.u32(0);
        } else {
            self.out.u16(0);
            self.out.u64(size);
            self.out.u32(data_field(inode, place));
            self.out.u32(index as u32);
            self.out.u32(stat.uid);
            self.out.u32(stat.gid);
            self.out.u64(stat.mtime.seconds.cast_unsigned());
            self.out.u32(stat.mtime.nanoseconds);
            self.out.u32(inode.links);
            self.out.bytes(&[0; 16]);
        }
        if place.xattr_size > 0 {
            self.attributes(index);
        }
        self.tail(inode, place);
    }

    fn attributes(&mut self, index: usize) {
        self.attributes.clear();
        self.attributes.extend(self.shared.attributes(index));
        let bits = self.attributes.iter().fold(0, |bits, attribute| bits | self.filter_bits(attribute));
        self.out.u32(!bits);
        let shared = self.attributes.iter().filter_map(|attribute| attribute.shared);
        // At most 128: the iterator saw to it.
        self.out.bytes(&[low8(shared.clone().count()), 0, 0, 0, 0, 0, 0, 0]);
        let table = self.layout.shared_start % BLOCK;
        for offset in shared {
            self.out.u32(low((table + offset) / 4));
        }
        for attribute in self.attributes.iter().filter(|attribute| attribute.shared.is_none()) {
            self.out.attribute(attribute);
        }
    }

    /// The bit of an attribute's name. Those of objects come so often that theirs are kept.
    fn filter_bits(&self, attribute: &Attribute<'_>) -> u32 {
        match attribute.value {
            Value::Given(..) => filter_bit(attribute.name),
            Value::Metacopy(_) => self.object_bits[0],
            Value::Redirect(_) => self.object_bits[1],
        }
    }

    fn tail(&mut self, inode: &Inode<'p>, place: &Place) {
        if place.tail == 0 {
            return;
        }
        match &inode.body {
            Body::None | Body::Device(_) => {}
            Body::Directory(names) => {
                if let Some(last) = dirent_blocks(self.plan.names(names)).last() {
                    self.dirents(last);
                }
            }
            Body::Content(content) => self.out.bytes(&content[content.len() - usize::from(place.tail)..]),
            Body::Target(target) => self.out.bytes(target),
            Body::Object(..) => (0..place.tail / 4).for_each(|_| self.out.u32(NULL_CHUNK)),
        }
    }

    fn blocks(&mut self, inode: &Inode<'p>, place: &Place) {
        if place.blocks == 0 {
            return;
        }
        let start = u64::from(place.first_block) * BLOCK;
        debug_assert_eq!(self.out.position(), start);
        match &inode.body {
            Body::None | Body::Device(_) | Body::Object(..) => {}
            Body::Directory(names) => {
                for block in dirent_blocks(self.plan.names(names)).take(place.blocks as usize) {
                    self.dirents(block);
                    self.out.fill_to(align(self.out.position(), BLOCK));
                }
            }
            Body::Content(content) => self.out.bytes(&content[..content.len() - usize::from(place.tail)]),
            Body::Target(target) => self.out.bytes(target),
        }
        self.out.fill_to(start + u64::from(place.blocks) * BLOCK);
    }

    /// The entries of one directory block: numbers first, then the names.
    fn dirents(&mut self, names: &[Name<'p>]) {
        let mut name_offset = names.len() as u64 * DIRENT_SIZE;
        for name in names {
            self.out.u64(self.layout.places[name.inode as usize].number());
            // Below 4096: it is within the block.
            self.out.u16(low16(name_offset));
            self.out.bytes(&[dirent_type(self.plan.inodes[name.inode as usize].mode), 0]);
            name_offset += name.name.len() as u64;
        }
        names.iter().for_each(|name| self.out.bytes(name.name));
    }
}

/// The inode's field for a block, a device or the form of chunks.
fn data_field(inode: &Inode<'_>, place: &Place) -> u32 {
    match inode.body {
        Body::Device(number) => number,
        Body::Object(size, _) => chunk_bits(size) - u32::from(BLOCK_BITS),
        Body::Directory(_) | Body::Content(_) | Body::Target(_) if place.blocks > 0 => place.first_block,
        _ => 0,
    }
}
