//! Metadata from any one node, checked against the blob id, and kept: it never changes.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use floe_redstuff::{BlobId, VerifiedMetadata};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    error::ClientError,
    failures::Failures,
    http::CallError,
    node::Nodes,
    scores::{Scores, Standing},
    view::View,
};

/// Metadata of the blobs used last, bounded in number.
#[derive(Debug, Default)]
pub(crate) struct MetadataCache {
    entries: Mutex<(HashMap<BlobId, VerifiedMetadata>, VecDeque<BlobId>)>,
}

impl MetadataCache {
    pub(crate) fn get(&self, id: &BlobId) -> Option<VerifiedMetadata> {
        self.lock().0.get(id).cloned()
    }

    /// Keeps it; the one kept for longest goes when there are more than `max`.
    pub(crate) fn keep(&self, metadata: &VerifiedMetadata, max: usize) {
        let (by_id, order) = &mut *self.lock();
        let id = *metadata.blob_id();
        if by_id.insert(id, metadata.clone()).is_none() {
            order.push_back(id);
        }
        while order.len() > max {
            if let Some(oldest) = order.pop_front() {
                by_id.remove(&oldest);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (HashMap<BlobId, VerifiedMetadata>, VecDeque<BlobId>)> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks one node after the other, the next one as soon as the last has failed or is slow.
pub(crate) async fn fetch(
    nodes: &Nodes,
    scores: &Scores,
    view: &Arc<View>,
    id: &BlobId,
    deadline: Instant,
) -> Result<VerifiedMetadata, ClientError> {
    let now = Instant::now();
    let mut order: VecDeque<usize> = (0..view.committee.members().len()).collect();
    order.make_contiguous().sort_by_key(|&member| scores.rank(view.member(member).node_id, now));
    let mut order = retried(order, nodes.read.attempts_max);
    let failures = Failures::default();
    let mut running = JoinSet::new();
    loop {
        if let Some((member_index, pause)) = order.pop_front() {
            let (nodes, member, id) = (nodes.clone(), view.member(member_index).clone(), *id);
            let params = view.params();
            let pause = nodes.read.backoff_min * pause;
            running.spawn(async move {
                tokio::time::sleep(pause).await;
                let started = Instant::now();
                let result = nodes.metadata(&member, &id, params).await;
                (member_index, started.elapsed(), result)
            });
        }
        let hedge = if order.is_empty() { deadline } else { deadline.min(Instant::now() + nodes.read.hedge_min) };
        tokio::select! {
            joined = running.join_next() => match joined {
                None => break,
                Some(Err(_)) => {}
                Some(Ok((index, took, Ok(metadata)))) => {
                    scores.answered(view.member(index).node_id, took);
                    return Ok(metadata);
                }
                Some(Ok((index, _, Err(error)))) => {
                    judge(scores, view, index, &error, id);
                    failures.note(index, format!("metadata: {error}"));
                }
            },
            () = tokio::time::sleep_until(hedge) => {
                if Instant::now() >= deadline {
                    break;
                }
            }
        }
    }
    Err(ClientError::Unavailable {
        blob_id: *id,
        what: "metadata",
        answered_shards: 0,
        needed_shards: 1,
        failures: failures.named(view),
    })
}

/// Every member once, then again after growing pauses: a node may just be starting.
fn retried(order: VecDeque<usize>, attempts: u32) -> VecDeque<(usize, u32)> {
    (0..attempts.max(1))
        .flat_map(|attempt| {
            let pause = if attempt == 0 { 0 } else { 2u32.saturating_pow(attempt - 1) };
            order.iter().map(move |&member| (member, pause))
        })
        .collect()
}

fn judge(scores: &Scores, view: &View, index: usize, error: &CallError, id: &BlobId) {
    let member = view.member(index);
    let now = Instant::now();
    if error.is_lie() {
        tracing::warn!(
            node = %member.name, address = %member.address, blob = %id, %error,
            "a node gave wrong metadata; it is not used"
        );
        scores.blame(member.node_id, Standing::Liar, now);
    } else if error.is_silence() {
        scores.blame(member.node_id, Standing::Silent, now);
    }
}
