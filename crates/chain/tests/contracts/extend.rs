//! Longer lives for certified blobs: paid by anyone, or with a resource.

use alloy::primitives::U256;

use super::bindings::{Blobs, Storage};
use super::network::{MAX_EPOCHS_AHEAD, Network, STORAGE_PRICE, account, mined, provider, refusal};
use super::signing::invalid;
use crate::support::chains;

#[tokio::test(flavor = "multi_thread")]
async fn anyone_may_pay_for_more_epochs() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (id, object) = net.stored(1, 1000, 2).await;
        let friend = account("friend");
        net.fund([friend.address()]).await;
        mined(net.money.mint(friend.address(), U256::from(10 * STORAGE_PRICE)).send().await).await;
        let theirs = provider(&net.rpc_url, &friend);
        let money = super::bindings::TestStablecoin::new(*net.money.address(), theirs.clone());
        mined(money.approve(*net.storage.address(), U256::MAX).send().await).await;
        let blobs = Blobs::new(*net.blobs.address(), theirs);
        let receipt = mined(blobs.extend(object, 3, U256::from(3 * STORAGE_PRICE)).send().await).await;
        let event = receipt.decoded_log::<Blobs::BlobExtended>().expect("it is announced");
        assert_eq!((event.certifiedEpoch, event.endEpoch), (1, 6), "{}", chain.name);
        assert_eq!(event.cost, U256::from(3 * STORAGE_PRICE), "writing is paid for once");
        assert_eq!(net.blobs.blob(object).call().await.unwrap().endEpoch, 6);
        assert_eq!(net.availability.availableUntil(id).call().await.unwrap(), 6);
        for used in net.storage.accounting(6).call().await.unwrap().used.iter().zip([1, 1, 1, 1, 1, 0]) {
            assert_eq!(*used.0 != 0, used.1 == 1, "capacity is accounted until the new end");
        }
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_extended() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (_, uncertified) = net.register(1, 1000, 2).await;
        let extend = async |object, epochs| net.blobs.extend(object, epochs, U256::MAX).call().await;
        let error = refusal::<Blobs::NotCertified, _>(extend(uncertified, 1).await);
        assert_eq!(error.objectId, uncertified, "{}", chain.name);
        refusal::<Blobs::UnknownObject, _>(extend(U256::from(9), 1).await);

        let (_, object) = net.stored(2, 1000, 2).await;
        refusal::<Storage::EpochsAheadOutOfRange, _>(extend(object, 0).await);
        extend(object, MAX_EPOCHS_AHEAD - 2).await.unwrap();
        let error = refusal::<Storage::EpochsAheadOutOfRange, _>(extend(object, MAX_EPOCHS_AHEAD - 1).await);
        assert_eq!((error.got, error.max), (MAX_EPOCHS_AHEAD + 1, MAX_EPOCHS_AHEAD));
        refusal::<Storage::EpochsAheadOutOfRange, _>(extend(object, u32::MAX).await);
        let dear = net.blobs.extend(object, 1, U256::from(STORAGE_PRICE - 1)).call().await;
        refusal::<Storage::PaymentTooSmall, _>(dear);

        let (condemned, invalid_object) = net.stored(3, 1000, 2).await;
        let (signers, signature) = net.certificate(&[0, 1], &invalid(1, condemned));
        mined(net.blobs.invalidate(condemned, signers, signature).send().await).await;
        refusal::<super::bindings::Availability::BlobInvalid, _>(extend(invalid_object, 1).await);

        net.next_epoch().await;
        net.next_epoch().await;
        let error = refusal::<Blobs::BlobExpired, _>(extend(object, 1).await);
        assert_eq!((error.endEpoch, error.currentEpoch), (3, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_of_the_same_size_extends_without_a_gap() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (id, object) = net.stored(1, 1000, 2).await;
        let length = net.blobs.encodedLength(1000).call().await.unwrap();
        let resource = async |size, start, end| {
            mined(net.storage.reserveForEpochs(size, start, end, U256::MAX).send().await).await;
            net.storage.resourceCount().call().await.unwrap()
        };
        let extend = async |resource| net.blobs.extendWithResource(object, resource).call().await;
        let other = resource(length + 1, 3, 5).await;
        let error = refusal::<Blobs::ResourceSizeMismatch, _>(extend(other).await);
        assert_eq!((error.expected, error.got), (length, length + 1), "{}", chain.name);
        let gap = resource(length, 4, 5).await;
        let error = refusal::<Blobs::ResourceGap, _>(extend(gap).await);
        assert_eq!((error.expected, error.got), (3, 4));
        let overlap = resource(length, 2, 5).await;
        refusal::<Blobs::ResourceGap, _>(extend(overlap).await);

        let right = resource(length, 3, 5).await;
        let foreign = net.blobs.extendWithResource(object, right).from(account("thief").address()).call().await;
        refusal::<Storage::ERC721InsufficientApproval, _>(foreign);
        mined(net.blobs.extendWithResource(object, right).send().await).await;
        assert_eq!(net.availability.availableUntil(id).call().await.unwrap(), 5);
        refusal::<Storage::ERC721NonexistentToken, _>(net.storage.resource(right).call().await);
        net.audit().await;
    }
}
