use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::commit::{Pending, Queue};
use crate::disk::{Disk, DiskFile};
use crate::index::{Index, IndexOp, Row, StateEntry};
use crate::key::{RecordKey, SliverKey};
use crate::segment::{Fault, Handles, Log, RECORD_HEADER, RecordHeader, SegmentTable, read_record};
use crate::writer::{Batch, Writer};
use crate::{StoreError, StoreOptions};

/// How often a read follows a record that garbage collection moves under it.
pub(crate) const READ_ATTEMPTS_MAX: usize = 8;

/// A durable store of slivers, blob metadata and a little state. Cheap to clone; every clone is the same store.
///
/// All calls block on the disk: from async code call them on a blocking thread.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: StoreOptions,
    pub(crate) index: Index,
    pub(crate) log: Log,
    pub(crate) table: Mutex<SegmentTable>,
    pub(crate) handles: Handles,
    pub(crate) queue: Queue,
    /// The next version to give out.
    pub(crate) sequence: AtomicU64,
    /// Held by whoever walks whole segments: garbage collection and scrub take turns.
    pub(crate) maintenance: Mutex<()>,
    /// Why the store has stopped.
    pub(crate) stopped: Arc<OnceLock<StoreError>>,
}

/// Names an item: what a quarantined record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKey {
    /// The metadata of a blob.
    Metadata([u8; 32]),
    /// A sliver.
    Sliver(SliverKey),
}

impl From<RecordKey> for ItemKey {
    fn from(key: RecordKey) -> Self {
        key.as_sliver().map_or(Self::Metadata(key.blob), Self::Sliver)
    }
}

/// A record that was found damaged. Its bytes stay where they are; it counts as missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// What it holds.
    pub item: ItemKey,
    /// The segment it lies in.
    pub segment: u64,
    /// The offset of its header in the segment, in bytes.
    pub offset: u64,
    /// Bytes of payload.
    pub length: u32,
    /// What did not match.
    pub reason: &'static str,
}

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Slivers and metadata that are visible.
    pub records: u64,
    /// Bytes of their records.
    pub live_bytes: u64,
    /// Bytes of all segments, dead ones included.
    pub segment_bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of the index file.
    pub index_bytes: u64,
    /// Records set aside.
    pub quarantined: u64,
}

impl Store {
    /// Begins a batch that is written as it comes; see [`Writer`].
    ///
    /// # Errors
    /// `Failed` when the store has stopped.
    pub fn begin(&self) -> Result<Writer, StoreError> {
        Writer::new(self.inner.clone(), true)
    }

