//! The numbers of the format, and names of extended attributes as the format stores them.
//!
//! Sources: the kernel's `fs/erofs/erofs_fs.h` and `Documentation/filesystems/erofs.rst` for the
//! file system, its `Documentation/filesystems/overlayfs.rst` for the overlay attributes, and what
//! C `mkcomposefs` 1.0.8 does for everything that these leave open.

/// The size of a block, in bytes.
pub(super) const BLOCK: u64 = 4096;
/// Inodes start at multiples of this many bytes, and are numbered by them.
pub(super) const SLOT: u64 = 32;
/// Where the EROFS superblock starts.
pub(super) const SUPERBLOCK: u64 = 1024;
/// The superblock's size.
pub(super) const SUPERBLOCK_SIZE: u64 = 128;
/// Where the first inode starts.
pub(super) const FIRST_INODE: u64 = SUPERBLOCK + SUPERBLOCK_SIZE;

/// The first four bytes of a composefs image.
pub(super) const COMPOSEFS_MAGIC: u32 = 0xd078_629a;
/// The version of the composefs header.
pub(super) const HEADER_VERSION: u32 = 1;
/// The version of how trees are turned into EROFS.
pub(super) const COMPOSEFS_VERSION: u32 = 1;
/// Header flag: some inode has a POSIX access control list.
pub(super) const FLAG_HAS_ACL: u32 = 1;

/// The first four bytes of the EROFS superblock.
pub(super) const EROFS_MAGIC: u32 = 0xe0f5_e1e2;
/// EROFS compatible features: modification times, and the filter of attribute names.
pub(super) const FEATURE_COMPAT: u32 = 0x2 | 0x4;
/// log2 of [`BLOCK`].
pub(super) const BLOCK_BITS: u8 = 12;

/// Inode data layout: whole blocks.
pub(super) const LAYOUT_PLAIN: u16 = 0;
/// Inode data layout: whole blocks, and the tail behind the inode.
pub(super) const LAYOUT_INLINE: u16 = 2;
/// Inode data layout: pointers to chunks.
pub(super) const LAYOUT_CHUNKS: u16 = 4;
/// A chunk that holds nothing.
pub(super) const NULL_CHUNK: u32 = u32::MAX;
/// The most chunks a file may have: their pointers fill half a block, and so always fit behind the
/// inode. The C tools allow up to twice as many, but then put the pointers where the kernel does not
/// look for them.
pub(super) const CHUNKS_LIMIT: u64 = 512;
/// The largest file that [`chunk_bits`] can describe with [`CHUNKS_LIMIT`] chunks: 4 PiB.
pub(super) const FILE_LIMIT: u64 = CHUNKS_LIMIT << 43;
/// The largest content that C tools accept inside an image, in bytes.
pub(super) const CONTENT_LIMIT: u64 = 5000;

/// How deep directories may nest: the shortest path that is deeper is longer than Linux allows.
pub(super) const DEPTH_LIMIT: usize = 2048;

/// The size of an inode without and with its own time and wide numbers.
pub(super) const COMPACT_SIZE: u64 = 32;
/// See [`COMPACT_SIZE`].
pub(super) const EXTENDED_SIZE: u64 = 64;
/// The size of a directory entry without its name.
pub(super) const DIRENT_SIZE: u64 = 12;
/// The size of what precedes an inode's extended attributes.
pub(super) const XATTR_HEADER: u64 = 12;
/// The size of an extended attribute without its name and value.
pub(super) const XATTR_ENTRY: u64 = 4;
/// The most attributes of one inode that are stored as references.
pub(super) const SHARED_LIMIT: usize = 128;
/// The most room that the attributes of one inode may take, as C tools count it.
pub(super) const XATTR_LIMIT: i64 = 32_767;

