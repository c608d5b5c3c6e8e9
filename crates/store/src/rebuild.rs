//! A new index from the segments alone, for when the old one is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::index::{Commit, INDEX_FILE, Index, IndexOp, Row};
use crate::key::RecordKey;
use crate::recover::segment_ids;
use crate::segment::{
    Location, RECORD_HEADER, RecordHeader, RecordKind, SEGMENT_HEADER, Scan, Scanned, SegmentHeader, SegmentInfo,
    decode_tombstone, read_record, read_segment_header, segment_name,
};
use crate::store::Store;
use crate::{StoreError, StoreOptions};

const NEW_INDEX: &str = "index-new.redb";
/// Operations that one commit of a rebuild carries.
const OPERATIONS_AT_A_TIME: usize = 16_384;

/// What a rebuild found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Segments read.
    pub segments: u64,
    /// Segments whose header is damaged in both copies: they are left alone, their records stay invisible.
    pub segments_unreadable: u64,
    /// Records that verify, old versions included.
    pub records_found: u64,
    /// Records that do not; they are in the quarantine.
    pub records_damaged: u64,
}

/// The keys that tombstones name, with the latest version that is deleted.
type Deleted = BTreeMap<RecordKey, u64>;

impl Store {
    /// Makes a new index from the segments and puts it in the place of the old one, which is renamed, never deleted.
    ///
    /// Every record whose checksums hold becomes visible in its latest version, unless a tombstone names it. Since only
    /// the index knows what was acknowledged, whole records of batches that never were may show up. State entries are not
    /// in the segments: they are gone, and whoever keeps state here starts it anew.
    ///
    /// A crash on the way leaves the folder without an index (then rebuild again) or with the new one.
    ///
    /// # Errors
    /// From the disk.
    pub fn rebuild_index(disk: &Arc<dyn Disk>, options: &StoreOptions) -> Result<RebuildReport, StoreError> {
        let names = disk.list().map_err(|source| StoreError::io("list the store folder", source))?;
        if names.iter().any(|name| name == NEW_INDEX) {
            disk.unlink(NEW_INDEX).map_err(|source| StoreError::io("remove an unfinished index", source))?;
        }
        let mut rebuild = Rebuild::new(disk.clone(), options)?;
        let ids = segment_ids(&names);
        for id in &ids {
            rebuild.collect_deletions(*id)?;
        }
        for id in &ids {
            rebuild.collect_records(*id)?;
        }
        let report = rebuild.report;
        drop(rebuild);
        if names.iter().any(|name| name == INDEX_FILE) {
            let aside = (0..u32::MAX).map(|n| format!("index-lost-{n}.redb")).find(|name| !names.contains(name));
            let aside = aside.unwrap_or_else(|| "index-lost.redb".to_owned());
            disk.rename(INDEX_FILE, &aside).map_err(|source| StoreError::io("set the old index aside", source))?;
        }
        disk.rename(NEW_INDEX, INDEX_FILE).map_err(|source| StoreError::io("install the new index", source))?;
        disk.sync_dir().map_err(|e| StoreError::failed(format!("fsync of the folder failed: {e}")))?;
        Ok(report)
    }

    /// Opens the store; when the index is lost, rebuilds it first and says what was found.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::rebuild_index`].
    pub fn open_or_rebuild(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
    ) -> Result<(Self, Option<RebuildReport>), StoreError> {
        match Self::open(disk.clone(), options.clone()) {
            Err(StoreError::IndexLost { reason }) => {
                tracing::error!(reason, "the index is lost and is rebuilt from the segments");
                let report = Self::rebuild_index(&disk, &options)?;
                Ok((Self::open(disk, options)?, Some(report)))
            }
            other => Ok((other?, None)),
        }
    }
}

struct Rebuild {
    disk: Arc<dyn Disk>,
    index: Index,
    deleted: Deleted,
    segments: BTreeMap<u64, SegmentInfo>,
    ops: Vec<IndexOp>,
    sequence: u64,
    report: RebuildReport,
}

