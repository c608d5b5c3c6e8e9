//! Storage for accounts without native coin: one signature of the owner, submitted by anyone for a fee.

use alloy::primitives::{Address, Bytes, U256};

use super::bindings::{Intents, SmartAccount, Storage};
use super::intent_signing::{ALLOWANCE, CONTRACT_AUTHORIZATION, Owner, approve_data, parts};
use super::network::{Network, STORAGE_PRICE, WRITE_PRICE, account, mined, provider};
use super::typed_data::sign;
use crate::support::chains;

/// What a registration of the tests costs: one MiB begun, for two epochs.
const COST: u64 = 2 * STORAGE_PRICE + WRITE_PRICE;
const FORTUNE: u64 = 1_000_000;

fn event(receipt: &alloy::rpc::types::TransactionReceipt) -> Intents::IntentExecuted {
    receipt.decoded_log::<Intents::IntentExecuted>().expect("it is announced").data
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_registered_for_an_owner_who_pays_no_gas() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let before = net.money.balanceOf(net.owner_address).call().await.unwrap();
        let intent = owner.register(&net, 1, COST + 1_000, 300).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &intent.terms, id).await;
        assert!(!net.intents.isUsed(owner.address, id).call().await.unwrap());

        let fee = U256::from(200);
        let receipt = mined(net.intents.register(intent.clone(), payment, fee).send().await).await;
        let expected = Intents::IntentExecuted {
            intentId: id,
            owner: owner.address,
            relayer: net.owner_address,
            subject: U256::ONE,
            fee,
            returned: U256::from(800),
        };
        assert_eq!(event(&receipt), expected, "{}", chain.name);
        assert_eq!(net.blobs.ownerOf(U256::ONE).call().await.unwrap(), owner.address);
        assert_eq!(net.blobs.blob(U256::ONE).call().await.unwrap().blobId, intent.blob.blobId);
        assert_eq!(owner.balance(&net).await, U256::from(FORTUNE - COST - 200), "cost and fee, nothing else");
        assert_eq!(net.money.balanceOf(net.owner_address).call().await.unwrap(), before + fee);
        assert!(net.intents.isUsed(owner.address, id).call().await.unwrap());
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_extensions_and_funds_are_bought_the_same_way() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let fee = U256::from(10);

        let terms = owner.terms(&net, 10 * STORAGE_PRICE, 10).await;
        let reserve = Intents::ReserveStorage { size: 3 << 20, start: 0, end: 3, terms: terms.clone() };
        let id = net.intents.hashReserve(reserve.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &terms, id).await;
        let receipt = mined(net.intents.reserve(reserve, payment, fee).send().await).await;
        assert_eq!(event(&receipt).returned, U256::from(4 * STORAGE_PRICE - 10), "{}", chain.name);
        assert_eq!(net.storage.ownerOf(U256::ONE).call().await.unwrap(), owner.address);
        let resource = net.storage.resource(U256::ONE).call().await.unwrap();
        assert_eq!(resource, Storage::Resource { start: 1, end: 3, size: 3 << 20 });
        net.audit().await;

        // Anybody's blob.
        let (_, object) = net.stored(1, 1000, 2).await;
        let terms = owner.terms(&net, 3 * STORAGE_PRICE + 10, 10).await;
        let extend = Intents::ExtendBlob { objectId: object, epochs: 3, terms: terms.clone() };
        let id = net.intents.hashExtend(extend.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &terms, id).await;
        let receipt = mined(net.intents.extend(extend, payment, fee).send().await).await;
        assert_eq!((event(&receipt).subject, event(&receipt).returned), (object, U256::ZERO));
        assert_eq!(net.blobs.blob(object).call().await.unwrap().endEpoch, 6);
        net.audit().await;

        let terms = owner.terms(&net, 1_000, 10).await;
        let fund = Intents::FundBlob { objectId: object, amount: 700, terms: terms.clone() };
        let id = net.intents.hashFund(fund.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &terms, id).await;
        let receipt = mined(net.intents.fund(fund, payment, fee).send().await).await;
        assert_eq!(event(&receipt).returned, U256::from(290));
        assert_eq!(net.blobs.fundOf(object).call().await.unwrap().balance, 700);
        assert_eq!(owner.balance(&net).await, U256::from(FORTUNE - 9 * STORAGE_PRICE - 700 - 30));
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_for_anyone_pays_whoever_is_first() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let mut intent = owner.register(&net, 1, COST + 100, 100).await;
        intent.terms.relayer = Address::ZERO;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &intent.terms, id).await;

        let relayer = account("some relayer");
        net.fund([relayer.address()]).await;
        let intents = Intents::new(*net.intents.address(), provider(&net.rpc_url, &relayer));
        mined(intents.register(intent, payment, U256::from(100)).send().await).await;
        assert_eq!(net.money.balanceOf(relayer.address()).call().await.unwrap(), U256::from(100), "{}", chain.name);
        assert_eq!(net.blobs.ownerOf(U256::ONE).call().await.unwrap(), owner.address);
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_and_a_signature_do_where_the_token_has_no_authorizations() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let intent = owner.register(&net, 1, COST + 100, 100).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let payment = owner.permit(&net, &intent.terms, id).await;
        mined(net.intents.register(intent, payment, U256::from(60)).send().await).await;
        assert_eq!(owner.balance(&net).await, U256::from(FORTUNE - COST - 60), "{}", chain.name);
        let left = net.money.allowance(owner.address, *net.intents.address()).call().await.unwrap();
        assert_eq!(left, U256::ZERO, "the permit is used up");
        assert!(net.intents.isUsed(owner.address, id).call().await.unwrap());
        net.audit().await;

        // Somebody hands the permit in before the relayer does: no harm.
        let intent = owner.register(&net, 2, COST, 0).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let payment = owner.permit(&net, &intent.terms, id).await;
        let (v, r, s) = parts(&payment.permit);
        let (budget, deadline) = (intent.terms.budget, intent.terms.validBefore);
        let spender = *net.intents.address();
        mined(net.money.permit(owner.address, spender, budget, deadline, v, r, s).send().await).await;
        mined(net.intents.register(intent, payment, U256::ZERO).send().await).await;
        assert_eq!(net.blobs.ownerOf(U256::from(2)).call().await.unwrap(), owner.address);
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_may_be_contracts() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::contract(&net, "key of a wallet", FORTUNE).await;
        let intent = owner.register(&net, 1, COST + 5, 5).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let signature = owner.authorization(&net, &intent.terms, id).await;
        let payment = Intents::Payment { scheme: CONTRACT_AUTHORIZATION, signature, permit: Bytes::new() };
        mined(net.intents.register(intent, payment, U256::from(5)).send().await).await;
        assert_eq!(net.blobs.ownerOf(U256::ONE).call().await.unwrap(), owner.address, "{}", chain.name);
        net.audit().await;

        // With an allowance that the wallet has given by itself.
        let wallet = SmartAccount::new(owner.address, net.owner.clone());
        let approve = approve_data(*net.intents.address(), U256::from(COST));
        mined(wallet.execute(*net.money.address(), approve).send().await).await;
        let intent = owner.register(&net, 2, COST, 0).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let signature = sign(&owner.key, &id);
        let payment = Intents::Payment { scheme: ALLOWANCE, signature, permit: Bytes::new() };
        mined(net.intents.register(intent, payment, U256::ZERO).send().await).await;
        assert_eq!(net.blobs.ownerOf(U256::from(2)).call().await.unwrap(), owner.address);
        assert_eq!(owner.balance(&net).await, U256::from(FORTUNE - 2 * COST - 5));
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_sent_unasked_goes_to_the_next_owner() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        mined(net.money.transfer(*net.intents.address(), U256::from(77)).send().await).await;
        let intent = owner.register(&net, 1, COST, 0).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &intent.terms, id).await;
        mined(net.intents.register(intent, payment, U256::ZERO).send().await).await;
        assert_eq!(owner.balance(&net).await, U256::from(FORTUNE - COST + 77), "{}", chain.name);
        net.audit().await;
    }
}
