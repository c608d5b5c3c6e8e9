//! BLAKE2b-256 of eight messages of one length at once: message `i` in lane `i` of every 512-bit register.
//!
//! A compression is 12 rounds of 8 quarter steps with 14 operations each on all lanes, two operations per cycle: 672
//! cycles for eight messages is the floor of this processor generation. What is left out below it: additions of
//! message words that are known to be zero, which are most of them for a short leaf (`WORDS` counts the others).
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{
    Avx512,
    chains::{BLOCK, IV, PARAMETERS, SIGMA},
};
use crate::hash::{Digest, INNER_PREFIX};

/// Messages that are hashed together.
pub(crate) const LANES: usize = 8;

impl Avx512 {
    /// `H(0x00 ‖ leaf)` of eight leaves.
    ///
    /// # Panics
    /// Unless all leaves have the length of the first.
    pub(crate) fn leaves(self, leaves: &[&[u8]; LANES]) -> [Digest; LANES] {
        let length = leaves[0].len();
        assert!(leaves.iter().all(|leaf| leaf.len() == length));
        // SAFETY: `self` proves that the processor has the instructions; all leaves have `length` bytes.
        unsafe { hash_leaves(leaves, length) }
    }

    /// `H(0x01 ‖ left ‖ right)` of eight pairs that lie one after the other.
    pub(crate) fn parents(self, children: &[Digest; 2 * LANES]) -> [Digest; LANES] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { hash_neighbours(children) }
    }

    /// `H(0x01 ‖ left ‖ right)` of eight pairs, left and right halves apart.
    pub(crate) fn join(self, left: &[Digest; LANES], right: &[Digest; LANES]) -> [Digest; LANES] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { hash_halves(left, right) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
fn hash_neighbours(children: &[Digest; 2 * LANES]) -> [Digest; LANES] {
    let mut rows = [_mm512_setzero_si512(); LANES];
    for (row, pair) in rows.iter_mut().zip(children.chunks_exact(2)) {
        // SAFETY: a pair of digests has 64 bytes.
        *row = unsafe { _mm512_loadu_si512(pair.as_ptr().cast()) };
    }
    hash_pairs(rows)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
fn hash_halves(left: &[Digest; LANES], right: &[Digest; LANES]) -> [Digest; LANES] {
    let mut rows = [_mm512_setzero_si512(); LANES];
    for (row, (left, right)) in rows.iter_mut().zip(left.iter().zip(right)) {
        // SAFETY: each load reads one digest of 32 bytes.
        let (left, right) =
            unsafe { (_mm256_loadu_si256(left.as_ptr().cast()), _mm256_loadu_si256(right.as_ptr().cast())) };
        *row = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(left), right);
    }
    hash_pairs(rows)
}

/// # Safety
/// The features, and `length` readable bytes in every leaf.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
unsafe fn hash_leaves(leaves: &[&[u8]; LANES], length: usize) -> [Digest; LANES] {
    let zero = _mm512_setzero_si512();
    let total = length + 1;
    let mut h = initial();
    let mut start = 0;
    while start + BLOCK < total {
        // SAFETY: as this function's.
        let m = unsafe { message(leaves, start, length) };
        compress::<16>(&mut h, &m, start + BLOCK, false);
        start += BLOCK;
    }
    let words = (total - start).div_ceil(8);
    if words <= 8 {
        // SAFETY: as this function's.
        let low = unsafe { half(leaves, start, length) };
        let mut m = [zero; 16];
        m[..8].copy_from_slice(&transpose(low));
        match words {
            0..=1 => compress::<1>(&mut h, &m, total, true),
            2..=4 => compress::<4>(&mut h, &m, total, true),
            _ => compress::<8>(&mut h, &m, total, true),
        }
    } else {
        // SAFETY: as this function's.
        let m = unsafe { message(leaves, start, length) };
        compress::<16>(&mut h, &m, total, true);
    }
    digests(&h)
}

/// Eight pairs of digests, one in each row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
fn hash_pairs(rows: [__m512i; LANES]) -> [Digest; LANES] {
    let words = transpose(rows);
    let mut m = [_mm512_setzero_si512(); 16];
    // The prefix moves every byte up by one.
    m[0] = _mm512_or_si512(_mm512_slli_epi64::<8>(words[0]), _mm512_set1_epi64(i64::from(INNER_PREFIX)));
    for k in 1..8 {
        m[k] = _mm512_shldi_epi64::<8>(words[k], words[k - 1]);
    }
    m[8] = _mm512_srli_epi64::<56>(words[7]);
    let mut h = initial();
    compress::<9>(&mut h, &m, 65, true);
    digests(&h)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn initial() -> [__m512i; 8] {
    let mut h = [_mm512_setzero_si512(); 8];
    for (word, constant) in h.iter_mut().zip(IV) {
        *word = _mm512_set1_epi64(constant.cast_signed());
    }
    h[0] = _mm512_set1_epi64((IV[0] ^ PARAMETERS).cast_signed());
    h
}

/// The 128 bytes at `start` of prefix and leaf, by words.
///
/// # Safety
/// The features, and `length` readable bytes in every leaf.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn message(leaves: &[&[u8]; LANES], start: usize, length: usize) -> [__m512i; 16] {
    // SAFETY: as this function's.
    let (low, high) = unsafe { (half(leaves, start, length), half(leaves, start + BLOCK / 2, length)) };
    let mut m = [_mm512_setzero_si512(); 16];
    m[..8].copy_from_slice(&transpose(low));
    m[8..].copy_from_slice(&transpose(high));
    m
}

/// The 64 bytes at `start` of prefix and leaf, zeros past its end, for each lane.
///
/// # Safety
/// The features, and `length` readable bytes in every leaf.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn half(leaves: &[&[u8]; LANES], start: usize, length: usize) -> [__m512i; LANES] {
    // Byte `start + i` of the message is byte `start + i - 1` of the leaf; byte 0 is the prefix, which is zero.
    let left = (length + 1).saturating_sub(start);
    let mut mask = if left >= 64 { u64::MAX } else { (1u64 << left) - 1 };
    if start == 0 {
        mask &= !1;
    }
    let mut rows = [_mm512_setzero_si512(); LANES];
    for (row, leaf) in rows.iter_mut().zip(leaves) {
        let at = leaf.as_ptr().wrapping_add(start).wrapping_sub(1);
        // SAFETY: bytes that are masked out are not read; the others lie within the leaf.
        *row = unsafe { _mm512_maskz_loadu_epi8(mask, at.cast()) };
    }
    rows
}

