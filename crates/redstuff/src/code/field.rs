//! The arithmetic of the code on shards, by the best means that the processor has.

use std::ops::Range;

use reed_solomon_simd::engine::{DefaultEngine, Engine, NoSimd, ShardsRefMut};

use super::Block;
use crate::simd::Level;

/// Transforms over GF(2^16). Shards lie one after the other, `stride` blocks each.
///
/// Positions on the domain, factors and their logarithms are those of `reed-solomon-simd`, whose engines are used
/// where there is no GFNI.
pub(crate) enum Field {
    #[cfg(target_arch = "x86_64")]
    Gfni(crate::simd::gf16::Gf16),
    Library(Box<dyn Engine + Send + Sync>),
}

impl Field {
    pub(crate) fn new(level: Level) -> Self {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(simd) => Self::Gfni(crate::simd::gf16::Gf16::new(simd)),
            Level::Portable if cfg!(target_arch = "x86_64") => Self::Library(Box::new(NoSimd::new())),
            _ => Self::Library(Box::new(DefaultEngine::new())),
        }
    }

    /// Backward transform of shards `0..size`, of which those from `end` on are zero; the first stands at
    /// position `skew - size` of the domain (`skew` 0 and `size` mean the beginning and the second group).
    pub(crate) fn ifft(&self, data: &mut [Block], stride: usize, size: usize, end: usize, skew: usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.ifft(data, stride, size, end, skew),
            Self::Library(engine) => engine.ifft(&mut ShardsRefMut::new(size, stride, data), 0, size, end, skew),
        }
    }

    /// Forward transform of shards `0..size`, of which only the results in `wanted` are valid.
    pub(crate) fn fft(&self, data: &mut [Block], stride: usize, size: usize, wanted: Range<usize>, skew: usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.fft(data, stride, size, wanted, skew),
            Self::Library(engine) => {
                engine.fft(&mut ShardsRefMut::new(size, stride, data), 0, size, wanted.end, skew);
            }
        }
    }

    /// Multiplies by the factor with this logarithm.
    pub(crate) fn mul(&self, data: &mut [Block], log: u16) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.mul(data, log),
            Self::Library(engine) => engine.mul(data, log),
        }
    }

    /// `to += from`
    pub(crate) fn add(&self, to: &mut [Block], from: &[Block]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.add(to, from),
            Self::Library(_) => reed_solomon_simd::engine::utils::xor(to, from),
        }
    }

    /// Formal derivative of the polynomial whose coefficients shards `0..size` are.
    pub(crate) fn derivative(&self, data: &mut [Block], stride: usize, size: usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(field) => field.derivative(data, stride, size),
            Self::Library(_) => {
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
