//! The event stream: in order, complete, resumable.

use floe_chain::{ChainConfig, ControlPlane as _, EventCursor, EventItem, EventKind, EvmChain};
use floe_protocol::Epoch;

use super::network::{Network, all_events, new_blob, next, next_event, wallet};
use crate::support::chains;

fn label(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::NodeRegistered { .. } => "node",
        EventKind::NodeUrlChanged { .. } => "url",
        EventKind::EpochChanged { .. } => "epoch",
        EventKind::EpochChangeDone { .. } => "done",
        EventKind::CommitteeSelected { .. } => "selected",
        EventKind::ShardsReceived { .. } => "received",
        EventKind::NodeKeyAnnounced { .. } => "key",
        EventKind::BlobRegistered { .. } => "registered",
        EventKind::BlobCertified { .. } => "certified",
        EventKind::BlobExtended { .. } => "extended",
        EventKind::BlobDeleted { .. } => "deleted",
        EventKind::BlobInvalidated { .. } => "invalid",
        EventKind::PoolCreated { .. } => "pool",
        EventKind::PoolExtended { .. } => "pool extended",
        EventKind::PooledBlobRegistered { .. } => "pooled",
        EventKind::PooledBlobCertified { .. } => "pooled certified",
        EventKind::PooledBlobDeleted { .. } => "pooled deleted",
    }
}

#[tokio::test]
async fn in_order_and_resumable_from_every_cursor() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let blobs: Vec<_> = (0..6).map(|_| new_blob()).collect();
        let registered = control.register_blobs(&blobs).await.unwrap();
        let certificate = network.certificate(blobs[2].blob_id).await;
        control.certify_blob(registered[2].object.object_id, &certificate).await.unwrap();
        network.next_epoch(&control).await;
        let member = network.connect_as(Some(wallet(1))).await;
        assert!(member.report_synced(Epoch(2)).await.unwrap());

        let (events, end) = all_events(&control, EventCursor::default()).await;
        let labels: Vec<_> = events.iter().map(|event| label(&event.kind)).collect();
        let expected = [vec!["node"; 4], vec!["selected", "epoch", "done"], vec!["registered"; 6]].concat();
        let expected = [expected, vec!["certified", "selected", "epoch", "received"]].concat();
        assert_eq!(labels, expected, "{}", network.chain.name);
        assert!(events.is_sorted_by(|a, b| a.cursor < b.cursor));
        let [.., begun, received] = &events[..] else { panic!("{events:?}") };
        assert!(matches!(&begun.kind, EventKind::EpochChanged { epoch: Epoch(2), started_at } if *started_at > 0));
        let expected = EventKind::ShardsReceived { epoch: Epoch(2), node_id: network.nodes[0] };
        assert_eq!(received.kind, expected);
        for r in &registered {
            let expected = EventKind::BlobRegistered { object: r.object.clone(), cost: r.cost };
            assert!(events.iter().any(|event| event.kind == expected && event.tx == r.tx));
        }

        for (index, event) in events.iter().enumerate() {
            let stored = serde_json::to_string(&event.cursor).unwrap();
            let (rest, at) = all_events(&control, serde_json::from_str(&stored).unwrap()).await;
            assert_eq!(rest, events[index + 1..], "{} resumed after {index}", network.chain.name);
            assert_eq!(at, end);
        }
        assert_eq!(all_events(&control, end).await, (Vec::new(), end));
    }
}

#[tokio::test]
async fn new_events_are_followed_over_both_transports() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let (_, end) = all_events(&control, EventCursor::default()).await;
        for url in [&network.chain.rpc_url, &network.chain.ws_url] {
            let config = ChainConfig { rpc_url: url.clone(), ..network.config() };
            let watcher = EvmChain::connect(config, None).await.unwrap();
            let mut stream = watcher.events(end).await.unwrap();
            let (known, _) = all_events(&control, end).await;
            for event in known {
                assert_eq!(next_event(&mut stream).await, event);
            }
            assert!(matches!(next(&mut stream).await.unwrap(), EventItem::CaughtUp(_)));
            for round in 0..5 {
                let blobs = vec![new_blob(); 3];
                let registered = control.register_blobs(&blobs).await.unwrap();
                let mut seen = Vec::new();
                for _ in &blobs {
                    let EventKind::BlobRegistered { object, .. } = next_event(&mut stream).await.kind else {
                        panic!("round {round}: only registrations happen");
                    };
                    seen.push(object.object_id);
                }
                let mut expected: Vec<_> = registered.iter().map(|r| r.object.object_id).collect();
                expected.sort();
                assert_eq!(seen, expected, "{url} round {round}");
            }
        }
    }
}

#[tokio::test]
async fn only_blocks_below_the_depth_are_delivered() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let (_, end) = all_events(&control, EventCursor::default()).await;
        let config = ChainConfig { confirmations: 3, ..network.config() };
        let careful = EvmChain::connect(config, None).await.unwrap();
        let mut stream = careful.events(EventCursor { block_hash: [0; 32], ..end }).await.unwrap();

        // The allowance comes in a block of its own.
        let registered = control.register_blobs(&[new_blob()]).await.unwrap();
        network.chain.mine(2).await;
        let early = tokio::time::timeout(std::time::Duration::from_millis(300), next_event(&mut stream)).await;
        assert!(early.is_err(), "{}: {early:?}", network.chain.name);
        network.chain.mine(1).await;
        let event = next_event(&mut stream).await;
        assert_eq!(event.tx, registered[0].tx);
    }
}
