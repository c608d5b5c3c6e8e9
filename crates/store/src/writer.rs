//! Writing: a batch of items becomes durable and visible as a whole.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::commit::{CommitRecord, Pending};
use crate::index::{IndexOp, Row, encode_ops};
use crate::key::{RecordKey, SliverKey};
use crate::options::{BATCH_RECORDS_MAX, BATCH_STATE_BYTES_MAX, RECORD_BYTES_MAX, STATE_KEY_BYTES_MAX};
use crate::segment::{
    Chunk, Location, RECORD_HEADER, RecordHeader, RecordKind, SegmentFile, encode_tombstone, payload_hash,
    record_disk_len,
};
use crate::store::Inner;
use crate::{StoreError, limits};

/// Payloads from this size on are written from where they lie instead of being gathered first.
const GATHER_BYTES_MAX: usize = 64 * 1024;
/// From this length on the disk begins to write while the batch goes on, so that its commit waits for less.
const WRITEBACK_BYTES_MIN: u64 = 512 * 1024;
/// What a batch has beyond this need not stay in memory: it would push out what is read often.
const CACHED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What the disk may still be writing out, of such a batch.
const UNWRITTEN_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Items to be put together, in memory. For a large set of slivers use [`crate::Store::begin`].
#[derive(Clone, Debug, Default)]
pub struct Batch {
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
enum Item {
    Metadata([u8; 32], Bytes),
    Sliver(SliverKey, Bytes),
    State(Vec<u8>, Option<Vec<u8>>),
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the metadata of a blob.
    #[must_use]
    pub fn metadata(mut self, blob: [u8; 32], bytes: impl Into<Bytes>) -> Self {
        self.items.push(Item::Metadata(blob, bytes.into()));
        self
    }

    /// Adds a sliver.
    #[must_use]
    pub fn sliver(mut self, key: SliverKey, bytes: impl Into<Bytes>) -> Self {
        self.items.push(Item::Sliver(key, bytes.into()));
        self
    }

    /// Sets a state entry, or removes it with `None`.
    #[must_use]
    pub fn state(mut self, key: impl Into<Vec<u8>>, value: Option<Vec<u8>>) -> Self {
        self.items.push(Item::State(key.into(), value));
        self
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn write(self, writer: &mut Writer) -> Result<(), StoreError> {
        for item in self.items {
            match item {
                Item::Metadata(blob, bytes) => writer.metadata(blob, &bytes)?,
                Item::Sliver(key, bytes) => writer.sliver(key, &bytes)?,
                Item::State(key, value) => writer.state(key, value)?,
            }
        }
        Ok(())
    }
}

/// The long pieces of a batch that lie behind where it is written.
#[derive(Default)]
struct Behind {
    /// Pieces that may still be in memory: segment, offset, length.
    pieces: VecDeque<(Arc<SegmentFile>, u64, u64)>,
    /// Bytes of those.
    unwritten: u64,
    /// Bytes of all pieces so far.
    total: u64,
}

impl Behind {
    fn add(&mut self, file: Arc<SegmentFile>, offset: u64, len: u64) {
        self.pieces.push_back((file, offset, len));
        self.unwritten += len;
        self.total += len;
        while self.total > CACHED_BYTES_MAX && self.unwritten > UNWRITTEN_BYTES_MAX {
            self.forget_first();
        }
    }

    /// All is written out now.
    fn leave(mut self) {
        while self.total > CACHED_BYTES_MAX && !self.pieces.is_empty() {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((file, offset, len)) = self.pieces.pop_front() {
            file.file.will_not_need(offset, len);
            self.unwritten -= len;
        }
    }
}

/// A batch that is written as it comes: records go to the log at once (not yet synced, not yet visible), so that memory
/// stays bounded however large the batch is. [`Writer::commit`] makes it durable and visible; a writer that is dropped
/// leaves nothing but dead bytes, which garbage collection frees.
pub struct Writer {
    store: Arc<Inner>,
    /// The version of its records, and the number of the batch.
    sequence: u64,
    chunk: Chunk,
    /// Records in `chunk`: their position in it, and their operation in `ops`, whose place is filled in when it is written.
    staged: Vec<(usize, usize)>,
    ops: Vec<IndexOp>,
    files: BTreeMap<u64, Arc<SegmentFile>>,
    state_bytes: usize,
    behind: Behind,
    /// Whether the configured ceiling applies; it does not to what frees space.
    checked: bool,
    /// The first error; a writer that met one cannot commit.
    broken: Option<StoreError>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("sequence", &self.sequence).field("operations", &self.ops.len()).finish()
    }
}

impl Writer {
    pub(crate) fn new(store: Arc<Inner>, checked: bool) -> Result<Self, StoreError> {
        store.check_running()?;
        let sequence = store.next_sequence();
        Ok(Self {
            store,
            sequence,
            chunk: Chunk::default(),
            staged: Vec::new(),
            ops: Vec::new(),
            files: BTreeMap::new(),
            state_bytes: 0,
            behind: Behind::default(),
            checked,
            broken: None,
        })
    }