/// From eight rows of eight words to eight columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    let pairs = [
        (_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)),
        (_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d)),
        (_mm512_unpacklo_epi64(e, f), _mm512_unpackhi_epi64(e, f)),
        (_mm512_unpacklo_epi64(g, h), _mm512_unpackhi_epi64(g, h)),
    ];
    // Words 0 2 4 6 from the low halves, 1 3 5 7 from the high ones, of four rows each.
    let even = quarter(pairs[0].0, pairs[1].0, pairs[2].0, pairs[3].0);
    let odd = quarter(pairs[0].1, pairs[1].1, pairs[2].1, pairs[3].1);
    [even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]]
}

/// A 4 × 4 transposition of 128-bit lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn quarter(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0xee>(a, b));
    let (cd_low, cd_high) = (_mm512_shuffle_i64x2::<0x44>(c, d), _mm512_shuffle_i64x2::<0xee>(c, d));
    [
        _mm512_shuffle_i64x2::<0x88>(ab_low, cd_low),
        _mm512_shuffle_i64x2::<0xdd>(ab_low, cd_low),
        _mm512_shuffle_i64x2::<0x88>(ab_high, cd_high),
        _mm512_shuffle_i64x2::<0xdd>(ab_high, cd_high),
    ]
}

/// The first four words of each lane's state.
#[inline]
#[target_feature(enable = "avx512f")]
fn digests(h: &[__m512i; 8]) -> [Digest; LANES] {
    let (low_even, low_odd) = (_mm512_unpacklo_epi64(h[0], h[1]), _mm512_unpackhi_epi64(h[0], h[1]));
    let (high_even, high_odd) = (_mm512_unpacklo_epi64(h[2], h[3]), _mm512_unpackhi_epi64(h[2], h[3]));
    // 128-bit lane `i` of these belongs to messages 2i (even) and 2i + 1 (odd).
    let mut out = [[0; 32]; LANES];
    let [first, second, third, fourth] = quarter(low_even, high_even, low_odd, high_odd);
    for (pair, rows) in [first, second, third, fourth].into_iter().enumerate() {
        let target = out[2 * pair].as_mut_ptr();
        // SAFETY: writes the 64 bytes of two neighbouring digests, of which there are eight.
        unsafe { _mm512_storeu_si512(target.cast(), rows) };
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn compress<const WORDS: usize>(h: &mut [__m512i; 8], m: &[__m512i; 16], counter: usize, last: bool) {
    let mut v = [_mm512_setzero_si512(); 16];
    v[..8].copy_from_slice(h);
    for (word, constant) in v[8..].iter_mut().zip(IV) {
        *word = _mm512_set1_epi64(constant.cast_signed());
    }
    let counter = i64::try_from(counter).expect("shorter than the address space");
    v[12] = _mm512_xor_si512(v[12], _mm512_set1_epi64(counter));
    if last {
        v[14] = _mm512_xor_si512(v[14], _mm512_set1_epi64(-1));
    }
    round::<0, WORDS>(&mut v, m);
    round::<1, WORDS>(&mut v, m);
    round::<2, WORDS>(&mut v, m);
    round::<3, WORDS>(&mut v, m);
    round::<4, WORDS>(&mut v, m);
    round::<5, WORDS>(&mut v, m);
    round::<6, WORDS>(&mut v, m);
    round::<7, WORDS>(&mut v, m);
    round::<8, WORDS>(&mut v, m);
    round::<9, WORDS>(&mut v, m);
    round::<0, WORDS>(&mut v, m);
    round::<1, WORDS>(&mut v, m);
    for i in 0..8 {
        h[i] = _mm512_ternarylogic_epi64::<0x96>(h[i], v[i], v[i + 8]);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn round<const R: usize, const WORDS: usize>(v: &mut [__m512i; 16], m: &[__m512i; 16]) {
    // Columns, then diagonals; four independent steps each, kept in step for the sake of the pipeline.
    steps::<R, 0, WORDS>(v, m, [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]]);
    steps::<R, 8, WORDS>(v, m, [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]]);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn steps<const R: usize, const FIRST: usize, const WORDS: usize>(
    v: &mut [__m512i; 16],
    m: &[__m512i; 16],
    quads: [[usize; 4]; 4],
) {
    for (i, [a, b, _, d]) in quads.into_iter().enumerate() {
        v[a] = _mm512_add_epi64(v[a], v[b]);
        if SIGMA[R][FIRST + 2 * i] < WORDS {
            v[a] = _mm512_add_epi64(v[a], m[SIGMA[R][FIRST + 2 * i]]);
        }
        v[d] = _mm512_ror_epi64::<32>(_mm512_xor_si512(v[d], v[a]));
    }
    for [_, b, c, d] in quads {
        v[c] = _mm512_add_epi64(v[c], v[d]);
        v[b] = _mm512_ror_epi64::<24>(_mm512_xor_si512(v[b], v[c]));
    }
    for (i, [a, b, _, d]) in quads.into_iter().enumerate() {
        v[a] = _mm512_add_epi64(v[a], v[b]);
        if SIGMA[R][FIRST + 2 * i + 1] < WORDS {
            v[a] = _mm512_add_epi64(v[a], m[SIGMA[R][FIRST + 2 * i + 1]]);
        }
        v[d] = _mm512_ror_epi64::<16>(_mm512_xor_si512(v[d], v[a]));
    }
    for [_, b, c, d] in quads {
        v[c] = _mm512_add_epi64(v[c], v[d]);
        v[b] = _mm512_ror_epi64::<63>(_mm512_xor_si512(v[b], v[c]));
    }
}
