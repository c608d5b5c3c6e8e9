//! The node's own view of the chain: durable, derived from events only, moved forward in one transaction with the cursor.

mod keys;
mod overlay;
mod record;
mod rules;
mod waiters;

use floe_chain::{ChainEvent, EventCursor};
use floe_protocol::api::DeletableCounts;
use floe_protocol::{Epoch, ObjectId, Persistence};
use floe_redstuff::BlobId;
use floe_store::{Batch, Store, StoreError};
use parking_lot::{Mutex, RwLock};

pub(crate) use keys::COMMITTEE as COMMITTEE_KEY;
use overlay::Overlay;
use record::BadRecord;
pub(crate) use record::{BlobRecord, EventRef, Standing};
pub(crate) use rules::{Effects, EpochInfo, Progress, RolledBack, SKIP_BLOCKS_MIN};
pub(crate) use waiters::Ticket;
use waiters::Waiters;

/// Why the ledger could not be read or moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    BadRecord(#[from] BadRecord),
}

/// Event-derived state. Reads go to the store (blocking, microseconds); writes are serialized.
pub(crate) struct Ledger {
    store: Store,
    epoch: RwLock<Option<EpochInfo>>,
    writer: Mutex<()>,
    waiters: Waiters,
}

impl Ledger {
    /// Continues from what the store holds.
    pub(crate) fn open(store: Store) -> Result<Self, LedgerError> {
        let epoch = rules::epoch(&Overlay::new(&store))?;
        Ok(Self { store, epoch: RwLock::new(epoch), writer: Mutex::new(()), waiters: Waiters::default() })
    }

    /// The epoch that the events have reached; `None` before the first.
    pub(crate) fn epoch_info(&self) -> Option<EpochInfo> {
        *self.epoch.read()
    }

