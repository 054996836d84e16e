//! Two sha256 states side by side on one core.
//!
//! Each round of sha256 waits for the one before, so the processor's sha instructions idle half of
//! the time. Two independent states fill the gaps: either two blocks of one file, or, when both
//! digests of a file are wanted, the state of its plain sha256 and that of the block, which even
//! share the message. The rounds are those of FIPS 180-4, section 6.2.2.
//!
//! This is the one leaf of the workspace that holds `unsafe`: the call into code for processors with
//! these instructions, after asking the processor. Elsewhere `sha2` does the same work in safe code.

#![allow(unsafe_code, reason = "intrinsics need a processor that has them, which is asked first")]

use super::{BLOCK, BLOCK_PADDING, HASH, SHA256_START, State, hash_of, sha256};
use sha2::block_api::compress256;

/// Without optimisation intrinsics are slow calls, while `sha2` is optimised in every build.
const OPTIMISED: bool = !cfg!(debug_assertions);

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
    if x86::available() {
        let mut states = [SHA256_START; 2];
        let messages = [first.as_chunks().0, second.as_chunks().0];
        let padding = [&BLOCK_PADDING; 2].map(std::slice::from_ref);
        // SAFETY: the processor has the features, as `available` found.
        unsafe {
            x86::compress(&mut states, messages);
            x86::compress(&mut states, padding);
        }
        return Some(states.map(hash_of));
    }
    let _ = (first, second);
    None
}

/// As [`both`], where the processor has the instructions; elsewhere it leaves `plain` alone.
fn both_by_instructions(plain: &mut State, block: &[u8; BLOCK]) -> Option<[u8; HASH]> {
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        let mut states = [*plain, SHA256_START];
        // SAFETY: the processor has the features, as `available` found.
        unsafe { x86::compress_same(&mut states, block.as_chunks().0) };
        let [all, mut own] = states;
        *plain = all;
        compress256(&mut own, &[BLOCK_PADDING]);
        return Some(hash_of(own));
    }
    let _ = (plain, block);
    None
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi8, _mm_set_epi32, _mm_set_epi64x,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
    };

    use super::State;

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

    /// Whether the processor has what the functions below use. The answer is remembered by `std`.
    pub(super) fn available() -> bool {
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
    }

    /// A state as the instructions hold it: the words a b e f, and c d g h.
    #[derive(Clone, Copy)]
    struct Packed(__m128i, __m128i);

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    #[expect(clippy::cast_possible_wrap, reason = "the instructions know bits, not signs")]
    fn pack(state: &State) -> Packed {
        let [a, b, c, d, e, f, g, h] = state.map(|word| word as i32);
        Packed(_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h))
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    #[expect(clippy::cast_sign_loss, reason = "the instructions know bits, not signs")]
    fn unpack(Packed(abef, cdgh): Packed) -> State {
        let (a, b) = (_mm_extract_epi32::<3>(abef), _mm_extract_epi32::<2>(abef));
        let (e, f) = (_mm_extract_epi32::<1>(abef), _mm_extract_epi32::<0>(abef));
        let (c, d) = (_mm_extract_epi32::<3>(cdgh), _mm_extract_epi32::<2>(cdgh));
        let (g, h) = (_mm_extract_epi32::<1>(cdgh), _mm_extract_epi32::<0>(cdgh));
        [a, b, c, d, e, f, g, h].map(|word| word as u32)
    }

    /// The sixteen words of a message block, big-endian as sha256 reads them.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn load(block: &[u8; 64]) -> [__m128i; 4] {
        let swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
        let words: &[[u8; 8]] = block.as_chunks().0;
        [0, 1, 2, 3].map(|quarter| {
            let (low, high) = (i64::from_le_bytes(words[2 * quarter]), i64::from_le_bytes(words[2 * quarter + 1]));
            _mm_shuffle_epi8(_mm_set_epi64x(high, low), swap)
        })
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    #[expect(clippy::cast_possible_wrap, reason = "the instructions know bits, not signs")]
    fn constants(group: usize) -> __m128i {
        let [a, b, c, d] = [0, 1, 2, 3].map(|index| ROUND[4 * group + index] as i32);
        _mm_set_epi32(d, c, b, a)
    }

    /// The four words of the message schedule that follow these sixteen.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn next(w0: __m128i, w1: __m128i, w2: __m128i, w3: __m128i) -> __m128i {
        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
        _mm_sha256msg2_epu32(sum, w3)
    }

    /// Four rounds.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn rounds(Packed(abef, cdgh): Packed, words: __m128i) -> Packed {
        let cdgh = _mm_sha256rnds2_epu32(cdgh, abef, words);
        let abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32::<0x0e>(words));
        Packed(abef, cdgh)
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn add(a: Packed, b: Packed) -> Packed {
        Packed(_mm_add_epi32(a.0, b.0), _mm_add_epi32(a.1, b.1))
    }

    /// Takes a message into each state. Both messages have the same length.
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(super) fn compress(states: &mut [State; 2], messages: [&[[u8; 64]]; 2]) {
        let (mut a, mut b) = (pack(&states[0]), pack(&states[1]));
        for (first, second) in messages[0].iter().zip(messages[1]) {
            let (before_a, before_b) = (a, b);
            let (mut v, mut w) = (load(first), load(second));
            for group in 0..16 {
                let constants = constants(group);
                a = rounds(a, _mm_add_epi32(v[0], constants));
                b = rounds(b, _mm_add_epi32(w[0], constants));
                // The last three results are not used, and cost nothing once the loop is unrolled.
                v = [v[1], v[2], v[3], next(v[0], v[1], v[2], v[3])];
                w = [w[1], w[2], w[3], next(w[0], w[1], w[2], w[3])];
            }
            (a, b) = (add(a, before_a), add(b, before_b));
        }
        *states = [unpack(a), unpack(b)];
    }

    /// Takes one message into both states.
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(super) fn compress_same(states: &mut [State; 2], message: &[[u8; 64]]) {
        let (mut a, mut b) = (pack(&states[0]), pack(&states[1]));
        for block in message {
            let (before_a, before_b) = (a, b);
            let mut w = load(block);
            for group in 0..16 {
                let words = _mm_add_epi32(w[0], constants(group));
                a = rounds(a, words);
                b = rounds(b, words);
                w = [w[1], w[2], w[3], next(w[0], w[1], w[2], w[3])];
            }
            (a, b) = (add(a, before_a), add(b, before_b));
        }
        *states = [unpack(a), unpack(b)];
    }
}

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
}
