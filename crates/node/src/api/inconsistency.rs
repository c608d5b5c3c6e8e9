//! Proofs that a blob was encoded wrongly (2.8): checked here, answered with this node's signed statement.

use axum::body::Body;
use axum::extract::{Path, State};
use floe_protocol::api::ErrorReason;
use floe_protocol::{InvalidBlobId, SignedMessage};
use floe_redstuff::{Axis, BlobId, EncodingParams, InconsistencyProof};
use http::StatusCode;

use super::error::ApiError;
use super::{Answer, Shared, axis, blob_id, success};
use crate::body::{BodyLimits, read_whole};
use crate::node::Node;

/// Bytes of one symbol of a proof besides its data: index, lengths, up to 16 hashes.
const SYMBOL_FRAMING_BYTES: u64 = 16 + 16 * 33;

fn proof_bytes_max(params: EncodingParams) -> u64 {
    16 + u64::from(params.symbols_per_sliver(Axis::Primary)) * (65_534 + SYMBOL_FRAMING_BYTES)
}

pub(super) async fn post(State(node): Shared, Path((blob, kind)): Path<(String, String)>, body: Body) -> Answer {
    let (blob, axis) = (blob_id(&blob)?, axis(&kind)?);
    let params = node.params()?;
    let _slot = node.gates.symbols.enter().await?;
    let limits = BodyLimits::new(&node.config, proof_bytes_max(params));
    let (bytes, _permit) = read_whole(body, limits, &node.gates.request_bytes).await?;
    let message = node.blocking(move |node| attest(node, &blob, axis, &bytes, params)).await?;
    Ok(success(StatusCode::OK, message))
}

/// Checks a proof against stored metadata and signs that the blob id is invalid. Blocking.
fn attest(
    node: &Node,
    blob: &BlobId,
    axis: Axis,
    bytes: &[u8],
    params: EncodingParams,
) -> Result<SignedMessage<InvalidBlobId>, ApiError> {
    let proof = InconsistencyProof::from_bcs(bytes, params)
        .map_err(|error| ApiError::new(ErrorReason::InvalidContentType, error.to_string()))?;
    let metadata = node.shelf.metadata(blob, params)?.ok_or_else(ApiError::metadata_first)?;
    node.compute(|| proof.verify(axis, &metadata))
        .map_err(|error| ApiError::new(ErrorReason::InvalidProof, error.to_string()))?;
    tracing::warn!(%blob, %axis, "an inconsistency proof was checked and holds: the blob was encoded wrongly");
    let view = node.signing_view()?;
    let message = InvalidBlobId { epoch: view.committee().epoch(), blob_id: *blob };
    node.sign(&view, &message)
}