    /// Makes a batch durable and visible as a whole; concurrent callers share the fsyncs.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn put(&self, batch: Batch) -> Result<(), StoreError> {
        let mut writer = self.begin()?;
        batch.write(&mut writer)?;
        writer.commit()
    }

    /// The metadata of a blob, verified; `None` when there is none.
    ///
    /// # Errors
    /// `Corrupt` when the stored bytes do not verify: they are set aside, and the next call says `None`.
    pub fn metadata(&self, blob: &[u8; 32]) -> Result<Option<Bytes>, StoreError> {
        self.inner.load(&RecordKey::metadata(*blob))
    }

    /// A sliver, verified; `None` when there is none.
    ///
    /// # Errors
    /// `Corrupt` when the stored bytes do not verify: they are set aside, and the next call says `None`.
    pub fn sliver(&self, key: &SliverKey) -> Result<Option<Bytes>, StoreError> {
        self.inner.load(&RecordKey::sliver(key))
    }

    /// A part of a sliver as it lies on the disk, for callers that have hashes of the parts: the checksum covers the whole,
    /// so nothing is verified. `None` when there is no such sliver, when it is shorter, or when its record cannot be read:
    /// [`sliver`](Self::sliver) says which.
    ///
    /// # Errors
    /// When index or disk refuse.
    pub fn sliver_part_unverified(&self, key: &SliverKey, part: Range<u32>) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.load_part(&RecordKey::sliver(key), part)
    }

    /// Whether the blob's metadata is there, by the index alone.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn has_metadata(&self, blob: &[u8; 32]) -> Result<bool, StoreError> {
        self.inner.check_running()?;
        Ok(self.inner.index.row(&RecordKey::metadata(*blob))?.is_some())
    }

    /// Whether a sliver is there, by the index alone.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn has_sliver(&self, key: &SliverKey) -> Result<bool, StoreError> {
        self.inner.check_running()?;
        Ok(self.inner.index.row(&RecordKey::sliver(key))?.is_some())
    }

    /// The slivers of a blob, by the index alone: primaries by pair, then secondaries.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn slivers_of(&self, blob: &[u8; 32]) -> Result<Vec<SliverKey>, StoreError> {
        self.inner.check_running()?;
        let (low, high) = RecordKey::range_of(blob);
        let rows = self.inner.index.rows(&low, &high, usize::MAX)?;
        Ok(rows.iter().filter_map(|(key, _)| key.as_sliver()).collect())
    }

    /// Blobs of which anything is stored, in order of their ids, from `after` (exclusive) on, at most `limit`.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn blobs(&self, after: Option<&[u8; 32]>, limit: usize) -> Result<Vec<[u8; 32]>, StoreError> {
        self.inner.check_running()?;
        let mut low = after.map_or([0; 35], |blob| RecordKey::range_of(blob).1);
        let mut blobs = Vec::new();
        while blobs.len() < limit {
            let next = self.inner.index.rows(&low, &[0xff; 35], 1)?;
            let Some((key, _)) = next.first() else { break };
            blobs.push(key.blob);
            low = RecordKey::range_of(&key.blob).1;
        }
        Ok(blobs)
    }

    /// Deletes everything of a blob that is visible now, durably; `false` when there was nothing. The space comes back
    /// with [`Store::collect_garbage`].
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn delete_blob(&self, blob: &[u8; 32]) -> Result<bool, StoreError> {
        self.inner.check_running()?;
        let (low, high) = RecordKey::range_of(blob);
        let rows = self.inner.index.rows(&low, &high, usize::MAX)?;
        if rows.is_empty() {
            return Ok(false);
        }
        let mut writer = Writer::new(self.inner.clone(), false)?;
        writer.delete(*blob, &rows)?;
        writer.commit()?;
        Ok(true)
    }

    /// A state entry.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn state(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.check_running()?;
        self.inner.index.state(key)
    }

    /// All state entries whose key begins with `prefix`, in key order.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn state_range(&self, prefix: &[u8]) -> Result<Vec<StateEntry>, StoreError> {
        self.inner.check_running()?;
        self.inner.index.state_range(prefix)
    }

    /// The records that were set aside because they do not verify.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.inner.check_running()?;
        let rows = self.inner.index.quarantine()?;
        let entry = |(key, row, reason): (RecordKey, Row, u8)| Quarantined {
            item: key.into(),
            segment: row.at.segment,
            offset: row.at.offset,
            length: row.length,
            reason: Fault::from_byte(reason).reason(),
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    /// How much is stored.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        self.inner.check_running()?;
        let (live_bytes, segment_bytes, segments) = {
            let table = self.inner.table.lock();
            (table.iter().map(|(_, info)| info.live).sum(), table.total_bytes(), table.len() as u64)
        };
        Ok(Usage {
            records: self.inner.index.record_count()?,
            live_bytes,
            segment_bytes,
            segments,
            index_bytes: self.inner.index.file_bytes()?,
            quarantined: self.inner.index.quarantine()?.len() as u64,
        })
    }

    /// Whether the store has stopped for good: every call fails with [`StoreError::Failed`] until it is opened again.
    pub fn is_failed(&self) -> bool {
        self.inner.stopped.get().is_some()
    }
}

