//! The network: its clock and committees, its nodes and the stake with them, and the pot.

use alloy::primitives::{Address, Bytes, U256};

use crate::bindings::{Availability, Committee, Epochs, Nodes, Staking, Subsidies};
use crate::machine::driver::Driver;
use crate::machine::model::clock::Phase;
use crate::machine::model::nodes::public_key;
use crate::machine::model::wide;

impl Driver {
    pub(super) fn audit_pot(&mut self) {
        let (at, model) = (self.model.at.subsidies, self.model.clone());
        let (pot, rates) = (&model.pot, model.pot.rates);
        let got = self.evm.view(at, &Subsidies::ratesCall {});
        let expected = (rates.usage_bps, u128::from(rates.per_node), u128::from(rates.per_shard));
        self.same("rates", (got.usageBps, got.perNode.to(), got.perShard.to()), expected);
        let holds = self.evm.view(at, &Subsidies::potCall {});
        self.same("pot", holds, wide(pot.holds));
        self.same("what the pot has", model.money.balance(at), pot.holds);
        let processed = self.evm.view(at, &Subsidies::processedEpochCall {});
        self.same("last payout", processed, pot.processed.unwrap_or(0));
    }

    pub(super) fn audit_clock(&mut self) {
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

    pub(super) fn audit_nodes(&mut self) {
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
                (model.settled(*id), self.evm.view(at.staking, &Staking::poolOfCall { nodeId: wide(*id) }));
            let weight = model.committees.get(&model.epoch()).map_or(0, |committee| committee.weight(*id));
            let withheld = u32::from(weight) * (10_000 - u32::from(pool.reward_bps));
            let next = pool.next_commission.map_or(0, |(_, epoch)| epoch);
            self.same("weight", (got.weight, pool.weight), (weight, weight));
            self.same(
                "terms of a pool",
                (got.withheldBps, got.commissionBps, got.commissionEpoch),
                (withheld, pool.commission_bps, next),
            );
            self.same(
                "pool",
                (got.balance.to(), got.shares, got.index.to(), U256::from(got.rewardPerShare), got.commission.to()),
                (pool.balance, pool.shares, pool.index, pool.per_share, pool.commission),
            );
            for epoch in model.epoch()..=model.epoch() + 2 {
                // A pool that nobody has touched tells what it knew then.
                let stake = self.evm.view(at.staking, &Staking::stakeOfCall { nodeId: wide(*id), epoch });
                self.same("stake", stake, wide(model.stakes.pools[id].stake_at(epoch)));
            }
        }
    }

    pub(super) fn audit_positions(&mut self) {
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
            let known = model.value(position, &model.settled(position.node));
            self.same("value", (value.amount.to(), value.earned.to()), known);
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
