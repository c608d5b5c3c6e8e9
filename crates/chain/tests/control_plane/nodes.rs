//! Nodes: what the registry and the stake say of them, and what their operators change.

use floe_chain::{
    ChainError, ControlPlane as _, NodeDescription,
    deploy::{self, NewNode, NodeVotes},
};
use floe_protocol::{Epoch, NodeId, bls::SecretKey};

use super::network::{Network, wallet};
use crate::support::chains;

const FLOE: u128 = 10_u128.pow(18);

#[tokio::test]
async fn a_node_registers_is_described_and_enters_a_committee() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let owner = network.connect().await;
        let operator = network.connect_as(Some(wallet(7))).await;
        let key = SecretKey::generate(&[77; 32]);
        let votes = NodeVotes { capacity_bytes: 5 << 40, storage_price: 90, write_price: 210 };
        let new = NewNode {
            name: "late".to_owned(),
            url: "http://127.0.0.1:9100".to_owned(),
            network_key: vec![2; 33],
            metadata: "{}".to_owned(),
            commission_bps: 300,
            votes,
        };
        let node = operator.register_node(&key, &new).await.unwrap();
        assert_eq!(node, NodeId::from_number(5), "{}", network.chain.name);
        assert_eq!(operator.node_of(wallet(7).address()).await.unwrap(), Some(node));
        assert_eq!(operator.node_of(wallet(9).address()).await.unwrap(), None);
        assert_eq!(operator.node(NodeId::from_number(6)).await.unwrap(), None);

        let info = operator.node(node).await.unwrap().unwrap();
        assert_eq!((info.account, info.commission_receiver), (wallet(7).address(), wallet(7).address()));
        assert_eq!((info.description.name.as_str(), info.description.network_key.len()), ("late", 33));
        assert_eq!((info.votes, info.pool.commission_bps, info.pool.stake), (votes, 300, 0));
        assert_eq!(info.public_key, key.public_key().to_bytes());

        let described = NodeDescription { name: "moved".to_owned(), url: "http://x".to_owned(), ..info.description };
        operator.describe_node(node, &described).await.unwrap();
        assert_eq!(operator.node(node).await.unwrap().unwrap().description, described);
        let stranger = owner.describe_node(node, &described).await.unwrap_err();
        assert!(matches!(stranger, ChainError::Reverted { name, .. } if name == "Unauthorized"));

        owner.stake(node, 1_000 * FLOE).await.unwrap();
        let all = owner.nodes().await.unwrap();
        assert_eq!(all.len(), 5);
        assert_eq!((all[4].pool.stake, all[4].pool.stake_next, all[4].pool.is_candidate), (0, 1_000 * FLOE, true));
        assert_eq!(owner.stake_of(node, Epoch(2)).await.unwrap(), 1_000 * FLOE);
        network.next_epoch(&owner).await;
        let committee = owner.committee().await.unwrap();
        assert_eq!(committee.members().iter().filter(|m| m.node_id == node && m.shards.len() == 2).count(), 1);
    }
}

#[tokio::test]
async fn a_new_key_is_announced_and_signs_from_the_next_committee_on() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let owner = network.connect().await;
        let (node, operator) = (network.nodes[2], network.connect_as(Some(wallet(3))).await);
        let (old, new) = (network.keys[2].public_key(), SecretKey::generate(&[99; 32]));
        operator.announce_key(node, &new).await.unwrap();
        let info = operator.node(node).await.unwrap().unwrap();
        assert_eq!(info.public_key, old.to_bytes(), "{}", network.chain.name);
        assert_eq!(info.next_public_key, Some(new.public_key().to_bytes().to_vec()));
        let taken = operator.announce_key(node, &network.keys[0]).await.unwrap_err();
        assert!(matches!(taken, ChainError::Reverted { name, detail } if name == "KeyTaken" && detail == "nodeId: 1"));

        let key_in = |committee: &floe_protocol::Committee| {
            let index = committee.index_of(&node).unwrap();
            committee.member(index).unwrap().public_key
        };
        assert_eq!(key_in(&owner.committee().await.unwrap()), old);
        network.next_epoch(&owner).await;
        assert_eq!(key_in(&owner.committee().await.unwrap()), new.public_key());
    }
}

#[tokio::test]
async fn what_two_thirds_vote_for_becomes_the_price_step_by_step() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let owner = network.connect().await;
        assert_eq!(owner.network().await.unwrap().storage_price, 100);
        for (index, node) in network.nodes.iter().enumerate() {
            let operator = network.connect_as(Some(wallet(index + 1))).await;
            let votes = NodeVotes { storage_price: 1_000, ..NodeVotes::default() };
            operator.vote_terms(*node, votes).await.unwrap();
            assert_eq!(operator.node(*node).await.unwrap().unwrap().votes, votes);
        }
        assert_eq!(
            owner.network().await.unwrap().storage_price,
            100,
            "{}: not before the next epoch",
            network.chain.name
        );
        for (epoch, price) in [(2, 125), (3, 156), (4, 195)] {
            network.next_epoch(&owner).await;
            network.report_all(Epoch(epoch)).await;
            assert_eq!(owner.network().await.unwrap().storage_price, price, "a quarter at most");
        }
        let stranger = owner.vote_terms(network.nodes[0], NodeVotes::default()).await.unwrap_err();
        assert!(matches!(stranger, ChainError::Reverted { name, .. } if name == "Unauthorized"));
    }
}

#[tokio::test]
async fn a_network_is_launched_by_its_deployer_once() {
    for chain in chains().await {
        let network = Network::prepare(chain).await;
        let stranger = network.connect_as(Some(wallet(1))).await;
        let error = stranger.launch().await.unwrap_err();
        assert!(matches!(error, ChainError::Reverted { name, .. } if name == "Unauthorized"), "{}", network.chain.name);
        let owner = network.connect().await;
        owner.launch().await.unwrap();
        assert_eq!(owner.network().await.unwrap().epoch, Epoch(1));
        let again = owner.launch().await.unwrap_err();
        assert!(matches!(again, ChainError::Reverted { name, .. } if name == "WrongPhase"));
        let (url, contracts) = (&network.chain.rpc_url, &network.contracts);
        let poor = deploy::send_floe(url, contracts, &wallet(9), wallet(8).address(), 1).await.unwrap_err();
        assert!(matches!(poor, ChainError::InsufficientFunds { needed: 1, available: 0, .. }));
    }
}
