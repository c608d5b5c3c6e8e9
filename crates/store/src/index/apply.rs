//! Changing the index: one transaction for a group of batches.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use redb::{ReadableTable, Table};

use super::memtable::Memtable;
use super::ops::ROW_BYTES;
use super::{
    Index, IndexOp, META, META_COMMIT, META_FORMAT, META_LOG_END, META_SEQUENCE, QUARANTINE, RECORDS, Row, SEGMENTS,
    STATE, classify,
};
use crate::StoreError;
use crate::key::{KEY_BYTES, RecordKey};
use crate::segment::{FORMAT_VERSION, Location, SegmentInfo, read_u32, read_u64};

/// What one transaction does.
#[derive(Debug, Default)]
pub(crate) struct Commit<'a> {
    /// In order.
    pub(crate) ops: Vec<&'a IndexOp>,
    /// Segment rows that changed by appends; their `live` is ignored.
    pub(crate) segments: Vec<(u64, SegmentInfo)>,
    /// Where the log ends after these batches; `None` leaves it.
    pub(crate) log_end: Option<Location>,
    /// No record has a higher sequence; never lowers the stored one.
    pub(crate) sequence: u64,
}

/// How live bytes per segment changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LiveChange {
    /// By these differences.
    Delta(BTreeMap<u64, i64>),
    /// To exactly these values: the index was opened again in between.
    Exact(BTreeMap<u64, u64>),
}

pub(super) type LiveDelta = BTreeMap<u64, i64>;

type Records<'t> = Table<'t, &'static [u8; KEY_BYTES], &'static [u8; ROW_BYTES]>;

impl Index {
    /// Makes a commit visible that lies durably in the log: in memory as long as there is room for it, so that many
    /// batches share what a commit of the database costs. What a replay of the log would not do goes to the database.
    ///
    /// An error says that nothing of it is visible, as with [`Self::commit`].
    pub(crate) fn follow(&self, commit: &Commit<'_>, operations_max: usize) -> Result<LiveChange, StoreError> {
        let keep = commit.is_replayed() && Memtable::default().has_room(commit, operations_max);
        if !keep || !self.memtable.read().has_room(commit, operations_max) {
            self.flush()?;
        }
        if keep { self.remember(commit).map(LiveChange::Delta) } else { self.commit(commit) }
    }

