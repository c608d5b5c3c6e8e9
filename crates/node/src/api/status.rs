//! What the chain says of a blob, as this node has seen it (2.5).

use axum::extract::{Path, State};
use floe_protocol::Epoch;
use floe_protocol::api::{BlobStatus, DeletableCounts, EventId, TxDigest};
use http::StatusCode;

use super::{Answer, Shared, blob_id, success};
use crate::ledger::{BlobRecord, EventRef};

pub(super) async fn get(State(node): Shared, Path(blob): Path<String>) -> Answer {
    let blob = blob_id(&blob)?;
    let _slot = node.gates.reads.enter().await?;
    let found = node.blocking(move |node| Ok((node.ledger.record(&blob)?, node.ledger.deletable_counts(&blob)?)));
    let (record, counts) = found.await?;
    let status = record.map_or(BlobStatus::Nonexistent, |record| blob_status(&record, counts, node.ledger.epoch()));
    Ok(success(StatusCode::OK, status))
}

fn blob_status(record: &BlobRecord, deletable_counts: DeletableCounts, now: Epoch) -> BlobStatus {
    if let Some(event) = &record.invalid {
        return BlobStatus::Invalid { event: event_id(event) };
    }
    if !record.standing(now).is_registered() {
        return BlobStatus::Nonexistent;
    }
    let initial_certified_epoch = record.certified(now).map(|certified| Epoch(certified.first_epoch));
    let Some(registered) = record.permanent(now) else {
        return BlobStatus::Deletable { initial_certified_epoch, deletable_counts };
    };
    let certified = record.certified_permanent(now);
    let claim = certified.map_or(registered, |certified| certified.claim);
    BlobStatus::Permanent {
        end_epoch: Epoch(claim.end),
        is_certified: certified.is_some(),
        status_event: event_id(&claim.event),
        deletable_counts,
        initial_certified_epoch,
    }
}

fn event_id(event: &EventRef) -> EventId {
    EventId { tx_digest: TxDigest::from_bytes(event.tx), event_seq: event.log_index }
}
