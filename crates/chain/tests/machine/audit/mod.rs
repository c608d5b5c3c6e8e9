//! All that anyone can ask the contracts, against what the model knows; and the sums that have to come out.

mod holdings;
mod network;

use std::collections::BTreeMap;

use alloy::primitives::Address;

use super::driver::Driver;
use super::model::stake_pools::ONE;
use super::model::wide;
use crate::bindings::{Storage, TestStablecoin};

impl Driver {
    /// Compares everything.
    pub(crate) fn audit(&mut self) {
        let at = self.model.at;
        let contracts = [at.storage, at.staking, at.blobs, at.pools, at.subsidies, at.intents, at.governance];
        let accounts: Vec<Address> = [&self.users[..], &self.operators, &contracts].concat();
        self.check_coins(&accounts);
        self.audit_sums();
        self.audit_ledger();
        self.audit_deeds(&accounts);
        self.audit_pools();
        self.audit_attributes();
        self.audit_pot();
        self.audit_permits();
        self.audit_clock();
        self.audit_nodes();
        self.audit_positions();
    }

    fn same<T: PartialEq + std::fmt::Debug>(&self, what: &str, got: T, expected: T) {
        self.require(got == expected, || format!("{what}: {got:?}, not {expected:?}"));
    }

    /// Money in is money paid out, refunded, held or burned: nothing is made and nothing is lost.
    fn audit_sums(&mut self) {
        let (at, model) = (self.model.at, self.model.clone());
        for coins in [&model.money, &model.floe] {
            let supply = self.evm.view(coins.at, &TestStablecoin::totalSupplyCall {});
            self.same("supply", supply, wide(coins.supply));
        }
        let held = self.evm.view(at.storage, &Storage::heldCall {});
        self.same("what the treasury owes", held, wide(model.ledger.held()));
        self.same("what the treasury has", model.money.balance(at.storage), model.ledger.held());

        // What is there for stake and for rewards is what is owed, and what rounding down has left.
        let (mut stake, mut rewards) = (0, model.stakes.carried);
        let pools: BTreeMap<_, _> = model.stakes.pools.keys().map(|node| (*node, model.settled(*node))).collect();
        for position in model.stakes.positions.values() {
            let (value, earned) = model.value(position, &pools[&position.node]);
            (stake, rewards) = (stake + value, rewards + earned);
        }
        rewards += pools.values().map(|pool| pool.commission).sum::<u128>();
        let slashed = pools.values().any(|pool| pool.index != ONE);
        // A payment, a pool in an epoch, and an epoch leave less than a unit each.
        let epochs = u128::from(model.epoch()) * (1 + pools.len() as u128);
        let roundings = 2 * (self.tally.0 as u128 + epochs + u128::from(model.stakes.opened));
        let (has, most) = (model.floe.balance(at.staking), if slashed { roundings } else { 0 });
        self.require(stake <= has && has - stake <= most, || format!("{has} FLOE for stake of {stake}"));
        let has = model.money.balance(at.staking);
        self.require(rewards <= has && has - rewards <= roundings, || format!("{has} for rewards of {rewards}"));
    }

    fn audit_ledger(&mut self) {
        let (storage, model) = (self.model.at.storage, self.model.clone());
        let (ledger, epoch) = (&model.ledger, model.epoch());
        let known = self.evm.view(storage, &Storage::currentEpochCall {});
        self.same("epoch of the treasury", known, epoch);
        let got = self.evm.view(storage, &Storage::accountingCall { epochs: ledger.max_ahead + 1 });
        for (ahead, (used, money)) in (0..).zip(got.used.iter().zip(&got.money)) {
            let bucket = ledger.bucket(epoch + ahead);
            self.same("used and money", (*used, *money), (bucket.used, wide(bucket.money)));
            // All of it belongs to a resource or a blob, or was given up.
            let covers = |start: u32, end: u32| start <= epoch + ahead && epoch + ahead < end;
            let resources = model.resources.values().filter(|r| covers(r.start, r.end)).map(|r| r.size);
            let blobs = model.blobs.values().filter(|b| covers(b.registered, b.end));
            let blobs = blobs.map(|b| model.length(b.size).expect("well-formed"));
            let pools = model.pools.values().filter(|pool| covers(epoch, pool.end)).map(|pool| pool.size);
            let given_up = ledger.given_up.get(&(epoch + ahead)).copied().unwrap_or(0);
            self.same("who uses it", resources.chain(blobs).chain(pools).sum::<u64>() + given_up, bucket.used);
            if ahead == 0 {
                self.require(bucket.used <= ledger.terms.capacity, || "above the capacity".into());
            }
        }
        let deposits = self.evm.view(storage, &Storage::depositsCall {});
        self.same("deposits", deposits, ledger.deposits);
        let prices = (
            self.evm.view(storage, &Storage::totalCapacityCall {}),
            self.evm.view(storage, &Storage::storagePriceCall {}),
            self.evm.view(storage, &Storage::writePriceCall {}),
        );
        let terms = ledger.terms;
        self.same("terms", prices, (terms.capacity, wide(terms.storage_price), wide(terms.write_price)));
    }
}
