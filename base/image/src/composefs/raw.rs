//! The records of an image that is read: headers, inodes, directory entries and attributes, each
//! checked by itself.

use super::error::ImageError;
use super::format::{
    BLOCK, BLOCK_BITS, COMPACT_SIZE, COMPOSEFS_MAGIC, COMPOSEFS_VERSION, EROFS_MAGIC, EXTENDED_SIZE, FEATURE_COMPAT,
    FIRST_INODE, FLAG_HAS_ACL, HEADER_VERSION, LAYOUT_CHUNKS, LAYOUT_INLINE, LAYOUT_PLAIN, SLOT, SUPERBLOCK,
    XATTR_HEADER, align, join_name,
};
use crate::tree::Mtime;

/// The size of a block, as slices want it.
pub(super) const BLOCK_BYTES: usize = 4096;
/// Where the superblock and the first inode start, as slices want it.
const SUPERBLOCK_AT: usize = 1024;
/// See [`SUPERBLOCK_AT`].
const FIRST_INODE_AT: usize = 1152;
/// The size of what precedes an inode's attributes.
pub(super) const XATTR_HEADER_BYTES: usize = 12;
/// The size of an attribute without name and value.
const XATTR_ENTRY_BYTES: usize = 4;
/// The size of a directory entry without its name.
const DIRENT_BYTES: usize = 12;

/// What a step of the reader gives.
pub(super) type Checked<T> = Result<T, ImageError>;

pub(super) fn damaged(problem: &'static str, offset: u64) -> ImageError {
    ImageError::Damaged { problem, offset }
}

/// `length` bytes at `offset`.
pub(super) fn part<'b>(bytes: &'b [u8], offset: u64, length: u64, problem: &'static str) -> Checked<&'b [u8]> {
    let slice = || {
        let start = usize::try_from(offset).ok()?;
        let end = usize::try_from(offset.checked_add(length)?).ok()?;
        bytes.get(start..end)
    };
    slice().ok_or_else(|| damaged(problem, offset))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_le_bytes)
}

pub(super) fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// What the two headers say.
pub(super) struct Header {
    pub(super) has_acl: bool,
    pub(super) root: u64,
    pub(super) inodes: u64,
    pub(super) earliest: Mtime,
    /// Where the block of the shared attributes starts, in bytes.
    pub(super) shared: u64,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Checked<Self> {
        let unsupported = |field, found: u64| Err(ImageError::Unsupported { field, found });
        let length = bytes.len() as u64;
        if length < BLOCK || !length.is_multiple_of(BLOCK) {
            return unsupported("the length", length);
        }
        let flags = u32_at(bytes, 8);
        let block = &bytes[SUPERBLOCK_AT..FIRST_INODE_AT];
        let fields = [
            ("the composefs magic number", u32_at(bytes, 0), COMPOSEFS_MAGIC),
            ("the header version", u32_at(bytes, 4), HEADER_VERSION),
            ("the set of header flags", flags & !FLAG_HAS_ACL, 0),
            ("the composefs version", u32_at(bytes, 12), COMPOSEFS_VERSION),
            ("the EROFS magic number", u32_at(block, 0), EROFS_MAGIC),
            ("the superblock checksum", u32_at(block, 4), 0),
            ("the set of compatible features", u32_at(block, 8), FEATURE_COMPAT),
            ("the block size and extension", u16_at(block, 12).into(), BLOCK_BITS.into()),
            ("the metadata block", u32_at(block, 40), 0),
            ("the set of incompatible features", u32_at(block, 80), 0),
        ];
        for (field, found, known) in fields {
            if found != known {
                return unsupported(field, found.into());
            }
        }
        if !all_zero(&bytes[16..SUPERBLOCK_AT]) || !all_zero(&block[48..]) {
            return Err(damaged("a reserved byte of a header is not zero", 0));
        }
        if u64::from(u32_at(block, 36)) * BLOCK != length {
            return Err(damaged("the number of blocks is not that of the image", SUPERBLOCK + 36));
        }
        let earliest = Mtime { seconds: u64_at(block, 24).cast_signed(), nanoseconds: u32_at(block, 32) };
        if earliest.nanoseconds >= 1_000_000_000 {
            return Err(damaged("a time has too many nanoseconds", SUPERBLOCK + 32));
        }
        Ok(Self {
            has_acl: flags & FLAG_HAS_ACL != 0,
            root: u16_at(block, 14).into(),
            inodes: u64_at(block, 16),
            earliest,
            shared: u64::from(u32_at(block, 44)) * BLOCK,
        })
    }
}

/// An inode as it is in the image.
pub(super) struct Raw<'b> {
    pub(super) offset: u64,
    pub(super) mode: u16,
    pub(super) layout: u16,
    pub(super) size: u64,
    /// A block, a device or a form of chunks.
    pub(super) data: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Mtime,
    pub(super) links: u32,
    pub(super) xattrs: &'b [u8],
    /// Where the attributes end.
    pub(super) end: u64,
}

