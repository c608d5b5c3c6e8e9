//! What the contracts hold, in the protocol's words.

mod node;
mod pool;
mod resource;
mod stake;
mod subsidies;
mod vote;

use floe_protocol::{Epoch, ObjectId, Persistence};
use floe_redstuff::{BlobId, EncodingType};

pub use self::{
    node::{NodeDescription, NodeInfo, NodePool},
    pool::{CreatedPool, DestroyedPool, Pool, ResizedPool},
    resource::{BlobFund, Deleted, DueRenewal, Renewed, Reserved, StorageResource},
    stake::{Paid, StakePosition, StakeState, Staked, Unstaked, Withdrawn},
    subsidies::{SubsidiesPaid, SubsidyPot},
    vote::{Action, Proposal, ProposalState, Voted},
};
use crate::{Address, TxHash};

/// The rules and prices of a network, and its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Number of shards of every blob.
    pub n_shards: u16,
    /// The current epoch; 0 before the launch.
    pub epoch: Epoch,
    /// When it began, in seconds since 1970 by the chain's clock; 0 before the launch.
    pub epoch_started_at: u64,
    /// How long an epoch lasts at least, in seconds.
    pub epoch_duration_secs: u64,
    /// Where in the epoch the network is.
    pub phase: EpochPhase,
    /// When the clock's next step is due, in seconds since 1970; 0 before the launch.
    pub next_step_at: u64,
    /// A blob can be paid for this many epochs ahead at most.
    pub max_epochs_ahead: u32,
    /// Smallest units of the payment token per MiB of encoded length and epoch.
    pub storage_price: u128,
    /// Smallest units of the payment token per MiB of encoded length, once per registration.
    pub write_price: u128,
    /// Symbol of the payment token.
    pub payment_token_symbol: String,
    /// Decimal places of the payment token.
    pub payment_token_decimals: u8,
    /// The chain.
    pub chain_id: u64,
}

/// Where in an epoch the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochPhase {
    /// Before the launch.
    Genesis,
    /// Shards move to their new owners.
    Sync,
    /// Everything is in its place.
    Done,
    /// The next committee is fixed.
    Selected,
}

/// A step of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochStep {
    /// A change that did not reach its quorum in time counts as complete.
    SyncEnded,
    /// The next committee is fixed.
    CommitteeSelected,
    /// The next epoch has begun.
    EpochBegun,
}

/// Storage is priced by the started unit of this many bytes of encoded length.
pub const STORAGE_UNIT_BYTES: u64 = 1 << 20;

impl NetworkInfo {
    /// What a new registration costs, in the smallest unit of the payment token: the same sum as the contract's.
    #[must_use]
    pub fn cost(&self, encoded_length: u64, epochs_ahead: u32) -> u128 {
        let units = u128::from(encoded_length.div_ceil(STORAGE_UNIT_BYTES));
        units * (self.storage_price * u128::from(epochs_ahead) + self.write_price)
    }
}

/// A blob to be registered. The contract computes the id from the other fields and refuses one that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterBlob {
    /// Its id.
    pub blob_id: BlobId,
    /// Root of its sliver hashes.
    pub root_hash: [u8; 32],
    /// Length of the blob itself in bytes.
    pub size: u64,
    /// How it is encoded.
    pub encoding_type: EncodingType,
    /// Paid for from the current epoch (included) for this many epochs; at least 1.
    pub epochs_ahead: u32,
    /// Whether its owner may delete it before its end.
    pub deletable: bool,
    /// Who gets the registration; the account that pays if nobody is named.
    pub owner: Option<Address>,
}

/// One registration of a blob. The same blob may be registered by several owners, or again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobObject {
    /// Identity of the registration.
    pub object_id: ObjectId,
    /// What it is for.
    pub blob_id: BlobId,
    /// Who owns it.
    pub owner: Address,
    /// Length of the blob itself in bytes.
    pub size: u64,
    /// How it is encoded.
    pub encoding_type: EncodingType,
    /// Whether its owner may delete it before its end.
    pub deletable: bool,
    /// Epoch in which it was registered.
    pub registered_epoch: Epoch,
    /// Epoch in which it was certified; `None` as long as it is not.
    pub certified_epoch: Option<Epoch>,
    /// First epoch in which it is no longer paid for.
    pub end_epoch: Epoch,
}

impl BlobObject {
    /// Which confirmations certify it.
    #[must_use]
    pub fn persistence(&self) -> Persistence {
        if self.deletable { Persistence::Deletable(self.object_id) } else { Persistence::Permanent }
    }

    /// The pool that it is in; `None` for one with storage of its own. A pool's number is a part of its registrations'.
    #[must_use]
    pub fn pool(&self) -> Option<u64> {
        let (high, _) = self.object_id.as_bytes().split_last_chunk::<8>()?;
        let (_, pool) = high.split_last_chunk::<8>()?;
        Some(u64::from_be_bytes(*pool)).filter(|pool| *pool != 0)
    }
}

/// A registration that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The new object.
    pub object: BlobObject,
    /// Paid, in the payment token's smallest unit.
    pub cost: u128,
    /// What was paid for: bytes after encoding, all shards together.
    pub encoded_length: u64,
    /// The transaction.
    pub tx: TxHash,
}

/// An extension that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// First epoch in which the blob is no longer paid for, from now on.
    pub end_epoch: Epoch,
    /// Paid, in the payment token's smallest unit.
    pub cost: u128,
    /// The transaction.
    pub tx: TxHash,
}

/// What an account holds, each in its smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balances {
    /// The chain's own coin, which pays for gas.
    pub native: u128,
    /// The token that storage is paid in.
    pub payment: u128,
    /// FLOE.
    pub floe: u128,
}
