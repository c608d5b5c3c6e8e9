//! What intents cost. The numbers are those of docs/gas.md; the limits here catch a change for the worse.
//!
//! `cargo test -p floe-chain --test contracts gas_ -- --nocapture`

use alloy::primitives::U256;

use super::bindings::Intents;
use super::intent_signing::{CONTRACT_AUTHORIZATION, Owner};
use super::network::{Network, STORAGE_PRICE, WRITE_PRICE, mined};
use crate::support::chains;

const COST: u64 = 5 * STORAGE_PRICE + WRITE_PRICE;

#[tokio::test(flavor = "multi_thread")]
async fn intents_cost_what_the_documentation_says() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[10; 10]).await;
        let show = |what: &str, gas: u64, limit: u64| {
            println!("{:9} {what:50} {gas:7}", chain.name);
            assert!(gas <= limit, "{what}: {gas} gas, more than {limit}");
        };
        let owner = Owner::new(&net, "owner", 1_000_000).await;
        let wallet = Owner::contract(&net, "key of a wallet", 1_000_000).await;
        let fee = U256::from(100);
        let register = async |owner: &Owner, seed, permit: bool| {
            let mut intent = owner.register(&net, seed, COST + 150, 120).await;
            intent.epochs = 5;
            let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
            let payment = match permit {
                true => owner.permit(&net, &intent.terms, id).await,
                false => owner.authorize(&net, &intent.terms, id).await,
            };
            let payment = match owner.address == owner.key.address() {
                true => payment,
                false => Intents::Payment { scheme: CONTRACT_AUTHORIZATION, ..payment },
            };
            mined(net.intents.register(intent, payment, fee).send().await).await.gas_used
        };
        // The first ones also pay for counters and first balances.
        register(&owner, 0, false).await;
        register(&owner, 1, true).await;
        register(&wallet, 2, false).await;
        show("gasless register, authorization", register(&owner, 3, false).await, 220_000);
        show("gasless register, contract's authorization", register(&wallet, 4, false).await, 225_000);
        show("gasless register, permit", register(&owner, 5, true).await, 240_000);

        let reserve = async || {
            let terms = owner.terms(&net, COST + 150, 120).await;
            let intent = Intents::ReserveStorage { size: 1 << 20, start: 0, end: 6, terms };
            let id = net.intents.hashReserve(intent.clone()).call().await.unwrap();
            let payment = owner.authorize(&net, &intent.terms, id).await;
            mined(net.intents.reserve(intent, payment, fee).send().await).await.gas_used
        };
        reserve().await;
        show("gasless reserve, authorization", reserve().await, 185_000);

        let (_, object) = net.stored(6, 1000, 5).await;
        let extend = async || {
            let terms = owner.terms(&net, COST + 150, 120).await;
            let intent = Intents::ExtendBlob { objectId: object, epochs: 2, terms };
            let id = net.intents.hashExtend(intent.clone()).call().await.unwrap();
            let payment = owner.authorize(&net, &intent.terms, id).await;
            mined(net.intents.extend(intent, payment, fee).send().await).await.gas_used
        };
        extend().await;
        show("gasless extend, authorization", extend().await, 190_000);

        let fund = async || {
            let terms = owner.terms(&net, 1_000, 120).await;
            let intent = Intents::FundBlob { objectId: object, amount: 800, terms };
            let id = net.intents.hashFund(intent.clone()).call().await.unwrap();
            let payment = owner.authorize(&net, &intent.terms, id).await;
            mined(net.intents.fund(intent, payment, fee).send().await).await.gas_used
        };
        fund().await;
        show("gasless fund, authorization", fund().await, 145_000);
        net.audit().await;
    }
}
