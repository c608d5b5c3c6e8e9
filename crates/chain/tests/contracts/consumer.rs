//! Another contract that asks for availability and acts on the answer, in one transaction.

use alloy::primitives::U256;

use super::bindings::{Availability, Editions};
use super::network::{Network, mined, refusal};
use crate::support::chains;

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_sells_only_what_is_available() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (id, object) = net.register(1, 1000, 3).await;
        let price = U256::from(7);
        let editions = Editions::deploy(net.owner.clone(), *net.availability.address(), id, 2, price).await.unwrap();
        let buy = async || editions.buy().value(price).from(net.owner_address).call().await;
        let error = refusal::<Availability::NotAvailable, _>(buy().await);
        assert_eq!((error.blobId, error.availableUntil, error.wanted), (id, 0, 3), "{}", chain.name);

        net.certify(id, object, &[0, 1, 2]).await;
        mined(editions.buy().value(price).send().await).await;
        assert_eq!(editions.ownerOf(U256::ONE).call().await.unwrap(), net.owner_address);
        let cheap = editions.buy().value(U256::ONE).call().await;
        assert_eq!(refusal::<Editions::WrongPrice, _>(cheap).expected, price);

        net.next_epoch().await;
        buy().await.unwrap();
        net.next_epoch().await;
        let error = refusal::<Availability::NotAvailable, _>(buy().await);
        assert_eq!((error.availableUntil, error.wanted), (4, 5), "two epochs are no longer left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_deleted_is_not_promised() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (id, object) = net.register_deletable(1, 1000, 3).await;
        net.certify(id, object, &[0, 1, 2]).await;
        assert_eq!(net.availability.availableUntil(id).call().await.unwrap(), 0, "{}", chain.name);
        let error = refusal::<Availability::NotAvailable, _>(net.availability.requireAvailable(id, 2).call().await);
        assert_eq!((error.availableUntil, error.wanted), (0, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_networks_contracts_write_answers() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (id, answers) = (Default::default(), &net.availability);
        for refused in [
            answers.record(id, 9).from(net.owner_address).call().await.map(drop),
            answers.recordInPool(id, U256::ONE).from(net.owner_address).call().await.map(drop),
            answers.setPoolEnd(U256::ONE, 9).from(net.owner_address).call().await.map(drop),
            answers.invalidate(id).from(net.owner_address).call().await.map(drop),
            answers.setEpoch(2).from(net.owner_address).call().await.map(drop),
        ] {
            assert_eq!(refusal::<Availability::NotAWriter, _>(refused).caller, net.owner_address, "{}", chain.name);
        }
        let skipped = answers.setEpoch(3).from(*net.epochs.address()).call().await;
        assert_eq!(refusal::<Availability::EpochNotNext, _>(skipped).expected, 2);
    }
}
