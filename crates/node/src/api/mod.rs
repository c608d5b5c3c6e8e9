//! The HTTP API of a storage node (spec/http-api.md section 2, and our streamed upload).

mod batch;
mod confirmation;
pub(crate) mod error;
mod health;
mod inconsistency;
mod metadata;
mod page;
mod slivers;
mod status;
mod symbols;
mod upload;

use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use floe_protocol::api::Success;
use floe_redstuff::{Axis, BlobId, PairIndex};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tower_http::cors::CorsLayer;

use crate::body::BudgetedBody;
use crate::node::Node;
pub(crate) use confirmation::{Said, say};
use error::ApiError;

type Shared = axum::extract::State<Arc<Node>>;
type Answer = Result<Response, ApiError>;

/// All routes of the node.
pub(crate) fn router(node: Arc<Node>) -> Router {
    let blob = Router::new()
        .route("/metadata", get(metadata::get).put(metadata::put))
        .route("/metadata/status", get(metadata::status))
        .route("/slivers", get(slivers::get_many))
        .route("/slivers/{pair}/{axis}", get(slivers::get).put(slivers::put))
        .route("/slivers/{pair}/{axis}/status", get(slivers::status))
        .route("/confirmation/permanent", get(confirmation::permanent))
        .route("/confirmation/deletable/{object}", get(confirmation::deletable))
        .route("/status", get(status::get))
        .route("/recoverySymbols", get(symbols::recovery))
        .route("/decodingSymbols", get(symbols::decoding))
        .route("/inconsistencyProof/{axis}", post(inconsistency::post))
        .route("/upload", put(upload::put));
    Router::new()
        .nest("/v1/blobs/{blob}", blob)
        .route("/v1/confirmations", post(batch::post))
        .route("/v1/health", get(health::health))
        .route("/v1/api", get(page::get))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .layer(CorsLayer::permissive())
        .with_state(node)
}

/// A blob id in a path; anything else is a plain 400.
fn blob_id(text: &str) -> Result<BlobId, ApiError> {
    BlobId::from_str(text).map_err(|error| ApiError::text(format!("invalid blob id: {error}")))
}

/// A pair index in a path: a decimal u16, not yet checked against the number of shards.
fn pair_index(text: &str) -> Result<PairIndex, ApiError> {
    u16::from_str(text)
        .map(PairIndex::new)
        .map_err(|_| ApiError::text(format!("invalid sliver pair index {text:?}: expected 0 to 65535")))
}

/// `primary` or `secondary` in a path.
fn axis(text: &str) -> Result<Axis, ApiError> {
    Axis::from_str(text).map_err(|error| ApiError::text(format!("invalid sliver type: {error}")))
}

/// A JSON answer in the envelope of the node API.
fn success<T: Serialize>(status: StatusCode, data: T) -> Response {
    (status, axum::Json(Success::new(status.as_u16(), data))).into_response()
}

/// A binary answer that counts as memory until it was sent.
fn octets(bytes: Bytes, permit: OwnedSemaphorePermit) -> Response {
    binary(Body::new(BudgetedBody::new(bytes, permit)))
}

fn binary(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}
