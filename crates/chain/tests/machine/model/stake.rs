//! Stake by position, what it earns, and what slashing takes.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};

use super::stake_pools::{LEAST_INDEX, Mark, Pool, to_shares, to_stake};
use super::{Model, Ruling, WHOLE, refuse, wide};
use crate::bindings::Staking;

/// Smallest stake.
pub(crate) const LEAST: u128 = 10_u128.pow(18);
const NOTICE_EPOCHS: u32 = 2;

#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(crate) owner: Address,
    pub(crate) node: u64,
    pub(crate) principal: u128,
    pub(crate) activation: u32,
    pub(crate) withdraw: Option<u32>,
    /// the rewards of a share that it was paid; none yet
    pub(crate) paid: Option<U256>,
}

#[derive(Clone, Debug)]
pub(crate) struct Stakes {
    pub(crate) pools: BTreeMap<u64, Pool>,
    pub(crate) positions: BTreeMap<u64, Position>,
    pub(crate) opened: u64,
    pub(crate) threshold: u128,
    pub(crate) auditor: Address,
    /// rewards for the next epoch that nobody was entitled to
    pub(crate) carried: u128,
    /// rewards of a basis point of a shard, of all epochs before each; 64 fractional bits
    pub(crate) rewards: BTreeMap<u32, U256>,
}

impl Default for Stakes {
    fn default() -> Self {
        Self {
            pools: BTreeMap::new(),
            positions: BTreeMap::new(),
            opened: 0,
            threshold: 0,
            auditor: Address::ZERO,
            carried: 0,
            rewards: BTreeMap::from([(0, U256::ZERO)]),
        }
    }
}

impl Stakes {
    pub(crate) fn least(&self) -> u128 {
        self.threshold.max(LEAST)
    }
}

impl Position {
    /// Its shares; of a pool that it has joined.
    fn shares(&self, pool: &Pool) -> u128 {
        to_shares(self.principal, pool.marks[&self.activation].index)
    }

    /// What it has earned and not been paid, and up to which rewards of a share; of a pool that is up to date.
    fn owed(&self, pool: &Pool, epoch: u32) -> (u128, Option<U256>) {
        if epoch < self.activation {
            return (0, self.paid);
        }
        let until = self.end(pool, epoch).per_share;
        let from = self.paid.unwrap_or(pool.marks[&self.activation].per_share);
        let earned = (U256::from(self.shares(pool)) * (until - from)) >> 96_usize;
        (earned.to(), Some(until))
    }

    /// What a share is worth and has earned, or was and had when the position left.
    fn end(&self, pool: &Pool, epoch: u32) -> Mark {
        match self.withdraw.filter(|withdraw| *withdraw <= epoch) {
            Some(withdraw) => pool.marks[&withdraw],
            None => Mark { per_share: pool.per_share, index: pool.index },
        }
    }
}

impl Model {
    /// Brings a pool up to date.
    fn settle(&mut self, node: u64) -> Ruling<&mut Pool> {
        let epoch = self.epoch();
        let Some(pool) = self.stakes.pools.get_mut(&node) else {
            return refuse(Staking::UnknownPool { nodeId: wide(node) });
        };
        pool.settle(epoch, &self.stakes.rewards);
        Ok(pool)
    }

    /// A pool as it would be if somebody touched it.
    pub(crate) fn settled(&self, node: u64) -> Pool {
        let mut pool = self.stakes.pools[&node].clone();
        pool.settle(self.epoch(), &self.stakes.rewards);
        pool
    }

    /// What a position is worth, and what it is owed, in a pool that is up to date.
    pub(crate) fn value(&self, position: &Position, pool: &Pool) -> (u128, u128) {
        let epoch = self.epoch();
        if epoch < position.activation {
            return (position.principal, 0);
        }
        (to_stake(position.shares(pool), position.end(pool, epoch).index), position.owed(pool, epoch).0)
    }

    fn own(&self, by: Address, id: u64) -> Ruling<Position> {
        let Some(position) = self.stakes.positions.get(&id) else {
            return refuse(Staking::UnknownPosition { positionId: wide(id) });
        };
        self.only(by, position.owner)?;
        Ok(position.clone())
    }

    /// First epoch whose committee is not selected.
    pub(crate) fn next_open(&self) -> u32 {
        self.epoch() + if self.selected() { 2 } else { 1 }
    }

