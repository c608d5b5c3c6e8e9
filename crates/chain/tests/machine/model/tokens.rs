//! ERC-20 and ERC-721 as their holders see them.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, U256};

use super::{Events, Ruling, refuse};
use crate::bindings::{Storage, TestStablecoin};

/// An ERC-20.
#[derive(Clone, Debug)]
pub(crate) struct Coins {
    pub(crate) at: Address,
    pub(crate) supply: u128,
    balances: BTreeMap<Address, u128>,
    allowances: BTreeMap<(Address, Address), U256>,
}

impl Coins {
    pub(crate) fn new(at: Address) -> Self {
        Self { at, supply: 0, balances: BTreeMap::new(), allowances: BTreeMap::new() }
    }

    pub(crate) fn balance(&self, of: Address) -> u128 {
        self.balances.get(&of).copied().unwrap_or(0)
    }

    pub(crate) fn allowance(&self, owner: Address, spender: Address) -> U256 {
        self.allowances.get(&(owner, spender)).copied().unwrap_or(U256::ZERO)
    }

    /// Coins from nowhere, told to nobody.
    pub(crate) fn grant(&mut self, to: Address, amount: u128) {
        self.supply += amount;
        *self.balances.entry(to).or_default() += amount;
    }

    pub(crate) fn mint(&mut self, events: &mut Events, to: Address, amount: u128) {
        self.grant(to, amount);
        self.tell(events, Address::ZERO, to, amount);
    }

    pub(crate) fn burn(&mut self, events: &mut Events, from: Address, amount: u128) {
        self.supply -= amount;
        *self.balances.entry(from).or_default() -= amount;
        self.tell(events, from, Address::ZERO, amount);
    }

    pub(crate) fn approve(&mut self, events: &mut Events, owner: Address, spender: Address, value: U256) {
        self.allowances.insert((owner, spender), value);
        events.tell(self.at, TestStablecoin::Approval { owner, spender, value });
    }

    pub(crate) fn transfer(&mut self, events: &mut Events, from: Address, to: Address, amount: u128) -> Ruling<()> {
        let balance = self.balance(from);
        if balance < amount {
            return refuse(TestStablecoin::ERC20InsufficientBalance {
                sender: from,
                balance: U256::from(balance),
                needed: U256::from(amount),
            });
        }
        *self.balances.entry(from).or_default() -= amount;
        *self.balances.entry(to).or_default() += amount;
        self.tell(events, from, to, amount);
        Ok(())
    }

    /// `spender` moves coins of `from` to itself.
    pub(crate) fn take(&mut self, events: &mut Events, spender: Address, from: Address, amount: u128) -> Ruling<()> {
        let (allowance, needed) = (self.allowance(from, spender), U256::from(amount));
        if allowance < needed {
            return refuse(TestStablecoin::ERC20InsufficientAllowance { spender, allowance, needed });
        }
        if allowance != U256::MAX {
            self.allowances.insert((from, spender), allowance - needed);
        }
        self.transfer(events, from, spender, amount)
    }

    fn tell(&self, events: &mut Events, from: Address, to: Address, amount: u128) {
        events.tell(self.at, TestStablecoin::Transfer { from, to, value: U256::from(amount) });
    }
}

/// What an ERC-721 is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Title {
    Resource,
    Blob,
    Pool,
}

/// An ERC-721.
#[derive(Clone, Debug)]
pub(crate) struct Deeds {
    pub(crate) at: Address,
    /// Numbers given so far.
    pub(crate) count: u64,
    pub(crate) owners: BTreeMap<u64, Address>,
    approved: BTreeMap<u64, Address>,
    operators: BTreeSet<(Address, Address)>,
}

impl Deeds {
    pub(crate) fn new(at: Address) -> Self {
        let (owners, approved) = (BTreeMap::new(), BTreeMap::new());
        Self { at, count: 0, owners, approved, operators: BTreeSet::new() }
    }

    pub(crate) fn owned(&self, owner: Address) -> usize {
        self.owners.values().filter(|other| **other == owner).count()
    }

    pub(crate) fn create(&mut self, events: &mut Events, to: Address) -> Ruling<u64> {
        if to == Address::ZERO {
            return refuse(Storage::ERC721InvalidReceiver { receiver: to });
        }
        self.count += 1;
        self.owners.insert(self.count, to);
        self.tell(events, Address::ZERO, to, self.count);
        Ok(self.count)
    }

    /// The owner, if `caller` may act for it.
    pub(crate) fn authorized(&self, caller: Address, id: u64) -> Ruling<Address> {
        let Some(&owner) = self.owners.get(&id) else {
            return refuse(Storage::ERC721NonexistentToken { tokenId: U256::from(id) });
        };
        let approved = self.approved.get(&id) == Some(&caller) && caller != Address::ZERO;
        if owner == caller || approved || self.operators.contains(&(owner, caller)) {
            return Ok(owner);
        }
        refuse(Storage::ERC721InsufficientApproval { operator: caller, tokenId: U256::from(id) })
    }

    pub(crate) fn end(&mut self, events: &mut Events, id: u64) {
        let owner = self.owners.remove(&id).expect("it exists");
        self.approved.remove(&id);
        self.tell(events, owner, Address::ZERO, id);
    }

    pub(crate) fn hand_over(&mut self, events: &mut Events, id: u64, to: Address) {
        let owner = self.owners.insert(id, to).expect("it exists");
        self.approved.remove(&id);
        self.tell(events, owner, to, id);
    }

    pub(crate) fn transfer(
        &mut self,
        events: &mut Events,
        caller: Address,
        from: Address,
        to: Address,
        id: u64,
    ) -> Ruling<()> {
        if to == Address::ZERO {
            return refuse(Storage::ERC721InvalidReceiver { receiver: to });
        }
        let owner = self.authorized(caller, id)?;
        self.hand_over(events, id, to);
        if owner != from {
            return refuse(Storage::ERC721IncorrectOwner { sender: from, tokenId: U256::from(id), owner });
        }
        Ok(())
    }

    pub(crate) fn approve(&mut self, events: &mut Events, caller: Address, to: Address, id: u64) -> Ruling<()> {
        let token = U256::from(id);
        let Some(&owner) = self.owners.get(&id) else {
            return refuse(Storage::ERC721NonexistentToken { tokenId: token });
        };
        if owner != caller && !self.operators.contains(&(owner, caller)) {
            return refuse(Storage::ERC721InvalidApprover { approver: caller });
        }
        self.approved.insert(id, to);
        events.tell(self.at, Storage::Approval { owner, approved: to, tokenId: token });
        Ok(())
    }

    pub(crate) fn approve_all(
        &mut self,
        events: &mut Events,
        owner: Address,
        operator: Address,
        approved: bool,
    ) -> Ruling<()> {
        if operator == Address::ZERO {
            return refuse(Storage::ERC721InvalidOperator { operator });
        }
        if approved {
            self.operators.insert((owner, operator));
        } else {
            self.operators.remove(&(owner, operator));
        }
        events.tell(self.at, Storage::ApprovalForAll { owner, operator, approved });
        Ok(())
    }

    fn tell(&self, events: &mut Events, from: Address, to: Address, id: u64) {
        events.tell(self.at, Storage::Transfer { from, to, tokenId: U256::from(id) });
    }
}
