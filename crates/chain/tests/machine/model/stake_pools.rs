//! The pool of one node: its stake in shares, and the rewards of a share.
//!
//! All division rounds down. What joins in one epoch becomes shares as one sum, and what leaves in one epoch is worth what
//! its shares are together. Rewards are rounded when a pool is brought up to date, which whoever touches it does: once
//! for each of the two epochs after the last time, and once for all later ones together.

use std::collections::BTreeMap;

use alloy::primitives::U256;

use super::WHOLE;

/// The value of a share of a pool that was never slashed; and the least. 95 fractional bits.
pub(crate) const ONE: u128 = 1 << 95;
pub(crate) const LEAST_INDEX: u128 = ONE >> 24;

/// What a share was worth and had earned when an epoch began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) per_share: U256,
    pub(crate) index: u128,
}

#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// stake and shares in force
    pub(crate) balance: u128,
    pub(crate) shares: u128,
    /// value of a share
    pub(crate) index: u128,
    /// rewards of a share since ever, 96 fractional bits
    pub(crate) per_share: U256,
    /// the epoch that it was brought up to
    pub(crate) settled: u32,
    /// stake that joins, by epoch
    pub(crate) joining: BTreeMap<u32, u128>,
    /// shares that leave, by epoch
    pub(crate) leaving: BTreeMap<u32, u128>,
    /// stake that leaves one epoch after it has joined, by the epoch in which it leaves
    pub(crate) leaving_early: BTreeMap<u32, u128>,
    pub(crate) marks: BTreeMap<u32, Mark>,
    pub(crate) commission_bps: u16,
    pub(crate) next_commission: Option<(u16, u32)>,
    pub(crate) commission: u128,
    /// a candidate for the next committee
    pub(crate) active: bool,
    /// shards of this epoch
    pub(crate) weight: u16,
    /// what it keeps of this epoch's reward
    pub(crate) reward_bps: u16,
}

impl Pool {
    pub(crate) fn new(epoch: u32, commission_bps: u16) -> Self {
        Self {
            balance: 0,
            shares: 0,
            index: ONE,
            per_share: U256::ZERO,
            settled: epoch,
            joining: BTreeMap::new(),
            leaving: BTreeMap::new(),
            leaving_early: BTreeMap::new(),
            marks: BTreeMap::new(),
            commission_bps,
            next_commission: None,
            commission: 0,
            active: false,
            weight: 0,
            reward_bps: WHOLE,
        }
    }

    /// Brings it up to an epoch. `rewards`: of a basis point of a shard, of all epochs before each, 64 fractional bits.
    pub(crate) fn settle(&mut self, epoch: u32, rewards: &BTreeMap<u32, U256>) {
        let apart = self.settled + 2;
        while self.settled < epoch {
            let next = if self.settled < apart { self.settled + 1 } else { epoch };
            self.share_out(rewards[&next] - rewards[&self.settled]);
            if let Some((bps, _)) = self.next_commission.take_if(|(_, from)| *from <= next) {
                self.commission_bps = bps;
            }
            self.move_stake(next);
            self.settled = next;
            self.marks.insert(next, Mark { per_share: self.per_share, index: self.index });
        }
    }

    fn share_out(&mut self, reward_of_bps: U256) {
        let entitled = U256::from(self.weight) * U256::from(self.reward_bps);
        let reward = ((entitled * reward_of_bps) >> 64_usize).to::<u128>();
        let for_node = reward * u128::from(self.commission_bps) / u128::from(WHOLE);
        let for_node = if self.shares == 0 { reward } else { for_node };
        self.commission += for_node;
        if self.shares != 0 {
            self.per_share += (U256::from(reward - for_node) << 96_usize) / U256::from(self.shares);
        }
    }

    fn move_stake(&mut self, epoch: u32) {
        let joining = self.joining.remove(&epoch).unwrap_or(0);
        let leaving = self.leaving.remove(&epoch).unwrap_or(0);
        self.balance = self.balance + joining - to_stake(leaving, self.index);
        self.shares = self.shares + to_shares(joining, self.index) - leaving;
        if let Some(early) = self.leaving_early.remove(&(epoch + 1)) {
            *self.leaving.entry(epoch + 1).or_default() += to_shares(early, self.index);
        }
    }

    /// The stake in a later epoch, as far as it is known.
    pub(crate) fn stake_at(&self, epoch: u32) -> u128 {
        let joining: u128 = self.joining.range(..=epoch).map(|(_, stake)| stake).sum();
        let leaving: u128 = self.leaving.range(..=epoch).map(|(_, shares)| shares).sum();
        let early: u128 = self.leaving_early.range(..=epoch).map(|(_, stake)| to_shares(*stake, self.index)).sum();
        self.balance + joining - to_stake(leaving + early, self.index)
    }

    /// Shares that are in no committee's way leave at once.
    pub(crate) fn take_out(&mut self, shares: u128) -> u128 {
        let stake = to_stake(shares, self.index);
        self.balance -= stake;
        self.shares -= shares;
        stake
    }
}

pub(crate) fn to_shares(stake: u128, index: u128) -> u128 {
    (U256::from(stake) * U256::from(ONE) / U256::from(index)).to()
}

pub(crate) fn to_stake(shares: u128, index: u128) -> u128 {
    (U256::from(shares) * U256::from(index) / U256::from(ONE)).to()
}
