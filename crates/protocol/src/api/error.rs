//! The error body: one status, one machine-readable reason, one sentence.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};
use serde_json::{Map, Value};

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

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $code:literal;)*) => {
        /// Status of an error; each goes with one HTTP status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorStatus {
            $($(#[$doc])* $name,)*
        }

        impl ErrorStatus {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The text in the body.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn http(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

statuses! {
    /// The request itself is wrong.
    InvalidArgument = "INVALID_ARGUMENT", 400;
    /// The state does not allow it (yet).
    FailedPrecondition = "FAILED_PRECONDITION", 400;
    /// No or bad credentials.
    Unauthenticated = "UNAUTHENTICATED", 401;
    /// Not allowed.
    PermissionDenied = "PERMISSION_DENIED", 403;
    /// Too large to be served.
    SizeExceeded = "SIZE_EXCEEDED", 403;
    /// Does not exist.
    NotFound = "NOT_FOUND", 404;
    /// A range that cannot be served.
    RangeNotSatisfiable = "RANGE_NOT_SATISFIABLE", 416;
    /// Too many requests, or used up.
    ResourceExhausted = "RESOURCE_EXHAUSTED", 429;
    /// Blocked.
    UnavailableForLegalReasons = "UNAVAILABLE_FOR_LEGAL_REASONS", 451;
    /// The server's fault.
    Internal = "INTERNAL", 500;
    /// Try again later.
    Unavailable = "UNAVAILABLE", 503;
    /// Not in time.
    DeadlineExceeded = "DEADLINE_EXCEEDED", 504;
    /// The disk is full; our own, the reference has no such status.
    InsufficientStorage = "INSUFFICIENT_STORAGE", 507;
}

impl FromStr for ErrorStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .find(|status| status.as_str() == text)
            .copied()
            .ok_or_else(|| format!("unknown error status '{}'", text.escape_debug()))
    }
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! reasons {
    ($($name:ident = $text:literal, $status:ident $(| $other:ident)*;)*) => {
        /// Machine-readable reason of an error, the text in `details[0].reason`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorReason {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl ErrorReason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The text in the body.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Statuses it may come with: the usual one first, then those of single routes.
            #[must_use]
            pub const fn statuses(self) -> &'static [ErrorStatus] {
                match self { $(Self::$name => &[ErrorStatus::$status $(, ErrorStatus::$other)*],)* }
            }

            /// The usual status.
            #[must_use]
            pub const fn status(self) -> ErrorStatus {
                match self { $(Self::$name => ErrorStatus::$status,)* }
            }
        }
    };
}

reasons! {
    // Storage node.
    MetadataNotFound = "METADATA_NOT_FOUND", NotFound | FailedPrecondition;
    ForbiddenBlob = "FORBIDDEN_BLOB", UnavailableForLegalReasons;
    NotRegistered = "NOT_REGISTERED", FailedPrecondition;
    CacheSaturated = "CACHE_SATURATED", FailedPrecondition;
    InvalidMetadata = "INVALID_METADATA", InvalidArgument;
    InvalidBlob = "INVALID_BLOB", FailedPrecondition;
    UnsupportedEncodingType = "UNSUPPORTED_ENCODING_TYPE", InvalidArgument;
    InvalidContentType = "INVALID_CONTENT_TYPE", InvalidArgument;
    InternalError = "INTERNAL_ERROR", Internal;
    SliverNotFound = "SLIVER_NOT_FOUND", NotFound;
    IndexOutOfRange = "INDEX_OUT_OF_RANGE", InvalidArgument;
    ShardNotAssigned = "SHARD_NOT_ASSIGNED", FailedPrecondition;
    InvalidSliver = "INVALID_SLIVER", InvalidArgument;
    SliverIndexMismatch = "SLIVER_INDEX_MISMATCH", InvalidArgument;
    SliverTooLarge = "SLIVER_TOO_LARGE", FailedPrecondition;
    MissingSlivers = "MISSING_SLIVERS", FailedPrecondition;
    NoSymbolsSpecified = "NO_SYMBOLS_SPECIFIED", FailedPrecondition;
    InvalidFilter = "INVALID_FILTER", InvalidArgument;
    SymbolNotPresentAtShards = "SYMBOL_NOT_PRESENT_AT_SHARDS", FailedPrecondition;
    Unavailable = "UNAVAILABLE", Unavailable;
    RecoverySymbolOutOfRange = "RECOVERY_SYMBOL_OUT_OF_RANGE", InvalidArgument | FailedPrecondition;
    NoTargetSliversSpecified = "NO_TARGET_SLIVERS_SPECIFIED", FailedPrecondition | InvalidArgument;
    InvalidProof = "INVALID_PROOF", InvalidArgument;
    RequestUnauthorized = "REQUEST_UNAUTHORIZED", PermissionDenied;
    MessageVerificationFailed = "MESSAGE_VERIFICATION_FAILED", InvalidArgument | FailedPrecondition;
    InvalidEpoch = "INVALID_EPOCH", FailedPrecondition | InvalidArgument;
    SliverCountExceedsLimit = "SLIVER_COUNT_EXCEEDS_LIMIT", InvalidArgument | FailedPrecondition;
    // Storage node, our own: the streamed upload and a full disk.
    MalformedUpload = "MALFORMED_UPLOAD", InvalidArgument;
    StorageFull = "STORAGE_FULL", InsufficientStorage;
    // Gateway, reads.
    BlobNotFound = "BLOB_NOT_FOUND", NotFound;
    QuiltPatchNotFound = "QUILT_PATCH_NOT_FOUND", NotFound;
    BlobTooLarge = "BLOB_TOO_LARGE", SizeExceeded;
    BlobUnavailable = "BLOB_UNAVAILABLE", Unavailable;
    InvalidByteRange = "INVALID_BYTE_RANGE", RangeNotSatisfiable | InvalidArgument;
    InvalidConsistencyCheck = "INVALID_CONSISTENCY_CHECK", InvalidArgument;
    InvalidIdFormat = "INVALID_ID_FORMAT", InvalidArgument;
    ObjectIdResolutionFailed = "OBJECT_ID_RESOLUTION_FAILED", NotFound;
    BlobReadFailed = "BLOB_READ_FAILED", Internal;
    SliverRetrievalFailed = "SLIVER_RETRIEVAL_FAILED", Internal;
    // Gateway, writes.
    InsufficientConfirmations = "INSUFFICIENT_CONFIRMATIONS", DeadlineExceeded;
    MalformedRequest = "MALFORMED_REQUEST", InvalidArgument;
    InvalidBlobPersistence = "INVALID_BLOB_PERSISTENCE", InvalidArgument;
    // Gateway, tokens.
    InvalidExpiration = "INVALID_EXPIRATION", FailedPrecondition;
    InvalidEpochs = "INVALID_EPOCHS", FailedPrecondition;
    InvalidSize = "INVALID_SIZE", FailedPrecondition;
    InvalidSendObjectTo = "INVALID_SEND_OBJECT_TO", FailedPrecondition;
    InconsistentToken = "INCONSISTENT_TOKEN", FailedPrecondition;
    InvalidToken = "INVALID_TOKEN", FailedPrecondition;
    InvalidTimestamp = "INVALID_TIMESTAMP", FailedPrecondition;
    ExpiredSignature = "EXPIRED_SIGNATURE", DeadlineExceeded;
    InvalidSignature = "INVALID_SIGNATURE", Unauthenticated;
    TokenAlreadyUsed = "TOKEN_ALREADY_USED", ResourceExhausted;
}

impl FromStr for ErrorReason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .find(|reason| reason.as_str() == text)
            .copied()
            .ok_or_else(|| format!("unknown error reason '{}'", text.escape_debug()))
    }
}

