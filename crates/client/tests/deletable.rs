//! Blobs that their owner may delete, and what is used again instead of bought.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, atomic::Ordering};

use floe_chain::ControlPlane;
use floe_client::{Address, ClientError, FloeClient, Progress, ReadOptions, StoreOptions};
use floe_protocol::{
    Persistence,
    api::{BlobStatus, BlobStoreResult, CertifiedBy, NewlyCreated, ResourceOperation},
};
use floe_redstuff::{BlobId, compute_metadata};
use futures::TryStreamExt;
use support::{Behaviour, TestNetwork, bytes, chain::OWNER};

async fn created(client: &FloeClient, blob: &[u8], options: StoreOptions) -> NewlyCreated {
    match client.store(blob.to_vec(), options).await.unwrap() {
        BlobStoreResult::NewlyCreated(new) => new,
        other => panic!("{other:?}"),
    }
}

fn deletable(epochs: u32) -> StoreOptions {
    StoreOptions::epochs(epochs).deletable()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletable_blob_is_read_like_any_other_and_promised_to_nobody() {
    let network = TestNetwork::start(&[3, 1, 2, 4]).await;
    let client = network.client();
    for size in [0, 1000, 1_500_000] {
        let blob = bytes(size, size as u64);
        let new = created(&client, &blob, deletable(3)).await;
        assert!(new.blob_object.deletable);
        let id = new.blob_object.blob_id;
        assert_eq!(network.chain.available_until(&id).await.unwrap(), None, "contracts cannot rely on it");
        assert_eq!(network.client().read(&id, ReadOptions::default()).await.unwrap(), blob);
        let status = client.status(&id).await.unwrap();
        let BlobStatus::Deletable { initial_certified_epoch, deletable_counts } = status else { panic!("{status:?}") };
        assert_eq!((initial_certified_epoch.unwrap().get(), deletable_counts.count_deletable_certified), (5, 1));
    }
}

/// Nodes learn of a certificate a moment after its writer.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_just_now_is_read() {
    let network = TestNetwork::ten().await;
    let id = created(&network.client(), b"just now", deletable(3)).await.blob_object.blob_id;
    network.behave(0..10, Behaviour::SeesNoCertificates);
    assert_eq!(network.client().read(&id, ReadOptions::default()).await.unwrap(), "just now");
    network.chain.register_for(OWNER, BlobId::from_bytes([3; 32]), 10);
    let error = network.client().read(&BlobId::from_bytes([3; 32]), ReadOptions::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::NotCertified { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletable_blob_that_is_owned_for_long_enough_is_not_stored_again() {
    let network = TestNetwork::ten().await;
    let client = network.client();
    let first = created(&client, b"mine", deletable(3)).await.blob_object.id;
    let BlobStoreResult::AlreadyCertified(found) = client.store("mine", deletable(3)).await.unwrap() else { panic!() };
    assert_eq!((found.certified_by, found.end_epoch.get()), (CertifiedBy::Object(first), 8));

    let longer = created(&network.client(), b"mine", deletable(5)).await;
    assert_eq!((longer.blob_object.id, longer.blob_object.storage.end_epoch.get()), (first, 10));
    assert!(matches!(longer.resource_operation, ResourceOperation::ReuseAndExtend { epochs_extended: 2, .. }));

    // A permanent one is another thing, and so is one of another owner's.
    let permanent = created(&client, b"mine", StoreOptions::epochs(3)).await;
    assert!(!permanent.blob_object.deletable);
    let other = Address::from_bytes([9; 20]);
    let theirs = created(&client, b"mine", StoreOptions { owner: Some(other), ..deletable(3) }).await;
    assert_ne!(theirs.blob_object.id, first);
    assert_eq!(network.chain.blob_object(theirs.blob_object.id).await.unwrap().unwrap().owner, other);
    assert_eq!(network.chain.registrations(), 3);
}

/// Nodes confirm the latest deletable registration that they see, which is not always the sender's.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_of_somebody_else_does_not_get_in_between() {
    let network = TestNetwork::ten().await;
    let blob = bytes(5000, 1);
    let id = *compute_metadata(network.params, &blob).unwrap().blob_id();
    network.chain.register_for(Address::from_bytes([9; 20]), id, 5000);
    network.chain.set_registers(false);
    let (client, there) = (network.client(), blob.clone());
    let store = tokio::spawn(async move { created(&client, &there, deletable(2)).await });
    while network.nodes.iter().any(|node| !node.holds(&id)) {
        tokio::task::yield_now().await;
    }
    network.chain.set_registers(true);
    let new = store.await.unwrap();
    let object = network.chain.blob_object(new.blob_object.id).await.unwrap().unwrap();
    assert_eq!((object.owner, object.certified_epoch.unwrap().get()), (OWNER, 5));
    assert_eq!(object.persistence(), Persistence::Deletable(new.blob_object.id));
    let uploads: u32 = network.nodes.iter().map(|node| node.uploads.load(Ordering::SeqCst)).sum();
    assert_eq!(uploads, 10, "what nodes hold is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_another_process_began_is_continued() {
    for permanent in [true, false] {
        let options = |epochs| StoreOptions { deletable: !permanent, ..StoreOptions::epochs(epochs) };
        let network = TestNetwork::ten().await;
        network.behave(0..5, Behaviour::Full);
        let error = network.client().store("to be continued", options(2)).await.unwrap_err();
        assert!(matches!(error, ClientError::InsufficientConfirmations { .. }), "{error}");
        network.behave(0..5, Behaviour::Honest);

        let new = created(&network.client(), b"to be continued", options(2)).await;
        assert!(matches!(new.resource_operation, ResourceOperation::ReuseRegistration { .. }));
        assert_eq!((new.cost, network.chain.registrations()), (0, 1));
        for node in &network.nodes[5..] {
            assert_eq!(node.uploads.load(Ordering::SeqCst), 1, "had its slivers and was only asked");
        }

        network.behave(0..5, Behaviour::Full);
        network.client().store("for longer", options(2)).await.unwrap_err();
        network.behave(0..5, Behaviour::Honest);
        let new = created(&network.client(), b"for longer", options(5)).await;
        let operation = new.resource_operation;
        let ResourceOperation::ReuseAndExtendNonCertified { epochs_extended: 3, .. } = operation else { panic!() };
        assert_eq!((new.blob_object.storage.end_epoch.get(), new.cost), (10, 23));
        let bought = StoreOptions { reuse_resources: false, ..options(2) };
        network.behave(0..5, Behaviour::Full);
        network.client().store("not looked for", bought.clone()).await.unwrap_err();
        network.behave(0..5, Behaviour::Honest);
        let new = created(&network.client(), b"not looked for", bought).await;
        assert!(matches!(new.resource_operation, ResourceOperation::RegisterFromScratch { .. }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_a_deletion_has_freed_is_used_again() {
    let network = TestNetwork::ten().await;
    let client = network.client();
    let old = created(&client, &bytes(5000, 1), deletable(9)).await.blob_object;
    network.chain.delete_blob(old.id).await.unwrap();
    let error = client.read(&old.blob_id, ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");

    let anew = StoreOptions { reuse_resources: false, ..deletable(2) };
    let bought = created(&client, &bytes(5000, 2), anew).await;
    assert!(matches!(bought.resource_operation, ResourceOperation::RegisterFromScratch { .. }));
    let longer = created(&client, &bytes(5000, 3), deletable(10)).await;
    assert!(matches!(longer.resource_operation, ResourceOperation::RegisterFromScratch { .. }), "it ends too early");
    let new = created(&client, &bytes(5000, 4), StoreOptions::epochs(2)).await;
    assert!(matches!(new.resource_operation, ResourceOperation::ReuseStorage { .. }), "{:?}", new.resource_operation);
    assert_eq!(new.blob_object.storage.end_epoch, old.storage.end_epoch, "for as long as it lasts");
    assert!(network.chain.storage().is_empty(), "it is used up");
    let last = created(&client, &bytes(5000, 5), StoreOptions::epochs(2)).await;
    assert!(matches!(last.resource_operation, ResourceOperation::RegisterFromScratch { .. }));
}

/// Deletes the blob as soon as its download begins.
struct Deletes {
    network: Arc<TestNetwork>,
    id: BlobId,
}

impl Progress for Deletes {
    fn phase(&self, name: &str, _: Option<u64>) {
        if name == "download" {
            self.network.chain.drop_registrations(&self.id);
        }
    }
    fn advance(&self, _: u64) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_of_what_is_deleted_meanwhile_says_so() {
    let network = Arc::new(TestNetwork::ten().await);
    for way in ["bytes", "file", "stream"] {
        let blob = bytes(1_000_000, way.len() as u64);
        let id = created(&network.client(), &blob, deletable(3)).await.blob_object.blob_id;
        let client = network.client();
        let deletes = Deletes { network: network.clone(), id };
        let options = ReadOptions { progress: Some(Arc::new(deletes)), ..ReadOptions::default() };
        let error = match way {
            "bytes" => client.read(&id, options).await.unwrap_err(),
            "file" => client.read_to(&id, tempfile::tempfile().unwrap(), options).await.unwrap_err(),
            _ => match client.read_stream(&id, options).await {
                Ok(pieces) => pieces.try_collect::<Vec<_>>().await.unwrap_err(),
                Err(error) => error,
            },
        };
        assert!(matches!(&error, ClientError::Gone { blob_id } if *blob_id == id), "{way}: {error}");
        assert_eq!((error.code(), error.exit_code()), ("CLIENT-DELETED", 3));
    }
    let id = created(&network.client(), b"there", deletable(3)).await.blob_object.blob_id;
    network.chain.drop_registrations(&id);
    let error = network.client().read(&id, ReadOptions::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::NotFound { .. }), "{error}");
}
