//! Several sha256 states side by side on one core.
//!
//! Each round of sha256 waits for the one before, so the processor's sha instructions idle half of
//! the time. Two independent states fill the gaps: either two blocks of one file, or, when both
//! digests of a file are wanted, the state of its plain sha256 and that of the block, which even
//! share the message. Where registers hold sixteen words, sixteen blocks at once are quicker still. The
//! rounds are those of FIPS 180-4, section 6.2.2.
//!
//! This is the one leaf of the workspace that holds `unsafe`: the call into code for processors with
//! these instructions, after asking the processor. Elsewhere `sha2` does the same work in safe code.

#![allow(unsafe_code, reason = "intrinsics need a processor that has them, which is asked first")]

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use super::{BLOCK, BLOCK_PADDING, HASH, SHA256_START, State, hash_of, sha256};
use sha2::block_api::compress256;

/// Without optimisation intrinsics are slow calls, while `sha2` is optimised in every build.
const OPTIMISED: bool = !cfg!(debug_assertions);

/// How many blocks [`many`] takes.
pub(super) const MANY: usize = 16;

/// The hashes of sixteen whole blocks, where the processor is quicker that way.
pub(super) fn many(blocks: [&[u8; BLOCK]; MANY]) -> Option<[[u8; HASH]; MANY]> {
    if OPTIMISED { many_by_instructions(blocks) } else { None }
}

/// As [`many`], in every build.
fn many_by_instructions(blocks: [&[u8; BLOCK]; MANY]) -> Option<[[u8; HASH]; MANY]> {
    #[cfg(target_arch = "x86_64")]
    if avx512::available() {
        // SAFETY: the processor has the features, as `available` found.
        return Some(unsafe { avx512::hashes(blocks) }.map(hash_of));
    }
    let _ = blocks;
    None
}

/// The hashes of two whole blocks.
pub(super) fn pair(first: &[u8; BLOCK], second: &[u8; BLOCK]) -> [[u8; HASH]; 2] {
    let quick = if OPTIMISED { pair_by_instructions(first, second) } else { None };
    quick.unwrap_or_else(|| [first, second].map(|block| sha256(block.as_chunks().0, BLOCK_PADDING)))
}

/// Takes a whole block into the state of a plain sha256, and gives the hash of the block by itself.
pub(super) fn both(plain: &mut State, block: &[u8; BLOCK]) -> [u8; HASH] {
    let quick = if OPTIMISED { both_by_instructions(plain, block) } else { None };
    quick.unwrap_or_else(|| {
        let message: &[[u8; 64]] = block.as_chunks().0;
        compress256(plain, message);
        sha256(message, BLOCK_PADDING)
    })
}

/// As [`pair`], where the processor has the instructions.
fn pair_by_instructions(first: &[u8; BLOCK], second: &[u8; BLOCK]) -> Option<[[u8; HASH]; 2]> {
    #[cfg(target_arch = "x86_64")]
    if sha_ni::available() {
        let mut states = [SHA256_START; 2];
        let messages = [first.as_chunks().0, second.as_chunks().0];
        let padding = [&BLOCK_PADDING; 2].map(std::slice::from_ref);
        // SAFETY: the processor has the features, as `available` found.
        unsafe {
            sha_ni::compress(&mut states, messages);
            sha_ni::compress(&mut states, padding);
        }
        return Some(states.map(hash_of));
    }
    let _ = (first, second);
    None
}

/// As [`both`], where the processor has the instructions; elsewhere it leaves `plain` alone.
fn both_by_instructions(plain: &mut State, block: &[u8; BLOCK]) -> Option<[u8; HASH]> {
    #[cfg(target_arch = "x86_64")]
    if sha_ni::available() {
        let mut states = [*plain, SHA256_START];
        // SAFETY: the processor has the features, as `available` found.
        unsafe { sha_ni::compress_same(&mut states, block.as_chunks().0) };
        let [all, mut own] = states;
        *plain = all;
        compress256(&mut own, &[BLOCK_PADDING]);
        return Some(hash_of(own));
    }
    let _ = (plain, block);
    None
}

#[cfg(target_arch = "x86_64")]
/// The constants of FIPS 180-4, section 4.2.2.
const ROUND: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    /// The judge is `sha2`, by itself.
    fn judge(state: State, message: &[u8; BLOCK]) -> State {
        let mut state = state;
        compress256(&mut state, message.as_chunks().0);
        state
    }

    #[test]
    fn two_lanes_give_what_one_gives() {
        let mut random = testkit::Random::from_environment();
        for _ in 0..200 {
            let bytes = random.bytes(2 * BLOCK);
            let (first, second) = bytes.split_at(BLOCK);
            let [first, second]: [&[u8; BLOCK]; 2] = [first.try_into().unwrap(), second.try_into().unwrap()];
            let alone = [first, second].map(|block| sha256(block.as_chunks().0, BLOCK_PADDING));
            assert_eq!(pair(first, second), alone);
            assert_eq!(pair_by_instructions(first, second).unwrap_or(alone), alone);
            let start: State = std::array::from_fn(|_| u32::try_from(random.below(1 << 32)).unwrap());
            let mut plain = start;
            assert_eq!(both(&mut plain, second), alone[1]);
            assert_eq!(plain, judge(start, second));
            let mut plain = start;
            if let Some(hash) = both_by_instructions(&mut plain, second) {
                assert_eq!((hash, plain), (alone[1], judge(start, second)));
            }
        }
    }

    #[test]
    fn sixteen_lanes_give_what_one_gives() {
        let mut random = testkit::Random::from_environment();
        for _ in 0..20 {
            let bytes = random.bytes(MANY * BLOCK);
            let blocks: &[[u8; BLOCK]] = bytes.as_chunks().0;
            let alone: Vec<_> = blocks.iter().map(|block| sha256(block.as_chunks().0, BLOCK_PADDING)).collect();
            if let Some(hashes) = many_by_instructions(std::array::from_fn(|lane| &blocks[lane])) {
                assert_eq!(hashes[..], alone);
            }
        }
    }

    /// The judge is the kernel's list of what the processor has.
    #[cfg(target_arch = "x86_64")]
    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test reads what the kernel says")]
    fn the_instructions_are_used_where_the_processor_has_them() {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags: Vec<&str> =
            text.lines().find(|line| line.starts_with("flags")).unwrap().split_whitespace().collect();
        let has = |wanted: &[&str]| wanted.iter().all(|flag| flags.contains(flag));
        let block = [7; BLOCK];
        let sha = has(&["sha_ni", "ssse3", "sse4_1"]);
        assert_eq!(pair_by_instructions(&block, &block).is_some(), sha);
        assert_eq!(both_by_instructions(&mut SHA256_START.clone(), &block).is_some(), sha);
        assert_eq!(many_by_instructions([&block; MANY]).is_some(), has(&["avx512f", "avx512bw"]));
    }
}
