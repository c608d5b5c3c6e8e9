//! What each chain event does to the state of a node. No I/O but the key-value view that is handed in.

use floe_chain::{ChainEvent, EventCursor, EventKind};
use floe_protocol::{Epoch, ObjectId};
use floe_redstuff::BlobId;
use serde::{Deserialize, Serialize};

use super::LedgerError;
use super::keys;
use super::overlay::{Kv, Overlay, Undo};
use super::record::{BadRecord, BlobRecord, Claim, EventRef, Single, decode, encode};

/// Blocks whose events can be undone. A reorganisation beyond that rebuilds the state from the first event.
pub(crate) const UNDO_BLOCKS: u64 = 512;

/// The epoch that the events have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EpochInfo {
    pub(crate) epoch: u32,
    /// Chain time in seconds.
    pub(crate) started_at: u64,
}

/// How far the events have been followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) cursor: EventCursor,
    pub(crate) events: u64,
}

/// What has to happen once the state is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    pub(crate) registered: Vec<BlobId>,
    pub(crate) certified: Vec<BlobId>,
    pub(crate) invalidated: Vec<BlobId>,
    pub(crate) epoch_changed: bool,
    pub(crate) members_changed: bool,
}

/// Position of a cursor in the order of events.
pub(crate) fn position(cursor: &EventCursor) -> (u64, u64) {
    (cursor.block, cursor.log_index)
}

pub(crate) fn progress<K: Kv>(kv: &Overlay<'_, K>) -> Result<Progress, LedgerError> {
    Ok(kv.get(keys::CURSOR)?.and_then(|bytes| decode(&bytes)).unwrap_or_default())
}

pub(crate) fn epoch<K: Kv>(kv: &Overlay<'_, K>) -> Result<Option<EpochInfo>, LedgerError> {
    Ok(kv.get(keys::EPOCH)?.and_then(|bytes| decode(&bytes)))
}

/// What is known of a blob, as of the ends that its pools have now.
pub(crate) fn record<K: Kv>(kv: &Overlay<'_, K>, blob: &BlobId) -> Result<Option<BlobRecord>, LedgerError> {
    let Some(mut record) = stored(kv, blob)? else { return Ok(None) };
    if record.pooled.is_some() {
        record.sum_up(now(kv)?, &singles(kv, blob)?);
    }
    Ok(Some(record))
}

/// The record as it was last written: a pool may have been extended since.
pub(crate) fn stored<K: Kv>(kv: &Overlay<'_, K>, blob: &BlobId) -> Result<Option<BlobRecord>, LedgerError> {
    let Some(bytes) = kv.get(&keys::blob(blob))? else { return Ok(None) };
    match decode(&bytes) {
        Some(record) => Ok(Some(record)),
        None => Err(BadRecord { blob: *blob, bytes: bytes.len() }.into()),
    }
}

/// Applies one event. An event at or before the cursor was applied before and changes nothing.
pub(crate) fn apply<K: Kv>(
    kv: &mut Overlay<'_, K>,
    event: &ChainEvent,
    effects: &mut Effects,
) -> Result<(), LedgerError> {
    let mut progress = progress(kv)?;
    if position(&event.cursor) <= position(&progress.cursor) {
        return Ok(());
    }
    kv.start_journal();
    apply_kind(kv, event, effects)?;
    progress.cursor = event.cursor;
    progress.events += 1;
    kv.set(keys::CURSOR.to_vec(), Some(encode(&progress)))?;
    let undo = kv.take_journal();
    kv.set(keys::undo(&event.cursor), Some(encode(&undo)))?;
    prune_journal(kv, event.cursor.block)
}

fn now<K: Kv>(kv: &Overlay<'_, K>) -> Result<Epoch, LedgerError> {
    Ok(epoch(kv)?.map_or(Epoch(0), |info| Epoch(info.epoch)))
}

