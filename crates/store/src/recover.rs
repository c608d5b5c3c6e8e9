//! Opening: the index says what is visible, batches that the log has behind it are applied, the rest of the tail is cut
//! off. Every step may be cut short by a crash and is then done again.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;

use crate::commit::Queue;
use crate::disk::{Disk, OpenMode};
use crate::index::{Commit, INDEX_FILE, Index, IndexOp, LogState, Row, decode_ops};
use crate::key::RecordKey;
use crate::segment::{
    CommitLink, Fault, Handles, Location, Log, RECORD_HEADER, RecordHeader, RecordKind, Resume, SEGMENT_HEADER, Scan,
    Scanned, SegmentHeader, SegmentInfo, SegmentTable, parse_segment_name, read_record, read_segment_header,
    segment_name,
};
use crate::store::{Inner, Store};
use crate::{StoreError, StoreOptions};

/// Bits of a sequence that count within one run of the store; the bits above count the runs.
const SEQUENCE_RUN_BITS: u32 = 40;
/// An index without segments that cannot be read is renamed to this.
const DAMAGED_INDEX: &str = "index-damaged.redb";

impl Store {
    /// Opens the store in a folder, creating it when the folder is empty, and recovers whatever state a crash left.
    ///
    /// # Errors
    /// [`StoreError::IndexLost`] when segments exist but the index is missing or unreadable: then
    /// [`Store::rebuild_index`] helps. `Version` for a format of another build. `Full`, `Io`, `Failed` from the disk.
    pub fn open(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Self, StoreError> {
        let names = disk.list().map_err(|source| StoreError::io("list the store folder", source))?;
        let ids = segment_ids(&names);
        let has_index = names.iter().any(|name| name == INDEX_FILE);
        if !has_index && !ids.is_empty() {
            return Err(StoreError::IndexLost { reason: format!("{INDEX_FILE} does not exist but segments do") });
        }
        let index = open_index(&disk, &options, ids.is_empty())?;
        let mut recovery = Recovery::new(disk.clone(), index)?;
        recovery.find_segments(&ids)?;
        recovery.apply_tail()?;
        recovery.cut_tail()?;
        recovery.finish(options)
    }
}

/// The segments among file names, in order.
pub(crate) fn segment_ids(names: &[String]) -> Vec<u64> {
    let mut ids: Vec<u64> = names.iter().filter_map(|name| parse_segment_name(name)).collect();
    ids.sort_unstable();
    ids
}

fn open_index(disk: &Arc<dyn Disk>, options: &StoreOptions, fresh: bool) -> Result<Index, StoreError> {
    let open = || Index::open(disk.clone(), INDEX_FILE, options.index_cache_bytes, fresh);
    match open() {
        // Nothing was ever stored: a crash cut the very first opening short.
        Err(StoreError::IndexLost { reason }) if fresh => {
            tracing::warn!(reason, "an unreadable index without segments was set aside");
            disk.rename(INDEX_FILE, DAMAGED_INDEX).map_err(|source| StoreError::io("set an index aside", source))?;
            open()
        }
        other => other,
    }
}

/// A commit record in the log behind what the index knows.
struct FoundBatch {
    header: RecordHeader,
    end: Location,
    /// `None` when they cannot be read.
    ops: Option<Vec<IndexOp>>,
    /// Records of it that do not verify.
    bad: Vec<(RecordKey, Row, Fault)>,
}

impl FoundBatch {
    /// Its operations; what does not verify goes to the quarantine.
    fn into_ops(self) -> impl Iterator<Item = IndexOp> {
        let set_aside = |(key, row, fault)| IndexOp::SetAside { key, row, reason: fault as u8 };
        self.ops.into_iter().flatten().chain(self.bad.into_iter().map(set_aside))
    }
}

struct Recovery {
    disk: Arc<dyn Disk>,
    index: Index,
    state: LogState,
    segments: BTreeMap<u64, SegmentInfo>,
    /// Files of segments, by id.
    files: Vec<u64>,
    next_id: u64,
}

impl Recovery {
    fn new(disk: Arc<dyn Disk>, index: Index) -> Result<Self, StoreError> {
        let state = index.log_state()?;
        let segments = index.segments()?;
        Ok(Self { disk, index, state, segments, files: Vec::new(), next_id: 1 })
    }

    /// Where the log ends as far as the index knows.
    fn log_end(&self) -> Location {
        self.state.log_end.unwrap_or(Location { segment: 0, offset: 0 })
    }

