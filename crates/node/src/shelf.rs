//! The data of blobs: what is durable in the store, what waits in memory, and the way from one to the other.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use floe_redstuff::{Axis, BlobId, EncodingParams, PairIndex, Sliver, SliverIndex, VerifiedMetadata, VerifiedSliver};
use floe_store::{Batch, SliverAxis, SliverKey, SliverReader, Store, StoreError};
use parking_lot::Mutex;

use crate::body::SliverBody;
use crate::config::PendingLimits;
use crate::pending::{PendingCache, Refused};
use crate::trees::Trees;

/// Verified metadata kept decoded: checking 1000 pairs of hashes for each sliver of an upload would be a waste.
const DECODED_METADATA_MAX: usize = 64;

/// Damaged blobs remembered between two rounds of healing; the rest is found again when it is read again.
const DAMAGED_BLOBS_MAX: usize = 4096;

/// Where something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Durable,
    Buffered,
    Nowhere,
}

/// What became of something that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    New,
    Known,
}

/// Blob data of one node. All calls block on the disk.
pub(crate) struct Shelf {
    pub(crate) store: Store,
    pending: Mutex<PendingCache>,
    decoded: Mutex<VecDeque<VerifiedMetadata>>,
    damaged: Mutex<BTreeSet<BlobId>>,
    /// Hash trees of slivers that symbols were asked of.
    pub(crate) trees: Trees,
}

pub(crate) fn sliver_key(blob: &BlobId, pair: PairIndex, axis: Axis) -> SliverKey {
    let axis = match axis {
        Axis::Primary => SliverAxis::Primary,
        Axis::Secondary => SliverAxis::Secondary,
    };
    SliverKey { blob: *blob.as_bytes(), pair: pair.get(), axis }
}

impl Shelf {
    pub(crate) fn new(store: Store, limits: PendingLimits, tree_bytes_max: u64) -> Self {
        Self {
            store,
            pending: Mutex::new(PendingCache::new(limits)),
            decoded: Mutex::default(),
            damaged: Mutex::default(),
            trees: Trees::new(tree_bytes_max),
        }
    }

    /// A corrupt item was set aside by the store and counts as missing from then on. The blob is remembered, to be healed.
    fn missing_if_corrupt<T>(
        &self,
        blob: &BlobId,
        result: Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match result {
            Err(error @ StoreError::Corrupt { .. }) => {
                self.note_damage(blob, &error);
                Ok(None)
            }
            other => other,
        }
    }

    fn note_damage(&self, blob: &BlobId, error: &StoreError) {
        tracing::error!(%blob, %error, code = error.code(), "stored data is corrupt and was set aside");
        let mut damaged = self.damaged.lock();
        if damaged.len() < DAMAGED_BLOBS_MAX {
            damaged.insert(*blob);
        }
    }

    /// Blobs of which something was found corrupt since the last call.
    pub(crate) fn take_damaged(&self) -> BTreeSet<BlobId> {
        std::mem::take(&mut self.damaged.lock())
    }

    /// Stored metadata with the id in front, as served.
    pub(crate) fn metadata_bytes(&self, blob: &BlobId) -> Result<Option<Bytes>, StoreError> {
        self.missing_if_corrupt(blob, self.store.metadata(blob.as_bytes()))
    }

    /// Durable metadata, decoded and checked.
    pub(crate) fn metadata(
        &self,
        blob: &BlobId,
        params: EncodingParams,
    ) -> Result<Option<VerifiedMetadata>, StoreError> {
        if let Some(known) = self.decoded.lock().iter().find(|known| known.blob_id() == blob) {
            return Ok(Some(known.clone()));
        }
        let Some(bytes) = self.metadata_bytes(blob)? else { return Ok(None) };
        match VerifiedMetadata::from_bcs_with_id(&bytes, blob, params) {
            Ok(metadata) => {
                self.remember(&metadata);
                Ok(Some(metadata))
            }
            Err(error) => {
                tracing::error!(%blob, %error, "stored metadata does not belong to its blob id");
                Ok(None)
            }
        }
    }

