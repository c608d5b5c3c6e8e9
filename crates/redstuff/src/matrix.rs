//! A blob seen as its message matrix, without copying it (spec/encoding.md section 4).

use std::cmp::Ordering;

use crate::{BlobTooLarge, EncodingParams, SymbolSize, scratch::Scratch};

/// The blob's bytes as `rows × columns` symbols, row by row; zeros fill the end.
pub(crate) struct Matrix<'b> {
    blob: &'b [u8],
    pub(crate) params: EncodingParams,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) symbol_size: SymbolSize,
    /// Bytes in a symbol.
    pub(crate) symbol: usize,
    /// Rows that lie wholly inside the blob.
    whole: usize,
    /// The row in which the blob ends, filled up with zeros, and after it a row of zeros; as far as there are such rows.
    padding: Scratch,
}

impl<'b> Matrix<'b> {
    pub(crate) fn new(params: EncodingParams, blob: &'b [u8]) -> Result<Self, BlobTooLarge> {
        let symbol_size = params.symbol_size(u64::try_from(blob.len()).unwrap_or(u64::MAX))?;
        let rows = usize::from(params.primary_source_symbols());
        let columns = usize::from(params.secondary_source_symbols());
        let row_bytes = columns * symbol_size.bytes();
        let whole = blob.len() / row_bytes;
        let partial = &blob[whole * row_bytes..];
        let mut padding = Scratch::new();
        let (copied, zeros) = padding.first((rows - whole).min(2) * row_bytes).split_at_mut(partial.len());
        copied.copy_from_slice(partial);
        zeros.fill(0);
        Ok(Self { blob, params, rows, columns, symbol_size, symbol: symbol_size.bytes(), whole, padding })
    }

    /// Number of shards.
    pub(crate) fn shards(&self) -> usize {
        usize::from(self.params.n_shards())
    }

    /// Bytes in a row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.columns * self.symbol
    }

    /// Rows that hold bytes of the blob; all later ones are zero.
    pub(crate) fn rows_held(&self) -> usize {
        self.blob.len().div_ceil(self.row_bytes())
    }

    /// A row: a systematic primary sliver.
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        let length = self.row_bytes();
        match row.cmp(&self.whole) {
            Ordering::Less => &self.blob[row * length..][..length],
            Ordering::Equal => &self.padding.held()[..length],
            Ordering::Greater => &self.padding.held()[length..][..length],
        }
    }

    /// The symbol at a row and a column.
    pub(crate) fn symbol(&self, row: usize, column: usize) -> &[u8] {
        debug_assert!(row < self.rows && column < self.columns);
        &self.row(row)[column * self.symbol..][..self.symbol]
    }
}
