//! Group commit: batches that wait at the same time share one fsync of the log.
//!
//! A group is what has queued up while the one before it was committed. Where several more are announced to come
//! ([`Store::announce`]), a group also waits for them a while: a commit takes nearly as long for one batch as for ten.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::StoreError;
use crate::index::{Commit, IndexOp};
use crate::options::{GROUP_BATCHES_MAX, GROUP_OPERATIONS_MAX};
use crate::segment::{Location, RecordHeader, RecordKind, SegmentFile};
use crate::store::{Inner, Store};

/// A group waits if at least so many more batches are announced than wait already.
const COMPANY_MIN: usize = 3;
/// It waits for so many times as long as the last commit took, so that at most a third of the time goes into commits ...
const WAIT_FACTOR: u32 = 2;
/// ... but no longer than this.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// Where a batch's commit record lies.
#[derive(Debug)]
pub(crate) struct CommitRecord {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) at: Location,
    pub(crate) header: RecordHeader,
    /// Where the log goes on behind it.
    pub(crate) end: Location,
}

/// A batch that is written and waits to become durable and visible.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) ops: Vec<IndexOp>,
    /// The segments that hold its records. Held until the rows are committed, so that garbage collection stays away.
    pub(crate) files: Vec<Arc<SegmentFile>>,
    /// `None` for changes that concern the index alone.
    pub(crate) record: Option<CommitRecord>,
    result: Mutex<Option<Result<(), StoreError>>>,
    /// Wakes the thread that waits for this batch: it is committed, or it is its turn to commit a group.
    woken: Condvar,
}

impl Pending {
    pub(crate) fn new(ops: Vec<IndexOp>, files: Vec<Arc<SegmentFile>>, record: Option<CommitRecord>) -> Arc<Self> {
        Arc::new(Self { ops, files, record, result: Mutex::new(None), woken: Condvar::new() })
    }
}

/// Batches in the order of their commit records.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    /// Batches that will come or have come and are not committed yet.
    announced: AtomicUsize,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: VecDeque<Arc<Pending>>,
    /// Whether some thread commits a group now.
    led: bool,
    /// When the last commit ended, and how long it took.
    last: Option<(Instant, Duration)>,
}

impl Queue {
    /// Adds a batch. The caller still holds the log's tail, so that the order here is the order in the log.
    pub(crate) fn push(&self, pending: Arc<Pending>) {
        self.state.lock().waiting.push_back(pending);
    }

    /// Until when the next group waits for more batches, if there is reason to.
    fn wait_until(&self, state: &QueueState) -> Option<Instant> {
        let coming = self.announced.load(Ordering::Relaxed).saturating_sub(state.waiting.len());
        let (ended, took) = state.last.filter(|_| coming >= COMPANY_MIN)?;
        Some(ended + took.saturating_mul(WAIT_FACTOR).min(WAIT_MAX))
    }
}

/// Says that a batch will be committed before this is dropped.
#[derive(Debug)]
pub struct Announcement(Arc<Inner>);