fn apply_kind<K: Kv>(kv: &mut Overlay<'_, K>, event: &ChainEvent, effects: &mut Effects) -> Result<(), LedgerError> {
    let now = now(kv)?;
    let source = EventRef { tx: *event.tx.as_bytes(), log_index: event.cursor.log_index };
    match &event.kind {
        EventKind::EpochChanged { epoch, started_at } => {
            let info = EpochInfo { epoch: epoch.0, started_at: *started_at };
            kv.set(keys::EPOCH.to_vec(), Some(encode(&info)))?;
            effects.epoch_changed = true;
        }
        EventKind::NodeRegistered { .. } | EventKind::NodeUrlChanged { .. } => effects.members_changed = true,
        EventKind::NodeKeyAnnounced { .. }
        | EventKind::CommitteeSelected { .. }
        | EventKind::ShardsReceived { .. }
        | EventKind::EpochChangeDone { .. } => {}
        EventKind::BlobRegistered { object, .. } => {
            let claim = Claim { end: object.end_epoch.0, event: source };
            if object.deletable {
                let entry = Single { registered: claim, certified: None, deletable: true, pool: None };
                put_single(kv, &object.blob_id, &object.object_id, Some(entry))?;
                sum_up(kv, &object.blob_id, now, |record| record.size = object.size)?;
            } else {
                update(kv, &object.blob_id, |record| record.register(now, object.size, claim))?;
            }
            effects.registered.push(object.blob_id);
        }
        EventKind::BlobCertified { blob_id, object_id, deletable, certified_epoch, end_epoch } => {
            let claim = Claim { end: end_epoch.0, event: source };
            if *deletable {
                let certified = Some((certified_epoch.0, source));
                let entry = Single { registered: claim, certified, deletable: true, pool: None };
                put_single(kv, blob_id, object_id, Some(entry))?;
                sum_up(kv, blob_id, now, |_| {})?;
            } else {
                update(kv, blob_id, |record| record.certify(now, *certified_epoch, claim))?;
            }
            effects.certified.push(*blob_id);
        }
        EventKind::BlobExtended { blob_id, object_id, certified_epoch, end_epoch, .. } => {
            let claim = Claim { end: end_epoch.0, event: source };
            if let Some(mut entry) = single(kv, blob_id, object_id)? {
                entry.registered = claim;
                put_single(kv, blob_id, object_id, Some(entry))?;
                sum_up(kv, blob_id, now, |_| {})?;
            } else {
                update(kv, blob_id, |record| {
                    record.register(now, record.size, claim);
                    record.certify(now, *certified_epoch, claim);
                })?;
            }
        }
        EventKind::BlobDeleted { blob_id, object_id, .. } | EventKind::PooledBlobDeleted { blob_id, object_id, .. } => {
            put_single(kv, blob_id, object_id, None)?;
            sum_up(kv, blob_id, now, |_| {})?;
        }
        EventKind::PoolCreated { pool_id, end_epoch } | EventKind::PoolExtended { pool_id, end_epoch } => {
            kv.set(keys::pool(*pool_id), Some(encode(&end_epoch.0)))?;
        }
        EventKind::PooledBlobRegistered { pool_id, object_id, blob_id, size, deletable, end_epoch } => {
            let registered = Claim { end: end_epoch.0, event: source };
            let entry = Single { registered, certified: None, deletable: *deletable, pool: Some(*pool_id) };
            put_single(kv, blob_id, object_id, Some(entry))?;
            sum_up(kv, blob_id, now, |record| record.size = *size)?;
            effects.registered.push(*blob_id);
        }
        EventKind::PooledBlobCertified { blob_id, object_id, certified_epoch, .. } => {
            if let Some(mut entry) = single(kv, blob_id, object_id)? {
                entry.certified = Some((certified_epoch.0, source));
                put_single(kv, blob_id, object_id, Some(entry))?;
                sum_up(kv, blob_id, now, |_| {})?;
            }
            effects.certified.push(*blob_id);
        }
        EventKind::BlobInvalidated { blob_id, .. } => {
            update(kv, blob_id, |record| record.invalid = Some(source))?;
            effects.invalidated.push(*blob_id);
        }
    }
    Ok(())
}

/// A registration that is kept by itself; `None` for a permanent one outside of pools.
pub(crate) fn single<K: Kv>(
    kv: &Overlay<'_, K>,
    blob: &BlobId,
    object: &ObjectId,
) -> Result<Option<Single>, LedgerError> {
    let entry = kv.get(&keys::single(blob, object))?.and_then(|bytes| decode(&bytes));
    entry.map(|entry| with_pool(kv, entry)).transpose()
}

/// All registrations of a blob that are kept one by one, ended ones included.
pub(crate) fn singles<K: Kv>(kv: &Overlay<'_, K>, blob: &BlobId) -> Result<Vec<Single>, LedgerError> {
    Ok(objects(kv, blob)?.into_iter().map(|(_, entry)| entry).collect())
}

/// The same with their numbers.
pub(crate) fn objects<K: Kv>(kv: &Overlay<'_, K>, blob: &BlobId) -> Result<Vec<(ObjectId, Single)>, LedgerError> {
    let rows = kv.range(&keys::singles_of(blob))?;
    let known = rows.iter().filter_map(|(key, bytes)| Some((keys::object_of(key)?, decode(bytes)?)));
    known.map(|(object, entry)| Ok((object, with_pool(kv, entry)?))).collect()
}

/// A registration with the end that its pool has now: an extension of a pool writes nothing for the blobs in it.
fn with_pool<K: Kv>(kv: &Overlay<'_, K>, mut entry: Single) -> Result<Single, LedgerError> {
    let Some(pool) = entry.pool else { return Ok(entry) };
    if let Some(end) = kv.get(&keys::pool(pool))?.and_then(|bytes| decode(&bytes)) {
        entry.registered.end = end;
    }
    Ok(entry)
}

fn put_single<K: Kv>(
    kv: &mut Overlay<'_, K>,
    blob: &BlobId,
    object: &ObjectId,
    entry: Option<Single>,
) -> Result<(), LedgerError> {
    Ok(kv.set(keys::single(blob, object), entry.as_ref().map(encode))?)
}

