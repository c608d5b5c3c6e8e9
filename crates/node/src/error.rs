//! Why a node could not start or had to end.

use floe_protocol::{Epoch, NodeId};
use floe_store::StoreError;

use crate::ledger::LedgerError;

/// The end of a node that was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The store could not be read at the start.
    #[error("the store cannot be used: {0}")]
    Store(#[from] StoreError),
    /// A write to the store failed in a way that leaves unknown what is durable. A restart recovers what is.
    #[error("the store stopped after a failed write; restart the node to recover from what is durable")]
    StoreStopped,
    /// State derived from chain events does not decode: written by another version, or damaged.
    #[error("the node's chain state is damaged: {reason}")]
    State {
        /// What did not decode.
        reason: String,
    },
    /// The store belongs to a network with another number of shards.
    #[error("the store belongs to a network of {stored} shards, but the chain says {chain}; use another data folder")]
    WrongNetwork {
        /// Shards of the network that the store was written for.
        stored: u16,
        /// Shards of the network on chain.
        chain: u16,
    },
    /// The chain knows this node by another key: its confirmations would count for nothing.
    #[error(
        "the committee of epoch {epoch} knows node {node} by another key than those that are configured; use the key file \
         that it was registered with, or, after a rotation, name both the old key file and the next one"
    )]
    WrongKey {
        /// This node.
        node: NodeId,
        /// The epoch of the committee.
        epoch: Epoch,
    },
    /// Threads could not be started.
    #[error("cannot start threads: {0}")]
    Threads(rayon::ThreadPoolBuildError),
}

impl NodeError {
    /// A stable code for people and alerts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(_) => "NODE-0001",
            Self::StoreStopped => "NODE-0002",
            Self::State { .. } => "NODE-0003",
            Self::WrongNetwork { .. } => "NODE-0004",
            Self::WrongKey { .. } => "NODE-0005",
            Self::Threads(_) => "NODE-0006",
        }
    }
}

impl From<LedgerError> for NodeError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Store(error) => Self::Store(error),
            LedgerError::BadRecord(error) => Self::State { reason: error.to_string() },
        }
    }
}
