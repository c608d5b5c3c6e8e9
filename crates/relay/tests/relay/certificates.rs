//! Certificates: for registrations of this relay, once each.

use floe_chain::{ControlPlane as _, TxHash};
use floe_protocol::Epoch;
use floe_relay::{CertificateRequest, RelayError, RelayedRegistration};

use crate::{Setting, network::new_blob, support::chains};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_handed_in_once_for_a_relayed_registration() {
    for chain in chains().await {
        let setting = Setting::new(chain).await;
        let relay = setting.relay();
        let done = relay.submit(setting.signed(|_| {}).await).await.unwrap();
        let object_id = done.object_id;
        let object = setting.chain.blob_object(object_id).await.unwrap().unwrap();
        let certificate = setting.network.certificate(object.blob_id).await;
        let ours = RelayedRegistration { object_id, registration_tx: done.tx };
        let request = CertificateRequest { registrations: vec![ours], certificate: certificate.clone() };
        let before = setting.native().await;

        // A certificate of another blob, and a transaction that is not the registration's.
        let other = new_blob();
        let foreign =
            CertificateRequest { certificate: setting.network.certificate(other.blob_id).await, ..request.clone() };
        let refused = relay.certify(foreign).await.unwrap_err();
        assert!(matches!(&refused, RelayError::Refused { name, .. } if name == "BadSignature"), "{refused}");
        let lost = RelayedRegistration { registration_tx: TxHash::from_bytes([1; 32]), ..ours };
        let unknown = CertificateRequest { registrations: vec![lost], ..request.clone() };
        assert_eq!(relay.certify(unknown).await, Err(RelayError::NotRelayed { object: object_id }));
        // A registration that its owner paid for itself.
        let own = setting.network.connect().await.register_blobs(&[other]).await.unwrap().remove(0);
        let object = own.object.object_id;
        let certificate = setting.network.certificate(own.object.blob_id).await;
        for registration_tx in [own.tx, done.tx] {
            let registrations = vec![RelayedRegistration { object_id: object, registration_tx }];
            let unpaid = CertificateRequest { registrations, certificate: certificate.clone() };
            assert_eq!(relay.certify(unpaid).await, Err(RelayError::NotRelayed { object }));
        }
        // One certificate is for one registration.
        for registrations in [vec![], vec![ours, ours]] {
            let wrong = CertificateRequest { registrations, ..request.clone() };
            assert_eq!(relay.certify(wrong).await.unwrap_err().code(), "RELAY-WRONG-COUNT");
        }
        assert_eq!(setting.native().await, before, "nothing was sent");

        let certified = relay.certify(request.clone()).await.unwrap();
        assert!(certified.tx.is_some());
        let now = setting.chain.blob_object(object_id).await.unwrap().unwrap();
        assert_eq!(now.certified_epoch, Some(Epoch(1)));
        let before = setting.native().await;
        for relay in [relay, setting.relay()] {
            assert_eq!(relay.certify(request.clone()).await.unwrap().tx, None, "it is certified");
        }
        assert_eq!(setting.native().await, before, "nothing was sent");
    }
}
