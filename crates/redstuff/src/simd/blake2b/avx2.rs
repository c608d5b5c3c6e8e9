//! Four messages of one length at once with AVX2: message `i` in lane `i` of every 256-bit register.
#![allow(unsafe_code)]

mod compress;

use std::arch::x86_64::*;

pub(in super::super) use self::compress::compress;
use self::compress::{State, Words};
use super::{super::Avx2, BLOCK, INITIAL};
use crate::{
    hash::{self, Digest, INNER_PREFIX, LEAF_PREFIX},
    merkle::EMPTY,
};

/// Messages that are hashed together.
const LANES: usize = 4;

impl Avx2 {
    /// Writes `H(0x00 ‖ leaf)` of each leaf.
    ///
    /// # Panics
    /// Unless there are as many leaves as room for hashes, all of `length` bytes.
    pub(crate) fn leaves<'a>(self, length: usize, mut leaves: impl Iterator<Item = &'a [u8]>, out: &mut [Digest]) {
        for out in out.chunks_mut(LANES) {
            let mut next = || leaves.next().expect("a leaf for each hash");
            let mut group = [next(); LANES];
            group[1..out.len()].fill_with(next);
            assert!(group.iter().all(|leaf| leaf.len() == length), "leaves of {length} bytes");
            // SAFETY: `self` proves that the processor has the instructions.
            let digests = unsafe { hash_leaves(&group, length) };
            out.copy_from_slice(&digests[..out.len()]);
        }
    }

    /// Replaces the front of `nodes` by the parents of neighbours; a last one without neighbour is joined with
    /// [`EMPTY`]. Returns how many parents there are.
    pub(crate) fn fold(self, nodes: &mut [Digest]) -> usize {
        let parents = nodes.len().div_ceil(2);
        // A group reads its children before it writes, and never writes past what it has read.
        for first in (0..parents).step_by(LANES) {
            let children = &nodes[2 * first..nodes.len().min(2 * (first + LANES))];
            let mut halves = [[EMPTY; LANES]; 2];
            for (i, child) in children.iter().enumerate() {
                halves[i % 2][i / 2] = *child;
            }
            let count = LANES.min(parents - first);
            let [left, right] = &halves;
            nodes[first..first + count].copy_from_slice(&self.parents(left, right, count)[..count]);
        }
        parents
    }

    /// Replaces `left[i]` by `H(0x01 ‖ left[i] ‖ right[i])`; without right ones they are [`EMPTY`].
    ///
    /// # Panics
    /// Unless there are as many right ones, if any.
    pub(crate) fn join(self, left: &mut [Digest], right: Option<&[Digest]>) {
        assert!(right.is_none_or(|right| right.len() == left.len()));
        for (number, left) in left.chunks_mut(LANES).enumerate() {
            let mut halves = [[EMPTY; LANES]; 2];
            halves[0][..left.len()].copy_from_slice(left);
            if let Some(right) = right {
                halves[1][..left.len()].copy_from_slice(&right[LANES * number..][..left.len()]);
            }
            let [lefts, rights] = &halves;
            left.copy_from_slice(&self.parents(lefts, rights, left.len())[..left.len()]);
        }
    }

    /// Parents of at least the first `count`.
    fn parents(self, left: &[Digest; LANES], right: &[Digest; LANES], count: usize) -> [Digest; LANES] {
        match count {
            1 => [hash::inner(&left[0], &right[0]); LANES],
            // SAFETY: `self` proves that the processor has the instructions.
            _ => unsafe { hash_pairs(left, right) },
        }
    }
}

#[target_feature(enable = "avx2")]
fn hash_leaves(leaves: &[&[u8]; LANES], length: usize) -> [Digest; LANES] {
    let total = length + 1;
    let mut state = initial();
    let mut start = 0;
    while start + BLOCK < total {
        compress::<16>(&mut state, &message::<16>(leaves, start), start + BLOCK, false);
        start += BLOCK;
    }
    match (total - start).div_ceil(8) {
        0..=1 => compress::<1>(&mut state, &message::<1>(leaves, start), total, true),
        2..=4 => compress::<4>(&mut state, &message::<4>(leaves, start), total, true),
        5..=8 => compress::<8>(&mut state, &message::<8>(leaves, start), total, true),
        _ => compress::<16>(&mut state, &message::<16>(leaves, start), total, true),
    }
    digests(&state)
}