/// File type bits of a mode.
pub(super) const S_IFMT: u16 = 0o170_000;
/// A socket.
pub(super) const S_IFSOCK: u16 = 0o140_000;
/// A symbolic link.
pub(super) const S_IFLNK: u16 = 0o120_000;
/// A regular file.
pub(super) const S_IFREG: u16 = 0o100_000;
/// A block device.
pub(super) const S_IFBLK: u16 = 0o060_000;
/// A directory.
pub(super) const S_IFDIR: u16 = 0o040_000;
/// A character device.
pub(super) const S_IFCHR: u16 = 0o020_000;
/// A named pipe.
pub(super) const S_IFIFO: u16 = 0o010_000;

/// The start of the names by which overlayfs itself is configured.
pub(super) const OVERLAY: &[u8] = b"trusted.overlay.";
/// The start of the names that overlayfs shows with one `overlay.` less.
pub(super) const ESCAPED: &[u8] = b"trusted.overlay.overlay.";
/// The digest of an object.
pub(super) const METACOPY: &[u8] = b"trusted.overlay.metacopy";
/// The path of an object.
pub(super) const REDIRECT: &[u8] = b"trusted.overlay.redirect";
/// The root hides what is under it.
pub(super) const OPAQUE: &[u8] = b"trusted.overlay.opaque";
/// The marks of a file that stands for a whiteout; their values are empty.
pub(super) const WHITEOUT_MARKS: [&[u8]; 2] = [b"trusted.overlay.overlay.whiteout", b"user.overlay.whiteout"];
/// The marks of a directory that holds whiteouts, with their values, in the order in which C tools
/// set them.
pub(super) const PARENT_MARKS: [(&[u8], &[u8]); 4] = [
    (b"trusted.overlay.overlay.whiteouts", b""),
    (b"user.overlay.whiteouts", b""),
    (b"trusted.overlay.overlay.opaque", b"x"),
    (b"user.overlay.opaque", b"x"),
];
/// The attributes that make [`FLAG_HAS_ACL`].
pub(super) const ACLS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];
/// The SELinux label, which the stubs inherit from the root.
pub(super) const SELINUX: &[u8] = b"security.selinux";

/// Prefixes of attribute names and the numbers that stand for them.
const PREFIXES: [(&[u8], u8); 5] = [
    (b"user.", 1),
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
];

/// Splits an attribute's name into the number of its prefix and the rest.
pub(super) fn split_name(name: &[u8]) -> (u8, &[u8]) {
    PREFIXES.iter().find_map(|(prefix, index)| Some((*index, name.strip_prefix(*prefix)?))).unwrap_or((0, name))
}

/// Joins what [`split_name`] split. None for a number that no one writes.
pub(super) fn join_name(index: u8, rest: &[u8]) -> Option<Box<[u8]>> {
    let prefix = match index {
        0 => &b""[..],
        _ => PREFIXES.iter().find(|(_, known)| *known == index)?.0,
    };
    Some([prefix, rest].concat().into_boxed_slice())
}

/// The two hexadecimal digits of every byte.
pub(super) static HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        digits[byte] = [DIGITS[byte / 16], DIGITS[byte % 16]];
        byte += 1;
    }
    digits
};

/// The next multiple of `to`, a power of two.
pub(super) const fn align(position: u64, to: u64) -> u64 {
    (position + to - 1) & !(to - 1)
}

/// The size of an extended attribute with its padding.
pub(super) fn xattr_entry_size(name: &[u8], value_length: usize) -> u64 {
    align(XATTR_ENTRY + split_name(name).1.len() as u64 + value_length as u64, 4)
}

/// log2 of the chunk size of a file of `size` bytes, which must not be zero: one chunk if possible.
pub(super) fn chunk_bits(size: u64) -> u32 {
    (u64::BITS - (size - 1).leading_zeros()).clamp(12, 12 + 31)
}

/// How many chunks a file of `size` bytes has, which must not be zero.
pub(super) fn chunk_count(size: u64) -> u64 {
    size.div_ceil(1 << chunk_bits(size))
}