    /// Durable or buffered metadata, and which of the two.
    pub(crate) fn any_metadata(
        &self,
        blob: &BlobId,
        params: EncodingParams,
    ) -> Result<Option<(VerifiedMetadata, Place)>, StoreError> {
        if let Some(metadata) = self.metadata(blob, params)? {
            return Ok(Some((metadata, Place::Durable)));
        }
        Ok(self.pending.lock().get(blob).map(|pending| (pending.metadata.clone(), Place::Buffered)))
    }

    /// Keeps durable metadata decoded.
    pub(crate) fn remember(&self, metadata: &VerifiedMetadata) {
        let mut decoded = self.decoded.lock();
        if decoded.len() >= DECODED_METADATA_MAX {
            decoded.pop_back();
        }
        decoded.push_front(metadata.clone());
    }

    pub(crate) fn metadata_place(&self, blob: &BlobId) -> Result<Place, StoreError> {
        if self.store.has_metadata(blob.as_bytes())? {
            return Ok(Place::Durable);
        }
        Ok(if self.pending.lock().get(blob).is_some() { Place::Buffered } else { Place::Nowhere })
    }

    pub(crate) fn sliver_place(&self, blob: &BlobId, pair: PairIndex, axis: Axis) -> Result<Place, StoreError> {
        if self.store.has_sliver(&sliver_key(blob, pair, axis))? {
            return Ok(Place::Durable);
        }
        let buffered = self.pending.lock().has_sliver(blob, pair, axis);
        Ok(if buffered { Place::Buffered } else { Place::Nowhere })
    }

    /// The stored bytes of a sliver, checked by the store against what was written.
    pub(crate) fn sliver_bytes(&self, blob: &BlobId, pair: PairIndex, axis: Axis) -> Result<Option<Bytes>, StoreError> {
        self.missing_if_corrupt(blob, self.store.sliver(&sliver_key(blob, pair, axis)))
    }

    /// As [`sliver_bytes`](Self::sliver_bytes), to be read with [`next_piece`](Self::next_piece).
    pub(crate) fn sliver_reader(
        &self,
        blob: &BlobId,
        pair: PairIndex,
        axis: Axis,
    ) -> Result<Option<SliverReader>, StoreError> {
        self.missing_if_corrupt(blob, self.store.sliver_reader(&sliver_key(blob, pair, axis)))
    }

    /// The next bytes of a sliver of the blob. The last ones are an error if the sliver is corrupt.
    pub(crate) fn next_piece(&self, blob: &BlobId, reader: &mut SliverReader) -> Result<Option<Bytes>, StoreError> {
        let piece = reader.next(SliverBody::PIECE_BYTES as usize);
        if let Err(error @ StoreError::Corrupt { .. }) = &piece {
            self.note_damage(blob, error);
        }
        piece
    }

    /// A stored sliver, decoded. It was verified before it was stored.
    pub(crate) fn sliver(
        &self,
        blob: &BlobId,
        pair: PairIndex,
        axis: Axis,
        params: EncodingParams,
    ) -> Result<Option<Sliver>, StoreError> {
        let Some(bytes) = self.sliver_bytes(blob, pair, axis)? else { return Ok(None) };
        match Sliver::from_bcs(axis, &bytes, params) {
            Ok(sliver) => Ok(Some(sliver)),
            Err(error) => {
                tracing::error!(%blob, pair = pair.get(), %axis, %error, "a stored sliver does not decode");
                Ok(None)
            }
        }
    }

    /// A symbol of a stored sliver, read without the rest of it and not verified. `None` if there is no such sliver, or the
    /// symbol is none of those that are stored.
    pub(crate) fn symbol_unverified(
        &self,
        metadata: &VerifiedMetadata,
        pair: PairIndex,
        axis: Axis,
        position: SliverIndex,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(part) = metadata.symbol_in_sliver(axis, position) else { return Ok(None) };
        self.store.sliver_part_unverified(&sliver_key(metadata.blob_id(), pair, axis), part)
    }