    /// Brings the database up to where the log is.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        // Only the thread that commits changes the memtable: what is written is what is cleared.
        let (ops, kept) = {
            let memtable = self.memtable.read();
            if memtable.is_empty() {
                return Ok(());
            }
            (memtable.operations(), memtable.commit())
        };
        // The segment table in memory has followed these changes already.
        self.write(&Commit { ops: ops.iter().collect(), ..kept })?;
        *self.memtable.write() = Memtable::default();
        Ok(())
    }

    /// Takes a commit into memory.
    fn remember(&self, commit: &Commit<'_>) -> Result<LiveDelta, StoreError> {
        let stored = self.read(|transaction| {
            let Some(table) = self.table(transaction, RECORDS)? else { return Ok(Vec::new()) };
            let mut rows = Vec::new();
            let mut last = None;
            for op in &commit.ops {
                let IndexOp::Put { key, .. } = op else { continue };
                let bytes = key.to_bytes();
                // Most blobs are new, with all of their keys.
                let is_known = match last {
                    Some((blob, is_known)) if blob == key.blob => is_known,
                    _ => {
                        let (low, high) = RecordKey::range_of(&key.blob);
                        table.range::<&[u8; KEY_BYTES]>(&low..=&high)?.next().is_some()
                    }
                };
                last = Some((key.blob, is_known));
                let row = if is_known { table.get(&bytes)? } else { None };
                rows.push(row.and_then(|value| Row::from_bytes(&bytes, value.value())));
            }
            Ok(rows)
        })?;
        Ok(self.memtable.write().apply(commit, &stored))
    }

    /// Applies a commit durably, all or nothing. When the database breaks on the way it is opened again, and what
    /// happened is read from it: `Ok` says that the commit is durable, an error that it is not there (or, when opening
    /// again fails too, that the next open tells).
    pub(crate) fn commit(&self, commit: &Commit<'_>) -> Result<LiveChange, StoreError> {
        let (generation, delta) = self.write(commit)?;
        match delta {
            Some(delta) if self.counted.load(Ordering::Acquire) == generation => Ok(LiveChange::Delta(delta)),
            _ => self.exact_live(generation),
        }
    }

    /// The generation of the database that has the commit now, and what it changed, unless it landed in spite of an error.
    fn write(&self, commit: &Commit<'_>) -> Result<(u64, Option<LiveDelta>), StoreError> {
        let mut again = true;
        loop {
            let opened = self.opened()?;
            let before = self.log_state()?.commit;
            let error = match self.try_commit(&opened.database, commit, before + 1) {
                Ok(delta) => {
                    self.last_commit.store(before + 1, Ordering::Release);
                    return Ok((opened.generation, Some(delta)));
                }
                Err(error) => classify(&opened.state, "commit to the index", error),
            };
            if opened.state.sync_failed.load(Ordering::Acquire) {
                return Err(error);
            }
            let generation = opened.generation;
            drop(opened);
            let reopened = self.reopen(generation)?;
            if self.log_state()?.commit != before {
                // It had landed before the error, and opening made it durable.
                self.last_commit.store(before + 1, Ordering::Release);
                return Ok((reopened.generation, None));
            }
            if !again || matches!(error, StoreError::Full { .. }) {
                return Err(error);
            }
            again = false;
        }
    }

    fn exact_live(&self, generation: u64) -> Result<LiveChange, StoreError> {
        // The commit is there: an error now must not read as its absence.
        let segments =
            self.segments().map_err(|error| self.stop(&format!("the index cannot be read back: {error}")))?;
        let live = segments.into_iter().map(|(id, info)| (id, info.live)).collect();
        self.counted.store(generation, Ordering::Release);
        Ok(LiveChange::Exact(live))
    }

    fn try_commit(
        &self,
        database: &redb::Database,
        commit: &Commit<'_>,
        number: u64,
    ) -> Result<LiveDelta, redb::Error> {
        let transaction = database.begin_write()?;
        let mut delta = LiveDelta::new();
        {
            let mut records = transaction.open_table(RECORDS)?;
            let mut segments = transaction.open_table(SEGMENTS)?;
            let mut state = transaction.open_table(STATE)?;
            let mut quarantine = transaction.open_table(QUARANTINE)?;
            let mut meta = transaction.open_table(META)?;
            for (id, info) in &commit.segments {
                let live = segments.get(id)?.and_then(|row| SegmentInfo::from_bytes(*id, row.value()));
                let row = SegmentInfo { live: live.map_or(0, |row| row.live), ..*info };
                segments.insert(id, &row.to_bytes(*id))?;
            }
            let mut dropped = Vec::new();
            for op in &commit.ops {
                match op {
                    IndexOp::Put { key, row } => put(&mut records, &mut delta, key, row)?,
                    IndexOp::Move { key, row, from } => {
                        let bytes = key.to_bytes();
                        let old = records.get(&bytes)?.and_then(|old| Row::from_bytes(&bytes, old.value()));
                        if old.is_some_and(|old| old.at == *from) {
                            put(&mut records, &mut delta, key, row)?;
                        }
                    }
                    IndexOp::Delete { blob, sequences } => delete(&mut records, &mut delta, blob, sequences)?,
                    IndexOp::DropSegment { segment } => dropped.push(*segment),
                    IndexOp::State { key, value: Some(value) } => {
                        state.insert(key.as_slice(), seal_state(key, value).as_slice())?;
                    }
                    IndexOp::State { key, value: None } => {
                        state.remove(key.as_slice())?;
                    }
                    IndexOp::SetAside { key, row, reason } => {
                        let bytes = key.to_bytes();
                        let old = records.get(&bytes)?.and_then(|old| Row::from_bytes(&bytes, old.value()));
                        if old == Some(*row) {
                            remove(&mut records, &mut delta, &bytes)?;
                            let place = (row.at.segment, row.at.offset);
                            quarantine.insert(place, encode_quarantine(key, row, *reason).as_slice())?;
                        }
                    }
                    IndexOp::Found { key, row } => {
                        let bytes = key.to_bytes();
                        let old = records.get(&bytes)?.and_then(|old| Row::from_bytes(&bytes, old.value()));
                        if old.is_none_or(|old| old.sequence <= row.sequence) {
                            put(&mut records, &mut delta, key, row)?;
                        }
                    }
                    IndexOp::FoundBad { key, row, reason } => {
                        let place = (row.at.segment, row.at.offset);
                        quarantine.insert(place, encode_quarantine(key, row, *reason).as_slice())?;
                    }
                }
            }
            for (id, change) in &delta {
                let old = segments.get(id)?.and_then(|row| SegmentInfo::from_bytes(*id, row.value()));
                if let Some(mut row) = old {
                    row.live = row.live.saturating_add_signed(*change);
                    segments.insert(id, &row.to_bytes(*id))?;
                }
            }
            for id in dropped {
                segments.remove(&id)?;
            }
            meta.insert(META_FORMAT, FORMAT_VERSION.to_le_bytes().as_slice())?;
            meta.insert(META_COMMIT, number.to_le_bytes().as_slice())?;
            let sequence = meta.get(META_SEQUENCE)?.and_then(|value| read_u64(value.value(), 0)).unwrap_or(0);
            meta.insert(META_SEQUENCE, sequence.max(commit.sequence).to_le_bytes().as_slice())?;
            if let Some(end) = commit.log_end {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&end.segment.to_le_bytes());
                bytes[8..].copy_from_slice(&end.offset.to_le_bytes());
                meta.insert(META_LOG_END, bytes.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(delta)
    }
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).expect("a record is smaller than 2^63 bytes")
}

