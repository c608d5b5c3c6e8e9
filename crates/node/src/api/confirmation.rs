//! The signed promise to hold a blob (2.4).

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use floe_protocol::api::query::{ConfirmationQuery, Confirms};
use floe_protocol::api::{Confirmation, ErrorReason, StoredStatus};
use floe_protocol::{ObjectId, Persistence, SignedMessage, StorageConfirmation};
use floe_redstuff::BlobId;
use http::StatusCode;

use super::error::ApiError;
use super::{Answer, Shared, blob_id, success};
use crate::ledger::Standing;
use crate::node::Node;
use crate::view::CommitteeView;

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
fn signed(message: SignedMessage<StorageConfirmation>) -> Response {
    success(StatusCode::OK, Confirmation::Signed(message))
}

/// The answer to an upload that is durable.
pub(super) fn said(said: Said) -> Response {
    match said {
        Some(message) => signed(message),
        None => success(StatusCode::OK, StoredStatus::Stored),
    }
}

/// What a node says once it holds a blob: a signature, unless none was asked for.
pub(crate) type Said = Option<SignedMessage<StorageConfirmation>>;

/// Says what an upload is to confirm, which must be registered. Blocking.
pub(crate) fn say(node: &Node, blob: &BlobId, confirms: Confirms) -> Result<Said, ApiError> {
    let persistence = match confirms {
        Confirms::Permanent => Persistence::Permanent,
        Confirms::Deletable(object) => Persistence::Deletable(object),
        Confirms::LatestDeletable => {
            Persistence::Deletable(node.ledger.latest_deletable(blob)?.ok_or_else(ApiError::not_registered)?)
        }
        Confirms::Nothing => {
            require_registered(node, blob, None)?;
            let view = node.signing_view()?;
            require_held(node, &view, blob)?;
            return Ok(None);
        }
    };
    confirm(node, blob, persistence).map(Some)
}

/// Signs that every sliver of this node's shards is verified and durable. Blocking.
pub(crate) fn confirm(
    node: &Node,
    blob: &BlobId,
    persistence: Persistence,
) -> Result<SignedMessage<StorageConfirmation>, ApiError> {
    let view = node.signing_view()?;
    require_registered(node, blob, Some(persistence))?;
    require_held(node, &view, blob)?;
    let message = StorageConfirmation { epoch: view.committee().epoch(), blob_id: *blob, persistence };
    node.sign(&view, &message)
}

/// The blob is registered now, and in this way if one is named.
pub(super) fn require_registered(node: &Node, blob: &BlobId, persistence: Option<Persistence>) -> Result<(), ApiError> {
    match node.ledger.standing(blob)? {
        Standing::Invalid => return Err(ApiError::invalid_blob()),
        Standing::Unknown => return Err(ApiError::not_registered()),
        Standing::Registered { .. } => {}
    }
    match persistence {
        Some(persistence) if !node.ledger.is_registered_as(blob, persistence)? => Err(ApiError::not_registered()),
        _ => Ok(()),
    }
}

/// Every sliver of this node's shards is durable.
pub(super) fn require_held(node: &Node, view: &CommitteeView, blob: &BlobId) -> Result<(), ApiError> {
    node.shelf.flush(blob)?;
    let pairs = view.own_pairs(blob);
    if pairs.is_empty() {
        return Err(missing(blob, "the node holds no shards in this epoch"));
    }
    if node.shelf.metadata(blob, view.params())?.is_none() {
        return Err(missing(blob, "the node has no metadata of it"));
    }
    let lacking = node.shelf.missing(blob, &pairs)?;
    if !lacking.is_empty() {
        return Err(missing(blob, &format!("{} of {} slivers are missing", lacking.len(), 2 * pairs.len())));
    }
    Ok(())
}

fn missing(blob: &BlobId, what: &str) -> ApiError {
    ApiError::new(ErrorReason::MissingSlivers, format!("blob {blob}: {what}"))
}
