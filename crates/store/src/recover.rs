//! Opening: the index says what is visible, batches that are whole in the log behind it are applied, the rest of the
//! tail is cut off. Every step may be cut short by a crash and is then done again.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;

use crate::commit::Queue;
use crate::disk::{Disk, OpenMode};
use crate::index::{Commit, INDEX_FILE, Index, IndexOp, LogState, Row, decode_ops};
use crate::key::RecordKey;
use crate::segment::{
    Handles, Location, Log, RECORD_HEADER, RecordHeader, RecordKind, Resume, SEGMENT_HEADER, Scan, Scanned,
    SegmentHeader, SegmentInfo, SegmentTable, parse_segment_name, read_record, read_segment_header, segment_name,
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

/// A batch found whole in the log behind what the index knows.
struct WholeBatch {
    ops: Vec<IndexOp>,
    sequence: u64,
    end: Location,
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

    /// Applies batches that are whole in the log behind the index. Such a batch was acknowledged only if the index lost
    /// its last commit; applying one that was not acknowledged is allowed, because it is whole.
    fn apply_tail(&mut self) -> Result<(), StoreError> {
        let log_end = self.log_end();
        let mut batches = Vec::new();
        let tail: Vec<u64> = self.files.iter().copied().filter(|id| *id >= log_end.segment).collect();
        for id in tail {
            let from = if id == log_end.segment { log_end.offset } else { SEGMENT_HEADER };
            batches.extend(self.scan_tail(id, from)?);
        }
        let Some(last) = batches.last() else { return Ok(()) };
        tracing::info!(batches = batches.len(), "batches found whole in the log are applied to the index");
        let log_end = last.end;
        let sequence = batches.iter().fold(self.state.sequence, |highest, batch| highest.max(batch.sequence));
        let segments = self.segments.iter().filter(|(id, _)| **id >= self.log_end().segment && **id <= log_end.segment);
        let segments = segments.map(|(id, info)| (*id, *info)).collect();
        let ops = batches.iter().flat_map(|batch| &batch.ops).collect();
        self.index.commit(&Commit { ops, segments, log_end: Some(log_end), sequence })?;
        self.state = self.index.log_state()?;
        let live = self.index.segments()?;
        for (id, info) in &mut self.segments {
            info.live = live.get(id).map_or(0, |row| row.live);
        }
        for op in batches.iter().flat_map(|batch| &batch.ops) {
            if let IndexOp::DropSegment { segment } = op
                && self.segments.remove(segment).is_some()
                && let Some(position) = self.files.iter().position(|id| id == segment)
            {
                self.files.remove(position);
                self.unlink(*segment)?;
            }
        }
        Ok(())
    }

    /// The whole batches of one segment from an offset on; brings the segment's figures up to date.
    fn scan_tail(&mut self, id: u64, from: u64) -> Result<Vec<WholeBatch>, StoreError> {
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
                    if let Some(ops) = self.whole_batch(&*file, header.salt, at, &record)? {
                        batches.push(WholeBatch { ops, sequence: record.sequence, end });
                    }
                }
                RecordKind::Tombstone | RecordKind::Void => {}
            }
        }
        self.segments.insert(id, info);
        Ok(batches)
    }

    /// The operations of a commit record, if it and every record that it names are there and verify.
    fn whole_batch(
        &self,
        file: &dyn crate::disk::DiskFile,
        salt: u64,
        at: Location,
        record: &RecordHeader,
    ) -> Result<Option<Vec<IndexOp>>, StoreError> {
        let wrap = |source| StoreError::io("read the tail of the log", source);
        let read = read_record(file, salt, at, record.length).map_err(wrap)?;
        let Some(ops) = read.ok().and_then(|(_, bytes)| decode_ops(&bytes[RECORD_HEADER..])) else { return Ok(None) };
        for op in &ops {
            if let IndexOp::Put { key, row } | IndexOp::Move { key, row, .. } = op
                && !self.verifies(key, row)?
            {
                return Ok(None);
            }
        }
        Ok(Some(ops))
    }

    fn verifies(&self, key: &RecordKey, row: &Row) -> Result<bool, StoreError> {
        if !self.files.contains(&row.at.segment) {
            return Ok(false);
        }
        let Some(header) = self.header_of(row.at.segment)? else { return Ok(false) };
        let file = self.open(row.at.segment)?;
        let read = read_record(&*file, header.salt, row.at, row.length)
            .map_err(|source| StoreError::io("read the tail of the log", source))?;
        Ok(read.is_ok_and(|(header, _)| header.key().as_ref() == Some(key) && Row::of(&header, row.at) == *row))
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
        let log = Log::new(self.disk.clone(), &options, salt, self.next_id, resume);
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
