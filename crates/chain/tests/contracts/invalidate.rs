//! Blobs that were proven to be inconsistently encoded.

use alloy::primitives::{B256, U256};

use super::bindings::{Availability, Blobs, Committee};
use super::network::{Network, mined, new_blob, refusal};
use super::signing::{confirmation, invalid};
use crate::support::chains;

const QUORUM: [usize; 7] = [0, 1, 2, 3, 4, 5, 6];
/// f + 1 of ten.
const ONE_HONEST: [usize; 4] = [2, 5, 7, 9];

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_blob_is_gone_forever() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 10]).await;
        let (id, object) = net.register(1, 1000, 5).await;
        let (_, uncertified) = net.register(1, 1000, 9).await;
        net.certify(id, object, &QUORUM).await;

        let (signers, signature) = net.certificate(&ONE_HONEST, &invalid(1, id));
        let receipt = mined(net.blobs.invalidate(id, signers.clone(), signature).send().await).await;
        let event = receipt.decoded_log::<Blobs::BlobInvalidated>().expect("it is announced");
        assert_eq!((event.blobId, event.epoch), (id, 1), "{}", chain.name);
        assert!(!net.availability.isAvailable(id).call().await.unwrap());
        assert_eq!(net.availability.availableUntil(id).call().await.unwrap(), 0);
        assert_eq!(net.availability.invalidSince(id).call().await.unwrap(), 1);

        let (bitmap, confirmed) = net.certificate(&QUORUM, &confirmation(1, id));
        let certify = net.blobs.certify(uncertified, bitmap, confirmed).call().await;
        let error = refusal::<Availability::BlobInvalid, _>(certify);
        assert_eq!((error.blobId, error.invalidSince), (id, 1));
        let register = net.blobs.register(new_blob(1, 1000, false), 5, U256::MAX, net.owner_address).call().await;
        refusal::<Availability::BlobInvalid, _>(register);
        refusal::<Availability::BlobInvalid, _>(net.blobs.invalidate(id, signers, signature).call().await);
        assert!(net.blobs.blob(object).call().await.is_ok(), "what was registered stays on record");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unregistered_blob_can_be_invalid_too() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 10]).await;
        let id = new_blob(3, 77, false).blobId;
        let (signers, signature) = net.certificate(&ONE_HONEST, &invalid(1, id));
        mined(net.blobs.invalidate(id, signers, signature).send().await).await;
        let register = net.blobs.register(new_blob(3, 77, false), 5, U256::MAX, net.owner_address).call().await;
        assert_eq!(refusal::<Availability::BlobInvalid, _>(register).blobId, id, "{}", chain.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_honest_signer_is_needed() {
    for chain in chains().await {
        // 3w >= n + 1: f + 1, and f + 2 when three divides n.
        for (shards, needed) in [(4, 2), (5, 2), (6, 3), (9, 4), (10, 4)] {
            let net = Network::launch(&chain, &vec![1; shards]).await;
            let id = B256::repeat_byte(5);
            let attempt = async |count: usize, message: &[u8]| {
                let (signers, signature) = net.certificate(&(0..count).collect::<Vec<_>>(), message);
                net.blobs.invalidate(id, signers, signature).call().await
            };
            let error = refusal::<Committee::NoQuorum, _>(attempt(needed - 1, &invalid(1, id)).await);
            let expected = (U256::from(needed - 1), U256::from(needed));
            assert_eq!((error.weight, error.needed), expected, "{shards} shards on {}", chain.name);
            attempt(needed, &invalid(1, id)).await.unwrap();

            // Confirming a blob must not look like condemning it.
            refusal::<Committee::BadSignature, _>(attempt(shards, &confirmation(1, id)).await);
            refusal::<Committee::BadSignature, _>(attempt(shards, &invalid(2, id)).await);
        }
    }
}
