//! The pot that adds to what users pay.

use floe_protocol::Epoch;

use crate::TxHash;

/// What there is to pay out, and by which rates. All amounts are in the payment token's smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubsidyPot {
    /// What there is to pay out.
    pub balance: u128,
    /// How much is added to what users paid, in basis points.
    pub usage_basis_points: u32,
    /// What each node gets for an epoch in the committee.
    pub per_node: u128,
    /// What each node gets for each of its shards and epoch.
    pub per_shard: u128,
    /// The epoch of the last payout; `None` if there was none.
    pub processed_epoch: Option<Epoch>,
}

/// A payout that happened, in the payment token's smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubsidiesPaid {
    /// The epoch in which it happened.
    pub epoch: Epoch,
    /// Added to what users paid, for this epoch and those ahead.
    pub usage_part: u128,
    /// Given to the committee of the epoch before.
    pub fixed_part: u128,
    /// The transaction.
    pub tx: TxHash,
}