    /// Appends the metadata of a blob.
    ///
    /// # Errors
    /// `TooLarge`, `Full`, `Io` or `Failed`; the writer can then only be dropped.
    pub fn metadata(&mut self, blob: [u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
        self.item(RecordKey::metadata(blob), self.sequence, None, bytes)
    }

    /// Appends a sliver.
    ///
    /// # Errors
    /// `TooLarge`, `Full`, `Io` or `Failed`; the writer can then only be dropped.
    pub fn sliver(&mut self, key: SliverKey, bytes: &[u8]) -> Result<(), StoreError> {
        self.item(RecordKey::sliver(&key), self.sequence, None, bytes)
    }

    /// Sets a state entry with the batch, or removes it with `None`.
    ///
    /// # Errors
    /// `TooLarge` beyond [`STATE_KEY_BYTES_MAX`], [`BATCH_STATE_BYTES_MAX`] or [`BATCH_RECORDS_MAX`].
    pub fn state(&mut self, key: impl Into<Vec<u8>>, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        let key = key.into();
        let size = key.len().saturating_add(value.as_ref().map_or(0, Vec::len));
        let checked = limits::check("a state key", key.len(), STATE_KEY_BYTES_MAX).and_then(|()| {
            limits::check("the state of one batch", self.state_bytes.saturating_add(size), BATCH_STATE_BYTES_MAX)
        });
        self.keep(checked)?;
        self.state_bytes += size;
        self.push_op(IndexOp::State { key, value })
    }

    /// Appends a record; with `from` it is a copy of the live record there, which keeps its version.
    pub(crate) fn item(
        &mut self,
        key: RecordKey,
        sequence: u64,
        from: Option<Location>,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let header = self.header(RecordKind::Item(key.kind), key.blob, key.pair, sequence, payload);
        let header = self.keep(header)?;
        let row = Row::of(&header, Location { segment: 0, offset: 0 });
        let op = match from {
            None => IndexOp::Put { key, row },
            Some(from) => IndexOp::Move { key, row, from },
        };
        self.push_op(op)?;
        self.staged.push((self.chunk.len(), self.ops.len() - 1));
        self.record(header, payload)
    }

    /// Deletes records of a blob: a tombstone for a rebuild, an operation for the index.
    pub(crate) fn delete(&mut self, blob: [u8; 32], rows: &[(RecordKey, Row)]) -> Result<(), StoreError> {
        self.tombstone(blob, self.sequence, &encode_tombstone(rows))?;
        let mut sequences: Vec<u64> = rows.iter().map(|(_, row)| row.sequence).collect();
        sequences.sort_unstable();
        sequences.dedup();
        self.push_op(IndexOp::Delete { blob, sequences })
    }

    /// Appends a tombstone record alone.
    pub(crate) fn tombstone(&mut self, blob: [u8; 32], sequence: u64, payload: &[u8]) -> Result<(), StoreError> {
        let header = self.header(RecordKind::Tombstone, blob, 0, sequence, payload);
        let header = self.keep(header)?;
        self.record(header, payload)
    }

    /// Lets a segment go with the batch.
    pub(crate) fn drop_segment(&mut self, segment: u64) -> Result<(), StoreError> {
        self.push_op(IndexOp::DropSegment { segment })
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> usize {
        self.ops.len()
    }

    /// Makes the batch durable and visible, as a whole. When this returns `Ok` the batch survives a power cut.
    ///
    /// # Errors
    /// `Full` or `Io`: nothing of the batch is kept, the store goes on. `Failed`: the store has stopped; whether the
    /// batch is there shows after the restart.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        if self.ops.is_empty() && self.files.is_empty() && self.chunk.is_empty() {
            return Ok(());
        }
        let pending = self.finish()?;
        let (store, behind) = (self.store.clone(), std::mem::take(&mut self.behind));
        drop(self);
        store.wait(&pending)?;
        behind.leave();
        Ok(())
    }

