//! GFNI and AVX-512: a product is two instructions for 32 words.
//!
//! A product with a constant is linear over GF(2): a 16 × 16 bit matrix, or four of 8 × 8 between the low and high
//! bytes of a word. A block of 64 bytes holds the low bytes of 32 words and then their high bytes
//! (spec/encoding.md section 5.3), so one `gf2p8affine` applies low-to-low and high-to-high, a second one, on
//! the block with its halves swapped, high-to-low and low-to-high, and their sum is the product.

use std::{arch::x86_64::*, sync::LazyLock};

use reed_solomon_simd::engine::{GF_MODULUS, tables};

use super::{Kernels, Slice};
use crate::{code::Block, simd::Avx512};

/// Bit matrices as `gf2p8affine` takes them: low to low, high to high, high to low, low to high.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Matrices([u64; 4]);

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

impl Kernels for Avx512 {
    const SLICE: usize = 8;
    type Factor = Matrices;

    fn factor(self, _position: usize, log: u16) -> &'static Matrices {
        &MATRICES[usize::from(log)]
    }

    unsafe fn two<const FORWARD: bool>(self, slice: Slice, first: usize, factor: Option<&Matrices>) {
        // SAFETY: `self` proves the features; the caller answers for the shards.
        unsafe { two::<FORWARD>(slice, first, factor.unwrap_or(&Matrices([0; 4]))) }
    }

    unsafe fn four<const FORWARD: bool>(
        self,
        slice: Slice,
        first: usize,
        distance: usize,
        factors: [Option<&Matrices>; 3],
    ) {
        let plain = factors[0].is_none() && factors[2].is_none();
        let factors = factors.map(|factor| *factor.unwrap_or(&Matrices([0; 4])));
        // SAFETY: `self` proves the features; the caller answers for the shards.
        unsafe {
            if plain {
                four::<FORWARD, true>(slice, first, distance, &factors);
            } else {
                four::<FORWARD, false>(slice, first, distance, &factors);
            }
        }
    }

    fn mul(self, data: &mut [Block], log: u16) {
        // SAFETY: `self` proves the features.
        unsafe { mul(data, &MATRICES[usize::from(log)]) }
    }

    fn add_product(self, to: &mut [Block], from: &[Block], log: u16) {
        // SAFETY: `self` proves the features.
        unsafe { add_multiple(to, from, &MATRICES[usize::from(log)]) }
    }

    fn add(self, to: &mut [Block], from: &[Block]) {
        // SAFETY: `self` proves the features.
        unsafe { add(to, from) }
    }
}

impl Avx512 {
    /// Formal derivative of the polynomial whose coefficients the shards are: shard `p` becomes the sum of itself and
    /// all shards `p + 2^b` for bits `b` that `p` lacks.
    pub(crate) fn derivative(self, data: &mut [Block], stride: usize, size: usize) {
        assert!(size.is_power_of_two() && data.len() >= size * stride);
        // SAFETY: `self` proves the features; the shards lie within `data`.
        unsafe { derivative(data.as_mut_ptr().cast(), stride, size) }
    }
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

/// One layer on two shards.
///
/// # Safety
/// The features; both shards lie within the data.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
unsafe fn two<const FORWARD: bool>(slice: Slice, first: usize, skew: &Matrices) {
    let skew = factor(skew);
    let at: *mut __m512i = slice.at.cast();
    for block in 0..slice.blocks {
        // SAFETY: both shards lie within the data.
        unsafe {
            let (at_x, at_y) = (at.add(first * slice.stride + block), at.add((first + 1) * slice.stride + block));
            let (x, y) = (_mm512_loadu_si512(at_x), _mm512_loadu_si512(at_y));
            let (x, y) = butterfly::<FORWARD, false>(x, y, skew);
            _mm512_storeu_si512(at_x, x);
            _mm512_storeu_si512(at_y, y);
        }
    }
}

/// Two layers on `4 * distance` shards. `PLAIN` if all factors but the second are zero.
///
/// # Safety
/// As [`two`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
unsafe fn four<const FORWARD: bool, const PLAIN: bool>(
    slice: Slice,
    first: usize,
    distance: usize,
    factors: &[Matrices; 3],
) {
    let (low, high, far) = (factor(&factors[0]), factor(&factors[1]), factor(&factors[2]));
    let step = distance * slice.stride;
    for shard in first..first + distance {
        for block in 0..slice.blocks {
            // SAFETY: the four shards lie within the data.
            unsafe {
                let at: *mut __m512i = slice.at.cast();
                let at = at.add(shard * slice.stride + block);
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
