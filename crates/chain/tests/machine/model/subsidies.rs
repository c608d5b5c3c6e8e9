//! Subsidies: a pot that adds to the money of each epoch what came in for it, times a rate, and a part for each node.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};

use super::{Model, Ruling, WHOLE, refuse, wide};
use crate::bindings::{Staking, Storage, Subsidies};

/// Highest usage rate, in basis points.
pub(crate) const MOST_USAGE_BPS: u32 = 1_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    pub(crate) usage_bps: u32,
    pub(crate) per_node: u64,
    pub(crate) per_shard: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Pot {
    pub(crate) holds: u128,
    pub(crate) rates: Rates,
    /// epoch of the last payout
    pub(crate) processed: Option<u32>,
    /// money of each epoch that was subsidized, and the subsidy itself
    counted: BTreeMap<u32, u128>,
}

impl Model {
    pub(crate) fn fund_pot(&mut self, by: Address, amount: u128) -> Ruling<()> {
        self.pot.holds += amount;
        let event = Subsidies::Funded { from: by, amount: wide(amount), pot: wide(self.pot.holds) };
        self.events.tell(self.at.subsidies, event);
        self.money.take(&mut self.events, self.at.subsidies, by, amount)
    }

    /// What a decision of the governance does.
    pub(crate) fn set_rates(&mut self, rates: Rates) -> Ruling<()> {
        if rates.usage_bps > MOST_USAGE_BPS {
            return refuse(Subsidies::RateTooHigh { got: rates.usage_bps, max: MOST_USAGE_BPS });
        }
        self.pot.rates = rates;
        let Rates { usage_bps, per_node, per_shard } = rates;
        let (perNode, perShard) = (wide(per_node), wide(per_shard));
        let event = Subsidies::RatesChanged { usageBps: usage_bps, perNode, perShard };
        self.events.tell(self.at.subsidies, event);
        Ok(())
    }

    /// Gives the two parts.
    pub(crate) fn process(&mut self) -> Ruling<(u128, u128)> {
        let (epoch, rates) = (self.ledger.epoch, self.pot.rates);
        if epoch == 0 {
            return refuse(Storage::NotLaunched {});
        }
        if self.pot.processed == Some(epoch) {
            return refuse(Subsidies::AlreadyProcessed { epoch });
        }
        self.pot.processed = Some(epoch);
        let added: Vec<u128> = (0..self.ledger.max_ahead)
            .map(|ahead| {
                let money = self.ledger.bucket(epoch + ahead).money;
                let before = self.pot.counted.get(&(epoch + ahead)).copied().unwrap_or(0);
                let new = money.saturating_sub(before);
                let part = new * u128::from(rates.usage_bps) / u128::from(WHOLE);
                self.pot.counted.insert(epoch + ahead, money + part);
                part
            })
            .collect();
        let usage: u128 = added.iter().sum();
        let served = self.committees.get(&(epoch - 1)).map_or(Vec::new(), |committee| committee.members.clone());
        let none = rates.per_node == 0 && rates.per_shard == 0;
        let share = |weight: u16| u128::from(rates.per_node) + u128::from(weight) * u128::from(rates.per_shard);
        let gifts: Vec<(u64, u128)> =
            if none { Vec::new() } else { served.iter().map(|member| (member.node, share(member.weight))).collect() };
        let fixed: u128 = gifts.iter().map(|(_, amount)| amount).sum();
        if usage + fixed > self.pot.holds {
            return refuse(Subsidies::PotTooSmall { pot: wide(self.pot.holds), needed: wide(usage + fixed) });
        }
        self.pot.holds -= usage + fixed;
        let event = Subsidies::Processed { epoch, usagePart: wide(usage), fixedPart: wide(fixed) };
        self.events.tell(self.at.subsidies, event);
        let by = self.at.subsidies;
        if usage != 0 {
            self.money.approve(&mut self.events, by, self.at.storage, wide(usage));
            self.subsidize(by, &added, None)?;
        }
        if fixed != 0 {
            self.money.approve(&mut self.events, by, self.at.staking, wide(fixed));
            self.add_commissions(by, &gifts)?;
        }
        Ok((usage, fixed))
    }

    /// Gifts of an account, from two lists.
    pub(crate) fn give_commissions(
        &mut self,
        by: Address,
        gifts: &[(u64, u128)],
        lengths: (usize, usize),
    ) -> Ruling<()> {
        let (ids, amounts) = lengths;
        if ids != amounts {
            return refuse(Staking::LengthsDiffer { first: wide(ids as u64), second: wide(amounts as u64) });
        }
        self.add_commissions(by, gifts)
    }

    /// Gifts to nodes themselves.
    pub(crate) fn add_commissions(&mut self, by: Address, gifts: &[(u64, u128)]) -> Ruling<()> {
        let mut total = 0;
        for (node, amount) in gifts {
            let Some(pool) = self.stakes.pools.get_mut(node) else {
                return refuse(Staking::UnknownPool { nodeId: wide(*node) });
            };
            pool.commission += *amount;
            total += amount;
            let event = Staking::CommissionAdded { nodeId: wide(*node), from: by, amount: U256::from(*amount) };
            self.events.tell(self.at.staking, event);
        }
        self.money.take(&mut self.events, self.at.staking, by, total)
    }
}
