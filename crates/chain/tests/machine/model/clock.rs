//! The clock: when committees are selected, when epochs begin, when a change is complete.

use alloy::primitives::Address;

use super::ledger::Terms;
use super::nodes::Votes;
use super::seats::{self, Committee, Member};
use super::{Model, Ruling, refuse, wide};
use crate::bindings::{Committee as CommitteeContract, Epochs, Storage};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Genesis,
    Sync,
    Done,
    Selected,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    pub(crate) epoch: u32,
    pub(crate) phase: Phase,
    pub(crate) started_at: u64,
    pub(crate) done_at: u64,
    pub(crate) reported: Vec<u64>,
    pub(crate) synced: u16,
    pub(crate) next_terms: Terms,
}

impl Model {
    pub(crate) fn selected(&self) -> bool {
        // At the launch the first committee is selected and takes over in one step.
        self.clock.phase == Phase::Selected
    }

    pub(crate) fn launch(&mut self, by: Address) -> Ruling<()> {
        self.only(by, self.rules.launcher)?;
        self.in_phase(Phase::Genesis)?;
        self.choose()?;
        self.begin()?;
        self.finish();
        Ok(())
    }

    /// When the step out of this phase is due.
    pub(crate) fn due_at(&self) -> u64 {
        let (clock, duration) = (&self.clock, self.rules.duration);
        match clock.phase {
            Phase::Genesis => 0,
            Phase::Sync => clock.started_at + duration,
            Phase::Done => clock.done_at + duration / 2,
            Phase::Selected => clock.done_at + duration,
        }
    }

    pub(crate) fn select_next(&mut self) -> Ruling<()> {
        self.due(Phase::Done)?;
        self.choose()?;
        self.clock.phase = Phase::Selected;
        Ok(())
    }

    pub(crate) fn begin_next(&mut self) -> Ruling<()> {
        self.due(Phase::Selected)?;
        self.begin()
    }

    pub(crate) fn end_sync(&mut self) -> Ruling<()> {
        self.due(Phase::Sync)?;
        self.finish();
        Ok(())
    }

    pub(crate) fn report(&mut self, by: Address, epoch: u32) -> Ruling<()> {
        let current = self.epoch();
        if current == 0 {
            return refuse(Epochs::WrongPhase { expected: 1, got: 0 });
        }
        if epoch != current {
            return refuse(Epochs::WrongEpoch { expected: current, got: epoch });
        }
        let node = self.node_of(by);
        let weight = node.map_or(0, |node| self.committees[&epoch].weight(node));
        let node = node.unwrap_or(0);
        if weight == 0 {
            return refuse(Epochs::NotMember { account: by, nodeId: wide(node) });
        }
        if self.clock.reported.contains(&node) {
            return refuse(Epochs::AlreadySynced { nodeId: wide(node) });
        }
        self.clock.reported.push(node);
        self.clock.synced += weight;
        let event = Epochs::ShardsReceived { epoch, nodeId: wide(node), shards: wide(weight) };
        self.events.tell(self.at.epochs, event);
        if self.clock.phase == Phase::Sync && self.clock.synced >= self.rules.quorum() {
            self.finish();
        }
        Ok(())
    }

    fn in_phase(&self, expected: Phase) -> Ruling<()> {
        let got = self.clock.phase;
        if got == expected {
            return Ok(());
        }
        refuse(Epochs::WrongPhase { expected: expected as u8, got: got as u8 })
    }

    fn due(&self, phase: Phase) -> Ruling<()> {
        self.in_phase(phase)?;
        let (due, timestamp) = (self.due_at(), self.now);
        if timestamp < due {
            return refuse(Epochs::TooEarly { dueAt: due, timestamp });
        }
        Ok(())
    }

    fn finish(&mut self) {
        (self.clock.phase, self.clock.done_at) = (Phase::Done, self.now);
        let (epoch, doneAt, synced) = (self.epoch(), self.now, self.clock.synced);
        self.events.tell(self.at.epochs, Epochs::EpochChangeDone { epoch, doneAt, synced });
    }

    /// Fixes the next committee and its terms.
    fn choose(&mut self) -> Ruling<()> {
        let (epoch, least) = (self.epoch() + 1, self.stakes.least());
        let mut candidates = Vec::new();
        for (node, pool) in &self.stakes.pools {
            let stake = pool.stake_at(epoch);
            if pool.active && stake >= least {
                candidates.push((*node, stake));
            }
        }
        if candidates.is_empty() {
            return refuse(Epochs::NoCandidates {});
        }
        let weights =
            seats::apportion(&candidates.iter().map(|(_, stake)| *stake).collect::<Vec<_>>(), self.rules.shards);
        let mut members = Vec::new();
        for ((id, _), weight) in candidates.into_iter().zip(weights) {
            if weight != 0 {
                let node = self.nodes.get_mut(&id).expect("registered");
                node.key = node.next_key.take().unwrap_or(node.key);
                members.push(Member { node: id, weight, key: node.key });
            }
        }
        let before = self.committees.get(&self.epoch());
        let owners = seats::assign(before, &members);
        let count = wide(members.len() as u64);
        self.events.tell(self.at.committee, CommitteeContract::CommitteeSelected { epoch, members: count });
        let votes: Vec<Votes> = members.iter().map(|member| self.nodes[&member.node].votes).collect();
        let terms = seats::terms(&members, &votes, self.rules.shards, self.rules.quorum());
        self.committees.insert(epoch, Committee { members, owners });
        self.clock.next_terms = terms;
        let event = Epochs::EpochParametersSelected {
            nextEpoch: epoch,
            capacity: terms.capacity,
            storagePrice: wide(terms.storage_price).to(),
            writePrice: wide(terms.write_price).to(),
        };
        self.events.tell(self.at.epochs, event);
        Ok(())
    }

    /// The next committee takes over; the finished epoch's money goes to the last one and those who staked with it.
    fn begin(&mut self) -> Ruling<()> {
        let (finished, epoch) = (self.epoch(), self.epoch() + 1);
        let terms = std::mem::take(&mut self.clock.next_terms);
        self.clock = Clock { epoch, phase: Phase::Sync, started_at: self.now, ..Clock::default() };
        let bucket = self.ledger.close(terms);
        self.events.tell(
            self.at.storage,
            Storage::EpochClosed {
                epoch: finished,
                money: wide(bucket.money),
                paid: wide(bucket.money),
                burned: wide(0_u8),
                usedBytes: bucket.used,
            },
        );
        let Terms { capacity, storage_price, write_price } = self.ledger.terms;
        let (storagePrice, writePrice) = (wide(storage_price), wide(write_price));
        self.events.tell(self.at.storage, Storage::PricesUpdated { epoch, capacity, storagePrice, writePrice });
        if bucket.money != 0 {
            self.money.transfer(&mut self.events, self.at.storage, self.at.staking, bucket.money)?;
        }
        self.begin_stakes(epoch, bucket.money);
        self.events.tell(self.at.epochs, Epochs::EpochChangeStarted { epoch, startedAt: self.now });
        self.committees.retain(|of, _| of + 1 >= epoch);
        Ok(())
    }
}
