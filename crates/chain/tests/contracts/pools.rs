//! Pools: how they are made, grow, shrink and end, and what they cost.

use alloy::primitives::{Address, U256};

use super::bindings::{Pools, Storage};
use super::network::{MAX_EPOCHS_AHEAD, Network, STORAGE_PRICE, account, mined, refusal};
use crate::support::chains;

pub(super) const MIB: u64 = 1 << 20;

impl Network {
    /// A pool of the owner's; gives its number.
    pub(super) async fn pool(&self, size: u64, epochs: u32) -> U256 {
        mined(self.pools.create(size, epochs, U256::MAX, self.owner_address).send().await).await;
        self.audit().await;
        self.pools.poolCount().call().await.expect("it answers")
    }

    /// Size, end, bytes used, blobs.
    pub(super) async fn pool_shape(&self, id: U256) -> (u64, u32, u64, u64) {
        let pool = self.pools.pool(id).call().await.expect("it answers");
        (pool.size, pool.endEpoch, pool.used, pool.blobs)
    }

    async fn paid(&self) -> U256 {
        self.money.balanceOf(*self.storage.address()).call().await.expect("it answers")
    }

    async fn latest_resource(&self) -> (U256, u32, u32, u64) {
        let id = self.storage.resourceCount().call().await.expect("it answers");
        let resource = self.storage.resource(id).call().await.expect("it answers");
        (id, resource.start, resource.end, resource.size)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_paid_for_by_size_and_time() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let keeper = account("keeper").address();
        let receipt = mined(net.pools.create(3 * MIB + 1, 2, U256::MAX, keeper).send().await).await;
        let price = |units: u64| U256::from(units * STORAGE_PRICE);
        let event = receipt.decoded_log::<Pools::PoolCreated>().expect("it is announced").data;
        let expected =
            Pools::PoolCreated { poolId: U256::ONE, owner: keeper, size: 3 * MIB + 1, endEpoch: 3, cost: price(4 * 2) };
        assert_eq!(event, expected, "a MiB begun is paid whole, on {}", chain.name);
        assert_eq!(net.paid().await, price(8));
        assert_eq!(net.pools.ownerOf(U256::ONE).call().await.expect("it answers"), keeper);
        assert_eq!(net.pool_shape(U256::ONE).await, (3 * MIB + 1, 3, 0, 0));
        assert_eq!(net.availability.poolEnd(U256::ONE).call().await.expect("it answers"), 3);

        // Anyone may pay for more time, in the full size.
        let receipt = mined(net.pools.extend(U256::ONE, 3, price(12)).send().await).await;
        let event = receipt.decoded_log::<Pools::PoolExtended>().expect("it is announced").data;
        assert_eq!(event, Pools::PoolExtended { poolId: U256::ONE, endEpoch: 6, cost: price(12) });
        assert_eq!(net.availability.poolEnd(U256::ONE).call().await.expect("it answers"), 6);
        net.next_epoch().await;
        // A larger pool is paid for until its end, the current epoch included.
        let receipt = net.pools.increase(U256::ONE, MIB, U256::MAX).from(keeper).call().await;
        receipt.expect_err("the keeper has no money");
        mined(net.pools.increase(net.pool(MIB, 4).await, 2 * MIB, price(2 * 4)).send().await).await;
        assert_eq!(net.pool_shape(U256::from(2)).await, (3 * MIB, 6, 0, 0));
        let used = net.storage.accounting(5).call().await.expect("it answers").used;
        assert_eq!(used, [6 * MIB + 1, 6 * MIB + 1, 6 * MIB + 1, 6 * MIB + 1, 0]);
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_become_pools_and_pools_resources() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let reserve = async |size, start, end| {
            mined(net.storage.reserveForEpochs(size, start, end, U256::MAX).send().await).await;
            net.latest_resource().await.0
        };
        let (whole, same_end) = (reserve(MIB, 1, 5).await, reserve(100, 1, 5).await);
        let (ahead, longer) = (reserve(MIB, 2, 5).await, reserve(MIB, 1, 6).await);
        let owner = net.owner_address;
        let early = net.pools.createWithResource(ahead, owner).call().await;
        let error = refusal::<Pools::ResourceNotCovering, _>(early);
        assert_eq!((error.epoch, error.start, error.end), (1, 2, 5), "{}", chain.name);
        mined(net.pools.createWithResource(whole, owner).send().await).await;
        let pool = U256::ONE;
        assert_eq!(net.pool_shape(pool).await, (MIB, 5, 0, 0));
        refusal::<Storage::ERC721NonexistentToken, _>(net.storage.resource(whole).call().await);

        let error = refusal::<Pools::EndsDiffer, _>(net.pools.increaseWithResource(pool, longer).call().await);
        assert_eq!((error.expected, error.got), (5, 6));
        refusal::<Pools::ResourceNotCovering, _>(net.pools.increaseWithResource(pool, ahead).call().await);
        mined(net.pools.increaseWithResource(pool, same_end).send().await).await;
        assert_eq!(net.pool_shape(pool).await, (MIB + 100, 5, 0, 0));

        net.next_epoch().await;
        mined(net.pools.decrease(pool, 100).send().await).await;
        let (_, start, end, size) = net.latest_resource().await;
        assert_eq!((start, end, size), (2, 5, 100));
        mined(net.pools.decreaseByPart(pool, 2_500).send().await).await;
        assert_eq!(net.latest_resource().await.3, MIB / 4);
        assert_eq!(net.pool_shape(pool).await, (3 * MIB / 4, 5, 0, 0));
        for (bytes, max) in [(0, 3 * MIB / 4 - 1), (3 * MIB / 4, 3 * MIB / 4 - 1), (u64::MAX, 3 * MIB / 4 - 1)] {
            let error = refusal::<Pools::DecreaseOutOfRange, _>(net.pools.decrease(pool, bytes).call().await);
            assert_eq!((error.got, error.max), (bytes, max));
        }
        refusal::<Pools::DecreaseOutOfRange, _>(net.pools.decreaseByPart(pool, 0).call().await);
        refusal::<Pools::DecreaseOutOfRange, _>(net.pools.decreaseByPart(pool, 10_000).call().await);
        let error = refusal::<Pools::BasisPointsOutOfRange, _>(net.pools.decreaseByPart(pool, 10_001).call().await);
        assert_eq!((error.got, error.max), (U256::from(10_001), U256::from(10_000)));

        mined(net.pools.destroy(pool).send().await).await;
        assert_eq!(net.latest_resource().await.3, 3 * MIB / 4);
        refusal::<Pools::ERC721NonexistentToken, _>(net.pools.pool(pool).call().await);
        let used = net.storage.accounting(4).call().await.expect("it answers").used;
        assert_eq!(used, [3 * MIB + 100, 3 * MIB + 100, 3 * MIB + 100, MIB], "no byte was made or lost");
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_to_a_pool() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = net.owner_address;
        let create = async |size, epochs| net.pools.create(size, epochs, U256::MAX, owner).call().await;
        refusal::<Pools::SizeOutOfRange, _>(create(0, 1).await);
        refusal::<Pools::SizeOutOfRange, _>(create(1 << 48, 1).await);
        for epochs in [0, MAX_EPOCHS_AHEAD + 1, u32::MAX] {
            let error = refusal::<Storage::EpochsAheadOutOfRange, _>(create(1, epochs).await);
            assert_eq!((error.got, error.max), (epochs, MAX_EPOCHS_AHEAD), "{}", chain.name);
        }
        let capacity = net.storage.totalCapacity().call().await.expect("it answers");
        refusal::<Storage::CapacityExceeded, _>(create(capacity + 1, 1).await);
        let dear = net.pools.create(1, 1, U256::from(STORAGE_PRICE - 1), owner).call().await;
        refusal::<Storage::PaymentTooSmall, _>(dear);
        let nobody = net.pools.create(1, 1, U256::MAX, Address::ZERO).call().await;
        refusal::<Pools::ERC721InvalidReceiver, _>(nobody);

        let pool = net.pool(MIB, 2).await;
        for epochs in [0, MAX_EPOCHS_AHEAD - 1, u32::MAX] {
            refusal::<Storage::EpochsAheadOutOfRange, _>(net.pools.extend(pool, epochs, U256::MAX).call().await);
        }
        let dear = net.pools.extend(pool, 1, U256::from(STORAGE_PRICE - 1)).call().await;
        refusal::<Storage::PaymentTooSmall, _>(dear);
        for size in [0, u64::MAX] {
            refusal::<Pools::SizeOutOfRange, _>(net.pools.increase(pool, size, U256::MAX).call().await);
        }
        refusal::<Storage::CapacityExceeded, _>(net.pools.increase(pool, capacity, U256::MAX).call().await);
        let dear = net.pools.increase(pool, 1, U256::from(2 * STORAGE_PRICE - 1)).call().await;
        refusal::<Storage::PaymentTooSmall, _>(dear);
        refusal::<Pools::ERC721NonexistentToken, _>(net.pools.extend(U256::from(9), 1, U256::MAX).call().await);

        // An ended pool is never revived: what ended in it stays ended.
        net.next_epoch().await;
        net.next_epoch().await;
        for refused in [
            net.pools.extend(pool, 1, U256::MAX).call().await.map(drop),
            net.pools.increase(pool, 1, U256::MAX).call().await.map(drop),
            net.pools.increaseWithResource(pool, U256::ONE).call().await.map(drop),
            net.pools.decrease(pool, 1).call().await.map(drop),
            net.pools.decreaseByPart(pool, 1).call().await.map(drop),
        ] {
            let error = refusal::<Pools::BlobExpired, _>(refused);
            assert_eq!((error.endEpoch, error.currentEpoch), (3, 3));
        }
        let before = net.storage.resourceCount().call().await.expect("it answers");
        mined(net.pools.destroy(pool).send().await).await;
        assert_eq!(net.storage.resourceCount().call().await.expect("it answers"), before, "nothing is left of it");
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_belong_to_their_owner() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let pool = net.pool(MIB, 4).await;
        let thief = account("thief").address();
        for refused in [
            net.pools.increase(pool, 1, U256::MAX).from(thief).call().await.map(drop),
            net.pools.increaseWithResource(pool, U256::ONE).from(thief).call().await.map(drop),
            net.pools.decrease(pool, 1).from(thief).call().await.map(drop),
            net.pools.decreaseByPart(pool, 1).from(thief).call().await.map(drop),
            net.pools.destroy(pool).from(thief).call().await.map(drop),
        ] {
            let error = refusal::<Pools::ERC721InsufficientApproval, _>(refused);
            assert_eq!((error.operator, error.tokenId), (thief, pool), "{}", chain.name);
        }
        // Who was approved may, and what comes out belongs to the owner.
        mined(net.pools.approve(thief, pool).send().await).await;
        net.pools.decrease(pool, 1).from(thief).call().await.expect("it answers");
        mined(net.pools.transferFrom(net.owner_address, thief, pool).send().await).await;
        refusal::<Pools::ERC721InsufficientApproval, _>(net.pools.destroy(pool).call().await);
        net.pools.destroy(pool).from(thief).call().await.expect("it answers");
    }
}
