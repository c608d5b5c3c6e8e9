//! Slivers: get, put, status (2.3).

use axum::body::Body;
use axum::extract::{Path, Query, State};
use bytes::{Bytes, BytesMut};
use floe_protocol::api::query::PendingQuery;
use floe_protocol::api::{ErrorReason, StoredStatus};
use floe_protocol::limits;
use floe_redstuff::{Axis, BlobId, EncodingParams, PairIndex, Sliver, VerifiedMetadata};
use http::StatusCode;

use super::error::ApiError;
use super::metadata::not_buffered;
use super::{Answer, Shared, axis, binary, blob_id, octets, pair_index, success};
use crate::body::{BodyLimits, SliverBody, read_whole};
use crate::gates::ByteBudget;
use crate::ledger::Standing;
use crate::node::Node;
use crate::shelf::{Place, Put};
use crate::view::CommitteeView;

const SEVERAL_BYTES_MAX: u64 = limits::SEVERAL_SLIVERS_BYTES_MAX as u64;

type SliverPath = Path<(String, String, String)>;

/// Which sliver of which blob.
#[derive(Clone, Copy)]
struct Wanted {
    blob: BlobId,
    pair: PairIndex,
    axis: Axis,
}

impl Wanted {
    fn parse(Path((blob, pair, kind)): SliverPath) -> Result<Self, ApiError> {
        Ok(Self { blob: blob_id(&blob)?, pair: pair_index(&pair)?, axis: axis(&kind)? })
    }

    fn check_range(&self, params: EncodingParams) -> Result<(), ApiError> {
        if params.contains(self.pair.get()) {
            return Ok(());
        }
        let message =
            format!("sliver pair index {} is not below the number of shards {}", self.pair, params.n_shards());
        Err(ApiError::new(ErrorReason::IndexOutOfRange, message))
    }

    fn check_owned(&self, view: &CommitteeView) -> Result<(), ApiError> {
        if view.owns(self.pair, &self.blob) {
            return Ok(());
        }
        Err(ApiError::not_assigned(self.pair, &self.blob, view.params()))
    }
}

pub(super) async fn get(State(node): Shared, path: SliverPath) -> Answer {
    let wanted = Wanted::parse(path)?;
    let view = node.view()?;
    wanted.check_range(view.params())?;
    let _slot = node.gates.reads.enter().await?;
    let standing = node.blocking(move |node| Ok(node.ledger.standing(&wanted.blob)?)).await?;
    let Standing::Registered { size, .. } = standing else { return Err(ApiError::sliver_not_found()) };
    if !view.serves(wanted.pair, &wanted.blob) {
        return Err(ApiError::not_assigned(wanted.pair, &wanted.blob, view.params()));
    }
    let Wanted { blob, pair, axis } = wanted;
    let bytes = sliver_bytes(view.params(), axis, size);
    if bytes <= SliverBody::PIECE_BYTES.into() {
        let permit = node.gates.response_bytes.reserve(bytes).await?;
        let read =
            move |node: &Node| node.shelf.sliver_bytes(&blob, pair, axis)?.ok_or_else(ApiError::sliver_not_found);
        let bytes = node.blocking(read).await?;
        return Ok(octets(bytes, permit));
    }
    let permit = node.gates.response_bytes.reserve(SliverBody::MEMORY_BYTES).await?;
    let open = move |node: &Node| node.shelf.sliver_reader(&blob, pair, axis)?.ok_or_else(ApiError::sliver_not_found);
    let reader = node.blocking(open).await?;
    Ok(binary(Body::new(SliverBody::new(node, blob, reader, permit))))
}

/// The slivers of several pairs in one answer, one behind the other in the order of the query, each as [`get`] gives it. For
/// small blobs: a request costs more than a short sliver.
pub(super) async fn get_many(
    State(node): Shared,
    Path(blob): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let blob = blob_id(&blob)?;
    let view = node.view()?;
    let wanted = parse_many(blob, &query)?;
    wanted.iter().try_for_each(|wanted| wanted.check_range(view.params()))?;
    let _slot = node.gates.reads.enter().await?;
    let mut permit = node.gates.response_bytes.reserve(SEVERAL_BYTES_MAX).await?;
    let bytes = node.blocking(move |node| several(node, &view, &wanted)).await?;
    ByteBudget::keep(&mut permit, bytes.len() as u64);
    Ok(octets(bytes, permit))
}

fn parse_many(blob: BlobId, query: &[(String, String)]) -> Result<Vec<Wanted>, ApiError> {
    let (mut kind, mut pairs) = (None, Vec::new());
    for (name, value) in query {
        match name.as_str() {
            "type" => kind = Some(axis(value)?),
            "pair" => pairs.push(pair_index(value)?),
            _ => {}
        }
    }
    let axis = kind.ok_or_else(|| ApiError::text("query parameter type is missing"))?;
    if pairs.is_empty() {
        return Err(ApiError::text("name at least one pair"));
    }
    Ok(pairs.into_iter().map(|pair| Wanted { blob, pair, axis }).collect())
}