impl fmt::Display for ErrorReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error body: `{"error":{"status":…,"code":…,"message":…,"details":[…]}}`.
///
/// Reading one fails unless status and code are a pair of [`ErrorStatus`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Envelope", into = "Envelope")]
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
#[serde(try_from = "RawFields", into = "RawFields")]
#[derive(Clone)]
struct Fields(ErrorBody);

#[derive(Serialize, Deserialize)]
struct RawFields {
    status: String,
    code: u16,
    message: String,
    #[serde(default)]
    details: Vec<ErrorDetail>,
}

impl From<ErrorBody> for Envelope {
    fn from(body: ErrorBody) -> Self {
        Self { error: Fields(body) }
    }
}

impl From<Envelope> for ErrorBody {
    fn from(envelope: Envelope) -> Self {
        envelope.error.0
    }
}

impl From<Fields> for RawFields {
    fn from(Fields(body): Fields) -> Self {
        Self {
            status: body.status.as_str().to_owned(),
            code: body.code(),
            message: body.message,
            details: body.details,
        }
    }
}

impl TryFrom<RawFields> for Fields {
    type Error = String;

    fn try_from(raw: RawFields) -> Result<Self, String> {
        let status: ErrorStatus = raw.status.parse()?;
        if status.http() != raw.code {
            return Err(format!("error status {status} does not go with code {}", raw.code));
        }
        Ok(Self(ErrorBody { status, message: raw.message, details: raw.details }))
    }
}

impl Serialize for ErrorStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorStatus {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
