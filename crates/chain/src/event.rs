//! What happened on chain, in order.

use std::pin::Pin;

use floe_protocol::{Epoch, NodeId, ObjectId};
use floe_redstuff::BlobId;
use futures::Stream;
use serde::{Deserialize, Serialize};

use crate::{Address, BlobObject, ChainError, TxHash};

/// A place in the chain's history, after which to continue. The default is the beginning.
///
/// Ordered by block, then position in it. The block's hash tells later whether that block is still part of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct EventCursor {
    /// Number of the block.
    pub block: u64,
    /// Position of the last event seen in it; [`END_OF_BLOCK`](Self::END_OF_BLOCK) when all of the block was seen.
    pub log_index: u64,
    /// Hash of the block; zeros where it is not known.
    pub block_hash: [u8; 32],
}

impl EventCursor {
    /// The `log_index` of a cursor behind the last event of its block.
    pub const END_OF_BLOCK: u64 = u64::MAX;

    pub(crate) const fn end_of(block: u64, block_hash: [u8; 32]) -> Self {
        Self { block, log_index: Self::END_OF_BLOCK, block_hash }
    }

    pub(crate) fn has_hash(&self) -> bool {
        self.block_hash != [0; 32]
    }
}

/// One event of the network's contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEvent {
    /// Where it happened; resuming from here continues with the next one.
    pub cursor: EventCursor,
    /// The transaction that caused it.
    pub tx: TxHash,
    /// What happened.
    pub kind: EventKind,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A storage node joined the registry. Its key passed the proof of possession on chain.
    NodeRegistered {
        /// Its id.
        node_id: NodeId,
        /// The account that speaks for it.
        account: Address,
        /// Its name.
        name: String,
        /// Where it answers.
        url: String,
        /// Its BLS key, compressed, 48 bytes; not validated here.
        public_key: Vec<u8>,
    },
    /// A node answers elsewhere from now on.
    NodeUrlChanged {
        /// Which node.
        node_id: NodeId,
        /// Where it answers.
        url: String,
    },
    /// A node signs with another key, from the next committee on that it is selected for.
    NodeKeyAnnounced {
        /// Which node.
        node_id: NodeId,
    },
    /// The next committee is fixed.
    CommitteeSelected {
        /// The epoch that it will serve in.
        epoch: Epoch,
    },
    /// A member of the committee holds all of its shards.
    ShardsReceived {
        /// The current epoch.
        epoch: Epoch,
        /// Which node.
        node_id: NodeId,
    },
    /// The change to an epoch is complete: what the previous committee held, the current one holds.
    EpochChangeDone {
        /// The epoch.
        epoch: Epoch,
    },
    /// A new epoch began; epoch 1 is the launch. Its committee takes over.
    EpochChanged {
        /// The epoch.
        epoch: Epoch,
        /// Its beginning in seconds since 1970, by the chain's clock.
        started_at: u64,
    },
    /// A blob was registered and paid for.
    BlobRegistered {
        /// The new object.
        object: BlobObject,
        /// Paid, in the payment token's smallest unit.
        cost: u128,
    },
    /// The committee vouched for a blob: its point of availability.
    BlobCertified {
        /// Which blob.
        blob_id: BlobId,
        /// For which registration.
        object_id: ObjectId,
        /// Whether the registration can be deleted by its owner.
        deletable: bool,
        /// The epoch of the certificate.
        certified_epoch: Epoch,
        /// First epoch in which this registration is no longer paid for.
        end_epoch: Epoch,
    },
    /// A certified registration lasts longer.
    BlobExtended {
        /// Which blob.
        blob_id: BlobId,
        /// Which registration.
        object_id: ObjectId,
        /// The epoch of its certificate, as before.
        certified_epoch: Epoch,
        /// First epoch in which it is no longer paid for, from now on.
        end_epoch: Epoch,
        /// Paid, in the payment token's smallest unit.
        cost: u128,
    },
    /// A deletable registration was deleted by its owner.
    BlobDeleted {
        /// Which blob.
        blob_id: BlobId,
        /// Which registration.
        object_id: ObjectId,
        /// Until when it would have been paid for.
        end_epoch: Epoch,
        /// Whether it had a certificate.
        was_certified: bool,
    },
    /// A pool of capacity came to be.
    PoolCreated {
        /// Its number.
        pool_id: u64,
        /// First epoch that it does not cover.
        end_epoch: Epoch,
    },
    /// A pool and every blob in it last longer.
    PoolExtended {
        /// Which pool.
        pool_id: u64,
        /// First epoch that it does not cover, from now on.
        end_epoch: Epoch,
    },
    /// A blob was registered in a pool, and ends with it.
    PooledBlobRegistered {
        /// Which pool.
        pool_id: u64,
        /// Identity of the registration.
        object_id: ObjectId,
        /// Which blob.
        blob_id: BlobId,
        /// Length of the blob itself in bytes.
        size: u64,
        /// Whether the pool's owner may delete it before the pool's end.
        deletable: bool,
        /// First epoch that the pool does not cover yet.
        end_epoch: Epoch,
    },
    /// The committee vouched for a blob in a pool: its point of availability.
    PooledBlobCertified {
        /// Which blob.
        blob_id: BlobId,
        /// For which registration.
        object_id: ObjectId,
        /// Whether the pool's owner may delete it before the pool's end.
        deletable: bool,
        /// The epoch of the certificate.
        certified_epoch: Epoch,
        /// First epoch that the pool does not cover yet.
        end_epoch: Epoch,
    },
    /// A deletable registration in a pool was deleted by the pool's owner.
    PooledBlobDeleted {
        /// Which blob.
        blob_id: BlobId,
        /// Which registration.
        object_id: ObjectId,
        /// Until when it would have been paid for.
        end_epoch: Epoch,
        /// Whether it had a certificate.
        was_certified: bool,
    },
    /// The committee vouched that a blob cannot be decoded.
    BlobInvalidated {
        /// Which blob.
        blob_id: BlobId,
        /// In which epoch.
        epoch: Epoch,
    },
}

/// One item of an [`EventStream`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventItem {
    /// The next event.
    Event(ChainEvent),
    /// Nothing more up to here for now. Resuming from this cursor skips nothing.
    CaughtUp(EventCursor),
    /// The chain was reorganised: whatever was delivered after this cursor did not happen. The events that happened
    /// instead follow. With a confirmation depth at least that of the reorganisation this is never seen.
    Rollback(EventCursor),
}

/// Events in order, each once. It waits for new ones and for an endpoint that is down, and ends only after an error
/// that waiting cannot cure. Taking an item is cancel-safe.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<EventItem, ChainError>> + Send>>;