fn put(records: &mut Records<'_>, delta: &mut LiveDelta, key: &RecordKey, row: &Row) -> Result<(), redb::Error> {
    let bytes = key.to_bytes();
    let old = records.insert(&bytes, &row.to_bytes(&bytes))?;
    if let Some(old) = old.and_then(|old| Row::from_bytes(&bytes, old.value())) {
        *delta.entry(old.at.segment).or_default() -= signed(old.disk_len());
    }
    *delta.entry(row.at.segment).or_default() += signed(row.disk_len());
    Ok(())
}

fn remove(records: &mut Records<'_>, delta: &mut LiveDelta, key: &[u8; KEY_BYTES]) -> Result<(), redb::Error> {
    let old = records.remove(key)?;
    if let Some(old) = old.and_then(|old| Row::from_bytes(key, old.value())) {
        *delta.entry(old.at.segment).or_default() -= signed(old.disk_len());
    }
    Ok(())
}

fn delete(
    records: &mut Records<'_>,
    delta: &mut LiveDelta,
    blob: &[u8; 32],
    sequences: &[u64],
) -> Result<(), redb::Error> {
    let (low, high) = RecordKey::range_of(blob);
    let mut gone = Vec::new();
    for row in records.range::<&[u8; KEY_BYTES]>(&low..=&high)? {
        let (key, value) = row?;
        if Row::from_bytes(key.value(), value.value()).is_some_and(|row| sequences.contains(&row.sequence)) {
            gone.push(*key.value());
        }
    }
    gone.iter().try_for_each(|key| remove(records, delta, key))
}

/// A state value is stored behind a checksum of key and value.
fn seal_state(key: &[u8], value: &[u8]) -> Vec<u8> {
    let sum = crc32c::crc32c_append(crc32c::crc32c(key), value);
    [sum.to_le_bytes().as_slice(), value].concat()
}

pub(super) fn unseal_state(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let value = sealed.get(4..)?;
    (read_u32(sealed, 0)? == crc32c::crc32c_append(crc32c::crc32c(key), value)).then(|| value.to_vec())
}

fn encode_quarantine(key: &RecordKey, row: &Row, reason: u8) -> Vec<u8> {
    let key = key.to_bytes();
    [key.as_slice(), &row.to_bytes(&key), &[reason]].concat()
}

pub(super) fn decode_quarantine(bytes: &[u8]) -> Option<(RecordKey, Row, u8)> {
    let (key, rest) = bytes.split_first_chunk::<KEY_BYTES>()?;
    let (row, reason) = rest.split_first_chunk::<ROW_BYTES>()?;
    Some((RecordKey::from_bytes(key)?, Row::from_bytes(key, row)?, *reason.first()?))
}