fn wrap(source: std::io::Error) -> StoreError {
    StoreError::io("read a segment", source)
}

impl Rebuild {
    fn new(disk: Arc<dyn Disk>, options: &StoreOptions) -> Result<Self, StoreError> {
        let index = Index::open(disk.clone(), NEW_INDEX, options.index_cache_bytes, true)?;
        Ok(Self {
            disk,
            index,
            deleted: Deleted::new(),
            segments: BTreeMap::new(),
            ops: Vec::new(),
            sequence: 0,
            report: RebuildReport::default(),
        })
    }

    fn open(&self, id: u64) -> Result<(Arc<dyn DiskFile>, Option<SegmentHeader>), StoreError> {
        let file = self.disk.open(&segment_name(id), OpenMode::Existing).map_err(wrap)?;
        let header = read_segment_header(&*file, id).map_err(wrap)?;
        Ok((file, header))
    }

    /// Every header of a segment that verifies.
    fn headers(file: &dyn DiskFile, header: SegmentHeader) -> Result<Vec<(Location, RecordHeader)>, StoreError> {
        let len = file.len().map_err(wrap)?;
        let mut found = Vec::new();
        for scanned in Scan::new(file, header, 0, len, true) {
            if let Scanned::Record(at, record) = scanned.map_err(wrap)? {
                found.push((at, record));
            }
        }
        Ok(found)
    }

    fn collect_deletions(&mut self, id: u64) -> Result<(), StoreError> {
        let (file, Some(header)) = self.open(id)? else { return Ok(()) };
        for (at, record) in Self::headers(&*file, header)? {
            if record.kind != RecordKind::Tombstone {
                continue;
            }
            if let Ok((_, bytes)) = read_record(&*file, header.salt, at, record.length).map_err(wrap)? {
                for (key, version) in decode_tombstone(record.blob, &bytes[RECORD_HEADER..]) {
                    let latest = self.deleted.entry(key).or_default();
                    *latest = version.max(*latest);
                }
            }
        }
        Ok(())
    }

    fn collect_records(&mut self, id: u64) -> Result<(), StoreError> {
        let (file, header) = self.open(id)?;
        let Some(header) = header else {
            self.report.segments_unreadable += 1;
            tracing::error!(segment = id, "a segment with a damaged header is left alone");
            return Ok(());
        };
        self.report.segments += 1;
        let mut info = SegmentInfo { salt: header.salt, end: SEGMENT_HEADER, live: 0, min_sequence: u64::MAX };
        for (at, record) in Self::headers(&*file, header)? {
            info.end = info.end.max(at.offset + record.disk_len());
            self.sequence = self.sequence.max(record.sequence).max(record.batch);
            let Some(key) = record.key() else { continue };
            info.min_sequence = info.min_sequence.min(record.sequence);
            if self.deleted.get(&key).is_some_and(|latest| record.sequence <= *latest) {
                continue;
            }
            let row = Row::of(&record, at);
            match read_record(&*file, header.salt, at, record.length).map_err(wrap)? {
                Ok(_) => {
                    self.report.records_found += 1;
                    self.ops.push(IndexOp::Found { key, row });
                }
                Err(fault) => {
                    self.report.records_damaged += 1;
                    self.ops.push(IndexOp::FoundBad { key, row, reason: fault as u8 });
                }
            }
            if self.ops.len() >= OPERATIONS_AT_A_TIME {
                self.segments.insert(id, info);
                self.commit()?;
            }
        }
        self.segments.insert(id, info);
        self.commit()
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let ops = std::mem::take(&mut self.ops);
        let last = self.segments.last_key_value();
        let log_end = last.map(|(id, info)| Location { segment: *id, offset: info.end });
        let segments = self.segments.iter().map(|(id, info)| (*id, *info)).collect();
        self.index.commit(&Commit { ops: ops.iter().collect(), segments, log_end, sequence: self.sequence })?;
        Ok(())
    }
}
