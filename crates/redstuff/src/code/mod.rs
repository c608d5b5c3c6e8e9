//! The Reed–Solomon code along one axis (spec/encoding.md section 5), for many codewords at once.
//!
//! The code works on each 16-bit word by itself, and all codewords of one direction have one geometry. So symbols of many
//! codewords are laid side by side in long *shards* ([`source`], [`lanes`]), and symbols too long for that are cut into
//! stripes ([`pieces`]), such that one call of the transforms ([`rate`], [`field`]) has enough bytes to fill vectors and
//! few enough to stay in the processor's cache. What depends only on which symbols are missing is computed once for all codewords
//! ([`Erasures`], [`locator`]).
#![doc = include_str!("algorithm.md")]

mod decoder;
mod encoder;
mod field;
mod lanes;
mod locator;
mod pieces;
mod rate;
mod source;

pub(crate) use self::{
    decoder::{Decoder, Erasures},
    encoder::Encoder,
    source::{Each, Runs, Words},
};
use crate::{Axis, EncodingParams, scratch::Scratch};

/// The unit of the transforms: the low bytes of 32 words, then their high bytes.
pub(crate) type Block = [u8; 64];

/// Working space that a call of the code aims for: a part of what one core's second-level cache holds.
const WORK_BYTES: usize = 512 * 1024;
/// Shards are not made shorter than this: below it, factors are prepared too often.
const SHARD_BYTES_MIN: usize = 512;

/// Most symbols in work that is not divided, and their bytes: a fraction of a millisecond.
const SMALL_SYMBOLS_MAX: usize = 16 * 1024;
const SMALL_BYTES_MAX: usize = 256 * 1024;

/// A systematic code: `originals` symbols, continued by `recovery` more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) originals: usize,
    pub(crate) recovery: usize,
}

impl Code {
    /// The code that a sliver of this axis is a codeword of, once expanded to `n` symbols.
    pub(crate) fn of_sliver(axis: Axis, params: EncodingParams) -> Self {
        let originals = usize::from(params.symbols_per_sliver(axis));
        Self { originals, recovery: usize::from(params.n_shards()) - originals }
    }

    pub(crate) fn total(&self) -> usize {
        self.originals + self.recovery
    }

    /// How many codewords to work on together, if there are `available` and symbols have this size.
    pub(crate) fn batch(&self, symbol: usize, available: usize) -> usize {
        if is_small(available * self.total(), symbol) {
            return available.max(1);
        }
        // Few enough that every thread gets some, and enough to fill blocks.
        let by_threads = available.div_ceil(4 * rayon::current_num_threads());
        let fair = by_threads.next_multiple_of(pieces::words_in(symbol, 64));
        self.batch_in_cache(symbol).min(fair).clamp(1, available.max(1))
    }

    /// How many codewords fit the cache together.
    pub(crate) fn batch_in_cache(&self, symbol: usize) -> usize {
        pieces::words_in(symbol, shard_bytes(self.total()))
    }
}

/// Whether so many symbols of this size are done before another thread would have woken up. Such work is not divided: it
/// stays on the thread that asks for it, and uses no thread pool.
fn is_small(symbols: usize, symbol: usize) -> bool {
    symbols <= SMALL_SYMBOLS_MAX && symbols * symbol <= SMALL_BYTES_MAX
}

/// Pieces of work that one thread takes at least, if all of it is so many symbols of this size.
pub(crate) fn grain(symbols: usize, symbol: usize) -> usize {
    if is_small(symbols, symbol) { usize::MAX } else { 1 }
}

/// The length of shards to aim for, given how many there are in a call.
fn shard_bytes(shards: usize) -> usize {
    (WORK_BYTES / shards).max(SHARD_BYTES_MIN) / 64 * 64
}

/// Shards one after the other. Begins at a cache line.
struct Work(Scratch);

impl Work {
    fn new() -> Self {
        Self(Scratch::new())
    }

    /// Room for this many blocks, with anything in them.
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        let bytes = self.0.first((count + 1) * 64);
        let start = bytes.as_ptr().align_offset(64);
        let (blocks, _) = bytes[start..].as_chunks_mut();
        &mut blocks[..count]
    }
}

#[cfg(test)]
mod tests;
