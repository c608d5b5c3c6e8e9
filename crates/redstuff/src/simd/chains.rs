//! BLAKE2b-256 of sixteen messages that come piece by piece, from states of 65 bytes a message.
//!
//! A general hash object must hold a block that may turn out to be the last, since that one is compressed differently.
//! Here all pieces but the last are whole blocks, and every message has one byte in front (the prefix of a Merkle leaf):
//! after `128 k` bytes of pieces the message has `128 k + 1` bytes, so `k` blocks are certainly not the last, and
//! exactly one byte is left over. What is carried from piece to piece is therefore the chaining value (64 bytes) and
//! that one byte, which for the first piece is the prefix itself. The length so far is the same for all messages and is
//! kept by the caller.
#![allow(unsafe_code)]

pub(crate) use super::blake2b::BLOCK;
use super::{
    Level,
    blake2b::{INITIAL, IV, SIGMA},
};
use crate::hash::{Digest, LEAF_PREFIX};

/// Messages in one group.
pub(crate) const LANES: usize = 16;
/// Bytes that a message's state takes.
pub(crate) const CELL_BYTES: usize = size_of::<Chains>() / LANES;
/// Messages that the code without intrinsics takes together: enough for 256-bit registers.
const WIDTH: usize = 4;

/// Which part of the messages a piece is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Bytes of pieces before this one: whole blocks.
    pub(crate) done: usize,
    /// Whether nothing follows.
    pub(crate) last: bool,
}

/// What is known of leaves of which the first pieces are hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chains {
    /// Chaining values: word by word, lane by lane.
    words: [[u64; LANES]; 8],
    /// The last byte of each message so far, not yet hashed.
    left: [u8; LANES],
}

impl Chains {
    /// Before the first piece.
    pub(crate) fn new() -> Self {
        Self { words: INITIAL.map(|word| [word; LANES]), left: [LEAF_PREFIX; LANES] }
    }

    /// Goes on with a piece of each leaf.
    ///
    /// # Panics
    /// Unless all pieces have one length, not zero, of whole blocks if it is not the last.
    pub(crate) fn absorb(&mut self, level: Level, pieces: &[&[u8]; LANES], part: Part) {
        let length = pieces[0].len();
        assert!(length > 0 && pieces.iter().all(|piece| piece.len() == length));
        assert!(part.last || length.is_multiple_of(BLOCK));
        match level {
            Level::Portable => self.absorb_lanes(pieces, part),
            // SAFETY: the level is a proof of the instructions.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(_) => unsafe { narrow::absorb(&mut self.words, &self.left, pieces, part) },
            // SAFETY: the level is a proof of the instructions; all pieces have `length` bytes.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(_) => unsafe { wide::absorb(&mut self.words, &self.left, pieces, length, part) },
        }
        for (left, piece) in self.left.iter_mut().zip(pieces) {
            *left = piece[length - 1];
        }
    }

    /// The hashes, after the last piece.
    pub(crate) fn digests(&self) -> [Digest; LANES] {
        std::array::from_fn(|lane| {
            let mut digest = [0; 32];
            for (bytes, word) in digest.chunks_exact_mut(8).zip(&self.words) {
                bytes.copy_from_slice(&word[lane].to_le_bytes());
            }
            digest
        })
    }

    /// Without intrinsics, in a form that compilers turn into vector instructions.
    fn absorb_lanes(&mut self, pieces: &[&[u8]; LANES], part: Part) {
        let total = pieces[0].len() + 1;
        for first in (0..LANES).step_by(WIDTH) {
            let lanes = |words: &[u64; LANES]| [words[first], words[first + 1], words[first + 2], words[first + 3]];
            let mut h = [[0; WIDTH]; 8];
            for (row, words) in h.iter_mut().zip(&self.words) {
                *row = lanes(words);
            }
            let (pieces, left) = (&pieces[first..first + WIDTH], &self.left[first..first + WIDTH]);
            let mut start = 0;
            while start + BLOCK < total {
                compress(&mut h, &message(pieces, left, start), part.done + start + BLOCK, false);
                start += BLOCK;
            }
            if part.last {
                compress(&mut h, &message(pieces, left, start), part.done + total, true);
            }
            for (row, words) in h.iter().zip(&mut self.words) {
                words[first..first + WIDTH].copy_from_slice(row);
            }
        }
    }
}

/// One word of each message.
type Row = [u64; WIDTH];

