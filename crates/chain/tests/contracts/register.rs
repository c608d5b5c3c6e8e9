//! Registration of blobs: the id has to be right, and the money has to be there.

use alloy::primitives::{Address, B256, Bytes, U256};

use super::bindings::{
    Blobs::{self, BlobObject},
    Storage, TestStablecoin,
};
use super::network::{
    Deployment, MAX_EPOCHS_AHEAD, Network, STORAGE_PRICE, WRITE_PRICE, account, mined, new_blob, refusal,
};
use super::signing::blob_id;
use crate::support::chains;

const ROOT: B256 = B256::repeat_byte(7);

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_recorded_announced_and_paid() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 10]).await;
        let balance = async || net.money.balanceOf(net.owner_address).call().await.unwrap();
        let before = balance().await;
        let id = blob_id(ROOT, 1_834_952);
        let cost = net.blobs.price(1_834_952, 5).call().await.unwrap();
        // 7,215,460 bytes encoded are 7 MiB begun.
        assert_eq!(cost, U256::from(7 * (5 * STORAGE_PRICE + WRITE_PRICE)), "{}", chain.name);

        let blob = new_blob(7, 1_834_952, false);
        let receipt = mined(net.blobs.register(blob, 5, cost, net.owner_address).send().await).await;
        let event = receipt.decoded_log::<Blobs::BlobRegistered>().expect("the registration is announced");
        let expected = Blobs::BlobRegistered {
            blobId: id,
            objectId: U256::ONE,
            owner: net.owner_address,
            size: 1_834_952,
            encodingType: 1,
            deletable: false,
            registeredEpoch: 1,
            endEpoch: 6,
            cost,
        };
        assert_eq!(event.data, expected);
        let expected = BlobObject {
            blobId: id,
            owner: net.owner_address,
            size: 1_834_952,
            encodingType: 1,
            deletable: false,
            registeredEpoch: 1,
            certifiedEpoch: 0,
            endEpoch: 6,
        };
        assert_eq!(net.blobs.blob(U256::ONE).call().await.unwrap(), expected);
        assert_eq!(net.blobs.ownerOf(U256::ONE).call().await.unwrap(), net.owner_address, "a token like any other");
        assert_eq!(net.blobs.balanceOf(net.owner_address).call().await.unwrap(), U256::ONE);
        assert_eq!(net.blobs.name().call().await.unwrap(), "Floe Blobs");
        assert_eq!(balance().await, before - cost);
        assert_eq!(net.money.balanceOf(*net.storage.address()).call().await.unwrap(), cost, "the treasury holds it");
        net.audit().await;
        assert!(!net.availability.isAvailable(id).call().await.unwrap());
        assert_eq!(net.availability.availableUntil(id).call().await.unwrap(), 0);
        let unknown = net.blobs.blob(U256::from(2)).call().await;
        assert_eq!(refusal::<Blobs::UnknownObject, _>(unknown).objectId, U256::from(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_may_receive_what_the_caller_pays_for() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let friend = account("friend").address();
        mined(net.blobs.register(new_blob(1, 9, true), 2, U256::MAX, friend).send().await).await;
        assert_eq!(net.blobs.ownerOf(U256::ONE).call().await.unwrap(), friend, "{}", chain.name);
        let nobody = net.blobs.register(new_blob(2, 9, true), 2, U256::MAX, Address::ZERO).call().await;
        refusal::<Blobs::ERC721InvalidReceiver, _>(nobody);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_blob_may_be_registered_twice() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (first, object) = net.register(1, 100, 1).await;
        let (second, another) = net.register(1, 100, 2).await;
        assert_eq!(first, second, "{}", chain.name);
        assert_ne!(object, another);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_must_follow_from_root_size_and_type() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 10]).await;
        let register = async |id, root, size, encoding| {
            let blob = Blobs::NewBlob { blobId: id, rootHash: root, size, encodingType: encoding, deletable: false };
            net.blobs.register(blob, 1, U256::MAX, net.owner_address).call().await
        };
        let id = blob_id(ROOT, 1000);
        register(id, ROOT, 1000, 1).await.unwrap();

        let error = refusal::<Blobs::WrongBlobId, _>(register(id, ROOT, 1001, 1).await);
        assert_eq!((error.expected, error.got), (blob_id(ROOT, 1001), id), "{}", chain.name);
        let other_root = B256::repeat_byte(8);
        let error = refusal::<Blobs::WrongBlobId, _>(register(id, other_root, 1000, 1).await);
        assert_eq!(error.expected, blob_id(other_root, 1000));
        for encoding in [0, 2, 255] {
            let error = refusal::<Blobs::WrongEncodingType, _>(register(id, ROOT, 1000, encoding).await);
            assert_eq!((error.expected, error.got), (1, encoding));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_id_of_the_empty_blob_is_accepted() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 10]).await;
        // As the reference network's clients compute it for ten shards.
        let root = "1b47c1f6e53ac3314f910d610e1a3e961dcf22184c8a969d6552e48cc26d1ac8".parse().unwrap();
        let id = "80bce90f6f6c98a662609216c0a6adb9d2abefa904a6b41e30fc8086e31b59de".parse().unwrap();
        let blob = Blobs::NewBlob { blobId: id, rootHash: root, size: 0, encodingType: 1, deletable: false };
        mined(net.blobs.register(blob, 1, U256::MAX, net.owner_address).send().await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_follow_from_the_number_of_shards() {
    for chain in chains().await {
        // The reference network's own numbers: (shards, size, encoded length).
        for (shards, size, encoded) in [
            (4, 0, 1_192),
            (4, 393_204, 1_311_832),
            (5, 786_408, 2_295_450),
            (10, 0, 6_940),
            (10, 1, 6_940),
            (10, 2_800, 17_720),
            (10, 1_834_952, 7_215_460),
            (100, 149_286_452, 662_536_600),
            (1_000, 1, 66_034_000),
            (1_000, 445_556, 66_034_000),
            (1_000, 1 << 20, 70_038_000),
            (1_000, 14_599_533_452, 65_663_566_000),
        ] {
            let net = Deployment::new(&chain, shards).await;
            let length = net.blobs.encodedLength(size).call().await.unwrap();
            assert_eq!(length, encoded, "{size} bytes in {shards} shards on {}", chain.name);
        }
        let net = Network::launch(&chain, &[1; 10]).await;
        for (size, encoded) in [(0, 6_940_u64), (2_800, 17_720), (1_834_952, 7_215_460)] {
            let units = encoded.div_ceil(1 << 20);
            let price = net.blobs.price(size, 3).call().await.unwrap();
            assert_eq!(price, U256::from(units * (3 * STORAGE_PRICE + WRITE_PRICE)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_cannot_be_encoded_is_refused() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 10]).await;
        for size in [1_834_953, u64::MAX] {
            let register = net.blobs.register(new_blob(7, size, false), 1, U256::MAX, net.owner_address).call().await;
            let error = refusal::<Blobs::BlobTooLarge, _>(register);
            assert_eq!((error.got, error.max), (size, 1_834_952), "{}", chain.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_ahead_have_limits() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let register =
            async |epochs| net.blobs.register(new_blob(7, 9, false), epochs, U256::MAX, net.owner_address).call().await;
        for epochs in [0, MAX_EPOCHS_AHEAD + 1, u32::MAX] {
            let error = refusal::<Storage::EpochsAheadOutOfRange, _>(register(epochs).await);
            assert_eq!((error.got, error.max), (epochs, MAX_EPOCHS_AHEAD), "{}", chain.name);
        }
        register(MAX_EPOCHS_AHEAD).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_allowance_or_money_nothing_is_registered() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let poor = account("poor");
        let attempt =
            net.blobs.register(new_blob(7, 9, false), 1, U256::MAX, poor.address()).from(poor.address()).call().await;
        let error = refusal::<TestStablecoin::ERC20InsufficientAllowance, _>(attempt);
        assert_eq!(error.needed, U256::from(STORAGE_PRICE + WRITE_PRICE), "{}", chain.name);

        net.fund([poor.address()]).await;
        let money = TestStablecoin::new(*net.money.address(), super::network::provider(&net.rpc_url, &poor));
        mined(money.approve(*net.storage.address(), U256::MAX).send().await).await;
        let attempt =
            net.blobs.register(new_blob(7, 9, false), 1, U256::MAX, poor.address()).from(poor.address()).call().await;
        refusal::<TestStablecoin::ERC20InsufficientBalance, _>(attempt);
        assert_eq!(net.blobs.objectCount().call().await.unwrap(), U256::ZERO);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_registered_before_launch() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let attempt = net.blobs.register(new_blob(7, 9, false), 1, U256::MAX, net.owner_address).call().await;
        refusal::<Storage::NotLaunched, _>(attempt);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_pays_more_than_agreed() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let cost = net.blobs.price(9, 2).call().await.unwrap();
        let register = async |max| net.blobs.register(new_blob(7, 9, false), 2, max, net.owner_address).call().await;
        let error = refusal::<Storage::PaymentTooSmall, _>(register(cost - U256::ONE).await);
        assert_eq!((error.cost, error.max), (cost, cost - U256::ONE), "{}", chain.name);
        register(cost).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_epoch_holds_more_than_the_capacity() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 10]).await;
        let capacity = net.storage.totalCapacity().call().await.unwrap();
        let mut left = capacity;
        let reserve = async |size, start, end| net.storage.reserveForEpochs(size, start, end, U256::MAX).call().await;
        // Epochs 3 and 4 are half full, 5 is full.
        for (size, start, end) in [(capacity / 2, 3, 6), (capacity / 2, 5, 6)] {
            mined(net.storage.reserveForEpochs(size, start, end, U256::MAX).send().await).await;
        }
        reserve(capacity, 1, 3).await.unwrap();
        reserve(capacity / 2, 1, 5).await.unwrap();
        reserve(capacity, 6, 9).await.unwrap();
        let error = refusal::<Storage::CapacityExceeded, _>(reserve(capacity / 2 + 1, 1, 9).await);
        assert_eq!((error.epoch, error.wanted), (3, U256::from(capacity + 1)), "{}", chain.name);
        assert_eq!(refusal::<Storage::CapacityExceeded, _>(reserve(1, 1, 9).await).epoch, 5);

        // What is registered counts the same, and one blob over the edge is refused.
        let length = net.blobs.encodedLength(1_834_952).call().await.unwrap();
        left -= length - 1;
        mined(net.storage.reserve(left, 1, U256::MAX).send().await).await;
        let register =
            async |size| net.blobs.register(new_blob(1, size, false), 1, U256::MAX, net.owner_address).call().await;
        let error = refusal::<Storage::CapacityExceeded, _>(register(1_834_952).await);
        assert_eq!((error.epoch, error.wanted, error.capacity), (1, U256::from(capacity + 1), capacity));
        register(1_700_000).await.unwrap();
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_checks_its_parameters() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let (some, money, none) = (net.owner_address, *net.money.address(), Address::ZERO);
        let storage = async |governance, clock, blobs, money, epochs, burn| {
            let provider = net.owner.clone();
            Storage::deploy_builder(provider, governance, clock, blobs, some, money, epochs, burn).call().await
        };
        for epochs in [0, 1001] {
            let error =
                refusal::<Storage::MaxEpochsAheadOutOfRange, _>(storage(some, some, some, money, epochs, 0).await);
            assert_eq!((error.got, error.max), (epochs, 1000), "{}", chain.name);
        }
        let error = refusal::<Storage::BasisPointsOutOfRange, _>(storage(some, some, some, money, 1, 10_001).await);
        assert_eq!((error.got, error.max), (U256::from(10_001), U256::from(10_000)));
        for (governance, clock, blobs, money) in
            [(none, some, some, money), (some, none, some, money), (some, some, none, money), (some, some, some, none)]
        {
            refusal::<Storage::ZeroAddress, _>(storage(governance, clock, blobs, money, 1, 0).await);
        }
        let blobs = async |shards, committee, treasury| {
            Blobs::deploy_builder(net.owner.clone(), some, shards, committee, treasury, some).call().await
        };
        for shards in [3, 10_001] {
            let error = refusal::<Blobs::ShardsOutOfRange, _>(blobs(shards, some, some).await);
            assert_eq!(error.got, U256::from(shards));
        }
        refusal::<Blobs::ZeroAddress, _>(blobs(4, none, some).await);
        refusal::<Blobs::ZeroAddress, _>(blobs(4, some, none).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_replaced_by_governance_alone() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let other = *net.money.address();
        let storage = net.storage.upgradeToAndCall(other, Bytes::new()).call().await;
        assert_eq!(refusal::<Storage::Unauthorized, _>(storage).caller, net.owner_address, "{}", chain.name);
        refusal::<Blobs::Unauthorized, _>(net.blobs.upgradeToAndCall(other, Bytes::new()).call().await);
    }
}
