//! All that anyone can ask the contracts, against what the model knows; and the sums that have to come out.

use alloy::primitives::{Address, Bytes, U256};

use super::driver::Driver;
use super::model::clock::Phase;
use super::model::nodes::public_key;
use super::model::stake::near;
use super::model::wide;
use crate::bindings::{Availability, Blobs, Committee, Epochs, Nodes, Staking, Storage, TestStablecoin};

impl Driver {
    /// Compares everything.
    pub(crate) fn audit(&mut self) {
        let at = self.model.at;
        let contracts = [at.storage, at.staking, at.blobs, at.governance];
        let accounts: Vec<Address> = [&self.users[..], &self.operators, &contracts].concat();
        self.check_coins(&accounts);
        self.audit_sums();
        self.audit_ledger();
        self.audit_deeds(&accounts);
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

        // Stake that was slashed leaves dust behind; it never owes more than there is.
        let owed: u128 = model.stakes.positions.values().map(|position| model.stakes.value(position)).sum();
        let has = model.floe.balance(at.staking);
        let slashed = model.stakes.pools.keys().map(|node| model.stakes.slack(*node)).sum::<u128>();
        self.require(has >= owed && has - owed <= slashed, || format!("{has} FLOE for stake of {owed}"));

        // Rewards: what is there is what delegators and nodes have earned, what is carried over, and dust.
        let mut owed = U256::from(model.stakes.carried);
        for id in model.stakes.positions.keys() {
            owed += self.evm.view(at.staking, &Staking::valueOfCall { positionId: wide(*id) }).earned;
        }
        for node in model.nodes.keys() {
            owed += U256::from(self.evm.view(at.staking, &Staking::poolOfCall { nodeId: wide(*node) }).commission);
        }
        let has = wide(model.money.balance(at.staking));
        self.require(has >= owed, || format!("{has} for rewards of {owed}"));
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
            let given_up = ledger.given_up.get(&(epoch + ahead)).copied().unwrap_or(0);
            self.same("who uses it", resources.chain(blobs).sum::<u64>() + given_up, bucket.used);
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

    fn audit_deeds(&mut self, accounts: &[Address]) {
        let (at, model) = (self.model.at, self.model.clone());
        for (id, resource) in &model.resources {
            let got = self.evm.view(at.storage, &Storage::resourceCall { resourceId: wide(*id) });
            self.same("resource", (got.start, got.end, got.size), (resource.start, resource.end, resource.size));
            let owner = self.evm.view(at.storage, &Storage::ownerOfCall { tokenId: wide(*id) });
            self.same("owner of a resource", owner, model.deeds.owners[id]);
        }
        for (id, blob) in &model.blobs {
            let got = self.evm.view(at.blobs, &Blobs::blobCall { objectId: wide(*id) });
            let expected = Blobs::BlobObject {
                blobId: blob.id,
                owner: model.blob_deeds.owners[id],
                size: blob.size,
                encodingType: 1,
                deletable: blob.deletable,
                registeredEpoch: blob.registered,
                certifiedEpoch: blob.certified.unwrap_or(0),
                endEpoch: blob.end,
            };
            self.same("blob", got, expected);
            self.require(blob.certified.is_none_or(|epoch| epoch >= blob.registered), || "certified too early".into());
            let fund = self.evm.view(at.blobs, &Blobs::fundOfCall { objectId: wide(*id) });
            let got = (fund.balance, fund.reward.to::<u128>(), fund.epochs);
            self.same("fund", got, (blob.fund.balance, blob.fund.reward, blob.fund.epochs));
        }
        for deeds in [&model.deeds, &model.blob_deeds] {
            for account in accounts {
                let count = self.evm.view(deeds.at, &Storage::balanceOfCall { owner: *account });
                self.same("how many are owned", count, wide(deeds.owned(*account) as u64));
            }
        }
        for (id, answer) in &model.answers {
            let until = self.evm.view(at.availability, &Availability::availableUntilCall { blobId: *id });
            let since = self.evm.view(at.availability, &Availability::invalidSinceCall { blobId: *id });
            self.same("answer", (until, since), (answer.until, answer.invalid_since.unwrap_or(0)));
            let available = self.evm.view(at.availability, &Availability::isAvailableCall { blobId: *id });
            self.same("available", available, answer.until > model.epoch());
        }
    }

    fn audit_clock(&mut self) {
        let (at, model) = (self.model.at, self.model.clone());
        let clock = self.evm.view(at.epochs, &Epochs::clockCall {});
        let got = (clock.epoch, clock.phase, clock.synced, clock.dueAt);
        self.same("clock", got, (model.epoch(), model.clock.phase as u8, model.clock.synced, model.due_at()));
        let copy = self.evm.view(at.availability, &Availability::currentEpochCall {});
        self.same("copy of the epoch", copy, model.epoch());
        for (epoch, committee) in &model.committees {
            let got = self.evm.view(at.committee, &Committee::membersCall { epoch: *epoch });
            let members = &committee.members;
            self.same("members", got.nodeIds, members.iter().map(|m| wide(m.node)).collect());
            self.same("weights", got.weights, members.iter().map(|m| m.weight).collect());
            let keys: Bytes = members.iter().flat_map(|m| public_key(m.key)).collect();
            self.same("keys", got.publicKeys, keys);
            let member = |node: &u64| u16::try_from(committee.seat(*node).expect("an owner").0).expect("small");
            let owners = committee.owners.iter().flat_map(|node| member(node).to_be_bytes()).collect();
            self.same("owners of shards", got.shardOwners, owners);
            self.same("shards", members.iter().map(|m| m.weight).sum(), model.rules.shards);
        }
        if model.clock.phase == Phase::Sync || model.clock.phase == Phase::Done {
            let next =
                self.evm.call_as(Address::ZERO, at.committee, &Committee::membersCall { epoch: model.epoch() + 1 });
            self.require(next.is_err(), || "there is a committee that was not selected".into());
        }
    }

    fn audit_nodes(&mut self) {
        let (at, model) = (self.model.at, self.model.clone());
        let mut active: Vec<u64> =
            self.evm.view(at.staking, &Staking::activeSetCall {}).into_iter().map(u64::from).collect();
        active.sort_unstable();
        let expected: Vec<_> = model.stakes.pools.iter().filter(|(_, pool)| pool.active).map(|(id, _)| *id).collect();
        self.same("active set", active, expected);
        for (id, node) in &model.nodes {
            let said = self.evm.view(at.nodes, &Nodes::accountsCall { nodeId: wide(*id) });
            let got = (said.account, said.commissionReceiver, said.governanceAuthority);
            self.same("accounts", got, (node.account, node.receiver, node.authority));
            let said = self.evm.view(at.nodes, &Nodes::nodeCall { nodeId: wide(*id) });
            let keys = (public_key(node.key), node.next_key.map_or(Bytes::new(), public_key));
            self.same("keys of a node", (said.publicKey, said.nextKey), keys);
            self.same("votes", said.votes, node.votes.encoded());

            let (pool, got) =
                (&model.stakes.pools[id], self.evm.view(at.staking, &Staking::poolOfCall { nodeId: wide(*id) }));
            let weight = model.committees.get(&model.epoch()).map_or(0, |committee| committee.weight(*id));
            let withheld = u32::from(weight) * (10_000 - u32::from(pool.reward_bps));
            let next = pool.next_commission.map_or(0, |(_, epoch)| epoch);
            self.same(
                "pool",
                (got.weight, got.withheldBps, got.commissionBps, got.commissionEpoch, got.index.to::<u128>()),
                (weight, withheld, pool.commission_bps, next, pool.index),
            );
            near("commission", got.commission.to(), pool.commission, pool.unpaid_epochs);
            for epoch in model.epoch()..=model.epoch() + 2 {
                let stake = self.evm.view(at.staking, &Staking::stakeOfCall { nodeId: wide(*id), epoch });
                let known = model.stakes.stake_in(*id, epoch);
                let close = stake.to::<u128>().abs_diff(known) <= model.stakes.slack(*id);
                // A pool that nobody has touched tells what it knew then.
                self.require(close, || format!("stake of {id} in {epoch}: {stake}, not {known}"));
            }
        }
    }

    fn audit_positions(&mut self) {
        let (at, model) = (self.model.at, self.model.clone());
        for (id, position) in &model.stakes.positions {
            let got = self.evm.view(at.staking, &Staking::positionOfCall { positionId: wide(*id) });
            self.same(
                "position",
                (got.owner, u64::from(got.nodeId), got.principal.to(), got.activationEpoch, got.withdrawEpoch),
                (
                    position.owner,
                    position.node,
                    position.principal,
                    position.activation,
                    position.withdraw.unwrap_or(0),
                ),
            );
            let value = self.evm.view(at.staking, &Staking::valueOfCall { positionId: wide(*id) });
            self.same("value", value.amount.to(), model.stakes.value(position));
            near("earned", value.earned.to(), position.earned, position.unpaid_epochs);
        }
        let state = self.evm.view(at.staking, &Staking::stateCall {});
        self.same(
            "state of staking",
            (state.epoch, state.selected, state.positions, state.threshold.to()),
            (model.epoch(), model.selected(), model.stakes.opened, model.stakes.threshold),
        );
        let carried = self.evm.view(at.staking, &Staking::carriedCall {});
        self.same("carried", carried, model.stakes.carried);
        let auditor = self.evm.view(at.staking, &Staking::auditorCall {});
        self.same("auditor", auditor, model.stakes.auditor);
    }
}
