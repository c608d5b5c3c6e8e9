//! The launch: once, by whoever deployed, with the committee that the stake makes.

use alloy::primitives::{Address, B256, Bytes, U256};

use super::bindings::Epochs;
use super::network::{COMMISSION_BPS, DONE, Deployment, HOUR, Network, account, mined, refusal};
use crate::support::chains;

#[tokio::test(flavor = "multi_thread")]
async fn launch_begins_epoch_one_with_the_committee_that_stake_makes() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 10).await;
        assert_eq!(net.epochs.currentEpoch().call().await.unwrap(), 0, "{}", chain.name);
        let nodes = net.register_nodes(5).await;
        // The second node stays out, because nobody stakes with it.
        for (node, floe) in [(0, 100), (2, 400), (3, 100), (4, 400)] {
            net.stake(nodes[node].id, floe).await;
        }
        let receipt = mined(net.epochs.launch().gas(10_000_000).send().await).await;
        let event = receipt.decoded_log::<Epochs::EpochChangeStarted>().expect("the epoch is announced");

        let committee = net.committee.members(1).call().await.unwrap();
        assert_eq!(committee.nodeIds, [0, 2, 3, 4].map(|i| nodes[i].id));
        assert_eq!(committee.weights, [1, 4, 1, 4]);
        let owners: Bytes = [0_u16, 1, 1, 1, 1, 2, 3, 3, 3, 3].iter().flat_map(|m| m.to_be_bytes()).collect();
        assert_eq!(committee.shardOwners, owners, "in sequence");
        let keys: Vec<u8> = [0, 2, 3, 4].iter().flat_map(|i| nodes[*i].key.sk_to_pk().compress()).collect();
        assert_eq!(committee.publicKeys, Bytes::from(keys));

        assert_eq!(event.epoch, 1);
        assert_eq!(net.epochs.currentEpoch().call().await.unwrap(), 1);
        assert_eq!(net.epochs.epochStart().call().await.unwrap(), event.startedAt);
        let clock = net.epochs.clock().call().await.unwrap();
        assert_eq!((clock.phase, clock.dueAt), (DONE, event.startedAt + HOUR / 2), "nothing has to move");
        assert_ne!(net.epochs.randomness(1).call().await.unwrap(), B256::ZERO);
        let pool = net.staking.poolOf(nodes[2].id).call().await.unwrap();
        assert_eq!((pool.weight, pool.commissionBps), (4, COMMISSION_BPS));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_launcher_launches_and_only_once() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let launch = || net.epochs.launch().from(net.owner_address);
        refusal::<Epochs::NoCandidates, _>(launch().call().await);
        let nodes = net.register_nodes(2).await;
        for node in &nodes {
            net.stake(node.id, 1).await;
        }
        let stranger = account("stranger").address();
        let error = refusal::<Epochs::Unauthorized, _>(launch().from(stranger).call().await);
        assert_eq!((error.caller, error.expected), (stranger, net.owner_address), "{}", chain.name);

        mined(launch().send().await).await;
        let error = refusal::<Epochs::WrongPhase, _>(launch().call().await);
        assert_eq!((error.expected, error.got), (0, DONE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_checks_its_parameters() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let at = net.owner_address;
        let deploy = async |launcher, shards, duration| {
            let attempt = Epochs::deploy_builder(net.owner.clone(), at, launcher, shards, duration, at, at, at, at, at);
            attempt.call().await
        };
        for shards in [0, 3, 10_001] {
            let error = refusal::<Epochs::ShardCountOutOfRange, _>(deploy(at, shards, HOUR).await);
            assert_eq!(error.got, U256::from(shards), "{}", chain.name);
        }
        refusal::<Epochs::ZeroEpochDuration, _>(deploy(at, 4, 0).await);
        refusal::<Epochs::ZeroAddress, _>(deploy(Address::ZERO, 4, HOUR).await);
    }
}