impl Inner {
    pub(crate) fn check_running(&self) -> Result<(), StoreError> {
        self.stopped.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Stops the store for good.
    pub(crate) fn stop(&self, error: StoreError) -> StoreError {
        if self.stopped.set(error.clone()).is_ok() {
            tracing::error!(code = error.code(), %error, "the store has stopped; restart the node");
        }
        error
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::AcqRel)
    }

    /// Reads and verifies the record that a row names. The bytes begin with the record header.
    pub(crate) fn read_row(
        &self,
        key: &RecordKey,
        row: &Row,
    ) -> Result<Result<(RecordHeader, Vec<u8>), Fault>, StoreError> {
        let Some(info) = self.table.lock().get(row.at.segment) else { return Ok(Err(Fault::Missing)) };
        let Some(file) = self.segment(row.at.segment)? else { return Ok(Err(Fault::Missing)) };
        let read = read_record(&*file, info.salt, row.at, row.length);
        let read = read.map_err(|source| StoreError::io("read a record", source))?;
        Ok(read.and_then(
            |(header, bytes)| if row.is_of(key, &header) { Ok((header, bytes)) } else { Err(Fault::Mismatch) },
        ))
    }

    /// The file of a segment, if it is there.
    pub(crate) fn segment(&self, id: u64) -> Result<Option<Arc<dyn DiskFile>>, StoreError> {
        match self.handles.get(id) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::io("open a segment", source)),
        }
    }

    fn load_part(&self, key: &RecordKey, part: Range<u32>) -> Result<Option<Vec<u8>>, StoreError> {
        self.check_running()?;
        // Garbage collection may move the record in between.
        for _ in 0..READ_ATTEMPTS_MAX {
            let Some(row) = self.index.row(key)? else { return Ok(None) };
            if part.start > part.end || part.end > row.length {
                return Ok(None);
            }
            let Some(file) = self.segment(row.at.segment)? else { continue };
            match file.read_vec_at(part.len(), row.at.offset + RECORD_HEADER as u64 + u64::from(part.start)) {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
                Err(source) => return Err(StoreError::io("read a part of a record", source)),
            }
        }
        Ok(None)
    }

    pub(crate) fn load(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        self.check_running()?;
        let Some(mut row) = self.index.row(key)? else { return Ok(None) };
        let mut bad: Option<Fault> = None;
        for _ in 0..READ_ATTEMPTS_MAX {
            let fault = match self.read_row(key, &row)? {
                Ok((_, bytes)) => return Ok(Some(Bytes::from(bytes).slice(RECORD_HEADER..))),
                Err(fault) => fault,
            };
            // Garbage collection may have moved the record, a deletion removed it; and a bad cable lies only once.
            let Some(now) = self.index.row(key)? else { return Ok(None) };
            if now == row && bad.is_some() {
                self.set_aside(key, &row, fault);
                return Err(corrupt(key, &row, fault));
            }
            bad = (now == row).then_some(fault);
            row = now;
        }
        Err(corrupt(key, &row, bad.unwrap_or(Fault::Missing)))
    }

    /// Moves a row to the quarantine. When the index refuses (a full disk), the row stays and the record is still never
    /// given out: every read verifies it again.
    pub(crate) fn set_aside(&self, key: &RecordKey, row: &Row, fault: Fault) {
        let (segment, offset) = (row.at.segment, row.at.offset);
        tracing::error!(%key, segment, offset, reason = fault.reason(), "a stored record is damaged and was set aside");
        let pending =
            Pending::new(vec![IndexOp::SetAside { key: *key, row: *row, reason: fault as u8 }], Vec::new(), None);
        self.queue.push(pending.clone());
        if let Err(error) = self.wait(&pending) {
            tracing::warn!(%error, "a damaged record could not be noted in the index");
        }
    }
}

pub(crate) fn corrupt(key: &RecordKey, row: &Row, fault: Fault) -> StoreError {
    StoreError::Corrupt {
        what: key.to_string(),
        segment: row.at.segment,
        offset: row.at.offset,
        reason: fault.reason(),
    }
}
