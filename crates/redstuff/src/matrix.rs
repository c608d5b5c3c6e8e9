//! A blob seen as its message matrix, without copying it (spec/encoding.md section 4).

use crate::{BlobTooLarge, EncodingParams, SymbolSize};

/// The blob's bytes as `rows × columns` symbols, row by row; zeros fill the end.
pub(crate) struct Matrix<'b> {
    blob: &'b [u8],
    pub(crate) params: EncodingParams,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) symbol_size: SymbolSize,
    /// Bytes in a symbol.
    pub(crate) symbol: usize,
    /// Symbols that lie wholly inside the blob.
    whole: usize,
    /// The symbol in which the blob ends, filled up with zeros, and after it a symbol of zeros.
    padding: Vec<u8>,
}

impl<'b> Matrix<'b> {
    pub(crate) fn new(params: EncodingParams, blob: &'b [u8]) -> Result<Self, BlobTooLarge> {
        let symbol_size = params.symbol_size(u64::try_from(blob.len()).unwrap_or(u64::MAX))?;
        let symbol = symbol_size.bytes();
        let (whole_symbols, partial) = blob.split_at(blob.len() - blob.len() % symbol);
        let mut padding = vec![0; 2 * symbol];
        padding[..partial.len()].copy_from_slice(partial);
        Ok(Self {
            blob,
            params,
            rows: usize::from(params.primary_source_symbols()),
            columns: usize::from(params.secondary_source_symbols()),
            symbol_size,
            symbol,
            whole: whole_symbols.len() / symbol,
            padding,
        })
    }

    /// Number of shards.
    pub(crate) fn shards(&self) -> usize {
        usize::from(self.params.n_shards())
    }

    /// The symbol at a row and a column.
    pub(crate) fn symbol(&self, row: usize, column: usize) -> &[u8] {
        debug_assert!(row < self.rows && column < self.columns);
        let number = row * self.columns + column;
        match number.cmp(&self.whole) {
            std::cmp::Ordering::Less => &self.blob[number * self.symbol..][..self.symbol],
            std::cmp::Ordering::Equal => &self.padding[..self.symbol],
            std::cmp::Ordering::Greater => &self.padding[self.symbol..],
        }
    }

    /// A copy of a whole row: a systematic primary sliver.
    pub(crate) fn row(&self, row: usize) -> Vec<u8> {
        let length = self.columns * self.symbol;
        let start = (row * length).min(self.blob.len());
        let end = (start + length).min(self.blob.len());
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&self.blob[start..end]);
        bytes.resize(length, 0);
        bytes
    }
}
