//! AVX2: a product is eight lookups in tables of 16 bytes, for 32 words.
//!
//! A product with a constant is the sum of the products of the four nibbles of a word. Low and high bytes of those are looked up
//! by `vpshufb`, and a block of 64 bytes holds the low bytes of 32 words and then their high bytes (spec/encoding.md section
//! 5.3), as it is wanted. The eight tables of a factor take half of the registers, so layers go one after the other over the
//! blocks of a slice, which stay in the first-level cache.

use std::{arch::x86_64::*, sync::OnceLock};

use reed_solomon_simd::engine::{GF_MODULUS, tables};

use super::{Kernels, Slice};
use crate::{code::Block, simd::Avx2};

/// The products of a factor with the 16 values of each nibble, from the lowest on: first their low bytes, then their high ones.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Nibbles([[u8; 16]; 8]);

impl Nibbles {
    fn of(log: u16) -> Self {
        let exp_log = tables::get_exp_log();
        let mut table = [[0; 16]; 8];
        for nibble in 0..4 {
            let mut products = [0; 16];
            for value in 1..16_usize {
                let image =
                    tables::mul(1 << (4 * nibble + value.trailing_zeros() as usize), log, &exp_log.exp, &exp_log.log);
                products[value] = products[value & (value - 1)] ^ image;
                [table[nibble][value], table[4 + nibble][value]] = products[value].to_le_bytes();
            }
        }
        Self(table)
    }
}

/// Neighbouring positions whose factors are made together.
const CHUNK: usize = 64;
/// Factors by their position in the table of skews, made when they are first asked for: all of them would take a process 10 ms.
static FACTORS: [OnceLock<Box<[Nibbles]>>; 65_536 / CHUNK] = [const { OnceLock::new() }; 65_536 / CHUNK];

impl Kernels for Avx2 {
    const SLICE: usize = 128;
    type Factor = Nibbles;

    fn factor(self, position: usize, _log: u16) -> &'static Nibbles {
        let chunk = FACTORS[position / CHUNK].get_or_init(|| {
            let first = position / CHUNK * CHUNK;
            let logs = tables::get_skew().iter().skip(first).take(CHUNK);
            logs.map(|log| if *log == GF_MODULUS { Nibbles([[0; 16]; 8]) } else { Nibbles::of(*log) }).collect()
        });
        &chunk[position % CHUNK]
    }

    unsafe fn two<const FORWARD: bool>(self, slice: Slice, first: usize, factor: Option<&Nibbles>) {
        // SAFETY: `self` proves the features; the caller answers for the shards.
        unsafe {
            let at = slice.at.add(first * slice.stride);
            layer::<FORWARD, 1>([[at, at.add(slice.stride)]], slice.blocks, factor);
        }
    }

    unsafe fn four<const FORWARD: bool>(
        self,
        slice: Slice,
        first: usize,
        distance: usize,
        [low, high, far]: [Option<&Nibbles>; 3],
    ) {
        for shard in first..first + distance {
            // SAFETY: `self` proves the features; the caller answers for the shards.
            unsafe {
                let [a, b, c, d] =
                    std::array::from_fn(|quarter| slice.at.add((shard + quarter * distance) * slice.stride));
                if FORWARD {
                    layer::<FORWARD, 2>([[a, c], [b, d]], slice.blocks, far);
                }
                layer::<FORWARD, 1>([[a, b]], slice.blocks, low);
                layer::<FORWARD, 1>([[c, d]], slice.blocks, high);
                if !FORWARD {
                    layer::<FORWARD, 2>([[a, c], [b, d]], slice.blocks, far);
                }
            }
        }
    }

    fn mul(self, data: &mut [Block], log: u16) {
        // SAFETY: `self` proves the features.
        unsafe { mul(data, &Nibbles::of(log)) }
    }

    fn add_product(self, to: &mut [Block], from: &[Block], log: u16) {
        // SAFETY: `self` proves the features.
        unsafe { add_multiple(to, from, &Nibbles::of(log)) }
    }

    fn add(self, to: &mut [Block], from: &[Block]) {
        // SAFETY: `self` proves the features.
        unsafe { add(to, from) }
    }
}

