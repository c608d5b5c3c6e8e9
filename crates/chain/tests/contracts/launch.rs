//! The launch: once, by the owner, with every shard owned.

use alloy::primitives::{B256, Bytes, U256};
use alloy::providers::Provider;

use super::bindings::Committee;
use super::network::{Deployment, HOUR, Network, account, mined, refusal, shard_owners};
use super::signing::confirmation;
use crate::support::chains;

/// What one transaction may use where the rules of Osaka hold (EIP-7825).
const TRANSACTION_GAS_MAX: u64 = 1 << 24;

/// Two shards for each of the first two members, none for a third.
const WEIGHTS: [u16; 2] = [2, 2];

#[tokio::test(flavor = "multi_thread")]
async fn launch_begins_epoch_one_with_the_named_committee() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 10).await;
        assert_eq!(net.committee.currentEpoch().call().await.unwrap(), 0, "{}", chain.name);
        assert!(net.committee.members().call().await.unwrap().nodeIds.is_empty());
        let nodes = net.register_nodes(5).await;
        // The second node stays out.
        let members: Vec<_> = [0, 2, 3, 4].map(|i| nodes[i].id).into();
        let owners: Bytes = [3_u16, 1, 0, 3, 3, 2, 3, 1, 1, 1].iter().flat_map(|m| m.to_be_bytes()).collect();
        let receipt = mined(net.committee.launch(members.clone(), owners.clone()).send().await).await;
        let event = receipt.decoded_log::<Committee::EpochChanged>().expect("the epoch is announced");

        let committee = net.committee.members().call().await.unwrap();
        assert_eq!(committee.nodeIds, members);
        assert_eq!(committee.weights, [1, 4, 1, 4]);
        assert_eq!(committee.shardOwners, owners);
        assert_eq!(net.committee.currentEpoch().call().await.unwrap(), 1);
        assert_eq!(event.epoch, 1);
        assert_eq!(net.committee.epochStart().call().await.unwrap(), event.startedAt);
        assert!(net.committee.owner().call().await.unwrap().is_zero(), "the owner's power ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_launches_and_only_once() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let nodes = net.register_nodes(2).await;
        let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
        let launch = || net.committee.launch(ids.clone(), shard_owners(&WEIGHTS)).from(net.owner_address);

        let stranger = account("stranger").address();
        let error = refusal::<Committee::NotOwner, _>(launch().from(stranger).call().await);
        assert_eq!((error.caller, error.owner), (stranger, net.owner_address), "{}", chain.name);

        mined(launch().send().await).await;
        assert_eq!(refusal::<Committee::AlreadyLaunched, _>(launch().call().await).epoch, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shard_needs_an_owner_and_every_member_a_shard() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let nodes = net.register_nodes(2).await;
        let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
        let launch = async |ids: &[U256], owners: Bytes| {
            net.committee.launch(ids.to_vec(), owners).from(net.owner_address).call().await
        };

        let error = refusal::<Committee::ShardOwnersLength, _>(launch(&ids, shard_owners(&[2, 1])).await);
        assert_eq!((error.expected, error.got), (U256::from(8), U256::from(6)), "{}", chain.name);
        refusal::<Committee::ShardOwnersLength, _>(launch(&ids, shard_owners(&[2, 3])).await);

        let error = refusal::<Committee::ShardOwnerOutOfRange, _>(launch(&ids, shard_owners(&[2, 1, 1])).await);
        assert_eq!((error.shard, error.member, error.members), (U256::from(3), U256::from(2), U256::from(2)));

        let error = refusal::<Committee::MemberWithoutShards, _>(launch(&ids, shard_owners(&[4])).await);
        assert_eq!(error.member, U256::ONE);

        let descending = [ids[1], ids[0]];
        let error = refusal::<Committee::MembersNotAscending, _>(launch(&descending, shard_owners(&WEIGHTS)).await);
        assert_eq!((error.index, error.previous, error.got), (U256::ONE, ids[1], ids[0]));
        refusal::<Committee::MembersNotAscending, _>(launch(&[ids[0]; 2], shard_owners(&WEIGHTS)).await);

        let error =
            refusal::<Committee::UnknownNode, _>(launch(&[ids[0], U256::from(9)], shard_owners(&WEIGHTS)).await);
        assert_eq!(error.nodeId, U256::from(9));

        let error = refusal::<Committee::MemberCountOutOfRange, _>(launch(&[], shard_owners(&[4])).await);
        assert_eq!((error.got, error.max), (U256::ZERO, U256::from(249)));
        let crowd: Vec<_> = (1..=250).map(U256::from).collect();
        refusal::<Committee::MemberCountOutOfRange, _>(launch(&crowd, shard_owners(&[4])).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_committee_and_the_most_shards_fit() {
    for chain in chains().await {
        let mut weights = [40; 249];
        weights[248] = 10_000 - 40 * 248;
        let net = Network::launch(&chain, &weights).await;
        let committee = net.committee.members().call().await.unwrap();
        assert_eq!(committee.weights, weights, "{}", chain.name);
        let message = confirmation(1, B256::ZERO);
        let (signers, signature) = net.certificate(&[0, 248], &message);
        let error = refusal::<Committee::NoQuorum, _>(
            net.committee.requireQuorum(message.into(), signers, signature).call().await,
        );
        assert_eq!((error.weight, error.needed), (U256::from(120), U256::from(6_667)));

        let epochs = net.committee.EpochChanged_filter().from_block(0).query().await.unwrap();
        let launch = epochs[0].1.transaction_hash.expect("a mined log");
        let receipt = net.owner.get_transaction_receipt(launch).await.unwrap().expect("a mined transaction");
        assert!(receipt.gas_used < TRANSACTION_GAS_MAX, "{} gas", receipt.gas_used);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_checks_its_parameters() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let deploy = async |owner, shards, duration| {
            let attempt = Committee::deploy_builder(net.owner.clone(), owner, shards, duration);
            attempt.call().await
        };
        for shards in [0, 3, 10_001] {
            let error = refusal::<Committee::ShardCountOutOfRange, _>(deploy(net.owner_address, shards, HOUR).await);
            assert_eq!(error.got, U256::from(shards), "{}", chain.name);
        }
        refusal::<Committee::ZeroEpochDuration, _>(deploy(net.owner_address, 4, 0).await);
        refusal::<Committee::ZeroOwner, _>(deploy(Default::default(), 4, HOUR).await);
    }
}
