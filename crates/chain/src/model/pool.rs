//! Capacity that many blobs share.

use floe_protocol::{Epoch, ObjectId};

use crate::{Address, TxHash};

/// Capacity with one end, whatever lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Its number in the contract `Pools`; pools are numbered from 1.
    pub id: u64,
    /// Who owns it.
    pub owner: Address,
    /// Encoded bytes that it can hold.
    pub size: u64,
    /// Encoded bytes of the blobs in it.
    pub used: u64,
    /// How many blobs are in it.
    pub blobs: u64,
    /// First epoch that it, and everything in it, is not paid for.
    pub end_epoch: Epoch,
}

/// A pool that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedPool {
    /// The new pool.
    pub pool: Pool,
    /// Paid, in the payment token's smallest unit; 0 where it was made of a resource.
    pub cost: u128,
    /// The transaction.
    pub tx: TxHash,
}

/// A pool that holds more or less than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResizedPool {
    /// Encoded bytes that it can hold, from now on.
    pub size: u64,
    /// Paid, in the payment token's smallest unit.
    pub cost: u128,
    /// The resource that became of what was taken out; `None` where it became larger.
    pub resource: Option<ObjectId>,
    /// The transaction.
    pub tx: TxHash,
}

/// A pool that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestroyedPool {
    /// The resource that became of its capacity; `None` where it had ended.
    pub resource: Option<ObjectId>,
    /// The transaction.
    pub tx: TxHash,
}
