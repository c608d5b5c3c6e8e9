//! Stake by position, rewards by the stake of each epoch, and what slashing takes.
//!
//! FLOE is exact to the unit: it is worth what was put in, less what was slashed while it was in force. Rewards are kept
//! as fractions: the contracts round them down, once for each time that a pool is brought up to date, and the model
//! checks that no more than that is missing.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};

use super::{Model, Observed, Ruling, WHOLE, refuse, wide};
use crate::bindings::Staking;

/// Smallest stake.
pub(crate) const LEAST: u128 = 10_u128.pow(18);
/// The value of a share of a pool that was never slashed; and the least.
const ONE: u128 = 1 << 95;
const LEAST_INDEX: u128 = ONE >> 24;
/// Smallest units that a pool that was slashed may differ by, because the contracts convert sums where the model adds.
const SLASHED_SLACK: u128 = 1_000;
const NOTICE_EPOCHS: u32 = 2;

#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(crate) owner: Address,
    pub(crate) node: u64,
    pub(crate) principal: u128,
    pub(crate) activation: u32,
    pub(crate) withdraw: Option<u32>,
    /// value of a share when it came in, and when it went out
    entered: Option<u128>,
    left: Option<u128>,
    pub(crate) earned: f64,
    /// epochs since it was paid
    pub(crate) unpaid_epochs: u32,
}

