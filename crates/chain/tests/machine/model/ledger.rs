//! For each epoch: how many bytes are reserved in it, and how much money is kept for it.

use std::collections::BTreeMap;

use super::{Ruling, WHOLE, refuse, wide};
use crate::bindings::Storage;

/// Prices and capacity move by this part of themselves at most at a change of epoch.
const STEP_BPS: u128 = 2_500;

/// One epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) used: u64,
    pub(crate) money: u128,
}

/// What the next committee wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) capacity: u64,
    pub(crate) storage_price: u128,
    pub(crate) write_price: u128,
}

/// What somebody buys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) size: u64,
    pub(crate) units: u64,
    pub(crate) start: u32,
    pub(crate) epochs: u32,
    pub(crate) write_units: u64,
}

/// What it came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bought {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) cost: u128,
}

#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) epoch: u32,
    pub(crate) max_ahead: u32,
    pub(crate) terms: Terms,
    pub(crate) buckets: BTreeMap<u32, Bucket>,
    /// money that blobs hold for themselves
    pub(crate) deposits: u128,
    /// bytes that nobody holds any more, but which stay accounted
    pub(crate) given_up: BTreeMap<u32, u64>,
}

impl Ledger {
    pub(crate) fn new(max_ahead: u32) -> Self {
        let (buckets, given_up) = (BTreeMap::new(), BTreeMap::new());
        Self { epoch: 0, max_ahead, terms: Terms::default(), buckets, deposits: 0, given_up }
    }

    pub(crate) fn bucket(&self, epoch: u32) -> Bucket {
        self.buckets.get(&epoch).copied().unwrap_or_default()
    }

    /// Reserves and charges at the prices in force. A start that has passed stands for now.
    pub(crate) fn buy(&mut self, order: Order) -> Ruling<Bought> {
        if self.epoch == 0 {
            return refuse(Storage::NotLaunched {});
        }
        let (max, start) = (self.max_ahead, order.start.max(self.epoch));
        let out_of_range = |got| refuse(Storage::EpochsAheadOutOfRange { got, max });
        if order.epochs > max {
            return out_of_range(order.epochs);
        }
        let end = start + order.epochs;
        if order.size != 0 {
            if order.epochs == 0 {
                return out_of_range(0);
            }
            if end - self.epoch > max {
                return out_of_range(end - self.epoch);
            }
            for epoch in start..end {
                let wanted = u128::from(self.bucket(epoch).used) + u128::from(order.size);
                if wanted > u128::from(self.terms.capacity) {
                    let (wanted, capacity) = (wide(wanted), self.terms.capacity);
                    return refuse(Storage::CapacityExceeded { epoch, wanted, capacity });
                }
            }
        }
        let each = self.terms.storage_price * u128::from(order.units);
        let writing = self.terms.write_price * u128::from(order.write_units);
        for epoch in start..end {
            let bucket = self.buckets.entry(epoch).or_default();
            bucket.used += order.size;
            bucket.money += each;
        }
        self.buckets.entry(self.epoch).or_default().money += writing;
        Ok(Bought { start, end, cost: each * u128::from(order.epochs) + writing })
    }

    /// Money for one epoch, so many from now.
    pub(crate) fn give(&mut self, ahead: u32, amount: u128) {
        self.buckets.entry(self.epoch + ahead).or_default().money += amount;
    }

    /// Bytes that their holder gave up until their end.
    pub(crate) fn give_up(&mut self, start: u32, end: u32, size: u64) {
        for epoch in start..end {
            *self.given_up.entry(epoch).or_default() += size;
        }
    }

    /// Takes the finished epoch out, and brings the votes into force: the first as they are, later ones by a step.
    pub(crate) fn close(&mut self, voted: Terms) -> Bucket {
        let finished = self.buckets.remove(&self.epoch).unwrap_or_default();
        let first = self.epoch == 0;
        self.epoch += 1;
        let old = self.terms;
        let moved = |old: u128, wanted: u128| if first { wanted } else { step(old, wanted) };
        let capacity = moved(old.capacity.into(), voted.capacity.into());
        let capacity = if first { capacity } else { capacity.max(self.bucket(self.epoch).used.into()) };
        self.terms = Terms {
            capacity: u64::try_from(capacity).expect("a step from 64 bits"),
            storage_price: moved(old.storage_price, voted.storage_price),
            write_price: moved(old.write_price, voted.write_price),
        };
        finished
    }

    /// All money that is kept for somebody.
    pub(crate) fn held(&self) -> u128 {
        self.buckets.values().map(|bucket| bucket.money).sum::<u128>() + self.deposits
    }
}

/// As near to `wanted` as a quarter of `old`, at least one unit, brings it.
fn step(old: u128, wanted: u128) -> u128 {
    let step = (old * STEP_BPS / u128::from(WHOLE)).max(1);
    wanted.clamp(old.saturating_sub(step), old + step)
}