/// The 128 bytes at `start` of left-over byte and piece, zeros past their end, by words.
#[inline(always)]
fn message(pieces: &[&[u8]], left: &[u8], start: usize) -> [Row; 16] {
    let mut m = [[0; WIDTH]; 16];
    for (lane, (piece, left)) in pieces.iter().zip(left).enumerate() {
        let mut block = [0; BLOCK];
        // Byte `i` of the message is byte `i - 1` of the piece; byte 0 is the one left over.
        if let Some(at) = start.checked_sub(1) {
            let bytes = &piece[at..piece.len().min(at + BLOCK)];
            block[..bytes.len()].copy_from_slice(bytes);
        } else {
            let bytes = &piece[..piece.len().min(BLOCK - 1)];
            block[0] = *left;
            block[1..=bytes.len()].copy_from_slice(bytes);
        }
        for (row, bytes) in m.iter_mut().zip(block.as_chunks().0) {
            row[lane] = u64::from_le_bytes(*bytes);
        }
    }
    m
}

#[inline(always)]
fn compress(h: &mut [Row; 8], m: &[Row; 16], counter: usize, last: bool) {
    let mut v = [[0; WIDTH]; 16];
    v[..8].copy_from_slice(h);
    for (row, word) in v[8..].iter_mut().zip(IV) {
        *row = [word; WIDTH];
    }
    v[12] = v[12].map(|word| word ^ counter as u64);
    if last {
        v[14] = v[14].map(|word| !word);
    }
    for round in 0..12 {
        let s = &SIGMA[round % 10];
        quarter(&mut v, [0, 4, 8, 12], &m[s[0]], &m[s[1]]);
        quarter(&mut v, [1, 5, 9, 13], &m[s[2]], &m[s[3]]);
        quarter(&mut v, [2, 6, 10, 14], &m[s[4]], &m[s[5]]);
        quarter(&mut v, [3, 7, 11, 15], &m[s[6]], &m[s[7]]);
        quarter(&mut v, [0, 5, 10, 15], &m[s[8]], &m[s[9]]);
        quarter(&mut v, [1, 6, 11, 12], &m[s[10]], &m[s[11]]);
        quarter(&mut v, [2, 7, 8, 13], &m[s[12]], &m[s[13]]);
        quarter(&mut v, [3, 4, 9, 14], &m[s[14]], &m[s[15]]);
    }
    for i in 0..8 {
        h[i] = xor(h[i], xor(v[i], v[i + 8]));
    }
}

#[inline(always)]
fn quarter(v: &mut [Row; 16], [a, b, c, d]: [usize; 4], x: &Row, y: &Row) {
    v[a] = add(add(v[a], v[b]), *x);
    v[d] = rotate::<32>(xor(v[d], v[a]));
    v[c] = add(v[c], v[d]);
    v[b] = rotate::<24>(xor(v[b], v[c]));
    v[a] = add(add(v[a], v[b]), *y);
    v[d] = rotate::<16>(xor(v[d], v[a]));
    v[c] = add(v[c], v[d]);
    v[b] = rotate::<63>(xor(v[b], v[c]));
}

#[inline(always)]
fn add(a: Row, b: Row) -> Row {
    [a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1]), a[2].wrapping_add(b[2]), a[3].wrapping_add(b[3])]
}

#[inline(always)]
fn xor(a: Row, b: Row) -> Row {
    [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]]
}

#[inline(always)]
fn rotate<const BY: u32>(a: Row) -> Row {
    [a[0].rotate_right(BY), a[1].rotate_right(BY), a[2].rotate_right(BY), a[3].rotate_right(BY)]
}

#[cfg(target_arch = "x86_64")]
mod narrow {
    use std::arch::x86_64::*;

    use super::{super::blake2b, BLOCK, LANES, Part};

