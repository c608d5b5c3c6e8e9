//! Blobs that go into a pool of the account's.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::Ordering;

use floe_chain::{ChainError, ControlPlane};
use floe_client::{BlobInput, ClientError, FloeClient, ReadOptions, StoreOptions};
use floe_protocol::{
    Epoch,
    api::{BlobStoreResult, CertifiedBy, NewlyCreated, ResourceOperation},
};
use support::{Behaviour, TestNetwork, bytes};

const POOL: u64 = 7;
/// The network is in epoch 5.
const END: Epoch = Epoch(11);

async fn created(client: &FloeClient, blob: &[u8], options: StoreOptions) -> NewlyCreated {
    match client.store(blob.to_vec(), options).await.unwrap() {
        BlobStoreResult::NewlyCreated(new) => new,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_stored_in_a_pool_until_its_end_and_once() {
    let network = TestNetwork::start(&[3, 1, 2, 4]).await;
    network.chain.create_pool(POOL, END, 100 << 20);
    // What somebody keeps outside of the pool may end earlier.
    created(&network.client(), b"mine", StoreOptions::epochs(3)).await;
    for options in [StoreOptions::in_pool(POOL), StoreOptions::in_pool(POOL).deletable()] {
        let new = created(&network.client(), b"mine", options.clone()).await;
        let object = network.chain.blob_object(new.blob_object.id).await.unwrap().unwrap();
        assert_eq!((object.pool(), object.end_epoch, object.deletable), (Some(POOL), END, options.deletable));
        assert_eq!((new.blob_object.certified_epoch, new.blob_object.storage.end_epoch), (Some(Epoch(5)), END));
        assert!(matches!(new.resource_operation, ResourceOperation::ReuseStorage { .. }), "{new:?}");
        let again = network.client().store("mine", options).await.unwrap();
        let BlobStoreResult::AlreadyCertified(found) = again else { panic!("{again:?}") };
        assert_eq!((found.certified_by, found.end_epoch), (CertifiedBy::Object(new.blob_object.id), END));
        assert_eq!(network.client().read(&found.blob_id, ReadOptions::default()).await.unwrap(), "mine");
    }
    assert_eq!(network.chain.registrations(), 3);
    let forced = StoreOptions { force: true, ..StoreOptions::in_pool(POOL) };
    created(&network.client(), b"mine", forced).await;
    assert_eq!(network.chain.registrations(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_go_into_a_pool_until_it_is_full() {
    let network = TestNetwork::ten().await;
    let blobs: Vec<Vec<u8>> = (0..6).map(|seed| bytes(5000, seed)).collect();
    let length = network.params.encoded_length(5000).unwrap();
    network.chain.create_pool(POOL, END, 4 * length);
    let inputs = blobs.iter().map(|blob| BlobInput::from(blob.clone())).collect();
    let results = network.client().store_many(inputs, &StoreOptions::in_pool(POOL)).await;
    let mut stored = 0;
    for (blob, result) in blobs.iter().zip(&results) {
        match result {
            Ok(BlobStoreResult::NewlyCreated(new)) => {
                stored += 1;
                assert_eq!(new.blob_object.certified_epoch, Some(Epoch(5)));
                let id = new.blob_object.blob_id;
                assert_eq!(network.client().read(&id, ReadOptions::default()).await.unwrap(), *blob);
            }
            Err(ClientError::Chain(ChainError::Reverted { name, .. })) => assert_eq!(name, "PoolFull"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stored, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_at_once_in_a_pool_are_certified_one_by_one() {
    let network = TestNetwork::ten().await;
    network.chain.create_pool(POOL, END, 100 << 20);
    network.behave(0..10, Behaviour::Slow(std::time::Duration::from_millis(50)));
    let client = network.client();
    let stores = (0..8).map(|seed| client.store(bytes(5000, seed), StoreOptions::in_pool(POOL)));
    for stored in futures::future::join_all(stores).await {
        let BlobStoreResult::NewlyCreated(new) = stored.unwrap() else { panic!("all are new") };
        assert_eq!(new.blob_object.certified_epoch, Some(Epoch(5)));
    }
    assert_eq!(network.chain.certificates(), 8);
    let lists = network.nodes.iter().map(|node| node.batches.load(Ordering::SeqCst)).sum::<u32>();
    assert_eq!(lists, 0, "no list is signed that the chain would refuse");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_missing_or_has_ended_is_refused() {
    let network = TestNetwork::ten().await;
    let missing = network.client().store("x", StoreOptions::in_pool(POOL)).await.unwrap_err();
    assert!(matches!(missing, ClientError::Chain(ChainError::InvalidArgument { .. })), "{missing}");
    network.chain.create_pool(POOL, Epoch(5), 100 << 20);
    let ended = network.client().store("x", StoreOptions::in_pool(POOL)).await.unwrap_err();
    assert!(
        matches!(&ended, ClientError::Chain(ChainError::Reverted { name, .. }) if name == "BlobExpired"),
        "{ended}"
    );
    assert_eq!(network.chain.registrations(), 0);
}
