//! What an owner may do with a registration: delete, burn, give away, share.

use alloy::primitives::U256;

use super::bindings::{Blobs, Committee, Storage};
use super::network::{Network, account, mined, new_blob, refusal};
use super::signing::{confirmation, confirmation_of};
use crate::support::chains;

const QUORUM: [usize; 3] = [0, 1, 2];

#[tokio::test(flavor = "multi_thread")]
async fn a_deletable_blob_gives_its_storage_back() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (id, object) = net.register_deletable(1, 1000, 5).await;
        net.certify(id, object, &QUORUM).await;
        net.next_epoch().await;
        let receipt = mined(net.blobs.deleteBlob(object).send().await).await;
        let event = receipt.decoded_log::<Blobs::BlobDeleted>().expect("it is announced");
        assert_eq!((event.blobId, event.objectId), (id, object), "{}", chain.name);
        assert_eq!((event.endEpoch, event.wasCertified), (6, true));
        refusal::<Blobs::UnknownObject, _>(net.blobs.blob(object).call().await);
        assert_eq!(net.blobs.balanceOf(net.owner_address).call().await.unwrap(), U256::ZERO);

        let length = net.blobs.encodedLength(1000).call().await.unwrap();
        let resource = net.storage.resource(U256::ONE).call().await.unwrap();
        assert_eq!((resource.start, resource.end, resource.size), (2, 6, length));
        assert_eq!(net.storage.ownerOf(U256::ONE).call().await.unwrap(), net.owner_address);

        // It is good for another blob, for writing alone, and what is left stays.
        let cost = mined(
            net.blobs
                .registerWithResource(new_blob(2, 1000, true), U256::ONE, U256::MAX, net.owner_address)
                .send()
                .await,
        )
        .await
        .decoded_log::<Blobs::BlobRegistered>()
        .expect("it is announced")
        .cost;
        assert_eq!(cost, U256::from(super::network::WRITE_PRICE));
        refusal::<Storage::ERC721NonexistentToken, _>(net.storage.resource(U256::ONE).call().await);
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deleted() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (_, permanent) = net.register(1, 1000, 5).await;
        let delete = async |object| net.blobs.deleteBlob(object).call().await;
        assert_eq!(refusal::<Blobs::NotDeletable, _>(delete(permanent).await).objectId, permanent, "{}", chain.name);
        let (_, object) = net.register_deletable(2, 1000, 1).await;
        let thief = account("thief").address();
        refusal::<Blobs::ERC721InsufficientApproval, _>(net.blobs.deleteBlob(object).from(thief).call().await);
        net.next_epoch().await;
        let error = refusal::<Blobs::BlobExpired, _>(delete(object).await);
        assert_eq!((error.endEpoch, error.currentEpoch), (2, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletable_certificate_names_its_object() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (id, first) = net.register_deletable(1, 1000, 5).await;
        let (_, second) = net.register_deletable(1, 1000, 5).await;
        let (_, permanent) = net.register(1, 1000, 5).await;
        let attempt = async |object: U256, message: &[u8]| {
            let (signers, signature) = net.certificate(&QUORUM, message);
            net.blobs.certify(object, signers, signature).call().await
        };
        let for_first = confirmation_of(1, id, Some(first));
        attempt(first, &for_first).await.unwrap();
        refusal::<Committee::BadSignature, _>(attempt(second, &for_first).await);
        refusal::<Committee::BadSignature, _>(attempt(permanent, &for_first).await);
        refusal::<Committee::BadSignature, _>(attempt(first, &confirmation(1, id)).await);
        attempt(permanent, &confirmation(1, id)).await.unwrap();
        println!("refused on {}", chain.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_move_and_burn() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (id, object) = net.stored(1, 1000, 2).await;
        let friend = account("friend").address();
        let before = net.blobs.blob(object).call().await.unwrap();
        mined(net.blobs.transferFrom(net.owner_address, friend, object).send().await).await;
        let after = net.blobs.blob(object).call().await.unwrap();
        assert_eq!(after.owner, friend, "{}", chain.name);
        assert_eq!((after.size, after.endEpoch, after.certifiedEpoch), (before.size, before.endEpoch, 1));
        refusal::<Blobs::ERC721InsufficientApproval, _>(net.blobs.burn(object).call().await);
        net.blobs.burn(object).from(friend).call().await.unwrap();

        let (_, own) = net.stored(2, 1000, 2).await;
        mined(net.blobs.burn(own).send().await).await;
        refusal::<Blobs::UnknownObject, _>(net.blobs.blob(own).call().await);
        assert_eq!(net.availability.availableUntil(id).call().await.unwrap(), 3, "what was promised stays");
        assert_eq!(net.storage.resourceCount().call().await.unwrap(), U256::ZERO, "nothing comes back");
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_blob_belongs_to_nobody() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (_, deletable) = net.register_deletable(1, 1000, 2).await;
        refusal::<Blobs::Deletable, _>(net.blobs.share(deletable).call().await);
        let (_, object) = net.stored(2, 1000, 2).await;
        mined(net.blobs.share(object).send().await).await;
        assert_eq!(net.blobs.ownerOf(object).call().await.unwrap(), *net.blobs.address(), "{}", chain.name);
        refusal::<Blobs::ERC721InsufficientApproval, _>(net.blobs.burn(object).call().await);
        refusal::<Blobs::ERC721InsufficientApproval, _>(net.blobs.share(object).call().await);
        mined(net.blobs.extend(object, 1, U256::MAX).send().await).await;
        assert_eq!(net.blobs.blob(object).call().await.unwrap().endEpoch, 4);
    }
}
