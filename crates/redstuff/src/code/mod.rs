//! The Reed–Solomon code along one axis (spec/encoding.md section 5), for many codewords at once.
//!
//! The code works on each 16-bit word by itself, and all codewords of one direction have one geometry. So symbols of many
//! codewords are laid side by side in long *shards* ([`lanes`]), and symbols too long for that are cut into stripes,
//! such that one call of the transforms ([`rate`], [`field`]) has enough bytes to fill vectors and few enough to stay in
//! the processor's cache. What depends only on which symbols are missing is computed once for all codewords
//! ([`Erasures`], [`locator`]).
#![doc = include_str!("algorithm.md")]

mod field;
mod lanes;
mod locator;
mod rate;

use self::{field::Field, lanes::Lanes, rate::Layout};
use crate::{Axis, EncodingParams, simd::Level};

/// The unit of the transforms: the low bytes of 32 words, then their high bytes.
pub(crate) type Block = [u8; 64];

/// Working space that a call of the code aims for: a part of what one core's second-level cache holds.
const WORK_BYTES: usize = 512 * 1024;
/// Shards are not made shorter than this: below it, factors are prepared too often.
const SHARD_BYTES_MIN: usize = 512;

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
        // Few enough that every thread gets some, and enough to fill a block.
        let by_threads = available.div_ceil(4 * rayon::current_num_threads());
        let fair = by_threads.next_multiple_of(64usize.div_ceil(symbol));
        self.batch_in_cache(symbol).min(fair).clamp(1, available.max(1))
    }

    /// How many codewords fit the cache together, at least one block of each shard.
    pub(crate) fn batch_in_cache(&self, symbol: usize) -> usize {
        let block = 64usize.div_ceil(symbol);
        (shard_bytes(self.total()) / symbol).next_multiple_of(block).max(1)
    }
}

/// The length of shards to aim for, given how many there are in a call.
fn shard_bytes(shards: usize) -> usize {
    (WORK_BYTES / shards).max(SHARD_BYTES_MIN) / 64 * 64
}

/// Stripes of one symbol: pieces that are coded one after the other, as `(offset, length)`.
fn stripes(symbol: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    // Stripes but the last are whole blocks, so the last has the tail of the symbol.
    let count = symbol.div_ceil(max.next_multiple_of(64));
    let stripe = symbol.div_ceil(count).next_multiple_of(64);
    (0..symbol).step_by(stripe).map(move |offset| (offset, stripe.min(symbol - offset)))
}

/// One call of the code: a piece of each of some codewords.
#[derive(Clone, Copy)]
struct Piece {
    first: usize,
    lanes: Lanes,
    offset: usize,
    length: usize,
}

/// Divides `count` codewords with symbols of `symbol` bytes into calls on shards of about `shard` bytes.
fn pieces(count: usize, symbol: usize, shard: usize) -> impl Iterator<Item = Piece> {
    let group = (shard.div_ceil(symbol)).max(64usize.div_ceil(symbol)).min(count.max(1));
    let group = if symbol > shard { 1 } else { group };
    (0..count).step_by(group).flat_map(move |first| {
        let words = group.min(count - first);
        stripes(symbol, shard.max(symbol.min(2 * shard))).map(move |(offset, length)| Piece {
            first,
            lanes: Lanes::new(length, words),
            offset,
            length,
        })
    })
}

/// Shards one after the other, kept between calls. Begins at a cache line.
#[derive(Default)]
struct Work(Vec<u8>);

impl Work {
    /// Room for this many blocks, with anything in them.
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        self.0.resize(self.0.len().max((count + 1) * 64), 0);
        let start = self.0.as_ptr().align_offset(64);
        let (blocks, _) = self.0[start..].as_chunks_mut();
        &mut blocks[..count]
    }
}

/// Makes recovery symbols. Keeps its working space between calls.
pub(crate) struct Encoder {
    code: Code,
    symbol: usize,
    layout: Layout,
    field: Field,
    work: Work,
}

impl Encoder {
    /// An encoder for symbols of this size.
    pub(crate) fn new(code: Code, symbol: usize) -> Self {
        Self::at_level(Level::active(), code, symbol)
    }

    fn at_level(level: Level, code: Code, symbol: usize) -> Self {
        Self { code, symbol, layout: Layout::of(code), field: Field::new(level), work: Work::default() }
    }

