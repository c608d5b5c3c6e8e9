//! Decisions by a quorum of shards.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::sol_types::{SolCall, SolValue};

use super::subsidies::Rates;
use super::{Model, Ruling, refuse, wide};
use crate::bindings::{Governance, Staking, Subsidies};

const DELAY_EPOCHS: u32 = 3;
const EXECUTION_EPOCHS: u32 = 10;

/// What the governance is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Slash { node: u64, bps: u16 },
    Threshold(u128),
    Auditor(Address),
    Rates(Rates),
}

impl Decision {
    pub(crate) fn data(self) -> Bytes {
        match self {
            Self::Slash { node, bps } => Staking::slashCall { nodeId: wide(node), bps }.abi_encode(),
            Self::Threshold(least) => Staking::setThresholdCall { threshold: wide(least).to() }.abi_encode(),
            Self::Auditor(auditor_) => Staking::setAuditorCall { auditor_ }.abi_encode(),
            Self::Rates(Rates { usage_bps, per_node, per_shard }) => Subsidies::setRatesCall {
                usageBps: usage_bps,
                perNode: wide(per_node).to(),
                perShard: wide(per_shard).to(),
            }
            .abi_encode(),
        }
        .into()
    }
}

/// The votes for one decision.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) decision: Decision,
    pub(crate) epoch: u32,
    pub(crate) weight: u16,
    voters: Vec<u64>,
    /// first epoch in which it can be executed, and first in which it no longer can
    pub(crate) window: Option<(u32, u32)>,
}

impl Model {
    /// The contract that a decision is about.
    pub(crate) fn target(&self, decision: Decision) -> Address {
        if matches!(decision, Decision::Rates(_)) { self.at.subsidies } else { self.at.staking }
    }

    pub(crate) fn proposal_id(&self, decision: Decision) -> B256 {
        keccak256((self.target(decision), decision.data()).abi_encode_params())
    }

    pub(crate) fn vote(&mut self, by: Address, node: u64, decision: Decision) -> Ruling<()> {
        let authority = self.node(node)?.authority;
        self.only(by, authority)?;
        let epoch = self.epoch();
        let weight = self.committees.get(&epoch).map_or(0, |committee| committee.weight(node));
        if weight == 0 {
            return refuse(Governance::NotMember { nodeId: wide(node), epoch });
        }
        let id = self.proposal_id(decision);
        let fresh = Proposal { decision, epoch, weight: 0, voters: Vec::new(), window: None };
        let mut proposal = self.proposals.remove(&id).unwrap_or(fresh.clone());
        match proposal.window {
            Some((ready, expiry)) if epoch < expiry => {
                return refuse(Governance::AlreadyApproved { readyEpoch: ready });
            }
            Some(_) => proposal = fresh,
            None if proposal.epoch != epoch => proposal = fresh,
            None => {}
        }
        if proposal.voters.contains(&node) {
            return refuse(Governance::AlreadyVoted { nodeId: wide(node) });
        }
        proposal.voters.push(node);
        proposal.weight += weight;
        let (target, data, weight) = (self.target(decision), decision.data(), proposal.weight);
        let event = Governance::Voted { proposalId: id, nodeId: wide(node), target, data, weight };
        self.events.tell(self.at.governance, event);
        if proposal.weight >= self.rules.quorum() {
            let (ready, lasts) = match decision {
                Decision::Slash { .. } => (epoch, 1),
                _ => (epoch + DELAY_EPOCHS, EXECUTION_EPOCHS),
            };
            proposal.window = Some((ready, ready + lasts));
            self.events.tell(self.at.governance, Governance::Approved { proposalId: id, readyEpoch: ready });
        }
        self.proposals.insert(id, proposal);
        Ok(())
    }

    pub(crate) fn execute(&mut self, decision: Decision) -> Ruling<()> {
        let (id, epoch) = (self.proposal_id(decision), self.epoch());
        let proposal = self.proposals.remove(&id);
        let Some((ready, expiry)) = proposal.as_ref().and_then(|proposal| proposal.window) else {
            let weight = proposal.filter(|proposal| proposal.epoch == epoch).map_or(0, |proposal| proposal.weight);
            return refuse(Governance::NotApproved { weight: wide(weight), needed: wide(self.rules.quorum()) });
        };
        if epoch < ready {
            return refuse(Governance::DelayNotOver { readyEpoch: ready, currentEpoch: epoch });
        }
        if epoch >= expiry {
            return refuse(Governance::ProposalExpired { expiryEpoch: expiry, currentEpoch: epoch });
        }
        let (target, data) = (self.target(decision), decision.data());
        self.events.tell(self.at.governance, Governance::Executed { proposalId: id, target, data });
        match decision {
            Decision::Slash { node, bps } => self.slash(node, bps),
            Decision::Rates(rates) => self.set_rates(rates),
            Decision::Threshold(least) => {
                self.stakes.threshold = least;
                self.events.tell(self.at.staking, Staking::ThresholdChanged { threshold: wide(least) });
                Ok(())
            }
            Decision::Auditor(auditor) => {
                self.stakes.auditor = auditor;
                self.events.tell(self.at.staking, Staking::AuditorChanged { auditor });
                Ok(())
            }
        }
    }
}
