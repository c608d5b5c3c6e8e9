//! One stripe: reading it, continuing its rows, hashing its columns, spooling what is not in the blob.

use std::ops::Range;

use rayon::prelude::*;

use super::{BlobSource, Spool, cells::Cells, layout::Layout, plan::Part, read_padded, spool::Sink};
use crate::{
    Axis, EncodingParams,
    code::Code,
    expand::Expander,
    simd::{
        Level,
        chains::{self, Chains, LANES},
    },
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

    /// The pieces of a row of the blob.
    fn read_row<S: BlobSource + ?Sized>(&self, source: &S, row: usize, out: &mut [u8]) -> Result<(), S::Error> {
        for (column, piece) in out.chunks_exact_mut(self.part.length).enumerate() {
            let symbol = (row * self.columns + column) as u64;
            read_padded(source, symbol * self.symbol as u64 + self.part.offset as u64, piece)?;
        }
        Ok(())
    }

    /// Continues the columns, hashes all `n × n` pieces, and spools those outside the blob if they are wanted.
    pub(super) fn absorb<K: Spool + ?Sized>(
        &self,
        cells: &mut Cells,
        sink: Option<Sink<'_, K>>,
    ) -> Result<(), K::Error> {
        let length = self.part.length;
        let batch = Code::of_sliver(Axis::Secondary, self.params).batch(length, self.n);
        let (level, groups) = (cells.level, cells.groups_of_column());
        let width = sink.map_or(batch, |sink| sink.layout.width);
        cells.columns(width).enumerate().try_for_each_init(
            || (Expander::new(Axis::Secondary, self.params, length), Vec::new()),
            |(expander, block), (number, chains)| {
                let first = number * width;
                for (i, chains) in chains.chunks_mut(batch * groups).enumerate() {
                    let at = first + i * batch;
                    let count = chains.len() / groups;
                    expander.expand(count, |row, column| self.piece(row, at + column));
                    self.hash(chains, groups, level, |row, column| match row.checked_sub(self.rows) {
                        None => self.piece(row, at + column),
                        Some(j) => &expander.recovery_symbols(j)[column * length..][..length],
                    });
                    if let Some(Sink { layout, .. }) = sink
                        && at < self.columns
                    {
                        self.collect(block, layout, first, at, expander);
                    }
                }
                match sink {
                    None => Ok(()),
                    Some(sink) => self.spool(sink, block, first..first + chains.len() / groups),
                }
            },
        )
    }

    /// Goes on with the hashes of some columns, of which `piece(row, column)` gives the pieces.
    fn hash<'p>(&self, chains: &mut [Chains], groups: usize, level: Level, piece: impl Fn(usize, usize) -> &'p [u8]) {
        let part = chains::Part { done: self.part.offset, last: self.part.last };
        for (column, chains) in chains.chunks_exact_mut(groups).enumerate() {
            for (group, chains) in chains.iter_mut().enumerate() {
                // Lanes past the end repeat the last row; nobody asks for them.
                let lane = |lane: usize| piece((group * LANES + lane).min(self.n - 1), column);
                chains.absorb(level, &std::array::from_fn(lane), part);
            }
        }
    }

    /// Copies the lower rows of the columns from `at` on, which were just made, to their place in the block of columns
    /// from `first` on.
    fn collect(&self, block: &mut Vec<u8>, layout: Layout, first: usize, at: usize, expander: &Expander) {
        let length = self.part.length;
        let row_bytes = layout.block_columns(first) * length;
        block.resize(layout.lower * row_bytes, 0);
        for (j, row) in block.chunks_exact_mut(row_bytes).enumerate() {
            let symbols = expander.recovery_symbols(j);
            let place = &mut row[(at - first) * length..];
            // The last columns may lie outside the blob.
            let bytes = symbols.len().min(place.len());
            place[..bytes].copy_from_slice(&symbols[..bytes]);
        }
    }

    /// Writes a block, and the extra columns among these.
    fn spool<K: Spool + ?Sized>(
        &self,
        Sink { spool, layout }: Sink<'_, K>,
        block: &mut Vec<u8>,
        columns: Range<usize>,
    ) -> Result<(), K::Error> {
        if columns.start < self.columns {
            spool.write_at(layout.block(self.part, columns.start), block)?;
        }
        for column in columns.start.max(self.columns)..columns.end {
            block.clear();
            (0..self.rows).for_each(|row| block.extend_from_slice(self.piece(row, column)));
            spool.write_at(layout.extra_column(self.part, column - self.columns), block)?;
        }
        Ok(())
    }

    fn piece(&self, row: usize, column: usize) -> &[u8] {
        &self.pieces[(row * self.n + column) * self.part.length..][..self.part.length]
    }
}
