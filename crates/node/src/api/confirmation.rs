//! The signed promise to hold a blob (2.4).

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use floe_protocol::api::query::ConfirmationQuery;
use floe_protocol::api::{Confirmation, ErrorReason};
use floe_protocol::{Message, ObjectId, Persistence, SignedMessage, StorageConfirmation};
use floe_redstuff::BlobId;
use http::StatusCode;

use super::error::ApiError;
use super::{Answer, Shared, blob_id, success};
use crate::node::Node;

pub(super) async fn permanent(
    State(node): Shared,
    Path(blob): Path<String>,
    Query(wait): Query<ConfirmationQuery>,
) -> Answer {
    let blob = blob_id(&blob)?;
    answer(&node, blob, Persistence::Permanent, wait).await
}

pub(super) async fn deletable(
    State(node): Shared,
    Path((blob, object)): Path<(String, String)>,
    Query(wait): Query<ConfirmationQuery>,
) -> Answer {
    let blob = blob_id(&blob)?;
    let object = ObjectId::from_str(&object).map_err(|error| ApiError::text(format!("invalid object id: {error}")))?;
    answer(&node, blob, Persistence::Deletable(object), wait).await
}

async fn answer(node: &Arc<Node>, blob: BlobId, persistence: Persistence, wait: ConfirmationQuery) -> Answer {
    match attempt(node, blob, persistence).await {
        Err(error) if error.is_not_registered() && wait.wait_for_registration => {
            let Some(_slot) = node.gates.long_polls.try_enter() else { return Err(error) };
            // The place in the queue comes before the second look, so that no registration falls in between.
            let ticket = node.ledger.queue(blob);
            if !node.shelf.is_buffered(&blob) {
                return attempt(node, blob, persistence).await.map(signed);
            }
            match attempt(node, blob, persistence).await {
                Err(error) if error.is_not_registered() => {}
                settled => return settled.map(signed),
            }
            if !ticket.wait(node.config.timing.registration_wait(wait.wait_millis)).await {
                return Err(error);
            }
            attempt(node, blob, persistence).await.map(signed)
        }
        settled => settled.map(signed),
    }
}

async fn attempt(
    node: &Arc<Node>,
    blob: BlobId,
    persistence: Persistence,
) -> Result<SignedMessage<StorageConfirmation>, ApiError> {
    let _slot = node.gates.reads.enter().await?;
    node.blocking(move |node| confirm(node, &blob, persistence)).await
}

/// The payload of a confirmation, with its level `signed`.
pub(super) fn signed(message: SignedMessage<StorageConfirmation>) -> Response {
    success(StatusCode::OK, Confirmation::Signed(message))
}

/// Signs that every sliver of this node's shards is verified and durable. Blocking.
pub(crate) fn confirm(
    node: &Node,
    blob: &BlobId,
    persistence: Persistence,
) -> Result<SignedMessage<StorageConfirmation>, ApiError> {
    let view = node.view()?;
    if !node.ledger.standing(blob)?.is_registered() || !node.ledger.is_registered_as(blob, persistence)? {
        return Err(ApiError::not_registered());
    }
    node.shelf.flush(blob)?;
    let pairs = view.own_pairs(blob);
    if pairs.is_empty() {
        return Err(missing("the node holds no shards in this epoch".to_owned()));
    }
    if node.shelf.metadata(blob, view.params())?.is_none() {
        return Err(missing("the node has no metadata of this blob".to_owned()));
    }
    let lacking = node.shelf.missing(blob, &pairs)?;
    if !lacking.is_empty() {
        return Err(missing(format!("{} of {} slivers are missing", lacking.len(), 2 * pairs.len())));
    }
    let epoch = node.ledger.epoch();
    let message = StorageConfirmation { epoch, blob_id: *blob, persistence };
    Ok(node.compute_here(|| message.sign(&node.identity.secret)))
}

fn missing(message: String) -> ApiError {
    ApiError::new(ErrorReason::MissingSlivers, message)
}
