//! What lies durably in the log and not yet in the database: the index follows the log many batches at a time.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};

use super::apply::{Commit, LiveDelta, signed};
use super::{IndexOp, Row};
use crate::key::{KEY_BYTES, RecordKey};
use crate::options::{INDEX_LAG_LOG_BYTES_MAX, INDEX_LAG_STATE_BYTES_MAX};
use crate::segment::{Location, SegmentInfo};

/// Changes that readers see before what the database says.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    records: BTreeMap<[u8; KEY_BYTES], Row>,
    /// `None` for an entry that is removed.
    state: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// How much its batches have in the log: a replay would read that.
    size: Size,
    segments: BTreeMap<u64, SegmentInfo>,
    log_end: Option<Location>,
    sequence: u64,
}

/// What a memtable is bounded by.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    operations: usize,
    log_bytes: u64,
    state_bytes: usize,
}

impl Size {
    fn of(commit: &Commit<'_>) -> Self {
        let mut size = Self { operations: commit.ops.len(), ..Self::default() };
        for op in &commit.ops {
            match op {
                IndexOp::Put { row, .. } => size.log_bytes += row.disk_len(),
                IndexOp::State { key, value } => size.state_bytes += key.len() + value.as_ref().map_or(0, Vec::len),
                _ => {}
            }
        }
        size
    }

    fn and(self, other: Self) -> Self {
        Self {
            operations: self.operations + other.operations,
            log_bytes: self.log_bytes + other.log_bytes,
            state_bytes: self.state_bytes + other.state_bytes,
        }
    }
}

impl Commit<'_> {
    /// Whether opening would do all of it again from the log alone.
    pub(super) fn is_replayed(&self) -> bool {
        self.log_end.is_some() && self.ops.iter().all(|op| matches!(op, IndexOp::Put { .. } | IndexOp::State { .. }))
    }
}

impl Memtable {
    pub(super) fn is_empty(&self) -> bool {
        self.log_end.is_none()
    }

    pub(super) fn has_room(&self, commit: &Commit<'_>, operations_max: usize) -> bool {
        let size = self.size.and(Size::of(commit));
        size.operations <= operations_max
            && size.log_bytes <= INDEX_LAG_LOG_BYTES_MAX
            && size.state_bytes <= INDEX_LAG_STATE_BYTES_MAX
    }

    /// Takes a commit; `stored` are the rows that the database has for the keys that it puts, in order.
    pub(super) fn apply(&mut self, commit: &Commit<'_>, stored: &[Option<Row>]) -> LiveDelta {
        let mut delta = LiveDelta::new();
        let mut stored = stored.iter();
        for op in &commit.ops {
            match op {
                IndexOp::Put { key, row } => {
                    let stored = stored.next().copied().flatten();
                    let kept = self.records.insert(key.to_bytes(), *row);
                    if let Some(old) = kept.or(stored) {
                        *delta.entry(old.at.segment).or_default() -= signed(old.disk_len());
                    }
                    *delta.entry(row.at.segment).or_default() += signed(row.disk_len());
                }
                IndexOp::State { key, value } => {
                    self.state.insert(key.clone(), value.clone());
                }
                _ => unreachable!("a commit with other operations goes to the database"),
            }
        }
        self.size = self.size.and(Size::of(commit));
        self.segments.extend(commit.segments.iter().copied());
        self.log_end = commit.log_end;
        self.sequence = self.sequence.max(commit.sequence);
        delta
    }

    /// The operations that bring the database up to date.
    pub(super) fn operations(&self) -> Vec<IndexOp> {
        let put =
            |(key, row): (&[u8; KEY_BYTES], &Row)| Some(IndexOp::Put { key: RecordKey::from_bytes(key)?, row: *row });
        let state =
            |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| IndexOp::State { key: key.clone(), value: value.clone() };
        self.records.iter().filter_map(put).chain(self.state.iter().map(state)).collect()
    }

    /// What else that commit says.
    pub(super) fn commit(&self) -> Commit<'static> {
        let segments = self.segments.iter().map(|(id, info)| (*id, *info)).collect();
        Commit { ops: Vec::new(), segments, log_end: self.log_end, sequence: self.sequence }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8; KEY_BYTES]> {
        self.records.keys()
    }

    pub(super) fn row(&self, key: &[u8; KEY_BYTES]) -> Option<Row> {
        self.records.get(key).copied()
    }

    pub(super) fn rows(
        &self,
        keys: RangeInclusive<&[u8; KEY_BYTES]>,
    ) -> impl Iterator<Item = ([u8; KEY_BYTES], Row)> + '_ {
        self.records.range::<[u8; KEY_BYTES], _>(keys).map(|(key, row)| (*key, *row))
    }

    /// `Some(None)` for an entry that is removed.
    pub(super) fn state(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        self.state.get(key).cloned()
    }

    pub(super) fn states(&self, prefix: &[u8]) -> impl Iterator<Item = (&Vec<u8>, &Option<Vec<u8>>)> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        self.state.range::<[u8], _>(from).take_while(move |(key, _)| key.starts_with(prefix))
    }
}