impl Drop for Announcement {
    fn drop(&mut self) {
        self.0.queue.announced.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Store {
    /// Announces a batch that is still on its way. Where several are, commits wait for each other up to 50 ms and share
    /// what they cost; alone, a batch is committed at once. Nothing else depends on it.
    pub fn announce(&self) -> Announcement {
        self.inner.queue.announced.fetch_add(1, Ordering::Relaxed);
        Announcement(self.inner.clone())
    }
}

fn take_group(waiting: &mut VecDeque<Arc<Pending>>) -> Vec<Arc<Pending>> {
    let mut group: Vec<Arc<Pending>> = Vec::new();
    let mut operations = 0;
    while let Some(next) = waiting.front() {
        operations += next.ops.len();
        if group.len() == GROUP_BATCHES_MAX || (!group.is_empty() && operations > GROUP_OPERATIONS_MAX) {
            break;
        }
        group.extend(waiting.pop_front());
    }
    group
}

impl Inner {
    /// Waits until a pushed batch is durable, committing groups meanwhile if nobody else does.
    pub(crate) fn wait(&self, pending: &Pending) -> Result<(), StoreError> {
        let mut state = self.queue.state.lock();
        loop {
            if let Some(result) = pending.result.lock().take() {
                return result;
            }
            if state.led {
                pending.woken.wait(&mut state);
                continue;
            }
            state.led = true;
            if let Some(until) = self.queue.wait_until(&state) {
                // Nobody wakes a leader.
                pending.woken.wait_until(&mut state, until);
            }
            let group = take_group(&mut state.waiting);
            drop(state);
            let began = Instant::now();
            let result = self.commit_group(&group);
            state = self.queue.state.lock();
            state.last = Some((Instant::now(), began.elapsed()));
            for member in &group {
                *member.result.lock() = Some(result.clone());
                member.woken.notify_one();
            }
            state.led = false;
            // A thread that has queued its batch and does not wait yet finds that nobody leads.
            if let Some(next) = state.waiting.front() {
                next.woken.notify_one();
            }
        }
    }

    /// Log first, index second: what the index names is durable before the index names it. Where the log says all of it, the
    /// index may go to disk later.
    fn commit_group(&self, group: &[Arc<Pending>]) -> Result<(), StoreError> {
        self.check_running()?;
        let files: BTreeMap<u64, Arc<SegmentFile>> =
            group.iter().flat_map(|pending| &pending.files).map(|file| (file.id, file.clone())).collect();
        let files: Vec<_> = files.into_values().collect();
        if let Err(error) = SegmentFile::sync_all(&*self.disk, &files) {
            return Err(self.stop(StoreError::failed(format!("fsync of a segment failed: {error}"))));
        }
        let log_end = group.iter().filter_map(|pending| pending.record.as_ref()).next_back().map(|record| record.end);
        let segments = self.table.lock().dirty();
        let commit = Commit {
            ops: group.iter().flat_map(|pending| &pending.ops).collect(),
            segments: segments.clone(),
            log_end,
            sequence: self.sequence.load(std::sync::atomic::Ordering::Acquire),
        };
        match self.index.follow(&commit, self.options.index_lag_operations) {
            Ok(live) => {
                if let Some(end) = log_end {
                    self.log.synced(end);
                }
                let mut table = self.table.lock();
                table.committed(&segments, &live);
                for op in commit.ops {
                    if let IndexOp::DropSegment { segment } = op {
                        table.remove(*segment);
                    }
                }
                Ok(())
            }
            Err(error @ StoreError::Failed { .. }) => Err(self.stop(error)),
            Err(error) => {
                self.void(group)?;
                Err(error)
            }
        }
    }

    /// The group's callers are told that it failed: its commit records, which are durable, must not say otherwise to the
    /// next open. They are overwritten in place, which needs no space.
    fn void(&self, group: &[Arc<Pending>]) -> Result<(), StoreError> {
        let mut files = BTreeMap::new();
        for record in group.iter().filter_map(|pending| pending.record.as_ref()) {
            let header = RecordHeader { kind: RecordKind::Void, ..record.header };
            let bytes = header.encode(record.file.salt, record.at);
            if let Err(error) = record.file.file.write_all_at(&bytes, record.at.offset) {
                return Err(self.stop(StoreError::failed(format!("a batch could not be taken back: {error}"))));
            }
            files.insert(record.file.id, record.file.clone());
        }
        let files: Vec<_> = files.into_values().collect();
        SegmentFile::sync_all(&*self.disk, &files)
            .map_err(|error| self.stop(StoreError::failed(format!("fsync of a segment failed: {error}"))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;

    #[test]
    fn a_group_waits_only_for_company() {
        let queue = Queue::default();
        let ended = Instant::now();
        let wait = |announced: usize, waiting: usize, took: Option<u64>| {
            queue.announced.store(announced, Ordering::Relaxed);
            let state = QueueState {
                waiting: (0..waiting).map(|_| Pending::new(Vec::new(), Vec::new(), None)).collect(),
                led: true,
                last: took.map(|millis| (ended, Duration::from_millis(millis))),
            };
            queue.wait_until(&state).map(|until| until - ended)
        };
        assert_eq!(wait(9, 1, None), None, "nothing is known of commits yet");
        assert_eq!(wait(1, 1, Some(4)), None, "it is alone");
        assert_eq!(wait(8, 6, Some(4)), None, "nearly all are there");
        assert_eq!(wait(0, 5, Some(4)), None, "nothing is announced");
        assert_eq!(wait(8, 5, Some(4)), Some(Duration::from_millis(8)));
        assert_eq!(wait(8, 5, Some(400)), Some(WAIT_MAX));
    }
}
