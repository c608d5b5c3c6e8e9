//! Operations on resources, and gifts.

use alloy::primitives::{Address, U256};

use crate::bindings::Storage;
use crate::machine::driver::Driver;
use crate::machine::model::storage::{Fusion, MOST, Resource};
use crate::machine::operations::Draw;
use crate::machine::world::MAX_AHEAD;

impl Driver {
    /// Bytes that somebody would like to have: those of some blob, of several, or any number.
    pub(super) fn bytes(&self, draw: &mut Draw) -> u64 {
        let size = self.size(draw);
        let length = self.model.length(size).unwrap_or(1);
        match draw.below(20) {
            0 => 0,
            1 => draw.pick(&[MOST, MOST + 1, u64::MAX]),
            2..=9 => length,
            10..=14 => length * (2 + draw.below(3)),
            _ => 1 + draw.below(24 << 20),
        }
    }

    /// How many epochs, mostly as many as can be bought.
    pub(super) fn epochs(draw: &mut Draw) -> u32 {
        match draw.below(20) {
            0 => 0,
            1 => MAX_AHEAD + 1 + draw.small(3),
            _ => 1 + draw.small(MAX_AHEAD),
        }
    }

    pub(super) fn reserve(&mut self, draw: &mut Draw) {
        let (by, size, epochs, maxCost) = (self.user(draw), self.bytes(draw), Self::epochs(draw), Self::max_cost(draw));
        let call = Storage::reserveCall { size, epochs, maxCost };
        self.act(by, self.model.at.storage, call, |model| model.reserve(by, size, epochs, maxCost));
    }

    /// A resource that the filter lets pass, mostly.
    pub(super) fn resource_that(&self, draw: &mut Draw, fits: impl Fn(&Resource) -> bool) -> u64 {
        let fitting: Vec<_> = self.model.resources.iter().filter(|(_, r)| fits(r)).map(|(id, _)| *id).collect();
        if fitting.is_empty() || draw.percent(15) { self.resource(draw) } else { draw.pick(&fitting) }
    }

    /// Buys what somebody is going to need.
    pub(super) fn reserve_window(&mut self, by: Address, size: u64, start: u32, end: u32) -> Option<u64> {
        let call = Storage::reserveForEpochsCall { size, start, end, maxCost: U256::MAX };
        self.act(by, self.model.at.storage, call, |model| model.reserve_for(by, size, start, end, U256::MAX))
    }

    pub(super) fn reserve_for(&mut self, draw: &mut Draw) {
        let (by, size, maxCost) = (self.user(draw), self.bytes(draw), Self::max_cost(draw));
        let start = (self.model.epoch() + draw.small(7)).saturating_sub(1);
        let end = (start + draw.small(7)).saturating_sub(u32::from(draw.percent(5)));
        let call = Storage::reserveForEpochsCall { size, start, end, maxCost };
        self.act(by, self.model.at.storage, call, |model| model.reserve_for(by, size, start, end, maxCost));
    }

    pub(super) fn split_by_epoch(&mut self, draw: &mut Draw) {
        let id = self.resource(draw);
        let by = self.mostly(draw, self.model.deeds.owners.get(&id).copied());
        let (start, long) = self.model.resources.get(&id).map_or((1, 1), |r| (r.start, r.end - r.start));
        let epoch = start + draw.small(long + 1);
        let call = Storage::splitByEpochCall { resourceId: U256::from(id), epoch };
        self.act(by, self.model.at.storage, call, |model| model.split_by_epoch(by, id, epoch));
    }

    pub(super) fn split_by_size(&mut self, draw: &mut Draw) {
        let id = self.resource(draw);
        let by = self.mostly(draw, self.model.deeds.owners.get(&id).copied());
        let whole = self.model.resources.get(&id).map_or(1, |r| r.size);
        let size = match draw.below(10) {
            0 => draw.pick(&[0, whole, whole + 1]),
            1..=5 => self.model.length(self.size(draw)).unwrap_or(1),
            _ => draw.below(whole),
        };
        let call = Storage::splitBySizeCall { resourceId: U256::from(id), size };
        self.act(by, self.model.at.storage, call, |model| model.split_by_size(by, id, size));
    }

    pub(super) fn fuse(&mut self, draw: &mut Draw) {
        let first = self.resource(draw);
        // Mostly one that fits, if there is one.
        let fits = self.model.resources.get(&first).and_then(|a| {
            let owner = self.model.deeds.owners[&first];
            let fitting: Vec<_> = self
                .model
                .resources
                .iter()
                .filter(|(id, b)| {
                    **id != first
                        && self.model.deeds.owners[*id] == owner
                        && ((a.start, a.end) == (b.start, b.end)
                            || a.size == b.size && (a.end == b.start || b.end == a.start))
                })
                .map(|(id, _)| *id)
                .collect();
            if fitting.is_empty() { None } else { Some(draw.pick(&fitting)) }
        });
        let second = match fits {
            Some(second) if draw.percent(85) => second,
            _ if draw.percent(10) => first,
            _ => self.resource(draw),
        };
        let by = self.mostly(draw, self.model.deeds.owners.get(&first).copied());
        let (a, b, at) = (U256::from(first), U256::from(second), self.model.at.storage);
        match draw.below(4) {
            0 => {
                let call = Storage::fusePeriodsCall { first: a, second: b };
                self.act(by, at, call, |model| model.fuse(by, Fusion::Periods, first, second));
            }
            1 => {
                let call = Storage::fuseAmountCall { first: a, second: b };
                self.act(by, at, call, |model| model.fuse(by, Fusion::Amount, first, second));
            }
            _ => {
                let call = Storage::fuseCall { first: a, second: b };
                self.act(by, at, call, |model| model.fuse(by, Fusion::Either, first, second));
            }
        }
    }

    pub(super) fn destroy(&mut self, draw: &mut Draw) {
        let id = self.resource(draw);
        let by = self.mostly(draw, self.model.deeds.owners.get(&id).copied());
        let call = Storage::destroyCall { resourceId: U256::from(id) };
        self.act(by, self.model.at.storage, call, |model| model.destroy(by, id));
    }

    pub(super) fn subsidize(&mut self, draw: &mut Draw) {
        let (by, at) = (self.user(draw), self.model.at.storage);
        let amount = u128::from(draw.below(100_000));
        let total = U256::from(amount);
        match draw.below(3) {
            0 => {
                let call = Storage::addToCurrentCall { amount: total };
                self.act(by, at, call, |model| model.subsidize(by, &[amount], Some(1)));
            }
            1 => {
                let epochs = Self::epochs(draw);
                let call = Storage::addSubsidyCall { amount: total, epochs };
                self.act(by, at, call, |model| model.subsidize(by, &[amount], Some(epochs)));
            }
            _ => {
                let amounts: Vec<_> = (0..Self::epochs(draw)).map(|_| u128::from(draw.below(20_000))).collect();
                let call =
                    Storage::addPerEpochSubsidiesCall { amounts: amounts.iter().map(|a| U256::from(*a)).collect() };
                self.act(by, at, call, |model| model.subsidize(by, &amounts, None));
            }
        }
    }
}
