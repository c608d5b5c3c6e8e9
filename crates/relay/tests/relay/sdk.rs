//! The control plane of an account without native coin, over HTTP.

use floe_chain::{ChainError, ControlPlane as _, IntentAction};
use floe_relay::{RelayOptions, RelayedChain};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{COST, MONEY, Setting, network::new_blob, support::chains};

/// Serves the relay; its URL, and what ends it.
async fn serve(setting: &Setting) -> (String, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let (relay, stop) = (setting.relay(), shutdown.clone());
    let server = tokio::spawn(async move { floe_relay::serve(relay, listener, stop).await.unwrap() });
    (url, shutdown, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_registered_certified_and_extended_without_native_coin() {
    for chain in chains().await {
        let setting = Setting::new(chain).await;
        let (url, shutdown, server) = serve(&setting).await;
        let reader = setting.network.connect_as(Some(setting.owner.clone())).await;
        let control = RelayedChain::new(reader, setting.owner.clone(), RelayOptions::new(&url)).unwrap();
        assert_eq!(control.signer_address(), Some(setting.owner.address()));
        assert_eq!(control.balances().await.unwrap().native, 0);

        let blobs = [new_blob(), new_blob(), new_blob()];
        let registered = control.register_blobs(&blobs).await.unwrap();
        for (blob, registered) in blobs.iter().zip(&registered) {
            assert_eq!((registered.object.blob_id, registered.object.owner), (blob.blob_id, setting.owner.address()));
            assert_eq!(registered.cost, COST);
        }
        assert_eq!(control.fees_paid(), 3_000);
        assert_eq!(setting.money().await, MONEY - 3 * COST - 3_000);

        let object = registered[0].object.object_id;
        let certificate = setting.network.certificate(blobs[0].blob_id).await;
        control.certify_blob(object, &certificate).await.unwrap();
        let extended = control.extend_blob(object, 3).await.unwrap();
        assert_eq!((extended.end_epoch.get(), extended.cost), (6, 300));
        assert_eq!(control.available_until(&blobs[0].blob_id).await.unwrap(), Some(extended.end_epoch));
        let funded = control.carry_out(IntentAction::Fund { object, amount: 50 }, 50).await.unwrap();
        assert_eq!(funded.fee, 1_000);
        assert_eq!(setting.money().await, MONEY - 3 * COST - 300 - 50 - 5_000);

        // Another process that knows only the object, and a certificate that does not fit.
        let reader = setting.network.connect_as(Some(setting.owner.clone())).await;
        let other = RelayedChain::new(reader, setting.owner.clone(), RelayOptions::new(&url)).unwrap();
        let object = registered[1].object.object_id;
        let refused = other.certify_blob(object, &certificate).await.unwrap_err();
        assert!(matches!(&refused, ChainError::Reverted { name, .. } if name == "BadSignature"), "{refused}");
        let certificate = setting.network.certificate(blobs[1].blob_id).await;
        other.certify_blob(object, &certificate).await.unwrap();
        // The contract's reason comes through: the object is not certified.
        let refused = control.extend_blob(registered[2].object.object_id, 1).await.unwrap_err();
        assert!(matches!(&refused, ChainError::Reverted { name, .. } if name == "NotCertified"), "{refused}");

        shutdown.cancel();
        server.await.unwrap();
        let refused = control.register_blobs(&[new_blob()]).await.unwrap_err();
        assert!(matches!(refused, ChainError::RelayUnreachable { .. }), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_asks_too_much_is_not_paid() {
    for chain in chains().await {
        let setting = Setting::new(chain).await;
        let (url, _shutdown, _server) = serve(&setting).await;
        let reader = setting.network.connect_as(Some(setting.owner.clone())).await;
        let options = RelayOptions { fee_max: Some(999), ..RelayOptions::new(&url) };
        let control = RelayedChain::new(reader, setting.owner.clone(), options).unwrap();
        let refused = control.register_blobs(&[new_blob()]).await.unwrap_err();
        assert!(matches!(&refused, ChainError::Relay { relay_code, .. } if relay_code == "RELAY-FEE-TOO-HIGH"));
        assert_eq!(setting.money().await, MONEY);
    }
}
