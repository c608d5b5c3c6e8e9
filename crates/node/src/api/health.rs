//! Health for clients (2.9), liveness and readiness for supervisors.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use floe_protocol::api::query::HealthQuery;
use floe_protocol::api::{
    EventProgress, Health, NodeStatus, ShardDetail, ShardHealth, ShardStatus, ShardStatusCounts, ShardSummary,
};
use http::StatusCode;

use super::{Answer, Shared, success};
use crate::ledger::Progress;
use crate::node::Node;

pub(super) async fn health(State(node): Shared, Query(query): Query<HealthQuery>) -> Answer {
    let progress = node.blocking(|node| Ok(node.ledger.progress()?)).await?;
    Ok(success(StatusCode::OK, report(&node, &progress, query.detailed)))
}

fn report(node: &Node, progress: &Progress, detailed: bool) -> Health {
    let view = node.view_if_any();
    let shards = view.as_ref().map_or(&[][..], |view| view.own_shards());
    let member = view.as_ref().is_some_and(|view| view.own_index().is_some());
    let owned = shards.len() as u64;
    let ready = |shard| ShardHealth { shard, status: ShardStatus::Ready };
    Health {
        uptime: node.life.started.elapsed().into(),
        epoch: node.ledger.epoch(),
        public_key: *view.as_ref().and_then(|view| view.own_key()).unwrap_or(node.identity.keys.current()),
        node_status: if member { NodeStatus::Active } else { NodeStatus::Standby },
        event_progress: EventProgress {
            persisted: progress.events,
            pending: 0,
            highest_finished_event_index: progress.events.checked_sub(1),
        },
        shard_summary: ShardSummary {
            owned,
            owned_shard_status: ShardStatusCounts { ready: owned, ..ShardStatusCounts::default() },
            read_only: view.as_ref().map_or(0, |view| view.retained().len() as u64),
        },
        shard_detail: detailed
            .then(|| ShardDetail { owned: shards.iter().copied().map(ready).collect(), other: Vec::new() }),
        latest_checkpoint_sequence_number: Some(progress.cursor.block),
    }
}

/// The process runs and answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The node can serve: 200, or 503 with what is missing.
pub(super) async fn ready(State(node): Shared) -> Response {
    match node.is_ready() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}