/// 32 words: their low and their high bytes.
#[derive(Clone, Copy)]
struct Words {
    low: __m256i,
    high: __m256i,
}

impl Words {
    /// # Safety
    /// `at` points to a block; the features.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load(at: *const Block) -> Self {
        let at: *const __m256i = at.cast();
        // SAFETY: a block has 64 bytes.
        unsafe { Self { low: _mm256_loadu_si256(at), high: _mm256_loadu_si256(at.add(1)) } }
    }

    /// # Safety
    /// As [`load`](Self::load).
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store(self, at: *mut Block) {
        let at: *mut __m256i = at.cast();
        // SAFETY: a block has 64 bytes.
        unsafe {
            _mm256_storeu_si256(at, self.low);
            _mm256_storeu_si256(at.add(1), self.high);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn plus(self, other: Self) -> Self {
        Self { low: _mm256_xor_si256(self.low, other.low), high: _mm256_xor_si256(self.high, other.high) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn times(self, tables: &Tables) -> Self {
        let nibble = _mm256_set1_epi8(15);
        let nibbles = [
            _mm256_and_si256(self.low, nibble),
            _mm256_and_si256(_mm256_srli_epi64::<4>(self.low), nibble),
            _mm256_and_si256(self.high, nibble),
            _mm256_and_si256(_mm256_srli_epi64::<4>(self.high), nibble),
        ];
        let sum = |tables: &[__m256i]| {
            let [a, b, c, d] = std::array::from_fn(|i| _mm256_shuffle_epi8(tables[i], nibbles[i]));
            _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d))
        };
        Self { low: sum(&tables.0[..4]), high: sum(&tables.0[4..]) }
    }
}

/// The tables of a factor in registers, each in both halves.
struct Tables([__m256i; 8]);

#[inline]
#[target_feature(enable = "avx2")]
fn tables_of(factor: &Nibbles) -> Tables {
    // SAFETY: reads the 16 bytes of each table.
    Tables(
        factor.0.each_ref().map(|table| unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast())) }),
    )
}

/// A layer on some pairs of shards with the same factor; `None` is zero.
///
/// # Safety
/// All point to `blocks` blocks; the features.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn layer<const FORWARD: bool, const N: usize>(
    pairs: [[*mut Block; 2]; N],
    blocks: usize,
    factor: Option<&Nibbles>,
) {
    // SAFETY: as this function's.
    unsafe {
        let Some(factor) = factor else {
            for [x, y] in pairs {
                for block in 0..blocks {
                    Words::load(y.add(block)).plus(Words::load(x.add(block))).store(y.add(block));
                }
            }
            return;
        };
        let tables = tables_of(factor);
        for [at_x, at_y] in pairs {
            for block in 0..blocks {
                let (mut x, mut y) = (Words::load(at_x.add(block)), Words::load(at_y.add(block)));
                if FORWARD {
                    x = x.plus(y.times(&tables));
                    y = y.plus(x);
                } else {
                    y = y.plus(x);
                    x = x.plus(y.times(&tables));
                }
                x.store(at_x.add(block));
                y.store(at_y.add(block));
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn mul(data: &mut [Block], factor: &Nibbles) {
    let tables = tables_of(factor);
    for block in data {
        // SAFETY: it is a block.
        unsafe { Words::load(block).times(&tables).store(block) }
    }
}

#[target_feature(enable = "avx2")]
fn add_multiple(to: &mut [Block], from: &[Block], factor: &Nibbles) {
    let tables = tables_of(factor);
    for (to, from) in to.iter_mut().zip(from) {
        // SAFETY: they are blocks.
        unsafe { Words::load(to).plus(Words::load(from).times(&tables)).store(to) }
    }
}

#[target_feature(enable = "avx2")]
fn add(to: &mut [Block], from: &[Block]) {
    for (to, from) in to.iter_mut().zip(from) {
        // SAFETY: they are blocks.
        unsafe { Words::load(to).plus(Words::load(from)).store(to) }
    }
}
