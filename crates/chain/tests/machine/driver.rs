//! One operation after the other goes to the contracts and to the model, and they have to agree.

use std::collections::{BTreeMap, HashMap};

use alloy::primitives::{Address, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use blst::min_pk::SecretKey;

use super::evm::{Done, Evm};
use super::model::intents::Intent;
use super::model::{Events, Model, Ruling};
use super::operations::Kind;
use crate::bindings::TestStablecoin;
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

impl Returned for U256 {
    fn words(&self) -> Vec<U256> {
        vec![*self]
    }
}

impl Returned for (u128, u128) {
    fn words(&self) -> Vec<U256> {
        vec![U256::from(self.0), U256::from(self.1)]
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
    /// Their keys.
    pub(crate) signers: BTreeMap<Address, PrivateKeySigner>,
    /// Accounts that run nodes or may do so.
    pub(crate) operators: Vec<Address>,
    keys: HashMap<u32, SecretKey>,
    /// Intents that somebody signed lately.
    pub(crate) intents: Vec<Intent>,
    /// What was done so far.
    trace: Vec<String>,
    /// Operations that went through, and that were refused.
    pub(crate) tally: (usize, usize),
    /// Whether the last transaction went through.
    pub(crate) accepted: bool,
    /// How many operations of each kind went through, by the last transaction of each.
    pub(crate) done: BTreeMap<Kind, usize>,
}

impl Driver {
    pub(crate) fn new(
        evm: Evm,
        model: Model,
        signers: BTreeMap<Address, PrivateKeySigner>,
        operators: Vec<Address>,
    ) -> Self {
        let users = signers.keys().copied().collect();
        let (keys, intents, trace) = (HashMap::new(), Vec::new(), Vec::new());
        Self {
            evm,
            model,
            users,
            signers,
            operators,
            keys,
            intents,
            trace,
            tally: (0, 0),
            accepted: false,
            done: BTreeMap::new(),
        }
    }

    /// Forgets what led here.
    pub(crate) fn start(&mut self) {
        self.trace.clear();
        self.tally = (0, 0);
        self.done.clear();
    }

    /// Sends a call, and has the model rule on it. Gives what the model returned if it went through.
    pub(crate) fn act<C: SolCall + std::fmt::Debug, T: Returned>(
        &mut self,
        by: Address,
        to: Address,
        call: C,
        rule: impl FnOnce(&mut Model) -> Ruling<T>,
    ) -> Option<T> {
        self.trace.push(format!("epoch {} {:?}: {by} {call:?}", self.model.epoch(), self.model.clock.phase));
        let sent = self.evm.send(by, to, &call);
        let mut next = self.model.clone();
        next.events = Events::default();
        next.now = self.evm.timestamp;
        match (sent, rule(&mut next)) {
            (Ok(done), Ok(returned)) => {
                self.same_events(&done, &next.events);
                let words: Vec<_> = done.output.chunks_exact(32).map(U256::from_be_slice).collect();
                let expected = returned.words();
                self.require(words.starts_with(&expected), || format!("returned {words:?}, not {expected:?}"));
                self.model = next;
                self.tally.0 += 1;
                self.accepted = true;
                self.check_coins(&[by, self.model.at.storage, self.model.at.staking]);
                Some(returned)
            }
            (Err(reason), Err(refusal)) => {
                self.require(reason == refusal.bytes, || {
                    format!("refused with {reason}, not {refusal:?} {}", refusal.bytes)
                });
                self.tally.1 += 1;
                self.accepted = false;
                None
            }
            (Ok(_), Err(refusal)) => self.fail(&format!("went through, though the model refuses: {refusal:?}")),
            (Err(reason), Ok(_)) => self.fail(&format!("refused with {reason}, though the model allows it")),
        }
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
        self.accepted = true;
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
