//! Storing: what is certified, what is paid for, and who is named when it fails.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use floe_client::{ClientError, FloeClient, Progress, ReadOptions, StoreOptions};
use floe_protocol::api::{BlobStoreResult, CertifiedBy, ResourceOperation};
use floe_redstuff::{EncodingParams, compute_metadata};
use support::{Behaviour, TestNetwork, bytes, quick};

#[tokio::test(flavor = "multi_thread")]
async fn every_size_is_certified_and_comes_back() {
    let network = TestNetwork::start(&[3, 1, 2, 4]).await;
    let client = network.client();
    for size in [0, 1, 13, 56, 57, 1000, 100_000, 1_834_952] {
        let blob = bytes(size, size as u64);
        let result = client.store(blob.clone(), StoreOptions::epochs(3)).await.unwrap();
        let BlobStoreResult::NewlyCreated(new) = result else { panic!("{result:?}") };
        let id = new.blob_object.blob_id;
        let params = EncodingParams::new(10).unwrap();
        assert_eq!(id, *compute_metadata(params, &blob).unwrap().blob_id());
        assert_eq!(new.blob_object.size, size as u64);
        assert_eq!((new.blob_object.storage.start_epoch.get(), new.blob_object.storage.end_epoch.get()), (5, 8));
        assert_eq!(new.blob_object.certified_epoch.unwrap().get(), 5);
        let encoded_length = params.encoded_length(size as u64).unwrap();
        assert_eq!(new.resource_operation, ResourceOperation::RegisterFromScratch { encoded_length, epochs_ahead: 3 });
        assert_eq!(client.size_of(&id).await.unwrap(), size as u64);
        assert_eq!(client.read(&id, ReadOptions::default()).await.unwrap(), blob);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_blob_is_stored_again_only_by_force_or_for_longer() {
    let network = TestNetwork::ten().await;
    let client = network.client();
    let store = |epochs, force| {
        let options = StoreOptions { force, ..StoreOptions::epochs(epochs) };
        client.store("some bytes", options)
    };
    store(3, false).await.unwrap();
    let BlobStoreResult::AlreadyCertified(found) = store(2, false).await.unwrap() else { panic!() };
    assert_eq!(found.end_epoch.get(), 8);
    assert!(matches!(found.certified_by, CertifiedBy::Event(_)));
    assert_eq!(network.chain.registrations(), 1);
    assert!(matches!(store(3, true).await.unwrap(), BlobStoreResult::NewlyCreated(_)));
    assert_eq!(network.chain.registrations(), 2);

    let BlobStoreResult::NewlyCreated(longer) = store(9, false).await.unwrap() else { panic!() };
    assert_eq!(network.chain.registrations(), 2, "one that is owned lasts longer now");
    assert_eq!((longer.blob_object.storage.end_epoch.get(), longer.cost), (14, 23));
    let ResourceOperation::ReuseAndExtend { epochs_extended, .. } = longer.resource_operation else { panic!() };
    assert_eq!(epochs_extended, 6);
    let anew = StoreOptions { reuse_resources: false, ..StoreOptions::epochs(12) };
    assert!(matches!(client.store("some bytes", anew).await.unwrap(), BlobStoreResult::NewlyCreated(_)));
    assert_eq!(network.chain.registrations(), 3, "by the caller's wish");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_costs_nothing() {
    let network = TestNetwork::ten().await;
    let client = network.client();
    let error = client.store(vec![0; 1_834_953], StoreOptions::epochs(1)).await.unwrap_err();
    assert!(matches!(error, ClientError::BlobTooLarge { size: 1_834_953, max: 1_834_952, n_shards: 10 }));
    assert!(error.to_string().contains("1834952"), "{error}");
    for epochs in [0, 54] {
        let error = client.store("x", StoreOptions::epochs(epochs)).await.unwrap_err();
        assert!(matches!(error, ClientError::EpochsOutOfRange { max: 53, .. }));
        assert_eq!(error.exit_code(), 2);
    }
    assert_eq!(network.chain.registrations(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f_dead_nodes_do_not_matter() {
    let network = TestNetwork::ten().await;
    network.kill(1);
    network.behave([4], Behaviour::Silent);
    network.behave([9], Behaviour::Full);
    let started = Instant::now();
    let result = network.client().store(b"still stored".to_vec(), StoreOptions::epochs(3)).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "waited for nodes that are not needed");
    let id = result.blob_id().unwrap();
    assert_eq!(network.client().read(id, ReadOptions::default()).await.unwrap(), "still stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_f_dead_nodes_are_named_and_the_registration_is_used_later() {
    let network = TestNetwork::start(&[2; 5]).await;
    let client = network.client();
    network.kill(0);
    network.behave([3], Behaviour::Full);
    let error = client.store("too few", StoreOptions::epochs(1)).await.unwrap_err();
    let ClientError::InsufficientConfirmations { weight, needed, failures, .. } = &error else { panic!("{error}") };
    assert_eq!((*weight, *needed), (6, 7));
    let names: Vec<_> = failures.iter().map(|failure| (failure.name.as_str(), failure.shards)).collect();
    assert_eq!(names, [("node-0", 2), ("node-3", 2)]);
    assert!(failures[0].reason.contains("connection"), "{}", failures[0].reason);
    assert!(failures[1].reason.contains("STORAGE_FULL"), "{}", failures[1].reason);
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().starts_with("only 6 of 7 needed shards"), "{error}");

    network.behave([3], Behaviour::Honest);
    let uploads: Vec<_> = network.nodes.iter().map(|node| node.uploads.load(Ordering::SeqCst)).collect();
    let result = client.store("too few", StoreOptions::epochs(1)).await.unwrap();
    let BlobStoreResult::NewlyCreated(new) = result else { panic!("{result:?}") };
    assert!(matches!(new.resource_operation, ResourceOperation::ReuseRegistration { .. }));
    assert_eq!(new.cost, 0);
    assert_eq!(network.chain.registrations(), 1);
    for number in [1, 2, 4] {
        let now = network.nodes[number].uploads.load(Ordering::SeqCst);
        assert_eq!(now, uploads[number], "node {number} had its slivers and was only asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_confirmations_are_not_counted() {
    let network = TestNetwork::ten().await;
    network.behave([0, 1], Behaviour::BadSignature);
    network.behave([2], Behaviour::ConfirmsOther);
    network.stored(b"seven are enough").await;

    network.behave([7], Behaviour::BadSignature);
    let error = network.client().store("six are not", StoreOptions::epochs(1)).await.unwrap_err();
    let ClientError::InsufficientConfirmations { weight, failures, .. } = &error else { panic!("{error}") };
    assert_eq!(*weight, 6);
    let names: Vec<_> = failures.iter().map(|failure| failure.name.as_str()).collect();
    assert_eq!(names, ["node-0", "node-1", "node-2", "node-7"]);
    assert!(failures[3].reason.contains("signature"), "{}", failures[3].reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_behind_is_asked_again() {
    let network = TestNetwork::ten().await;
    network.behave(0..10, Behaviour::Lagging(2));
    network.stored(b"they catch up").await;
    for node in &network.nodes {
        assert!(node.uploads.load(Ordering::SeqCst) <= 1, "asked, not sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_epoch_may_change_in_between() {
    let network = TestNetwork::ten().await;
    network.chain.end_epoch_before_certificate();
    let result = network.client().store("two epochs", StoreOptions::epochs(3)).await.unwrap();
    let BlobStoreResult::NewlyCreated(new) = result else { panic!("{result:?}") };
    assert_eq!(new.blob_object.registered_epoch.get(), 5);
    assert_eq!(new.blob_object.certified_epoch.unwrap().get(), 6);
    let read = network.client().read(&new.blob_object.blob_id, ReadOptions::default()).await.unwrap();
    assert_eq!(read, "two epochs");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_nodes_are_served_after_the_quorum() {
    let network = TestNetwork::ten().await;
    network.behave([2, 5, 8], Behaviour::Slow(Duration::from_millis(700)));
    let client = network.client();
    let started = Instant::now();
    let id = *client.store("quick", StoreOptions::epochs(1)).await.unwrap().blob_id().unwrap();
    assert!(started.elapsed() < Duration::from_millis(700), "waited for slow nodes");
    assert!(!network.nodes[2].holds(&id));
    client.drain(Duration::from_secs(10)).await;
    assert!(network.nodes.iter().all(|node| node.holds(&id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_down_is_named() {
    let network = TestNetwork::ten().await;
    network.chain.set_down(true);
    let error = network.client().store("x", StoreOptions::epochs(1)).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("CHAIN-UNREACHABLE", 4));
}

#[derive(Default)]
struct Recorder(Mutex<Vec<(String, Option<u64>, u64)>>);

impl Progress for Recorder {
    fn phase(&self, name: &str, total: Option<u64>) {
        self.0.lock().unwrap().push((name.to_owned(), total, 0));
    }

    fn advance(&self, n: u64) {
        self.0.lock().unwrap().last_mut().unwrap().2 += n;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told() {
    let network = TestNetwork::ten().await;
    let client = FloeClient::new(quick(), network.chain.clone());
    let recorder = Arc::new(Recorder::default());
    let options = StoreOptions { progress: Some(recorder.clone()), ..StoreOptions::epochs(1) };
    let id = *client.store(bytes(50_000, 1), options).await.unwrap().blob_id().unwrap();
    let options = ReadOptions { progress: Some(recorder.clone()), ..ReadOptions::default() };
    client.read(&id, options).await.unwrap();
    let phases = recorder.0.lock().unwrap().clone();
    let names: Vec<_> = phases.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["encode", "register", "upload", "certify", "metadata", "download", "decode"]);
    assert_eq!(phases[0], ("encode".into(), Some(50_000), 50_000));
    assert_eq!(phases[5].1, Some(phases[5].2), "all slivers that were needed, and no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_have_a_small_blob_before_it_is_registered() {
    let network = TestNetwork::ten().await;
    network.chain.set_registers(false);
    let client = network.client();
    let store = tokio::spawn(async move { client.store("early", StoreOptions::epochs(1)).await });
    let uploads = || network.nodes.iter().map(|node| node.uploads.load(Ordering::SeqCst)).collect::<Vec<_>>();
    let deadline = Instant::now() + Duration::from_secs(10);
    while uploads().contains(&0) {
        assert!(Instant::now() < deadline, "{:?}", uploads());
        tokio::task::yield_now().await;
    }
    assert_eq!(network.chain.registrations(), 0);
    assert!(!store.is_finished());
    // These nodes do not wait for a registration. Each is sent to once more, when it is there.
    network.chain.set_registers(true);
    assert!(matches!(store.await.unwrap().unwrap(), BlobStoreResult::NewlyCreated(_)));
    assert!(uploads().iter().all(|uploads| *uploads <= 2), "{:?}", uploads());
    assert_eq!(network.chain.registrations(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_fails_ends_the_uploads() {
    let network = TestNetwork::ten().await;
    network.client().network().await.unwrap();
    network.chain.set_registers(false);
    let client = network.client();
    client.network().await.unwrap();
    let chain = network.chain.clone();
    let store =
        tokio::spawn(
            async move { client.store("never", StoreOptions { force: true, ..StoreOptions::epochs(1) }).await },
        );
    let deadline = Instant::now() + Duration::from_secs(10);
    while network.nodes.iter().any(|node| node.uploads.load(Ordering::SeqCst) == 0) {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    chain.set_down(true);
    chain.set_registers(true);
    let error = store.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Chain(_)), "{error:?}");
}
