//! The Reed–Solomon code along one axis (spec/encoding.md section 5), for many codewords at once.
//!
//! Wraps `reed-solomon-simd` in its default configuration, whose choice of construction is part of the
//! format. Small symbols of many codewords are packed into one call ([`lanes`]); large symbols are coded in
//! stripes, so that the working space stays inside the processor's cache.

mod lanes;

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use self::lanes::Lanes;
use crate::{Axis, EncodingParams};

/// Working space that an encoding call aims for: what one core's cache holds.
const ENCODE_WORK_BYTES: usize = 1024 * 1024;
/// Working space that a decoding call aims for: larger, since each call first computes the error locator,
/// which takes as long as coding some megabytes.
const DECODE_WORK_BYTES: usize = 4 * 1024 * 1024;
/// Symbols at least this large gain nothing from being packed with others.
const PACK_BELOW_BYTES: usize = 512;

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

    /// How many codewords to encode together, if there are `available` and symbols have this size.
    pub(crate) fn encode_batch(&self, symbol: usize, available: usize) -> usize {
        if symbol >= PACK_BELOW_BYTES {
            return 1;
        }
        let by_cache = ENCODE_WORK_BYTES / self.total() / symbol;
        batch(by_cache, symbol, available)
    }

    /// How many codewords to decode together.
    pub(crate) fn decode_batch(&self, symbol: usize, available: usize) -> usize {
        let by_cache = DECODE_WORK_BYTES / self.total() / symbol;
        batch(by_cache, symbol, available)
    }
}

/// At most `by_cache` codewords, few enough that every thread gets some, and enough to fill a block.
fn batch(by_cache: usize, symbol: usize, available: usize) -> usize {
    let block = 64usize.div_ceil(symbol);
    let by_threads = available.div_ceil(4 * rayon::current_num_threads());
    by_cache.min(by_threads).next_multiple_of(block).clamp(1, available.max(1))
}

/// Stripes of one symbol: pieces that are coded one after the other, as `(offset, length)`.
fn stripes(symbol: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    // Stripes but the last are whole blocks, so the last has the tail of the symbol.
    let count = symbol.div_ceil(max.next_multiple_of(64));
    let stripe = symbol.div_ceil(count).next_multiple_of(64);
    (0..symbol).step_by(stripe).map(move |offset| (offset, stripe.min(symbol - offset)))
}

/// Makes recovery symbols. Keeps its working space between calls.
pub(crate) struct Encoder {
    code: Code,
    symbol: usize,
    rs: Option<(usize, ReedSolomonEncoder)>,
    shard: Vec<u8>,
}

impl Encoder {
    /// An encoder for symbols of this size.
    pub(crate) fn new(code: Code, symbol: usize) -> Self {
        Self { code, symbol, rs: None, shard: Vec::new() }
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
        if count > 1 && symbol < PACK_BELOW_BYTES {
            return self.encode_packed(count, original, recovery);
        }
        let stripe_max = ENCODE_WORK_BYTES / self.code.total();
        for word in 0..count {
            for (offset, length) in stripes(symbol, stripe_max) {
                let originals = self.code.originals;
                let rs = self.rs(length);
                for i in 0..originals {
                    rs.add_original_shard(&original(i, word)[offset..offset + length])
                        .expect("as many shards as configured, of the configured length");
                }
                let result = rs.encode().expect("all originals are there");
                for (j, piece) in result.recovery_iter().enumerate() {
                    let at = (j * count + word) * symbol + offset;
                    recovery[at..at + length].copy_from_slice(piece);
                }
            }
        }
    }

    fn encode_packed<'a>(&mut self, count: usize, original: impl Fn(usize, usize) -> &'a [u8], recovery: &mut [u8]) {
        let lanes = Lanes::new(self.symbol, count);
        let symbols_bytes = count * self.symbol;
        let originals = self.code.originals;
        let mut shard = std::mem::take(&mut self.shard);
        shard.resize(lanes.shard_bytes(), 0);
        let rs = self.rs(lanes.shard_bytes());
        for i in 0..originals {
            lanes.pack((0..count).map(|word| original(i, word)), &mut shard);
            rs.add_original_shard(&shard).expect("as many shards as configured, of the configured length");
        }
        let result = rs.encode().expect("all originals are there");
        let rows = recovery.chunks_exact_mut(symbols_bytes);
        for (packed, symbols) in result.recovery_iter().zip(rows) {
            lanes.unpack(packed, symbols);
        }
        drop(result);
        self.shard = shard;
    }

    /// The encoder, set to this shard length.
    fn rs(&mut self, shard_bytes: usize) -> &mut ReedSolomonEncoder {
        const SUPPORTED: &str = "the parameters are validated to be supported by the code";
        let Code { originals, recovery } = self.code;
        let (bytes, rs) = self.rs.get_or_insert_with(|| {
            let rs = ReedSolomonEncoder::new(originals, recovery, shard_bytes);
            (shard_bytes, rs.expect(SUPPORTED))
        });
        if *bytes != shard_bytes {
            rs.reset(originals, recovery, shard_bytes).expect(SUPPORTED);
            *bytes = shard_bytes;
        }
        rs
    }
}

