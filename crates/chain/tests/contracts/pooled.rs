//! Blobs in pools: registered, certified, extended with their pool, deleted and cleared away.

use alloy::primitives::{B256, U256};
use alloy::rpc::types::TransactionReceipt;

use super::bindings::{Availability, Committee, Pools, Storage};
use super::network::{Network, WRITE_PRICE, account, mined, new_blob, refusal};
use super::pools::MIB;
use super::signing::{confirmation, confirmation_of, invalid};
use crate::support::chains;

const ALL: [usize; 4] = [0, 1, 2, 3];

/// The number of the n-th object of a pool.
fn object(pool: U256, n: u64) -> U256 {
    (pool << 64) | U256::from(n)
}

fn pooled(seed: u8, size: u64, deletable: bool) -> Pools::NewBlob {
    let blob = new_blob(seed, size, deletable);
    Pools::NewBlob { blobId: blob.blobId, rootHash: blob.rootHash, size, encodingType: blob.encodingType, deletable }
}

impl Network {
    pub(super) async fn pool_registration(&self, pool: U256, seed: u8, deletable: bool) -> TransactionReceipt {
        mined(self.pools.register(pool, pooled(seed, 1000, deletable), U256::MAX).send().await).await
    }

    /// Registers a blob in a pool; gives its id and the object's number.
    pub(super) async fn register_in(&self, pool: U256, seed: u8, deletable: bool) -> (B256, U256) {
        let receipt = self.pool_registration(pool, seed, deletable).await;
        self.audit().await;
        let event = receipt.decoded_log::<Pools::PooledBlobRegistered>().expect("it is announced");
        (event.blobId, event.objectId)
    }

    pub(super) async fn certify_pooled(&self, object: U256) -> TransactionReceipt {
        let blob = self.pools.blob(object).call().await.expect("it answers");
        let message = confirmation_of(self.epoch().await, blob.blobId, blob.deletable.then_some(object));
        let all: Vec<_> = (0..self.nodes.len()).collect();
        let (signers, signature) = self.certificate(&all, &message);
        mined(self.pools.certify(object, signers, signature).send().await).await
    }

