//! The turn of an epoch.

use floe_chain::{ChainError, ControlPlane as _};
use floe_protocol::Epoch;

use super::network::{Network, OPTIONS, new_blob, wallet};
use crate::support::chains;

#[tokio::test]
async fn an_epoch_ends_when_it_is_due_and_not_before() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        assert!(!control.advance_epoch_if_due().await.unwrap());
        assert!(matches!(control.advance_epoch().await, Err(ChainError::NotDue { .. })));
        assert_eq!(control.network().await.unwrap().epoch, Epoch(1));

        let object = control.register_blobs(&[new_blob()]).await.unwrap()[0].object.clone();
        let certificate = network.certificate(object.blob_id).await;
        network.chain.increase_time(OPTIONS.epoch_duration_secs).await;
        let others = [network.connect_as(Some(wallet(8))).await, network.connect_as(Some(wallet(9))).await];
        let turns = tokio::join!(
            control.advance_epoch_if_due(),
            others[0].advance_epoch_if_due(),
            others[1].advance_epoch_if_due(),
        );
        let turned = [turns.0.unwrap(), turns.1.unwrap(), turns.2.unwrap()];
        assert_eq!(turned.iter().filter(|turned| **turned).count(), 1, "{}: {turned:?}", network.chain.name);
        let info = control.network().await.unwrap();
        assert_eq!(info.epoch, Epoch(2));
        let committee = control.committee().await.unwrap();
        assert_eq!((committee.epoch(), committee.members().len()), (Epoch(2), 4));

        // Last epoch's certificate is worth nothing any more; a new one is.
        let stale = control.certify_blob(object.object_id, &certificate).await.unwrap_err();
        assert!(matches!(&stale, ChainError::Reverted { name, .. } if name == "BadSignature"), "{stale}");
        let fresh = network.certificate(object.blob_id).await;
        control.certify_blob(object.object_id, &fresh).await.unwrap();
        assert_eq!(control.available_until(&object.blob_id).await.unwrap(), Some(Epoch(3)));
    }
}