    /// Encodes `count` codewords: `original(i, word)` gives source symbol `i` of a codeword; recovery symbol
    /// `j` of it goes to position `j * count + word` of `recovery`.
    pub(crate) fn encode<'a>(
        &mut self,
        count: usize,
        original: impl Fn(usize, usize) -> &'a [u8],
        recovery: &mut [u8],
    ) {
        let symbol = self.symbol;
        assert_eq!(recovery.len(), self.code.recovery * count * symbol);
        let shards = self.layout.encode_shards();
        for Piece { first, lanes, offset, length } in pieces(count, symbol, shard_bytes(shards)) {
            let stride = lanes.shard_bytes() / 64;
            let work = self.work.blocks(shards * stride);
            for (i, shard) in work.chunks_exact_mut(stride).take(self.code.originals).enumerate() {
                let symbols = (first..).map(|word| &original(i, word)[offset..offset + length]);
                lanes.pack(symbols, shard.as_flattened_mut());
            }
            self.layout.encode(&self.field, work, stride);
            for (shard, row) in work.chunks_exact(stride).zip(recovery.chunks_exact_mut(count * symbol)) {
                lanes.unpack(shard.as_flattened(), &mut row[first * symbol + offset..], symbol);
            }
        }
    }
}

/// Which symbols codewords are decoded from, and what follows from that alone.
pub(crate) struct Erasures {
    code: Code,
    layout: Layout,
    positions: Vec<usize>,
    missing: Vec<usize>,
    /// Logarithms of the locator's values, by shard.
    locator: Vec<u16>,
}

impl Erasures {
    /// Decoding from symbols at these positions.
    ///
    /// # Panics
    /// Unless there are exactly as many positions as the code has originals, all distinct and in range.
    pub(crate) fn new(code: Code, positions: Vec<usize>) -> Self {
        assert_eq!(positions.len(), code.originals);
        let mut held = vec![false; code.total()];
        for position in &positions {
            assert!(!std::mem::replace(&mut held[*position], true), "twice {position}");
        }
        let missing: Vec<usize> = (0..code.originals).filter(|i| !held[*i]).collect();
        let layout = Layout::of(code);
        let locator = match missing[..] {
            [] => Vec::new(),
            _ => locator::logarithms(&layout.erased(positions.iter().copied())),
        };
        Self { code, layout, positions, missing, locator }
    }

    /// The positions decoded from, by slot.
    pub(crate) fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// The source symbols that are not among the positions, in order.
    pub(crate) fn missing(&self) -> &[usize] {
        &self.missing
    }

    /// How many codewords to work on together.
    pub(crate) fn batch(&self, symbol: usize, available: usize) -> usize {
        self.code.batch(symbol, available)
    }
}

/// Rebuilds source symbols of codewords that all lack the same positions. Keeps its working space between calls.
pub(crate) struct Decoder<'e> {
    erasures: &'e Erasures,
    symbol: usize,
    field: Field,
    work: Work,
}

impl<'e> Decoder<'e> {
    /// A decoder for symbols of this size.
    pub(crate) fn new(erasures: &'e Erasures, symbol: usize) -> Self {
        Self::at_level(Level::active(), erasures, symbol)
    }

    fn at_level(level: Level, erasures: &'e Erasures, symbol: usize) -> Self {
        Self { erasures, symbol, field: Field::new(level), work: Work::default() }
    }

    /// Decodes `count` codewords: `source(slot, word)` gives the symbol at `positions[slot]`; the missing source
    /// symbol number `m` goes to position `m * count + word` of `restored`.
    pub(crate) fn decode<'a>(&mut self, count: usize, source: impl Fn(usize, usize) -> &'a [u8], restored: &mut [u8]) {
        let Erasures { layout, positions, missing, locator, .. } = self.erasures;
        let symbol = self.symbol;
        assert_eq!(restored.len(), missing.len() * count * symbol);
        if missing.is_empty() {
            return;
        }
        let shards = layout.decode_shards();
        let mut slots = vec![None; shards];
        for (slot, position) in positions.iter().enumerate() {
            slots[layout.shard(*position)] = Some(slot);
        }
        for Piece { first, lanes, offset, length } in pieces(count, symbol, shard_bytes(shards)) {
            let stride = lanes.shard_bytes() / 64;
            let work = self.work.blocks(shards * stride);
            for ((shard, slot), log) in work.chunks_exact_mut(stride).zip(&slots).zip(locator) {
                match slot {
                    None => shard.fill([0; 64]),
                    Some(slot) => {
                        let symbols = (first..).map(|word| &source(*slot, word)[offset..offset + length]);
                        lanes.pack(symbols, shard.as_flattened_mut());
                        self.field.mul(shard, *log);
                    }
                }
            }
            layout.decode(&self.field, work, stride);
            for (i, row) in missing.iter().zip(restored.chunks_exact_mut(count * symbol)) {
                let at = layout.shard(*i);
                let shard = &mut work[at * stride..][..stride];
                self.field.mul(shard, u16::MAX - locator[at]);
                lanes.unpack(shard.as_flattened(), &mut row[first * symbol + offset..], symbol);
            }
        }
    }
}

#[cfg(test)]
mod tests;
