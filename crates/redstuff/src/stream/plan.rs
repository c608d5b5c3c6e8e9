//! How long stripes are.

use crate::{
    EncodingParams,
    simd::chains::{BLOCK, CELL_BYTES},
};

/// Working space of a thread that does not grow with the stripe.
const THREAD_BYTES: usize = 2 * 1024 * 1024;
/// Working space of a thread in symbols: a column's recovery, and what the code needs, which is a power of two.
const THREAD_SYMBOLS_PER_SHARD: usize = 4;

/// Some bytes of every symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) offset: usize,
    pub(super) length: usize,
    /// Whether the symbols end here.
    pub(super) last: bool,
}

/// Stripes of equal length, but for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    symbol: usize,
    stripe: usize,
}

impl Plan {
    /// The longest stripes that keep within the ceiling; at least one block of the hash.
    pub(super) fn new(params: EncodingParams, symbol: usize, ceiling: usize, threads: usize) -> Self {
        let n = usize::from(params.n_shards());
        let rows = usize::from(params.primary_source_symbols());
        let fixed = n * n.next_multiple_of(8) * CELL_BYTES + threads * THREAD_BYTES;
        let each_byte = n * rows + threads * THREAD_SYMBOLS_PER_SHARD * n;
        let longest = ceiling.saturating_sub(fixed) / each_byte / BLOCK * BLOCK;
        let count = symbol.div_ceil(longest.max(BLOCK));
        let stripe = symbol.div_ceil(count).next_multiple_of(BLOCK);
        Self { symbol, stripe }
    }

    /// The same with stripes of at most so many bytes, or one block.
    pub(super) fn at_most(self, stripe: usize) -> Self {
        let count = self.symbol.div_ceil(self.stripe.min(stripe / BLOCK * BLOCK).max(BLOCK));
        Self { stripe: self.symbol.div_ceil(count).next_multiple_of(BLOCK), ..self }
    }

    /// Bytes in a symbol.
    pub(super) fn symbol(&self) -> usize {
        self.symbol
    }

    /// Bytes in every stripe but the last.
    pub(super) fn stripe(&self) -> usize {
        self.stripe
    }

    pub(super) fn is_single(&self) -> bool {
        self.stripe >= self.symbol
    }

    /// The stripes in order. Only the last may be something else than whole blocks.
    pub(super) fn parts(self) -> impl Iterator<Item = Part> {
        (0..self.symbol).step_by(self.stripe).map(move |offset| {
            let length = self.stripe.min(self.symbol - offset);
            Part { offset, length, last: offset + length == self.symbol }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_symbol_in_whole_blocks() {
        for (shards, ceiling) in [(4, 0), (31, 4 << 20), (1000, 0), (1000, 512 << 20), (1000, 4 << 30)] {
            let params = EncodingParams::new(shards).unwrap();
            for symbol in [2, 126, 128, 130, 384, 1346, 20_000, 65_534] {
                let plan = Plan::new(params, symbol, ceiling, 2);
                let mut next = 0;
                for part in plan.parts() {
                    assert_eq!(part.offset, next);
                    assert!(part.length > 0 && (part.last || part.length.is_multiple_of(BLOCK)));
                    next += part.length;
                    assert_eq!(part.last, next == symbol);
                }
                assert_eq!(next, symbol);
                assert_eq!(plan.parts().count() == 1, plan.is_single());
            }
        }
    }

    /// The default ceiling at 1000 shards is used, and kept.
    #[test]
    fn stripes_fill_the_ceiling() {
        let params = EncodingParams::new(1000).unwrap();
        let plan = Plan::new(params, 65_534, 512 << 20, 2);
        let bytes = 65_000_000 + plan.stripe * 334_000;
        assert!(plan.stripe >= 1024 && bytes < 512 << 20, "{}", plan.stripe);
    }
}
