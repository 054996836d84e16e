//! Where everything in an image is.
//!
//! An image is: the composefs header, the EROFS superblock, the inodes with their attributes and
//! tails, the shared attributes, and whole blocks of directories, long contents and long targets.

use super::error::ImageError;
use super::format::{
    ACLS, BLOCK, COMPACT_SIZE, DIRENT_SIZE, EXTENDED_SIZE, FIRST_INODE, SLOT, XATTR_HEADER, align, chunk_count,
    xattr_entry_size,
};
use super::plan::{Body, Inode, Name, Plan};
use super::share::{Attribute, Shared};
use crate::tree::Mtime;

/// Where an inode is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The byte where it starts.
    pub(super) position: u64,
    /// The size of its attributes, with their header.
    pub(super) xattr_size: u32,
    /// How many whole blocks it has.
    pub(super) blocks: u32,
    /// The number of the first of them.
    pub(super) first_block: u32,
    /// How many bytes follow the attributes, less than a block.
    pub(super) tail: u16,
    /// Whether the short form holds it.
    pub(super) compact: bool,
}

impl Place {
    /// The number by which directory entries name the inode.
    pub(super) fn number(&self) -> u64 {
        self.position / SLOT
    }

    /// The size of its blocks and its tail in bytes.
    pub(super) fn body_size(&self) -> u64 {
        u64::from(self.blocks) * BLOCK + u64::from(self.tail)
    }

    /// The byte after its tail.
    fn end(&self) -> u64 {
        let head = if self.compact { COMPACT_SIZE } else { EXTENDED_SIZE };
        self.position + head + u64::from(self.xattr_size) + u64::from(self.tail)
    }
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    /// The earliest time of any inode, which inodes in the short form have.
    pub(super) earliest: Mtime,
    /// Where the inodes end and the shared attributes start.
    pub(super) shared_start: u64,
    /// Where the whole blocks start.
    pub(super) blocks_start: u64,
    /// The number of blocks of the image.
    pub(super) blocks: u64,
    /// Whether some inode has an access control list.
    pub(super) has_acl: bool,
}

impl Layout {
    /// Lays out `plan`, of whose attributes those that are `shared` are in a table.
    pub(super) fn of(plan: &Plan<'_>, shared: &Shared<'_>) -> Result<Self, ImageError> {
        let earliest = plan.inodes.iter().map(|inode| inode.stat.mtime).min().unwrap_or_default();
        let mut places = Vec::with_capacity(plan.inodes.len());
        let mut position = FIRST_INODE;
        for (index, inode) in plan.inodes.iter().enumerate() {
            let xattrs = xattr_size(shared.attributes(index));
            let place = place(plan, inode, earliest, xattrs, align(position, SLOT))?;
            position = place.end();
            places.push(place);
        }
        let shared_start = align(position, SLOT);
        let blocks_start = align(shared_start + shared.size, BLOCK);
        let blocks = places.iter().map(|place| u64::from(place.blocks)).sum::<u64>() + blocks_start / BLOCK;
        // A reference to a shared attribute counts in units of four bytes.
        let too_large = |_| ImageError::ImageSize { blocks };
        u32::try_from(shared.size / 4 + BLOCK).map_err(too_large)?;
        u32::try_from(blocks).map_err(too_large)?;
        let mut block = u32::try_from(blocks_start / BLOCK).map_err(too_large)?;
        for place in &mut places {
            place.first_block = block;
            block += place.blocks;
        }
        let has_acl = plan.attributes.iter().any(|attribute| ACLS.contains(&&*attribute.name));
        Ok(Self { places, earliest, shared_start, blocks_start, blocks, has_acl })
    }
}

/// Splits a directory's entries into those that fit a block each.
pub(super) fn dirent_blocks<'p, 'a>(mut names: &'p [Name<'a>]) -> impl Iterator<Item = &'p [Name<'a>]> {
    std::iter::from_fn(move || {
        if names.is_empty() {
            return None;
        }
        let mut size = 0;
        let fitting = names.iter().take_while(|name| {
            size += dirent_size(name);
            size <= BLOCK
        });
        let (block, rest) = names.split_at(fitting.count());
        names = rest;
        Some(block)
    })
}

