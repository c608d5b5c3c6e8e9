//! Slivers that leave as they are made.

use std::convert::Infallible;

use super::{BlobSource, by_stripes, plan::Plan};
use crate::{Axis, BlobTooLarge, EncodingParams, SliverIndex, VerifiedMetadata};

/// Where slivers are written to, by many threads at once: files, uploads.
pub trait SliverSink: Sync {
    /// Why writing fails.
    type Error: Send;

    /// Puts `bytes` at `offset` of a sliver's data. The pieces come in no order; those of one sliver fill it without
    /// gaps or overlaps: `symbols_per_sliver` symbols, each in one piece for each stripe.
    ///
    /// # Errors
    /// What the sink says; it ends the encoding.
    fn write_at(&self, axis: Axis, index: SliverIndex, offset: u64, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// For metadata alone.
pub(super) enum NoSink {}

impl SliverSink for NoSink {
    type Error = Infallible;

    fn write_at(&self, _: Axis, _: SliverIndex, _: u64, _: &[u8]) -> Result<(), Infallible> {
        match *self {}
    }
}

/// Why a source cannot be encoded into a sink.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError<R, W> {
    /// The blob does not fit.
    #[error(transparent)]
    TooLarge(#[from] BlobTooLarge),
    /// It cannot be read.
    #[error("reading the blob: {0}")]
    Read(R),
    /// A sliver cannot be written.
    #[error("writing a sliver: {0}")]
    Write(W),
}

/// As [`crate::encode()`], for a blob of any size in about `ceiling` bytes of memory: all slivers go to the sink, piece by
/// piece, and the metadata is known at the end. Reads every byte once; see [`crate::compute_metadata_from`] for the
/// ceiling.
///
/// # Errors
/// The blob is too large for the number of shards, or the source or the sink fails; what the sink has then is incomplete.
pub fn encode_into<S: BlobSource + ?Sized, K: SliverSink + ?Sized>(
    params: EncodingParams,
    source: &S,
    sink: &K,
    ceiling: usize,
) -> Result<VerifiedMetadata, SinkError<S::Error, K::Error>> {
    let symbol = params.symbol_size(source.length())?.bytes();
    by_stripes(params, source, Plan::new(params, symbol, ceiling, rayon::current_num_threads()), Some(sink))
}
