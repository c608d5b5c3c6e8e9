//! `GET` and `HEAD` of blobs and ranges (http-api.md section 3).

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use floe_client::{ClientError, Consistency, ReadNeeds, ReadOptions};
use floe_protocol::api::{ErrorReason, ErrorStatus, Success};
use floe_redstuff::BlobId;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, Stream},
};
use serde::Deserialize;

use crate::{
    Gateway,
    admit::Place,
    conditional,
    error::ApiError,
    range::{self, RangeError},
};

/// Blobs never change.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";
/// Grain in which answers are sent.
const CHUNK_BYTES: usize = 256 << 10;
/// Memory for a read of any size besides the blob.
const READ_OVERHEAD_BYTES: u64 = 1 << 20;

/// Memory for a range of any length: the pieces that are ahead. A row that must be rebuilt takes more, for a moment.
const RANGE_BYTES_MAX: u64 = 48 << 20;

/// The query of whole-blob reads.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReadQuery {
    strict_consistency_check: bool,
    skip_consistency_check: bool,
}

impl ReadQuery {
    fn consistency(&self) -> Result<Consistency, ApiError> {
        match (self.strict_consistency_check, self.skip_consistency_check) {
            (false, false) => Ok(Consistency::Default),
            (true, false) => Ok(Consistency::Strict),
            (false, true) => Ok(Consistency::Skip),
            (true, true) => Err(ApiError::new(
                ErrorReason::InvalidConsistencyCheck,
                "strict_consistency_check and skip_consistency_check exclude each other",
            )),
        }
    }
}

/// The query of the byte-range route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByteRangeQuery {
    start: u64,
    length: u64,
}

