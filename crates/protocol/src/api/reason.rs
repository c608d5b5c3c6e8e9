//! The tables of statuses and reasons (spec/http-api.md sections 1.2, 2, 3.3 and 4).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};

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