/// All of them are of one blob and one axis, and there is one at least. Blocking.
fn several(node: &Node, view: &CommitteeView, wanted: &[Wanted]) -> Result<Bytes, ApiError> {
    let Some(Wanted { blob, axis, .. }) = wanted.first() else { return Ok(Bytes::new()) };
    let Standing::Registered { size, .. } = node.ledger.standing(blob)? else {
        return Err(ApiError::sliver_not_found());
    };
    if let Some(foreign) = wanted.iter().find(|wanted| !view.serves(wanted.pair, blob)) {
        return Err(ApiError::not_assigned(foreign.pair, blob, view.params()));
    }
    let most = sliver_bytes(view.params(), *axis, size).saturating_mul(wanted.len() as u64);
    if most > SEVERAL_BYTES_MAX {
        let limit = SEVERAL_BYTES_MAX;
        let message = format!("{} slivers have {most} bytes; one answer has up to {limit}", wanted.len());
        return Err(ApiError::new(ErrorReason::InvalidFilter, message));
    }
    let mut answer = BytesMut::new();
    for Wanted { pair, .. } in wanted {
        let bytes = node.shelf.sliver_bytes(blob, *pair, *axis)?.ok_or_else(ApiError::sliver_not_found)?;
        answer.extend_from_slice(&bytes);
    }
    Ok(answer.freeze())
}

/// Bytes of a serialized sliver of a blob of this size, rounded up by less than a KiB.
fn sliver_bytes(params: EncodingParams, axis: Axis, blob_size: u64) -> u64 {
    params.symbol_size(blob_size).map_or(0, |symbol| params.sliver_bytes(axis, symbol) as u64 + 16)
}

pub(super) async fn put(
    State(node): Shared,
    path: SliverPath,
    Query(query): Query<PendingQuery>,
    body: Body,
) -> Answer {
    let wanted = Wanted::parse(path)?;
    let params = node.params()?;
    wanted.check_range(params)?;
    let _slot = node.gates.writes.enter().await?;
    let body_limits = BodyLimits::new(&node.config, limits::sliver_body_bytes_max(params));
    let (bytes, _permit) = read_whole(body, body_limits, &node.gates.request_bytes).await?;
    let outcome = node.blocking(move |node| store(node, &wanted, bytes, query.pending)).await?;
    Ok(match outcome {
        Outcome::Known => success(StatusCode::OK, "sliver already stored"),
        Outcome::Stored if query.pending => success(StatusCode::ACCEPTED, "sliver stored successfully"),
        Outcome::Stored => success(StatusCode::CREATED, "sliver stored successfully"),
        Outcome::Buffered => success(StatusCode::ACCEPTED, "sliver buffered pending registration"),
    })
}

enum Outcome {
    Known,
    Stored,
    Buffered,
}

fn store(node: &Node, wanted: &Wanted, bytes: Bytes, pending: bool) -> Result<Outcome, ApiError> {
    let view = node.view()?;
    let params = view.params();
    let Wanted { blob, pair, axis } = *wanted;
    let sliver = Sliver::from_bcs(axis, &bytes, params)
        .map_err(|error| ApiError::new(ErrorReason::InvalidContentType, error.to_string()))?;
    if sliver.index != pair.sliver(axis, params) {
        let message = format!("the sliver has index {}, pair {pair} has {}", sliver.index, pair.sliver(axis, params));
        return Err(ApiError::new(ErrorReason::SliverIndexMismatch, message));
    }
    let registered = node.ledger.standing(&blob)?.is_registered();
    let (metadata, place) = metadata_for(node, &blob, params, registered, pending)?;
    wanted.check_owned(&view)?;
    if node.shelf.sliver_place(&blob, pair, axis)? != Place::Nowhere {
        return Ok(Outcome::Known);
    }
    node.compute(|| sliver.verify_ref(&metadata))
        .map_err(|error| ApiError::new(ErrorReason::InvalidSliver, error.to_string()))?;
    if place == Place::Durable {
        if !registered {
            return Err(ApiError::not_registered());
        }
        node.shelf.put_sliver(&blob, pair, axis, bytes)?;
        return Ok(Outcome::Stored);
    }
    match node.shelf.buffer_sliver(&blob, pair, axis, bytes) {
        Ok(Put::New) => Ok(Outcome::Buffered),
        Ok(Put::Known) => Ok(Outcome::Known),
        Err(refused) => Err(not_buffered(refused)),
    }
}

/// The metadata to check a sliver against; durable for sure if the blob is registered.
fn metadata_for(
    node: &Node,
    blob: &BlobId,
    params: EncodingParams,
    registered: bool,
    pending: bool,
) -> Result<(VerifiedMetadata, Place), ApiError> {
    if registered && node.shelf.is_buffered(blob) {
        node.shelf.flush(blob)?;
    }
    match node.shelf.any_metadata(blob, params)? {
        Some(found) => Ok(found),
        None if registered || pending => Err(ApiError::metadata_first()),
        None => Err(ApiError::not_registered()),
    }
}

pub(super) async fn status(State(node): Shared, path: SliverPath) -> Answer {
    let wanted = Wanted::parse(path)?;
    let view = node.view()?;
    wanted.check_range(view.params())?;
    wanted.check_owned(&view)?;
    let _slot = node.gates.reads.enter().await?;
    let place = node.blocking(move |node| Ok(node.shelf.sliver_place(&wanted.blob, wanted.pair, wanted.axis)?)).await?;
    let status = match place {
        Place::Durable => StoredStatus::Stored,
        Place::Buffered => StoredStatus::Buffered,
        Place::Nowhere => StoredStatus::Nonexistent,
    };
    Ok(success(StatusCode::OK, status))
}
