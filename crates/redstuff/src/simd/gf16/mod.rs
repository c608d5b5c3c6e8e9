//! Transforms over GF(2^16): their order of work, and the arithmetic by [GFNI](gfni) or by [AVX2](avx2).
//!
//! The additive Fourier transform of `size` shards has `log2 size` layers of butterflies
//!
//! ```text
//! forward:  x += skew · y;  y += x        backward:  y += x;  x += skew · y
//! ```
//!
//! done two layers at a time, and depth first: a quarter is finished before the next begins,
//! so that most layers run on data in the first-level cache. Shards are cut into slices of [`SLICE`](Kernels::SLICE)
//! blocks for the same reason. Subtrees whose inputs are all zero, or whose outputs nobody reads, are left out.
#![allow(unsafe_code)]

mod avx2;
mod gfni;

use std::ops::Range;

use reed_solomon_simd::engine::{
    GF_MODULUS, GF_ORDER,
    tables::{self, Skew},
};

use crate::code::Block;

/// Some blocks of each shard.
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    at: *mut Block,
    /// Blocks between neighbouring shards.
    stride: usize,
    /// Blocks in the slice.
    blocks: usize,
}

/// The arithmetic by one set of instructions, of which a value proves that the processor has them.
pub(crate) trait Kernels: Copy {
    /// Blocks of each shard that are transformed together: few stay in the first-level cache, many share a factor.
    const SLICE: usize;
    /// A factor, as the instructions want it.
    type Factor: 'static;

    /// The factor with this logarithm, which stands at this position of the table of skews.
    fn factor(self, position: usize, log: u16) -> &'static Self::Factor;

    /// One layer on shards `first` and `first + 1`; `None` is zero.
    ///
    /// # Safety
    /// The slice has these shards.
    unsafe fn two<const FORWARD: bool>(self, slice: Slice, first: usize, factor: Option<&Self::Factor>);

    /// Two layers on `4 * distance` shards: factors of the lower two, of the upper two, and of the layer that joins these.
    ///
    /// # Safety
    /// The slice has these shards.
    unsafe fn four<const FORWARD: bool>(
        self,
        slice: Slice,
        first: usize,
        distance: usize,
        factors: [Option<&Self::Factor>; 3],
    );

    /// Multiplies by the factor with this logarithm.
    fn mul(self, data: &mut [Block], log: u16);

    /// `to += factor · from`, for the factor with this logarithm.
    fn add_product(self, to: &mut [Block], from: &[Block], log: u16);

    /// `to += from`
    fn add(self, to: &mut [Block], from: &[Block]);
}

/// The field on a processor that has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Gf16<K> {
    pub(crate) kernels: K,
    skew: &'static Skew,
}

impl<K: Kernels> Gf16<K> {
    pub(crate) fn new(kernels: K) -> Self {
        Self { kernels, skew: tables::get_skew() }
    }

    /// Backward transform of shards `0..size`, of which those outside `held` are zero.
    pub(crate) fn ifft(&self, data: &mut [Block], stride: usize, size: usize, held: Range<usize>, skew: usize) {
        self.slices(data, stride, size, skew, |transform| {
            // SAFETY: `slices` checked that the shards lie within `data`.
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

    fn slices(&self, data: &mut [Block], stride: usize, size: usize, skew: usize, run: impl Fn(&Transform<'_, K>)) {
        assert!(size.is_power_of_two() && data.len() >= size * stride && size + skew <= GF_ORDER);
        // Slices of equal length: a short one takes as many factors as a long one.
        let slice = stride.div_ceil(stride.div_ceil(K::SLICE).max(1)).max(1);
        for first in (0..stride).step_by(slice) {
            let at = data[first..].as_mut_ptr();
            run(&Transform { field: self, slice: Slice { at, stride, blocks: slice.min(stride - first) }, skew });
        }
    }
}

/// One slice of the shards.
struct Transform<'f, K> {
    field: &'f Gf16<K>,
    slice: Slice,
    /// Where on the domain the transform stands.
    skew: usize,
}

impl<K: Kernels> Transform<'_, K> {
    /// The factor of the group of shards at `first` in the layer that joins shards `distance` apart; `None` if zero.
    fn skew(&self, first: usize, distance: usize) -> Option<&'static K::Factor> {
        let position = first + distance + self.skew - 1;
        let log = self.field.skew[position];
        (log != GF_MODULUS).then(|| self.field.kernels.factor(position, log))
    }

    /// # Safety
    /// Shards `first..first + size` lie within the data.
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
    unsafe fn two<const FORWARD: bool>(&self, first: usize) {
        // SAFETY: as this function's.
        unsafe { self.field.kernels.two::<FORWARD>(self.slice, first, self.skew(first, 1)) }
    }

    /// Two layers on `4 * distance` shards.
    ///
    /// # Safety
    /// As [`backward`](Self::backward).
    unsafe fn four<const FORWARD: bool>(&self, first: usize, distance: usize) {
        let near = [self.skew(first, distance), self.skew(first + 2 * distance, distance)];
        let factors = [near[0], near[1], self.skew(first, 2 * distance)];
        // SAFETY: as this function's.
        unsafe { self.field.kernels.four::<FORWARD>(self.slice, first, distance, factors) }
    }
}
