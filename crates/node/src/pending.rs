//! Data sent with `pending=true` ahead of its registration, in memory and bounded in every direction.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use floe_redstuff::{Axis, BlobId, PairIndex, VerifiedMetadata};

use crate::config::PendingLimits;

/// Verified data of one blob that waits for its registration.
#[derive(Clone)]
pub(crate) struct PendingBlob {
    pub(crate) metadata: VerifiedMetadata,
    /// BCS forms of verified slivers.
    pub(crate) slivers: BTreeMap<(PairIndex, Axis), Bytes>,
    metadata_bytes: u64,
    since: Instant,
}

/// Why something was not buffered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// One of the ceilings is reached.
    Saturated,
    /// The sliver alone is over its ceiling.
    SliverTooLarge,
    /// No metadata of this blob is buffered.
    NoMetadata,
}

/// The cache. Pure state: the time is handed in.
pub(crate) struct PendingCache {
    limits: PendingLimits,
    blobs: HashMap<BlobId, PendingBlob>,
    slivers: usize,
    bytes: u64,
}

impl PendingCache {
    pub(crate) fn new(limits: PendingLimits) -> Self {
        Self { limits, blobs: HashMap::new(), slivers: 0, bytes: 0 }
    }

    pub(crate) fn get(&self, blob: &BlobId) -> Option<&PendingBlob> {
        self.blobs.get(blob)
    }

    pub(crate) fn has_sliver(&self, blob: &BlobId, pair: PairIndex, axis: Axis) -> bool {
        self.blobs.get(blob).is_some_and(|pending| pending.slivers.contains_key(&(pair, axis)))
    }

    /// Buffers metadata. True if it is new.
    pub(crate) fn insert_metadata(
        &mut self,
        metadata: VerifiedMetadata,
        bytes: u64,
        now: Instant,
    ) -> Result<bool, Refused> {
        let blob = *metadata.blob_id();
        if self.blobs.contains_key(&blob) {
            return Ok(false);
        }
        if self.blobs.len() >= self.limits.metadata_max || self.bytes.saturating_add(bytes) > self.limits.bytes_max {
            self.drop_old(now);
        }
        if self.blobs.len() >= self.limits.metadata_max || self.bytes.saturating_add(bytes) > self.limits.bytes_max {
            return Err(Refused::Saturated);
        }
        self.bytes += bytes;
        let pending = PendingBlob { metadata, slivers: BTreeMap::new(), metadata_bytes: bytes, since: now };
        self.blobs.insert(blob, pending);
        Ok(true)
    }

    /// Buffers a verified sliver of a blob whose metadata is buffered. True if it is new.
    pub(crate) fn insert_sliver(
        &mut self,
        blob: &BlobId,
        place: (PairIndex, Axis),
        bytes: Bytes,
        now: Instant,
    ) -> Result<bool, Refused> {
        let length = bytes.len() as u64;
        if length > self.limits.sliver_bytes_max {
            return Err(Refused::SliverTooLarge);
        }
        if self.has_sliver(blob, place.0, place.1) {
            return Ok(false);
        }
        if !self.fits_sliver(length) {
            self.drop_old(now);
        }
        if !self.fits_sliver(length) {
            return Err(Refused::Saturated);
        }
        let pending = self.blobs.get_mut(blob).ok_or(Refused::NoMetadata)?;
        pending.slivers.insert(place, bytes);
        self.slivers += 1;
        self.bytes += length;
        Ok(true)
    }

    /// Whether a sliver of this length could be taken, before its body is read.
    pub(crate) fn fits_sliver(&self, length: u64) -> bool {
        self.slivers < self.limits.slivers_max && self.bytes.saturating_add(length) <= self.limits.bytes_max
    }

    /// Forgets what has become durable; whatever was added meanwhile stays.
    pub(crate) fn remove_stored(&mut self, blob: &BlobId, stored: &PendingBlob) {
        let Some(pending) = self.blobs.get_mut(blob) else { return };
        for place in stored.slivers.keys() {
            if let Some(bytes) = pending.slivers.remove(place) {
                self.slivers -= 1;
                self.bytes -= bytes.len() as u64;
            }
        }
        if pending.slivers.is_empty() {
            self.remove(blob);
        }
    }

    /// Forgets all of a blob.
    pub(crate) fn remove(&mut self, blob: &BlobId) {
        let Some(pending) = self.blobs.remove(blob) else { return };
        self.slivers -= pending.slivers.len();
        self.bytes -= pending.metadata_bytes + pending.slivers.values().map(|bytes| bytes.len() as u64).sum::<u64>();
    }

    fn drop_old(&mut self, now: Instant) {
        let lifetime = Duration::from_millis(self.limits.lifetime_ms);
        let old: Vec<BlobId> = self
            .blobs
            .iter()
            .filter(|(_, pending)| now.saturating_duration_since(pending.since) >= lifetime)
            .map(|(blob, _)| *blob)
            .collect();
        for blob in old {
            self.remove(&blob);
        }
    }
}

#[cfg(test)]
mod tests;
