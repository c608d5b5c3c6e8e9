//! Registration and certificates.

use floe_chain::{ChainError, ControlPlane as _, EventKind, RegisterBlob};
use floe_protocol::{BlobId, Epoch, ObjectId};

use super::network::{Network, new_blob};
use crate::support::chains;

fn revert(error: ChainError) -> (String, String) {
    match error {
        ChainError::Reverted { name, detail } => (name, detail),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_blob_is_registered_and_certified() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let before = control.balances().await.unwrap();
        let blobs = [new_blob(), new_blob(), new_blob()];
        let registered = control.register_blobs(&blobs).await.unwrap();
        assert_eq!(registered.len(), 3);
        for (blob, registered) in blobs.iter().zip(&registered) {
            let object = &registered.object;
            assert_eq!((object.blob_id, object.size), (blob.blob_id, blob.size));
            assert_eq!((object.registered_epoch, object.end_epoch), (Epoch(1), Epoch(3)));
            assert_eq!((object.owner, object.certified_epoch), (network.owner_address(), None));
            // One MiB or less, for two epochs, and written once.
            assert_eq!(registered.cost, 2 * 100 + 200);
            assert_eq!(control.blob_object(object.object_id).await.unwrap().as_ref(), Some(object));
        }
        let after = control.balances().await.unwrap();
        assert_eq!(before.payment - after.payment, 3 * 400);
        assert!(after.native < before.native && after.floe > 0);

        let (blob, object) = (blobs[0].blob_id, registered[0].object.object_id);
        assert_eq!(control.available_until(&blob).await.unwrap(), None);
        assert_eq!(control.certified_event(&blob).await.unwrap(), None);
        let certificate = network.certificate(blob).await;
        let tx = control.certify_blob(object, &certificate).await.unwrap();
        assert_eq!(control.available_until(&blob).await.unwrap(), Some(Epoch(3)));
        let object = control.blob_object(object).await.unwrap().unwrap();
        assert_eq!(object.certified_epoch, Some(Epoch(1)));
        let event = control.certified_event(&blob).await.unwrap().unwrap();
        assert_eq!(event.tx, tx);
        let (object_id, certified_epoch, end_epoch) = (object.object_id, Epoch(1), Epoch(3));
        let deletable = false;
        let expected = EventKind::BlobCertified { blob_id: blob, object_id, deletable, certified_epoch, end_epoch };
        assert_eq!(event.kind, expected);

        let (name, _) = revert(control.certify_blob(object_id, &certificate).await.unwrap_err());
        assert_eq!(name, "AlreadyCertified");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_reason() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let good = new_blob();

        let lie = RegisterBlob { size: good.size + 1, ..good.clone() };
        let (name, detail) = revert(control.register_blobs(std::slice::from_ref(&lie)).await.unwrap_err());
        assert_eq!(name, "WrongBlobId");
        assert!(detail.contains(&format!("got: 0x{}", hex::encode(good.blob_id.as_bytes()))), "{detail}");
        let long = RegisterBlob { epochs_ahead: 54, ..good.clone() };
        let (name, detail) = revert(control.register_blobs(&[long]).await.unwrap_err());
        assert_eq!((name.as_str(), detail.as_str()), ("EpochsAheadOutOfRange", "got: 54, max: 53"));

        // The others of a batch happen all the same.
        let mixed = [new_blob(), lie, new_blob()];
        assert_eq!(revert(control.register_blobs(&mixed).await.unwrap_err()).0, "WrongBlobId");
        let last = ObjectId::from_number(2);
        assert!(control.blob_object(last).await.unwrap().is_some());

        let nobody = ObjectId::from_number(77);
        assert_eq!(control.blob_object(nobody).await.unwrap(), None);
        let certificate = network.certificate(mixed[0].blob_id).await;
        assert_eq!(revert(control.certify_blob(nobody, &certificate).await.unwrap_err()).0, "UnknownObject");
        // The certificate of another blob.
        let object = control.blob_object(last).await.unwrap().unwrap();
        let other = if object.blob_id == mixed[0].blob_id { &mixed[2] } else { &mixed[0] };
        let foreign = network.certificate(other.blob_id).await;
        assert_eq!(revert(control.certify_blob(last, &foreign).await.unwrap_err()).0, "BadSignature");
        let mut few = network.certificate(object.blob_id).await;
        few.signers.truncate(2);
        let (name, detail) = revert(control.certify_blob(last, &few).await.unwrap_err());
        assert_eq!((name.as_str(), detail.as_str()), ("NoQuorum", "weight: 6, needed: 7"));
        assert_eq!(control.available_until(&BlobId::from_bytes([9; 32])).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_reader_can_look_but_not_write() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let reader = network.connect_as(None).await;
        assert_eq!(reader.signer_address(), None);
        assert!(reader.committee().await.is_ok());
        assert_eq!(reader.register_blobs(&[new_blob()]).await, Err(ChainError::NoWallet));
        assert_eq!(reader.balances().await, Err(ChainError::NoWallet));
        assert_eq!(reader.advance_epoch_if_due().await, Err(ChainError::NoWallet));
    }
}
