//! Several endpoints, some of which fail.

use std::time::{Duration, Instant};

use floe_chain::{ChainConfig, ChainError, ControlPlane as _, EndpointState, EventCursor, EvmChain};

use super::{
    endpoint::{Endpoint, Mode},
    network::{Network, all_events, new_blob, next_event},
};
use crate::support::{TestChain, chains, eventually};

/// A network behind two endpoints.
struct Pair {
    network: Network,
    first: Endpoint,
    second: Endpoint,
}

impl Pair {
    async fn open(chain: TestChain) -> Self {
        let network = Network::launch(chain).await;
        let first = Endpoint::open(&network.chain.rpc_url).await;
        let second = Endpoint::open(&network.chain.rpc_url).await;
        Self { network, first, second }
    }

    fn config(&self) -> ChainConfig {
        let rpc_urls = vec![self.second.url.clone()];
        ChainConfig { rpc_url: self.first.url.clone(), rpc_urls, ..self.network.config() }
    }

    async fn connect(&self) -> EvmChain {
        EvmChain::connect(self.config(), Some(self.network.owner.clone())).await.unwrap()
    }
}

/// Waits until the first endpoint is in this state. Something has to be asked, or nobody looks.
async fn first_becomes(control: &EvmChain, state: impl Fn(&EndpointState) -> bool) {
    eventually("the state of an endpoint", || async {
        control.network().await.unwrap();
        state(&control.endpoints()[0].state).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_endpoint_takes_over_and_the_first_one_comes_back() {
    for chain in chains().await {
        let pair = Pair::open(chain).await;
        let control = pair.connect().await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        let mut stream = control.events(EventCursor::default()).await.unwrap();
        for _ in 0..8 {
            next_event(&mut stream).await;
        }
        let faults = [
            Mode::Down,
            Mode::Status("429 Too Many Requests"),
            Mode::Status("503 Service Unavailable"),
            Mode::Status("401 Unauthorized"),
            Mode::Silent,
        ];
        for fault in faults {
            let what = format!("{} {fault:?}", pair.network.chain.name);
            pair.first.set(fault);
            let begun = Instant::now();
            assert_eq!(control.network().await.unwrap().chain_id, 31337, "{what}");
            let registered = control.register_blobs(&[new_blob(), new_blob()]).await.unwrap();
            for _ in &registered {
                let event = next_event(&mut stream).await;
                assert!(registered.iter().any(|registered| registered.tx == event.tx), "{what}");
            }
            assert!(begun.elapsed() < Duration::from_secs(15), "{what}: {:?}", begun.elapsed());
            assert_eq!(control.endpoints()[0].state, EndpointState::Resting, "{what}");
            assert_eq!(control.endpoints()[1].state, EndpointState::Serving, "{what}");
            pair.first.set(Mode::Honest);
            first_becomes(&control, |state| *state == EndpointState::Serving).await;
            pair.first.asked();
            control.network().await.unwrap();
            assert!(pair.first.asked().contains(&"eth_call".to_owned()), "{what}");
        }
        let (all, _) = all_events(&pair.network.connect().await, EventCursor::default()).await;
        assert_eq!(all.len(), 8 + 10, "{}: each once", pair.network.chain.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_chain_is_passed_over_and_never_believed() {
    for chain in chains().await {
        let pair = Pair::open(chain).await;
        pair.first.set(Mode::OtherChain);
        let config = ChainConfig { chain_id: Some(31337), ..pair.config() };
        let control = EvmChain::connect(config.clone(), Some(pair.network.owner.clone())).await.unwrap();
        assert_eq!(control.endpoints()[0].state, EndpointState::WrongChain { got: 1 });
        pair.first.asked();
        control.register_blobs(&[new_blob()]).await.unwrap();
        let asked = pair.first.asked();
        assert!(asked.iter().all(|method| method == "eth_chainId"), "{asked:?}");
        pair.first.set(Mode::Honest);
        first_becomes(&control, |state| *state == EndpointState::Serving).await;

        // An endpoint that goes away and comes back as another chain is noticed as well.
        pair.first.set(Mode::Down);
        first_becomes(&control, |state| *state == EndpointState::Resting).await;
        pair.first.set(Mode::OtherChain);
        first_becomes(&control, |state| *state == EndpointState::WrongChain { got: 1 }).await;

        pair.second.set(Mode::OtherChain);
        let error = EvmChain::connect(config, None).await.unwrap_err();
        assert_eq!(error, ChainError::WrongChain { got: 1, expected: 31337 }, "{}", pair.network.chain.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_far_behind_is_passed_over() {
    for chain in chains().await {
        let pair = Pair::open(chain).await;
        let control = pair.connect().await;
        pair.first.freeze().await;
        pair.network.chain.mine(8).await;
        control.network().await.unwrap();
        assert_eq!(control.endpoints()[0].state, EndpointState::Serving, "not more than is allowed");
        pair.network.chain.mine(1).await;
        first_becomes(&control, |state| matches!(state, EndpointState::Late { .. })).await;
        pair.first.asked();
        control.register_blobs(&[new_blob()]).await.unwrap();
        let asked = pair.first.asked();
        assert!(!asked.iter().any(|method| method == "eth_getTransactionCount"), "{asked:?}");
        pair.first.set(Mode::Honest);
        first_becomes(&control, |state| *state == EndpointState::Serving).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_answer_was_lost_happens_once() {
    for chain in chains().await {
        let pair = Pair::open(chain).await;
        let control = pair.connect().await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        for round in 0..3 {
            pair.first.set(Mode::DiesOfATransaction);
            let blobs: Vec<_> = (0..=3 * round).map(|_| new_blob()).collect();
            let registered = control.register_blobs(&blobs).await.unwrap();
            assert!(registered.iter().map(|registered| registered.object.blob_id).eq(blobs.iter().map(|b| b.blob_id)));
            pair.first.set(Mode::Honest);
            first_becomes(&control, |state| *state == EndpointState::Serving).await;
        }
        let (all, _) = all_events(&control, EventCursor::default()).await;
        assert_eq!(all.len(), 7 + 1 + 1 + 4 + 7, "{}", pair.network.chain.name);
    }
}
