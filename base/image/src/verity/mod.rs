//! The fs-verity digest: sha256, 4096-byte blocks, no salt.
//!
//! Source of the format: the kernel's `Documentation/filesystems/fsverity.rst`, sections "Merkle
//! tree" and "fs-verity descriptor". The content is cut into 4096-byte blocks, the last one filled
//! with zeros; each block's sha256 goes into the level above, 128 to a block, until one hash is
//! left, the root. The digest is the sha256 of a 256-byte descriptor that holds the root and the
//! size. An empty file has a root of zeros.
//!
//! [`Hasher`] works on a stream in constant memory and on one thread, because its callers hash many
//! files at once; [`Both`] gives the plain sha256 along with it. [`digest`] has the whole content in
//! memory, [`digest_of_file`] reads a file; both use all threads of the current rayon pool when that
//! pays.

mod dual_digest;
mod multi_buffer;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use model::VerityDigest;
use rayon::prelude::*;
use sha2::block_api::compress256;

pub use dual_digest::DualDigest;

/// The eight words that sha256 carries from block to block.
type State = [u32; 8];

/// The block size of the tree, in bytes.
const BLOCK: usize = 4096;

/// The size of a hash, in bytes.
const HASH: usize = 32;

/// Below this many bytes the start of a parallel job costs more than it gains.
const PARALLEL: usize = 1 << 20;

/// The bytes of one parallel job: 64 blocks, small enough to share out evenly, large enough that
/// the sharing is cheap.
const JOB: usize = 64 * BLOCK;

/// The initial state of sha256, from FIPS 180-4 section 5.3.3.
const SHA256_START: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// What sha256 appends to a message of 4096 bytes: a one bit, zeros, and the length in bits.
const BLOCK_PADDING: [u8; 64] = padding(BLOCK);

/// What sha256 appends to a message of 256 bytes.
const DESCRIPTOR_PADDING: [u8; 64] = padding(256);

/// The padding block of a message whose length in bytes is a multiple of 64 and below 8192.
const fn padding(length: usize) -> [u8; 64] {
    let mut block = [0; 64];
    block[0] = 0x80;
    let bits = (length * 8).to_be_bytes();
    block[62] = bits[bits.len() - 2];
    block[63] = bits[bits.len() - 1];
    block
}

/// The sha256 of a message of whole 64-byte blocks, read where it is.
fn sha256(message: &[[u8; 64]], padding: [u8; 64]) -> [u8; HASH] {
    let mut state = SHA256_START;
    compress256(&mut state, message);
    compress256(&mut state, &[padding]);
    hash_of(state)
}

