//! Blobs that pay for their own future.

use alloy::primitives::{Address, U256};

use super::bindings::{Blobs, TestStablecoin};
use super::network::{MAX_EPOCHS_AHEAD, Network, STORAGE_PRICE, account, mined, provider, refusal};
use crate::support::chains;

#[tokio::test(flavor = "multi_thread")]
async fn a_funded_blob_is_renewed_by_anyone_for_a_reward() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (id, object) = net.stored(1, 1000, 3).await;
        let reward = 40_u64;
        mined(net.blobs.setRenewal(object, 2, alloy::primitives::Uint::from(reward)).send().await).await;
        // Enough for two renewals of two epochs, and one of one.
        let money = 5 * STORAGE_PRICE + 3 * reward;
        mined(net.blobs.fund(object, u128::from(money)).send().await).await;
        mined(net.blobs.share(object).send().await).await;
        net.audit().await;

        let keeper = account("keeper");
        net.fund([keeper.address()]).await;
        let blobs = Blobs::new(*net.blobs.address(), provider(&net.rpc_url, &keeper));
        let error = refusal::<Blobs::RenewalNotDue, _>(blobs.renew(object).call().await);
        assert_eq!((error.remaining, error.window), (3, 2), "{}", chain.name);
        net.next_epoch().await;
        let mut earned = U256::ZERO;
        for (end, balance) in [(6, 3 * STORAGE_PRICE + 2 * reward), (8, STORAGE_PRICE + reward), (9, 0)] {
            mined(blobs.renew(object).send().await).await;
            earned += U256::from(reward);
            assert_eq!(net.money.balanceOf(keeper.address()).call().await.unwrap(), earned);
            assert_eq!(net.availability.availableUntil(id).call().await.unwrap(), end);
            assert_eq!(net.blobs.fundOf(object).call().await.unwrap().balance, u128::from(balance));
            net.audit().await;
            while net.epoch().await + 2 < end {
                net.next_epoch().await;
            }
        }
        let error = refusal::<Blobs::FundTooSmall, _>(blobs.renew(object).call().await);
        assert_eq!((error.balance, error.needed), (U256::ZERO, U256::from(STORAGE_PRICE + reward)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fund_belongs_to_the_owner_until_it_is_shared() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let balance = async || net.money.balanceOf(net.owner_address).call().await.unwrap();
        let (_, object) = net.stored(1, 1000, 1).await;
        let before = balance().await;
        mined(net.blobs.fund(object, 100).send().await).await;
        let (thief, me) = (account("thief").address(), net.owner_address);
        refusal::<Blobs::ERC721InsufficientApproval, _>(
            net.blobs.withdrawFund(object, 1, thief).from(thief).call().await,
        );
        let more = net.blobs.withdrawFund(object, 101, me).call().await;
        assert_eq!(refusal::<Blobs::FundTooSmall, _>(more).balance, U256::from(100), "{}", chain.name);
        refusal::<Blobs::ZeroAddress, _>(net.blobs.withdrawFund(object, 1, Address::ZERO).call().await);
        mined(net.blobs.withdrawFund(object, 30, me).send().await).await;
        assert_eq!(balance().await, before - U256::from(70));
        net.audit().await;

        // Burning gives the rest back.
        mined(net.blobs.burn(object).send().await).await;
        assert_eq!(balance().await, before);
        assert_eq!(net.blobs.fundOf(object).call().await.unwrap().balance, 0);
        net.audit().await;

        // What a shared blob could not use goes to the nodes when it has ended.
        let (_, shared) = net.stored(2, 1000, 1).await;
        mined(net.blobs.fund(shared, 100).send().await).await;
        mined(net.blobs.share(shared).send().await).await;
        refusal::<Blobs::ERC721InsufficientApproval, _>(net.blobs.withdrawFund(shared, 1, me).call().await);
        refusal::<Blobs::NotExpired, _>(net.blobs.sweepFund(shared).call().await);
        net.next_epoch().await;
        let held = net.storage.accounting(1).call().await.unwrap().money[0];
        mined(net.blobs.sweepFund(shared).send().await).await;
        assert_eq!(net.storage.accounting(1).call().await.unwrap().money[0], held + U256::from(100));
        assert_eq!(net.storage.deposits().call().await.unwrap(), 0);
        net.audit().await;
        let (_, own) = net.stored(3, 1000, 1).await;
        refusal::<Blobs::ERC721InsufficientApproval, _>(net.blobs.sweepFund(own).call().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_stays_within_what_can_be_bought() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (_, object) = net.stored(1, 1000, 1).await;
        mined(net.blobs.setRenewal(object, u32::MAX, Default::default()).send().await).await;
        mined(net.blobs.fund(object, u128::from(1000 * STORAGE_PRICE)).send().await).await;
        mined(net.blobs.renew(object).send().await).await;
        assert_eq!(net.blobs.blob(object).call().await.unwrap().endEpoch, 1 + MAX_EPOCHS_AHEAD, "{}", chain.name);
        let poor = account("poor").address();
        let attempt = net.blobs.fund(object, 1).from(poor).call().await;
        refusal::<TestStablecoin::ERC20InsufficientAllowance, _>(attempt);
        net.audit().await;
    }
}