/// Writes a blob's record and its place in the index as of the ends that its pools have now. Without effect on one that
/// was in no pool.
pub(crate) fn refresh<K: Kv>(kv: &mut Overlay<'_, K>, blob: &BlobId) -> Result<(), LedgerError> {
    update(kv, blob, |_| {})
}

/// Brings the record of a blob in step with the registrations that are kept one by one.
fn sum_up<K: Kv>(
    kv: &mut Overlay<'_, K>,
    blob: &BlobId,
    now: Epoch,
    change: impl FnOnce(&mut BlobRecord),
) -> Result<(), LedgerError> {
    let singles = singles(kv, blob)?;
    update(kv, blob, |record| {
        change(record);
        record.sum_up(now, &singles);
        record.note_dropped(now);
    })
}

/// Changes the record of a blob and keeps the index by end epoch in step.
fn update<K: Kv>(
    kv: &mut Overlay<'_, K>,
    blob: &BlobId,
    change: impl FnOnce(&mut BlobRecord),
) -> Result<(), LedgerError> {
    let before = stored(kv, blob)?.and_then(|record| record.end());
    let mut record = record(kv, blob)?.unwrap_or_default();
    change(&mut record);
    let after = record.end();
    if before != after {
        if let Some(end) = before {
            kv.set(keys::expiry(end, blob), None)?;
        }
        if let Some(end) = after {
            kv.set(keys::expiry(end, blob), Some(Vec::new()))?;
        }
    }
    kv.set(keys::blob(blob), Some(encode(&record)))?;
    Ok(())
}

/// Drops journal entries that are too old to be needed, once in a while.
fn prune_journal<K: Kv>(kv: &mut Overlay<'_, K>, block: u64) -> Result<(), LedgerError> {
    let floor = undo_floor(kv)?;
    if block < floor + 2 * UNDO_BLOCKS {
        return Ok(());
    }
    let floor = block - UNDO_BLOCKS;
    for key in kv.range(keys::UNDO_PREFIX)?.into_keys() {
        if keys::undo_position(&key).is_none_or(|(block, _)| block < floor) {
            kv.set(key, None)?;
        }
    }
    kv.set(keys::UNDO_FLOOR.to_vec(), Some(encode(&floor)))?;
    Ok(())
}

fn undo_floor<K: Kv>(kv: &Overlay<'_, K>) -> Result<u64, LedgerError> {
    Ok(kv.get(keys::UNDO_FLOOR)?.and_then(|bytes| decode(&bytes)).unwrap_or_default())
}

/// Cursor movements shorter than this over blocks without events are not worth a disk write.
pub(crate) const SKIP_BLOCKS_MIN: u64 = 64;

/// Moves the cursor forward over blocks that hold no events.
pub(crate) fn skip_to<K: Kv>(kv: &mut Overlay<'_, K>, to: &EventCursor) -> Result<(), LedgerError> {
    let mut progress = progress(kv)?;
    if to.block >= progress.cursor.block.saturating_add(SKIP_BLOCKS_MIN) {
        progress.cursor = *to;
        kv.set(keys::CURSOR.to_vec(), Some(encode(&progress)))?;
    }
    Ok(())
}

/// What a rollback did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RolledBack {
    /// Undone back to the cursor, so many events.
    Undone(u64),
    /// The journal does not reach back that far: everything was dropped, events start over.
    StartOver,
}

/// Takes back every event after `to`.
pub(crate) fn rollback<K: Kv>(kv: &mut Overlay<'_, K>, to: &EventCursor) -> Result<RolledBack, LedgerError> {
    let mut progress = progress(kv)?;
    // The sweep may have passed an epoch that did not happen.
    kv.set(keys::SWEPT.to_vec(), None)?;
    if to.block < undo_floor(kv)? {
        for prefix in [
            keys::BLOB_PREFIX,
            keys::SINGLE_PREFIX,
            keys::POOL_PREFIX,
            keys::EXPIRY_PREFIX,
            keys::UNDO_PREFIX,
            keys::MISSING_PREFIX,
        ] {
            for key in kv.range(prefix)?.into_keys() {
                kv.set(key, None)?;
            }
        }
        for key in [keys::CURSOR, keys::EPOCH, keys::UNDO_FLOOR] {
            kv.set(key.to_vec(), None)?;
        }
        return Ok(RolledBack::StartOver);
    }
    let mut undone = 0;
    for (key, bytes) in kv.range(keys::UNDO_PREFIX)?.into_iter().rev() {
        if keys::undo_position(&key).is_some_and(|at| at <= position(to)) {
            break;
        }
        for (key, before) in decode::<Undo>(&bytes).unwrap_or_default().into_iter().rev() {
            kv.set(key, before)?;
        }
        kv.set(key, None)?;
        undone += 1;
    }
    progress.cursor = *to;
    progress.events = progress.events.saturating_sub(undone);
    kv.set(keys::CURSOR.to_vec(), Some(encode(&progress)))?;
    Ok(RolledBack::Undone(undone))
}

#[cfg(test)]
mod tests;