    pub(crate) fn put_metadata(&self, metadata: &VerifiedMetadata) -> Result<(), StoreError> {
        self.store.put(Batch::new().metadata(*metadata.blob_id().as_bytes(), metadata.to_bcs_with_id()))?;
        self.remember(metadata);
        Ok(())
    }

    /// Stores the BCS bytes of a sliver that `verified` was decoded from.
    pub(crate) fn put_sliver(
        &self,
        blob: &BlobId,
        pair: PairIndex,
        axis: Axis,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        self.store.put(Batch::new().sliver(sliver_key(blob, pair, axis), bytes))
    }

    /// Stores a sliver that was rebuilt here.
    pub(crate) fn put_rebuilt(
        &self,
        blob: &BlobId,
        pair: PairIndex,
        sliver: &VerifiedSliver,
    ) -> Result<(), StoreError> {
        self.put_sliver(blob, pair, sliver.axis, Bytes::from(sliver.to_bcs()))
    }

    pub(crate) fn buffer_metadata(&self, metadata: VerifiedMetadata, bytes: u64) -> Result<Put, Refused> {
        let new = self.pending.lock().insert_metadata(metadata, bytes, Instant::now())?;
        Ok(if new { Put::New } else { Put::Known })
    }

    pub(crate) fn buffer_sliver(
        &self,
        blob: &BlobId,
        pair: PairIndex,
        axis: Axis,
        bytes: Bytes,
    ) -> Result<Put, Refused> {
        // The bytes may be a slice of a larger buffer; what is kept must not be more than what is counted.
        let bytes = Bytes::copy_from_slice(&bytes);
        let new = self.pending.lock().insert_sliver(blob, (pair, axis), bytes, Instant::now())?;
        Ok(if new { Put::New } else { Put::Known })
    }

    pub(crate) fn is_buffered(&self, blob: &BlobId) -> bool {
        self.pending.lock().get(blob).is_some()
    }

    /// Makes durable what waits in memory for a blob that is registered now. On an error it stays in memory.
    pub(crate) fn flush(&self, blob: &BlobId) -> Result<(), StoreError> {
        let Some(pending) = self.pending.lock().get(blob).cloned() else { return Ok(()) };
        let mut batch = Batch::new().metadata(*blob.as_bytes(), pending.metadata.to_bcs_with_id());
        for ((pair, axis), bytes) in &pending.slivers {
            batch = batch.sliver(sliver_key(blob, *pair, *axis), bytes.clone());
        }
        self.store.put(batch)?;
        self.pending.lock().remove_stored(blob, &pending);
        Ok(())
    }

    /// Drops what waits in memory of a blob, because it is durable by other ways.
    pub(crate) fn forget_buffered(&self, blob: &BlobId) {
        self.pending.lock().remove(blob);
    }

    /// Drops what is in memory of a blob; its durable data is the ledger's to delete.
    pub(crate) fn forget(&self, blob: &BlobId) {
        self.pending.lock().remove(blob);
        self.decoded.lock().retain(|known| known.blob_id() != blob);
    }

    /// Which slivers of these pairs are not durable yet.
    pub(crate) fn missing(&self, blob: &BlobId, pairs: &[PairIndex]) -> Result<Vec<(PairIndex, Axis)>, StoreError> {
        let held: std::collections::HashSet<SliverKey> = self.store.slivers_of(blob.as_bytes())?.into_iter().collect();
        let wanted = pairs.iter().flat_map(|pair| [(*pair, Axis::Primary), (*pair, Axis::Secondary)]);
        Ok(wanted.filter(|(pair, axis)| !held.contains(&sliver_key(blob, *pair, *axis))).collect())
    }
}
