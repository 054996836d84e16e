//! Where everything in an image lies.
//!
//! An image is: the composefs header, the EROFS superblock, the inodes with their attributes and
//! tails, the shared attributes, and whole blocks of directories, long contents and long targets.

use std::collections::HashMap;

use super::error::ImageError;
use super::format::{
    ACLS, BLOCK, COMPACT_SIZE, DIRENT_SIZE, EXTENDED_SIZE, FIRST_INODE, SHARED_LIMIT, SLOT, XATTR_HEADER, align,
    chunk_count, xattr_entry_size,
};
use super::plan::{Attribute, Body, Inode, Name, Plan};
use crate::tree::Mtime;

/// Where an inode lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The byte where it starts.
    pub(super) position: u64,
    /// Whether the short form holds it.
    pub(super) compact: bool,
    /// The size of its attributes, with their header.
    pub(super) xattr_size: u64,
    /// How many whole blocks it has.
    pub(super) blocks: u64,
    /// The number of the first of them.
    pub(super) first_block: u64,
    /// How many bytes follow the attributes.
    pub(super) tail: u64,
}

impl Place {
    /// The number by which directory entries name the inode.
    pub(super) fn number(&self) -> u64 {
        self.position / SLOT
    }
}

/// Where everything lies.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    /// The earliest time of any inode, which inodes in the short form have.
    pub(super) earliest: Mtime,
    /// Where the inodes end and the shared attributes start.
    pub(super) shared_start: u64,
    /// The shared attributes, in the order of the table: indexes into [`Plan::attributes`].
    pub(super) shared: Vec<usize>,
    /// Where the whole blocks start.
    pub(super) blocks_start: u64,
    /// The number of blocks of the image.
    pub(super) blocks: u64,
    /// Whether some inode has an access control list.
    pub(super) has_acl: bool,
}

impl Layout {
    /// Lays out `plan`, and decides which attributes are shared.
    pub(super) fn of(plan: &mut Plan<'_>) -> Result<Self, ImageError> {
        let (shared, shared_size) = share(plan);
        let earliest = plan.inodes.iter().map(|inode| inode.mtime).min().unwrap_or_default();
        let mut places = Vec::with_capacity(plan.inodes.len());
        let mut position = FIRST_INODE;
        for inode in &plan.inodes {
            let place = place(plan, inode, earliest, align(position, SLOT));
            let head = if place.compact { COMPACT_SIZE } else { EXTENDED_SIZE };
            position = place.position + head + place.xattr_size + place.tail;
            places.push(place);
        }
        let shared_start = align(position, SLOT);
        let blocks_start = align(shared_start + shared_size, BLOCK);
        let mut blocks = blocks_start / BLOCK;
        for place in &mut places {
            place.first_block = blocks;
            blocks += place.blocks;
        }
        // A reference to a shared attribute counts in units of four bytes.
        if blocks > u64::from(u32::MAX) || shared_size / 4 > u64::from(u32::MAX) - BLOCK {
            return Err(ImageError::ImageSize { blocks });
        }
        let has_acl = plan.attributes.iter().any(|attribute| ACLS.contains(&&*attribute.name));
        Ok(Self { places, earliest, shared_start, shared, blocks_start, blocks, has_acl })
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
/// inode lies.
fn wanted(plan: &Plan<'_>, inode: &Inode<'_>) -> (u64, u64) {
    let halved = |blocks: u64, rest: u64| if rest > BLOCK / 2 { (blocks + 1, 0) } else { (blocks, rest) };
    match &inode.body {
        Body::None => (0, 0),
        Body::Directory(names) => {
            let (mut blocks, mut last) = (0, 0);
            for block in dirent_blocks(&plan.names[names.clone()]) {
                blocks += 1;
                last = block.iter().map(dirent_size).sum();
            }
            halved(blocks - 1, last)
        }
        Body::Content(content) => halved(content.len() as u64 / BLOCK, content.len() as u64 % BLOCK),
        Body::Target(target) => (0, target.len() as u64),
        Body::Chunks => (0, chunk_count(inode.size) * 4),
    }
}

/// Places an inode at `position` or a little later, so that its tail lies within one block.
fn place(plan: &Plan<'_>, inode: &Inode<'_>, earliest: Mtime, position: u64) -> Place {
    let (mut blocks, mut tail) = wanted(plan, inode);
    let size = if matches!(inode.body, Body::Directory(_)) { blocks * BLOCK + tail } else { inode.size };
    let compact = inode.mtime == earliest
        && inode.links.max(inode.uid).max(inode.gid) <= u32::from(u16::MAX)
        && size <= u64::from(u32::MAX);
    let head = if compact { COMPACT_SIZE } else { EXTENDED_SIZE };
    let xattr_size = xattr_size(&plan.attributes[inode.attributes.clone()]);
    let before_tail = head + xattr_size;
    let to_next_block = align(position, BLOCK) - position;
    let mut padding = 0;
    if matches!(inode.body, Body::Target(_)) {
        // A link's inode and target lie in one block together. A target that cannot has its own.
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
    Place { position: position + padding, compact, xattr_size, blocks, first_block: 0, tail }
}

/// The size of an inode's attributes, with their header.
fn xattr_size(attributes: &[Attribute<'_>]) -> u64 {
    if attributes.is_empty() {
        return 0;
    }
    let size = |attribute: &Attribute<'_>| match attribute.shared {
        Some(_) => 4,
        None => xattr_entry_size(&attribute.name, attribute.value),
    };
    XATTR_HEADER + attributes.iter().map(size).sum::<u64>()
}

/// Shares the attributes that several inodes have: gives them places in the table, and gives back
/// the table and its size.
///
/// The table is sorted from the greatest to the least: by name, then by the length of the value,
/// then by the value. An inode refers to at most [`SHARED_LIMIT`] entries and holds the rest itself.
fn share(plan: &mut Plan<'_>) -> (Vec<usize>, u64) {
    let mut first: HashMap<(&[u8], &[u8]), u32> = HashMap::with_capacity(plan.attributes.len());
    // For each attribute the index of its first like, and for each first the number of its likes.
    let mut firsts = Vec::with_capacity(plan.attributes.len());
    let mut counts = vec![0_u32; plan.attributes.len()];
    for (index, attribute) in plan.attributes.iter().enumerate() {
        #[expect(clippy::cast_possible_truncation, reason = "four billion attributes do not fit memory")]
        let like = *first.entry((&attribute.name, attribute.value)).or_insert(index as u32);
        counts[like as usize] += 1;
        firsts.push(like);
    }
    drop(first);
    let mut table: Vec<usize> = (0..counts.len()).filter(|index| counts[*index] > 1).collect();
    table.sort_unstable_by(|a, b| {
        let key = |index: usize| (&*plan.attributes[index].name, plan.attributes[index].value);
        let ((name_a, value_a), (name_b, value_b)) = (key(*a), key(*b));
        (name_b, value_b.len(), value_b).cmp(&(name_a, value_a.len(), value_a))
    });
    let mut offsets: HashMap<u32, u64> = HashMap::with_capacity(table.len());
    let mut size = 0;
    for index in &table {
        offsets.insert(firsts[*index], size);
        size += xattr_entry_size(&plan.attributes[*index].name, plan.attributes[*index].value);
    }
    for inode in &plan.inodes {
        let mut references = 0;
        for index in inode.attributes.clone() {
            let like = firsts[index];
            if counts[like as usize] > 1 && references < SHARED_LIMIT {
                plan.attributes[index].shared = offsets.get(&like).copied();
                references += 1;
            }
        }
    }
    (table, size)
}
