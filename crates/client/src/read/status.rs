//! The status of a blob by the word of the nodes (http-api.md section 2.5).

use std::{sync::Arc, time::Duration};

use floe_protocol::api::BlobStatus;
use floe_redstuff::BlobId;
use tokio::task::JoinSet;

use crate::{error::ClientError, failures::Failures, node::Nodes, view::View};

/// Asks all members; decides as soon as a quorum has answered, or at the end of `limit` if what came is enough.
pub(crate) async fn ask(
    nodes: &Nodes,
    view: &Arc<View>,
    id: &BlobId,
    limit: Duration,
) -> Result<BlobStatus, ClientError> {
    let mut running = JoinSet::new();
    for index in 0..view.committee.members().len() {
        let (nodes, member, id) = (nodes.clone(), view.member(index).clone(), *id);
        running.spawn(async move { (index, nodes.status(&member, &id).await) });
    }
    let failures = Failures::default();
    let mut votes: Vec<(u32, BlobStatus)> = Vec::new();
    let mut weight = 0;
    let deadline = tokio::time::Instant::now() + limit;
    while let Ok(Some(joined)) = tokio::time::timeout_at(deadline, running.join_next()).await {
        match joined {
            Ok((index, Ok(status))) => {
                weight += view.weight(index);
                votes.push((view.weight(index), status));
                if view.committee.is_read_quorum(weight) {
                    break;
                }
            }
            Ok((index, Err(error))) => failures.note(index, format!("status: {error}")),
            Err(_) => {}
        }
    }
    decide(votes, view.max_faulty(), weight).ok_or_else(|| ClientError::Unavailable {
        blob_id: *id,
        what: "status",
        answered_shards: weight,
        needed_shards: 2 * view.max_faulty() + 1,
        failures: failures.named(view),
    })
}

/// The furthest state that more than `f` shards have reached by their word; that nothing exists takes more than `2f`.
fn decide(mut votes: Vec<(u32, BlobStatus)>, f: u32, answered: u32) -> Option<BlobStatus> {
    votes.sort_by_key(|(_, status)| std::cmp::Reverse(stage(status)));
    let mut weight = 0;
    for (shards, status) in votes {
        weight += shards;
        if weight > f && (stage(&status) > (0, 0) || answered > 2 * f) {
            return Some(status);
        }
    }
    None
}

/// Later stages of a blob's life are greater; among permanent ones the end counts.
fn stage(status: &BlobStatus) -> (u8, u32) {
    match status {
        BlobStatus::Nonexistent => (0, 0),
        BlobStatus::Deletable { initial_certified_epoch, .. } => (1, u32::from(initial_certified_epoch.is_some())),
        BlobStatus::Permanent { is_certified: false, end_epoch, .. } => (2, end_epoch.get()),
        BlobStatus::Permanent { is_certified: true, end_epoch, .. } => (3, end_epoch.get()),
        BlobStatus::Invalid { .. } => (4, 0),
    }
}

/// What a status means for a reader.
pub(crate) fn verdict(id: &BlobId, status: &BlobStatus) -> Result<(), ClientError> {
    match status {
        BlobStatus::Permanent { is_certified: true, .. } => Ok(()),
        BlobStatus::Deletable { initial_certified_epoch: Some(_), .. } => Ok(()),
        BlobStatus::Permanent { deletable_counts, .. } if deletable_counts.count_deletable_certified > 0 => Ok(()),
        BlobStatus::Permanent { .. } | BlobStatus::Deletable { .. } => Err(ClientError::NotCertified { blob_id: *id }),
        BlobStatus::Invalid { .. } => Err(ClientError::Invalid { blob_id: *id }),
        BlobStatus::Nonexistent => Err(ClientError::NotFound { blob_id: *id }),
    }
}
