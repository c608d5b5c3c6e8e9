//! Sixteen messages of one length at once with AVX-512, as two sets of eight.
//!
//! A compression of two sets is a long run of instructions with nothing to wait for but each other, so the loads and
//! transpositions of the next messages are issued before it: the processor does them beside it.
#![allow(unsafe_code)]

mod compress;

use std::arch::x86_64::*;

pub(in super::super) use self::compress::{State, Words, compress};
use super::{super::Avx512, BLOCK, INITIAL};
use crate::{
    hash::{self, Digest, INNER_PREFIX},
    merkle::EMPTY,
};

/// Messages in a set.
const SET: usize = 8;
/// Messages that are hashed together.
const LANES: usize = 2 * SET;
/// Fewer nodes than this are hashed one by one.
const NODES_MIN: usize = 3;

impl Avx512 {
    /// Writes `H(0x00 ‖ leaf)` of each leaf.
    ///
    /// # Panics
    /// Unless there are as many leaves as room for hashes, all of `length` bytes.
    pub(crate) fn leaves<'a>(self, length: usize, mut leaves: impl Iterator<Item = &'a [u8]>, out: &mut [Digest]) {
        let mut left = out.len();
        let mut next = || {
            let leaf = leaves.next().expect("a leaf for each hash");
            assert_eq!(leaf.len(), length);
            leaf.as_ptr()
        };
        let groups = std::iter::from_fn(|| {
            let count = left.min(LANES);
            left -= count;
            let first = (count > 0).then(&mut next)?;
            let mut group = [first; LANES];
            group[1..count].fill_with(&mut next);
            Some(group)
        });
        // SAFETY: `self` proves that the processor has the instructions; all leaves have `length` bytes.
        unsafe { hash_leaves_of(length, groups, out) }
    }

    /// As [`leaves`](Self::leaves) for leaves that lie one after the other.
    ///
    /// # Panics
    /// Unless there are as many as room for hashes.
    pub(crate) fn leaf_run(self, length: usize, leaves: &[u8], out: &mut [Digest]) {
        let count = out.len();
        assert_eq!(leaves.len(), length * count);
        let at = |leaf: usize| leaves.as_ptr().wrapping_add(leaf * length);
        let groups = (0..count).step_by(LANES).map(|first| match count - first {
            LANES.. => std::array::from_fn(|lane| at(first + lane)),
            _ => std::array::from_fn(|lane| at((first + lane).min(count - 1))),
        });
        // SAFETY: `self` proves that the processor has the instructions; leaves below `count` have `length` bytes.
        unsafe { hash_leaves_of(length, groups, out) }
    }

    /// Replaces the front of `nodes` by the parents of neighbours; a last one without neighbour is joined with
    /// [`EMPTY`]. Returns how many parents there are.
    pub(crate) fn fold(self, nodes: &mut [Digest]) -> usize {
        let groups = nodes.len() / (2 * LANES);
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { fold_groups(nodes, groups) };
        let (first, rest) = (groups * LANES, &nodes[2 * groups * LANES..]);
        let count = rest.len().div_ceil(2);
        let mut padded = [EMPTY; 2 * LANES];
        padded[..rest.len()].copy_from_slice(rest);
        if count < NODES_MIN {
            for i in 0..count {
                padded[i] = hash::inner(&padded[2 * i], &padded[2 * i + 1]);
            }
        } else {
            // SAFETY: as above.
            unsafe { fold_groups(&mut padded, 1) };
        }
        nodes[first..first + count].copy_from_slice(&padded[..count]);
        first + count
    }

    /// Replaces `left[i]` by `H(0x01 ‖ left[i] ‖ right[i])`; without right ones they are [`EMPTY`].
    ///
    /// # Panics
    /// Unless there are as many right ones, if any.
    pub(crate) fn join(self, left: &mut [Digest], right: Option<&[Digest]>) {
        assert!(right.is_none_or(|right| right.len() == left.len()));
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { join_groups(left, right) };
        let done = left.len() / LANES * LANES;
        let (left, right) = (&mut left[done..], right.map(|right| &right[done..]));
        if left.len() < NODES_MIN {
            for (i, node) in left.iter_mut().enumerate() {
                *node = hash::inner(node, right.map_or(&EMPTY, |right| &right[i]));
            }
            return;
        }
        let mut padded = [[EMPTY; LANES]; 2];
        padded[0][..left.len()].copy_from_slice(left);
        if let Some(right) = right {
            padded[1][..right.len()].copy_from_slice(right);
        }
        let [padded, right] = &mut padded;
        // SAFETY: as above.
        unsafe { join_groups(padded, Some(right)) };
        left.copy_from_slice(&padded[..left.len()]);
    }
}

