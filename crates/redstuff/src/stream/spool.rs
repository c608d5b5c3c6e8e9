//! Slivers in bounded memory: what the blob itself does not hold goes to a spool, and is read back sliver by sliver.

use std::convert::Infallible;

use super::{
    BlobSource, by_stripes,
    layout::{Layout, Run},
    read_padded,
};
use crate::{Axis, BlobTooLarge, EncodingParams, SliverIndex, VerifiedMetadata};

/// Bytes that can be written and read back at any position, by many threads at once: a file without a name.
pub trait Spool: Sync {
    /// Why writing or reading fails.
    type Error: Send;

    /// Puts `bytes` at `offset`. Writes come in no order, long ones, and never overlap.
    ///
    /// # Errors
    /// What the spool says; it ends the encoding.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Fills `buffer` with the bytes at `offset`, all of which were written.
    ///
    /// # Errors
    /// What the spool says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;
}

/// For metadata alone.
pub(super) enum NoSpool {}

impl Spool for NoSpool {
    type Error = Infallible;

    fn write_at(&self, _: u64, _: &[u8]) -> Result<(), Infallible> {
        match *self {}
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> Result<(), Infallible> {
        match *self {}
    }
}

/// Where the pieces of a stripe go.
pub(super) struct Sink<'s, K: ?Sized> {
    pub(super) spool: &'s K,
    pub(super) layout: Layout,
}

impl<K: ?Sized> Clone for Sink<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: ?Sized> Copy for Sink<'_, K> {}

/// Why a source cannot be encoded into a spool, or a sliver not be read from the two.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError<R, W> {
    /// The blob does not fit.
    #[error(transparent)]
    TooLarge(#[from] BlobTooLarge),
    /// The source cannot be read, or it has changed.
    #[error("reading the blob: {0}")]
    Source(R),
    /// The spool cannot be written or read.
    #[error("spooling slivers: {0}")]
    Spool(W),
}

/// An encoded blob whose slivers lie in a source and a spool. It says where; source and spool are handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpooledBlob {
    metadata: VerifiedMetadata,
    layout: Layout,
}

/// As [`crate::encode()`], for a blob of any size in about `ceiling` bytes of memory. Reads every byte of the source once,
/// and writes to the spool what the slivers have beyond it, about 2.5 times as much; see
/// [`crate::compute_metadata_from`] for the ceiling.
///
/// # Errors
/// The blob is too large for the number of shards, the source or the spool fails, or the source has changed.
pub fn encode_into<S: BlobSource + ?Sized, K: Spool + ?Sized>(
    params: EncodingParams,
    source: &S,
    spool: &K,
    ceiling: usize,
) -> Result<SpooledBlob, SpoolError<S::Error, K::Error>> {
    let symbol = params.symbol_size(source.length())?.bytes();
    let layout = Layout::new(params, symbol, ceiling, rayon::current_num_threads());
    let metadata = by_stripes(params, source, layout.plan(), Some(Sink { spool, layout }))?;
    Ok(SpooledBlob { metadata, layout })
}

impl SpooledBlob {
    /// The commitments.
    pub fn metadata(&self) -> &VerifiedMetadata {
        &self.metadata
    }

    /// Length of the spool in bytes.
    pub fn spool_bytes(&self) -> u64 {
        self.layout.bytes()
    }

    /// Reads whole symbols of a sliver, from symbol number `first` on, as many as `out` has room for. `source` and `spool`
    /// are those that the blob was encoded with.
    ///
    /// # Errors
    /// The source or the spool fails, or the source has changed.
    ///
    /// # Panics
    /// If there is no such sliver, or `out` is not some whole symbols of it.
    pub fn read_symbols<S: BlobSource + ?Sized, K: Spool + ?Sized>(
        &self,
        source: &S,
        spool: &K,
        (axis, index): (Axis, SliverIndex),
        first: usize,
        out: &mut [u8],
    ) -> Result<(), SpoolError<S::Error, K::Error>> {
        let (layout, symbol) = (self.layout, self.layout.plan().symbol());
        let count = out.len() / symbol;
        let sliver = usize::from(self.metadata.params().symbols_per_sliver(axis));
        assert!(out.len().is_multiple_of(symbol) && first + count <= sliver, "symbols {first}.. of {sliver}");
        assert!(self.metadata.params().contains(index.get()), "sliver {index}");
        let own = match axis {
            Axis::Primary => layout.rows,
            Axis::Secondary => layout.columns,
        };
        match (index.at().checked_sub(own), axis) {
            (None, _) => {
                match axis {
                    Axis::Primary => read_padded(source, self.position(index.at(), first), out),
                    Axis::Secondary => out
                        .chunks_exact_mut(symbol)
                        .zip(first..)
                        .try_for_each(|(out, row)| read_padded(source, self.position(row, index.at()), out)),
                }
                .map_err(SpoolError::Source)?;
                source.unchanged().map_err(SpoolError::Source)
            }
            (Some(row), Axis::Primary) => self.read_runs(spool, layout.lower_row_runs(row, first, count), first, out),
            (Some(column), Axis::Secondary) => {
                self.read_runs(spool, layout.extra_column_runs(column, first, count), first, out)
            }
        }
    }

    /// Where a symbol begins in the blob.
    fn position(&self, row: usize, column: usize) -> u64 {
        ((row * self.layout.columns + column) * self.layout.plan().symbol()) as u64
    }

    fn read_runs<R, K: Spool + ?Sized>(
        &self,
        spool: &K,
        runs: impl Iterator<Item = Run>,
        first: usize,
        out: &mut [u8],
    ) -> Result<(), SpoolError<R, K::Error>> {
        let symbol = self.layout.plan().symbol();
        let mut pieces = Vec::new();
        for Run { offset, first: run, count, part } in runs {
            let out = &mut out[(run - first) * symbol..][..count * symbol];
            if part.length == symbol {
                spool.read_at(offset, out).map_err(SpoolError::Spool)?;
                continue;
            }
            pieces.resize(count * part.length, 0);
            spool.read_at(offset, &mut pieces).map_err(SpoolError::Spool)?;
            for (symbol, piece) in out.chunks_exact_mut(symbol).zip(pieces.chunks_exact(part.length)) {
                symbol[part.offset..][..part.length].copy_from_slice(piece);
            }
        }
        Ok(())
    }
}
