//! A launched network to start from: deployed on the embedded chain by the code that deploys networks, its transactions
//! run again on the machine, and then set up by operations that the model watches.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes, U256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use floe_chain::{
    Wallet,
    deploy::{self, DeployOptions},
};
use floe_redstuff::EncodingParams;
use serde_json::json;

use super::driver::Driver;
use super::evm::Evm;
use super::model::governance::Decision;
use super::model::nodes::Votes;
use super::model::subsidies::Rates;
use super::model::{Model, Places, Rules};
use crate::bindings::{Epochs, FloeToken, Staking, TestStablecoin};
use crate::support::{self, FUNDED_KEY};

pub(crate) const HOUR: u64 = 3_600;
pub(crate) const MAX_AHEAD: u32 = 8;
/// Whole FLOE.
pub(crate) const FLOE: u128 = 10_u128.pow(18);
/// What the founding nodes vote for.
pub(crate) const VOTES: Votes = Votes { capacity: 1 << 24, storage_price: 500, write_price: 2_000 };

/// What the founding nodes decide to add to what users pay.
const RATES: Rates = Rates { usage_bps: 3_333, per_node: 500, per_shard: 70 };

/// What they decide that a candidate has to have.
const THRESHOLD: u128 = 900 * FLOE;

const USERS: usize = 5;
/// Accounts that may run nodes: those of the founders and some more.
const SPARE: usize = 3;

/// An account of the tests.
fn account(name: &str) -> Address {
    Address::from_slice(&keccak256(name)[12..])
}

/// Contracts alone, on the machine.
async fn deployed(shards: u16) -> (Evm, Places, Address) {
    let chain = support::embedded_chain().await;
    let owner = Wallet::from_key_hex(FUNDED_KEY).unwrap();
    let options = DeployOptions {
        n_shards: shards,
        epoch_duration_secs: HOUR,
        max_epochs_ahead: MAX_AHEAD,
        ..DeployOptions::default()
    };
    let at = deploy::deploy(&chain.rpc_url, &owner, &options).await.unwrap();
    let mut evm = Evm::new();
    for number in 1..=chain.height().await {
        let block = chain.rpc("eth_getBlockByNumber", json!([format!("{number:#x}"), true])).await;
        for tx in block["transactions"].as_array().unwrap() {
            let address = |field: &str| tx[field].as_str().map(|text| text.parse::<Address>().unwrap());
            let data: Bytes = tx["input"].as_str().unwrap().parse().unwrap();
            evm.transact(address("from").unwrap(), address("to"), data).unwrap();
        }
    }
    let of = |address: floe_chain::Address| Address::from(*address.as_bytes());
    let places = Places {
        committee: of(at.committee),
        nodes: of(at.nodes),
        staking: of(at.staking),
        epochs: of(at.epochs),
        governance: of(at.governance),
        blobs: of(at.blobs),
        pools: of(at.pools),
        attributes: of(at.attributes),
        subsidies: of(at.subsidies),
        storage: of(at.storage),
        availability: of(at.availability),
        intents: of(at.intents),
        money: of(at.payment_token),
        floe: of(at.floe_token),
    };
    assert!(evm.has_code(places.availability), "the last contract is where it was");
    (evm, places, of(owner.address()))
}

/// A launched network of nodes with so many thousand FLOE of stake, and users who have money and FLOE.
pub(crate) async fn launched(shards: u16, stakes: &[u128]) -> Driver {
    let (mut evm, at, launcher) = deployed(shards).await;
    let encoding = EncodingParams::new(shards).unwrap();
    let rules = Rules { shards, max_ahead: MAX_AHEAD, duration: HOUR, launcher, encoding };
    let supply = evm.view(at.floe, &FloeToken::totalSupplyCall {}).to();
    let mut model = Model::new(at, rules, evm.timestamp, supply);
    model.trust_treasury();
    let keys = (0..USERS).map(|i| PrivateKeySigner::from_bytes(&keccak256(format!("user {i}"))).unwrap());
    let signers: BTreeMap<_, _> = keys.map(|key| (key.address(), key)).collect();
    let users: Vec<_> = signers.keys().copied().collect();
    let operators: Vec<_> = (0..stakes.len() + SPARE).map(|i| account(&format!("operator {i}"))).collect();
    let mut driver = Driver::new(evm, model, signers, operators.clone());
    for user in &users {
        driver.mint(*user, 50_000_000);
        let (to, value) = (*user, U256::from(100_000 * FLOE));
        driver.act(launcher, at.floe, FloeToken::transferCall { to, value }, |model| {
            model.floe.transfer(&mut model.events, launcher, to, value.to())
        });
        let spenders =
            [(at.money, at.storage), (at.money, at.subsidies), (at.money, at.staking), (at.floe, at.staking)];
        for (coin, spender) in spenders {
            driver.approve_coins(*user, coin, spender, U256::MAX);
        }
    }
    for (i, (operator, stake)) in operators.iter().zip(stakes).enumerate() {
        let key = u32::try_from(i).unwrap();
        driver.register_node_as(*operator, &format!("node {i}"), key, true, 1_000, VOTES);
        let (nodeId, amount) = (U256::from(i + 1), stake * 1_000 * FLOE);
        let by = users[i % users.len()];
        let call = Staking::stakeCall { nodeId, amount: U256::from(amount).to() };
        driver.act(by, at.staking, call, |model| model.stake(by, nodeId.to(), amount));
    }
    driver.act(launcher, at.epochs, Epochs::launchCall {}, |model| model.launch(launcher));
    driver.fund_pot_with(users[0], 2_000_000);
    driver.vote_by_all(Decision::Rates(RATES));
    driver.vote_by_all(Decision::Auditor(users[1]));
    // Some fall out of the set of candidates, and then those who have anything may come back.
    driver.vote_by_all(Decision::Threshold(THRESHOLD));
    driver.vote_by_all(Decision::Threshold(0));
    driver.audit();
    driver.start();
    driver
}

impl Driver {
    pub(crate) fn mint(&mut self, account: Address, amount: u128) {
        let call = TestStablecoin::mintCall { account, amount: U256::from(amount) };
        self.act(account, self.model.at.money, call, |model| {
            model.money.mint(&mut model.events, account, amount);
            Ok(())
        });
    }

    pub(crate) fn approve_coins(&mut self, owner: Address, coin: Address, spender: Address, value: U256) {
        self.act(owner, coin, TestStablecoin::approveCall { spender, value }, |model| {
            let coins = if coin == model.at.money { &mut model.money } else { &mut model.floe };
            coins.approve(&mut model.events, owner, spender, value);
            Ok(())
        });
    }
}
