//! What members vote on.

use floe_protocol::{Epoch, NodeId};

use crate::{Address, ProposalId, TxHash};

/// A call that the governance can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Replaces the code of a contract.
    Upgrade {
        /// Its proxy.
        contract: Address,
        /// The new code, deployed already.
        implementation: Address,
    },
    /// Sets the least stake of candidates, in FLOE's smallest unit.
    StakeThreshold(u128),
    /// Names the contract that judges audits; zero for none.
    Auditor(Address),
    /// Burns a part of a node's stake, and takes its commission.
    Slash {
        /// The node.
        node_id: NodeId,
        /// How much of the stake.
        basis_points: u16,
    },
    /// Sets the rates of subsidies.
    SubsidyRates {
        /// What is added to what users pay, in basis points; 1,000,000 at most.
        usage_basis_points: u32,
        /// For each node, an epoch, in the payment token's smallest unit.
        per_node: u128,
        /// For each shard, an epoch, in the payment token's smallest unit.
        per_shard: u128,
    },
    /// Any other call.
    Call {
        /// The contract.
        target: Address,
        /// Selector and arguments.
        data: Vec<u8>,
    },
}

/// The votes for an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its number, which follows from the action.
    pub id: ProposalId,
    /// What is voted on.
    pub action: Action,
    /// Epoch of the votes; those of earlier epochs have lapsed. 0 once it was executed.
    pub epoch: Epoch,
    /// Shards that voted for it in that epoch.
    pub weight: u16,
    /// Shards that it needs.
    pub quorum: u16,
    /// First epoch in which it can be executed, and first one in which it no longer can; `None` while it is not
    /// approved.
    pub window: Option<(Epoch, Epoch)>,
}

/// Where a proposal is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProposalState {
    /// Votes are counted in this epoch.
    Open,
    /// It found no quorum within an epoch. Another vote begins anew.
    Lapsed,
    /// Approved; it can be executed later.
    Approved,
    /// It can be executed now.
    Ready,
    /// Nobody executed it in time.
    Expired,
    /// It was done.
    Executed,
}

impl Proposal {
    /// Where it is in an epoch.
    #[must_use]
    pub fn state(&self, now: Epoch) -> ProposalState {
        match self.window {
            Some((ready, _)) if now < ready => ProposalState::Approved,
            Some((_, expiry)) if now < expiry => ProposalState::Ready,
            Some(_) => ProposalState::Expired,
            None if self.epoch == Epoch(0) => ProposalState::Executed,
            None if self.epoch == now => ProposalState::Open,
            None => ProposalState::Lapsed,
        }
    }
}

/// A vote that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voted {
    /// The proposal.
    pub id: ProposalId,
    /// Shards that have voted for it.
    pub weight: u16,
    /// Shards that it needs.
    pub quorum: u16,
    /// First epoch in which it can be executed, if this vote made the quorum.
    pub ready_epoch: Option<Epoch>,
    /// The transaction.
    pub tx: TxHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_open_approved_ready_and_over() {
        let mut proposal = Proposal {
            id: ProposalId::from_bytes([1; 32]),
            action: Action::StakeThreshold(1),
            epoch: Epoch(4),
            weight: 3,
            quorum: 7,
            window: None,
        };
        assert_eq!(proposal.state(Epoch(4)), ProposalState::Open);
        assert_eq!(proposal.state(Epoch(5)), ProposalState::Lapsed);
        proposal.window = Some((Epoch(7), Epoch(17)));
        assert_eq!(proposal.state(Epoch(6)), ProposalState::Approved);
        assert_eq!(proposal.state(Epoch(7)), ProposalState::Ready);
        assert_eq!(proposal.state(Epoch(17)), ProposalState::Expired);
        (proposal.epoch, proposal.window) = (Epoch(0), None);
        assert_eq!(proposal.state(Epoch(9)), ProposalState::Executed);
    }
}