    /// Sorts out which files belong to the log; removes those that garbage collection had emptied.
    fn find_segments(&mut self, ids: &[u64]) -> Result<(), StoreError> {
        let known = self.segments.keys().copied().chain(ids.iter().copied()).chain([self.log_end().segment]);
        self.next_id = known.max().unwrap_or(0) + 1;
        for id in ids {
            if *id < self.log_end().segment && !self.segments.contains_key(id) {
                self.unlink(*id)?;
            } else {
                self.files.push(*id);
            }
        }
        for (id, info) in &self.segments {
            if info.live > 0 && !self.files.contains(id) {
                tracing::error!(segment = id, "a segment that the index needs is missing");
            }
        }
        Ok(())
    }

    fn unlink(&self, id: u64) -> Result<(), StoreError> {
        self.disk.unlink(&segment_name(id)).map_err(|source| StoreError::io("remove an unused segment", source))
    }

    fn header_of(&self, id: u64) -> Result<Option<SegmentHeader>, StoreError> {
        // The index keeps the salt too: a damaged segment header loses nothing.
        if let Some(info) = self.segments.get(&id) {
            return Ok(Some(SegmentHeader { id, salt: info.salt }));
        }
        let file = self.open(id)?;
        read_segment_header(&*file, id).map_err(|source| StoreError::io("read a segment header", source))
    }

    fn open(&self, id: u64) -> Result<Arc<dyn crate::disk::DiskFile>, StoreError> {
        let wrap = |source| StoreError::io("open a segment", source);
        self.disk.open(&segment_name(id), OpenMode::Existing).map_err(wrap)
    }

    /// Applies what the log has behind the index: batches that are whole, whether they were acknowledged or not, and those
    /// that were durable once, without their records that have been damaged since.
    fn apply_tail(&mut self) -> Result<(), StoreError> {
        let log_end = self.log_end();
        let mut found = Vec::new();
        let tail: Vec<u64> = self.files.iter().copied().filter(|id| *id >= log_end.segment).collect();
        for id in &tail {
            let from = if *id == log_end.segment { log_end.offset } else { SEGMENT_HEADER };
            found.extend(self.scan_tail(*id, from)?);
        }
        let (batches, left_out) = self.judge(found)?;
        let Some(last) = batches.last() else { return Ok(()) };
        tracing::info!(batches = batches.len(), "batches found in the log are applied to the index");
        let log_end = last.end;
        let sequence = batches.iter().fold(self.state.sequence, |highest, batch| highest.max(batch.header.sequence));
        let segments = self.segments.iter().filter(|(id, _)| **id >= self.log_end().segment && **id <= log_end.segment);
        let segments = segments.map(|(id, info)| (*id, *info)).collect();
        let ops: Vec<IndexOp> = batches.into_iter().flat_map(FoundBatch::into_ops).collect();
        self.void(&left_out)?;
        self.sync_segments(&ops, &tail)?;
        self.index.commit(&Commit { ops: ops.iter().collect(), segments, log_end: Some(log_end), sequence })?;
        self.state = self.index.log_state()?;
        let live = self.index.segments()?;
        for (id, info) in &mut self.segments {
            info.live = live.get(id).map_or(0, |row| row.live);
        }
        for op in ops {
            if let IndexOp::DropSegment { segment } = op
                && self.segments.remove(&segment).is_some()
                && let Some(position) = self.files.iter().position(|id| *id == segment)
            {
                self.files.remove(position);
                self.unlink(segment)?;
            }
        }
        Ok(())
    }

    /// Tells the batches to apply from those to leave out. One that was durable once and cannot be read any more may not be
    /// left out in silence: later ones build on it.
    fn judge(&self, found: Vec<FoundBatch>) -> Result<(Vec<FoundBatch>, Vec<FoundBatch>), StoreError> {
        let links = found.iter().map(|batch| CommitLink::from_bytes(&batch.header.blob));
        let durable = links.filter_map(|link| link.durable).max();
        let damaged = |at: Location| StoreError::IndexLost {
            reason: format!("a commit record of segment {} before offset {} is damaged", at.segment, at.offset),
        };
        let (mut batches, mut left_out) = (Vec::new(), Vec::new());
        let mut last = self.state.log_end;
        for batch in found {
            let previous = CommitLink::from_bytes(&batch.header.blob).previous;
            if previous.is_some() && previous != last && previous <= durable {
                return Err(damaged(batch.end));
            }
            last = Some(batch.end);
            if batch.header.kind == RecordKind::Void {
                continue;
            }
            let was_durable = last <= durable;
            if batch.ops.is_none() && was_durable {
                return Err(damaged(batch.end));
            }
            if batch.ops.is_some() && (batch.bad.is_empty() || was_durable) {
                for (key, row, fault) in &batch.bad {
                    let (segment, offset, reason) = (row.at.segment, row.at.offset, fault.reason());
                    tracing::error!(%key, segment, offset, reason, "a stored record is damaged and was set aside");
                }
                batches.push(batch);
            } else {
                tracing::info!(batch = batch.header.sequence, "a batch whose write was cut short is left out");
                left_out.push(batch);
            }
        }
        Ok((batches, left_out))
    }