    /// The current epoch; 0 before the first event.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch_info().map_or(Epoch(0), |info| Epoch(info.epoch))
    }

    pub(crate) fn progress(&self) -> Result<Progress, LedgerError> {
        rules::progress(&Overlay::new(&self.store))
    }

    pub(crate) fn record(&self, blob: &BlobId) -> Result<Option<BlobRecord>, LedgerError> {
        rules::record(&Overlay::new(&self.store), blob)
    }

    /// What the blob is at the current epoch.
    pub(crate) fn standing(&self, blob: &BlobId) -> Result<Standing, LedgerError> {
        let record = self.record(blob)?;
        Ok(record.map_or(Standing::Unknown, |record| record.standing(self.epoch())))
    }

    /// Whether the registration that a confirmation would be for is there and has not ended.
    pub(crate) fn is_registered_as(&self, blob: &BlobId, persistence: Persistence) -> Result<bool, LedgerError> {
        let now = self.epoch();
        Ok(match persistence {
            Persistence::Permanent => self.record(blob)?.is_some_and(|record| record.permanent(now).is_some()),
            Persistence::Deletable(object) => {
                let entry = rules::single(&Overlay::new(&self.store), blob, &object)?;
                entry.is_some_and(|entry| entry.deletable && entry.holds(now))
            }
        })
    }

    /// The latest of the deletable registrations of a blob that hold.
    pub(crate) fn latest_deletable(&self, blob: &BlobId) -> Result<Option<ObjectId>, LedgerError> {
        let now = self.epoch();
        let live = rules::objects(&Overlay::new(&self.store), blob)?;
        let live = live.into_iter().filter(|(_, entry)| entry.deletable && entry.holds(now));
        // Objects are numbered as they are registered. Who does not name an object does not mean one in a pool.
        Ok(live.max_by_key(|(object, entry)| (entry.pool.is_none(), *object)).map(|(object, _)| object))
    }

    /// How many deletable registrations of a blob hold.
    pub(crate) fn deletable_counts(&self, blob: &BlobId) -> Result<DeletableCounts, LedgerError> {
        let now = self.epoch();
        let mut counts = DeletableCounts::default();
        for entry in rules::singles(&Overlay::new(&self.store), blob)? {
            if entry.deletable && entry.holds(now) {
                counts.count_deletable_total += 1;
                counts.count_deletable_certified += u32::from(entry.certified.is_some());
            }
        }
        Ok(counts)
    }

    /// A place among those who wait for this blob's registration.
    pub(crate) fn queue(&self, blob: BlobId) -> Ticket<'_> {
        self.waiters.queue(blob)
    }

    /// Applies events in order as one durable transaction, then wakes whoever waited for one of them.
    pub(crate) fn apply(&self, events: &[ChainEvent]) -> Result<Effects, LedgerError> {
        let mut effects = Effects::default();
        {
            let _one_writer = self.writer.lock();
            let mut overlay = Overlay::new(&self.store);
            for event in events {
                rules::apply(&mut overlay, event, &mut effects)?;
            }
            self.commit(overlay)?;
        }
        for blob in &effects.registered {
            self.waiters.wake(blob);
        }
        Ok(effects)
    }

    /// Takes back every event after `to`.
    pub(crate) fn rollback(&self, to: &EventCursor) -> Result<RolledBack, LedgerError> {
        let _one_writer = self.writer.lock();
        let mut overlay = Overlay::new(&self.store);
        let outcome = rules::rollback(&mut overlay, to)?;
        self.commit(overlay)?;
        Ok(outcome)
    }

    /// Moves the cursor over blocks that held no events.
    pub(crate) fn skip_to(&self, cursor: &EventCursor) -> Result<(), LedgerError> {
        let _one_writer = self.writer.lock();
        let mut overlay = Overlay::new(&self.store);
        rules::skip_to(&mut overlay, cursor)?;
        self.commit(overlay)
    }

    /// Must be called with the writer lock held.
    fn commit(&self, overlay: Overlay<'_, Store>) -> Result<(), LedgerError> {
        if overlay.is_empty() {
            return Ok(());
        }
        let epoch = rules::epoch(&overlay)?;
        self.store.put(overlay.into_batch())?;
        *self.epoch.write() = epoch;
        Ok(())
    }

    /// Remembers that slivers of a certified blob are missing, or that none are any more.
    pub(crate) fn mark_missing(&self, blob: &BlobId, missing: bool) -> Result<(), LedgerError> {
        Ok(self.store.put(Batch::new().state(keys::missing(blob), missing.then(Vec::new)))?)
    }

    /// Certified blobs of which slivers were missing.
    pub(crate) fn missing(&self) -> Result<Vec<BlobId>, LedgerError> {
        let rows = self.store.state_range(keys::MISSING_PREFIX)?;
        Ok(rows.iter().filter_map(|(key, _)| keys::blob_of(key)).collect())
    }

    fn swept(&self) -> Result<u32, LedgerError> {
        Ok(self.store.state(keys::SWEPT)?.and_then(|bytes| record::decode(&bytes)).unwrap_or_default())
    }

    /// Blobs whose last claim ended at or before the current epoch and whose data has not been deleted yet.
    pub(crate) fn ended(&self) -> Result<Vec<BlobId>, LedgerError> {
        let swept = self.swept()?;
        let mut ended = Vec::new();
        for epoch in swept.saturating_add(1)..=self.epoch().0 {
            let rows = self.store.state_range(&keys::expiry_of(Epoch(epoch)))?;
            ended.extend(rows.iter().filter_map(|(key, _)| keys::blob_of(key)));
        }
        Ok(ended)
    }

    /// Says that everything which ended up to `epoch` has been deleted.
    pub(crate) fn mark_swept(&self, epoch: Epoch) -> Result<(), LedgerError> {
        if self.swept()? == epoch.0 {
            return Ok(());
        }
        Ok(self.store.put(Batch::new().state(keys::SWEPT, Some(record::encode(&epoch.0))))?)
    }

    /// Deletes the data of a blob unless it is registered now; and its record, if its last claim has ended.
    /// No event can register the blob in between.
    pub(crate) fn delete_unless_registered(&self, blob: &BlobId) -> Result<bool, LedgerError> {
        let _one_writer = self.writer.lock();
        let now = self.epoch();
        let record = self.record(blob)?;
        if let Some(record) = record.as_ref().filter(|record| record.standing(now).is_registered()) {
            if record.pooled.is_some() {
                // Its pool was extended: it comes up again at the new end.
                let mut overlay = Overlay::new(&self.store);
                rules::refresh(&mut overlay, blob)?;
                self.commit(overlay)?;
            }
            return Ok(false);
        }
        self.store.delete_blob(blob.as_bytes())?;
        let Some(record) = record else { return Ok(true) };
        let mut batch = Batch::new().state(keys::missing(blob), None);
        if let Some(end) = record.end().filter(|end| *end <= now) {
            batch = batch.state(keys::expiry(end, blob), None);
            let written = rules::stored(&Overlay::new(&self.store), blob)?;
            if let Some(end) = written.and_then(|record| record.end()) {
                batch = batch.state(keys::expiry(end, blob), None);
            }
            if record.invalid.is_none() {
                batch = batch.state(keys::blob(blob), None);
            }
            for (key, _) in self.store.state_range(&keys::singles_of(blob))? {
                batch = batch.state(key, None);
            }
        }
        self.store.put(batch)?;
        Ok(true)
    }
}