/// What sha256 gives for a state that has seen the whole message.
fn hash_of(state: State) -> [u8; HASH] {
    let mut hash = [0; HASH];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

/// The hash of one block, which is filled with zeros when it is short.
fn block_hash(block: &[u8]) -> [u8; HASH] {
    if block.len() == BLOCK {
        return sha256(block.as_chunks().0, BLOCK_PADDING);
    }
    let mut full = [0; BLOCK];
    full[..block.len()].copy_from_slice(block);
    sha256(full.as_chunks().0, BLOCK_PADDING)
}

/// From how many blocks on sixteen at once are quicker than pairs, though some of the sixteen are idle.
const WORTH_MANY: usize = 11;

/// Gives `take` the hash of each block of `bytes`, in order; as many at a time as is quickest.
fn each_block_hash(bytes: &[u8], mut take: impl FnMut([u8; HASH])) {
    let (mut blocks, rest): (&[[u8; BLOCK]], _) = bytes.as_chunks();
    while blocks.len() >= WORTH_MANY {
        let (group, behind) = blocks.split_at(blocks.len().min(multi_buffer::MANY));
        let lane = |index: usize| &group[index.min(group.len() - 1)];
        let Some(hashes) = multi_buffer::many(std::array::from_fn(lane)) else { break };
        hashes.into_iter().take(group.len()).for_each(&mut take);
        blocks = behind;
    }
    let (pairs, single): (&[[[u8; BLOCK]; 2]], _) = blocks.as_chunks();
    for [first, second] in pairs {
        multi_buffer::pair(first, second).into_iter().for_each(&mut take);
    }
    for block in single {
        take(block_hash(block));
    }
    if !rest.is_empty() {
        take(block_hash(rest));
    }
}

/// The digest of a file of `size` bytes whose tree has the root `root`.
fn descriptor_digest(root: &[u8; HASH], size: u64) -> VerityDigest {
    let mut descriptor = [0; 256];
    descriptor[0] = 1; // version
    descriptor[1] = 1; // FS_VERITY_HASH_ALG_SHA256
    descriptor[2] = 12; // log2 of the block size
    descriptor[8..16].copy_from_slice(&size.to_le_bytes());
    descriptor[16..16 + HASH].copy_from_slice(root);
    VerityDigest::new(sha256(descriptor.as_chunks().0, DESCRIPTOR_PADDING))
}

/// The hashes of all blocks of `bytes`, one after the other.
fn level_above(bytes: &[u8]) -> Vec<u8> {
    let mut hashes = vec![0; bytes.len().div_ceil(BLOCK) * HASH];
    let fill = |(out, job): (&mut [u8], &[u8])| {
        let mut places = out.chunks_exact_mut(HASH);
        each_block_hash(job, |hash| {
            if let Some(place) = places.next() {
                place.copy_from_slice(&hash);
            }
        });
    };
    if bytes.len() < PARALLEL {
        fill((&mut hashes, bytes));
    } else {
        hashes.par_chunks_mut(JOB / BLOCK * HASH).zip(bytes.par_chunks(JOB)).for_each(fill);
    }
    hashes
}

/// The fs-verity digest of `bytes`. Contents over a megabyte are hashed by all threads of the
/// current rayon pool; the result does not depend on their number.
#[must_use]
pub fn digest(bytes: &[u8]) -> VerityDigest {
    let size = bytes.len() as u64;
    if bytes.is_empty() {
        return descriptor_digest(&[0; HASH], 0);
    }
    let mut hashes = level_above(bytes);
    while hashes.len() > HASH {
        hashes = level_above(&hashes);
    }
    let mut root = [0; HASH];
    root.copy_from_slice(&hashes);
    descriptor_digest(&root, size)
}

/// The bytes that [`digest_of_file`] hands out to the threads at once, which bounds its memory to a
/// hash for each of their blocks.
const BATCH: u64 = 1 << 30;

/// The fs-verity digest of the first `size` bytes of `file`, read and hashed by all threads of the
/// current rayon pool, each with a buffer of a quarter of a megabyte.
///
/// # Errors
/// When the file cannot be read or is shorter.
pub fn digest_of_file(file: &File, size: u64) -> io::Result<VerityDigest> {
    let mut hasher = Hasher::new();
    let mut start = 0;
    while start < size {
        let end = size.min(start + BATCH);
        let jobs: Vec<u64> = (start..end).step_by(JOB).collect();
        let hash = |buffer: &mut Vec<u8>, offset: &u64| {
            let length = usize::try_from(end - offset).unwrap_or(JOB).min(JOB);
            let part = &mut buffer[..length];
            file.read_exact_at(part, *offset)?;
            let mut hashes = Vec::with_capacity(length.div_ceil(BLOCK));
            each_block_hash(part, |hash| hashes.push(hash));
            Ok(hashes)
        };
        let hashes: Vec<Vec<[u8; HASH]>> =
            jobs.par_iter().map_init(|| vec![0; JOB], hash).collect::<io::Result<_>>()?;
        hashes.into_iter().flatten().for_each(|hash| hasher.push(hash));
        start = end;
    }
    hasher.size = size;
    Ok(hasher.finish())
}

/// A level of the tree while it grows: the hashes of the level below that have not been hashed
/// themselves.
#[derive(Clone)]
struct Level {
    block: Box<[u8; BLOCK]>,
    filled: usize,
    /// How many hashes came in altogether; the level of the root gets just one.
    received: u64,
}

impl Level {
    fn new() -> Self {
        Self { block: Box::new([0; BLOCK]), filled: 0, received: 0 }
    }

    /// Takes a hash, and gives back the hash of this level's block when that is now full.
    fn push(&mut self, hash: &[u8; HASH]) -> Option<[u8; HASH]> {
        self.block[self.filled..self.filled + HASH].copy_from_slice(hash);
        self.filled += HASH;
        self.received += 1;
        (self.filled == BLOCK).then(|| self.flush())
    }

    /// The hash of this level's block as far as it is filled, which empties it.
    fn flush(&mut self) -> [u8; HASH] {
        let hash = block_hash(&self.block[..self.filled]);
        self.filled = 0;
        hash
    }
}

/// The fs-verity digest of a stream, on one thread.
///
/// Uses one block for unaligned input and one per level of the tree: 12 KiB for a file of two
/// gigabytes, never more than 40 KiB. Whole blocks are hashed where the caller has them.
#[derive(Clone)]
pub struct Hasher {
    partial: Box<[u8; BLOCK]>,
    filled: usize,
    size: u64,
    levels: Vec<Level>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { partial: Box::new([0; BLOCK]), filled: 0, size: 0, levels: Vec::new() }
    }

    /// Takes the next bytes of the stream, in pieces of any size.
    pub fn update(&mut self, bytes: &[u8]) {
        let bytes = self.complete_partial(bytes, &mut |hasher, block| hasher.push(block_hash(block)));
        let whole = bytes.len() - bytes.len() % BLOCK;
        each_block_hash(&bytes[..whole], |hash| self.push(hash));
        self.keep_rest(&bytes[whole..]);
    }

    /// As [`Hasher::update`], with `take` to hash and push each whole block.
    fn update_by(&mut self, bytes: &[u8], take: &mut dyn FnMut(&mut Self, &[u8; BLOCK])) {
        let bytes = self.complete_partial(bytes, take);
        let (blocks, rest): (&[[u8; BLOCK]], _) = bytes.as_chunks();
        for block in blocks {
            take(self, block);
        }
        self.keep_rest(rest);
    }

    /// Fills the block that the stream has begun, and gives back the bytes behind it.
    fn complete_partial<'b>(&mut self, bytes: &'b [u8], take: &mut dyn FnMut(&mut Self, &[u8; BLOCK])) -> &'b [u8] {
        self.size += bytes.len() as u64;
        if self.filled == 0 {
            return bytes;
        }
        let (head, rest) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
        self.partial[self.filled..self.filled + head.len()].copy_from_slice(head);
        self.filled += head.len();
        if self.filled == BLOCK {
            let block = *self.partial;
            self.filled = 0;
            take(self, &block);
        }
        rest
    }

    /// Keeps less than a block. There is none begun, unless nothing is left.
    fn keep_rest(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            self.partial[..rest.len()].copy_from_slice(rest);
            self.filled = rest.len();
        }
    }

    fn flush_partial(&mut self) {
        let hash = block_hash(&self.partial[..self.filled]);
        self.filled = 0;
        self.push(hash);
    }

    /// Puts a block's hash into the tree, and into the levels above as they fill.
    fn push(&mut self, mut hash: [u8; HASH]) {
        for level in &mut self.levels {
            match level.push(&hash) {
                Some(above) => hash = above,
                None => return,
            }
        }
        let mut level = Level::new();
        // A new level holds one hash, so it cannot be full.
        level.push(&hash);
        self.levels.push(level);
    }

    /// The digest of what was seen.
    #[must_use]
    pub fn finish(mut self) -> VerityDigest {
        if self.filled > 0 {
            self.flush_partial();
        }
        let mut from_below: Option<[u8; HASH]> = None;
        for level in &mut self.levels {
            let full = from_below.take().and_then(|hash| level.push(&hash));
            if level.received == 1 {
                let mut root = [0; HASH];
                root.copy_from_slice(&level.block[..HASH]);
                return descriptor_digest(&root, self.size);
            }
            from_below = full.or_else(|| (level.filled > 0).then(|| level.flush()));
        }
        // Either the stream was empty, or the top level held several hashes and the block of them
        // is the root.
        descriptor_digest(&from_below.unwrap_or([0; HASH]), self.size)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a panic is a failed test")]

    use super::*;

    /// Content that differs from block to block.
    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|index| (index / 7 + index / BLOCK) as u8).collect()
    }

    /// The definition, written the plain way over the whole content: a second opinion.
    fn plain(bytes: &[u8]) -> VerityDigest {
        use sha2::Digest as _;
        let mut level = bytes.to_vec();
        let mut root = [0; 32];
        if !bytes.is_empty() {
            loop {
                let one = level.len() <= 4096;
                let mut above = Vec::new();
                for block in level.chunks(4096) {
                    let mut block = block.to_vec();
                    block.resize(4096, 0);
                    above.extend_from_slice(&sha2::Sha256::digest(&block));
                }
                if one {
                    root.copy_from_slice(&above);
                    break;
                }
                level = above;
            }
        }
        let mut descriptor = vec![1, 1, 12, 0, 0, 0, 0, 0];
        descriptor.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        descriptor.extend_from_slice(&root);
        descriptor.resize(256, 0);
        VerityDigest::new(sha2::Sha256::digest(&descriptor).into())
    }

    #[test]
    fn known_values() {
        // From `fsverity digest` of fsverity-utils 1.6 on these contents.
        for (bytes, hex) in [
            (Vec::new(), "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"),
            (vec![b'a'], "bce75948b9e7510293f8f2720412af9697c1479281323f3f220623fb8e94b557"),
            (vec![0; 4096], "babc284ee4ffe7f449377fbf6692715b43aec7bc39c094a95878904d34bac97e"),
            (vec![0; 4097], "093756e4ea9683329106d4a16982682ed182c14bf076463a9e7f97305cbac743"),
            (vec![0; 128 * 4096], "2d15bd7832895de85aa3d5bdfb57251e27bbec75ff467408340ab3eba858a2e1"),
            (vec![0; 128 * 4096 + 1], "e4143a5705610b7ad2eb85482cfc033c7062a89b9faf9118603f592d53fd10e0"),
        ] {
            assert_eq!(digest(&bytes).hex(), hex, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn both_roads_agree_with_the_definition_at_every_edge() {
        let group = 128 * BLOCK;
        let mut sizes = vec![0, 1, 31, 63, 64, 65];
        for edge in [BLOCK, 2 * BLOCK, group, 2 * group, PARALLEL, JOB * 5, 128 * group] {
            sizes.extend([edge - 1, edge, edge + 1]);
        }
        let all = content(128 * group + 1);
        for size in sizes {
            let bytes = &all[..size];
            let expected = if size < PARALLEL * 2 { plain(bytes) } else { digest(bytes) };
            assert_eq!(digest(bytes), expected, "{size} bytes");
            for piece in [BLOCK - 1, BLOCK, 3 * BLOCK + 5, 1 << 20] {
                let mut hasher = Hasher::new();
                bytes.chunks(piece).for_each(|piece| hasher.update(piece));
                assert_eq!(hasher.finish(), expected, "{size} bytes in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_file_has_the_digest_of_its_content_and_a_short_one_is_an_error() {
        for size in [0, 1, BLOCK, JOB - 1, JOB, JOB + 1, 5 * JOB + 3 * BLOCK + 7] {
            let bytes = content(size);
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, &bytes).unwrap();
            assert_eq!(digest_of_file(&file, size as u64).unwrap(), plain(&bytes), "{size} bytes");
            assert!(digest_of_file(&file, size as u64 + 1).is_err());
        }
    }

    #[test]
    fn empty_updates_change_nothing_and_single_bytes_add_up() {
        let bytes = content(BLOCK + 3);
        let mut hasher = Hasher::new();
        for byte in bytes.chunks(1) {
            hasher.update(byte);
            hasher.update(&[]);
        }
        assert_eq!(hasher.finish(), digest(&bytes));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let bytes = content(3 * PARALLEL + 17);
        let expected = plain(&bytes);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| digest(&bytes)), expected, "{threads} threads");
        }
    }
}
