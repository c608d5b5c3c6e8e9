//! Storage resources: bought, cut, joined, given up.

use alloy::primitives::{Address, U256};

use super::ledger::{Bought, Order};
use super::{Model, Ruling, refuse, units, wide};
use crate::bindings::Storage;

/// Most bytes of one resource.
pub(crate) const MOST: u64 = (1 << 48) - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) size: u64,
}

/// Who pays for an order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payer {
    Allowance(Address),
    Deposits,
}

/// Which way two resources may be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fusion {
    Either,
    Periods,
    Amount,
}

impl Model {
    pub(crate) fn reserve(&mut self, by: Address, size: u64, epochs: u32, max_cost: U256) -> Ruling<u64> {
        self.reserve_from(by, size, 0, epochs, max_cost)
    }

    pub(crate) fn reserve_for(&mut self, by: Address, size: u64, start: u32, end: u32, max_cost: U256) -> Ruling<u64> {
        let start = start.max(self.epoch());
        if end <= start {
            return refuse(Storage::EndNotAfterStart { start, end });
        }
        self.reserve_from(by, size, start, end - start, max_cost)
    }

    fn reserve_from(&mut self, by: Address, size: u64, start: u32, epochs: u32, max_cost: U256) -> Ruling<u64> {
        if size == 0 || size > MOST {
            return refuse(Storage::SizeOutOfRange { got: wide(size), max: wide(MOST) });
        }
        let order = Order { size, units: units(size), start, epochs, write_units: 0 };
        let bought = self.ledger.buy(order)?;
        agreed(bought.cost, max_cost)?;
        let id = self.make(by, Resource { start: bought.start, end: bought.end, size })?;
        self.collect(by, bought.cost)?;
        Ok(id)
    }

    /// What blobs buy.
    pub(crate) fn purchase(&mut self, payer: Payer, order: Order, max_cost: U256) -> Ruling<Bought> {
        let bought = self.ledger.buy(order)?;
        agreed(bought.cost, max_cost)?;
        match payer {
            Payer::Allowance(account) => self.collect(account, bought.cost)?,
            Payer::Deposits => self.ledger.deposits -= bought.cost,
        }
        Ok(bought)
    }

    /// What blobs take out of a resource; all of it without a size.
    pub(crate) fn take(&mut self, by: Address, id: u64, size: Option<u64>) -> Ruling<Resource> {
        self.deeds.authorized(by, id)?;
        let whole = self.resources[&id];
        let size = size.unwrap_or(whole.size);
        if size > whole.size {
            return refuse(Storage::ResourceTooSmall { got: wide(size), size: wide(whole.size) });
        }
        if size == whole.size {
            self.end(id);
        } else {
            self.change(id, Resource { size: whole.size - size, ..whole });
        }
        Ok(Resource { size, ..whole })
    }

    pub(crate) fn split_by_epoch(&mut self, by: Address, id: u64, epoch: u32) -> Ruling<u64> {
        let owner = self.deeds.authorized(by, id)?;
        let whole = self.resources[&id];
        if epoch <= whole.start || epoch >= whole.end {
            return refuse(Storage::SplitOutOfRange { epoch, start: whole.start, end: whole.end });
        }
        let later = self.make(owner, Resource { start: epoch, ..whole })?;
        self.change(id, Resource { end: epoch, ..whole });
        Ok(later)
    }

    pub(crate) fn split_by_size(&mut self, by: Address, id: u64, size: u64) -> Ruling<u64> {
        let owner = self.deeds.authorized(by, id)?;
        let whole = self.resources[&id];
        if size == 0 || size >= whole.size {
            return refuse(Storage::ResourceTooSmall { got: wide(size), size: wide(whole.size) });
        }
        let rest = self.make(owner, Resource { size: whole.size - size, ..whole })?;
        self.change(id, Resource { size, ..whole });
        Ok(rest)
    }

    pub(crate) fn fuse(&mut self, by: Address, how: Fusion, first: u64, second: u64) -> Ruling<()> {
        let not_fusible = || refuse(Storage::NotFusible { first: wide(first), second: wide(second) });
        if first == second {
            return not_fusible();
        }
        self.deeds.authorized(by, first)?;
        self.deeds.authorized(by, second)?;
        let (a, b) = (self.resources[&first], self.resources[&second]);
        let touch = a.size == b.size && (a.end == b.start || b.end == a.start);
        let whole = if how != Fusion::Amount && touch {
            Resource { start: a.start.min(b.start), end: a.end.max(b.end), size: a.size }
        } else if how != Fusion::Periods && (a.start, a.end) == (b.start, b.end) {
            if a.size + b.size > MOST {
                return refuse(Storage::SizeOutOfRange { got: wide(a.size + b.size), max: wide(MOST) });
            }
            Resource { size: a.size + b.size, ..a }
        } else {
            return not_fusible();
        };
        self.end(second);
        self.change(first, whole);
        Ok(())
    }

    pub(crate) fn destroy(&mut self, by: Address, id: u64) -> Ruling<()> {
        self.deeds.authorized(by, id)?;
        let whole = self.resources[&id];
        self.ledger.give_up(whole.start, whole.end, whole.size);
        self.end(id);
        Ok(())
    }

    pub(crate) fn subsidize(&mut self, by: Address, amounts: &[u128], spread: Option<u32>) -> Ruling<()> {
        let epochs = spread.unwrap_or_else(|| u32::try_from(amounts.len()).expect("a short list"));
        let max = self.ledger.max_ahead;
        if epochs == 0 || epochs > max {
            return refuse(Storage::EpochsAheadOutOfRange { got: epochs, max });
        }
        let total: u128 = amounts.iter().sum();
        for ahead in 0..epochs {
            let amount = match spread {
                // In equal parts, what does not divide for the first.
                Some(_) if ahead == 0 => total / u128::from(epochs) + total % u128::from(epochs),
                Some(_) => total / u128::from(epochs),
                None => amounts[usize::try_from(ahead).expect("a short list")],
            };
            self.ledger.give(ahead, amount);
        }
        let (from, firstEpoch, amount) = (by, self.ledger.epoch, wide(total));
        self.events.tell(self.at.storage, Storage::SubsidyAdded { from, firstEpoch, epochs, amount });
        self.collect(by, total)
    }

    pub(crate) fn collect(&mut self, payer: Address, amount: u128) -> Ruling<()> {
        self.money.take(&mut self.events, self.at.storage, payer, amount)
    }

    /// Hands deposited money out; to the nodes of this epoch without an account.
    pub(crate) fn release(&mut self, to: Option<Address>, amount: u128) -> Ruling<()> {
        self.ledger.deposits -= amount;
        match to {
            Some(to) => self.money.transfer(&mut self.events, self.at.storage, to, amount),
            None => {
                self.ledger.give(0, amount);
                Ok(())
            }
        }
    }

    pub(crate) fn make(&mut self, to: Address, made: Resource) -> Ruling<u64> {
        let id = self.deeds.create(&mut self.events, to)?;
        self.change(id, made);
        Ok(id)
    }

    fn change(&mut self, id: u64, changed: Resource) {
        self.resources.insert(id, changed);
        let Resource { start, end, size } = changed;
        self.events.tell(self.at.storage, Storage::ResourceChanged { resourceId: wide(id), start, end, size });
    }

    fn end(&mut self, id: u64) {
        self.resources.remove(&id);
        self.deeds.end(&mut self.events, id);
    }
}

fn agreed(cost: u128, max: U256) -> Ruling<()> {
    if wide(cost) > max { refuse(Storage::PaymentTooSmall { cost: wide(cost), max }) } else { Ok(()) }
}
