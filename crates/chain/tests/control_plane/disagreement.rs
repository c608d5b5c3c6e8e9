//! Endpoints that contradict each other.

use std::time::Duration;

use floe_chain::{
    ChainConfig, ChainError, ControlPlane as _, EndpointState, EventCursor, EventItem, EventStream, EvmChain,
};
use futures::StreamExt as _;

use super::{
    endpoint::{Endpoint, Mode},
    network::{Network, new_blob, next, next_event},
};
use crate::support::{TestChain, chains, eventually};

/// A stream that has caught up, over an honest endpoint and one that may be told otherwise.
async fn open(chain: TestChain) -> (Network, Endpoint, EvmChain, EventStream) {
    let network = Network::launch(chain).await;
    let other = Endpoint::open(&network.chain.rpc_url).await;
    let config = ChainConfig { rpc_urls: vec![other.url.clone()], ..network.config() };
    let control = EvmChain::connect(config, Some(network.owner.clone())).await.unwrap();
    let mut stream = control.events(EventCursor::default()).await.unwrap();
    while !matches!(next(&mut stream).await.unwrap(), EventItem::CaughtUp(_)) {}
    (network, other, control, stream)
}

/// What comes next, if it is an error, must be the disagreement; nothing else may come before.
async fn disagreement(stream: &mut EventStream) -> (String, String, u64) {
    match next(stream).await {
        Err(error @ ChainError::EndpointsDisagree { .. }) => {
            assert_eq!(error.code(), "CHAIN-ENDPOINTS-DISAGREE");
            assert!(error.is_retryable());
            let ChainError::EndpointsDisagree { endpoint_a, endpoint_b, block, .. } = error else { unreachable!() };
            (endpoint_a, endpoint_b, block)
        }
        other => panic!("{other:?}"),
    }
}

async fn nothing(stream: &mut EventStream) {
    let waited = tokio::time::timeout(Duration::from_millis(500), stream.next()).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_delivered_until_two_endpoints_agree() {
    for chain in chains().await {
        let (network, other, control, mut stream) = open(chain).await;
        let name = network.chain.name;
        for fault in [Mode::WrongHashes(network.chain.height().await + 1), Mode::FewerLogs] {
            other.set(fault);
            let registered = control.register_blobs(&[new_blob()]).await.unwrap();
            let (a, b, block) = disagreement(&mut stream).await;
            assert_eq!((a, b), (network.chain.rpc_url.clone(), other.url.clone()), "{name}");
            assert_eq!(block, network.chain.height().await, "{name}");
            // It is said once, and still nothing comes.
            nothing(&mut stream).await;
            other.set(Mode::Honest);
            assert_eq!(next_event(&mut stream).await.tx, registered[0].tx, "{name}");
            assert!(matches!(next(&mut stream).await.unwrap(), EventItem::CaughtUp(_)), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_not_taken_back_on_the_word_of_one() {
    for chain in chains().await {
        let (network, other, control, mut stream) = open(chain).await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        next_event(&mut stream).await;
        // The one is on the old fork for good.
        other.freeze().await;
        network.chain.reorg(1).await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        loop {
            match next(&mut stream).await {
                Ok(EventItem::CaughtUp(_)) => {}
                Err(ChainError::EndpointsDisagree { .. }) => break,
                other => panic!("{other:?}"),
            }
        }
        nothing(&mut stream).await;
        // Nor because it is left far behind.
        network.chain.mine(12).await;
        eventually("a late endpoint", || async {
            control.network().await.unwrap();
            matches!(control.endpoints()[1].state, EndpointState::Late { .. }).then_some(())
        })
        .await;
        nothing(&mut stream).await;
        other.set(Mode::Honest);
        assert!(matches!(next(&mut stream).await.unwrap(), EventItem::Rollback(_)), "{}", network.chain.name);
        next_event(&mut stream).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_endpoint_that_stands_still_is_waited_for_and_then_named() {
    for chain in chains().await {
        let (network, other, control, mut stream) = open(chain).await;
        other.freeze().await;
        let registered = control.register_blobs(&[new_blob()]).await.unwrap();
        nothing(&mut stream).await;
        assert_eq!(control.endpoints()[1].state, EndpointState::Serving);
        assert_eq!(next_event(&mut stream).await.tx, registered[0].tx, "{}", network.chain.name);
        assert!(matches!(control.endpoints()[1].state, EndpointState::Late { .. }), "{:?}", control.endpoints());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_as_far_as_a_slow_second_endpoint_goes() {
    for chain in chains().await {
        let (network, other, control, mut stream) = open(chain).await;
        for _ in 0..3 {
            let known = control.register_blobs(&[new_blob()]).await.unwrap();
            other.freeze().await;
            let unknown = control.register_blobs(&[new_blob()]).await.unwrap();
            assert_eq!(next_event(&mut stream).await.tx, known[0].tx, "{}", network.chain.name);
            while let Ok(item) = tokio::time::timeout(Duration::from_millis(300), stream.next()).await {
                assert!(matches!(item, Some(Ok(EventItem::CaughtUp(_)))), "{item:?}");
            }
            other.freeze().await;
            assert_eq!(next_event(&mut stream).await.tx, unknown[0].tx, "{}", network.chain.name);
        }
        assert_eq!(control.endpoints()[1].state, EndpointState::Serving);
    }
}