    /// Writes what is gathered with the commit record behind it, and queues the batch.
    fn finish(&mut self) -> Result<Arc<Pending>, StoreError> {
        self.store.check_running()?;
        let store = self.store.clone();
        let payload_len = 4 + self.ops.iter().map(IndexOp::encoded_len).sum::<usize>();
        limits::check("the operations of one batch", payload_len, RECORD_BYTES_MAX)?;
        let commit_len = record_disk_len(u32::try_from(payload_len).unwrap_or(u32::MAX));
        let commit_position = self.chunk.len();

        let mut log = store.log.lock();
        let place = log.reserve(&store.table, commit_position as u64 + commit_len, self.checked)?;
        self.settle(&place.at);
        let payload = encode_ops(&self.ops);
        let link = log.link().to_bytes();
        let header = self.header(RecordKind::Commit, link, 0, self.sequence, &payload)?;
        self.chunk.push(header, &payload);
        let end = log.write(&store.table, &place, &mut self.chunk, None)?;
        log.committed(end);
        self.files.insert(place.file.id, place.file.clone());
        let at = Location { segment: place.at.segment, offset: place.at.offset + commit_position as u64 };
        let record = CommitRecord { file: place.file, at, header, end };
        let files = std::mem::take(&mut self.files).into_values().collect();
        let pending = Pending::new(std::mem::take(&mut self.ops), files, Some(record));
        store.queue.push(pending.clone());
        Ok(pending)
    }

    fn header(
        &self,
        kind: RecordKind,
        blob: [u8; 32],
        pair: u16,
        sequence: u64,
        payload: &[u8],
    ) -> Result<RecordHeader, StoreError> {
        limits::check("a record", payload.len(), RECORD_BYTES_MAX)?;
        let length = u32::try_from(payload.len()).expect("the limit of a record is below 2^32");
        let hash = payload_hash(payload);
        Ok(RecordHeader { kind, pair, blob, sequence, batch: self.sequence, length, hash })
    }

    fn push_op(&mut self, op: IndexOp) -> Result<(), StoreError> {
        let checked = limits::check("the operations of one batch", self.ops.len() + 1, BATCH_RECORDS_MAX);
        self.keep(checked)?;
        self.ops.push(op);
        Ok(())
    }

    fn record(&mut self, header: RecordHeader, payload: &[u8]) -> Result<(), StoreError> {
        let written = if payload.len() >= GATHER_BYTES_MAX {
            // The header goes with what was gathered before it; the payload is not copied.
            self.chunk.push_header(header);
            self.flush(Some(payload))
        } else {
            self.chunk.push(header, payload);
            if self.chunk.len() >= self.store.options.write_buffer_bytes { self.flush(None) } else { Ok(()) }
        };
        self.keep(written)
    }

    /// Writes what is gathered. The records are neither durable nor visible yet.
    fn flush(&mut self, payload: Option<&[u8]>) -> Result<(), StoreError> {
        self.store.check_running()?;
        let store = self.store.clone();
        let len = (self.chunk.len() + payload.map_or(0, <[u8]>::len)) as u64;
        let mut log = store.log.lock();
        let place = log.reserve(&store.table, len, self.checked)?;
        log.write(&store.table, &place, &mut self.chunk, payload)?;
        drop(log);
        if len >= WRITEBACK_BYTES_MIN {
            place.file.file.begin_writeback(place.at.offset, len);
            self.behind.add(place.file.clone(), place.at.offset, len);
        }
        self.settle(&place.at);
        self.chunk.clear();
        self.files.insert(place.file.id, place.file);
        Ok(())
    }

    /// The gathered records lie at `base` from now on.
    fn settle(&mut self, base: &Location) {
        for (position, index) in self.staged.drain(..) {
            if let Some(IndexOp::Put { row, .. } | IndexOp::Move { row, .. }) = self.ops.get_mut(index) {
                row.at = Location { segment: base.segment, offset: base.offset + position as u64 };
            }
        }
    }

    /// Remembers the first error.
    fn keep<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if let Err(error) = &result {
            self.broken = Some(error.clone());
            self.chunk.clear();
            self.staged.clear();
        }
        result
    }
}

/// The record header is part of what a reader gets; it must stay small beside a sliver.
const _: () = assert!(RECORD_HEADER < 128);