    /// Four messages after the other four: parts of the rows.
    #[target_feature(enable = "avx2")]
    pub(super) fn absorb(words: &mut [[u64; LANES]; 8], left: &[u8; LANES], pieces: &[&[u8]; LANES], part: Part) {
        let (pieces, _) = pieces.as_chunks::<4>();
        let (left, _) = left.as_chunks();
        for (quarter, (pieces, left)) in pieces.iter().zip(left).enumerate() {
            let mut h = [_mm256_setzero_si256(); 8];
            for (row, words) in h.iter_mut().zip(words.iter()) {
                // SAFETY: a quarter of a row has 32 bytes.
                *row = unsafe { _mm256_loadu_si256(words[4 * quarter..].as_ptr().cast()) };
            }
            let left = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(i32::from_le_bytes(*left)));
            let total = pieces[0].len() + 1;
            let mut start = 0;
            while start + BLOCK < total || (part.last && start < total) {
                let mut m = blake2b::message_of_four::<16>(pieces, start);
                if start == 0 {
                    // In place of the prefix, which is zero.
                    m[0] = _mm256_or_si256(m[0], left);
                }
                let end = total.min(start + BLOCK);
                blake2b::compress_four::<16>(&mut h, &m, part.done + end, end == total && part.last);
                start += BLOCK;
            }
            for (row, words) in h.iter().zip(words.iter_mut()) {
                // SAFETY: a quarter of a row has 32 bytes.
                unsafe { _mm256_storeu_si256(words[4 * quarter..].as_mut_ptr().cast(), *row) };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::*;

    use super::{
        super::blake2b::{self, State, Words},
        BLOCK, LANES, Part,
    };

    /// # Safety
    /// The features, and `length` readable bytes in every piece.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
    pub(super) unsafe fn absorb(
        words: &mut [[u64; LANES]; 8],
        left: &[u8; LANES],
        pieces: &[&[u8]; LANES],
        length: usize,
        part: Part,
    ) {
        let mut state: State = [[_mm512_setzero_si512(); 8]; 2];
        for (set, state) in state.iter_mut().enumerate() {
            for (row, words) in state.iter_mut().zip(words.iter()) {
                // SAFETY: half of a row has 64 bytes.
                *row = unsafe { _mm512_loadu_si512(words[8 * set..].as_ptr().cast()) };
            }
        }
        let starts = pieces.each_ref().map(|piece| piece.as_ptr());
        let total = length + 1;
        let blocks = if part.last { total.div_ceil(BLOCK) } else { length / BLOCK };
        let mut messages: [Words; 2] = [[[_mm512_setzero_si512(); 16]; 2]; 2];
        let [mut now, mut next] = messages.each_mut();
        // SAFETY: as this function's.
        unsafe { blake2b::message::<16>(&starts, 0, length, now) };
        for (words, left) in now.iter_mut().zip(left.as_chunks().0) {
            // In place of the prefix, which is zero.
            let left = _mm512_cvtepu8_epi64(_mm_set_epi64x(0, i64::from_le_bytes(*left)));
            words[0] = _mm512_or_si512(words[0], left);
        }
        for block in 1..=blocks {
            if block < blocks {
                // SAFETY: as this function's.
                unsafe { blake2b::message::<16>(&starts, block * BLOCK, length, next) };
            }
            let end = total.min(block * BLOCK);
            blake2b::compress::<16>(&mut state, now, part.done + end, part.last && block == blocks);
            (now, next) = (next, now);
        }
        for (set, state) in state.iter().enumerate() {
            for (row, words) in state.iter().zip(words.iter_mut()) {
                // SAFETY: half of a row has 64 bytes.
                unsafe { _mm512_storeu_si512(words[8 * set..].as_mut_ptr().cast(), *row) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash;

    proptest! {
        #[test]
        fn pieces_equal_one_message(blocks in proptest::collection::vec(1usize..4, 0..5), tail in 1usize..400, seed: u8) {
            let size = blocks.iter().sum::<usize>() * BLOCK + tail;
            let byte = |lane: usize, k: usize| (lane * 31 + k * 7 + (k >> 8) + usize::from(seed)).to_le_bytes()[0];
            let leaves: [Vec<u8>; LANES] = std::array::from_fn(|lane| (0..size).map(|k| byte(lane, k)).collect());
            let expected = leaves.each_ref().map(|bytes| hash::leaf(bytes));
            for level in Level::available() {
                let mut chains = Chains::new();
                let mut done = 0;
                for count in &blocks {
                    let pieces = leaves.each_ref().map(|bytes| &bytes[done..done + count * BLOCK]);
                    chains.absorb(level, &pieces, Part { done, last: false });
                    done += count * BLOCK;
                }
                let pieces = leaves.each_ref().map(|bytes| &bytes[done..]);
                chains.absorb(level, &pieces, Part { done, last: true });
                prop_assert_eq!(chains.digests(), expected, "{}", level.name());
            }
        }
    }
}