/// Rebuilds source symbols of codewords that all lack the same positions. Keeps its working space between calls.
pub(crate) struct Decoder<'p> {
    code: Code,
    symbol: usize,
    /// Exactly `originals` distinct positions below `total`.
    positions: &'p [usize],
    missing: Vec<usize>,
    rs: Option<(usize, ReedSolomonDecoder)>,
    shard: Vec<u8>,
}

impl<'p> Decoder<'p> {
    /// A decoder for symbols of this size at these positions.
    ///
    /// # Panics
    /// Unless there are exactly as many positions as the code has originals, all distinct and in range.
    pub(crate) fn new(code: Code, symbol: usize, positions: &'p [usize]) -> Self {
        assert_eq!(positions.len(), code.originals);
        let mut held = vec![false; code.total()];
        for position in positions {
            assert!(!std::mem::replace(&mut held[*position], true), "twice {position}");
        }
        let missing = (0..code.originals).filter(|i| !held[*i]).collect();
        Self { code, symbol, positions, missing, rs: None, shard: Vec::new() }
    }

    /// The source symbols that are not among the positions, in order.
    pub(crate) fn missing(&self) -> &[usize] {
        &self.missing
    }

    /// Decodes `count` codewords: `symbol(slot, word)` gives the symbol at `positions[slot]`; the missing source
    /// symbol number `m` goes to position `m * count + word` of `restored`.
    pub(crate) fn decode<'a>(&mut self, count: usize, symbol: impl Fn(usize, usize) -> &'a [u8], restored: &mut [u8]) {
        assert_eq!(restored.len(), self.missing.len() * count * self.symbol);
        if self.missing.is_empty() {
            return;
        }
        let mut shard = std::mem::take(&mut self.shard);
        if count > 1 {
            let lanes = Lanes::new(self.symbol, count);
            shard.resize(lanes.shard_bytes(), 0);
            let mut rows = restored.chunks_exact_mut(count * self.symbol);
            self.run(
                lanes.shard_bytes(),
                |slot, add| {
                    lanes.pack((0..count).map(|word| symbol(slot, word)), &mut shard);
                    add(&shard);
                },
                |packed| lanes.unpack(packed, rows.next().expect("one row for each missing")),
            );
        } else {
            for (offset, length) in stripes(self.symbol, DECODE_WORK_BYTES / self.code.total()) {
                let mut rows = restored.chunks_exact_mut(self.symbol);
                self.run(
                    length,
                    |slot, add| add(&symbol(slot, 0)[offset..offset + length]),
                    |piece| {
                        let row = rows.next().expect("one row for each missing");
                        row[offset..offset + length].copy_from_slice(piece);
                    },
                );
            }
        }
        self.shard = shard;
    }

    /// One decoding call on shards of this length.
    fn run(
        &mut self,
        shard_bytes: usize,
        mut shard: impl FnMut(usize, &mut dyn FnMut(&[u8])),
        mut restored: impl FnMut(&[u8]),
    ) {
        const SUPPORTED: &str = "the parameters are validated to be supported by the code";
        const VALID: &str = "positions are distinct and in range, shards have the configured length";
        let Code { originals, recovery } = self.code;
        let (bytes, rs) = self.rs.get_or_insert_with(|| {
            let rs = ReedSolomonDecoder::new(originals, recovery, shard_bytes);
            (shard_bytes, rs.expect(SUPPORTED))
        });
        if *bytes != shard_bytes {
            rs.reset(originals, recovery, shard_bytes).expect(SUPPORTED);
            *bytes = shard_bytes;
        }
        for (slot, position) in self.positions.iter().enumerate() {
            shard(slot, &mut |bytes| {
                let added = match position.checked_sub(originals) {
                    None => rs.add_original_shard(*position, bytes),
                    Some(recovery) => rs.add_recovery_shard(recovery, bytes),
                };
                added.expect(VALID);
            });
        }
        let result = rs.decode().expect("as many shards as the code has originals");
        for i in &self.missing {
            restored(result.restored_original(*i).expect("it was missing"));
        }
    }
}

#[cfg(test)]
mod tests;
