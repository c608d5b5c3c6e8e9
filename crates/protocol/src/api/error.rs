//! The error body: one status, one machine-readable reason, one sentence.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ErrorReason, ErrorStatus};

/// Domain of errors of a storage node.
pub const DOMAIN_STORAGE: &str = "storage.walrus.space";
/// Domain of errors of a gateway (publisher and aggregator).
pub const DOMAIN_DAEMON: &str = "daemon.walrus.space";
/// Domain of errors of a publisher's token checks.
pub const DOMAIN_AUTH: &str = "auth.publisher.walrus.space";
/// Domain of errors that belong to no service.
pub const DOMAIN_GLOBAL: &str = "global";
/// What an internal error tells the outside.
pub const INTERNAL_ERROR_TEXT: &str = "an internal error has occurred, please report it";

/// The error body: `{"error":{"status":…,"code":…,"message":…,"details":[…]}}`.
///
/// Reading one fails unless status and code are a pair of [`ErrorStatus`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Envelope", into = "Envelope")]
pub struct ErrorBody {
    /// Status, and with it the HTTP status.
    pub status: ErrorStatus,
    /// One sentence for a person.
    pub message: String,
    /// The reason is in the first one, if that is [`ErrorDetail::ErrorInfo`].
    pub details: Vec<ErrorDetail>,
}

/// An element of `details`, told apart by `@type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum ErrorDetail {
    /// Reason, domain and metadata.
    ErrorInfo(ErrorInfo),
    /// Where to look in the server's log.
    #[serde(rename_all = "camelCase")]
    DebugInfo {
        /// Always empty in practice.
        stack_entries: Vec<String>,
        /// `TraceID: …`
        detail: String,
    },
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The machine-readable part of an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// Usually the text of an [`ErrorReason`]; another server may use others.
    pub reason: String,
    /// Which service speaks.
    pub domain: String,
    /// Empty but for `INVALID_EPOCH`.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

impl ErrorBody {
    /// An error with the usual status of its reason.
    #[must_use]
    pub fn new(reason: ErrorReason, domain: &str, message: impl Into<String>) -> Self {
        Self::with_status(reason.status(), reason, domain, message)
    }

    /// An error whose reason has another status on this route.
    #[must_use]
    pub fn with_status(status: ErrorStatus, reason: ErrorReason, domain: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            details: vec![ErrorDetail::ErrorInfo(ErrorInfo {
                reason: reason.as_str().to_owned(),
                domain: domain.to_owned(),
                metadata: Map::new(),
            })],
        }
    }

    /// An internal error; what happened stays in the log, under that trace id.
    #[must_use]
    pub fn internal(domain: &str, trace_id: &str) -> Self {
        let mut body = Self::new(ErrorReason::InternalError, domain, INTERNAL_ERROR_TEXT);
        body.details.push(ErrorDetail::DebugInfo { stack_entries: Vec::new(), detail: format!("TraceID: {trace_id}") });
        body
    }

    /// `INVALID_EPOCH`, with both epochs in its metadata.
    #[must_use]
    pub fn invalid_epoch(request: crate::Epoch, server: crate::Epoch) -> Self {
        let message = format!("the request is for epoch {request}, the server is in epoch {server}");
        let mut body = Self::new(ErrorReason::InvalidEpoch, DOMAIN_STORAGE, message);
        if let Some(ErrorDetail::ErrorInfo(info)) = body.details.first_mut() {
            info.metadata.insert("request_epoch".into(), request.0.into());
            info.metadata.insert("server_epoch".into(), server.0.into());
        }
        body
    }

    /// The HTTP status.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.status.http()
    }

    /// The text of the reason, if the first detail has one.
    #[must_use]
    pub fn reason_text(&self) -> Option<&str> {
        match self.details.first() {
            Some(ErrorDetail::ErrorInfo(info)) => Some(&info.reason),
            _ => None,
        }
    }

    /// The reason, if the first detail has one that we know.
    #[must_use]
    pub fn reason(&self) -> Option<ErrorReason> {
        self.reason_text()?.parse().ok()
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason_text().unwrap_or(self.status.as_str());
        write!(f, "{reason}: {}", self.message)
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    error: Fields,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    status: ErrorStatus,
    code: u16,
    message: String,
    #[serde(default)]
    details: Vec<ErrorDetail>,
}

impl From<ErrorBody> for Envelope {
    fn from(body: ErrorBody) -> Self {
        let code = body.code();
        Self { error: Fields { status: body.status, code, message: body.message, details: body.details } }
    }
}

impl TryFrom<Envelope> for ErrorBody {
    type Error = String;

    fn try_from(Envelope { error }: Envelope) -> Result<Self, String> {
        let status = error.status;
        if status.http() != error.code {
            return Err(format!("error status {status} does not go with code {}", error.code));
        }
        Ok(Self { status, message: error.message, details: error.details })
    }
}