    /// Marks batches that were not whole, in place: batches behind them will be durable, which must not say that these were.
    fn void(&self, left_out: &[FoundBatch]) -> Result<(), StoreError> {
        for FoundBatch { header, end, .. } in left_out {
            let at = Location { offset: end.offset - header.disk_len(), ..*end };
            let Some(segment) = self.header_of(at.segment)? else { continue };
            let bytes = RecordHeader { kind: RecordKind::Void, ..*header }.encode(segment.salt, at);
            let written = self.open(at.segment)?.write_all_at(&bytes, at.offset);
            written.map_err(|source| StoreError::io("leave a batch out", source))?;
        }
        Ok(())
    }

    /// Makes durable what the index is about to name: the process that wrote it may have died before it did.
    fn sync_segments(&self, ops: &[IndexOp], tail: &[u64]) -> Result<(), StoreError> {
        let named = ops.iter().filter_map(|op| match op {
            IndexOp::Put { row, .. } | IndexOp::Move { row, .. } => Some(row.at.segment),
            _ => None,
        });
        let ids: BTreeSet<u64> = named.chain(tail.iter().copied()).filter(|id| self.files.contains(id)).collect();
        let failed = |error| StoreError::failed(format!("fsync of a segment failed: {error}"));
        for id in ids {
            self.open(id)?.sync_data().map_err(failed)?;
        }
        self.disk.sync_dir().map_err(|error| StoreError::failed(format!("fsync of the folder failed: {error}")))
    }

    /// The commit records of one segment from an offset on; brings the segment's figures up to date.
    fn scan_tail(&mut self, id: u64, from: u64) -> Result<Vec<FoundBatch>, StoreError> {
        let wrap = |source| StoreError::io("read the tail of the log", source);
        let Some(header) = self.header_of(id)? else { return Ok(Vec::new()) };
        let file = self.open(id)?;
        let len = file.len().map_err(wrap)?;
        let mut info = self.segments.get(&id).copied().unwrap_or(SegmentInfo {
            salt: header.salt,
            end: SEGMENT_HEADER,
            live: 0,
            min_sequence: u64::MAX,
        });
        let mut batches = Vec::new();
        for found in Scan::new(&*file, header, from, len, true) {
            let Scanned::Record(at, record) = found.map_err(wrap)? else { continue };
            let end = Location { segment: id, offset: at.offset + record.disk_len() };
            info.end = info.end.max(end.offset);
            match record.kind {
                RecordKind::Item(_) => info.min_sequence = info.min_sequence.min(record.sequence),
                RecordKind::Commit => {
                    // Rows of this segment need its salt to be verified.
                    self.segments.insert(id, info);
                    let ops = read_record(&*file, header.salt, at, record.length).map_err(wrap)?;
                    let ops = ops.ok().and_then(|(_, bytes)| decode_ops(&bytes[RECORD_HEADER..]));
                    let bad = self.faults(ops.as_deref().unwrap_or_default())?;
                    batches.push(FoundBatch { header: record, end, ops, bad });
                }
                RecordKind::Void => batches.push(FoundBatch { header: record, end, ops: None, bad: Vec::new() }),
                RecordKind::Tombstone => {}
            }
        }
        self.segments.insert(id, info);
        Ok(batches)
    }

    /// The records that operations name and that do not verify.
    fn faults(&self, ops: &[IndexOp]) -> Result<Vec<(RecordKey, Row, Fault)>, StoreError> {
        let mut bad = Vec::new();
        for op in ops {
            if let IndexOp::Put { key, row } | IndexOp::Move { key, row, .. } = op
                && let Some(fault) = self.fault_of(key, row)?
            {
                bad.push((*key, *row, fault));
            }
        }
        Ok(bad)
    }

