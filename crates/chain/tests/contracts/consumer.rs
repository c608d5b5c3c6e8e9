//! Another contract that asks for availability and acts on the answer, in one transaction.

use alloy::primitives::U256;

use super::bindings::ReleaseShelf;
use super::network::{Network, mined, refusal};
use crate::support::chains;

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_acts_on_availability() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let shelf = ReleaseShelf::deploy(net.owner.clone(), *net.blobs.address()).await.unwrap();
        let (id, object) = net.register(1, 1000, 2).await;
        let refused = shelf.release(id, 1).call().await;
        assert_eq!(refusal::<ReleaseShelf::NotAvailable, _>(refused).blobId, id, "{}", chain.name);

        net.certify(id, object, &[0, 1, 2]).await;
        let epoch = net.epoch().await;
        let refused = refusal::<ReleaseShelf::EndsTooEarly, _>(shelf.release(id, epoch + 3).call().await);
        assert_eq!((refused.endEpoch, refused.wanted), (epoch + 2, epoch + 3));
        let receipt = mined(shelf.release(id, epoch + 2).send().await).await;
        let event = receipt.decoded_log::<ReleaseShelf::Released>().expect("it is announced");
        assert_eq!((event.blobId, event.endEpoch), (id, epoch + 2));
        assert_eq!(shelf.latest().call().await.unwrap(), id);

        net.next_epoch().await;
        shelf.release(id, epoch + 2).call().await.unwrap();
        net.next_epoch().await;
        refusal::<ReleaseShelf::NotAvailable, _>(shelf.release(id, epoch + 2).call().await);
        assert_ne!(object, U256::ZERO);
    }
}
