//! What intents are refused for, by name; and what front-running cannot do.

use alloy::primitives::{Address, Bytes, U256};

use super::bindings::{Blobs, Intents, Storage, TestStablecoin};
use super::intent_signing::{ALLOWANCE, CONTRACT_AUTHORIZATION, Owner, VALID_SECS, now, parts};
use super::network::{Network, STORAGE_PRICE, WRITE_PRICE, account, mined, refusal};
use super::typed_data::{cancellation, domain, register_hash, sign, typed};
use crate::support::{CHAIN_ID, chains};

const COST: u64 = 2 * STORAGE_PRICE + WRITE_PRICE;
const FORTUNE: u64 = 1_000_000;

/// A signed registration that would be carried out.
async fn signed(net: &Network, owner: &Owner, seed: u8) -> (Intents::RegisterBlob, Intents::Payment) {
    let intent = owner.register(net, seed, COST + 100, 100).await;
    let id = net.intents.hashRegister(intent.clone()).call().await.expect("a view");
    let payment = owner.authorize(net, &intent.terms, id).await;
    (intent, payment)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_carried_out_once() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let (intent, payment) = signed(&net, &owner, 1).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        mined(net.intents.register(intent.clone(), payment.clone(), U256::ZERO).send().await).await;
        let again = net.intents.register(intent.clone(), payment, U256::ZERO).call().await;
        let error = refusal::<TestStablecoin::ERC3009UsedAuthorization, _>(again);
        assert_eq!((error.authorizer, error.nonce), (owner.address, id), "{}", chain.name);
        // Nor by another signature of the same.
        let permit = owner.permit(&net, &intent.terms, id).await;
        let again = net.intents.register(intent, permit, U256::ZERO).call().await;
        assert_eq!(refusal::<Intents::IntentUsed, _>(again).intentId, id);

        // The other way round.
        let intent = owner.register(&net, 2, COST, 0).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let permit = owner.permit(&net, &intent.terms, id).await;
        mined(net.intents.register(intent.clone(), permit.clone(), U256::ZERO).send().await).await;
        let authorization = owner.authorize(&net, &intent.terms, id).await;
        for payment in [permit, authorization] {
            let again = net.intents.register(intent.clone(), payment, U256::ZERO).call().await;
            assert_eq!(refusal::<Intents::IntentUsed, _>(again).intentId, id);
        }
        assert_eq!(net.blobs.objectCount().call().await.unwrap(), U256::from(2));

        // And not at all if its owner has cancelled it.
        let (intent, payment) = signed(&net, &owner, 3).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let separator = net.money.DOMAIN_SEPARATOR().call().await.unwrap();
        let (v, r, s) = parts(&sign(&owner.key, &typed(separator, cancellation(owner.address, id))));
        mined(net.money.cancelAuthorization_0(owner.address, id, v, r, s).send().await).await;
        let late = net.intents.register(intent, payment, U256::ZERO).call().await;
        refusal::<TestStablecoin::ERC3009UsedAuthorization, _>(late);
        assert!(net.intents.isUsed(owner.address, id).call().await.unwrap());
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_intent_can_be_altered() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let rich = Owner::new(&net, "rich", FORTUNE).await;
        let (intent, payment) = signed(&net, &owner, 1).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let permit = owner.permit(&net, &intent.terms, id).await;
        let other = super::network::new_blob(9, 1000, false);

        let altered = |change: &dyn Fn(&mut Intents::RegisterBlob)| {
            let mut changed = intent.clone();
            change(&mut changed);
            changed
        };
        let changes = [
            altered(&|i| (i.blob.blobId, i.blob.rootHash) = (other.blobId, other.rootHash)),
            altered(&|i| i.blob.deletable = true),
            altered(&|i| i.epochs += 1),
            altered(&|i| i.terms.owner = rich.address),
            altered(&|i| i.terms.relayer = Address::ZERO),
            altered(&|i| i.terms.budget += U256::ONE),
            altered(&|i| i.terms.maxFee += U256::ONE),
            altered(&|i| i.terms.validAfter += U256::ONE),
            altered(&|i| i.terms.validBefore += U256::ONE),
            altered(&|i| i.terms.salt = Default::default()),
        ];
        for (index, changed) in changes.into_iter().enumerate() {
            let attempt = net.intents.register(changed.clone(), payment.clone(), U256::ZERO).call().await;
            refusal::<TestStablecoin::ERC3009InvalidSignature, _>(attempt);
            let attempt = net.intents.register(changed.clone(), permit.clone(), U256::ZERO).call().await;
            let error = refusal::<Intents::WrongIntentSignature, _>(attempt);
            assert_eq!(error.owner, changed.terms.owner, "{} change {index}", chain.name);
        }

        // A signature for one kind is none for another; nor is one of somebody else, or no signature.
        let extend = Intents::ExtendBlob { objectId: U256::ONE, epochs: 2, terms: intent.terms.clone() };
        let attempt = net.intents.extend(extend, payment.clone(), U256::ZERO).call().await;
        refusal::<TestStablecoin::ERC3009InvalidSignature, _>(attempt);
        for signature in [rich.authorization(&net, &intent.terms, id).await, Bytes::new(), vec![1; 65].into()] {
            let scheme = CONTRACT_AUTHORIZATION;
            let forged = Intents::Payment { scheme, signature: signature.clone(), permit: Bytes::new() };
            let attempt = net.intents.register(intent.clone(), forged, U256::ZERO).call().await;
            refusal::<TestStablecoin::ERC3009InvalidSignature, _>(attempt);
            let is_signature = signature.len() == 65 && signature[0] != 1;
            let forged =
                Intents::Payment { scheme: payment.scheme, signature: signature.clone(), permit: Bytes::new() };
            let attempt = net.intents.register(intent.clone(), forged, U256::ZERO).call().await;
            match is_signature {
                true => drop(refusal::<TestStablecoin::ERC3009InvalidSignature, _>(attempt)),
                false => drop(refusal::<TestStablecoin::ECDSAInvalidSignature, _>(attempt)),
            }
            let forged = Intents::Payment { scheme: ALLOWANCE, signature, permit: Bytes::new() };
            let attempt = net.intents.register(intent.clone(), forged, U256::ZERO).call().await;
            refusal::<Intents::WrongIntentSignature, _>(attempt);
        }

        // A contract's word counts only from the contract.
        let wallet = Owner::contract(&net, "key of a wallet", FORTUNE).await;
        let stranger = Owner { key: account("stranger"), address: wallet.address };
        let intent = wallet.register(&net, 1, COST, 0).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let signature = stranger.authorization(&net, &intent.terms, id).await;
        let forged = Intents::Payment { scheme: CONTRACT_AUTHORIZATION, signature, permit: Bytes::new() };
        let attempt = net.intents.register(intent.clone(), forged, U256::ZERO).call().await;
        refusal::<TestStablecoin::ERC3009InvalidSignature, _>(attempt);
        let forged = Intents::Payment { scheme: ALLOWANCE, signature: sign(&stranger.key, &id), permit: Bytes::new() };
        let attempt = net.intents.register(intent, forged, U256::ZERO).call().await;
        refusal::<Intents::WrongIntentSignature, _>(attempt);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_bound_to_its_time() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let start = now(&net.owner).await + VALID_SECS / 2;
        let mut intent = owner.register(&net, 1, COST, 0).await;
        intent.terms.validAfter = U256::from(start);
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        for payment in [owner.authorize(&net, &intent.terms, id).await, owner.permit(&net, &intent.terms, id).await] {
            let early = net.intents.register(intent.clone(), payment, U256::ZERO).call().await;
            let error = refusal::<Intents::IntentNotInForce, _>(early);
            assert!(error.time <= U256::from(start), "{}", chain.name);
            assert_eq!(error.validAfter, U256::from(start));
        }
        let (late, payment) = signed(&net, &owner, 2).await;
        net.pass(VALID_SECS / 2 + 1).await;
        let payment_now = owner.authorize(&net, &intent.terms, id).await;
        mined(net.intents.register(intent, payment_now, U256::ZERO).send().await).await;
        net.pass(VALID_SECS).await;
        let error =
            refusal::<Intents::IntentNotInForce, _>(net.intents.register(late, payment, U256::ZERO).call().await);
        assert!(error.time >= error.validBefore);
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_bound_to_its_chain_and_contract() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let intent = owner.register(&net, 1, COST, 0).await;
        let contract = *net.intents.address();
        let hash = register_hash(&intent);
        let here = typed(domain("Floe Intents", CHAIN_ID, contract), hash);
        assert_eq!(net.intents.hashRegister(intent.clone()).call().await.unwrap(), here, "{}", chain.name);

        // The same wish on another chain.
        let there = typed(domain("Floe Intents", CHAIN_ID + 1, contract), hash);
        let payment = owner.authorize(&net, &intent.terms, there).await;
        let attempt = net.intents.register(intent.clone(), payment, U256::ZERO).call().await;
        refusal::<TestStablecoin::ERC3009InvalidSignature, _>(attempt);
        let payment = owner.permit(&net, &intent.terms, there).await;
        let attempt = net.intents.register(intent.clone(), payment, U256::ZERO).call().await;
        assert_eq!(refusal::<Intents::WrongIntentSignature, _>(attempt).intentId, here);

        // And of another contract, whichever of the two it was signed for.
        let provider = net.owner.clone();
        let (blobs, storage, money) = (*net.blobs.address(), *net.storage.address(), *net.money.address());
        let other = Intents::deploy(provider, blobs, storage, money).await.unwrap();
        let elsewhere = other.hashRegister(intent.clone()).call().await.unwrap();
        assert_ne!(elsewhere, here);
        let payment = owner.authorize(&net, &intent.terms, here).await;
        let attempt = other.register(intent.clone(), payment, U256::ZERO).call().await;
        refusal::<TestStablecoin::ERC3009InvalidSignature, _>(attempt);
        let signature = owner.authorization_to(&net, *other.address(), &intent.terms, elsewhere).await;
        let payment = Intents::Payment { scheme: 0, signature, permit: Bytes::new() };
        let attempt = net.intents.register(intent.clone(), payment.clone(), U256::ZERO).call().await;
        refusal::<TestStablecoin::ERC3009InvalidSignature, _>(attempt);
        mined(other.register(intent, payment, U256::ZERO).send().await).await;
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn relayer_fee_and_budget_are_what_the_owner_said() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let (intent, payment) = signed(&net, &owner, 1).await;
        let thief = account("thief").address();
        let attempt = net.intents.register(intent.clone(), payment.clone(), U256::from(100)).from(thief).call().await;
        let error = refusal::<Intents::WrongRelayer, _>(attempt);
        assert_eq!((error.caller, error.relayer), (thief, net.owner_address), "{}", chain.name);
        let attempt = net.intents.register(intent.clone(), payment.clone(), U256::from(101)).call().await;
        let error = refusal::<Intents::FeeTooHigh, _>(attempt);
        assert_eq!((error.fee, error.max), (U256::from(101), U256::from(100)));
        net.intents.register(intent, payment, U256::from(100)).call().await.unwrap();

        // Fee and cost together.
        let intent = owner.register(&net, 1, COST + 50, 100).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &intent.terms, id).await;
        let attempt = net.intents.register(intent.clone(), payment.clone(), U256::from(51)).call().await;
        let error = refusal::<Storage::PaymentTooSmall, _>(attempt);
        assert_eq!((error.cost, error.max), (U256::from(COST), U256::from(COST - 1)));
        let attempt = net.intents.register(intent.clone(), payment.clone(), U256::from(COST)).call().await;
        refusal::<Intents::FeeTooHigh, _>(attempt);
        net.intents.register(intent, payment, U256::from(50)).call().await.unwrap();

        let (_, object) = net.stored(7, 1000, 2).await;
        let terms = owner.terms(&net, 100, 50).await;
        let fund = Intents::FundBlob { objectId: object, amount: 51, terms: terms.clone() };
        let id = net.intents.hashFund(fund.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &terms, id).await;
        let attempt = net.intents.fund(fund, payment, U256::from(50)).call().await;
        let error = refusal::<Intents::BudgetTooSmall, _>(attempt);
        assert_eq!((error.left, error.needed), (U256::from(50), U256::from(51)));

        // A budget that the owner does not have.
        let poor = Owner::new(&net, "poor", 10).await;
        let (intent, payment) = signed(&net, &poor, 2).await;
        let attempt = net.intents.register(intent.clone(), payment, U256::ZERO).call().await;
        refusal::<TestStablecoin::ERC20InsufficientBalance, _>(attempt);
        // An allowance that nobody gave.
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let signature = sign(&poor.key, &id);
        let payment = Intents::Payment { scheme: ALLOWANCE, signature, permit: Bytes::new() };
        let attempt = net.intents.register(intent, payment, U256::ZERO).call().await;
        refusal::<TestStablecoin::ERC20InsufficientAllowance, _>(attempt);
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_inside_costs_the_owner_nothing() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let mut intent = owner.register(&net, 1, FORTUNE, 100).await;
        intent.blob.size += 1;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &intent.terms, id).await;
        let attempt = net.intents.register(intent, payment.clone(), U256::from(100)).call().await;
        refusal::<Blobs::WrongBlobId, _>(attempt);

        let terms = owner.terms(&net, 1_000, 0).await;
        let extend = Intents::ExtendBlob { objectId: U256::from(9), epochs: 1, terms: terms.clone() };
        let id = net.intents.hashExtend(extend.clone()).call().await.unwrap();
        let payment = owner.authorize(&net, &terms, id).await;
        // Sent all the same: it fails, and nothing of it stays.
        let sent = net.intents.extend(extend, payment, U256::ZERO).gas(1_000_000).send().await.unwrap();
        assert!(!sent.get_receipt().await.unwrap().status(), "{}", chain.name);
        assert!(!net.intents.isUsed(owner.address, id).call().await.unwrap());
        assert_eq!(owner.balance(&net).await, U256::from(FORTUNE));
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_is_of_use_to_nobody_else() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let owner = Owner::new(&net, "owner", FORTUNE).await;
        let (intent, payment) = signed(&net, &owner, 1).await;
        let id = net.intents.hashRegister(intent.clone()).call().await.unwrap();
        let (to, terms) = (*net.intents.address(), &intent.terms);
        let (v, r, s) = parts(&payment.signature);

        // Only the payee may use it, and only to receive.
        let direct = net.money.receiveWithAuthorization_1(
            owner.address,
            to,
            terms.budget,
            terms.validAfter,
            terms.validBefore,
            id,
            v,
            r,
            s,
        );
        let error = refusal::<TestStablecoin::ERC20InvalidReceiver, _>(direct.call().await);
        assert_eq!(error.receiver, to, "{}", chain.name);
        let direct = net.money.receiveWithAuthorization_0(
            owner.address,
            to,
            terms.budget,
            terms.validAfter,
            terms.validBefore,
            id,
            payment.signature.clone(),
        );
        refusal::<TestStablecoin::ERC20InvalidReceiver, _>(direct.call().await);
        let moved = net.money.transferWithAuthorization_1(
            owner.address,
            to,
            terms.budget,
            terms.validAfter,
            terms.validBefore,
            id,
            v,
            r,
            s,
        );
        refusal::<TestStablecoin::ERC3009InvalidSignature, _>(moved.call().await);
        let stolen = net.money.receiveWithAuthorization_1(
            owner.address,
            net.owner_address,
            terms.budget,
            terms.validAfter,
            terms.validBefore,
            id,
            v,
            r,
            s,
        );
        refusal::<TestStablecoin::ERC3009InvalidSignature, _>(stolen.call().await);
        mined(net.intents.register(intent, payment, U256::ZERO).send().await).await;
        net.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_checks_its_parameters() {
    for chain in chains().await {
        let net = Network::launch(&chain, &[1; 4]).await;
        let (blobs, storage, money) = (*net.blobs.address(), *net.storage.address(), *net.money.address());
        let none = Address::ZERO;
        for (blobs, storage, money) in [(none, storage, money), (blobs, none, money), (blobs, storage, none)] {
            let attempt = Intents::deploy_builder(net.owner.clone(), blobs, storage, money).call().await;
            refusal::<Intents::ZeroAddress, _>(attempt);
        }
    }
}
