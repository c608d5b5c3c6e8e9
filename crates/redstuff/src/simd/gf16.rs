//! Transforms over GF(2^16) with GFNI and AVX-512.
//!
//! A product with a constant is linear over GF(2): a 16 × 16 bit matrix, or four of 8 × 8 between the low and high
//! bytes of a word. A block of 64 bytes holds the low bytes of 32 words and then their high bytes
//! (spec/encoding.md section 5.3), so one `gf2p8affine` applies low-to-low and high-to-high, a second one, on
//! the block with its halves swapped, high-to-low and low-to-high, and their sum is the product.
//!
//! The additive Fourier transform of `size` shards has `log2 size` layers of butterflies
//!
//! ```text
//! forward:  x += skew · y;  y += x        backward:  y += x;  x += skew · y
//! ```
//!
//! done two layers at a time, four shards in registers, and depth first: a quarter is finished before the next begins,
//! so that most layers run on data in the first-level cache. Shards are cut into slices of [`SLICE`] blocks for
//! the same reason. Subtrees whose inputs are all zero, or whose outputs nobody reads, are left out.
#![allow(unsafe_code)]

use std::{arch::x86_64::*, ops::Range, sync::LazyLock};

use reed_solomon_simd::engine::{
    GF_MODULUS, GF_ORDER,
    tables::{self, Skew},
};

use super::Avx512;
use crate::code::Block;

/// Blocks of each shard that are transformed together.
const SLICE: usize = 8;

/// Bit matrices as `gf2p8affine` takes them: low to low, high to high, high to low, low to high.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Matrices([u64; 4]);

/// By logarithm of the factor. 2 MiB.
static MATRICES: LazyLock<Vec<Matrices>> = LazyLock::new(|| (0..=GF_MODULUS).map(matrices).collect());

fn matrices(log: u16) -> Matrices {
    let exp_log = tables::get_exp_log();
    let images: [u16; 16] = std::array::from_fn(|bit| tables::mul(1 << bit, log, &exp_log.exp, &exp_log.log));
    let matrix = |to: usize, from: usize| {
        // Row for output bit `i` is byte `7 - i`; its bit `j` says whether input bit `j` counts.
        let entry = |i: usize, j: usize| u64::from((images[from + j] >> (to + i)) & 1) << (8 * (7 - i) + j);
        (0..64).map(|at| entry(at / 8, at % 8)).sum()
    };
    Matrices([matrix(0, 0), matrix(8, 8), matrix(0, 8), matrix(8, 0)])
}

/// The field on a processor that has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Gf16 {
    simd: Avx512,
    matrices: &'static [Matrices],
    skew: &'static Skew,
}

impl Gf16 {
    pub(crate) fn new(simd: Avx512) -> Self {
        let matrices: &'static Vec<Matrices> = &MATRICES;
        assert_eq!(matrices.len(), GF_ORDER);
        Self { simd, matrices, skew: tables::get_skew() }
    }

    /// Backward transform of shards `0..size`, of which those outside `held` are zero.
    pub(crate) fn ifft(&self, data: &mut [Block], stride: usize, size: usize, held: Range<usize>, skew: usize) {
        self.slices(data, stride, size, skew, |transform| {
            // SAFETY: `self.simd` proves the features; `slices` checked that the shards lie within `data`.
            unsafe { transform.backward(0, size, &held) }
        });
    }

    /// Forward transform of shards `0..size`, of which only the results in `wanted` are valid.
    pub(crate) fn fft(&self, data: &mut [Block], stride: usize, size: usize, wanted: Range<usize>, skew: usize) {
        self.slices(data, stride, size, skew, |transform| {
            // SAFETY: as in `ifft`.
            unsafe { transform.forward(0, size, &wanted) }
        });
    }

    fn slices(&self, data: &mut [Block], stride: usize, size: usize, skew: usize, run: impl Fn(&Transform<'_>)) {
        assert!(size.is_power_of_two() && data.len() >= size * stride && size + skew <= GF_ORDER);
        let Avx512(()) = self.simd;
        // Slices of equal length: a short one takes as many factors as a long one.
        let slice = stride.div_ceil(stride.div_ceil(SLICE).max(1)).max(1);
        for first in (0..stride).step_by(slice) {
            let at = data[first..].as_mut_ptr().cast();
            run(&Transform { field: self, at, stride, blocks: slice.min(stride - first), skew });
        }
    }

    /// Multiplies by the factor with this logarithm.
    pub(crate) fn mul(&self, data: &mut [Block], log: u16) {
        let Avx512(()) = self.simd;
        // SAFETY: `self.simd` proves the features.
        unsafe { mul(data, &self.matrices[usize::from(log)]) }
    }

    /// `to += factor · from`, for the factor with this logarithm.
    pub(crate) fn add_product(&self, to: &mut [Block], from: &[Block], log: u16) {
        let Avx512(()) = self.simd;
        // SAFETY: `self.simd` proves the features.
        unsafe { add_multiple(to, from, &self.matrices[usize::from(log)]) }
    }

    /// `to += from`
    pub(crate) fn add(&self, to: &mut [Block], from: &[Block]) {
        let Avx512(()) = self.simd;
        // SAFETY: `self.simd` proves the features.
        unsafe { add(to, from) }
    }

    /// Formal derivative of the polynomial whose coefficients the shards are: shard `p` becomes the sum of itself and
    /// all shards `p + 2^b` for bits `b` that `p` lacks.
    pub(crate) fn derivative(&self, data: &mut [Block], stride: usize, size: usize) {
        assert!(size.is_power_of_two() && data.len() >= size * stride);
        let Avx512(()) = self.simd;
        // SAFETY: `self.simd` proves the features; the shards lie within `data`.
        unsafe { derivative(data.as_mut_ptr().cast(), stride, size) }
    }
}

/// One slice of the shards.
struct Transform<'f> {
    field: &'f Gf16,
    at: *mut __m512i,
    /// Blocks between neighbouring shards.
    stride: usize,
    /// Blocks in the slice.
    blocks: usize,
    /// Where on the domain the transform stands.
    skew: usize,
}

