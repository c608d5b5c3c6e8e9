//! Results of storing a blob, as the publisher and the command line give them.

use floe_redstuff::{BlobId, EncodingType};
use serde::{Deserialize, Serialize};

use super::EventId;
use crate::{Epoch, ObjectId};

/// What came of storing one blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BlobStoreResult {
    /// It was stored, and certified.
    NewlyCreated(NewlyCreated),
    /// It is certified for long enough already.
    AlreadyCertified(AlreadyCertified),
    /// It is marked invalid on chain.
    #[serde(rename_all = "camelCase")]
    MarkedInvalid {
        /// The blob.
        blob_id: BlobId,
        /// The event that marked it.
        event: EventId,
    },
    /// It could not be stored (command line only).
    Error(StoreFailure),
}

impl BlobStoreResult {
    /// The id of the blob, where it is known.
    #[must_use]
    pub fn blob_id(&self) -> Option<&BlobId> {
        match self {
            Self::NewlyCreated(new) => Some(&new.blob_object.blob_id),
            Self::AlreadyCertified(certified) => Some(&certified.blob_id),
            Self::MarkedInvalid { blob_id, .. } => Some(blob_id),
            Self::Error(failure) => failure.blob_id.as_ref(),
        }
    }

    /// First epoch in which the blob is no longer stored, where it is stored.
    #[must_use]
    pub fn end_epoch(&self) -> Option<Epoch> {
        match self {
            Self::NewlyCreated(new) => Some(new.blob_object.storage.end_epoch),
            Self::AlreadyCertified(certified) => Some(certified.end_epoch),
            Self::MarkedInvalid { .. } | Self::Error(_) => None,
        }
    }
}

/// A blob that was stored now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewlyCreated {
    /// The registration on chain.
    pub blob_object: BlobObject,
    /// How storage was obtained.
    pub resource_operation: ResourceOperation,
    /// Paid, in the smallest unit of the payment token, without gas.
    pub cost: u64,
    /// The shared object that wraps it, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_blob_object: Option<ObjectId>,
}

/// A blob that need not be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlreadyCertified {
    /// The blob.
    pub blob_id: BlobId,
    /// Where that is seen.
    #[serde(flatten)]
    pub certified_by: CertifiedBy,
    /// First epoch in which it is no longer stored.
    pub end_epoch: Epoch,
}

/// What shows that a blob is certified; one more field of [`AlreadyCertified`], `event` or `object`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CertifiedBy {
    /// The certification event of a permanent registration.
    Event(EventId),
    /// An owned deletable object.
    Object(ObjectId),
}

/// Why a blob was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreFailure {
    /// Its id, if it got as far as having one.
    pub blob_id: Option<BlobId>,
    /// At what stage.
    pub failure_phase: String,
    /// What happened.
    pub error_msg: String,
}

/// A registration of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobObject {
    /// Identity of the registration.
    pub id: ObjectId,
    /// Epoch of the registration.
    pub registered_epoch: Epoch,
    /// The blob.
    pub blob_id: BlobId,
    /// Its length in bytes, unencoded.
    pub size: u64,
    /// `RS2`.
    pub encoding_type: EncodingType,
    /// Epoch of the certification, null before it.
    pub certified_epoch: Option<Epoch>,
    /// What was paid for.
    pub storage: StorageResource,
    /// Whether its owner may delete it before its end.
    pub deletable: bool,
}

/// A span of epochs for which storage is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageResource {
    /// Identity; where storage is no object of its own, that of the registration.
    pub id: ObjectId,
    /// First epoch.
    pub start_epoch: Epoch,
    /// First epoch that is no longer paid.
    pub end_epoch: Epoch,
    /// Encoded length in bytes.
    pub storage_size: u64,
}

/// How the storage of a blob was obtained; lengths are encoded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "the two fields are explained once, above and by their names")]
pub enum ResourceOperation {
    /// Bought and registered.
    RegisterFromScratch { encoded_length: u64, epochs_ahead: u32 },
    /// Registered on storage that was owned.
    ReuseStorage { encoded_length: u64 },
    /// Registered before, certified now.
    ReuseRegistration { encoded_length: u64 },
    /// Certified before, extended now.
    ReuseAndExtend { encoded_length: u64, epochs_extended: u32 },
    /// Registered before, extended and certified now.
    ReuseAndExtendNonCertified { encoded_length: u64, epochs_extended: u32 },
}
