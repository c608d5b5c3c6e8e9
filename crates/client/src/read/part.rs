//! How a range is cut into pieces: each within one row of the blob, and as the whole row where that costs no more.

use std::ops::Range;

use floe_redstuff::{Axis, SliverIndex, VerifiedMetadata};

use super::range::to_usize;
use crate::symbols::{proven_symbol_bytes, symbol_bytes};

/// A request is worth so many bytes: a row is not taken apart to save less.
pub(super) const REQUEST_WORTH_BYTES: usize = 64 << 10;
/// Rows beyond this are never fetched whole.
pub(super) const ROW_BYTES_MAX: usize = 8 << 20;
/// Symbols that are asked for together: so many bytes, and so many of them.
const PIECE_BYTES: usize = 4 << 20;
const PIECE_SYMBOLS_MAX: usize = 512;

/// A piece of a range: bytes of one row, and how they are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) row: SliverIndex,
    /// In bytes from the start of the row.
    pub(super) bytes: Range<usize>,
    /// The columns whose symbols hold the bytes; none if the whole row is fetched.
    pub(super) columns: Option<Range<u16>>,
}

/// The pieces of a range that is not empty and inside the blob.
pub(super) fn parts(metadata: &VerifiedMetadata, range: Range<u64>) -> Vec<Part> {
    let row_bytes = metadata.sliver_bytes(Axis::Primary);
    let symbol = symbol_bytes(metadata);
    let step = symbol * (PIECE_BYTES / symbol).clamp(1, PIECE_SYMBOLS_MAX);
    let rows = metadata.primaries_of_range(range.start, range.end - range.start).unwrap_or_default();
    let mut parts = Vec::new();
    for row in rows {
        let base = u64::from(row) * row_bytes as u64;
        let from = to_usize(range.start.saturating_sub(base));
        let to = to_usize(range.end - base).min(row_bytes);
        let row = SliverIndex::new(row);
        let symbols = to.div_ceil(symbol) - from / symbol;
        let is_cheaper = symbols * proven_symbol_bytes(metadata) + REQUEST_WORTH_BYTES < row_bytes;
        if !is_cheaper && row_bytes <= ROW_BYTES_MAX {
            parts.push(Part { row, bytes: from..to, columns: None });
            continue;
        }
        let mut at = from;
        while at < to {
            let end = (at / symbol * symbol + step).min(to);
            let column = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
            let columns = column(at / symbol)..column(end.div_ceil(symbol));
            parts.push(Part { row, bytes: at..end, columns: Some(columns) });
            at = end;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use floe_redstuff::{EncodingParams, compute_metadata};

    use super::*;

    /// 4 rows of 7 columns.
    fn metadata(symbol: usize) -> VerifiedMetadata {
        compute_metadata(EncodingParams::new(10).unwrap(), &vec![0; 28 * symbol]).unwrap()
    }

    #[test]
    fn pieces_are_together_the_range_and_lie_in_their_columns() {
        for symbol in [2, 1000, 30_000, 60_000] {
            let metadata = metadata(symbol);
            let (row, size) = (7 * symbol, 28 * symbol);
            for range in [0..1, 0..size, 1..size - 1, row - 1..row + 1, symbol..2 * symbol, row..2 * row] {
                let mut at = range.start;
                for part in parts(&metadata, range.start as u64..range.end as u64) {
                    assert_eq!(usize::from(part.row.get()) * row + part.bytes.start, at);
                    assert!(part.bytes.end <= row && !part.bytes.is_empty());
                    if let Some(columns) = part.columns {
                        assert_eq!(usize::from(columns.start), part.bytes.start / symbol);
                        assert_eq!(usize::from(columns.end), part.bytes.end.div_ceil(symbol));
                    }
                    at = usize::from(part.row.get()) * row + part.bytes.end;
                }
                assert_eq!(at, range.end);
            }
        }
    }

    #[test]
    fn rows_are_taken_apart_only_where_it_saves_something() {
        let ways = |symbol: usize, range: Range<usize>| -> Vec<bool> {
            let parts = parts(&metadata(symbol), range.start as u64..range.end as u64);
            parts.iter().map(|part| part.columns.is_some()).collect()
        };
        assert_eq!(ways(1000, 0..1), [false], "the row is small");
        assert_eq!(ways(30_000, 0..1), [true]);
        assert_eq!(ways(30_000, 0..210_000), [false], "all of the row");
        assert_eq!(ways(30_000, 209_999..420_001), [true, false, true]);
    }
}
