//! The two tokens.

use alloy::primitives::U256;

use super::bindings::{FloeToken, TestStablecoin};
use super::network::{Deployment, account, mined, refusal};
use crate::support::chains;

#[tokio::test(flavor = "multi_thread")]
async fn floe_has_a_fixed_supply_that_can_only_burn() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let floe = FloeToken::deploy(net.owner.clone(), net.owner_address).await.unwrap();
        let supply = U256::from(10).pow(U256::from(27));
        assert_eq!(floe.totalSupply().call().await.unwrap(), supply, "{}", chain.name);
        assert_eq!(floe.balanceOf(net.owner_address).call().await.unwrap(), supply);
        assert_eq!(floe.symbol().call().await.unwrap(), "FLOE");
        assert_eq!(floe.decimals().call().await.unwrap(), 18);
        mined(floe.burn(U256::ONE).send().await).await;
        assert_eq!(floe.totalSupply().call().await.unwrap(), supply - U256::ONE);
        let poor = account("poor").address();
        refusal::<FloeToken::ERC20InsufficientBalance, _>(floe.burn(U256::ONE).from(poor).call().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_mints_test_dollars() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        let someone = account("someone").address();
        assert_eq!(net.money.decimals().call().await.unwrap(), 6, "{}", chain.name);
        net.money.mint(someone, U256::from(5)).from(someone).call().await.unwrap();
        mined(net.money.mint(someone, U256::from(5)).send().await).await;
        assert_eq!(net.money.balanceOf(someone).call().await.unwrap(), U256::from(5));
        let back = net.money.transfer(net.owner_address, U256::from(6)).from(someone).call().await;
        refusal::<TestStablecoin::ERC20InsufficientBalance, _>(back);
    }
}
