//! Shapes of the HTTP interfaces: envelopes, errors, statuses, health, results of a store.
//!
//! Field names are those of spec/http-api.md, mixed case included. Paths and queries are in [`query`].

mod error;
mod event;
mod health;
pub mod query;
mod reason;
mod status;
mod store;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use error::{
    DOMAIN_AUTH, DOMAIN_DAEMON, DOMAIN_GLOBAL, DOMAIN_STORAGE, ErrorBody, ErrorDetail, ErrorInfo, INTERNAL_ERROR_TEXT,
};
pub use event::{EventId, TxDigest, TxDigestError};
pub use health::{
    EventProgress, Health, NodeStatus, NodeStatusError, ShardDetail, ShardHealth, ShardStatus, ShardStatusCounts,
    ShardSummary, Uptime,
};
pub use reason::{ErrorReason, ErrorStatus};
pub use status::{BlobStatus, DeletableCounts, StoredStatus};
pub use store::{
    AlreadyCertified, BlobObject, BlobStoreResult, CertifiedBy, NewlyCreated, ResourceOperation, StorageResource,
    StoreFailure,
};

use crate::message::{SignedMessage, StorageConfirmation};

/// Envelope of a node's JSON answer: `{"success":{"code":200,"data":…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Success<T> {
    /// The content of the envelope.
    pub success: SuccessBody<T>,
}

/// Inside of [`Success`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessBody<T> {
    /// The HTTP status once more.
    pub code: u16,
    /// The payload.
    pub data: T,
}

impl<T> Success<T> {
    /// Wraps a payload.
    pub const fn new(code: u16, data: T) -> Self {
        Self { success: SuccessBody { code, data } }
    }

    /// Wraps a payload with status 200.
    pub const fn ok(data: T) -> Self {
        Self::new(200, data)
    }

    /// The payload.
    pub fn into_data(self) -> T {
        self.success.data
    }
}

/// Payload of a confirmation: `{"signed":{"serializedMessage":…,"signature":…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Confirmation {
    /// The node's signed statement.
    Signed(SignedMessage<StorageConfirmation>),
}

impl Confirmation {
    /// The signed statement, still unverified.
    #[must_use]
    pub fn into_signed(self) -> SignedMessage<StorageConfirmation> {
        match self {
            Self::Signed(signed) => signed,
        }
    }
}
