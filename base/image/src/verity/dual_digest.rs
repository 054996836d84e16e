//! The plain sha256 and the fs-verity digest of one stream, from one reading of its message words.

use model::{Digest, VerityDigest};
use sha2::block_api::compress256;

use super::{Hasher, SHA256_START, State, hash_of, multi_buffer};

/// Computes both digests of a stream, on one thread and in constant memory.
///
/// Takes about as long as one of them: see the numbers in `docs/performance.md`.
#[derive(Clone, Debug)]
pub struct DualDigest {
    plain: State,
    verity: Hasher,
}

impl Default for DualDigest {
    fn default() -> Self {
        Self::new()
    }
}

impl DualDigest {
    /// Digests of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { plain: SHA256_START, verity: Hasher::new() }
    }

    /// Takes the next bytes of the stream, in pieces of any size.
    pub fn update(&mut self, bytes: &[u8]) {
        let Self { plain, verity } = self;
        verity.update_by(bytes, &mut |verity, block| {
            let hash = multi_buffer::both(plain, block);
            verity.push(hash);
        });
    }

    /// The digests of what was seen.
    #[must_use]
    pub fn finish(mut self) -> (Digest, VerityDigest) {
        let rest = &self.verity.partial[..self.verity.filled];
        let (blocks, rest): (&[[u8; 64]], _) = rest.as_chunks();
        compress256(&mut self.plain, blocks);
        // One bit, zeros, and the length in bits: FIPS 180-4, section 5.1.1.
        let mut end = [0; 128];
        end[..rest.len()].copy_from_slice(rest);
        end[rest.len()] = 0x80;
        let length = if rest.len() < 56 { 64 } else { 128 };
        end[length - 8..length].copy_from_slice(&(self.verity.size * 8).to_be_bytes());
        compress256(&mut self.plain, end[..length].as_chunks().0);
        (Digest::new(hash_of(self.plain)), self.verity.finish())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;
    use crate::verity;

    #[test]
    fn both_digests_are_those_that_each_has_alone_however_the_stream_is_cut() {
        let mut random = testkit::Random::from_environment();
        let sizes = [0, 1, 55, 56, 63, 64, 65, 119, 120, 4095, 4096, 4097, 8192, 8192 + 56, 70_000, 600_000];
        for size in sizes {
            let bytes = random.bytes(size);
            let mut whole = DualDigest::new();
            whole.update(&bytes);
            let wanted = (Digest::of(&bytes), verity::digest(&bytes));
            assert_eq!(whole.finish(), wanted, "{size}");
            let mut pieces = DualDigest::new();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let cut = 1 + usize::try_from(random.below(9000)).unwrap();
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                pieces.update(piece);
                rest = behind;
            }
            assert_eq!(pieces.finish(), wanted, "{size} in pieces");
        }
    }
}