    fn weight_in(&self, epoch: u32, node: u64) -> u16 {
        self.committees.get(&epoch).map_or(0, |committee| committee.weight(node))
    }

    pub(crate) fn open_pool(&mut self, node: u64, commission_bps: u16) {
        self.stakes.pools.insert(node, Pool::new(self.epoch(), commission_bps));
    }

    pub(crate) fn stake(&mut self, by: Address, node: u64, amount: u128) -> Ruling<u64> {
        too_small(amount, LEAST)?;
        let activation = self.next_open();
        *self.settle(node)?.joining.entry(activation).or_default() += amount;
        self.stakes.opened += 1;
        let id = self.stakes.opened;
        let position = Position { owner: by, node, principal: amount, activation, withdraw: None, paid: None };
        self.stakes.positions.insert(id, position);
        self.floe.take(&mut self.events, self.at.staking, by, amount)?;
        let event = Staking::Staked {
            positionId: wide(id),
            nodeId: wide(node),
            owner: by,
            amount: wide(amount),
            activationEpoch: activation,
        };
        self.events.tell(self.at.staking, event);
        if !self.stakes.pools[&node].active && self.enough(node) {
            self.activate(node);
        }
        Ok(id)
    }

    /// Gives the position that leaves, and when.
    pub(crate) fn unstake(&mut self, by: Address, id: u64, amount: u128) -> Ruling<(u64, u32)> {
        let position = self.own(by, id)?;
        if let Some(withdraw) = position.withdraw {
            return refuse(Staking::AlreadyLeaving { positionId: wide(id), withdrawEpoch: withdraw });
        }
        let leaving = if amount == position.principal { id } else { self.split(by, id, amount)? };
        let position = self.stakes.positions[&leaving].clone();
        let Position { node, principal, activation, .. } = position;
        let epoch = self.epoch();
        let in_next = self.selected() && self.weight_in(epoch + 1, node) != 0;
        let in_this = self.weight_in(epoch, node) != 0;
        let pool = self.settle(node)?;
        let due = if activation > epoch {
            let early = in_next && activation == epoch + 1;
            let place = if early { pool.leaving_early.entry(epoch + 2) } else { pool.joining.entry(activation) };
            let stake = place.or_default();
            *stake = if early { *stake + principal } else { *stake - principal };
            if early { Some(epoch + 2) } else { None }
        } else if in_next || in_this {
            let due = epoch + if in_next { 2 } else { 1 };
            *pool.leaving.entry(due).or_default() += position.shares(pool);
            Some(due)
        } else {
            None
        };
        if let Some(due) = due {
            self.stakes.positions.get_mut(&leaving).expect("known").withdraw = Some(due);
            let event =
                Staking::WithdrawalRequested { positionId: wide(leaving), nodeId: wide(node), withdrawEpoch: due };
            self.events.tell(self.at.staking, event);
        } else if activation > epoch {
            self.pay_back(leaving, &position, principal, 0)?;
        } else {
            let (earned, _) = position.owed(pool, epoch);
            let stake = pool.take_out(position.shares(pool));
            self.pay_back(leaving, &position, stake, earned)?;
        }
        self.drop_if_too_small(node);
        Ok((leaving, due.unwrap_or(0)))
    }

    /// Gives the stake and the rewards that were paid.
    pub(crate) fn withdraw(&mut self, by: Address, id: u64) -> Ruling<(u128, u128)> {
        let position = self.own(by, id)?;
        let epoch = self.epoch();
        match position.withdraw {
            None => refuse(Staking::NotLeaving { positionId: wide(id) }),
            Some(due) if epoch < due => refuse(Staking::WithdrawalNotDue { withdrawEpoch: due, currentEpoch: epoch }),
            Some(_) => {
                self.settle(position.node)?;
                let (stake, earned) = self.value(&position, &self.stakes.pools[&position.node]);
                self.pay_back(id, &position, stake, earned)?;
                Ok((stake, earned))
            }
        }
    }

    fn pay_back(&mut self, id: u64, position: &Position, amount: u128, earned: u128) -> Ruling<()> {
        self.stakes.positions.remove(&id);
        let event = Staking::Withdrawn {
            positionId: wide(id),
            nodeId: wide(position.node),
            owner: position.owner,
            amount: wide(amount),
        };
        self.events.tell(self.at.staking, event);
        self.floe.transfer(&mut self.events, self.at.staking, position.owner, amount)?;
        self.pay_rewards(id, position.owner, earned)
    }

