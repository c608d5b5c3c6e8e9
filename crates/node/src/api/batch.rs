//! One signature for many blobs (docs/wire-format.md, "Batch confirmation").

use axum::body::Body;
use axum::extract::State;
use floe_protocol::message::BATCH_ENTRY_BYTES;
use floe_protocol::{BatchConfirmation, BatchList, SignedMessage, limits};
use http::StatusCode;

use super::confirmation::{require_held, require_registered};
use super::error::ApiError;
use super::{Answer, Shared, success};
use crate::body::{BodyLimits, read_whole};
use crate::node::Node;

/// The body is the list itself, as it is hashed.
pub(super) async fn post(State(node): Shared, body: Body) -> Answer {
    let limit = limits::BATCH_BLOBS_MAX * BATCH_ENTRY_BYTES;
    let _slot = node.gates.writes.enter().await?;
    let body_limits = BodyLimits::new(&node.config, limit as u64);
    let (bytes, _permit) = read_whole(body, body_limits, &node.gates.request_bytes).await?;
    let list = BatchList::from_bytes(&bytes, limits::BATCH_BLOBS_MAX)
        .map_err(|error| ApiError::text(format!("no list of registrations: {error}")))?;
    let message = node.blocking(move |node| confirm(node, &list)).await?;
    Ok(success(StatusCode::OK, message))
}

/// Signs that all of a list is registered and durable. What fails is named, and nothing is signed. Blocking.
fn confirm(node: &Node, list: &BatchList) -> Result<SignedMessage<BatchConfirmation>, ApiError> {
    let view = node.signing_view()?;
    for (blob, persistence) in &list.0 {
        require_registered(node, blob, Some(*persistence))?;
        require_held(node, &view, blob)?;
    }
    let message = list.confirmation(view.committee().epoch(), node.chain.batch_domain());
    node.sign(&view, &message)
}