/// The whole blob, or the range that the request names.
pub(crate) async fn get_blob(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    query: Result<Query<ReadQuery>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = blob_id(&id)?;
    let Query(query) = query.map_err(|rejection| ApiError::Malformed(rejection.body_text()))?;
    let consistency = query.consistency()?;
    let place = gateway.reads.enter().await?;
    let ReadNeeds { length_bytes: size, memory_bytes } = gateway.client.read_needs(&id).await?;
    let tag = id.to_string();
    if text(&headers, header::IF_NONE_MATCH).is_some_and(|value| conditional::is_match(value, &tag)) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        set_common(&mut response, &tag);
        return Ok(response);
    }
    check_size(&gateway, size)?;

    let is_head = method == Method::HEAD;
    let wants_range =
        !is_head && text(&headers, header::IF_RANGE).is_none_or(|value| conditional::is_same(value, &tag));
    let range = match text(&headers, header::RANGE) {
        Some(value) if wants_range => Some(range::parse(value, size).map_err(|error| bad_range(&error, size))?),
        _ => None,
    };
    let mut response = if is_head {
        sized(Body::empty(), size)
    } else if let Some(range) = &range {
        ranged(&gateway, place, &id, range.start, range.end - range.start).await?
    } else {
        let held = (place, gateway.memory.hold(memory_bytes + READ_OVERHEAD_BYTES).await?);
        let options = ReadOptions { consistency, progress: None };
        let blob = gateway.client.read_stream(&id, options).await?;
        passed_on(id, blob.length(), blob, held)
    };
    set_common(&mut response, &tag);
    let answer = response.headers_mut();
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(value) = content_type(&headers, &method) {
        answer.insert(header::CONTENT_TYPE, value);
    }
    if let Some(range) = range {
        let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        if let Ok(value) = HeaderValue::from_str(&text) {
            answer.insert(header::CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// A range by query, with status 200, so that caches keep it.
pub(crate) async fn get_byte_range(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    query: Result<Query<ByteRangeQuery>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = blob_id(&id)?;
    let Query(ByteRangeQuery { start, length }) =
        query.map_err(|rejection| ApiError::Malformed(rejection.body_text()))?;
    let bad =
        |message: String| ApiError::with_status(ErrorStatus::InvalidArgument, ErrorReason::InvalidByteRange, message);
    let end = start
        .checked_add(length)
        .filter(|_| length > 0)
        .ok_or_else(|| bad("length must be above 0, and start + length must fit 64 bits".into()))?;
    let place = gateway.reads.enter().await?;
    let size = gateway.client.size_of(&id).await?;
    if end > size {
        return Err(bad(format!("bytes {start} to {end} are not inside the blob of {size} bytes")));
    }
    let tag = format!("{id}-{start}-{length}");
    let mut response = if text(&headers, header::IF_NONE_MATCH).is_some_and(|value| conditional::is_match(value, &tag))
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else if method == Method::HEAD {
        sized(Body::empty(), length)
    } else {
        ranged(&gateway, place, &id, start, length).await?
    };
    set_common(&mut response, &tag);
    if let Some(value) = content_type(&headers, &method) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    Ok(response)
}

/// The status of a blob, by the word of the nodes: the envelope that a storage node uses.
pub(crate) async fn get_status(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = blob_id(&id)?;
    let _place = gateway.reads.enter().await?;
    let status = gateway.client.status(&id).await?;
    Ok(Json(Success::ok(status)).into_response())
}

fn blob_id(text: &str) -> Result<BlobId, ApiError> {
    text.parse().map_err(|error| ApiError::Malformed(format!("not a blob id: {error}")))
}

fn check_size(gateway: &Gateway, size: u64) -> Result<(), ApiError> {
    match gateway.config.read.blob_bytes_max {
        Some(max) if size > max => Err(ApiError::new(
            ErrorReason::BlobTooLarge,
            format!("the blob has {size} bytes; this gateway serves blobs of up to {max} bytes"),
        )),
        _ => Ok(()),
    }
}

fn bad_range(error: &RangeError, size: u64) -> ApiError {
    ApiError::Unsatisfiable { message: error.to_string(), size }
}

/// A range as it comes. An error before its first piece is answered as one; a later one breaks the answer off.
async fn ranged(gateway: &Gateway, place: Place, id: &BlobId, start: u64, length: u64) -> Result<Response, ApiError> {
    let bytes = length.saturating_mul(2).min(RANGE_BYTES_MAX) + READ_OVERHEAD_BYTES;
    let held = (place, gateway.memory.hold(bytes).await?);
    let mut pieces = gateway.client.read_range_stream(id, start, length).await?;
    let first = pieces.try_next().await?;
    Ok(passed_on(*id, length, stream::iter(first.map(Ok)).chain(pieces), held))
}

/// `size` bytes of a blob as they come; `held` is given back when they are gone. What cannot be completed is broken off:
/// whoever asked sees that it is not whole.
fn passed_on<T: Send + 'static>(
    id: BlobId,
    size: u64,
    pieces: impl Stream<Item = Result<Bytes, ClientError>> + Send + 'static,
    held: T,
) -> Response {
    let log = move |error: &ClientError| {
        tracing::error!(blob = %id, %error, code = error.code(), "an answer was broken off");
    };
    let pieces = pieces.inspect_err(log).map_ok(chunks).try_flatten();
    sized(Body::from_stream(keeping(held, pieces)), size)
}

/// Bytes in the grain in which they are sent.
fn chunks(bytes: Bytes) -> impl Stream<Item = Result<Bytes, ClientError>> {
    stream::unfold(bytes, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
        Some((Ok(chunk), rest))
    })
}

/// The stream; `held` lives as long.
fn keeping<T: Send + 'static, S: Stream>(held: T, stream: S) -> impl Stream<Item = S::Item> {
    stream.inspect(move |_| {
        let _ = &held;
    })
}

fn sized(body: Body, size: u64) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_LENGTH, size.into());
    response
}

fn set_common(response: &mut Response, tag: &str) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
}

/// The media type that the request names: `Accept` if it is a definite one, else on `GET` its own `Content-Type`.
fn content_type(request: &HeaderMap, method: &Method) -> Option<HeaderValue> {
    let accept = request.get(header::ACCEPT);
    accept
        .filter(|value| !value.as_bytes().contains(&b'*'))
        .or_else(|| request.get(header::CONTENT_TYPE).filter(|_| *method == Method::GET))
        .cloned()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
