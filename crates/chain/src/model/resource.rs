//! Capacity that is owned, and blobs that renew themselves.

use floe_protocol::{Epoch, ObjectId};

use crate::TxHash;

/// Encoded bytes that may be kept in the network from one epoch until another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageResource {
    /// Its number in the contract `Storage`.
    pub id: ObjectId,
    /// First epoch that it covers.
    pub start_epoch: Epoch,
    /// First epoch that it does not cover.
    pub end_epoch: Epoch,
    /// Encoded bytes.
    pub size: u64,
}

/// Capacity that was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// The new resource.
    pub resource: StorageResource,
    /// Paid, in the payment token's smallest unit.
    pub cost: u128,
    /// The transaction.
    pub tx: TxHash,
}

/// What a blob holds to renew itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlobFund {
    /// Money, in the payment token's smallest unit.
    pub balance: u128,
    /// What whoever renews the blob receives.
    pub reward: u128,
    /// How many epochs a renewal adds at most; 0 stands for one.
    pub epochs: u32,
}

/// A blob that may be renewed from its fund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRenewal {
    /// The registration.
    pub object_id: ObjectId,
    /// Its end until then.
    pub end_epoch: Epoch,
    /// What whoever renews it receives, in the payment token's smallest unit.
    pub reward: u128,
}

/// A renewal that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// The registration.
    pub object_id: ObjectId,
    /// First epoch in which it is no longer paid for, from now on.
    pub end_epoch: Epoch,
    /// Paid for that from the blob's fund, in the payment token's smallest unit.
    pub cost: u128,
    /// What its fund holds from now on.
    pub balance: u128,
    /// The transaction.
    pub tx: TxHash,
}

/// A registration that was deleted before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// The resource that its storage became; `None` for one in a pool, where its room is free again.
    pub resource: Option<ObjectId>,
    /// The transaction.
    pub tx: TxHash,
}