/// The bit of an attribute's name in an inode's filter.
///
/// The kernel need not look for a name whose bit is set. The hash is XXH32 of the name without its
/// prefix, with a seed that separates the prefixes.
pub(super) fn filter_bit(name: &[u8]) -> u32 {
    let (index, rest) = split_name(name);
    1 << (xxh32(rest, 0x25bb_e08f + u32::from(index)) & 31)
}

/// XXH32, from the specification in `doc/xxhash_spec.md` of the xxHash project.
fn xxh32(input: &[u8], seed: u32) -> u32 {
    const PRIMES: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];
    let (stripes, _) = input.as_chunks::<16>();
    let mut state = if stripes.is_empty() {
        seed.wrapping_add(PRIMES[4])
    } else {
        let mut lanes = [
            seed.wrapping_add(PRIMES[0]).wrapping_add(PRIMES[1]),
            seed.wrapping_add(PRIMES[1]),
            seed,
            seed.wrapping_sub(PRIMES[0]),
        ];
        for stripe in stripes {
            for (lane, word) in lanes.iter_mut().zip(stripe.as_chunks().0) {
                let mixed = lane.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(PRIMES[1]));
                *lane = mixed.rotate_left(13).wrapping_mul(PRIMES[0]);
            }
        }
        let turned = [1, 7, 12, 18].into_iter().zip(lanes).map(|(by, lane)| lane.rotate_left(by));
        turned.fold(0, u32::wrapping_add)
    };
    #[expect(clippy::cast_possible_truncation, reason = "the algorithm takes the length modulo 2^32")]
    let length = input.len() as u32;
    state = state.wrapping_add(length);
    let (words, bytes) = input[stripes.len() * 16..].as_chunks::<4>();
    for word in words {
        state = state.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(PRIMES[2]));
        state = state.rotate_left(17).wrapping_mul(PRIMES[3]);
    }
    for byte in bytes {
        state = state.wrapping_add(u32::from(*byte).wrapping_mul(PRIMES[4]));
        state = state.rotate_left(11).wrapping_mul(PRIMES[0]);
    }
    state = (state ^ (state >> 15)).wrapping_mul(PRIMES[1]);
    state = (state ^ (state >> 13)).wrapping_mul(PRIMES[2]);
    state ^ (state >> 16)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn xxh32_gives_the_published_values() {
        // The empty and the one-byte vector of the xxHash project's sanity checks are common knowledge;
        // the long one exercises the stripes.
        assert_eq!(xxh32(b"", 0), 0x02cc_5d05);
        assert_eq!(xxh32(b"a", 0), 0x550d_7456);
        assert_eq!(xxh32(b"abc", 0), 0x32d1_53ff);
        assert_eq!(xxh32(b"Nobody inspects the spammish repetition", 0), 0xe229_3b2f);
    }

    #[test]
    fn chunks_are_as_few_as_possible() {
        assert_eq!((chunk_bits(1), chunk_count(1)), (12, 1));
        assert_eq!((chunk_bits(4096), chunk_count(4096)), (12, 1));
        assert_eq!((chunk_bits(4097), chunk_count(4097)), (13, 1));
        assert_eq!((chunk_bits(1 << 43), chunk_count(1 << 43)), (43, 1));
        assert_eq!((chunk_bits((1 << 43) + 1), chunk_count((1 << 43) + 1)), (43, 2));
        assert_eq!(chunk_count(FILE_LIMIT), CHUNKS_LIMIT);
    }

    #[test]
    fn attribute_names_split_and_join() {
        for name in [&b"user.x"[..], b"system.posix_acl_access", b"trusted.overlay.opaque", b"security.", b"odd"] {
            let (index, rest) = split_name(name);
            assert_eq!(join_name(index, rest).as_deref(), Some(name));
        }
        assert_eq!(join_name(5, b"x"), None);
    }
}
