//! The slivers of a blob that is being stored: in memory while that fits, else in its source and a spool.

use std::{iter, ops::Range, sync::Arc};

use bytes::Bytes;
use floe_redstuff::{Axis, EncodingParams, Extension, SliverIndex, VerifiedMetadata, extend, read_whole};

use super::spool::Spooled;
use crate::{
    compute::{compute_unless, is_brief},
    config::{Progress, StoreConfig},
    error::ClientError,
    source::{BytesSource, SharedSource},
};

/// What is to be stored.
pub(super) enum Input {
    Bytes(Bytes),
    Source(SharedSource),
}

/// All slivers of one blob. Clones share them.
#[derive(Clone)]
pub(super) enum Slivers {
    Memory(Arc<Held>),
    Spooled(Arc<Spooled>),
}

/// A blob in memory, and what its slivers have beyond it.
pub(super) struct Held {
    metadata: VerifiedMetadata,
    blob: Bytes,
    /// Primary slivers below the blob.
    rows: Vec<Bytes>,
    /// Secondary slivers beside the blob.
    columns: Vec<Bytes>,
}

/// What fills the last row of a blob, and the rows below it.
static ZEROS: Bytes = Bytes::from_static(&[0; 64 << 10]);

/// Bytes that storing a blob in memory takes: the blob, and what its slivers have beyond it.
pub(super) fn in_memory_bytes(params: EncodingParams, size: u64) -> u64 {
    // The blob's own symbols are in a primary and in a secondary sliver each, and are held once.
    params.encoded_length(size).map_or(u64::MAX, |slivers| slivers.saturating_sub(size))
}

impl Input {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(source) => source.length(),
        }
    }

    /// Encodes, within the ceiling on memory.
    pub(super) async fn encode(
        self,
        params: EncodingParams,
        config: &StoreConfig,
        progress: Arc<dyn Progress>,
    ) -> Result<Slivers, ClientError> {
        let length = self.length();
        let in_memory = matches!(self, Self::Bytes(_));
        if in_memory_bytes(params, length) > config.memory_ceiling_bytes {
            let source = match self {
                Self::Bytes(bytes) => Arc::new(BytesSource(bytes)),
                Self::Source(source) => source,
            };
            return Ok(Slivers::Spooled(Spooled::encode(params, source, config, progress).await?));
        }
        let held = compute_unless(in_memory && is_brief(params, length), move || {
            let blob = match self {
                Self::Bytes(bytes) => bytes,
                Self::Source(source) => read_whole(&*source).map_err(|error| ClientError::of_source(&error))?.into(),
            };
            Held::encode(params, blob)
        });
        let held = held.await??;
        progress.advance(length);
        Ok(Slivers::Memory(Arc::new(held)))
    }
}

impl Held {
    fn encode(params: EncodingParams, blob: Bytes) -> Result<Self, ClientError> {
        let Extension { metadata, rows, columns } =
            extend(params, &blob).map_err(|error| ClientError::Internal(error.to_string()))?;
        let shared = |slivers: Vec<Vec<u8>>| slivers.into_iter().map(Bytes::from).collect();
        Ok(Self { metadata, blob, rows: shared(rows), columns: shared(columns) })
    }

    /// The symbols of a sliver, where they lie in memory.
    pub(super) fn pieces(&self, axis: Axis, index: SliverIndex) -> impl Iterator<Item = (&Bytes, Range<usize>)> {
        let params = self.metadata.params();
        let symbol = usize::from(self.metadata.symbol_size().get());
        let rows = usize::from(params.primary_source_symbols());
        let columns = usize::from(params.secondary_source_symbols());
        let (at, row) = (usize::from(index.get()), columns * symbol);
        // Runs of the same length at the same distance.
        let (bytes, first, count, length) = match axis {
            Axis::Primary if at < rows => (&self.blob, at * row, 1, row),
            Axis::Primary => (&self.rows[at - rows], 0, 1, row),
            Axis::Secondary if at < columns => (&self.blob, at * symbol, rows, symbol),
            Axis::Secondary => (&self.columns[at - columns], 0, 1, rows * symbol),
        };
        (0..count).flat_map(move |run| padded(bytes, first + run * row, length))
    }
}

/// Bytes from a place on, with zeros for what is past the end.
fn padded(bytes: &Bytes, start: usize, length: usize) -> impl Iterator<Item = (&Bytes, Range<usize>)> {
    let start = start.min(bytes.len());
    let end = bytes.len().min(start + length);
    let mut missing = length - (end - start);
    let zeros = iter::from_fn(move || {
        let some = missing.min(ZEROS.len());
        missing -= some;
        (some > 0).then_some((&ZEROS, 0..some))
    });
    (start < end).then_some((bytes, start..end)).into_iter().chain(zeros)
}

impl Slivers {
    pub(super) fn metadata(&self) -> &VerifiedMetadata {
        match self {
            Self::Memory(held) => &held.metadata,
            Self::Spooled(spooled) => spooled.metadata(),
        }
    }

    /// Bytes of memory that they hold while they are sent to so many nodes.
    pub(super) fn memory_bytes(&self, nodes: usize) -> u64 {
        match self {
            Self::Memory(held) => in_memory_bytes(held.metadata.params(), held.blob.len() as u64),
            Self::Spooled(spooled) => spooled.memory_bytes(nodes),
        }
    }

    /// Why they cannot be read any more: then no upload can be finished.
    pub(super) fn failure(&self) -> Option<ClientError> {
        match self {
            Self::Memory(_) => None,
            Self::Spooled(spooled) => spooled.failure(),
        }
    }
}

#[cfg(test)]
mod tests {
    use floe_redstuff::encode;

    use super::*;

    /// Blobs that end anywhere: in their first row, between rows, in the last, and that fill all.
    #[test]
    fn pieces_are_the_slivers() {
        for n_shards in [7, 10, 31] {
            let params = EncodingParams::new(n_shards).unwrap();
            let row = usize::from(params.secondary_source_symbols());
            let all = row * usize::from(params.primary_source_symbols());
            for size in [0, 1, 2 * row, 2 * row + 1, 2 * all - 1, 2 * all, 100 * all, 100 * all + 1, 70_000 * row] {
                let blob: Vec<u8> = (1..=251).cycle().take(size).collect();
                let encoded = encode(params, &blob).unwrap();
                let held = Held::encode(params, blob.into()).unwrap();
                assert_eq!(held.metadata, encoded.metadata);
                for pair in &encoded.pairs {
                    for sliver in [&pair.primary, &pair.secondary] {
                        let pieces = held.pieces(sliver.axis, sliver.index);
                        let data: Vec<&[u8]> = pieces.map(|(bytes, range)| &bytes[range]).collect();
                        assert_eq!(
                            data.concat(),
                            sliver.data,
                            "{n_shards} shards, {size} bytes, {} {}",
                            sliver.axis,
                            sliver.index
                        );
                    }
                }
            }
        }
    }
}
