//! Registration of blobs: the id has to be right, and the money has to be there.

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolError;

use super::bindings::{Blobs, Committee, TestStablecoin};
use super::network::{Deployment, MAX_EPOCHS_AHEAD, Network, STORAGE_PRICE, WRITE_PRICE, account, mined, refusal};
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

        let receipt = mined(net.blobs.register(id, ROOT, 1_834_952, 1, 5).send().await).await;
        let event = receipt.decoded_log::<Blobs::BlobRegistered>().expect("the registration is announced");
        let expected = Blobs::BlobRegistered {
            blobId: id,
            objectId: U256::ONE,
            owner: net.owner_address,
            size: 1_834_952,
            encodingType: 1,
            registeredEpoch: 1,
            endEpoch: 6,
            cost,
        };
        assert_eq!(event.data, expected);
        let expected = Blobs::BlobObject {
            blobId: id,
            owner: net.owner_address,
            size: 1_834_952,
            encodingType: 1,
            registeredEpoch: 1,
            certifiedEpoch: 0,
            endEpoch: 6,
        };
        assert_eq!(net.blobs.blob(U256::ONE).call().await.unwrap(), expected);
        assert_eq!(balance().await, before - cost);
        assert_eq!(net.money.balanceOf(*net.blobs.address()).call().await.unwrap(), cost, "the contract holds it");
        assert!(!net.blobs.isAvailable(id).call().await.unwrap());
        assert_eq!(net.blobs.availableUntil(id).call().await.unwrap(), 0);
        let unknown = net.blobs.blob(U256::from(2)).call().await;
        assert_eq!(refusal::<Blobs::UnknownObject, _>(unknown).objectId, U256::from(2));
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
            net.blobs.register(id, root, size, encoding, 1).from(net.owner_address).call().await
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
        mined(net.blobs.register(id, root, 0, 1, 1).send().await).await;
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
            assert_eq!(
                net.blobs.encodedLength(size).call().await.unwrap(),
                U256::from(encoded),
                "{size} bytes in {shards} shards on {}",
                chain.name
            );
            let units = u64::div_ceil(encoded, 1 << 20);
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
            let register = net.blobs.register(blob_id(ROOT, size), ROOT, size, 1, 1).call().await;
            let error = refusal::<Blobs::BlobTooLarge, _>(register);
            assert_eq!((error.got, error.max), (size, 1_834_952), "{}", chain.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_ahead_have_limits() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let register = async |epochs| {
            net.blobs.register(blob_id(ROOT, 9), ROOT, 9, 1, epochs).from(net.owner_address).call().await
        };
        for epochs in [0, MAX_EPOCHS_AHEAD + 1, u32::MAX] {
            let error = refusal::<Blobs::EpochsAheadOutOfRange, _>(register(epochs).await);
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
        let attempt = net.blobs.register(blob_id(ROOT, 9), ROOT, 9, 1, 1).from(poor.address()).call().await;
        let error = refusal::<TestStablecoin::ERC20InsufficientAllowance, _>(attempt);
        assert_eq!(error.needed, U256::from(STORAGE_PRICE + WRITE_PRICE), "{}", chain.name);

        net.fund([poor.address()]).await;
        let money = TestStablecoin::new(*net.money.address(), super::network::provider(&net.rpc_url, &poor));
        mined(money.approve(*net.blobs.address(), U256::MAX).send().await).await;
        let attempt = net.blobs.register(blob_id(ROOT, 9), ROOT, 9, 1, 1).from(poor.address()).call().await;
        refusal::<TestStablecoin::ERC20InsufficientBalance, _>(attempt);
        assert_eq!(net.blobs.objectCount().call().await.unwrap(), U256::ZERO);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_registered_before_launch() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let attempt = net.blobs.register(blob_id(ROOT, 9), ROOT, 9, 1, 1).from(net.owner_address).call().await;
        refusal::<Blobs::NotLaunched, _>(attempt);
    }
}

#[test]
fn refusals_of_the_committee_are_in_the_abi_of_blobs() {
    assert_eq!(Blobs::NoQuorum::SELECTOR, Committee::NoQuorum::SELECTOR);
    assert_eq!(Blobs::EpochMismatch::SELECTOR, Committee::EpochMismatch::SELECTOR);
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_checks_its_parameters() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let (committee, money) = (*net.committee.address(), *net.money.address());
        let deploy = async |committee, money, epochs| {
            Blobs::deploy_builder(net.owner.clone(), committee, money, U256::ONE, U256::ONE, epochs).call().await
        };
        for epochs in [0, 1001] {
            let error = refusal::<Blobs::MaxEpochsAheadOutOfRange, _>(deploy(committee, money, epochs).await);
            assert_eq!((error.got, error.max), (epochs, 1000), "{}", chain.name);
        }
        refusal::<Blobs::ZeroAddress, _>(deploy(Default::default(), money, 1).await);
        refusal::<Blobs::ZeroAddress, _>(deploy(committee, Default::default(), 1).await);
    }
}
