//! Walking one segment record by record, verifying what is live: what garbage collection and scrub share.

use std::sync::Arc;

use crate::StoreError;
use crate::disk::DiskFile;
use crate::index::Row;
use crate::key::RecordKey;
use crate::segment::{Location, RECORD_HEADER, RecordHeader, RecordKind, Scan, Scanned, SegmentHeader, read_record};
use crate::store::Inner;

/// What a walk says of a record.
pub(crate) enum Judged {
    /// The index points to it and it verifies. The bytes begin with the header.
    Live { key: RecordKey, row: Row, bytes: Vec<u8> },
    /// Nothing points to it. The payload is read for tombstones only.
    Dead { header: RecordHeader, payload: Vec<u8> },
    /// The index points to it and it does not verify; it was set aside.
    Bad,
    /// Bytes that are no record.
    Gap,
}

/// Judges all headers of a segment, which must not be written any more for the result to be complete.
pub(crate) struct Walk<'a> {
    inner: &'a Inner,
    file: Arc<dyn DiskFile>,
    salt: u64,
    found: std::vec::IntoIter<Scanned>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(inner: &'a Inner, id: u64) -> Result<Self, StoreError> {
        let wrap = |source| StoreError::io("read a segment", source);
        let salt = inner.table.lock().get(id).map_or(0, |info| info.salt);
        let end = inner.table.lock().get(id).map_or(0, |info| info.end);
        let file = inner.handles.get(id).map_err(wrap)?;
        let end = end.min(file.len().map_err(wrap)?);
        // Headers only: a segment holds few records beside its bytes.
        let found: Result<Vec<_>, _> = Scan::new(&*file, SegmentHeader { id, salt }, 0, end, true).collect();
        Ok(Self { inner, file, salt, found: found.map_err(wrap)?.into_iter() })
    }

    fn judge(&self, at: Location, header: RecordHeader) -> Result<Judged, StoreError> {
        let wrap = |source| StoreError::io("read a segment", source);
        let Some(key) = header.key() else {
            let mut payload = Vec::new();
            if header.kind == RecordKind::Tombstone
                && let Ok((_, bytes)) = read_record(&*self.file, self.salt, at, header.length).map_err(wrap)?
            {
                payload = bytes[RECORD_HEADER..].to_vec();
            }
            return Ok(Judged::Dead { header, payload });
        };
        let Some(row) = self.inner.index.row(&key)?.filter(|row| row.at == at) else {
            return Ok(Judged::Dead { header, payload: Vec::new() });
        };
        match self.inner.read_row(&key, &row)? {
            Ok((_, bytes)) => Ok(Judged::Live { key, row, bytes }),
            Err(_) => match self.inner.read_row(&key, &row)? {
                Ok((_, bytes)) => Ok(Judged::Live { key, row, bytes }),
                Err(fault) => {
                    self.inner.set_aside(&key, &row, fault);
                    Ok(Judged::Bad)
                }
            },
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Judged, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.found.next()? {
            Scanned::Gap => Ok(Judged::Gap),
            Scanned::Record(at, header) => self.judge(at, header),
        })
    }
}