    async fn until(&self, blob: B256) -> u32 {
        self.availability.availableUntil(blob).call().await.expect("it answers")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_of_a_pool_share_its_end() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let pool = net.pool(MIB, 2).await;
        let length = net.pools.encodedLength(1000).call().await.unwrap();
        let blob = pooled(1, 1000, false);
        let receipt = mined(net.pools.register(pool, blob.clone(), U256::from(WRITE_PRICE)).send().await).await;
        let event = receipt.decoded_log::<Pools::PooledBlobRegistered>().unwrap().data;
        let expected = Pools::PooledBlobRegistered {
            blobId: blob.blobId,
            objectId: object(pool, 1),
            poolId: pool,
            size: 1000,
            encodingType: 1,
            deletable: false,
            registeredEpoch: 1,
            endEpoch: 3,
            cost: U256::from(WRITE_PRICE),
        };
        assert_eq!(event, expected, "writing alone is paid for, on {}", chain.name);
        let (own, deletable) = net.register_in(pool, 2, true).await;
        assert_eq!(deletable, object(pool, 2));
        assert_eq!(net.pool_shape(pool).await, (MIB, 3, 2 * length, 2));

        let permanent = object(pool, 1);
        let receipt = net.certify_pooled(permanent).await;
        let event = receipt.decoded_log::<Pools::PooledBlobCertified>().unwrap().data;
        let (blob_id, object_id) = (blob.blobId, permanent);
        let expected = Pools::PooledBlobCertified {
            blobId: blob_id,
            objectId: object_id,
            deletable: false,
            certifiedEpoch: 1,
            endEpoch: 3,
        };
        assert_eq!(event, expected);
        net.certify_pooled(deletable).await;
        assert_eq!((net.until(blob_id).await, net.until(own).await), (3, 0), "a promise that can be withdrawn is none");

        mined(net.pools.extend(pool, 4, U256::MAX).send().await).await;
        assert_eq!(net.until(blob_id).await, 7);
        for object in [permanent, deletable] {
            let blob = net.pools.blob(object).call().await.unwrap();
            assert_eq!((blob.owner, blob.endEpoch, blob.certifiedEpoch), (net.owner_address, 7, 1));
        }
        net.availability.requireAvailable(blob_id, 7).call().await.unwrap();
        refusal::<Availability::NotAvailable, _>(net.availability.requireAvailable(blob_id, 8).call().await);
        for _ in 0..6 {
            assert!(net.availability.isAvailable(blob_id).call().await.unwrap());
            net.next_epoch().await;
        }
        assert!(!net.availability.isAvailable(blob_id).call().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_registered_in_a_pool() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let length = net.pools.encodedLength(1000).call().await.unwrap();
        let pool = net.pool(2 * length - 1, 2).await;
        let register = async |blob| net.pools.register(pool, blob, U256::MAX).call().await;
        net.register_in(pool, 1, false).await;
        let error = refusal::<Pools::PoolFull, _>(register(pooled(2, 1000, true)).await);
        let expected = Pools::PoolFull { poolId: pool, needed: 2 * length, size: 2 * length - 1 };
        assert_eq!(error, expected, "{}", chain.name);
        let thief = account("thief").address();
        let foreign = net.pools.register(pool, pooled(2, 0, true), U256::MAX).from(thief).call().await;
        refusal::<Pools::ERC721InsufficientApproval, _>(foreign);
        let unknown = net.pools.register(U256::from(9), pooled(2, 0, true), U256::MAX).call().await;
        refusal::<Pools::ERC721NonexistentToken, _>(unknown);

        let pool = net.pool(MIB, 1).await;
        let register = async |blob, max| net.pools.register(pool, blob, max).call().await;
        let dear = register(pooled(2, 1000, true), U256::from(WRITE_PRICE - 1)).await;
        refusal::<Storage::PaymentTooSmall, _>(dear);
        let mut wrong = pooled(2, 1000, true);
        wrong.blobId = B256::repeat_byte(9);
        refusal::<Pools::WrongBlobId, _>(register(wrong, U256::MAX).await);
        let mut wrong = pooled(2, 1000, true);
        wrong.encodingType = 0;
        refusal::<Pools::WrongEncodingType, _>(register(wrong, U256::MAX).await);
        let condemned = pooled(3, 1000, false);
        let (signers, signature) = net.certificate(&ALL, &invalid(1, condemned.blobId));
        mined(net.blobs.invalidate(condemned.blobId, signers, signature).send().await).await;
        refusal::<Availability::BlobInvalid, _>(register(condemned, U256::MAX).await);
        net.next_epoch().await;
        let error = refusal::<Pools::BlobExpired, _>(register(pooled(2, 1000, true), U256::MAX).await);
        assert_eq!((error.endEpoch, error.currentEpoch), (2, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_for_this_blob_or_this_object() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let pool = net.pool(MIB, 3).await;
        let (id, permanent) = net.register_in(pool, 1, false).await;
        let (_, deletable) = net.register_in(pool, 1, true).await;
        let (_, other) = net.register_in(pool, 1, true).await;
        let certify = async |object, members: &[usize], message: &[u8]| {
            let (signers, signature) = net.certificate(members, message);
            net.pools.certify(object, signers, signature).call().await
        };
        refusal::<Committee::NoQuorum, _>(certify(permanent, &[0, 1], &confirmation(1, id)).await);
        refusal::<Committee::BadSignature, _>(certify(permanent, &ALL, &confirmation(2, id)).await);
        refusal::<Committee::BadSignature, _>(certify(permanent, &ALL, &confirmation(1, B256::ZERO)).await);
        refusal::<Committee::BadSignature, _>(certify(deletable, &ALL, &confirmation(1, id)).await);
        let named = confirmation_of(1, id, Some(deletable));
        refusal::<Committee::BadSignature, _>(certify(other, &ALL, &named).await);
        refusal::<Committee::BadSignature, _>(certify(permanent, &ALL, &named).await);
        let error = refusal::<Pools::UnknownObject, _>(certify(object(pool, 9), &ALL, &named).await);
        assert_eq!(error.objectId, object(pool, 9), "{}", chain.name);
        refusal::<Pools::UnknownObject, _>(certify(U256::ONE, &ALL, &named).await);

        // No object of a pool has the number of one outside, so that a confirmation never is for two of them.
        let (single_id, single) = net.register_deletable(1, 1000, 3).await;
        assert_eq!((single_id, single), (id, U256::ONE));
        let (signers, signature) = net.certificate(&ALL, &named);
        refusal::<Committee::BadSignature, _>(net.blobs.certify(single, signers, signature).call().await);

        // The certificate of a permanent one is about the blob, wherever it is registered.
        net.certify_pooled(permanent).await;
        let (_, single) = net.register(1, 1000, 3).await;
        net.certify(id, single, &ALL).await;
        let error = refusal::<Pools::AlreadyCertified, _>(certify(permanent, &ALL, &confirmation(1, id)).await);
        assert_eq!((error.objectId, error.certifiedEpoch), (permanent, 1));

        let (signers, signature) = net.certificate(&ALL, &invalid(1, id));
        mined(net.blobs.invalidate(id, signers, signature).send().await).await;
        refusal::<Availability::BlobInvalid, _>(certify(deletable, &ALL, &named).await);
        assert_eq!(net.until(id).await, 0, "an extension of the pool does not bring it back");
        mined(net.pools.extend(pool, 2, U256::MAX).send().await).await;
        assert_eq!(net.until(id).await, 0);
        for _ in 0..5 {
            net.next_epoch().await;
        }
        let late = confirmation_of(6, id, Some(deletable));
        refusal::<Pools::BlobExpired, _>(certify(deletable, &ALL, &late).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_blob_leaves_its_room() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let length = net.pools.encodedLength(1000).call().await.unwrap();
        let pool = net.pool(2 * length, 2).await;
        let (_, permanent) = net.register_in(pool, 1, false).await;
        let (id, own) = net.register_in(pool, 2, true).await;
        let error = refusal::<Pools::NotDeletable, _>(net.pools.deleteBlob(permanent).call().await);
        assert_eq!(error.objectId, permanent, "{}", chain.name);
        let thief = account("thief").address();
        refusal::<Pools::ERC721InsufficientApproval, _>(net.pools.deleteBlob(own).from(thief).call().await);
        net.certify_pooled(own).await;
        let receipt = mined(net.pools.deleteBlob(own).send().await).await;
        let event = receipt.decoded_log::<Pools::PooledBlobDeleted>().unwrap().data;
        let expected = Pools::PooledBlobDeleted { blobId: id, objectId: own, endEpoch: 3, wasCertified: true };
        assert_eq!(event, expected);
        refusal::<Pools::UnknownObject, _>(net.pools.blob(own).call().await);
        assert_eq!(net.pool_shape(pool).await, (2 * length, 3, length, 1));

        // A number is never used again: a confirmation of what was deleted certifies nothing new.
        let (_, again) = net.register_in(pool, 2, true).await;
        assert_eq!(again, object(pool, 3));
        let error = refusal::<Pools::DecreaseOutOfRange, _>(net.pools.decrease(pool, 1).call().await);
        assert_eq!((error.got, error.max), (1, 0));
        let error = refusal::<Pools::PoolNotEmpty, _>(net.pools.destroy(pool).call().await);
        assert_eq!((error.poolId, error.blobs), (pool, 2));

        let burn = async |objects: &[U256]| net.pools.burnExpired(objects.to_vec()).call().await;
        let error = refusal::<Pools::NotExpired, _>(burn(&[permanent]).await);
        assert_eq!((error.endEpoch, error.currentEpoch), (3, 1));
        refusal::<Pools::EmptyBatch, _>(burn(&[]).await);
        net.next_epoch().await;
        net.next_epoch().await;
        refusal::<Pools::BlobExpired, _>(net.pools.deleteBlob(again).call().await);
        let foreign = net.pools.burnExpired(vec![permanent]).from(thief).call().await;
        refusal::<Pools::ERC721InsufficientApproval, _>(foreign);
        refusal::<Pools::UnknownObject, _>(burn(&[own]).await);
        refusal::<Pools::UnknownObject, _>(burn(&[permanent, permanent]).await);
        let receipt = mined(net.pools.burnExpired(vec![permanent, again]).send().await).await;
        assert_eq!(receipt.logs().iter().filter(|l| l.log_decode::<Pools::PooledBlobBurned>().is_ok()).count(), 2);
        assert_eq!(net.pool_shape(pool).await, (2 * length, 3, 0, 0));
        mined(net.pools.destroy(pool).send().await).await;
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_end_among_pools_and_registrations_counts() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (early, late) = (net.pool(MIB, 2).await, net.pool(MIB, 4).await);
        let (id, in_early) = net.register_in(early, 1, false).await;
        let (_, in_late) = net.register_in(late, 1, false).await;
        let refused = net.pools.refresh(in_early).call().await;
        assert_eq!(refusal::<Pools::NotCertified, _>(refused).objectId, in_early, "{}", chain.name);
        for (object, until) in [(in_early, 3), (in_late, 5)] {
            net.certify_pooled(object).await;
            assert_eq!(net.until(id).await, until);
        }
        // The answer follows one pool. Another that was extended beyond it is brought up by anyone.
        mined(net.pools.extend(early, 5, U256::MAX).send().await).await;
        assert_eq!(net.until(id).await, 5);
        mined(net.pools.refresh(in_early).send().await).await;
        assert_eq!(net.until(id).await, 8);
        mined(net.pools.refresh(in_late).send().await).await;
        assert_eq!(net.until(id).await, 8, "never less than before");

        let (_, single) = net.register(1, 1000, 9).await;
        net.certify(id, single, &ALL).await;
        assert_eq!(net.until(id).await, 10);
        mined(net.pools.extend(early, 10, U256::MAX).send().await).await;
        assert_eq!(net.until(id).await, 18, "a pool that is followed counts at once");

        let (_, own) = net.register_in(late, 1, true).await;
        refusal::<Pools::Deletable, _>(net.pools.refresh(own).call().await);
        refusal::<Pools::UnknownObject, _>(net.pools.refresh(U256::ONE).call().await);
    }
}
