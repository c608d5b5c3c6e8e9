//! One stripe: reading it, continuing its rows, hashing its columns.

use rayon::prelude::*;

use super::{BlobSource, SliverSink, cells::Cells, plan::Part};
use crate::{
    Axis, EncodingParams, SliverIndex,
    code::Code,
    expand::Expander,
    simd::chains::{self, LANES},
};

/// The upper rows of the expanded matrix, reduced to the bytes of a stripe. Kept between stripes.
pub(super) struct Stripe {
    params: EncodingParams,
    n: usize,
    /// Rows and columns of the blob.
    rows: usize,
    columns: usize,
    /// Bytes in a whole symbol.
    symbol: usize,
    part: Part,
    /// `rows × n` pieces, row by row.
    pieces: Vec<u8>,
}

impl Stripe {
    /// Working space for stripes of symbols of this size.
    pub(super) fn new(params: EncodingParams, symbol: usize) -> Self {
        Self {
            params,
            n: usize::from(params.n_shards()),
            rows: usize::from(params.primary_source_symbols()),
            columns: usize::from(params.secondary_source_symbols()),
            symbol,
            part: Part { offset: 0, length: 0, last: false },
            pieces: Vec::new(),
        }
    }

    /// Reads this part of all source symbols and continues the rows.
    pub(super) fn read<S: BlobSource + ?Sized>(&mut self, source: &S, part: Part) -> Result<(), S::Error> {
        self.part = part;
        let length = part.length;
        // Stripes do not grow from one to the next, so this allocates once.
        self.pieces.resize(self.rows * self.n * length, 0);
        let mut pieces = std::mem::take(&mut self.pieces);
        let batch = Code::of_sliver(Axis::Primary, self.params).batch(length, self.rows);
        let row_bytes = self.n * length;
        let (blob_bytes, this) = (self.columns * length, &*self);
        let result = pieces.par_chunks_mut(batch * row_bytes).enumerate().try_for_each_init(
            || Expander::new(Axis::Primary, this.params, length),
            |expander, (number, rows)| {
                for (i, row) in rows.chunks_exact_mut(row_bytes).enumerate() {
                    this.read_row(source, number * batch + i, &mut row[..blob_bytes])?;
                }
                let count = rows.len() / row_bytes;
                expander.expand(count, |column, row| &rows[row * row_bytes + column * length..][..length]);
                for (row, bytes) in rows.chunks_exact_mut(row_bytes).enumerate() {
                    for (j, piece) in bytes[blob_bytes..].chunks_exact_mut(length).enumerate() {
                        piece.copy_from_slice(&expander.recovery_symbols(j)[row * length..][..length]);
                    }
                }
                Ok(())
            },
        );
        self.pieces = pieces;
        result
    }

    /// The pieces of a row of the blob; zeros past the end of the blob.
    fn read_row<S: BlobSource + ?Sized>(&self, source: &S, row: usize, out: &mut [u8]) -> Result<(), S::Error> {
        let end = source.length();
        for (column, piece) in out.chunks_exact_mut(self.part.length).enumerate() {
            let symbol = (row * self.columns + column) as u64;
            let offset = symbol * self.symbol as u64 + self.part.offset as u64;
            let inside = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(piece.len());
            let (bytes, padding) = piece.split_at_mut(inside);
            padding.fill(0);
            if !bytes.is_empty() {
                source.read_at(offset, bytes)?;
            }
        }
        Ok(())
    }

    /// Continues the columns, hashes all `n × n` pieces, and writes those of slivers if they are wanted.
    pub(super) fn absorb<K: SliverSink + ?Sized>(&self, cells: &mut Cells, sink: Option<&K>) -> Result<(), K::Error> {
        let length = self.part.length;
        let width = Code::of_sliver(Axis::Secondary, self.params).batch(length, self.n);
        let (level, groups) = (cells.level, cells.groups_of_column());
        let part = chains::Part { done: self.part.offset, last: self.part.last };
        cells.columns(width).enumerate().try_for_each_init(
            || Expander::new(Axis::Secondary, self.params, length),
            |expander, (strip, chains)| {
                let first = strip * width;
                let count = chains.len() / groups;
                expander.expand(count, |row, column| self.piece(row, first + column));
                for (column, chains) in chains.chunks_exact_mut(groups).enumerate() {
                    let piece = |row: usize| match row.checked_sub(self.rows) {
                        None => self.piece(row, first + column),
                        Some(j) => &expander.recovery_symbols(j)[column * length..][..length],
                    };
                    for (group, chains) in chains.iter_mut().enumerate() {
                        // Lanes past the end repeat the last row; nobody asks for them.
                        let lane = |lane: usize| piece((group * LANES + lane).min(self.n - 1));
                        chains.absorb(level, &std::array::from_fn(lane), part);
                    }
                    if let Some(sink) = sink {
                        self.write_column(sink, first + column, piece)?;
                    }
                }
                Ok(())
            },
        )
    }

    /// Writes what slivers have of a column: it is the top of a secondary sliver, and if it is a column of the blob, each
    /// of its pieces belongs to a primary sliver.
    fn write_column<'p, K: SliverSink + ?Sized>(
        &self,
        sink: &K,
        column: usize,
        piece: impl Fn(usize) -> &'p [u8],
    ) -> Result<(), K::Error> {
        let index = |at: usize| SliverIndex::new(u16::try_from(at).expect("below the number of shards"));
        let offset = |symbol: usize| (symbol * self.symbol + self.part.offset) as u64;
        for row in 0..self.rows {
            sink.write_at(Axis::Secondary, index(column), offset(row), piece(row))?;
        }
        if column < self.columns {
            for row in 0..self.n {
                sink.write_at(Axis::Primary, index(row), offset(column), piece(row))?;
            }
        }
        Ok(())
    }

    fn piece(&self, row: usize, column: usize) -> &[u8] {
        &self.pieces[(row * self.n + column) * self.part.length..][..self.part.length]
    }
}
