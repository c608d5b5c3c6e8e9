//! Reading a sliver piece by piece.

use std::sync::Arc;
use std::{fmt, io};

use bytes::Bytes;
use twox_hash::XxHash3_128;

use crate::StoreError;
use crate::disk::DiskFile;
use crate::index::Row;
use crate::key::{RecordKey, SliverKey};
use crate::segment::{Fault, RECORD_HEADER, RecordHeader};
use crate::store::{Inner, READ_ATTEMPTS_MAX, Store, corrupt};

/// How much the system reads ahead of what is given out, at least, and at most. Its own way of it fails where several slivers of a
/// file are read in turns.
const AHEAD_BYTES: std::ops::Range<u32> = 2 << 20..4 << 20;

/// A sliver on its way from the disk, in memory that does not depend on its length. Garbage collection and deletion do not
/// disturb it.
pub struct SliverReader {
    store: Arc<Inner>,
    key: RecordKey,
    row: Row,
    file: Arc<dyn DiskFile>,
    sum: XxHash3_128,
    /// Bytes given out.
    at: u32,
    /// Bytes that the system was told of.
    ahead: u32,
}

impl fmt::Debug for SliverReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, length, at) = (self.key.to_string(), self.row.length, self.at);
        f.debug_struct("SliverReader")
            .field("key", &key)
            .field("length", &length)
            .field("at", &at)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Begins to read a sliver piece by piece; `None` when there is none.
    ///
    /// # Errors
    /// As [`sliver`](Self::sliver), as far as the head of the record tells.
    pub fn sliver_reader(&self, key: &SliverKey) -> Result<Option<SliverReader>, StoreError> {
        SliverReader::open(&self.inner, RecordKey::sliver(key))
    }
}

impl SliverReader {
    fn open(store: &Arc<Inner>, key: RecordKey) -> Result<Option<Self>, StoreError> {
        store.check_running()?;
        let mut attempts = 0;
        loop {
            let Some(row) = store.index.row(&key)? else { return Ok(None) };
            if let Some(file) = store.open_row(&key, &row)? {
                let (store, sum) = (store.clone(), XxHash3_128::new());
                return Ok(Some(Self { store, key, row, file, sum, at: 0, ahead: 0 }));
            }
            // Garbage collection moved it in between, or it is damaged: then this says so.
            store.load(&key)?;
            attempts += 1;
            if attempts == READ_ATTEMPTS_MAX {
                return Err(corrupt(&key, &row, Fault::Mismatch));
            }
        }
    }

    /// Bytes of the sliver.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.row.length
    }

    /// The next bytes, at most `bytes_max` of them and at least one; `None` at the end.
    ///
    /// The last of them are given out only if all together have the checksum of the record: who got as many bytes as the
    /// sliver has, has what was stored.
    ///
    /// # Errors
    /// `Corrupt` instead of the last bytes when the sliver does not verify; if it does not when it is read once more either, it
    /// is set aside. When the disk refuses.
    pub fn next(&mut self, bytes_max: usize) -> Result<Option<Bytes>, StoreError> {
        let left = self.row.length - self.at;
        if left == 0 {
            return Ok(None);
        }
        let length = left.min(u32::try_from(bytes_max.max(1)).unwrap_or(u32::MAX));
        self.read_ahead();
        let piece = match self.file.read_vec_at(length as usize, self.offset(self.at)) {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.damaged(Fault::Missing)),
            Err(source) => return Err(StoreError::io("read a piece of a record", source)),
        };
        self.sum.write(&piece);
        self.at += length;
        if length == left && self.sum.finish_128().to_le_bytes() != self.row.hash {
            return Err(self.damaged(Fault::Payload));
        }
        Ok(Some(Bytes::from(piece)))
    }

    fn offset(&self, at: u32) -> u64 {
        self.row.at.offset + RECORD_HEADER as u64 + u64::from(at)
    }

    fn read_ahead(&mut self) {
        let to = |bytes: u32| self.at.saturating_add(bytes).min(self.row.length);
        if self.ahead < to(AHEAD_BYTES.start) {
            let end = to(AHEAD_BYTES.end);
            self.file.will_need(self.offset(self.ahead), (end - self.ahead).into());
            self.ahead = end;
        }
    }

    /// Sets the record aside, unless it is read without a fault now.
    fn damaged(&self, fault: Fault) -> StoreError {
        let again = self.store.load(&self.key);
        again.err().unwrap_or_else(|| corrupt(&self.key, &self.row, fault))
    }
}

impl Inner {
    /// The file that a row names; `None` unless the header there is what the row says.
    fn open_row(&self, key: &RecordKey, row: &Row) -> Result<Option<Arc<dyn DiskFile>>, StoreError> {
        let Some(info) = self.table.lock().get(row.at.segment) else { return Ok(None) };
        let Some(file) = self.segment(row.at.segment)? else { return Ok(None) };
        let mut bytes = [0; RECORD_HEADER];
        match file.read_exact_at(&mut bytes, row.at.offset) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(source) => return Err(StoreError::io("read the head of a record", source)),
        }
        let header = RecordHeader::decode(&bytes, info.salt, row.at);
        Ok(header.is_some_and(|header| row.is_of(key, &header)).then_some(file))
    }
}
