//! Metadata of a blob: get, put, status (2.2).

use axum::body::Body;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use floe_protocol::api::query::PendingQuery;
use floe_protocol::api::{ErrorReason, StoredStatus};
use floe_protocol::limits;
use floe_redstuff::{BlobId, BlobMetadata, MetadataError, WireError};
use http::{HeaderMap, StatusCode};

use super::error::ApiError;
use super::{Answer, Shared, blob_id, octets, success};
use crate::body::{BodyLimits, read_whole, require_octet_stream};
use crate::ledger::Standing;
use crate::node::Node;
use crate::pending::Refused;
use crate::shelf::{Place, Put};

pub(super) async fn get(State(node): Shared, Path(blob): Path<String>) -> Answer {
    let blob = blob_id(&blob)?;
    let params = node.params()?;
    let _slot = node.gates.reads.enter().await?;
    let permit = node.gates.response_bytes.reserve(limits::metadata_bytes(params) + 32).await?;
    let bytes = node.blocking(move |node| stored(node, &blob)).await?;
    Ok(octets(bytes, permit))
}

fn stored(node: &Node, blob: &BlobId) -> Result<Bytes, ApiError> {
    let missing = || ApiError::new(ErrorReason::MetadataNotFound, "the node has no metadata of this blob");
    if !node.ledger.standing(blob)?.is_registered() {
        return Err(missing());
    }
    node.shelf.metadata_bytes(blob)?.ok_or_else(missing)
}

pub(super) async fn put(
    State(node): Shared,
    Path(blob): Path<String>,
    Query(query): Query<PendingQuery>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let blob = blob_id(&blob)?;
    require_octet_stream(&headers)?;
    let _slot = node.gates.writes.enter().await?;
    let body_limits = BodyLimits::new(&node.config, node.config.limits.body_bytes_max);
    let (bytes, _permit) = read_whole(body, body_limits, &node.gates.request_bytes).await?;
    let outcome = node.blocking(move |node| store(node, &blob, &bytes, query.pending)).await?;
    Ok(match outcome {
        Outcome::Known => success(StatusCode::OK, "metadata already stored"),
        Outcome::Stored if query.pending => success(StatusCode::ACCEPTED, "metadata successfully stored"),
        Outcome::Stored => success(StatusCode::CREATED, "metadata successfully stored"),
        Outcome::Buffered => success(StatusCode::ACCEPTED, "metadata buffered pending registration"),
    })
}

enum Outcome {
    Known,
    Stored,
    Buffered,
}

fn store(node: &Node, blob: &BlobId, bytes: &[u8], pending: bool) -> Result<Outcome, ApiError> {
    let params = node.params()?;
    let metadata = BlobMetadata::from_bcs(bytes, params).map_err(|error| undecodable(&error))?;
    let standing = node.ledger.standing(blob)?;
    if standing == Standing::Invalid {
        return Err(ApiError::invalid_blob());
    }
    let place = node.shelf.metadata_place(blob)?;
    if place == Place::Buffered && standing.is_registered() {
        node.shelf.flush(blob)?;
    }
    if place != Place::Nowhere {
        return Ok(Outcome::Known);
    }
    let verified =
        node.compute(|| metadata.verify(blob, params)).map_err(|error| ApiError::invalid_metadata(&error))?;
    if standing.is_registered() {
        node.shelf.put_metadata(&verified)?;
        return Ok(Outcome::Stored);
    }
    if !pending {
        return Err(ApiError::not_registered());
    }
    match node.shelf.buffer_metadata(verified, bytes.len() as u64) {
        Ok(Put::New) => Ok(Outcome::Buffered),
        Ok(Put::Known) => Ok(Outcome::Known),
        Err(refused) => Err(not_buffered(refused)),
    }
}

/// Why the pending cache did not take something.
pub(super) fn not_buffered(refused: Refused) -> ApiError {
    match refused {
        Refused::Saturated => ApiError::new(ErrorReason::CacheSaturated, "the cache for unregistered blobs is full"),
        Refused::SliverTooLarge => {
            ApiError::new(ErrorReason::SliverTooLarge, "the sliver is too large to be kept before registration")
        }
        Refused::NoMetadata => ApiError::metadata_first(),
    }
}

/// Bytes that are no metadata.
pub(super) fn undecodable(error: &MetadataError) -> ApiError {
    match error {
        MetadataError::Encoding(_) => ApiError::new(ErrorReason::UnsupportedEncodingType, error.to_string()),
        MetadataError::Malformed(WireError::Variant { what: "encoding type", .. }) => {
            ApiError::new(ErrorReason::UnsupportedEncodingType, error.to_string())
        }
        MetadataError::Malformed(WireError::WrongLength { .. }) => ApiError::invalid_metadata(error),
        MetadataError::Malformed(_) => ApiError::new(ErrorReason::InvalidContentType, error.to_string()),
        _ => ApiError::invalid_metadata(error),
    }
}

pub(super) async fn status(State(node): Shared, Path(blob): Path<String>) -> Answer {
    let blob = blob_id(&blob)?;
    let _slot = node.gates.reads.enter().await?;
    let place = node.blocking(move |node| Ok(node.shelf.metadata_place(&blob)?)).await?;
    // The reference knows no "buffered" metadata.
    let status = if place == Place::Nowhere { StoredStatus::Nonexistent } else { StoredStatus::Stored };
    Ok(success(StatusCode::OK, status))
}
