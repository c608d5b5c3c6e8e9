//! One operation after the other goes to the contracts and to the model, and they have to agree.

use std::collections::HashMap;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolError, SolEvent};
use blst::min_pk::SecretKey;

use super::evm::{Done, Evm};
use super::model::{Events, Model, Observed, Refusal, Ruling};
use crate::bindings::{Staking, TestStablecoin};
use crate::signing;

/// What the model says that a function returns.
pub(crate) trait Returned {
    /// The first words of it, as far as the model knows.
    fn words(&self) -> Vec<U256>;
}

impl Returned for () {
    fn words(&self) -> Vec<U256> {
        Vec::new()
    }
}

impl Returned for u64 {
    fn words(&self) -> Vec<U256> {
        vec![U256::from(*self)]
    }
}

impl Returned for u32 {
    fn words(&self) -> Vec<U256> {
        vec![U256::from(*self)]
    }
}

impl Returned for u128 {
    fn words(&self) -> Vec<U256> {
        vec![U256::from(*self)]
    }
}

impl Returned for (u64, u32) {
    fn words(&self) -> Vec<U256> {
        vec![U256::from(self.0), U256::from(self.1)]
    }
}

#[derive(Clone)]
pub(crate) struct Driver {
    pub(crate) evm: Evm,
    pub(crate) model: Model,
    /// Users, who hold money and FLOE.
    pub(crate) users: Vec<Address>,
    /// Accounts that run nodes or may do so.
    pub(crate) operators: Vec<Address>,
    keys: HashMap<u32, SecretKey>,
    /// What was done so far.
    trace: Vec<String>,
    /// Operations that went through, and that were refused.
    pub(crate) tally: (usize, usize),
}

impl Driver {
    pub(crate) fn new(evm: Evm, model: Model, users: Vec<Address>, operators: Vec<Address>) -> Self {
        Self { evm, model, users, operators, keys: HashMap::new(), trace: Vec::new(), tally: (0, 0) }
    }

    /// Forgets what led here.
    pub(crate) fn start(&mut self) {
        self.trace.clear();
        self.tally = (0, 0);
    }

    /// Sends a call, and has the model rule on it. Gives what the model returned if it went through.
    pub(crate) fn act<C: SolCall + std::fmt::Debug, T: Returned>(
        &mut self,
        by: Address,
        to: Address,
        call: C,
        rule: impl FnOnce(&mut Model, Observed) -> Ruling<T>,
    ) -> Option<T> {
        self.trace.push(format!("epoch {} {:?}: {by} {call:?}", self.model.epoch(), self.model.clock.phase));
        let sent = self.evm.send(by, to, &call);
        let observed = sent.as_ref().map_or(Observed::default(), |done| self.observe(done));
        let mut next = self.model.clone();
        next.events = Events::default();
        next.now = self.evm.timestamp;
        match (sent, rule(&mut next, observed)) {
            (Ok(done), Ok(returned)) => {
                self.same_events(&done, &next.events);
                let words: Vec<_> = done.output.chunks_exact(32).map(U256::from_be_slice).collect();
                let expected = returned.words();
                self.require(words.starts_with(&expected), || format!("returned {words:?}, not {expected:?}"));
                self.model = next;
                self.tally.0 += 1;
                self.check_coins(&[by, self.model.at.storage, self.model.at.staking]);
                Some(returned)
            }
            (Err(reason), Err(refusal)) => {
                let same = reason == refusal.bytes || self.nearly(&reason, &refusal);
                self.require(same, || format!("refused with {reason}, not {refusal:?} {}", refusal.bytes));
                self.tally.1 += 1;
                None
            }
            (Ok(_), Err(refusal)) => self.fail(&format!("went through, though the model refuses: {refusal:?}")),
            (Err(reason), Ok(_)) => self.fail(&format!("refused with {reason}, though the model allows it")),
        }
    }

    /// What the contracts round in their own way.
    fn observe(&self, done: &Done) -> Observed {
        let mut observed = Observed::default();
        for log in done.logs.iter().filter(|log| log.address == self.model.at.staking) {
            if let Ok(event) = Staking::RewardsClaimed::decode_log_data(&log.data) {
                observed.reward = event.amount.to();
            } else if let Ok(event) = Staking::CommissionCollected::decode_log_data(&log.data) {
                observed.reward = event.amount.to();
            } else if let Ok(event) = Staking::Slashed::decode_log_data(&log.data) {
                (observed.burned, observed.reward) = (event.burned.to(), event.forfeitedCommission.to());
            }
            observed.dropped |= log.topics().first() == Some(&Staking::NodeDeactivated::SIGNATURE_HASH);
            observed.raised |= log.topics().first() == Some(&Staking::NodeActivated::SIGNATURE_HASH);
        }
        observed
    }

    /// Whether two refusals differ in nothing but the last units of a stake that was slashed.
    fn nearly(&self, reason: &Bytes, refusal: &Refusal) -> bool {
        let slashed = self.model.stakes.pools.keys().any(|node| self.model.stakes.slack(*node) != 0);
        let decode = |bytes: &Bytes| Staking::StakeTooSmall::abi_decode(bytes).ok();
        let (Some(got), Some(expected)) = (decode(reason), decode(&refusal.bytes)) else { return false };
        slashed && got.min == expected.min && got.got.abs_diff(expected.got) <= U256::from(1_000)
    }

    fn same_events(&self, done: &Done, expected: &Events) {
        for (i, log) in done.logs.iter().enumerate() {
            let known = expected.0.get(i);
            let same = known.is_some_and(|(at, data, _)| *at == log.address && *data == log.data);
            self.require(same, || {
                let known = known.map_or("nothing".into(), |(at, _, text)| format!("{at} {text}"));
                format!("event {i} is {log:?}, expected {known}")
            });
        }
        let missing = expected.0.get(done.logs.len());
        self.require(missing.is_none(), || format!("nobody was told of {missing:?}"));
    }

    pub(crate) fn check_coins(&mut self, accounts: &[Address]) {
        for account in accounts {
            for coins in [self.model.money.clone(), self.model.floe.clone()] {
                let call = TestStablecoin::balanceOfCall { account: *account };
                let (got, expected) = (self.evm.view(coins.at, &call), U256::from(coins.balance(*account)));
                self.require(got == expected, || format!("{account} has {got} of {}, not {expected}", coins.at));
            }
        }
    }

    /// Moves the time.
    pub(crate) fn pass(&mut self, seconds: u64) {
        self.trace.push(format!("{seconds} s pass"));
        self.evm.timestamp += seconds;
        self.model.now = self.evm.timestamp;
    }

    pub(crate) fn require(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(&what());
        }
    }

    pub(crate) fn fail(&self, what: &str) -> ! {
        panic!("{what}\nafter\n  {}", self.trace.join("\n  "));
    }

    /// A key of the tests.
    pub(crate) fn key(&mut self, number: u32) -> SecretKey {
        self.keys.entry(number).or_insert_with(|| signing::secret_key(&format!("key {number}"))).clone()
    }

    /// The sum of the signatures of some members of the current committee.
    pub(crate) fn sign(&mut self, signers: &[usize], message: &[u8]) -> [B256; 8] {
        let members = self.model.committees[&self.model.epoch()].members.clone();
        let numbers = signers.iter().filter_map(|signer| members.get(*signer)).map(|member| member.key);
        let keys: Vec<_> = numbers.map(|number| self.key(number)).collect();
        if keys.is_empty() {
            return [B256::ZERO; 8];
        }
        signing::g2(&signing::aggregate(&keys.iter().collect::<Vec<_>>(), message))
    }
}
