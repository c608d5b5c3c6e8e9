//! The error answers of the node API (spec/http-api.md 1.2 and the tables of section 2).

use axum::response::{IntoResponse, Response};
use floe_protocol::api::{DOMAIN_STORAGE, ErrorBody, ErrorReason, ErrorStatus, INTERNAL_ERROR_TEXT};
use floe_redstuff::{BlobId, EncodingParams, MetadataError, PairIndex};
use http::{HeaderValue, StatusCode, header};

/// Seconds after which an overloaded or full node asks to be tried again.
const RETRY_AFTER_SECS: u64 = 1;

/// Why a request was not served. Becomes the JSON error body, or plain text where the specification says so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ApiError {
    /// An error with a reason that clients act on.
    Coded(Box<ErrorBody>),
    /// What the HTTP framework of the reference answers with plain text: a path, query or body that is malformed.
    Text(StatusCode, String),
}

impl ApiError {
    /// An error with the usual status of its reason.
    pub(crate) fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::Coded(Box::new(ErrorBody::new(reason, DOMAIN_STORAGE, message)))
    }

    /// An error whose reason has another status than usual on this route.
    pub(crate) fn with_status(status: ErrorStatus, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::Coded(Box::new(ErrorBody::with_status(status, reason, DOMAIN_STORAGE, message)))
    }

    /// 503: try again soon.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorReason::Unavailable, message)
    }

    /// 507: the disk is full; the node goes on when space returns.
    pub(crate) fn storage_full() -> Self {
        Self::new(ErrorReason::StorageFull, "the disk of this node is full; nothing of the request was kept")
    }

    /// 500; what happened stays in the log of the node.
    pub(crate) fn internal() -> Self {
        Self::new(ErrorReason::InternalError, INTERNAL_ERROR_TEXT)
    }

    /// The blob is not registered on chain, as far as this node has followed it.
    pub(crate) fn not_registered() -> Self {
        Self::new(ErrorReason::NotRegistered, "the blob is not registered for the current epoch")
    }

    /// 404: no such sliver here, or nothing of the blob.
    pub(crate) fn sliver_not_found() -> Self {
        Self::new(ErrorReason::SliverNotFound, "the node has no such sliver")
    }

    /// The chain says that the blob was wrongly encoded.
    pub(crate) fn invalid_blob() -> Self {
        Self::new(ErrorReason::InvalidBlob, "the blob was marked invalid on chain")
    }

    /// Metadata that does not belong to the blob id.
    pub(crate) fn invalid_metadata(error: &MetadataError) -> Self {
        Self::new(ErrorReason::InvalidMetadata, error.to_string())
    }

    /// An upload without slivers that this node has to hold.
    pub(crate) fn too_few_pairs(missing: usize) -> Self {
        let message = format!("the upload lacks {missing} sliver pairs of this node's shards");
        Self::new(ErrorReason::MissingSlivers, message)
    }

    /// The pair's shard belongs to another node.
    pub(crate) fn not_assigned(pair: PairIndex, blob: &BlobId, params: EncodingParams) -> Self {
        let shard = pair.shard(blob, params);
        let message = format!("pair {pair} of this blob belongs to shard {shard}, which is not assigned to this node");
        Self::new(ErrorReason::ShardNotAssigned, message)
    }

    /// A write came before the metadata of its blob: 400, unlike the 404 of a read.
    pub(crate) fn metadata_first() -> Self {
        Self::with_status(
            ErrorStatus::FailedPrecondition,
            ErrorReason::MetadataNotFound,
            "the node has no metadata of this blob; it must be sent first",
        )
    }

    /// 408, plain text.
    pub(crate) fn body_timeout(message: impl Into<String>) -> Self {
        Self::Text(StatusCode::REQUEST_TIMEOUT, message.into())
    }

    /// 413, plain text.
    pub(crate) fn too_large(limit_bytes: u64) -> Self {
        Self::Text(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than the limit of {limit_bytes} bytes"))
    }

    /// 400, plain text.
    pub(crate) fn text(message: impl Into<String>) -> Self {
        Self::Text(StatusCode::BAD_REQUEST, message.into())
    }

    /// Whether this says that the blob is not registered.
    pub(crate) fn is_not_registered(&self) -> bool {
        self.reason() == Some(ErrorReason::NotRegistered)
    }

    /// The reason, if this error carries one.
    pub(crate) fn reason(&self) -> Option<ErrorReason> {
        match self {
            Self::Coded(body) => body.reason(),
            Self::Text(..) => None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = match self {
            Self::Text(status, message) => return (status, message).into_response(),
            Self::Coded(body) => body,
        };
        let status = StatusCode::from_u16(body.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = matches!(body.status, ErrorStatus::Unavailable | ErrorStatus::InsufficientStorage);
        let mut response = (status, axum::Json(*body)).into_response();
        if retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
        }
        response
    }
}
