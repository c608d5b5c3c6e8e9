//! Governance: what is proposed, voted on and executed.

use std::collections::BTreeMap;

use floe_chain::{Action, Address, ChainError, ProposalState};
use floe_protocol::Epoch;
use serde_json::json;

use super::network::{Network, wallet};
use crate::support::chains;

/// Where a proxy keeps the address of its code (ERC-1967).
const IMPLEMENTATION: &str = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
const FLOE: u128 = 10_u128.pow(18);

#[tokio::test]
async fn a_parameter_is_voted_on_waits_and_is_changed() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let owner = network.connect().await;
        assert!(owner.proposals().await.unwrap().is_empty());
        let action = Action::StakeThreshold(500 * FLOE);
        let mut votes = Vec::new();
        for index in 0..3 {
            let voter = network.connect_as(Some(wallet(index + 1))).await;
            votes.push(voter.vote(network.nodes[index], &action).await.unwrap());
        }
        let weights: Vec<_> = votes.iter().map(|vote| (vote.weight, vote.ready_epoch)).collect();
        assert_eq!(weights, [(3, None), (6, None), (8, Some(Epoch(4)))], "{}", network.chain.name);
        assert_eq!(votes[0].quorum, 7);

        let proposals = owner.proposals().await.unwrap();
        assert_eq!(proposals.len(), 1);
        assert_eq!((proposals[0].id, &proposals[0].action), (votes[0].id, &action));
        assert_eq!(proposals[0].state(Epoch(1)), ProposalState::Approved);
        let early = owner.execute(&action).await.unwrap_err();
        assert!(matches!(&early, ChainError::Reverted { name, .. } if name == "DelayNotOver"), "{early}");
        for epoch in [2, 3, 4] {
            network.next_epoch(&owner).await;
            network.report_all(Epoch(epoch)).await;
        }
        assert_eq!(owner.proposals().await.unwrap()[0].state(Epoch(4)), ProposalState::Ready);
        owner.execute(&action).await.unwrap();
        assert_eq!(owner.proposals().await.unwrap()[0].state(Epoch(4)), ProposalState::Executed);
        let again = owner.execute(&action).await.unwrap_err();
        assert!(matches!(&again, ChainError::Reverted { name, .. } if name == "NotApproved"), "{again}");
    }
}

#[tokio::test]
async fn a_node_is_slashed_in_the_epoch_of_the_vote() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let owner = network.connect().await;
        let guilty = network.nodes[3];
        let action = Action::Slash { node_id: guilty, basis_points: 1_000 };
        for index in 0..3 {
            let voter = network.connect_as(Some(wallet(index + 1))).await;
            voter.vote(network.nodes[index], &action).await.unwrap();
        }
        let before = owner.node(guilty).await.unwrap().unwrap().pool.stake;
        owner.execute(&action).await.unwrap();
        let after = owner.node(guilty).await.unwrap().unwrap().pool.stake;
        assert_eq!(after, before / 10 * 9, "{}", network.chain.name);
    }
}

#[tokio::test]
async fn every_kind_of_action_is_told_apart_and_votes_are_checked() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let owner = network.connect().await;
        let voter = network.connect_as(Some(wallet(1))).await;
        let contracts = &network.contracts;
        let implementation = Address::from_bytes([7; 20]);
        let actions = [
            Action::Upgrade { contract: contracts.blobs, implementation },
            Action::Auditor(implementation),
            Action::SubsidyRates { usage_basis_points: 2_500, per_node: 7, per_shard: 1 << 100 },
            Action::Call { target: contracts.subsidies, data: vec![5; 4] },
            Action::Call { target: contracts.nodes, data: vec![1, 2, 3, 4] },
            Action::Call { target: contracts.staking, data: vec![0xff; 36] },
        ];
        for action in &actions {
            voter.vote(network.nodes[0], action).await.unwrap();
        }
        let proposals = owner.proposals().await.unwrap();
        let shown: Vec<_> = proposals.iter().map(|proposal| &proposal.action).collect();
        assert_eq!(shown, actions.iter().collect::<Vec<_>>(), "{}", network.chain.name);
        assert!(proposals.iter().all(|proposal| proposal.state(Epoch(1)) == ProposalState::Open));
        assert!(proposals.iter().all(|proposal| proposal.state(Epoch(2)) == ProposalState::Lapsed));

        let twice = voter.vote(network.nodes[0], &actions[0]).await.unwrap_err();
        assert!(matches!(&twice, ChainError::Reverted { name, .. } if name == "AlreadyVoted"), "{twice}");
        let foreign = voter.vote(network.nodes[1], &actions[0]).await.unwrap_err();
        assert!(matches!(&foreign, ChainError::Reverted { name, .. } if name == "Unauthorized"), "{foreign}");
        voter.set_governance_authority(network.nodes[0], wallet(9).address()).await.unwrap();
        let council = network.connect_as(Some(wallet(9))).await;
        council.vote(network.nodes[0], &Action::StakeThreshold(1)).await.unwrap();
    }
}

#[tokio::test]
async fn every_contract_whose_code_can_be_replaced_has_a_name() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let mut upgradeable = BTreeMap::new();
        let addresses = serde_json::to_value(network.contracts).unwrap();
        for (name, address) in addresses.as_object().unwrap() {
            let Some(address) = address.as_str() else { continue };
            let word = network.chain.rpc("eth_getStorageAt", json!([address, IMPLEMENTATION, "latest"])).await;
            if word.as_str().unwrap().contains(|digit| !"0x".contains(digit)) {
                upgradeable.insert(name.clone(), address.parse::<Address>().unwrap());
            }
        }
        let named = control.governed_contracts();
        let named: BTreeMap<_, _> = named.into_iter().map(|(name, address)| (name.to_owned(), address)).collect();
        assert_eq!(named, upgradeable, "{}", network.chain.name);
        assert_eq!(named["pools"], network.contracts.pools);
    }
}