    /// Gives what was paid.
    pub(crate) fn claim(&mut self, by: Address, id: u64) -> Ruling<u128> {
        let position = self.own(by, id)?;
        let epoch = self.epoch();
        let (earned, paid) = position.owed(self.settle(position.node)?, epoch);
        self.stakes.positions.get_mut(&id).expect("known").paid = paid;
        self.pay_rewards(id, by, earned)?;
        Ok(earned)
    }

    fn pay_rewards(&mut self, id: u64, to: Address, earned: u128) -> Ruling<()> {
        if earned == 0 {
            return Ok(());
        }
        let event = Staking::RewardsClaimed { positionId: wide(id), owner: to, amount: wide(earned) };
        self.events.tell(self.at.staking, event);
        self.money.transfer(&mut self.events, self.at.staking, to, earned)
    }

    pub(crate) fn split(&mut self, by: Address, id: u64, amount: u128) -> Ruling<u64> {
        let position = self.own(by, id)?;
        too_small(amount, LEAST)?;
        let principal = position.principal;
        if principal < amount || principal - amount < LEAST {
            let (principal, amount) = (wide(principal), wide(amount));
            return refuse(Staking::RemainderTooSmall { principal, amount, min: wide(LEAST) });
        }
        self.stakes.opened += 1;
        let new = self.stakes.opened;
        self.stakes.positions.insert(id, Position { principal: principal - amount, ..position.clone() });
        self.stakes.positions.insert(new, Position { principal: amount, ..position });
        let (positionId, newPositionId, amount) = (wide(id), wide(new), wide(amount));
        self.events.tell(self.at.staking, Staking::PositionSplit { positionId, newPositionId, amount });
        Ok(new)
    }

    pub(crate) fn join(&mut self, by: Address, id: u64, other: u64) -> Ruling<()> {
        let position = self.own(by, id)?;
        let absorbed = self.own(by, other)?;
        let kind = |p: &Position| (p.node, p.activation, p.withdraw);
        if id == other || kind(&position) != kind(&absorbed) {
            return refuse(Staking::PositionsDiffer { positionId: wide(id), otherId: wide(other) });
        }
        let epoch = self.epoch();
        let pool = self.settle(position.node)?;
        let ((earned, paid), (more, _)) = (position.owed(pool, epoch), absorbed.owed(pool, epoch));
        let mut joined = Position { principal: position.principal + absorbed.principal, paid, ..position.clone() };
        // Shares that leave are counted already, and must not become more.
        let counted = joined.withdraw.is_some() && joined.activation <= epoch;
        if counted && joined.shares(pool) > position.shares(pool) + absorbed.shares(pool) {
            joined.principal -= 1;
        }
        self.stakes.positions.remove(&other);
        self.stakes.positions.insert(id, joined);
        self.events.tell(self.at.staking, Staking::PositionsJoined { positionId: wide(id), absorbedId: wide(other) });
        self.pay_rewards(id, by, earned + more)
    }

    pub(crate) fn join_active_set(&mut self, node: u64) -> Ruling<()> {
        let next = self.next_open();
        let pool = self.settle(node)?;
        if pool.active {
            return refuse(Staking::AlreadyActive { nodeId: wide(node) });
        }
        let stake = pool.stake_at(next);
        too_small(stake, self.stakes.least())?;
        self.activate(node);
        Ok(())
    }

    pub(crate) fn set_commission(&mut self, by: Address, node: u64, bps: u16) -> Ruling<()> {
        if bps > WHOLE {
            return refuse(Staking::BpsTooMany { got: wide(bps), max: wide(WHOLE) });
        }
        self.settle(node)?;
        let account = self.node(node)?.account;
        self.only(by, account)?;
        let epoch = self.epoch() + NOTICE_EPOCHS;
        self.settle(node)?.next_commission = Some((bps, epoch));
        self.events.tell(self.at.staking, Staking::CommissionAnnounced { nodeId: wide(node), bps, epoch });
        Ok(())
    }

    pub(crate) fn collect_commission(&mut self, by: Address, node: u64) -> Ruling<u128> {
        self.settle(node)?;
        let receiver = self.node(node)?.receiver;
        self.only(by, receiver)?;
        if !self.selected() {
            return refuse(Staking::CommissionBlocked { epoch: self.epoch() });
        }
        let amount = std::mem::take(&mut self.settle(node)?.commission);
        let event = Staking::CommissionCollected { nodeId: wide(node), receiver, amount: wide(amount) };
        self.events.tell(self.at.staking, event);
        if amount != 0 {
            self.money.transfer(&mut self.events, self.at.staking, receiver, amount)?;
        }
        Ok(amount)
    }