/// A directory entry as it is in the image.
pub(super) struct RawName<'b> {
    pub(super) name: &'b [u8],
    pub(super) inode: u64,
    pub(super) kind: u8,
}

impl<'b> Raw<'b> {
    /// The inode of this number. Those in the short form have the time `earliest`.
    pub(super) fn parse(bytes: &'b [u8], number: u64, earliest: Mtime) -> Checked<Self> {
        let beyond = "an inode is beyond the end";
        let offset = number.checked_mul(SLOT).ok_or_else(|| damaged(beyond, number))?;
        if offset < FIRST_INODE {
            return Err(damaged("an inode is in a header", offset));
        }
        let format = u16_at(part(bytes, offset, 2, beyond)?, 0);
        let compact = format & 1 == 0;
        let size = if compact { COMPACT_SIZE } else { EXTENDED_SIZE };
        let fixed = part(bytes, offset, size, beyond)?;
        let layout = format >> 1;
        if !matches!(layout, LAYOUT_PLAIN | LAYOUT_INLINE | LAYOUT_CHUNKS) {
            return Err(ImageError::Unsupported { field: "an inode's format", found: format.into() });
        }
        let count = u64::from(u16_at(fixed, 2));
        let xattr_size = if count == 0 { 0 } else { XATTR_HEADER + (count - 1) * 4 };
        let xattrs = part(bytes, offset + size, xattr_size, "attributes are beyond the end")?;
        let end = offset + size + xattr_size;
        let mode = u16_at(fixed, 4);
        if compact {
            if !all_zero(&fixed[12..16]) || !all_zero(&fixed[28..]) {
                return Err(damaged("a reserved byte of an inode is not zero", offset));
            }
            let links = u16_at(fixed, 6).into();
            let (size, data) = (u32_at(fixed, 8).into(), u32_at(fixed, 16));
            let (uid, gid) = (u16_at(fixed, 24).into(), u16_at(fixed, 26).into());
            let mtime = earliest;
            return Ok(Raw { offset, mode, layout, size, data, uid, gid, mtime, links, xattrs, end });
        }
        let mtime = Mtime { seconds: u64_at(fixed, 32).cast_signed(), nanoseconds: u32_at(fixed, 40) };
        if u16_at(fixed, 6) != 0 || !all_zero(&fixed[48..]) {
            return Err(damaged("a reserved byte of an inode is not zero", offset));
        }
        if mtime.nanoseconds >= 1_000_000_000 {
            return Err(damaged("a time has too many nanoseconds", offset));
        }
        let (size, data) = (u64_at(fixed, 8), u32_at(fixed, 16));
        let (uid, gid, links) = (u32_at(fixed, 24), u32_at(fixed, 28), u32_at(fixed, 44));
        Ok(Raw { offset, mode, layout, size, data, uid, gid, mtime, links, xattrs, end })
    }
}

/// The entries of one directory block.
pub(super) fn dirents<'b>(block: &'b [u8], names: &mut Vec<RawName<'b>>) -> Result<(), &'static str> {
    let beyond = "a directory's entries do not fit their block";
    let first = usize::from(u16_at(block, 8));
    let size = DIRENT_BYTES;
    if first == 0 || first % size != 0 || first > block.len() {
        return Err(beyond);
    }
    let (heads, _) = block[..first].as_chunks::<DIRENT_BYTES>();
    for (index, head) in heads.iter().enumerate() {
        let start = usize::from(u16_at(head, 8));
        let end = match heads.get(index + 1) {
            Some(next) => usize::from(u16_at(next, 8)),
            None => block.len(),
        };
        let mut name = block.get(start..end).filter(|_| start >= first).ok_or(beyond)?;
        if index + 1 == heads.len() {
            // The last name of a block is followed by zeros.
            let length = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            name = &name[..length];
        }
        if head[11] != 0 {
            return Err("a reserved byte of a directory entry is not zero");
        }
        names.push(RawName { name, inode: u64_at(head, 0), kind: head[10] });
    }
    Ok(())
}

/// Name, value, and size with padding.
type RawAttribute = (Box<[u8]>, Box<[u8]>, u64);

/// The attribute at the start of `bytes`: name, value, and its size with padding.
pub(super) fn attribute(bytes: &[u8], offset: u64) -> Checked<RawAttribute> {
    let beyond = || damaged("an attribute does not fit its place", offset);
    let Some((&[length, index, ..], rest)) = bytes.split_first_chunk::<XATTR_ENTRY_BYTES>() else {
        return Err(beyond());
    };
    let (name, rest) = rest.split_at_checked(length.into()).ok_or_else(beyond)?;
    let value = rest.get(..usize::from(u16_at(bytes, 2))).ok_or_else(beyond)?;
    let size = align(XATTR_ENTRY_BYTES as u64 + name.len() as u64 + value.len() as u64, 4);
    let full = join_name(index, name).filter(|full| !full.is_empty() && !full.contains(&0));
    let full = full.ok_or_else(|| damaged("an attribute has an impossible name", offset))?;
    Ok((full, value.into(), size))
}
