//! The arithmetic of the code on shards, by the best means that the processor has.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use reed_solomon_simd::engine::NoSimd;
use reed_solomon_simd::engine::{Engine, GF_MODULUS, ShardsRefMut, tables};

use super::Block;
use crate::simd::Level;
#[cfg(target_arch = "x86_64")]
use crate::simd::{
    Avx2, Avx512,
    gf16::{Gf16, Kernels},
};

/// Blocks that are multiplied on the stack before they are added.
const PRODUCT_BLOCKS: usize = 32;

/// Transforms over GF(2^16). Shards lie one after the other, `stride` blocks each.
///
/// Positions on the domain, factors and their logarithms are those of `reed-solomon-simd`, whose engines are used
/// where there is neither GFNI nor AVX2.
pub(crate) enum Field {
    #[cfg(target_arch = "x86_64")]
    Gfni(Gf16<Avx512>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Gf16<Avx2>),
    Library(Box<dyn Engine + Send + Sync>),
}

impl Field {
    pub(crate) fn new(level: Level) -> Self {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(simd) => Self::Gfni(Gf16::new(simd)),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(simd) => Self::Avx2(Gf16::new(simd)),
            #[cfg(target_arch = "x86_64")]
            Level::Portable => Self::Library(Box::new(NoSimd::new())),
            // What the library finds by itself, such as NEON.
            #[cfg(not(target_arch = "x86_64"))]
            Level::Portable => Self::Library(Box::new(reed_solomon_simd::engine::DefaultEngine::new())),
        }
    }

    /// Backward transform of shards `0..size`, of which those outside `held` are zero; the first stands at position
    /// `skew` of the domain.
    pub(crate) fn ifft(&self, data: &mut [Block], stride: usize, size: usize, held: Range<usize>, skew: usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.ifft(data, stride, size, held, skew),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(field) => field.ifft(data, stride, size, held, skew),
            Self::Library(engine) => engine.ifft(&mut ShardsRefMut::new(size, stride, data), 0, size, held.end, skew),
        }
    }

    /// Forward transform of shards `0..size`, of which only the results in `wanted` are valid; `skew` as above.
    pub(crate) fn fft(&self, data: &mut [Block], stride: usize, size: usize, wanted: Range<usize>, skew: usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.fft(data, stride, size, wanted, skew),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(field) => field.fft(data, stride, size, wanted, skew),
            Self::Library(engine) => {
                engine.fft(&mut ShardsRefMut::new(size, stride, data), 0, size, wanted.end, skew);
            }
        }
    }

    /// Multiplies by the factor with this logarithm.
    pub(crate) fn mul(&self, data: &mut [Block], log: u16) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.kernels.mul(data, log),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(field) => field.kernels.mul(data, log),
            Self::Library(engine) => engine.mul(data, log),
        }
    }

    /// `to += from`
    pub(crate) fn add(&self, to: &mut [Block], from: &[Block]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.kernels.add(to, from),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(field) => field.kernels.add(to, from),
            Self::Library(_) => reed_solomon_simd::engine::utils::xor(to, from),
        }
    }

    /// `to += from / point`, where `point` is the number of a point other than zero.
    pub(crate) fn add_quotient(&self, to: &mut [Block], from: &[Block], point: usize) {
        let log = GF_MODULUS - tables::get_exp_log().log[point];
        if log == GF_MODULUS {
            // A factor of one.
            return self.add(to, from);
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.kernels.add_product(to, from, log),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(field) => field.kernels.add_product(to, from, log),
            Self::Library(engine) => {
                let mut product = [[0; 64]; PRODUCT_BLOCKS];
                for (to, from) in to.chunks_mut(PRODUCT_BLOCKS).zip(from.chunks(PRODUCT_BLOCKS)) {
                    let product = &mut product[..from.len()];
                    product.copy_from_slice(from);
                    engine.mul(product, log);
                    self.add(to, product);
                }
            }
        }
    }

    /// Formal derivative of the polynomial whose coefficients shards `0..size` are.
    pub(crate) fn derivative(&self, data: &mut [Block], stride: usize, size: usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.kernels.derivative(data, stride, size),
            _ => {
                for shard in 1..size {
                    let width = stride << shard.trailing_zeros();
                    let (before, after) = data.split_at_mut(shard * stride);
                    let at = before.len() - width;
                    self.add(&mut before[at..], &after[..width]);
                }
            }
        }
    }
}
