//! An endpoint that goes away and comes back.

use floe_chain::{ChainConfig, ControlPlane as _, EventCursor, EventItem, EvmChain};

use super::{
    hostile::Hostile,
    network::{Network, all_events, new_blob, next, next_event},
    proxy::Proxy,
};
use crate::support::chains;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_then_up_costs_time_and_nothing_else() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let direct = network.connect().await;
        direct.register_blobs(&[new_blob()]).await.unwrap();
        for scheme in ["http", "ws"] {
            let what = format!("{} over {scheme}", network.chain.name);
            let mut proxy = Proxy::open(&network.chain.rpc_url).await;
            let config = ChainConfig { rpc_url: proxy.url(scheme), ..network.config() };
            let control = EvmChain::connect(config, Some(network.owner.clone())).await.unwrap();
            let (known, _) = all_events(&direct, EventCursor::default()).await;
            let mut stream = control.events(EventCursor::default()).await.unwrap();
            for event in &known {
                assert_eq!(&next_event(&mut stream).await, event, "{what}");
            }
            assert!(matches!(next(&mut stream).await.unwrap(), EventItem::CaughtUp(_)));

            proxy.close().await;
            let missed = direct.register_blobs(&[new_blob(), new_blob()]).await.unwrap();
            // Both wait for the endpoint.
            let (reader, writer) = (control.clone(), control.clone());
            let reading = tokio::spawn(async move { reader.network().await });
            let writing = tokio::spawn(async move { writer.register_blobs(&[new_blob()]).await });
            let waiting = tokio::time::timeout(std::time::Duration::from_millis(300), next_event(&mut stream));
            assert!(waiting.await.is_err(), "{what}: nothing can come");
            assert!(!reading.is_finished() && !writing.is_finished(), "{what}");
            proxy.reopen();

            assert_eq!(reading.await.unwrap().unwrap().chain_id, 31337, "{what}");
            let written = writing.await.unwrap().unwrap();
            let expected = missed.len() + written.len();
            let mut seen = Vec::new();
            for _ in 0..expected {
                seen.push(next_event(&mut stream).await);
            }
            let (all, _) = all_events(&direct, EventCursor::default()).await;
            assert_eq!([known, seen].concat(), all, "{what}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_comes_late_is_waited_for() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let mut proxy = Proxy::open(&network.chain.rpc_url).await;
        proxy.close().await;
        let config = ChainConfig { rpc_url: proxy.url("http"), ..network.config() };
        let connecting = tokio::spawn(EvmChain::connect(config, None));
        tokio::time::timeout(std::time::Duration::from_millis(200), std::future::pending::<()>()).await.unwrap_err();
        assert!(!connecting.is_finished());
        proxy.reopen();
        connecting.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_refusals_and_lost_answers_are_got_over() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let direct = network.connect().await;
        let hostile = Hostile::open(&network.chain.rpc_url).await;
        let config = ChainConfig { rpc_url: hostile.url.clone(), ..network.config() };
        let control = EvmChain::connect(config, Some(network.owner.clone())).await.unwrap();
        assert_eq!(control.committee().await.unwrap().members().len(), 4);

        let blobs: Vec<_> = (0..12).map(|_| new_blob()).collect();
        let registered = control.register_blobs(&blobs).await.unwrap();
        for (blob, registered) in blobs.iter().zip(&registered) {
            assert_eq!(registered.object.blob_id, blob.blob_id);
        }
        let first = &registered[0].object;
        let certificate = network.certificate(first.blob_id).await;
        let tx = control.certify_blob(first.object_id, &certificate).await.unwrap();
        network.chain.mine(10).await;
        assert_eq!(control.certified_event(&first.blob_id).await.unwrap().unwrap().tx, tx);

        let (expected, end) = all_events(&direct, EventCursor::default()).await;
        // Sent again where the answer was lost, but never twice.
        assert_eq!(expected.len(), 4 + 3 + 12 + 1, "{}", network.chain.name);
        assert_eq!(all_events(&control, EventCursor::default()).await, (expected, end), "{}", network.chain.name);
    }
}
