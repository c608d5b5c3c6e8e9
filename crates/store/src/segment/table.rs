use std::collections::{BTreeMap, BTreeSet};

use super::record::{read_u32, read_u64};
use crate::index::LiveChange;

/// Bytes of a row of the segments table.
pub(crate) const SEGMENT_ROW_BYTES: usize = 36;

/// What is known of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentInfo {
    pub(crate) salt: u64,
    /// Where the next record would begin: bytes in use, headers included.
    pub(crate) end: u64,
    /// Bytes of records that the index points to.
    pub(crate) live: u64,
    /// The lowest sequence of any record in it: tells when a tombstone has nothing left to say.
    pub(crate) min_sequence: u64,
}

impl SegmentInfo {
    pub(crate) fn to_bytes(self, id: u64) -> [u8; SEGMENT_ROW_BYTES] {
        let mut bytes = [0; SEGMENT_ROW_BYTES];
        bytes[..8].copy_from_slice(&self.salt.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.end.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.live.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.min_sequence.to_le_bytes());
        let sum = crc32c::crc32c_append(crc32c::crc32c(&id.to_le_bytes()), &bytes[..32]);
        bytes[32..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(id: u64, bytes: &[u8; SEGMENT_ROW_BYTES]) -> Option<Self> {
        if read_u32(bytes, 32)? != crc32c::crc32c_append(crc32c::crc32c(&id.to_le_bytes()), &bytes[..32]) {
            return None;
        }
        Some(Self {
            salt: read_u64(bytes, 0)?,
            end: read_u64(bytes, 8)?,
            live: read_u64(bytes, 16)?,
            min_sequence: read_u64(bytes, 24)?,
        })
    }
}

/// The segments of the store as they are in memory: the index's rows plus what is not committed yet.
#[derive(Debug, Default)]
pub(crate) struct SegmentTable {
    segments: BTreeMap<u64, SegmentInfo>,
    /// Segments whose row in the index is older than this.
    dirty: BTreeSet<u64>,
    /// The sum of all `end`s.
    total: u64,
}

impl SegmentTable {
    pub(crate) fn new(segments: BTreeMap<u64, SegmentInfo>) -> Self {
        let total = segments.values().map(|info| info.end).sum();
        Self { segments, dirty: BTreeSet::new(), total }
    }

    pub(crate) fn get(&self, id: u64) -> Option<SegmentInfo> {
        self.segments.get(&id).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, SegmentInfo)> + '_ {
        self.segments.iter().map(|(id, info)| (*id, *info))
    }

    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    /// Bytes of all segments.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.total
    }

    pub(crate) fn insert(&mut self, id: u64, info: SegmentInfo) {
        self.total += info.end;
        self.segments.insert(id, info);
        self.dirty.insert(id);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        if let Some(info) = self.segments.remove(&id) {
            self.total -= info.end;
        }
        self.dirty.remove(&id);
    }

    /// Records were appended.
    pub(crate) fn grow(&mut self, id: u64, end: u64, min_sequence: u64) {
        if let Some(info) = self.segments.get_mut(&id) {
            self.total = self.total - info.end + end;
            info.end = end;
            info.min_sequence = info.min_sequence.min(min_sequence);
            self.dirty.insert(id);
        }
    }

    /// The rows that a commit must bring up to date.
    pub(crate) fn dirty(&self) -> Vec<(u64, SegmentInfo)> {
        self.dirty.iter().filter_map(|id| Some((*id, self.get(*id)?))).collect()
    }

    /// A commit with these rows succeeded.
    pub(crate) fn committed(&mut self, rows: &[(u64, SegmentInfo)], live: &LiveChange) {
        for (id, written) in rows {
            if self.get(*id).is_some_and(|now| now.end == written.end) {
                self.dirty.remove(id);
            }
        }
        match live {
            LiveChange::Delta(changes) => {
                for (id, change) in changes {
                    if let Some(info) = self.segments.get_mut(id) {
                        info.live = info.live.saturating_add_signed(*change);
                    }
                }
            }
            LiveChange::Exact(values) => {
                for (id, info) in &mut self.segments {
                    info.live = values.get(id).copied().unwrap_or(0);
                }
            }
        }
    }
}
