//! Sixteen states at once: a register holds the same word of each.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_cvtsi128_si64, _mm_unpackhi_epi64, _mm512_add_epi32, _mm512_extracti32x4_epi32,
    _mm512_ror_epi32, _mm512_set_epi64, _mm512_set1_epi32, _mm512_set4_epi32, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::super::{BLOCK, BLOCK_PADDING, SHA256_START, State};
use super::{MANY, ROUND};

/// Whether the processor has what the functions below use. The answer is remembered by `std`.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// The states after each block and its padding.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn hashes(blocks: [&[u8; BLOCK]; MANY]) -> [State; MANY] {
    let blocks: [&[[u8; 64]]; MANY] = blocks.map(|block| block.as_chunks().0);
    let mut states = SHA256_START.map(|word| broadcast(word));
    for part in 0..BLOCK / 64 {
        compress(&mut states, transposed(blocks.map(|block| load(&block[part]))));
    }
    let padding: &[[u8; 4]] = BLOCK_PADDING.as_chunks().0;
    let mut words = [_mm512_setzero_si512(); 16];
    for (word, bytes) in words.iter_mut().zip(padding) {
        *word = broadcast(u32::from_be_bytes(*bytes));
    }
    compress(&mut states, words);
    by_lane(states)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn broadcast(word: u32) -> __m512i {
    _mm512_set1_epi32(word.cast_signed())
}

/// The sixteen words of a message block, big-endian as sha256 reads them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(block: &[u8; 64]) -> __m512i {
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let words: &[[u8; 8]] = block.as_chunks().0;
    let word = |index: usize| i64::from_le_bytes(words[index]);
    let row = _mm512_set_epi64(word(7), word(6), word(5), word(4), word(3), word(2), word(1), word(0));
    _mm512_shuffle_epi8(row, swap)
}

/// Rows of one lane each become rows of one word each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(rows: [__m512i; 16]) -> [__m512i; 16] {
    // Within quarters of registers: after both steps, register 4i+j has in its quarter q the word 4q+j
    // of the lanes 4i to 4i+3.
    let mut quarters = [_mm512_setzero_si512(); 16];
    for group in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|index| rows[4 * group + index]);
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        quarters[4 * group] = _mm512_unpacklo_epi64(ab_low, cd_low);
        quarters[4 * group + 1] = _mm512_unpackhi_epi64(ab_low, cd_low);
        quarters[4 * group + 2] = _mm512_unpacklo_epi64(ab_high, cd_high);
        quarters[4 * group + 3] = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
    // And then the quarters themselves.
    let mut words = [_mm512_setzero_si512(); 16];
    for index in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|group| quarters[4 * group + index]);
        let (ab_even, ab_odd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (cd_even, cd_odd) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
        words[index] = _mm512_shuffle_i32x4::<0x88>(ab_even, cd_even);
        words[4 + index] = _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd);
        words[8 + index] = _mm512_shuffle_i32x4::<0xdd>(ab_even, cd_even);
        words[12 + index] = _mm512_shuffle_i32x4::<0xdd>(ab_odd, cd_odd);
    }
    words
}

/// The exclusive or of three, by its truth table.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sum<const N: usize>(terms: [__m512i; N]) -> __m512i {
    terms.into_iter().fold(_mm512_setzero_si512(), |sum, term| _mm512_add_epi32(sum, term))
}

/// Takes a message block of each lane into its state.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn compress(states: &mut [__m512i; 8], mut words: [__m512i; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *states;
    for sixteen in 0..4 {
        for index in 0..16 {
            if sixteen > 0 {
                words[index] =
                    next(words[index], words[(index + 1) & 15], words[(index + 9) & 15], words[(index + 14) & 15]);
            }
            let sigma = xor(_mm512_ror_epi32::<6>(e), _mm512_ror_epi32::<11>(e), _mm512_ror_epi32::<25>(e));
            let choice = _mm512_ternarylogic_epi32::<0xca>(e, f, g);
            let first = sum([h, words[index], broadcast(ROUND[16 * sixteen + index]), sigma, choice]);
            let sigma = xor(_mm512_ror_epi32::<2>(a), _mm512_ror_epi32::<13>(a), _mm512_ror_epi32::<22>(a));
            let majority = _mm512_ternarylogic_epi32::<0xe8>(a, b, c);
            (h, g, f, e, d, c, b) = (g, f, e, _mm512_add_epi32(d, first), c, b, a);
            a = sum([first, sigma, majority]);
        }
    }
    for (state, after) in states.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *state = _mm512_add_epi32(*state, after);
    }
}

/// A word of the message schedule, of the words 16, 15, 7 and 2 before it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn next(w16: __m512i, w15: __m512i, w7: __m512i, w2: __m512i) -> __m512i {
    let early = xor(_mm512_ror_epi32::<7>(w15), _mm512_ror_epi32::<18>(w15), _mm512_srli_epi32::<3>(w15));
    let late = xor(_mm512_ror_epi32::<17>(w2), _mm512_ror_epi32::<19>(w2), _mm512_srli_epi32::<10>(w2));
    sum([w16, early, w7, late])
}

/// The states of the lanes, each by itself.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn by_lane(states: [__m512i; 8]) -> [State; MANY] {
    let mut lanes = [[0; 8]; MANY];
    for (word, state) in states.into_iter().enumerate() {
        let quarters = [
            _mm512_extracti32x4_epi32::<0>(state),
            _mm512_extracti32x4_epi32::<1>(state),
            _mm512_extracti32x4_epi32::<2>(state),
            _mm512_extracti32x4_epi32::<3>(state),
        ];
        for (lane, value) in quarters.into_iter().flat_map(|quarter| words_of(quarter)).enumerate() {
            lanes[lane][word] = value;
        }
    }
    lanes
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
#[expect(clippy::cast_possible_truncation, reason = "the halves are taken one by one")]
fn words_of(quarter: __m128i) -> [u32; 4] {
    let low = _mm_cvtsi128_si64(quarter).cast_unsigned();
    let high = _mm_cvtsi128_si64(_mm_unpackhi_epi64(quarter, quarter)).cast_unsigned();
    [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32]
}