    fn fault_of(&self, key: &RecordKey, row: &Row) -> Result<Option<Fault>, StoreError> {
        if !self.files.contains(&row.at.segment) {
            return Ok(Some(Fault::Missing));
        }
        let Some(header) = self.header_of(row.at.segment)? else { return Ok(Some(Fault::Missing)) };
        let file = self.open(row.at.segment)?;
        let read = read_record(&*file, header.salt, row.at, row.length)
            .map_err(|source| StoreError::io("read the tail of the log", source))?;
        Ok(match read {
            Ok((header, _)) if row.is_of(key, &header) => None,
            Ok(_) => Some(Fault::Mismatch),
            Err(fault) => Some(fault),
        })
    }

    /// Cuts off what lies behind the last applied batch, durably, before anything new is appended there.
    fn cut_tail(&mut self) -> Result<(), StoreError> {
        let end = self.log_end();
        let behind: Vec<u64> = self.files.iter().copied().filter(|id| *id > end.segment).collect();
        for id in behind {
            if self.segments.get(&id).is_some_and(|info| info.live > 0) {
                let reason = format!("it needs segment {id}, which lies behind the end of the log that it names");
                return Err(StoreError::IndexLost { reason });
            }
            self.unlink(id)?;
            self.files.retain(|file| *file != id);
        }
        self.forget_unused(end)?;
        self.disk.sync_dir().map_err(|e| StoreError::failed(format!("fsync of the folder failed: {e}")))?;
        for id in self.files.clone() {
            let file = self.open(id)?;
            let len = file.len().map_err(|source| StoreError::io("measure a segment", source))?;
            if id == end.segment && len > end.offset {
                file.set_len(end.offset).map_err(|source| StoreError::io("cut the tail of the log", source))?;
                file.sync_data().map_err(|e| StoreError::failed(format!("fsync of a segment failed: {e}")))?;
            }
            if let Some(info) = self.segments.get_mut(&id) {
                info.end = if id == end.segment { end.offset } else { info.end.max(len.next_multiple_of(8)) };
            }
        }
        Ok(())
    }

    /// Rows of segments that were begun but never got a whole batch go.
    fn forget_unused(&mut self, end: Location) -> Result<(), StoreError> {
        let files = &self.files;
        let unused = |(id, info): (&u64, &SegmentInfo)| {
            (*id > end.segment || (info.live == 0 && !files.contains(id))).then_some(*id)
        };
        let unused: Vec<u64> = self.segments.iter().filter_map(unused).collect();
        self.segments.retain(|id, _| !unused.contains(id));
        let known = self.index.segments()?;
        let ops: Vec<IndexOp> = unused
            .into_iter()
            .filter(|id| known.contains_key(id))
            .map(|segment| IndexOp::DropSegment { segment })
            .collect();
        if ops.is_empty() {
            return Ok(());
        }
        self.index.commit(&Commit { ops: ops.iter().collect(), ..Commit::default() })?;
        Ok(())
    }

    /// The place to go on appending: the last segment, if it is as long as it should be.
    fn resume(&self) -> Result<Option<Resume>, StoreError> {
        let end = self.log_end();
        if !self.files.contains(&end.segment) || end.offset < SEGMENT_HEADER {
            return Ok(None);
        }
        let file = self.open(end.segment)?;
        let intact = file.len().map_err(|source| StoreError::io("measure a segment", source))? + 7 >= end.offset;
        let Some(header) = self.header_of(end.segment)?.filter(|_| intact) else { return Ok(None) };
        Ok(Some(Resume { file, header, tail: end.offset }))
    }

    fn finish(self, options: StoreOptions) -> Result<Store, StoreError> {
        let resume = self.resume()?;
        let salt = options.salt.unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish());
        let log = Log::new(self.disk.clone(), &options, salt, self.next_id, self.state.log_end, resume);
        let run = (self.state.sequence >> SEQUENCE_RUN_BITS) + 1;
        let inner = Inner {
            stopped: self.index.stopped(),
            handles: Handles::new(self.disk.clone(), options.open_segments_max),
            disk: self.disk,
            options,
            index: self.index,
            log,
            table: Mutex::new(SegmentTable::new(self.segments)),
            queue: Queue::default(),
            sequence: AtomicU64::new(run << SEQUENCE_RUN_BITS),
            maintenance: Mutex::new(()),
        };
        Ok(Store { inner: Arc::new(inner) })
    }
}
