//! Many blobs by one transaction and one certificate, and what happens to the others when one fails.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::Ordering;

use floe_client::{BlobInput, ClientError, FloeClient, ReadOptions, StoreOptions};
use floe_protocol::{Epoch, api::BlobStoreResult};
use floe_redstuff::compute_metadata;
use support::{Behaviour, TestNetwork, bytes, quick};

fn blobs(count: usize, seed: u64) -> Vec<Vec<u8>> {
    (0..count).map(|i| bytes(1 + 1000 * i, seed + i as u64)).collect()
}

async fn store(
    client: &FloeClient,
    blobs: &[Vec<u8>],
    options: StoreOptions,
) -> Vec<Result<BlobStoreResult, ClientError>> {
    client.store_many(blobs.iter().map(|blob| BlobInput::from(blob.clone())).collect(), &options).await
}

/// All were stored, are in order, and come back.
async fn check(network: &TestNetwork, blobs: &[Vec<u8>], results: &[Result<BlobStoreResult, ClientError>]) {
    assert_eq!(results.len(), blobs.len());
    for (blob, result) in blobs.iter().zip(results) {
        let BlobStoreResult::NewlyCreated(new) = result.as_ref().unwrap() else { panic!("{result:?}") };
        let id = new.blob_object.blob_id;
        assert_eq!(id, *compute_metadata(network.params, blob).unwrap().blob_id());
        assert_eq!(new.blob_object.certified_epoch, Some(network.chain.epoch()));
        assert_eq!(network.client().read(&id, ReadOptions::default()).await.unwrap(), *blob);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_certificate_is_enough_with_f_nodes_gone() {
    let network = TestNetwork::start(&[3, 1, 2, 4]).await;
    for deletable in [false, true] {
        let options = StoreOptions { deletable, ..StoreOptions::epochs(3) };
        let before = network.chain.certificates();
        let some = blobs(9, u64::from(deletable) * 100);
        check(&network, &some, &store(&network.client(), &some, options.clone()).await).await;
        assert_eq!(network.chain.certificates(), before + 1);
    }
    network.kill(0);
    let some = blobs(7, 300);
    check(&network, &some, &store(&network.client(), &some, StoreOptions::epochs(3)).await).await;
    assert_eq!(network.chain.certificates(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn liars_are_left_out_of_the_certificate() {
    let network = TestNetwork::ten().await;
    network.behave([0, 1, 2], Behaviour::BadSignature);
    let mut config = quick();
    // The quorum that holds all blobs first may count the liars in: the others are asked until they hold them too.
    config.store.attempts_max = 12;
    let client = FloeClient::new(config, network.chain.clone());
    let some = blobs(4, 1);
    check(&network, &some, &store(&client, &some, StoreOptions::epochs(3)).await).await;
    assert_eq!(network.chain.certificates(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_does_not_spoil_the_others() {
    let network = TestNetwork::ten().await;
    let mut some = blobs(5, 1);
    some[1] = vec![0; 1_834_953];
    let condemned = *compute_metadata(network.params, &some[3]).unwrap().blob_id();
    network.chain.invalidate(&condemned);
    let results = store(&network.client(), &some, StoreOptions::epochs(3)).await;
    assert!(matches!(&results[1], Err(ClientError::BlobTooLarge { .. })), "{:?}", results[1]);
    assert!(results[3].is_err());
    for good in [0, 2, 4] {
        check(&network, &some[good..=good], &results[good..=good]).await;
    }
    assert_eq!(network.chain.certificates(), 1, "the others share a certificate all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_epoch_may_end_before_the_certificate() {
    let network = TestNetwork::ten().await;
    network.chain.end_epoch_before_certificate();
    let some = blobs(4, 1);
    let results = store(&network.client(), &some, StoreOptions::epochs(3)).await;
    assert_eq!(network.chain.epoch(), Epoch(6));
    check(&network, &some, &results).await;
    assert_eq!(network.chain.certificates(), 1);

    network.behave(0..10, Behaviour::Lagging(1));
    let some = blobs(4, 100);
    check(&network, &some, &store(&network.client(), &some, StoreOptions::epochs(3)).await).await;
    assert_eq!(network.chain.certificates(), 2, "nodes that are behind are asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_nodes_fail_each_blob_by_name_and_the_next_try_pays_nothing() {
    let network = TestNetwork::ten().await;
    network.behave(0..4, Behaviour::Full);
    let some = blobs(3, 1);
    for result in store(&network.client(), &some, StoreOptions::epochs(3)).await {
        let Err(ClientError::InsufficientConfirmations { weight: 6, needed: 7, failures, .. }) = result else {
            panic!("{result:?}")
        };
        assert_eq!(failures.len(), 4);
    }
    network.behave(0..4, Behaviour::Honest);
    check(&network, &some, &store(&network.client(), &some, StoreOptions::epochs(3)).await).await;
    assert_eq!((network.chain.registrations(), network.chain.certificates()), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_found_and_the_same_blob_twice_is_one() {
    let network = TestNetwork::ten().await;
    let some = blobs(3, 1);
    let client = network.client();
    store(&client, &some[..1], StoreOptions::epochs(3)).await.remove(0).unwrap();
    let twice = [some[0].clone(), some[1].clone(), some[1].clone(), some[2].clone()];
    let results = store(&client, &twice, StoreOptions::epochs(3)).await;
    let is_new = |result: &Result<BlobStoreResult, _>| matches!(result, Ok(BlobStoreResult::NewlyCreated(_)));
    assert_eq!(results.iter().map(is_new).collect::<Vec<_>>(), [false, true, false, true]);
    assert_eq!(network.chain.registrations(), 3);
    assert!(store(&client, &[], StoreOptions::epochs(3)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_by_groups() {
    let network = TestNetwork::ten().await;
    let mut config = quick();
    // Three of these at a time; the large one alone.
    config.store.memory_ceiling_bytes = 300_000;
    let client = FloeClient::new(config, network.chain.clone());
    let mut some: Vec<_> = (0..7).map(|seed| bytes(15_000, seed)).collect();
    some.insert(2, bytes(200_000, 99));
    let results = store(&client, &some, StoreOptions::epochs(3)).await;
    check(&network, &some, &results).await;
    let batches = network.nodes[0].batches.load(Ordering::SeqCst);
    assert!((2..=4).contains(&batches), "{batches} groups");
}

/// Stores at once, each by a call of its own.
async fn store_at_once(
    client: &FloeClient,
    blobs: &[Vec<u8>],
    options: &StoreOptions,
) -> Vec<Result<BlobStoreResult, ClientError>> {
    let mut running = tokio::task::JoinSet::new();
    for (place, blob) in blobs.iter().enumerate() {
        let (client, blob, options) = (client.clone(), blob.clone(), options.clone());
        running.spawn(async move { (place, client.store(blob, options).await) });
    }
    let mut results = running.join_all().await;
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_at_once_share_certificates() {
    let network = TestNetwork::ten().await;
    network.behave(0..10, Behaviour::Slow(std::time::Duration::from_millis(50)));
    for deletable in [false, true] {
        let options = StoreOptions { deletable, ..StoreOptions::epochs(3) };
        let before = network.chain.certificates();
        let some = blobs(16, u64::from(deletable) * 100);
        check(&network, &some, &store_at_once(&network.client(), &some, &options).await).await;
        let certificates = network.chain.certificates() - before;
        assert!(certificates < 12, "{certificates} certificates for 16 blobs");
    }
    network.kill(0);
    let some = blobs(16, 300);
    check(&network, &some, &store_at_once(&network.client(), &some, &StoreOptions::epochs(3)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_store_does_not_spoil_those_at_the_same_time() {
    let network = TestNetwork::ten().await;
    network.behave([0, 1, 2], Behaviour::BadSignature);
    let some = blobs(12, 1);
    let condemned = *compute_metadata(network.params, &some[3]).unwrap().blob_id();
    network.chain.invalidate(&condemned);
    let results = store_at_once(&network.client(), &some, &StoreOptions::epochs(3)).await;
    assert!(results[3].is_err());
    for good in (0..12).filter(|place| *place != 3) {
        check(&network, &some[good..=good], &results[good..=good]).await;
    }
    network.chain.end_epoch_before_certificate();
    let some = blobs(12, 100);
    check(&network, &some, &store_at_once(&network.client(), &some, &StoreOptions::epochs(3)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_nodes_fail_stores_at_once_by_name() {
    let network = TestNetwork::ten().await;
    network.behave(0..4, Behaviour::Full);
    let some = blobs(6, 1);
    for result in store_at_once(&network.client(), &some, &StoreOptions::epochs(3)).await {
        let Err(ClientError::InsufficientConfirmations { weight: 6, needed: 7, failures, .. }) = result else {
            panic!("{result:?}")
        };
        assert_eq!(failures.len(), 4);
    }
    network.behave(0..4, Behaviour::Honest);
    let client = network.client();
    check(&network, &some, &store_at_once(&client, &some, &StoreOptions::epochs(3)).await).await;
}