#[target_feature(enable = "avx2")]
fn hash_pairs(left: &[Digest; LANES], right: &[Digest; LANES]) -> [Digest; LANES] {
    let words = [transpose(rows(left)), transpose(rows(right))];
    let words = words.as_flattened();
    let mut m = [_mm256_setzero_si256(); 16];
    // The prefix moves every byte up by one.
    m[0] = _mm256_or_si256(_mm256_slli_epi64::<8>(words[0]), _mm256_set1_epi64x(i64::from(INNER_PREFIX)));
    for k in 1..8 {
        m[k] = _mm256_or_si256(_mm256_slli_epi64::<8>(words[k]), _mm256_srli_epi64::<56>(words[k - 1]));
    }
    m[8] = _mm256_srli_epi64::<56>(words[7]);
    let mut state = initial();
    compress::<9>(&mut state, &m, 65, true);
    digests(&state)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rows(digests: &[Digest; LANES]) -> [__m256i; LANES] {
    let mut rows = [_mm256_setzero_si256(); LANES];
    for (row, digest) in rows.iter_mut().zip(digests) {
        // SAFETY: a digest has 32 bytes.
        *row = unsafe { _mm256_loadu_si256(digest.as_ptr().cast()) };
    }
    rows
}

#[inline]
#[target_feature(enable = "avx2")]
fn initial() -> State {
    let mut state = [_mm256_setzero_si256(); 8];
    for (word, constant) in state.iter_mut().zip(INITIAL) {
        *word = _mm256_set1_epi64x(constant.cast_signed());
    }
    state
}

/// The first `WORDS` words at byte `start` of prefix and leaf, zeros past its end.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn message<const WORDS: usize>(leaves: &[&[u8]; LANES], start: usize) -> Words {
    if WORDS == 16
        && let [Some(a), Some(b), Some(c), Some(d)] = leaves.map(|leaf| leaf[start.saturating_sub(1)..].first_chunk())
    {
        return block([a, b, c, d], start == 0);
    }
    let mut m = [_mm256_setzero_si256(); 16];
    for (k, m) in m.iter_mut().enumerate().take(WORDS) {
        let [a, b, c, d] = leaves.map(|leaf| word(leaf, start + 8 * k).cast_signed());
        *m = _mm256_setr_epi64x(a, b, c, d);
    }
    m
}

/// A block of each message by words; of the `first` one all but the last byte, behind the prefix.
#[inline]
#[target_feature(enable = "avx2")]
fn block(bytes: [&[u8; BLOCK]; LANES], first: bool) -> Words {
    let mut m = [_mm256_setzero_si256(); 16];
    for (quarter, words) in m.chunks_exact_mut(4).enumerate() {
        let mut rows = [_mm256_setzero_si256(); LANES];
        for (row, bytes) in rows.iter_mut().zip(bytes) {
            // SAFETY: reads a quarter of the block.
            *row = unsafe { _mm256_loadu_si256(bytes[BLOCK / 4 * quarter..].as_ptr().cast()) };
        }
        words.copy_from_slice(&transpose(rows));
    }
    if first {
        for k in (1..16).rev() {
            m[k] = _mm256_or_si256(_mm256_slli_epi64::<8>(m[k]), _mm256_srli_epi64::<56>(m[k - 1]));
        }
        m[0] = _mm256_or_si256(_mm256_slli_epi64::<8>(m[0]), _mm256_set1_epi64x(i64::from(LEAF_PREFIX)));
    }
    m
}

/// The eight bytes at `at` of prefix and leaf, zeros past its end.
#[inline]
fn word(leaf: &[u8], at: usize) -> u64 {
    let Some(first) = at.checked_sub(1) else {
        let head = leaf.first_chunk().map_or_else(|| short(leaf), |bytes| u64::from_le_bytes(*bytes));
        return head << 8 | u64::from(LEAF_PREFIX);
    };
    let rest = leaf.get(first..).unwrap_or(&[]);
    match (rest.first_chunk(), leaf.last_chunk()) {
        (Some(bytes), _) => u64::from_le_bytes(*bytes),
        // The last eight bytes, without those before the wanted ones.
        (None, Some(last)) if !rest.is_empty() => u64::from_le_bytes(*last) >> (8 * (8 - rest.len())),
        _ => short(rest),
    }
}

/// Fewer than eight bytes, zeros behind them.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    let high = |width: usize| 8 * (bytes.len() - width);
    match (bytes.first_chunk(), bytes.last_chunk(), bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last), ..) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << high(4)
        }
        (_, _, Some(first), Some(last)) => {
            u64::from(u16::from_le_bytes(*first)) | u64::from(u16::from_le_bytes(*last)) << high(2)
        }
        _ => bytes.first().map_or(0, |byte| u64::from(*byte)),
    }
}

/// From four rows of four words to four columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    let (ab_even, ab_odd) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let (cd_even, cd_odd) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
    [
        _mm256_permute2x128_si256::<0x20>(ab_even, cd_even),
        _mm256_permute2x128_si256::<0x20>(ab_odd, cd_odd),
        _mm256_permute2x128_si256::<0x31>(ab_even, cd_even),
        _mm256_permute2x128_si256::<0x31>(ab_odd, cd_odd),
    ]
}

/// The first four words of each lane's state.
#[inline]
#[target_feature(enable = "avx2")]
fn digests(state: &State) -> [Digest; LANES] {
    let mut out = [[0; 32]; LANES];
    for (digest, row) in out.iter_mut().zip(transpose([state[0], state[1], state[2], state[3]])) {
        // SAFETY: a digest has 32 bytes.
        unsafe { _mm256_storeu_si256(digest.as_mut_ptr().cast(), row) };
    }
    out
}
