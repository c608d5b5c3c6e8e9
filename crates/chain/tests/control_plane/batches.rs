//! Many registrations at once, storage that is used again, and blobs that are found to be invalid.

use floe_chain::{BATCH_REGISTRATIONS_MAX, BlobObject, ChainError, ControlPlane as _, RegisterBlob};
use floe_protocol::{
    BatchList, Certificate, Epoch, InvalidBlobId, Message, ObjectId,
    certificate::{CertifiedMessage, Collector},
};

use super::network::{Network, new_blob, wallet};
use crate::support::chains;

impl Network {
    /// What so many of the members say.
    async fn says<T: CertifiedMessage + Message + Copy>(&self, statement: T) -> Certificate {
        let committee = self.connect_as(None).await.committee().await.unwrap();
        let mut collector = Collector::new(&committee, statement);
        for (member, key) in self.keys.iter().enumerate() {
            if !collector.is_complete() {
                collector.add(member, statement.sign(key)).unwrap();
            }
        }
        collector.certificate().unwrap()
    }
}

fn list(objects: &[BlobObject]) -> BatchList {
    BatchList(objects.iter().map(|object| (object.blob_id, object.persistence())).collect())
}

#[tokio::test]
async fn the_largest_batch_fits_into_a_transaction() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let blobs: Vec<_> =
            (0..BATCH_REGISTRATIONS_MAX).map(|i| RegisterBlob { deletable: i % 3 == 0, ..new_blob() }).collect();
        let registered = control.register_batch(&blobs).await.unwrap();
        assert_eq!(registered.len(), blobs.len());
        for (blob, registered) in blobs.iter().zip(&registered) {
            assert_eq!((registered.object.blob_id, registered.object.deletable), (blob.blob_id, blob.deletable));
            assert_eq!((registered.cost, registered.tx), (400, registered.tx), "as alone");
        }
        let objects: Vec<_> = registered.into_iter().map(|registered| registered.object).collect();
        let ids: Vec<ObjectId> = objects.iter().map(|object| object.object_id).collect();
        let certificate = network.says(list(&objects).confirmation(Epoch(1), control.batch_domain())).await;
        control.certify_batch(&ids, &certificate).await.unwrap();
        for object in &objects {
            let now = control.blob_object(object.object_id).await.unwrap().unwrap();
            assert_eq!(now.certified_epoch, Some(Epoch(1)), "{}", network.chain.name);
            let until = control.available_until(&object.blob_id).await.unwrap();
            assert_eq!(until, (!object.deletable).then_some(Epoch(3)));
        }

        let too_many: Vec<_> = (0..=BATCH_REGISTRATIONS_MAX).map(|_| new_blob()).collect();
        let error = control.register_batch(&too_many).await.unwrap_err();
        assert!(matches!(error, ChainError::InvalidArgument { .. }), "{error}");
        let unlike = [new_blob(), RegisterBlob { epochs_ahead: 3, ..new_blob() }];
        assert!(matches!(control.register_batch(&unlike).await, Err(ChainError::InvalidArgument { .. })));
        assert_eq!(control.register_batch(&[]).await, Ok(Vec::new()));
    }
}

#[tokio::test]
async fn a_batch_is_registered_whole_or_not_at_all() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let lie = RegisterBlob { root_hash: [7; 32], ..new_blob() };
        let error = control.register_batch(&[new_blob(), lie, new_blob()]).await.unwrap_err();
        assert!(matches!(&error, ChainError::Reverted { name, .. } if name == "WrongBlobId"), "{error}");
        assert_eq!(control.owned_blobs(network.owner_address()).await.unwrap(), []);
        assert_eq!(control.owned_storage(network.owner_address()).await.unwrap(), []);
    }
}

#[tokio::test]
async fn storage_of_a_deleted_blob_is_used_again_and_registrations_are_found_by_blob() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let (owner, other) = (network.owner_address(), wallet(3).address());
        let blob = RegisterBlob { deletable: true, ..new_blob() };
        let theirs = RegisterBlob { owner: Some(other), ..blob.clone() };
        let registered = control.register_blobs(&[blob.clone(), theirs, new_blob()]).await.unwrap();
        let [mine, theirs, _] = registered.iter().map(|r| r.object.clone()).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((mine.owner, theirs.owner), (owner, other));
        assert_eq!(control.owned_registrations(&blob.blob_id, owner).await.unwrap(), std::slice::from_ref(&mine));
        assert_eq!(control.owned_registrations(&blob.blob_id, other).await.unwrap(), [theirs]);
        assert_eq!(control.owned_registrations(&blob.blob_id, wallet(4).address()).await.unwrap(), []);

        control.delete_blob(mine.object_id).await.unwrap();
        assert_eq!(control.owned_registrations(&blob.blob_id, owner).await.unwrap(), []);
        let storage = control.owned_storage(owner).await.unwrap();
        assert_eq!(storage.len(), 1);
        assert_eq!((storage[0].start_epoch, storage[0].end_epoch), (Epoch(1), Epoch(3)));
        let before = control.balances().await.unwrap().payment;
        // Another blob might be a little longer.
        let fitting = RegisterBlob { epochs_ahead: 1, ..blob };
        let again = control.register_in_storage(&fitting, storage[0].id).await.unwrap();
        assert_eq!((again.object.end_epoch, again.cost), (Epoch(3), 200), "as long as the storage, and only written");
        assert_eq!(before - control.balances().await.unwrap().payment, 200);
        let used_up = control.register_in_storage(&new_blob(), storage[0].id).await;
        assert!(matches!(used_up, Err(ChainError::Reverted { .. })), "{used_up:?}");
    }
}

#[tokio::test]
async fn a_blob_that_one_honest_node_condemns_is_invalid_for_ever() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let blob = new_blob();
        let object = control.register_blobs(std::slice::from_ref(&blob)).await.unwrap()[0].object.object_id;
        control.certify_blob(object, &network.certificate(blob.blob_id).await).await.unwrap();
        let certificate = network.says(InvalidBlobId { epoch: Epoch(1), blob_id: blob.blob_id }).await;
        assert!(control.invalidate_blob(&blob.blob_id, &certificate).await.unwrap().is_some());
        assert_eq!(control.available_until(&blob.blob_id).await.unwrap(), None);
        assert_eq!(control.invalidate_blob(&blob.blob_id, &certificate).await, Ok(None), "somebody was faster");
        let again = control.register_blobs(&[blob]).await.unwrap_err();
        assert!(matches!(&again, ChainError::Reverted { name, .. } if name == "BlobInvalid"), "{again}");
    }
}
