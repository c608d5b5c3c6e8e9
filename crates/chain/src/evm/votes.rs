//! Governance: votes for calls, and the calls themselves.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    primitives::{
        Bytes,
        aliases::{U96, U112},
    },
    sol_types::{SolCall as _, SolEvent as _},
};
use floe_protocol::{Epoch, NodeId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::{EvmChain, Inner, convert, read::Search};
use crate::{
    Action, Address, ChainError, Proposal, ProposalId, TxHash, Voted,
    bindings::{Governance, Staking, Subsidies},
    send::Call,
};

/// Proposals that are asked for at once.
const PROPOSALS_AT_ONCE: usize = 8;

impl EvmChain {
    /// Votes for an action with the shards of a node, whose governance authority the wallet must be. The first vote is
    /// the proposal; votes count within one epoch.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `Unauthorized`, `NotMember`, `AlreadyVoted`, or `AlreadyApproved`.
    pub async fn vote(&self, node: NodeId, action: &Action) -> Result<Voted, ChainError> {
        let inner = &self.inner;
        let governance = inner.config.contracts.governance;
        let (target, data) = inner.encode(action)?;
        let call = Governance::voteCall { nodeId: convert::node_number(node), target: target.evm(), data };
        let mined = inner.send(&Call::contract(governance, &call)).await?;
        let event: Governance::Voted = convert::expect_event(&mined, governance, "vote")?;
        let approved = convert::event::<Governance::Approved>(&mined, governance);
        Ok(Voted {
            id: ProposalId::from_bytes(event.proposalId.0),
            weight: event.weight,
            quorum: inner.quorum().await?,
            ready_epoch: approved.map(|approved| Epoch(approved.readyEpoch)),
            tx: mined.tx,
        })
    }

    /// Does what was approved. Anyone may, within the proposal's window.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `NotApproved`, `DelayNotOver`, `ProposalExpired`, or whatever the called contract says.
    pub async fn execute(&self, action: &Action) -> Result<TxHash, ChainError> {
        let (target, data) = self.inner.encode(action)?;
        let call = Governance::executeCall { target: target.evm(), data };
        let mined = self.inner.send(&Call::contract(self.inner.config.contracts.governance, &call)).await?;
        Ok(mined.tx)
    }

    /// Everything that was ever voted on, the oldest first.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn proposals(&self) -> Result<Vec<Proposal>, ChainError> {
        let inner = &self.inner;
        let topics = json!([Governance::Voted::SIGNATURE_HASH]);
        let mut logs = inner.search(inner.config.contracts.governance, &topics, Search::All).await?;
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        for log in &logs {
            let bad = |e: alloy::sol_types::Error| ChainError::BadAnswer { method: "Voted", detail: e.to_string() };
            let vote = Governance::Voted::decode_log(&log.inner).map_err(bad)?.data;
            if seen.insert(vote.proposalId) {
                found.push(vote);
            }
        }
        let quorum = inner.quorum().await?;
        let found = stream::iter(found.into_iter().map(|vote| inner.proposal(vote, quorum)));
        found.buffered(PROPOSALS_AT_ONCE).try_collect().await
    }

    /// The contracts whose code the governance can replace, by the names of their addresses in configurations.
    #[must_use]
    pub fn governed_contracts(&self) -> BTreeMap<&'static str, Address> {
        let contracts = &self.inner.config.contracts;
        BTreeMap::from([
            ("committee", contracts.committee),
            ("nodes", contracts.nodes),
            ("staking", contracts.staking),
            ("epochs", contracts.epochs),
            ("governance", contracts.governance),
            ("blobs", contracts.blobs),
            ("pools", contracts.pools),
            ("attributes", contracts.attributes),
            ("subsidies", contracts.subsidies),
            ("storage", contracts.storage),
        ])
    }
}

impl Inner {
    async fn quorum(&self) -> Result<u16, ChainError> {
        let governance = self.config.contracts.governance;
        let quorum = self.rpc.call("quorum", governance, &Governance::quorumCall {}).await?;
        u16::try_from(quorum).map_err(|e| ChainError::BadAnswer { method: "quorum", detail: e.to_string() })
    }

