//! Errors as HTTP answers (http-api.md sections 1.2, 3.3 and 4.4).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use floe_client::ClientError;
use floe_protocol::api::{DOMAIN_DAEMON, ErrorBody, ErrorReason, ErrorStatus};

/// What a request is turned away with.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The JSON body of section 1.2.
    Coded { status: ErrorStatus, reason: ErrorReason, message: String },
    /// A blob beyond the limit: 413 and not 403, which the reference gives for reads only.
    TooLarge { message: String },
    /// A range outside the blob; `size` is told so that the next try fits.
    Unsatisfiable { message: String, size: u64 },
    /// 400 with plain text: bad paths and queries.
    Malformed(String),
    /// 429 with plain text.
    Overloaded(&'static str),
    /// 500; what happened is in the log.
    Internal(String),
}

impl ApiError {
    pub(crate) fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::with_status(reason.status(), reason, message)
    }

    pub(crate) fn with_status(status: ErrorStatus, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::Coded { status, reason, message: message.into() }
    }

    /// 507: no room for a body or for slivers.
    pub(crate) fn disk_full() -> Self {
        let message = "the gateway's disk is full: there is no room for the temporary files of this request";
        tracing::error!("{message}");
        Self::with_status(ErrorStatus::InsufficientStorage, ErrorReason::StorageFull, message)
    }
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        let message = format!("{error}; {}", error.advice());
        let reason = match error {
            ClientError::NotFound { .. }
            | ClientError::NotCertified { .. }
            | ClientError::Expired { .. }
            | ClientError::Gone { .. } => ErrorReason::BlobNotFound,
            ClientError::Unavailable { .. } => ErrorReason::BlobUnavailable,
            ClientError::InsufficientConfirmations { .. } | ClientError::EpochKeepsChanging { .. } => {
                ErrorReason::InsufficientConfirmations
            }
            ClientError::EpochsOutOfRange { .. } => ErrorReason::MalformedRequest,
            ClientError::BlobTooLarge { .. } => return Self::TooLarge { message },
            ClientError::RangeOutOfBounds { size, .. } => return Self::Unsatisfiable { message, size },
            ClientError::Spool { ref error, .. } | ClientError::Target(ref error)
                if error.kind() == std::io::ErrorKind::StorageFull =>
            {
                return Self::disk_full();
            }
            ClientError::Chain(ref error) => {
                // What the chain refuses (an empty account, a full disk there) is the operator's to mend.
                if !error.is_retryable() {
                    tracing::error!(%error, code = error.code(), "the chain refused a request");
                }
                ErrorReason::Unavailable
            }
            _ => return Self::Internal(format!("{} [{}]", message, error.code())),
        };
        Self::new(reason, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Coded { status, reason, message } => {
                json(&ErrorBody::with_status(status, reason, DOMAIN_DAEMON, message))
            }
            Self::TooLarge { message } => {
                let body = ErrorBody::new(ErrorReason::BlobTooLarge, DOMAIN_DAEMON, message);
                let code = StatusCode::PAYLOAD_TOO_LARGE;
                let mut value = serde_json::to_value(&body).unwrap_or_default();
                if let Some(shown) = value.pointer_mut("/error/code") {
                    *shown = code.as_u16().into();
                }
                json_text(code, value.to_string())
            }
            Self::Unsatisfiable { message, size } => {
                let body = ErrorBody::new(ErrorReason::InvalidByteRange, DOMAIN_DAEMON, message);
                let mut response = json(&body);
                if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                    response.headers_mut().insert(header::CONTENT_RANGE, value);
                }
                response
            }
            Self::Malformed(message) => text(StatusCode::BAD_REQUEST, message),
            Self::Overloaded(message) => {
                let mut response = text(StatusCode::TOO_MANY_REQUESTS, message.to_owned());
                let soon = HeaderValue::from_static("1");
                response.headers_mut().insert(header::RETRY_AFTER, soon);
                response
            }
            Self::Internal(what) => {
                tracing::error!(error = %what, "a request failed");
                json(&ErrorBody::new(
                    ErrorReason::InternalError,
                    DOMAIN_DAEMON,
                    floe_protocol::api::INTERNAL_ERROR_TEXT,
                ))
            }
        }
    }
}

fn json(body: &ErrorBody) -> Response {
    let code = StatusCode::from_u16(body.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json_text(code, serde_json::to_string(body).unwrap_or_default())
}

fn json_text(code: StatusCode, text: String) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn text(code: StatusCode, mut message: String) -> Response {
    message.push('\n');
    (code, message).into_response()
}