impl Position {
    fn in_force(&self, epoch: u32) -> bool {
        self.activation <= epoch && self.withdraw.is_none_or(|withdraw| epoch < withdraw)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// value of a share, 95 fractional bits
    pub(crate) index: u128,
    pub(crate) commission_bps: u16,
    pub(crate) next_commission: Option<(u16, u32)>,
    /// a candidate for the next committee
    pub(crate) active: bool,
    /// what it keeps of this epoch's reward
    pub(crate) reward_bps: u16,
    pub(crate) commission: f64,
    pub(crate) unpaid_epochs: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Stakes {
    pub(crate) pools: BTreeMap<u64, Pool>,
    pub(crate) positions: BTreeMap<u64, Position>,
    pub(crate) opened: u64,
    pub(crate) threshold: u128,
    pub(crate) auditor: Address,
    /// rewards for the next epoch that nobody was entitled to
    pub(crate) carried: u128,
}

impl Stakes {
    /// What a position is worth.
    pub(crate) fn value(&self, position: &Position) -> u128 {
        let Some(entered) = position.entered else { return position.principal };
        let now = position.left.unwrap_or(self.pools[&position.node].index);
        let shares = U256::from(position.principal) * U256::from(ONE) / U256::from(entered);
        (shares * U256::from(now) / U256::from(ONE)).to::<u128>()
    }

    /// The stake of a node in this epoch or a later one, as far as it is known.
    pub(crate) fn stake_in(&self, node: u64, epoch: u32) -> u128 {
        let of_node = self.positions.values().filter(|position| position.node == node);
        of_node.filter(|position| position.in_force(epoch)).map(|position| self.value(position)).sum()
    }

    /// By how much the contracts' sum may differ.
    pub(crate) fn slack(&self, node: u64) -> u128 {
        if self.pools[&node].index == ONE { 0 } else { SLASHED_SLACK }
    }

    pub(crate) fn least(&self) -> u128 {
        self.threshold.max(LEAST)
    }
}

impl Model {
    fn pool(&mut self, node: u64) -> Ruling<&mut Pool> {
        match self.stakes.pools.get_mut(&node) {
            Some(pool) => Ok(pool),
            None => refuse(Staking::UnknownPool { nodeId: wide(node) }),
        }
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
        let pool = Pool {
            index: ONE,
            commission_bps,
            next_commission: None,
            active: false,
            reward_bps: WHOLE,
            commission: 0.0,
            unpaid_epochs: 0,
        };
        self.stakes.pools.insert(node, pool);
    }

    pub(crate) fn stake(&mut self, by: Address, node: u64, amount: u128, observed: Observed) -> Ruling<u64> {
        too_small(amount, LEAST)?;
        self.pool(node)?;
        self.stakes.opened += 1;
        let (id, activation) = (self.stakes.opened, self.next_open());
        self.stakes.positions.insert(
            id,
            Position {
                owner: by,
                node,
                principal: amount,
                activation,
                withdraw: None,
                entered: None,
                left: None,
                earned: 0.0,
                unpaid_epochs: 0,
            },
        );
        self.floe.take(&mut self.events, self.at.staking, by, amount)?;
        let event = Staking::Staked {
            positionId: wide(id),
            nodeId: wide(node),
            owner: by,
            amount: wide(amount),
            activationEpoch: activation,
        };
        self.events.tell(self.at.staking, event);
        if !self.stakes.pools[&node].active && self.enough(node, observed.raised) {
            self.activate(node);
        }
        Ok(id)
    }

    /// Gives the position that leaves, and when.
    pub(crate) fn unstake(&mut self, by: Address, id: u64, amount: u128, observed: Observed) -> Ruling<(u64, u32)> {
        let position = self.own(by, id)?;
        if let Some(withdraw) = position.withdraw {
            return refuse(Staking::AlreadyLeaving { positionId: wide(id), withdrawEpoch: withdraw });
        }
        let leaving = if amount == position.principal { id } else { self.split(by, id, amount)? };
        let position = self.stakes.positions[&leaving].clone();
        let (node, epoch) = (position.node, self.epoch());
        let in_next = self.selected() && self.weight_in(epoch + 1, node) != 0;
        let counted = position.activation <= epoch || (in_next && position.activation == epoch + 1);
        let due = if counted && in_next {
            Some(epoch + 2)
        } else if counted && self.weight_in(epoch, node) != 0 {
            Some(epoch + 1)
        } else {
            None
        };
        if let Some(due) = due {
            self.stakes.positions.get_mut(&leaving).expect("known").withdraw = Some(due);
            let event =
                Staking::WithdrawalRequested { positionId: wide(leaving), nodeId: wide(node), withdrawEpoch: due };
            self.events.tell(self.at.staking, event);
        } else {
            self.pay_back(leaving, &position, observed)?;
        }
        self.drop_if_too_small(node, observed);
        Ok((leaving, due.unwrap_or(0)))
    }

    pub(crate) fn withdraw(&mut self, by: Address, id: u64, observed: Observed) -> Ruling<u128> {
        let position = self.own(by, id)?;
        let epoch = self.epoch();
        match position.withdraw {
            None => refuse(Staking::NotLeaving { positionId: wide(id) }),
            Some(due) if epoch < due => refuse(Staking::WithdrawalNotDue { withdrawEpoch: due, currentEpoch: epoch }),
            Some(_) => self.pay_back(id, &position, observed),
        }
    }

    fn pay_back(&mut self, id: u64, position: &Position, observed: Observed) -> Ruling<u128> {
        let amount = self.stakes.value(position);
        self.stakes.positions.remove(&id);
        let event = Staking::Withdrawn {
            positionId: wide(id),
            nodeId: wide(position.node),
            owner: position.owner,
            amount: wide(amount),
        };
        self.events.tell(self.at.staking, event);
        self.floe.transfer(&mut self.events, self.at.staking, position.owner, amount)?;
        self.pay_rewards(id, position.owner, position.earned, position.unpaid_epochs, observed)?;
        Ok(amount)
    }

    pub(crate) fn claim(&mut self, by: Address, id: u64, observed: Observed) -> Ruling<()> {
        let Position { owner, earned, unpaid_epochs, .. } = self.own(by, id)?;
        self.paid(id);
        self.pay_rewards(id, owner, earned, unpaid_epochs, observed)
    }

    fn paid(&mut self, id: u64) {
        let position = self.stakes.positions.get_mut(&id).expect("known");
        (position.earned, position.unpaid_epochs) = (0.0, 0);
    }

    fn pay_rewards(&mut self, id: u64, to: Address, earned: f64, epochs: u32, observed: Observed) -> Ruling<()> {
        near("rewards of a position", observed.reward, earned, epochs);
        if observed.reward == 0 {
            return Ok(());
        }
        let event = Staking::RewardsClaimed { positionId: wide(id), owner: to, amount: wide(observed.reward) };
        self.events.tell(self.at.staking, event);
        self.money.transfer(&mut self.events, self.at.staking, to, observed.reward)
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
        let part = |kept: u128| Position {
            principal: kept,
            earned: position.earned * kept as f64 / principal as f64,
            ..position.clone()
        };
        self.stakes.positions.insert(id, part(principal - amount));
        self.stakes.positions.insert(new, part(amount));
        let (positionId, newPositionId, amount) = (wide(id), wide(new), wide(amount));
        self.events.tell(self.at.staking, Staking::PositionSplit { positionId, newPositionId, amount });
        Ok(new)
    }

    pub(crate) fn join(&mut self, by: Address, id: u64, other: u64, observed: Observed) -> Ruling<()> {
        let position = self.own(by, id)?;
        let absorbed = self.own(by, other)?;
        let kind = |p: &Position| (p.node, p.activation, p.withdraw);
        if id == other || kind(&position) != kind(&absorbed) {
            return refuse(Staking::PositionsDiffer { positionId: wide(id), otherId: wide(other) });
        }
        self.stakes.positions.remove(&other);
        self.paid(id);
        self.stakes.positions.get_mut(&id).expect("known").principal += absorbed.principal;
        self.events.tell(self.at.staking, Staking::PositionsJoined { positionId: wide(id), absorbedId: wide(other) });
        let (earned, epochs) = (position.earned + absorbed.earned, position.unpaid_epochs + absorbed.unpaid_epochs);
        self.pay_rewards(id, by, earned, epochs + 2, observed)
    }

    pub(crate) fn join_active_set(&mut self, node: u64) -> Ruling<()> {
        let next = self.next_open();
        if self.pool(node)?.active {
            return refuse(Staking::AlreadyActive { nodeId: wide(node) });
        }
        too_small(self.stakes.stake_in(node, next), self.stakes.least())?;
        self.activate(node);
        Ok(())
    }

    pub(crate) fn set_commission(&mut self, by: Address, node: u64, bps: u16) -> Ruling<()> {
        if bps > WHOLE {
            return refuse(Staking::BpsTooMany { got: wide(bps), max: wide(WHOLE) });
        }
        self.pool(node)?;
        let account = self.node(node)?.account;
        self.only(by, account)?;
        let epoch = self.epoch() + NOTICE_EPOCHS;
        self.pool(node)?.next_commission = Some((bps, epoch));
        self.events.tell(self.at.staking, Staking::CommissionAnnounced { nodeId: wide(node), bps, epoch });
        Ok(())
    }

    pub(crate) fn collect_commission(&mut self, by: Address, node: u64, observed: Observed) -> Ruling<u128> {
        self.pool(node)?;
        let receiver = self.node(node)?.receiver;
        self.only(by, receiver)?;
        if !self.selected() {
            return refuse(Staking::CommissionBlocked { epoch: self.epoch() });
        }
        let amount = self.take_commission(node, observed);
        let event = Staking::CommissionCollected { nodeId: wide(node), receiver, amount: wide(amount) };
        self.events.tell(self.at.staking, event);
        if amount != 0 {
            self.money.transfer(&mut self.events, self.at.staking, receiver, amount)?;
        }
        Ok(amount)
    }

    fn take_commission(&mut self, node: u64, observed: Observed) -> u128 {
        let pool = self.stakes.pools.get_mut(&node).expect("known");
        near("commission", observed.reward, pool.commission, pool.unpaid_epochs);
        (pool.commission, pool.unpaid_epochs) = (0.0, 0);
        observed.reward
    }

    pub(crate) fn slash(&mut self, node: u64, bps: u16, observed: Observed) -> Ruling<()> {
        if bps > WHOLE {
            return refuse(Staking::BpsTooMany { got: wide(bps), max: wide(WHOLE) });
        }
        let index = self.pool(node)?.index * u128::from(WHOLE - bps) / u128::from(WHOLE);
        if index < LEAST_INDEX {
            return refuse(Staking::SlashTooDeep { index: wide(index), min: wide(LEAST_INDEX) });
        }
        let burned = self.stakes.stake_in(node, self.epoch()) * u128::from(bps) / u128::from(WHOLE);
        let slack = self.stakes.slack(node);
        assert!(observed.burned.abs_diff(burned) <= slack, "{} burned, not {burned}", observed.burned);
        self.stakes.pools.get_mut(&node).expect("known").index = index;
        let forfeited = self.take_commission(node, observed);
        self.stakes.carried += forfeited;
        let (burned, forfeitedCommission) = (wide(observed.burned), wide(forfeited));
        self.events.tell(self.at.staking, Staking::Slashed { nodeId: wide(node), bps, burned, forfeitedCommission });
        if observed.burned != 0 {
            self.floe.burn(&mut self.events, self.at.staking, observed.burned);
        }
        self.drop_if_too_small(node, observed);
        Ok(())
    }

    pub(crate) fn lower_reward(&mut self, by: Address, node: u64, bps: u16) -> Ruling<()> {
        self.only(by, self.stakes.auditor)?;
        let epoch = self.epoch();
        let weight = u128::from(self.weight_in(epoch, node));
        let pool = self.pool(node)?;
        let (current, got) = (weight * u128::from(pool.reward_bps), weight * u128::from(bps));
        if got >= current {
            return refuse(Staking::RewardNotLower { current: wide(current), got: wide(got) });
        }
        pool.reward_bps = bps;
        self.events.tell(self.at.staking, Staking::RewardLowered { nodeId: wide(node), epoch, bps });
        Ok(())
    }

    /// Shares out what the finished epoch earned; then stake joins and leaves.
    pub(crate) fn begin_stakes(&mut self, epoch: u32, paid: u128) {
        let total = paid + self.stakes.carried;
        let whole = u128::from(self.rules.shards) * u128::from(WHOLE);
        let per_bps = if epoch == 1 { 0 } else { (total << 64) / whole };
        let mut due = 0;
        let finished = epoch - 1;
        for member in self.committees.get(&finished).map_or(Vec::new(), |committee| committee.members.clone()) {
            let pool = self.stakes.pools.get_mut(&member.node).expect("a member has a pool");
            let entitled = u128::from(member.weight) * u128::from(pool.reward_bps);
            due += entitled;
            let reward = entitled as f64 * per_bps as f64 / 2_f64.powi(64);
            let stake = self.stakes.stake_in(member.node, finished) as f64;
            let pool = self.stakes.pools.get_mut(&member.node).expect("a member has a pool");
            let commission = if stake == 0.0 { reward } else { reward * f64::from(pool.commission_bps) / 10_000.0 };
            pool.commission += commission;
            pool.unpaid_epochs += 1;
            let index = pool.index;
            for position in self.stakes.positions.values_mut() {
                if position.node == member.node && position.in_force(finished) {
                    let entered = position.entered.expect("in force");
                    let value = position.principal as f64 * index as f64 / entered as f64;
                    position.earned += (reward - commission) * value / stake;
                    position.unpaid_epochs += 1;
                }
            }
        }
        // What is set aside is rounded up, so that it suffices however the pools add their parts up.
        let shared = (U256::from(per_bps) * U256::from(due)).div_ceil(U256::from(1_u128 << 64));
        let carried = total - shared.to::<u128>();
        self.stakes.carried = carried;
        let event = Staking::RewardsShared { newEpoch: epoch, paid: wide(paid), carried: wide(carried) };
        self.events.tell(self.at.staking, event);

        for pool in self.stakes.pools.values_mut() {
            pool.reward_bps = WHOLE;
            if let Some((bps, _)) = pool.next_commission.take_if(|(_, from)| *from <= epoch) {
                pool.commission_bps = bps;
            }
        }
        for position in self.stakes.positions.values_mut() {
            let index = self.stakes.pools[&position.node].index;
            if position.activation == epoch {
                position.entered = Some(index);
            }
            if position.withdraw == Some(epoch) {
                position.left = Some(index);
            }
        }
    }

    /// Whether a node has enough for the next committee. Where rounding decides, what was observed is right.
    fn enough(&self, node: u64, observed: bool) -> bool {
        let (stake, least) = (self.stakes.stake_in(node, self.next_open()), self.stakes.least());
        let slack = self.stakes.slack(node);
        if slack != 0 && stake.abs_diff(least) <= slack { observed } else { stake >= least }
    }

    fn drop_if_too_small(&mut self, node: u64, observed: Observed) {
        if self.stakes.pools[&node].active && !self.enough(node, !observed.dropped) {
            self.stakes.pools.get_mut(&node).expect("known").active = false;
            self.events.tell(self.at.staking, Staking::NodeDeactivated { nodeId: wide(node) });
        }
    }

    fn activate(&mut self, node: u64) {
        self.stakes.pools.get_mut(&node).expect("known").active = true;
        self.events.tell(self.at.staking, Staking::NodeActivated { nodeId: wide(node) });
    }
}

/// What the contracts paid is what is due, but for less than a unit for each epoch and one for the payment.
pub(crate) fn near(what: &str, got: u128, expected: f64, epochs: u32) {
    let missing = expected - got as f64;
    assert!(missing.abs() <= 2.0 + f64::from(epochs), "{what}: {got}, not {expected} after {epochs} epochs");
}

fn too_small(got: u128, min: u128) -> Ruling<()> {
    if got < min { refuse(Staking::StakeTooSmall { got: wide(got), min: wide(min) }) } else { Ok(()) }
}
