//! Garbage collection: segments that are mostly dead are emptied into the log and removed.

use std::collections::BTreeSet;

use crate::index::Row;
use crate::key::RecordKey;
use crate::segment::{
    RECORD_HEADER, RecordHeader, RecordKind, SEGMENT_HEADER, SegmentInfo, decode_tombstone, segment_name,
};
use crate::store::{Inner, Store};
use crate::walk::{Judged, Walk};
use crate::writer::Writer;
use crate::{BATCH_RECORDS_MAX, StoreError};

/// The segment that takes appends is closed for collection when it holds at least this much that is dead.
const ACTIVE_DEAD_BYTES_MIN: u64 = 1024 * 1024;

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Segments removed.
    pub segments_removed: u64,
    /// Bytes of removed segments less bytes that were moved.
    pub bytes_freed: u64,
    /// Live records that were moved.
    pub records_moved: u64,
    /// Segments that were left because something in them does not verify.
    pub segments_kept: u64,
}

impl Store {
    /// Frees the space of deleted, replaced and abandoned records: every segment whose dead share reaches
    /// [`crate::StoreOptions::collect_dead_percent`] is emptied and removed; the one that takes appends is closed first,
    /// if that frees something worth it. Live records are verified and copied first,
    /// in one batch with the removal, so that a crash leaves either the old or the new place.
    ///
    /// A segment that holds a record which was set aside, or in which something does not verify, stays.
    ///
    /// # Errors
    /// As [`Writer::commit`]; segments already emptied stay so.
    pub fn collect_garbage(&self) -> Result<GcReport, StoreError> {
        let inner = &self.inner;
        inner.check_running()?;
        let _turn = inner.maintenance.lock();
        let mut report = GcReport::default();
        let damaged: BTreeSet<u64> = inner.index.quarantine()?.iter().map(|(_, row, _)| row.at.segment).collect();
        inner.log.lock().close_active(|id| {
            let Some(info) = inner.table.lock().get(id) else { return false };
            worth_collecting(&info, inner.options.collect_dead_percent)
                && dead_bytes(&info) >= ACTIVE_DEAD_BYTES_MIN.min(inner.options.segment_bytes / 2)
        });
        let segments: Vec<(u64, SegmentInfo)> = inner.table.lock().iter().collect();
        for (id, info) in segments {
            if inner.log.is_pinned(id) || !worth_collecting(&info, inner.options.collect_dead_percent) {
                continue;
            }
            if damaged.contains(&id) {
                report.segments_kept += 1;
                continue;
            }
            inner.collect(id, &mut report, self)?;
        }
        Ok(report)
    }
}

fn worth_collecting(info: &SegmentInfo, dead_percent: u8) -> bool {
    let used = info.end.saturating_sub(SEGMENT_HEADER);
    let dead = dead_bytes(info);
    info.live == 0 || u128::from(dead) * 100 >= u128::from(used) * u128::from(dead_percent)
}

fn dead_bytes(info: &SegmentInfo) -> u64 {
    info.end.saturating_sub(SEGMENT_HEADER).saturating_sub(info.live)
}

impl Inner {
    /// Empties one segment and removes it.
    fn collect(&self, id: u64, report: &mut GcReport, store: &Store) -> Result<(), StoreError> {
        // Fixed before the walk: what it finds must add up to this.
        let Some(info) = self.table.lock().get(id) else { return Ok(()) };
        let mut writer = Writer::new(store.inner.clone(), false)?;
        let mut found = 0;
        let mut moved = 0;
        let mut bytes_moved = 0;
        if info.live > 0 || self.has_file(id)? {
            for judged in Walk::new(self, id)? {
                match judged? {
                    Judged::Live { key, row, bytes } => {
                        // One batch is one commit record; a segment of very many tiny records keeps the rest for next time.
                        if writer.operations() + 1 >= BATCH_RECORDS_MAX {
                            report.records_moved += moved;
                            return writer.commit();
                        }
                        move_record(&mut writer, &key, &row, &bytes)?;
                        found += row.disk_len();
                        bytes_moved += row.disk_len();
                        moved += 1;
                    }
                    Judged::Dead { header, payload } => {
                        if header.kind == RecordKind::Tombstone && self.tombstone_matters(id, &header, &payload) {
                            writer.tombstone(header.blob, header.sequence, &payload)?;
                            bytes_moved += header.disk_len();
                        }
                    }
                    // The walk set the record aside: the segment is evidence now.
                    Judged::Bad => {
                        report.segments_kept += 1;
                        return Ok(());
                    }
                    Judged::Gap => {}
                }
            }
        }
        // Deletions in the meantime only lower the count; anything above what was found hides behind damage.
        if self.table.lock().get(id).is_some_and(|now| now.live > found) {
            tracing::error!(segment = id, "garbage collection left a segment: live records in it cannot be found");
            report.segments_kept += 1;
            return Ok(());
        }
        writer.drop_segment(id)?;
        writer.commit()?;
        self.handles.forget(id);
        match self.disk.unlink(&segment_name(id)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::io("remove an emptied segment", source)),
        }
        report.segments_removed += 1;
        report.records_moved += moved;
        report.bytes_freed += info.end.saturating_sub(bytes_moved);
        Ok(())
    }

    fn has_file(&self, id: u64) -> Result<bool, StoreError> {
        match self.handles.get(id) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StoreError::io("open a segment", source)),
        }
    }

    /// Whether any other segment may still hold a version that the tombstone names.
    fn tombstone_matters(&self, segment: u64, header: &RecordHeader, payload: &[u8]) -> bool {
        let versions = decode_tombstone(header.blob, payload).map(|(_, version)| version);
        let Some(highest) = versions.max() else { return false };
        self.table.lock().iter().any(|(id, info)| id != segment && info.min_sequence <= highest)
    }
}

fn move_record(writer: &mut Writer, key: &RecordKey, row: &Row, bytes: &[u8]) -> Result<(), StoreError> {
    writer.item(*key, row.sequence, Some(row.at), &bytes[RECORD_HEADER..])
}