    pub(crate) fn slash(&mut self, node: u64, bps: u16) -> Ruling<()> {
        if bps > WHOLE {
            return refuse(Staking::BpsTooMany { got: wide(bps), max: wide(WHOLE) });
        }
        let pool = self.settle(node)?;
        let index = pool.index * u128::from(WHOLE - bps) / u128::from(WHOLE);
        if index < LEAST_INDEX {
            return refuse(Staking::SlashTooDeep { index: wide(index), min: wide(LEAST_INDEX) });
        }
        let burned = pool.balance * u128::from(bps) / u128::from(WHOLE);
        pool.index = index;
        pool.balance -= burned;
        let forfeited = std::mem::take(&mut pool.commission);
        self.stakes.carried += forfeited;
        let event =
            Staking::Slashed { nodeId: wide(node), bps, burned: wide(burned), forfeitedCommission: wide(forfeited) };
        self.events.tell(self.at.staking, event);
        if burned != 0 {
            self.floe.burn(&mut self.events, self.at.staking, burned);
        }
        self.drop_if_too_small(node);
        Ok(())
    }

    pub(crate) fn lower_reward(&mut self, by: Address, node: u64, bps: u16) -> Ruling<()> {
        self.only(by, self.stakes.auditor)?;
        let epoch = self.epoch();
        let weight = u128::from(self.weight_in(epoch, node));
        let pool = self.settle(node)?;
        let (current, got) = (weight * u128::from(pool.reward_bps), weight * u128::from(bps));
        if got >= current {
            return refuse(Staking::RewardNotLower { current: wide(current), got: wide(got) });
        }
        pool.reward_bps = bps;
        self.events.tell(self.at.staking, Staking::RewardLowered { nodeId: wide(node), epoch, bps });
        Ok(())
    }

    /// Says what the finished epoch earned for each shard, and who holds how many from now on.
    pub(crate) fn begin_stakes(&mut self, epoch: u32, paid: u128) {
        let total = paid + self.stakes.carried;
        let whole = u128::from(self.rules.shards) * u128::from(WHOLE);
        let rate = if epoch == 1 { 0 } else { (total << 64) / whole };
        let before = self.stakes.rewards[&(epoch - 1)];
        self.stakes.rewards.insert(epoch, before + U256::from(rate));
        let entitled = |pool: &Pool| u128::from(pool.weight) * u128::from(pool.reward_bps);
        let due: u128 = self.stakes.pools.values().map(entitled).sum();
        // What is set aside is rounded up, so that it suffices however the pools add their parts up.
        let shared = (U256::from(rate) * U256::from(due)).div_ceil(U256::from(1_u128 << 64));
        self.stakes.carried = total - shared.to::<u128>();
        let (paid, carried) = (wide(paid), wide(self.stakes.carried));
        self.events.tell(self.at.staking, Staking::RewardsShared { newEpoch: epoch, paid, carried });

        for (node, pool) in &mut self.stakes.pools {
            let weight = self.committees[&epoch].weight(*node);
            // Nothing was earned before the launch.
            if epoch != 1 && (pool.reward_bps != WHOLE || pool.weight != weight) {
                pool.settle(epoch, &self.stakes.rewards);
            }
            (pool.reward_bps, pool.weight) = (WHOLE, weight);
        }
    }

    /// Whether a node, whose pool is up to date, has enough for the next committee.
    fn enough(&self, node: u64) -> bool {
        self.stakes.pools[&node].stake_at(self.next_open()) >= self.stakes.least()
    }

    fn drop_if_too_small(&mut self, node: u64) {
        if self.stakes.pools[&node].active && !self.enough(node) {
            self.stakes.pools.get_mut(&node).expect("known").active = false;
            self.events.tell(self.at.staking, Staking::NodeDeactivated { nodeId: wide(node) });
        }
    }

    fn activate(&mut self, node: u64) {
        self.stakes.pools.get_mut(&node).expect("known").active = true;
        self.events.tell(self.at.staking, Staking::NodeActivated { nodeId: wide(node) });
    }
}

fn too_small(got: u128, min: u128) -> Ruling<()> {
    if got < min { refuse(Staking::StakeTooSmall { got: wide(got), min: wide(min) }) } else { Ok(()) }
}
