//! From source symbols to recovery symbols.

use super::{
    Code, Work,
    field::Field,
    pieces::{Shard, pieces},
    rate::Layout,
    shard_bytes,
    source::Source,
};
use crate::simd::Level;

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

    pub(super) fn at_level(level: Level, code: Code, symbol: usize) -> Self {
        Self { code, symbol, layout: Layout::of(code), field: Field::new(level), work: Work::new() }
    }

    /// Encodes `count` codewords, and hands on recovery symbol `j` of some of them, for every `j`.
    pub(crate) fn encode(&mut self, count: usize, source: &impl Source, mut sink: impl FnMut(usize, Shard<'_>)) {
        let shards = self.layout.encode_shards();
        for piece in pieces(count, self.symbol, shard_bytes(shards)) {
            let stride = piece.stride();
            let work = self.work.blocks(shards * stride);
            source.pack_all(&piece, &mut work[..self.code.originals * stride], stride);
            self.layout.encode(&self.field, work, stride);
            for (j, blocks) in work.chunks_exact(stride).take(self.code.recovery).enumerate() {
                sink(j, Shard { piece, blocks });
            }
        }
    }
}