/// Words of prefix and leaf in the last block that are not certainly zero.
fn words_of_last_block(length: usize) -> usize {
    (length % BLOCK + 1).div_ceil(8)
}

/// Hashes groups of leaves, of which the last may have more than there is room for.
///
/// # Safety
/// The features, and `length` readable bytes at every pointer.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
unsafe fn hash_leaves_of(length: usize, groups: impl Iterator<Item = [*const u8; LANES]>, out: &mut [Digest]) {
    // SAFETY: as this function's.
    unsafe {
        match words_of_last_block(length) {
            0..=1 => hash_leaves::<1>(length, groups, out),
            2..=4 => hash_leaves::<4>(length, groups, out),
            5..=8 => hash_leaves::<8>(length, groups, out),
            _ => hash_leaves::<16>(length, groups, out),
        }
    }
}

/// `LAST`: words of the last block that may be other than zero.
///
/// # Safety
/// As that of [`hash_leaves_of`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
unsafe fn hash_leaves<const LAST: usize>(
    length: usize,
    mut groups: impl Iterator<Item = [*const u8; LANES]>,
    out: &mut [Digest],
) {
    let total = length + 1;
    let last = total.div_ceil(BLOCK) - 1;
    let load = |group: &[*const u8; LANES], block: usize, words: &mut Words| {
        // SAFETY: as this function's.
        unsafe {
            if block == last {
                message::<LAST>(group, block * BLOCK, length, words);
            } else {
                message::<16>(group, block * BLOCK, length, words);
            }
        }
    };
    let mut words = [[[_mm512_setzero_si512(); 16]; 2]; 2];
    let [mut now, mut next] = words.each_mut();
    let mut following = groups.next();
    if let Some(group) = &following {
        load(group, 0, now);
    }
    for out in out.chunks_mut(LANES) {
        let Some(group) = std::mem::replace(&mut following, groups.next()) else { return };
        let mut state = initial();
        for block in 0..last {
            load(&group, block + 1, next);
            compress::<16>(&mut state, now, (block + 1) * BLOCK, false);
            (now, next) = (next, now);
        }
        if let Some(group) = &following {
            load(group, 0, next);
        }
        compress::<LAST>(&mut state, now, total, true);
        (now, next) = (next, now);
        out.copy_from_slice(&digests(&state)[..out.len()]);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
fn fold_groups(nodes: &mut [Digest], groups: usize) {
    let load = |nodes: &[Digest], group: usize, words: &mut Words| {
        let children = &nodes[2 * LANES * group..][..2 * LANES];
        let mut rows = [[_mm512_setzero_si512(); SET]; 2];
        for (row, pair) in rows.as_flattened_mut().iter_mut().zip(children.chunks_exact(2)) {
            // SAFETY: a pair of digests has 64 bytes.
            *row = unsafe { _mm512_loadu_si512(pair.as_ptr().cast()) };
        }
        pairs(&rows, words);
    };
    hash_pairs(nodes, groups, load);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
fn join_groups(left: &mut [Digest], right: Option<&[Digest]>) {
    let load = |left: &[Digest], group: usize, words: &mut Words| {
        let right = right.map_or(&[EMPTY; LANES][..], |right| &right[LANES * group..][..LANES]);
        let mut rows = [[_mm512_setzero_si512(); SET]; 2];
        let halves = left[LANES * group..].iter().zip(right);
        for (row, (left, right)) in rows.as_flattened_mut().iter_mut().zip(halves) {
            // SAFETY: each load reads one digest of 32 bytes.
            let (left, right) =
                unsafe { (_mm256_loadu_si256(left.as_ptr().cast()), _mm256_loadu_si256(right.as_ptr().cast())) };
            *row = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(left), right);
        }
        pairs(&rows, words);
    };
    hash_pairs(left, left.len() / LANES, load);
}

/// Writes the hashes of group after group to the front of `nodes`, where `load` has read what they are made from
/// before it is overwritten.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
fn hash_pairs(nodes: &mut [Digest], groups: usize, load: impl Fn(&[Digest], usize, &mut Words)) {
    let mut words = [[[_mm512_setzero_si512(); 16]; 2]; 2];
    let [mut now, mut next] = words.each_mut();
    if groups > 0 {
        load(nodes, 0, now);
    }
    for group in 0..groups {
        if group + 1 < groups {
            load(nodes, group + 1, next);
        }
        let mut state = initial();
        compress::<9>(&mut state, now, 65, true);
        nodes[LANES * group..][..LANES].copy_from_slice(&digests(&state));
        (now, next) = (next, now);
    }
}

/// Messages of prefix and two digests, given the digests in rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
fn pairs(rows: &[[__m512i; SET]; 2], words: &mut Words) {
    for (rows, m) in rows.iter().zip(words) {
        let words = transpose(*rows);
        // The prefix moves every byte up by one.
        m[0] = _mm512_or_si512(_mm512_slli_epi64::<8>(words[0]), _mm512_set1_epi64(i64::from(INNER_PREFIX)));
        for k in 1..8 {
            m[k] = _mm512_shldi_epi64::<8>(words[k], words[k - 1]);
        }
        m[8] = _mm512_srli_epi64::<56>(words[7]);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn initial() -> State {
    let mut state = [_mm512_setzero_si512(); 8];
    for (word, constant) in state.iter_mut().zip(INITIAL) {
        *word = _mm512_set1_epi64(constant.cast_signed());
    }
    [state; 2]
}

/// The first `WORDS` words at byte `start` of prefix and leaf, zeros past its end.
///
/// # Safety
/// The features, and `length` readable bytes at every pointer.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(in super::super) unsafe fn message<const WORDS: usize>(
    leaves: &[*const u8; LANES],
    start: usize,
    length: usize,
    words: &mut Words,
) {
    for (leaves, m) in leaves.as_chunks().0.iter().zip(words) {
        // SAFETY: as this function's.
        let low = transpose(unsafe { half(leaves, start, length) });
        m[..WORDS.min(8)].copy_from_slice(&low[..WORDS.min(8)]);
        if WORDS > 8 {
            // SAFETY: as this function's.
            let high = transpose(unsafe { half(leaves, start + BLOCK / 2, length) });
            m[8..WORDS].copy_from_slice(&high[..WORDS - 8]);
        }
    }
}

/// The 64 bytes at `start` of prefix and leaf, zeros past its end, for each lane.
///
/// # Safety
/// The features, and `length` readable bytes at every pointer.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn half(leaves: &[*const u8; SET], start: usize, length: usize) -> [__m512i; SET] {
    // Byte `start + i` of the message is byte `start + i - 1` of the leaf; byte 0 is the prefix, which is zero.
    let left = (length + 1).saturating_sub(start);
    let mut mask = if left >= 64 { u64::MAX } else { (1u64 << left) - 1 };
    if start == 0 {
        mask &= !1;
    }
    let mut rows = [_mm512_setzero_si512(); SET];
    for (row, leaf) in rows.iter_mut().zip(leaves) {
        let at = leaf.wrapping_add(start).wrapping_sub(1);
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
fn digests(state: &State) -> [Digest; LANES] {
    let mut out = [[0; 32]; LANES];
    for (h, out) in state.iter().zip(out.chunks_exact_mut(SET)) {
        let (low_even, low_odd) = (_mm512_unpacklo_epi64(h[0], h[1]), _mm512_unpackhi_epi64(h[0], h[1]));
        let (high_even, high_odd) = (_mm512_unpacklo_epi64(h[2], h[3]), _mm512_unpackhi_epi64(h[2], h[3]));
        // 128-bit lane `i` of these belongs to messages 2i (even) and 2i + 1 (odd).
        let rows = quarter(low_even, high_even, low_odd, high_odd);
        for (pair, row) in out.chunks_exact_mut(2).zip(rows) {
            // SAFETY: a pair of digests has 64 bytes.
            unsafe { _mm512_storeu_si512(pair.as_mut_ptr().cast(), row) };
        }
    }
    out
}
