//! The two tokens.

use alloy::primitives::{B256, U256, keccak256};

use super::bindings::{FloeToken, TestStablecoin};
use super::intent_signing::Owner;
use super::network::{Deployment, account, mined, refusal};
use super::typed_data::{domain, sign, typed};
use crate::support::{CHAIN_ID, chains};

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

#[tokio::test(flavor = "multi_thread")]
async fn test_dollars_move_by_authorization() {
    for chain in chains().await {
        let net = Deployment::new(&chain, 4).await;
        // What wallets are told to sign with (ERC-5267) is what the token checks with.
        let said = net.money.eip712Domain().call().await.unwrap();
        let separator = net.money.DOMAIN_SEPARATOR().call().await.unwrap();
        assert_eq!(separator, domain(&said.name, CHAIN_ID, *net.money.address()), "{}", chain.name);
        assert_eq!((said.version.as_str(), said.chainId), ("1", U256::from(CHAIN_ID)));

        let to = account("receiver").address();
        let (value, nonce) = (U256::from(40), B256::repeat_byte(1));
        let (after, before) = (U256::ZERO, U256::from(u32::MAX));
        let words = [to.into_word(), value.into(), after.into(), before.into(), nonce];
        let text = "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 \
                    validBefore,bytes32 nonce)";
        for owner in [Owner::new(&net, "payer", 100).await, Owner::contract(&net, "key of a payer", 100).await] {
            let data: Vec<u8> =
                [keccak256(text), owner.address.into_word()].iter().chain(&words).flat_map(|word| word.0).collect();
            let signature = sign(&owner.key, &typed(separator, keccak256(data)));
            let transfer = |value| {
                let (from, signature) = (owner.address, signature.clone());
                net.money.transferWithAuthorization_0(from, to, value, after, before, nonce, signature)
            };
            let more = transfer(value + U256::ONE).call().await;
            refusal::<TestStablecoin::ERC3009InvalidSignature, _>(more);
            mined(transfer(value).send().await).await;
            assert!(net.money.authorizationState(owner.address, nonce).call().await.unwrap());
            refusal::<TestStablecoin::ERC3009UsedAuthorization, _>(transfer(value).call().await);
            assert_eq!(owner.balance(&net).await, U256::from(60));
        }
        assert_eq!(net.money.balanceOf(to).call().await.unwrap(), U256::from(80));
    }
}
