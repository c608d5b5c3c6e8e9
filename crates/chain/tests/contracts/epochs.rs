//! The epoch clock.

use super::bindings::Committee;
use super::network::{Deployment, HOUR, Network, refusal};
use crate::support::chains;

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_lasts_its_time() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let started = net.committee.epochStart().call().await.unwrap();
        let error = refusal::<Committee::EpochNotOver, _>(net.committee.advanceEpoch().call().await);
        assert_eq!(error.endsAt, started + HOUR, "{}", chain.name);
        assert!(error.timestamp >= started && error.timestamp < error.endsAt);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_committee_carries_over() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1, 2, 1]).await;
        let before = net.committee.members().call().await.unwrap();
        net.next_epoch().await;
        net.next_epoch().await;
        assert_eq!(net.epoch().await, 3, "{}", chain.name);
        assert_eq!(net.committee.members().call().await.unwrap(), before);
        let epochs = net.committee.EpochChanged_filter().from_block(0).query().await.unwrap();
        assert_eq!(epochs.iter().map(|(event, _)| event.epoch).collect::<Vec<_>>(), [1, 2, 3]);
        let (last, _) = &epochs[2];
        assert_eq!(net.committee.epochStart().call().await.unwrap(), last.startedAt);
        assert!(last.startedAt > epochs[1].0.startedAt);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_advances_before_launch() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        refusal::<Committee::NotLaunched, _>(net.committee.advanceEpoch().call().await);
    }
}
