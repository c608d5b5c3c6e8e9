//! Nodes, as the registry and the stake know them.

use floe_protocol::{Epoch, NodeId};

use crate::{Address, deploy::NodeVotes};

/// A registered node, in a committee or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its id.
    pub node_id: NodeId,
    /// The account that it runs with.
    pub account: Address,
    /// Who collects its commission.
    pub commission_receiver: Address,
    /// Who votes for it in the governance.
    pub governance_authority: Address,
    /// How it presents itself.
    pub description: NodeDescription,
    /// Its BLS key, compressed.
    pub public_key: Vec<u8>,
    /// The key that it signs with from the next committee on that it is selected for; `None` for the same.
    pub next_public_key: Option<Vec<u8>>,
    /// What it votes for.
    pub votes: NodeVotes,
    /// Its pool.
    pub pool: NodePool,
}

/// How a node presents itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeDescription {
    /// What people call it.
    pub name: String,
    /// Where it answers.
    pub url: String,
    /// The key of its transport; may be empty.
    pub network_key: Vec<u8>,
    /// A URI or a JSON text; may be empty.
    pub metadata: String,
}

/// The stake with a node. Amounts are in the smallest units of FLOE and of the payment token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePool {
    /// Stake in the current epoch.
    pub stake: u128,
    /// Stake in the next epoch, as far as it is known.
    pub stake_next: u128,
    /// Shards held in the current epoch.
    pub n_shards: u16,
    /// Whether it is a candidate for the next committee.
    pub is_candidate: bool,
    /// Its part of the pool's rewards, in basis points.
    pub commission_bps: u16,
    /// Another part that was announced, and from which epoch on.
    pub next_commission: Option<(u16, Epoch)>,
    /// Commission not yet collected, in the payment token.
    pub commission: u128,
}
