//! Storage resources: bought ahead, cut, joined, used and given up.

use alloy::primitives::U256;

use super::bindings::Storage;
use super::network::{MAX_EPOCHS_AHEAD, Network, STORAGE_PRICE, account, mined, new_blob, refusal};
use crate::support::chains;

const MIB: u64 = 1 << 20;

impl Network {
    /// Buys a resource; gives its number.
    async fn resource(&self, size: u64, start: u32, end: u32) -> U256 {
        mined(self.storage.reserveForEpochs(size, start, end, U256::MAX).send().await).await;
        self.audit().await;
        self.storage.resourceCount().call().await.expect("it answers")
    }

    /// Start, end and size.
    async fn shape(&self, id: U256) -> (u32, u32, u64) {
        let r = self.storage.resource(id).call().await.expect("it answers");
        (r.start, r.end, r.size)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_is_bought_now_or_ahead() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let before = net.money.balanceOf(net.owner_address).call().await.expect("it answers");
        mined(net.storage.reserve(3 * MIB + 1, 2, U256::MAX).send().await).await;
        let paid = before - net.money.balanceOf(net.owner_address).call().await.expect("it answers");
        assert_eq!(paid, U256::from(4 * 2 * STORAGE_PRICE), "a MiB begun is paid whole, on {}", chain.name);
        assert_eq!(net.storage.reservationPrice(3 * MIB + 1, 2).call().await.expect("it answers"), paid);
        assert_eq!(net.shape(U256::ONE).await, (1, 3, 3 * MIB + 1));
        let ahead = net.resource(MIB, 5, 9).await;
        assert_eq!(net.shape(ahead).await, (5, 9, MIB));
        let clamped = net.resource(MIB, 0, 2).await;
        assert_eq!(net.shape(clamped).await, (1, 2, MIB));

        let accounting = net.storage.accounting(9).call().await.expect("it answers");
        assert_eq!(accounting.used, [4 * MIB + 1, 3 * MIB + 1, 0, 0, MIB, MIB, MIB, MIB, 0]);
        let money = [5, 4, 0, 0, 1, 1, 1, 1, 0].map(|units| U256::from(units * STORAGE_PRICE));
        assert_eq!(accounting.money, money);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_bought() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let reserve = async |size, start, end| net.storage.reserveForEpochs(size, start, end, U256::MAX).call().await;
        refusal::<Storage::SizeOutOfRange, _>(reserve(0, 1, 2).await);
        refusal::<Storage::SizeOutOfRange, _>(reserve(1 << 48, 1, 2).await);
        let error = refusal::<Storage::EndNotAfterStart, _>(reserve(1, 4, 4).await);
        assert_eq!((error.start, error.end), (4, 4), "{}", chain.name);
        refusal::<Storage::EndNotAfterStart, _>(reserve(1, 0, 1).await);
        reserve(1, 1, 1 + MAX_EPOCHS_AHEAD).await.expect("it answers");
        let error = refusal::<Storage::EpochsAheadOutOfRange, _>(reserve(1, 9, 2 + MAX_EPOCHS_AHEAD).await);
        assert_eq!((error.got, error.max), (MAX_EPOCHS_AHEAD + 1, MAX_EPOCHS_AHEAD));
        for epochs in [0, MAX_EPOCHS_AHEAD + 1, u32::MAX] {
            let refused = net.storage.reserve(1, epochs, U256::MAX).call().await;
            assert_eq!(refusal::<Storage::EpochsAheadOutOfRange, _>(refused).got, epochs);
        }
        let dear = net.storage.reserve(1, 1, U256::from(STORAGE_PRICE - 1)).call().await;
        assert_eq!(refusal::<Storage::PaymentTooSmall, _>(dear).cost, U256::from(STORAGE_PRICE));
        let capacity = net.storage.totalCapacity().call().await.expect("it answers");
        refusal::<Storage::CapacityExceeded, _>(reserve(capacity + 1, 1, 2).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_are_cut_and_joined_without_loss() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let whole = net.resource(MIB, 2, 9).await;
        mined(net.storage.splitByEpoch(whole, 5).send().await).await;
        let later = net.storage.resourceCount().call().await.expect("it answers");
        assert_eq!((net.shape(whole).await, net.shape(later).await), ((2, 5, MIB), (5, 9, MIB)), "{}", chain.name);
        mined(net.storage.splitBySize(later, 100).send().await).await;
        let rest = net.storage.resourceCount().call().await.expect("it answers");
        assert_eq!((net.shape(later).await, net.shape(rest).await), ((5, 9, 100), (5, 9, MIB - 100)));
        for epoch in [2, 5, 0, u32::MAX] {
            let error = refusal::<Storage::SplitOutOfRange, _>(net.storage.splitByEpoch(whole, epoch).call().await);
            assert_eq!((error.epoch, error.start, error.end), (epoch, 2, 5));
        }
        for size in [0, 100, 101] {
            refusal::<Storage::ResourceTooSmall, _>(net.storage.splitBySize(later, size).call().await);
        }

        refusal::<Storage::NotFusible, _>(net.storage.fuse(whole, later).call().await);
        refusal::<Storage::NotFusible, _>(net.storage.fuse(whole, whole).call().await);
        refusal::<Storage::NotFusible, _>(net.storage.fusePeriods(later, rest).call().await);
        mined(net.storage.fuseAmount(rest, later).send().await).await;
        refusal::<Storage::NotFusible, _>(net.storage.fuseAmount(whole, rest).call().await);
        let gap = net.resource(MIB, 10, 12).await;
        refusal::<Storage::NotFusible, _>(net.storage.fuse(rest, gap).call().await);
        mined(net.storage.fuse(rest, whole).send().await).await;
        assert_eq!(net.shape(rest).await, (2, 9, MIB), "in either order");
        assert_eq!(net.storage.balanceOf(net.owner_address).call().await.expect("it answers"), U256::from(2));
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_belong_to_their_owner() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let id = net.resource(MIB, 1, 9).await;
        let thief = account("thief").address();
        for refused in [
            net.storage.splitByEpoch(id, 5).from(thief).call().await.map(drop),
            net.storage.splitBySize(id, 5).from(thief).call().await.map(drop),
            net.storage.destroy(id).from(thief).call().await.map(drop),
            net.blobs
                .registerWithResource(new_blob(1, 9, true), id, U256::MAX, thief)
                .from(thief)
                .call()
                .await
                .map(drop),
        ] {
            let error = refusal::<Storage::ERC721InsufficientApproval, _>(refused);
            assert_eq!((error.operator, error.tokenId), (thief, id), "{}", chain.name);
        }
        let treasury = &net.storage;
        let order = Storage::Purchase {
            payer: net.owner_address,
            size: 1,
            units: 0,
            start: 0,
            epochs: 1,
            writeUnits: 0,
            maxCost: U256::ZERO,
        };
        for refused in [
            treasury.purchase(order).from(thief).call().await.map(drop),
            treasury.take(net.owner_address, id, 0).from(thief).call().await.map(drop),
            treasury.give(thief, 1, 9).from(thief).call().await.map(drop),
            treasury.deposit(net.owner_address, U256::ONE).from(thief).call().await.map(drop),
            treasury.release(thief, U256::ONE).from(thief).call().await.map(drop),
        ] {
            assert_eq!(refusal::<Storage::NotARegistrar, _>(refused).caller, thief);
        }
        let closed = treasury.closeEpoch(2, 1, U256::ONE, U256::ONE, thief).from(thief).call().await;
        assert_eq!(refusal::<Storage::Unauthorized, _>(closed).expected, *net.epochs.address());

        mined(net.storage.transferFrom(net.owner_address, thief, id).send().await).await;
        net.storage.destroy(id).from(thief).call().await.expect("it answers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_becomes_blobs() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let length = net.blobs.encodedLength(1000).call().await.expect("it answers");
        let id = net.resource(3 * length - 1, 1, 4).await;
        let ahead = net.resource(length, 2, 4).await;
        let register = async |id| {
            net.blobs.registerWithResource(new_blob(1, 1000, false), id, U256::MAX, net.owner_address).call().await
        };
        let error = refusal::<Storage::ResourceNotCovering, _>(register(ahead).await);
        assert_eq!((error.epoch, error.start, error.end), (1, 2, 4), "{}", chain.name);
        for _ in 0..2 {
            let blob = new_blob(1, 1000, false);
            mined(net.blobs.registerWithResource(blob, id, U256::MAX, net.owner_address).send().await).await;
            net.audit().await;
        }
        assert_eq!(net.shape(id).await, (1, 4, length - 1), "what is left stays with its owner");
        let error = refusal::<Storage::ResourceTooSmall, _>(register(id).await);
        assert_eq!((error.got, error.size), (U256::from(length), U256::from(length - 1)));
        assert_eq!(net.blobs.blob(U256::ONE).call().await.expect("it answers").endEpoch, 4);
        let writing = net.blobs.registerWithResource(new_blob(1, 9, false), id, U256::ZERO, net.owner_address);
        refusal::<Storage::PaymentTooSmall, _>(writing.call().await);

        mined(net.storage.destroy(ahead).send().await).await;
        let used = net.storage.accounting(4).call().await.expect("it answers").used;
        assert_eq!(used, [3 * length - 1, 4 * length - 1, 4 * length - 1, 0], "what is destroyed stays accounted");
        for _ in 0..3 {
            net.next_epoch().await;
        }
        refusal::<Storage::ResourceNotCovering, _>(
            net.blobs.registerWithResource(new_blob(1, 0, false), id, U256::MAX, net.owner_address).call().await,
        );
    }
}