/// A factor, ready to be applied.
#[derive(Clone, Copy)]
struct Factor {
    straight: __m512i,
    cross: __m512i,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn factor(matrices: &Matrices) -> Factor {
    // SAFETY: reads the 32 bytes of `matrices`.
    let all = _mm512_castsi256_si512(unsafe { _mm256_loadu_si256(matrices.0.as_ptr().cast()) });
    Factor {
        straight: _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1), all),
        cross: _mm512_permutexvar_epi64(_mm512_setr_epi64(2, 2, 2, 2, 3, 3, 3, 3), all),
    }
}

/// `x + factor · y`
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn add_product(x: __m512i, y: __m512i, factor: Factor) -> __m512i {
    let swapped = _mm512_shuffle_i64x2::<0x4e>(y, y);
    let straight = _mm512_gf2p8affine_epi64_epi8::<0>(y, factor.straight);
    let cross = _mm512_gf2p8affine_epi64_epi8::<0>(swapped, factor.cross);
    _mm512_ternarylogic_epi64::<0x96>(x, straight, cross)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn mul(data: &mut [Block], matrices: &Matrices) {
    let factor = factor(matrices);
    for block in data {
        let at = block.as_mut_ptr().cast();
        // SAFETY: a block has 64 bytes.
        unsafe { _mm512_storeu_si512(at, add_product(_mm512_setzero_si512(), _mm512_loadu_si512(at), factor)) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn add_multiple(to: &mut [Block], from: &[Block], matrices: &Matrices) {
    let factor = factor(matrices);
    for (to, from) in to.iter_mut().zip(from) {
        let at = to.as_mut_ptr().cast();
        // SAFETY: blocks have 64 bytes.
        unsafe {
            let sum = add_product(_mm512_loadu_si512(at), _mm512_loadu_si512(from.as_ptr().cast()), factor);
            _mm512_storeu_si512(at, sum);
        }
    }
}

#[target_feature(enable = "avx512f")]
fn add(to: &mut [Block], from: &[Block]) {
    for (to, from) in to.iter_mut().zip(from) {
        let at = to.as_mut_ptr().cast();
        // SAFETY: blocks have 64 bytes.
        unsafe {
            _mm512_storeu_si512(at, _mm512_xor_si512(_mm512_loadu_si512(at), _mm512_loadu_si512(from.as_ptr().cast())))
        }
    }
}

/// Depth first: each quarter takes in what the later ones held before their own turn.
///
/// # Safety
/// `at` points to `size` shards of `stride` blocks; the features.
#[target_feature(enable = "avx512f")]
unsafe fn derivative(at: *mut __m512i, stride: usize, size: usize) {
    // SAFETY: all parts lie within the shards.
    unsafe {
        match size {
            1 => {}
            2 => take_in(at, [at.add(stride)], stride),
            _ => {
                let quarter = size / 4 * stride;
                let [a, b, c, d] = [at, at.add(quarter), at.add(2 * quarter), at.add(3 * quarter)];
                derivative(a, stride, size / 4);
                take_in(a, [b, c], quarter);
                derivative(b, stride, size / 4);
                take_in(b, [d], quarter);
                derivative(c, stride, size / 4);
                take_in(c, [d], quarter);
                derivative(d, stride, size / 4);
            }
        }
    }
}

/// Adds blocks of others.
///
/// # Safety
/// All point to `blocks` blocks; the features.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn take_in<const N: usize>(to: *mut __m512i, from: [*mut __m512i; N], blocks: usize) {
    for block in 0..blocks {
        // SAFETY: as this function's.
        unsafe {
            let mut sum = _mm512_loadu_si512(to.add(block));
            for from in from {
                sum = _mm512_xor_si512(sum, _mm512_loadu_si512(from.add(block)));
            }
            _mm512_storeu_si512(to.add(block), sum);
        }
    }
}

impl Transform<'_> {
    /// The factor of the group of shards at `first` in the layer that joins shards `distance` apart; `None` if zero.
    fn skew(&self, first: usize, distance: usize) -> Option<&Matrices> {
        let log = self.field.skew[first + distance + self.skew - 1];
        (log != GF_MODULUS).then(|| &self.field.matrices[usize::from(log)])
    }

    /// # Safety
    /// The features; shards `first..first + size` lie within the data.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
    unsafe fn backward(&self, first: usize, size: usize, held: &Range<usize>) {
        // SAFETY: all parts are within `first..first + size`.
        unsafe {
            match size {
                1 => {}
                2 => self.two::<false>(first),
                _ => {
                    for quarter in (first..first + size).step_by(size / 4) {
                        if quarter < held.end && quarter + size / 4 > held.start {
                            self.backward(quarter, size / 4, held);
                        }
                    }
                    self.four::<false>(first, size / 4);
                }
            }
        }
    }

    /// # Safety
    /// As [`backward`](Self::backward).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
    unsafe fn forward(&self, first: usize, size: usize, wanted: &Range<usize>) {
        // SAFETY: all parts are within `first..first + size`.
        unsafe {
            match size {
                1 => {}
                2 => self.two::<true>(first),
                _ => {
                    self.four::<true>(first, size / 4);
                    for quarter in (first..first + size).step_by(size / 4) {
                        if quarter < wanted.end && quarter + size / 4 > wanted.start {
                            self.forward(quarter, size / 4, wanted);
                        }
                    }
                }
            }
        }
    }

    /// One layer on two shards.
    ///
    /// # Safety
    /// As [`backward`](Self::backward).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
    unsafe fn two<const FORWARD: bool>(&self, first: usize) {
        let skew = factor(self.skew(first, 1).unwrap_or(&Matrices([0; 4])));
        for block in 0..self.blocks {
            // SAFETY: both shards lie within the data.
            unsafe {
                let (at_x, at_y) =
                    (self.at.add(first * self.stride + block), self.at.add((first + 1) * self.stride + block));
                let (x, y) = (_mm512_loadu_si512(at_x), _mm512_loadu_si512(at_y));
                let (x, y) = butterfly::<FORWARD, false>(x, y, skew);
                _mm512_storeu_si512(at_x, x);
                _mm512_storeu_si512(at_y, y);
            }
        }
    }

    /// Two layers on `4 * distance` shards.
    ///
    /// # Safety
    /// As [`backward`](Self::backward).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
    unsafe fn four<const FORWARD: bool>(&self, first: usize, distance: usize) {
        let zero = Matrices([0; 4]);
        let near = [self.skew(first, distance), self.skew(first + 2 * distance, distance)];
        let far = self.skew(first, 2 * distance);
        let factors = [near[0], near[1], far].map(|skew| *skew.unwrap_or(&zero));
        // SAFETY: as this function's.
        unsafe {
            if near[0].is_none() && far.is_none() {
                self.four_with::<FORWARD, true>(first, distance, &factors);
            } else {
                self.four_with::<FORWARD, false>(first, distance, &factors);
            }
        }
    }

    /// # Safety
    /// As [`backward`](Self::backward).
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
    unsafe fn four_with<const FORWARD: bool, const PLAIN: bool>(
        &self,
        first: usize,
        distance: usize,
        factors: &[Matrices; 3],
    ) {
        let (low, high, far) = (factor(&factors[0]), factor(&factors[1]), factor(&factors[2]));
        let step = distance * self.stride;
        for shard in first..first + distance {
            for block in 0..self.blocks {
                // SAFETY: the four shards lie within the data.
                unsafe {
                    let at = self.at.add(shard * self.stride + block);
                    let mut a = _mm512_loadu_si512(at);
                    let mut b = _mm512_loadu_si512(at.add(step));
                    let mut c = _mm512_loadu_si512(at.add(2 * step));
                    let mut d = _mm512_loadu_si512(at.add(3 * step));
                    if FORWARD {
                        (a, c) = butterfly::<FORWARD, PLAIN>(a, c, far);
                        (b, d) = butterfly::<FORWARD, PLAIN>(b, d, far);
                    }
                    (a, b) = butterfly::<FORWARD, PLAIN>(a, b, low);
                    (c, d) = butterfly::<FORWARD, false>(c, d, high);
                    if !FORWARD {
                        (a, c) = butterfly::<FORWARD, PLAIN>(a, c, far);
                        (b, d) = butterfly::<FORWARD, PLAIN>(b, d, far);
                    }
                    _mm512_storeu_si512(at, a);
                    _mm512_storeu_si512(at.add(step), b);
                    _mm512_storeu_si512(at.add(2 * step), c);
                    _mm512_storeu_si512(at.add(3 * step), d);
                }
            }
        }
    }
}

/// `PLAIN` if the factor is zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn butterfly<const FORWARD: bool, const PLAIN: bool>(x: __m512i, y: __m512i, factor: Factor) -> (__m512i, __m512i) {
    let product = |x: __m512i, y: __m512i| if PLAIN { x } else { add_product(x, y, factor) };
    if FORWARD {
        let x = product(x, y);
        (x, _mm512_xor_si512(y, x))
    } else {
        let y = _mm512_xor_si512(y, x);
        (product(x, y), y)
    }
}
