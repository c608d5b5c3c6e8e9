//! The clock: each step in its phase, when it is due; and what a change of committees does.

use alloy::primitives::{B256, U256};

use super::bindings::{Committee, Epochs, Nodes};
use super::network::{DONE, Deployment, HOUR, Network, SELECTED, SYNC, mined, refusal, votes};
use super::signing::{confirmation, g1, secret_key};
use crate::support::chains;

#[tokio::test(flavor = "multi_thread")]
async fn each_step_belongs_to_its_phase_and_time() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let started = net.epochs.epochStart().call().await.unwrap();
        let early = refusal::<Epochs::TooEarly, _>(net.epochs.selectNext().call().await);
        assert_eq!(early.dueAt, started + HOUR / 2, "{}", chain.name);
        assert!(early.timestamp >= started && early.timestamp < early.dueAt);
        let wrong = refusal::<Epochs::WrongPhase, _>(net.epochs.beginNext().call().await);
        assert_eq!((wrong.expected, wrong.got), (SELECTED, DONE));
        let wrong = refusal::<Epochs::WrongPhase, _>(net.epochs.endSync().call().await);
        assert_eq!((wrong.expected, wrong.got), (SYNC, DONE));

        net.select_next().await;
        let early = refusal::<Epochs::TooEarly, _>(net.epochs.beginNext().call().await);
        assert_eq!(early.dueAt, started + HOUR);
        refusal::<Epochs::WrongPhase, _>(net.epochs.selectNext().call().await);

        net.begin_next().await;
        let started = net.epochs.epochStart().call().await.unwrap();
        let early = refusal::<Epochs::TooEarly, _>(net.epochs.endSync().call().await);
        assert_eq!(early.dueAt, started + HOUR, "a change has as long as an epoch");
        refusal::<Epochs::WrongPhase, _>(net.epochs.selectNext().call().await);
        refusal::<Epochs::WrongPhase, _>(net.epochs.beginNext().call().await);

        net.pass(HOUR).await;
        mined(net.epochs.endSync().send().await).await;
        let clock = net.epochs.clock().call().await.unwrap();
        assert_eq!((clock.epoch, clock.phase, clock.synced), (2, DONE, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_happens_before_the_launch() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        refusal::<Epochs::WrongPhase, _>(net.epochs.selectNext().call().await);
        refusal::<Epochs::WrongPhase, _>(net.epochs.beginNext().call().await);
        refusal::<Epochs::WrongPhase, _>(net.epochs.endSync().call().await);
        refusal::<Epochs::WrongPhase, _>(net.epochs.epochSyncDone(0).call().await);
        for epoch in [0, 1] {
            let error = refusal::<Committee::NoCommittee, _>(net.committee.members(epoch).call().await);
            assert_eq!(error.epoch, epoch, "{}", chain.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_report_once_until_a_quorum_has() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[2, 2, 2, 1]).await;
        net.select_next().await;
        net.begin_next().await;
        let report = |node: usize, epoch| net.epochs.epochSyncDone(epoch).from(net.nodes[node].signer.address());
        let error = refusal::<Epochs::WrongEpoch, _>(report(0, 1).call().await);
        assert_eq!((error.expected, error.got), (2, 1), "{}", chain.name);
        let error = refusal::<Epochs::NotMember, _>(net.epochs.epochSyncDone(2).call().await);
        assert_eq!(error.account, net.owner_address);

        for (node, phase, synced) in [(1, SYNC, 2), (3, SYNC, 3), (0, DONE, 5), (2, DONE, 7)] {
            let own = net.epochs_as(&net.nodes[node].signer);
            let receipt = mined(own.epochSyncDone(2).send().await).await;
            let received = receipt.decoded_log::<Epochs::ShardsReceived>().expect("announced, also after the quorum");
            assert_eq!(received.nodeId, net.nodes[node].id);
            let clock = net.epochs.clock().call().await.unwrap();
            assert_eq!((clock.phase, clock.synced), (phase, synced));
            let again = refusal::<Epochs::AlreadySynced, _>(report(node, 2).call().await);
            assert_eq!(again.nodeId, net.nodes[node].id);
            let done = receipt.decoded_log::<Epochs::EpochChangeDone>();
            assert_eq!(done.is_some(), node == 0, "the report that completes the quorum completes the change");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_stake_moves_nothing_and_writes_nothing_new() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[3, 3, 2, 2]).await;
        let before = net.committee.members(1).call().await.unwrap();
        for epoch in [2, 3] {
            let selected = net.select_next().await;
            assert!(selected.gas_used < 600_000, "{}: {} gas", chain.name, selected.gas_used);
            assert_eq!(net.committee.members(epoch).call().await.unwrap(), before, "the next");
            net.begin_next().await;
            assert_eq!(net.committee.members(epoch).call().await.unwrap(), before, "the current");
            assert_eq!(net.committee.members(epoch - 1).call().await.unwrap(), before, "the previous");
            net.sync().await;
        }
        refusal::<Committee::NoCommittee, _>(net.committee.members(1).call().await);
        refusal::<Committee::NoCommittee, _>(net.committee.members(4).call().await);
        let random = async |epoch| net.epochs.randomness(epoch).call().await.unwrap();
        assert_ne!(random(2).await, random(3).await);
        assert_ne!(random(3).await, B256::ZERO);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_follow_stake_and_certificates_the_committee() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[3, 3, 2, 2]).await;
        let before = net.committee.members(1).call().await.unwrap();
        // The last node comes to as much as the first two.
        net.stake(net.nodes[3].id, 1_000).await;
        net.select_next().await;
        let next = net.committee.members(2).call().await.unwrap();
        assert_eq!(next.weights, [3, 3, 2, 2], "3:3:2:3 of ten: of equal quotients the earlier node has the first");
        net.stake(net.nodes[3].id, 2_000).await;
        net.begin_next().await;
        net.sync().await;
        assert_eq!(net.committee.members(2).call().await.unwrap().weights, before.weights);

        net.select_next().await;
        let next = net.committee.members(3).call().await.unwrap();
        assert_eq!(next.weights, [3, 2, 1, 4], "{}", chain.name);
        let moved = before.shardOwners.chunks(2).zip(next.shardOwners.chunks(2)).filter(|(a, b)| a != b).count();
        assert_eq!(moved, 2, "no shard moves that need not");
        let seat = net.committee.seatOf(3, net.nodes[3].id).call().await.unwrap();
        assert_eq!((seat.member, seat.weight), (U256::from(3), U256::from(4)));

        // Still the old committee: three members with eight shards are a quorum, and with 6 in the next they are none.
        let message = confirmation(2, B256::ZERO);
        let (signers, signature) = net.certificate(&[0, 1, 2], &message);
        net.committee.requireQuorum(message.into(), signers, signature).call().await.unwrap();
        net.begin_next().await;
        let message = confirmation(3, B256::ZERO);
        let (signers, signature) = net.certificate(&[0, 1, 2], &message);
        let result = net.committee.requireQuorum(message.into(), signers, signature).call().await;
        assert_eq!(refusal::<Committee::NoQuorum, _>(result).weight, U256::from(6));
        assert_eq!(net.staking.poolOf(net.nodes[3].id).call().await.unwrap().weight, 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_signs_from_the_next_committee_on() {
    for chain in chains().await {
        let mut net = Network::launch(&chain, &[1; 4]).await;
        let new = secret_key("rotated");
        let own = net.nodes_as(&net.nodes[0].signer);
        let proof = net.possession(net.nodes[0].signer.address()).await.prove(&new);
        mined(own.setNextKey(net.nodes[0].id, g1(&new.sk_to_pk()), proof).gas(1_000_000).send().await).await;
        let check = async |net: &Network, epoch| {
            let message = confirmation(epoch, B256::ZERO);
            let (signers, signature) = net.certificate(&[0, 1, 2], &message);
            net.committee.requireQuorum(message.into(), signers, signature).call().await
        };
        net.select_next().await;
        check(&net, 1).await.expect("the old key signs to the end of the epoch");
        net.begin_next().await;
        refusal::<Committee::BadSignature, _>(check(&net, 2).await);
        let old = std::mem::replace(&mut net.nodes[0].key, new);
        check(&net, 2).await.unwrap_or_else(|e| panic!("{}: {e}", chain.name));
        let keys = net.committee.members(1).call().await.unwrap().publicKeys;
        assert_eq!(keys[..48], old.sk_to_pk().compress(), "the previous committee keeps its keys");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_become_terms_by_two_thirds() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        for (node, price, capacity) in [(0, 40_u64, 5_u64), (1, 10, 1), (2, 30, 2), (3, 20, 9)] {
            let own = net.nodes_as(&net.nodes[node].signer);
            let terms = Nodes::Votes { capacity, storagePrice: price.try_into().unwrap(), ..votes() };
            mined(own.vote(net.nodes[node].id, terms).send().await).await;
        }
        net.select_next().await;
        let terms = net.epochs.nextTerms().call().await.unwrap();
        let price: u64 = terms.storagePrice.to();
        assert_eq!(price, 30, "{}: three of four want at most that", chain.name);
        assert_eq!(terms.capacity, 2 * 4, "three of four offer at least that, for one of four shards");
        net.begin_next().await;
        assert_eq!(net.epochs.nextTerms().call().await.unwrap().capacity, 0, "used up");
    }
}
