//! Two states at once, by the sha instructions of x86-64 processors.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi8, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
};

use super::super::State;
use super::ROUND;

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