    async fn proposal(&self, vote: Governance::Voted, quorum: u16) -> Result<Proposal, ChainError> {
        let call = Governance::proposalOfCall { proposalId: vote.proposalId };
        let kept = self.rpc.call("proposalOf", self.config.contracts.governance, &call).await?;
        Ok(Proposal {
            id: ProposalId::from_bytes(vote.proposalId.0),
            action: self.decode(Address::from_evm(vote.target), &vote.data),
            epoch: Epoch(kept.epoch),
            weight: kept.weight,
            quorum,
            window: (kept.readyEpoch != 0).then_some((Epoch(kept.readyEpoch), Epoch(kept.expiryEpoch))),
        })
    }

    fn encode(&self, action: &Action) -> Result<(Address, Bytes), ChainError> {
        let staking = self.config.contracts.staking;
        let data = match action {
            Action::Upgrade { contract, implementation } => {
                let new = implementation.evm();
                let call = Staking::upgradeToAndCallCall { newImplementation: new, data: Bytes::new() };
                return Ok((*contract, call.abi_encode().into()));
            }
            Action::Call { target, data } => return Ok((*target, data.clone().into())),
            Action::StakeThreshold(threshold) => {
                let threshold = U96::try_from(*threshold).map_err(|_| ChainError::InvalidArgument {
                    detail: format!("threshold: {threshold} is too much"),
                })?;
                Staking::setThresholdCall { threshold }.abi_encode()
            }
            Action::SubsidyRates { usage_basis_points, per_node, per_shard } => {
                let rate = |rate: &u128| {
                    let narrow = U112::try_from(*rate);
                    narrow.map_err(|_| ChainError::InvalidArgument { detail: format!("rate: {rate} is too much") })
                };
                let (per_node, per_shard) = (rate(per_node)?, rate(per_shard)?);
                let call =
                    Subsidies::setRatesCall { usageBps: *usage_basis_points, perNode: per_node, perShard: per_shard };
                return Ok((self.config.contracts.subsidies, call.abi_encode().into()));
            }
            Action::Auditor(auditor) => Staking::setAuditorCall { auditor_: auditor.evm() }.abi_encode(),
            Action::Slash { node_id, basis_points } => {
                Staking::slashCall { nodeId: convert::node_number(*node_id), bps: *basis_points }.abi_encode()
            }
        };
        Ok((staking, data.into()))
    }

    /// What a call does, where it is one of those that have a name here and says nothing else.
    fn decode(&self, target: Address, data: &[u8]) -> Action {
        let named = self.decode_named(target, data);
        let same = |action: &Action| self.encode(action).is_ok_and(|(to, encoded)| to == target && *encoded == *data);
        named.filter(same).unwrap_or_else(|| Action::Call { target, data: data.to_vec() })
    }

    fn decode_named(&self, target: Address, data: &[u8]) -> Option<Action> {
        if let Ok(call) = Staking::upgradeToAndCallCall::abi_decode(data) {
            let implementation = Address::from_evm(call.newImplementation);
            return Some(Action::Upgrade { contract: target, implementation });
        }
        if target == self.config.contracts.subsidies {
            let call = Subsidies::setRatesCall::abi_decode(data).ok()?;
            return Some(Action::SubsidyRates {
                usage_basis_points: call.usageBps,
                per_node: call.perNode.to(),
                per_shard: call.perShard.to(),
            });
        }
        if target != self.config.contracts.staking {
            return None;
        }
        if let Ok(call) = Staking::slashCall::abi_decode(data) {
            let node_id = NodeId::from_bytes(call.nodeId.to_be_bytes());
            return Some(Action::Slash { node_id, basis_points: call.bps });
        }
        if let Ok(call) = Staking::setThresholdCall::abi_decode(data) {
            return Some(Action::StakeThreshold(call.threshold.to()));
        }
        let call = Staking::setAuditorCall::abi_decode(data).ok()?;
        Some(Action::Auditor(Address::from_evm(call.auditor_)))
    }
}