fn dirent_size(name: &Name<'_>) -> u64 {
    DIRENT_SIZE + name.name.len() as u64
}

/// How many whole blocks and how many bytes of a tail a body wants, before it is known where the
/// inode is.
fn wanted(plan: &Plan<'_>, inode: &Inode<'_>) -> (u64, u64) {
    let halved = |blocks: u64, rest: u64| if rest > BLOCK / 2 { (blocks + 1, 0) } else { (blocks, rest) };
    match &inode.body {
        Body::None | Body::Device(_) => (0, 0),
        Body::Directory(names) => {
            let (mut blocks, mut last) = (0, 0);
            for block in dirent_blocks(plan.names(names)) {
                blocks += 1;
                last = block.iter().map(dirent_size).sum();
            }
            halved(blocks - 1, last)
        }
        Body::Content(content) => halved(content.len() as u64 / BLOCK, content.len() as u64 % BLOCK),
        Body::Target(target) => (0, target.len() as u64),
        Body::Object(size, _) => (0, chunk_count(*size) * 4),
    }
}

/// Places an inode with `xattr_size` bytes of attributes at `position` or a little later, so that its
/// tail is within one block.
fn place(
    plan: &Plan<'_>,
    inode: &Inode<'_>,
    earliest: Mtime,
    xattr_size: u64,
    position: u64,
) -> Result<Place, ImageError> {
    let (mut blocks, mut tail) = wanted(plan, inode);
    let size = if matches!(inode.body, Body::Directory(_)) { blocks * BLOCK + tail } else { inode.size() };
    let compact = inode.stat.mtime == earliest
        && inode.links.max(inode.stat.uid).max(inode.stat.gid) <= u32::from(u16::MAX)
        && size <= u64::from(u32::MAX);
    let head = if compact { COMPACT_SIZE } else { EXTENDED_SIZE };
    let before_tail = head + xattr_size;
    let to_next_block = align(position, BLOCK) - position;
    let mut padding = 0;
    if matches!(inode.body, Body::Target(_)) {
        // A link's inode and target are in one block together. A target that cannot has its own.
        let total = before_tail + tail;
        if position / BLOCK != (position + total - 1) / BLOCK {
            padding = to_next_block;
        }
        if total >= BLOCK {
            (blocks, tail) = (blocks + 1, 0);
        }
    } else {
        let room = BLOCK - (position + before_tail) % BLOCK;
        if room < tail {
            padding = align(room, SLOT);
            if BLOCK - (position + before_tail + padding) % BLOCK < tail {
                padding = to_next_block;
                (blocks, tail) = (blocks + 1, 0);
            }
        }
    }
    let position = position + padding;
    // Only a directory of many gigabytes has as many blocks as that.
    let count = u32::try_from(blocks).map_err(|_| ImageError::ImageSize { blocks })?;
    Ok(Place { position, xattr_size: low(xattr_size), blocks: count, first_block: 0, tail: low16(tail), compact })
}

/// The low half of a number that is known to be below 2^32.
#[expect(clippy::cast_possible_truncation, reason = "the callers say why the number is small")]
pub(super) fn low(value: u64) -> u32 {
    value as u32
}

/// As [`low`], below 2^16.
#[expect(clippy::cast_possible_truncation, reason = "the callers say why the number is small")]
pub(super) fn low16(value: u64) -> u16 {
    value as u16
}

/// The size of an inode's attributes, with their header.
fn xattr_size<'p>(attributes: impl Iterator<Item = Attribute<'p>>) -> u64 {
    let size = |attribute: Attribute<'_>| match attribute.shared {
        Some(_) => 4,
        None => xattr_entry_size(attribute.name, attribute.value.len()),
    };
    match attributes.map(size).sum() {
        0 => 0,
        sum => XATTR_HEADER + sum,
    }
}
