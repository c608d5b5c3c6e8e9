//! The economics as rules, in plain Rust: maps from epochs to what is reserved and paid, lists of positions, shards given
//! one by one. Nothing here is packed or kept as a difference. Every operation says what it tells the
//! world (events, in order) or why it is refused (the error, to the byte).

pub(crate) mod attributes;
pub(crate) mod blobs;
pub(crate) mod clock;
pub(crate) mod governance;
pub(crate) mod intents;
pub(crate) mod ledger;
pub(crate) mod nodes;
pub(crate) mod pools;
pub(crate) mod seats;
pub(crate) mod stake;
pub(crate) mod stake_pools;
pub(crate) mod storage;
pub(crate) mod subsidies;
pub(crate) mod tokens;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, LogData, U256};
use alloy::sol_types::{SolError, SolEvent};
use floe_redstuff::EncodingParams;

use self::attributes::Said;
use self::blobs::{Answer, Blob};
use self::clock::Clock;
use self::governance::Proposal;
use self::intents::Intents;
use self::ledger::Ledger;
use self::nodes::Node;
use self::pools::Pool;
use self::seats::Committee;
use self::stake::Stakes;
use self::storage::Resource;
use self::subsidies::Pot;
use self::tokens::{Coins, Deeds, Title};
use crate::bindings::Staking;

/// Bytes that are billed as one unit.
pub(crate) const UNIT: u64 = 1 << 20;
/// A whole, in basis points.
pub(crate) const WHOLE: u16 = 10_000;

/// Why an operation is refused.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) bytes: Bytes,
    what: String,
}

impl std::fmt::Debug for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

pub(crate) type Ruling<T> = Result<T, Refusal>;

pub(crate) fn refuse<T>(error: impl SolError + std::fmt::Debug) -> Ruling<T> {
    Err(Refusal { bytes: error.abi_encode().into(), what: format!("{error:?}") })
}

/// What was told, by whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(pub(crate) Vec<(Address, LogData, String)>);

impl Events {
    pub(crate) fn tell(&mut self, at: Address, event: impl SolEvent + std::fmt::Debug) {
        self.0.push((at, event.encode_log_data(), format!("{event:?}")));
    }
}

/// Where the contracts are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) committee: Address,
    pub(crate) nodes: Address,
    pub(crate) staking: Address,
    pub(crate) epochs: Address,
    pub(crate) governance: Address,
    pub(crate) blobs: Address,
    pub(crate) pools: Address,
    pub(crate) attributes: Address,
    pub(crate) subsidies: Address,
    pub(crate) storage: Address,
    pub(crate) availability: Address,
    pub(crate) intents: Address,
    pub(crate) money: Address,
    pub(crate) floe: Address,
}

/// What never changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) shards: u16,
    pub(crate) max_ahead: u32,
    pub(crate) duration: u64,
    pub(crate) launcher: Address,
    pub(crate) encoding: EncodingParams,
}

impl Rules {
    /// Shards of a quorum: more than two thirds.
    pub(crate) fn quorum(&self) -> u16 {
        (1..).find(|w| 3 * u32::from(*w) > 2 * u32::from(self.shards)).expect("there is one")
    }

    /// Shards among which one is honest: more than a third.
    pub(crate) fn honest(&self) -> u16 {
        (1..).find(|w| 3 * u32::from(*w) > u32::from(self.shards)).expect("there is one")
    }
}

/// The whole of the economics.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) at: Places,
    pub(crate) rules: Rules,
    /// seconds since 1970
    pub(crate) now: u64,
    pub(crate) money: Coins,
    pub(crate) floe: Coins,
    pub(crate) ledger: Ledger,
    pub(crate) deeds: Deeds,
    pub(crate) resources: BTreeMap<u64, Resource>,
    pub(crate) blob_deeds: Deeds,
    pub(crate) blobs: BTreeMap<u64, Blob>,
    pub(crate) pool_deeds: Deeds,
    pub(crate) pools: BTreeMap<u64, Pool>,
    pub(crate) said: Said,
    pub(crate) answers: BTreeMap<B256, Answer>,
    pub(crate) nodes: BTreeMap<u64, Node>,
    /// keys that were claimed, and by whom
    pub(crate) keys: BTreeMap<u32, u64>,
    pub(crate) stakes: Stakes,
    pub(crate) pot: Pot,
    pub(crate) intents: Intents,
    pub(crate) clock: Clock,
    /// by epoch: the previous, the current and the next
    pub(crate) committees: BTreeMap<u32, Committee>,
    pub(crate) proposals: BTreeMap<B256, Proposal>,
    /// of the operation that runs
    pub(crate) events: Events,
}

impl Model {
    /// A network that has just been deployed by the launcher, who has all FLOE.
    pub(crate) fn new(at: Places, rules: Rules, now: u64, floe_supply: u128) -> Self {
        let mut floe = Coins::new(at.floe);
        floe.grant(rules.launcher, floe_supply);
        Self {
            at,
            rules,
            now,
            money: Coins::new(at.money),
            floe,
            ledger: Ledger::new(rules.max_ahead),
            deeds: Deeds::new(at.storage),
            resources: BTreeMap::new(),
            blob_deeds: Deeds::new(at.blobs),
            blobs: BTreeMap::new(),
            pool_deeds: Deeds::new(at.pools),
            pools: BTreeMap::new(),
            said: Said::new(),
            answers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            keys: BTreeMap::new(),
            stakes: Stakes::default(),
            pot: Pot::default(),
            intents: Intents::default(),
            clock: Clock::default(),
            committees: BTreeMap::new(),
            proposals: BTreeMap::new(),
            events: Events::default(),
        }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.clock.epoch
    }

    /// The tokens of a kind, and whom their changes are told to.
    pub(crate) fn titles(&mut self, title: Title) -> (&mut Deeds, &mut Events) {
        let deeds = match title {
            Title::Resource => &mut self.deeds,
            Title::Blob => &mut self.blob_deeds,
            Title::Pool => &mut self.pool_deeds,
        };
        (deeds, &mut self.events)
    }

    /// Says that only `expected` may do something.
    pub(crate) fn only(&self, caller: Address, expected: Address) -> Ruling<()> {
        if caller == expected { Ok(()) } else { refuse(Staking::Unauthorized { caller, expected }) }
    }

    /// Encoded bytes of a blob.
    pub(crate) fn length(&self, size: u64) -> Option<u64> {
        self.rules.encoding.encoded_length(size).ok()
    }
}

/// Billed units of some bytes.
pub(crate) fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT)
}

pub(crate) fn wide(number: impl Into<u128>) -> U256 {
    U256::from(number.into())
}
