//! Where each piece of a sliver lies in the spool.
//!
//! Rows and columns of the blob are in the source. The rest of the slivers lies in the spool: `n - kp` lower rows over the
//! `ks` columns of the blob, and `n - ks` extra columns over its `kp` rows, together 2.5 times the blob. One stripe
//! follows the other. Within a stripe come
//!
//! 1. the lower rows in *blocks* of neighbouring columns, `width` at a time: row by row, and within a row column by
//!    column. A block leaves in one write, and a row is read back in runs of `width` pieces;
//! 2. the extra columns, each from its top to its bottom.

use super::plan::{Part, Plan};
use crate::EncodingParams;

/// A column of a stripe should stay in a core's second-level cache while it is continued, hashed and copied.
const COLUMN_BYTES_MAX: usize = 1024 * 1024;
/// Shorter stripes are not worth it: each is a pass over all hashes.
const STRIPE_BYTES_MIN: usize = 1024;
/// Longest block.
const BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What all threads' blocks may take of the ceiling: one part in so many.
const CEILING_PARTS: usize = 8;

/// Pieces that lie one after the other in the spool and belong to consecutive symbols of a sliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Where they begin.
    pub(super) offset: u64,
    /// The symbol that the first of them belongs to.
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) part: Part,
}

/// The places of all pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    plan: Plan,
    /// Rows and columns of the blob.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Rows and columns outside of it.
    pub(super) lower: usize,
    pub(super) extra: usize,
    /// Columns of the blob in a block.
    pub(super) width: usize,
}

impl Layout {
    /// Stripes and blocks for a ceiling on memory.
    pub(super) fn new(params: EncodingParams, symbol: usize, ceiling: usize, threads: usize) -> Self {
        let blocks = ceiling / CEILING_PARTS;
        let n = usize::from(params.n_shards());
        let plan = Plan::new(params, symbol, ceiling - blocks, threads);
        let plan = plan.at_most((COLUMN_BYTES_MAX / n).max(STRIPE_BYTES_MIN));
        let rows = usize::from(params.primary_source_symbols());
        let columns = usize::from(params.secondary_source_symbols());
        let column = (n - rows) * plan.stripe();
        let most = (blocks / threads.max(1)).min(BLOCK_BYTES_MAX) / column;
        // Every thread gets some blocks.
        let width = most.clamp(1, columns.div_ceil(4 * threads.max(1)));
        Self { plan, rows, columns, lower: n - rows, extra: n - columns, width }
    }

    pub(super) fn plan(&self) -> Plan {
        self.plan
    }

    /// Length of the spool in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.stripe(self.plan.symbol())
    }

    /// Where the stripe begins that has so many bytes of each symbol before it.
    fn stripe(&self, offset: usize) -> u64 {
        (offset * (self.lower * self.columns + self.extra * self.rows)) as u64
    }

    /// Columns in the block that begins at column `first`.
    pub(super) fn block_columns(&self, first: usize) -> usize {
        self.width.min(self.columns - first)
    }

    /// Where the block of lower rows lies that begins at column `first`.
    pub(super) fn block(&self, part: Part, first: usize) -> u64 {
        self.stripe(part.offset) + (part.length * self.lower * first) as u64
    }

    /// Where extra column number `column` lies.
    pub(super) fn extra_column(&self, part: Part, column: usize) -> u64 {
        let pieces = self.lower * self.columns + column * self.rows;
        self.stripe(part.offset) + (part.length * pieces) as u64
    }

    /// The runs that hold `count` symbols of lower row number `row` from symbol `first` on.
    pub(super) fn lower_row_runs(self, row: usize, first: usize, count: usize) -> impl Iterator<Item = Run> {
        let end = first + count;
        let blocks = (first / self.width * self.width..end).step_by(self.width);
        self.plan.parts().flat_map(move |part| {
            blocks.clone().map(move |block| {
                let (from, to) = (block.max(first), (block + self.width).min(end));
                let pieces = row * self.block_columns(block) + from - block;
                let offset = self.block(part, block) + (part.length * pieces) as u64;
                Run { offset, first: from, count: to - from, part }
            })
        })
    }

    /// The runs that hold `count` symbols of extra column number `column` from symbol `first` on.
    pub(super) fn extra_column_runs(self, column: usize, first: usize, count: usize) -> impl Iterator<Item = Run> {
        self.plan.parts().map(move |part| {
            let offset = self.extra_column(part, column) + (part.length * first) as u64;
            Run { offset, first, count, part }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte of the spool belongs to one symbol of one sliver.
    #[test]
    fn slivers_tile_the_spool() {
        for (shards, symbol, ceiling) in
            [(4, 2, 0), (10, 386, 0), (31, 1000, 0), (31, 1000, 3 << 20), (31, 514, 1 << 30)]
        {
            let params = EncodingParams::new(shards).unwrap();
            let layout = Layout::new(params, symbol, ceiling, 2);
            let rows = (0..layout.lower).flat_map(|row| layout.lower_row_runs(row, 0, layout.columns));
            let columns = (0..layout.extra).flat_map(|column| layout.extra_column_runs(column, 0, layout.rows));
            let mut runs: Vec<Run> = rows.chain(columns).collect();
            runs.sort_by_key(|run| run.offset);
            let mut next = 0;
            for run in runs {
                assert_eq!(run.offset, next, "{shards} shards");
                next += (run.count * run.part.length) as u64;
            }
            assert_eq!(next, layout.bytes());
        }
    }

    /// At 1000 shards and 8 GiB, with the default ceiling: few writes and reads, and long ones.
    #[test]
    fn runs_are_long() {
        let params = EncodingParams::new(1000).unwrap();
        let symbol = params.symbol_size(8 << 30).unwrap().bytes();
        let layout = Layout::new(params, symbol, 512 << 20, 2);
        let run = layout.width * layout.plan.stripe();
        assert!(run >= 16 << 10 && run * layout.lower <= BLOCK_BYTES_MAX, "{run}");
        assert_eq!(layout.bytes(), (symbol * (666 * 667 + 333 * 334)) as u64);
    }
}
