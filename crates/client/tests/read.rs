//! Reading: right bytes or an error, whoever lies.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use floe_client::{ClientError, Consistency, ReadOptions};
use floe_protocol::api::BlobStatus;
use floe_redstuff::BlobId;
use support::{Behaviour, TestNetwork, bytes, inconsistent};

const LIES: [Behaviour; 11] = [
    Behaviour::Silent,
    Behaviour::Refusing,
    Behaviour::FlippedBit,
    Behaviour::WrongSliver,
    Behaviour::OtherBlob,
    Behaviour::Truncated,
    Behaviour::BrokenOff,
    Behaviour::OverLong,
    Behaviour::Endless,
    Behaviour::CorruptMetadata,
    Behaviour::NoPrimaries,
];

#[tokio::test(flavor = "multi_thread")]
async fn f_nodes_may_do_whatever_they_like() {
    let network = TestNetwork::ten().await;
    network.stored(&bytes(5000, 2)).await;
    let blob = bytes(5000, 1);
    let id = network.stored(&blob).await;
    for (round, lie) in LIES.into_iter().enumerate() {
        for first in [round % 10, (round + 5) % 10] {
            let bad: Vec<usize> = (0..3).map(|k| (first + k) % 10).collect();
            network.behave(0..10, Behaviour::Honest);
            network.behave(bad.clone(), lie);
            let read = network.client().read(&id, ReadOptions::default()).await;
            assert_eq!(read.unwrap(), blob, "{lie:?} at {bad:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_past_the_end_are_not_fetched() {
    let network = TestNetwork::ten().await;
    // Four rows of 14 bytes.
    for (length, rows) in [(0, 0), (1, 1), (14, 1), (15, 2), (42, 3), (43, 4)] {
        let blob = bytes(length, 1);
        let id = network.stored(&blob).await;
        let before = network.sliver_requests();
        assert_eq!(network.client().read(&id, ReadOptions::default()).await.unwrap(), blob);
        assert_eq!(network.sliver_requests() - before, rows, "{length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mixtures_of_lies_never_give_wrong_bytes() {
    let network = TestNetwork::ten().await;
    network.stored(&bytes(3000, 2)).await;
    let blob = bytes(3000, 1);
    let id = network.stored(&blob).await;
    let mut draws = bytes(10_000, 77).into_iter().map(usize::from);
    let mut draw = |n: usize| draws.next().unwrap() % n;
    for _ in 0..25 {
        let bad = draw(10);
        network.behave(0..10, Behaviour::Honest);
        for _ in 0..bad {
            network.behave([draw(10)], LIES[draw(LIES.len())]);
        }
        let honest = network.nodes.iter().filter(|node| node.behaviour() == Behaviour::Honest).count();
        match network.client().read(&id, ReadOptions::default()).await {
            Ok(read) => assert_eq!(read, blob),
            Err(error) => {
                assert!(matches!(error, ClientError::Unavailable { .. }), "{error}");
                assert!(honest < 4, "{honest} honest nodes are enough: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_liars_make_it_unavailable_and_are_named() {
    let network = TestNetwork::ten().await;
    let id = network.stored(&bytes(3000, 1)).await;
    for lie in [Behaviour::FlippedBit, Behaviour::Refusing, Behaviour::Truncated] {
        network.behave(0..7, lie);
        let error = network.client().read(&id, ReadOptions::default()).await.unwrap_err();
        let ClientError::Unavailable { answered_shards, needed_shards, failures, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!((*answered_shards, *needed_shards), (3, 4));
        assert_eq!(failures.len(), 7);
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().starts_with("only 3 of 4 needed shards answered"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_nodes_and_a_minimum_of_living_ones() {
    let network = TestNetwork::start(&[2; 5]).await;
    let blob = bytes(9000, 1);
    let id = network.stored(&blob).await;
    for dead in 0..3 {
        network.kill(dead);
        assert_eq!(network.client().read(&id, ReadOptions::default()).await.unwrap(), blob);
    }
    network.kill(3);
    let started = Instant::now();
    let error = network.client().read(&id, ReadOptions::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("only 2 of 4 needed shards answered"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_nodes_are_overtaken() {
    let network = TestNetwork::ten().await;
    let blob = bytes(3000, 1);
    let id = network.stored(&blob).await;
    network.behave([0, 1, 2], Behaviour::Slow(Duration::from_secs(20)));
    let started = Instant::now();
    assert_eq!(network.client().read(&id, ReadOptions::default()).await.unwrap(), blob);
    assert!(started.elapsed() < Duration::from_secs(4), "waited for slow nodes: {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn secondary_slivers_help_where_primaries_are_lost() {
    let network = TestNetwork::ten().await;
    let blob = bytes(3000, 1);
    let id = network.stored(&blob).await;
    network.behave(0..7, Behaviour::NoPrimaries);
    assert_eq!(network.client().read(&id, ReadOptions::default()).await.unwrap(), blob);
    assert_eq!(network.client().read_range(&id, 10, 2000).await.unwrap(), blob[10..2010]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_promised_is_not_read() {
    let network = TestNetwork::ten().await;
    let client = network.client();
    let unknown = BlobId::from_bytes([3; 32]);
    let error = client.read(&unknown, ReadOptions::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::NotFound { .. }), "{error}");
    assert_eq!((error.code(), error.exit_code()), ("CLIENT-NOT-FOUND", 3));
    assert!(matches!(client.size_of(&unknown).await, Err(ClientError::NotFound { .. })));
    assert!(matches!(client.read_range(&unknown, 0, 1).await, Err(ClientError::NotFound { .. })));

    let id = network.stored(b"for three epochs").await;
    network.chain.invalidate(&id);
    let error = client.read(&id, ReadOptions::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Invalid { .. }), "{error}");
    assert_eq!(error.exit_code(), 5);

    let id = network.stored(b"for three epochs too").await;
    for _ in 0..3 {
        client.read(&id, ReadOptions::default()).await.unwrap();
        network.chain.next_epoch();
    }
    let error = client.read(&id, ReadOptions::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Expired { .. }), "{error}");
    assert!(error.to_string().contains("epoch 8"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_without_certificate_is_not_read() {
    let network = TestNetwork::start(&[2; 5]).await;
    let client = network.client();
    network.kill(0);
    network.kill(1);
    let error = client.store("half", floe_client::StoreOptions::epochs(1)).await.unwrap_err();
    let ClientError::InsufficientConfirmations { blob_id, .. } = error else { panic!("{error}") };
    let error = client.read(&blob_id, ReadOptions::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::NotCertified { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_while_the_chain_is_down() {
    let network = TestNetwork::ten().await;
    let client = network.client();
    let id = network.stored(b"still read").await;
    client.read(&id, ReadOptions::default()).await.unwrap();
    network.chain.set_down(true);
    network.behave([0, 1, 2], Behaviour::Forgetful);
    // The nodes in this test ask the chain for their parameters only when they are written to.
    assert_eq!(client.read(&id, ReadOptions::default()).await.unwrap(), "still read");
    let unknown = BlobId::from_bytes([3; 32]);
    assert!(matches!(client.read(&unknown, ReadOptions::default()).await, Err(ClientError::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_what_more_than_f_say() {
    let network = TestNetwork::ten().await;
    let client = network.client();
    let unknown = BlobId::from_bytes([3; 32]);
    assert_eq!(client.status(&unknown).await.unwrap(), BlobStatus::Nonexistent);
    let id = network.stored(b"x").await;
    network.behave([1, 2], Behaviour::Forgetful);
    network.behave([3], Behaviour::Silent);
    let BlobStatus::Permanent { is_certified: true, end_epoch, .. } = client.status(&id).await.unwrap() else {
        panic!()
    };
    assert_eq!(end_epoch.get(), 8);
    network.behave(4..10, Behaviour::Silent);
    let error = client.status(&id).await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { what: "status", .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_slices_and_touch_only_their_slivers() {
    let network = TestNetwork::ten().await;
    let blob = bytes(2800, 1);
    let id = network.stored(&blob).await;
    let client = network.client();
    // Four rows of 7 symbols of 100 bytes.
    let row = 700;
    for (start, len, slivers) in
        [(0, 1, 1), (0, row, 1), (row - 1, 2, 2), (2 * row, row, 1), (5, 2 * row, 3), (0, 4 * row, 4), (2799, 1, 1)]
    {
        let before = network.sliver_requests();
        let read = client.read_range(&id, start as u64, len as u64).await.unwrap();
        assert_eq!(read, blob[start..start + len], "{start}+{len}");
        assert_eq!(network.sliver_requests() - before, slivers, "{start}+{len}");
    }
    assert_eq!(client.read_range(&id, 2800, 0).await.unwrap(), "");
    for (start, len) in [(2800, 1), (2801, 0), (0, 2801), (u64::MAX, 2)] {
        let error = client.read_range(&id, start, len).await.unwrap_err();
        assert!(matches!(error, ClientError::RangeOutOfBounds { size: 2800, .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_right_with_f_bad_nodes() {
    let network = TestNetwork::ten().await;
    network.stored(&bytes(2800, 2)).await;
    let blob = bytes(2800, 1);
    let id = network.stored(&blob).await;
    let mut draws = bytes(10_000, 5).into_iter().map(usize::from);
    let mut draw = |n: usize| (draws.next().unwrap() * 256 + draws.next().unwrap()) % n;
    for lie in LIES {
        network.behave(0..10, Behaviour::Honest);
        let first = draw(10);
        network.behave((0..3).map(|k| (first + k) % 10), lie);
        for _ in 0..2 {
            let start = draw(2800);
            let len = draw(2800 - start) + 1;
            let read = network.client().read_range(&id, start as u64, len as u64).await.unwrap();
            assert_eq!(read, blob[start..start + len], "{lie:?} at {first}: {start}+{len}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inconsistent_blob_is_the_same_for_all_or_an_error() {
    let network = TestNetwork::ten().await;
    let encoded = inconsistent(network.params);
    let id = network.plant(&encoded);
    let client = network.client();
    let read = |consistency| client.read(&id, ReadOptions { consistency, progress: None });
    // The four systematic rows are what the metadata commits to.
    let mut rows: Vec<u8> = bytes(2800, 1);
    rows[700..1400].copy_from_slice(&bytes(2800, 2)[700..1400]);
    assert_eq!(read(Consistency::Default).await.unwrap(), rows);
    let error = read(Consistency::Strict).await.unwrap_err();
    assert!(matches!(error, ClientError::Inconsistent { .. }), "{error}");
    assert_eq!(error.exit_code(), 5);
    // Without the odd row the others decode to something that is not what the metadata commits to.
    network.behave([network.holder_of(&id, 1)], Behaviour::Refusing);
    let error = read(Consistency::Default).await.unwrap_err();
    assert!(matches!(error, ClientError::Inconsistent { .. }), "{error}");
    assert!(read(Consistency::Skip).await.is_ok(), "the caller said that the writer is trusted");
    let error = client.read_range(&id, 800, 10).await.unwrap_err();
    assert!(matches!(error, ClientError::Inconsistent { .. }), "{error}");
}
