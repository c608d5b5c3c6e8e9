//! Which sliver to ask of whom next: the decisions of a read, without clock or network of its own.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::scores::Standing;

/// One sliver that one member holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Pair index of the sliver.
    pub(crate) pair: u16,
    /// Index of the member that holds its shard.
    pub(crate) member: usize,
    /// Failed tries so far.
    pub(crate) tries: u32,
}

/// What became of an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Bytes that do not fit the metadata.
    Lie,
    /// No answer at all.
    Silence,
    /// A refusal that may pass.
    Transient,
    /// A refusal that stays.
    Final,
}

#[derive(Debug)]
struct Flight {
    ask: Ask,
    since: Instant,
    overtaken: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct MemberState {
    standing: Standing,
    silences: u32,
}

/// Limits of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanLimits {
    /// Asks in flight that were not overtaken.
    pub(crate) concurrent_max: usize,
    /// Asks in flight, those that were overtaken included.
    pub(crate) in_flight_max: usize,
    /// Tries for one sliver; also the silences after which a member is given up.
    pub(crate) attempts_max: u32,
    /// Pause before the second try.
    pub(crate) backoff: Duration,
}

/// The state of gathering slivers of one axis.
///
/// The goal is either any `needed` slivers, or, where `wanted` is not empty, all of those: as long as the wanted ones
/// come in time nothing else is asked for.
#[derive(Debug)]
pub(crate) struct Plan {
    needed: usize,
    wanted: BTreeSet<u16>,
    /// Whether slivers beyond the wanted ones are asked for.
    widened: bool,
    queue: VecDeque<Ask>,
    waiting: Vec<(Instant, Ask)>,
    in_flight: HashMap<u16, Flight>,
    have: BTreeSet<u16>,
    /// Only slivers of pairs below this are asked for.
    below: u16,
    /// Slivers of pairs below this are rows of the blob: nothing is decoded if all of them come.
    rows: u16,
    /// Wanted slivers that nobody is asked for any more.
    lost: usize,
    members: HashMap<usize, MemberState>,
    limits: PlanLimits,
}

impl Plan {
    /// `candidates` are in order of preference: (pair, member).
    pub(crate) fn new(
        needed: usize,
        wanted: BTreeSet<u16>,
        candidates: impl IntoIterator<Item = (u16, usize)>,
        standings: impl IntoIterator<Item = (usize, Standing)>,
        limits: PlanLimits,
    ) -> Self {
        let queue: VecDeque<Ask> =
            candidates.into_iter().map(|(pair, member)| Ask { pair, member, tries: 0 }).collect();
        let members: HashMap<usize, MemberState> =
            standings.into_iter().map(|(member, standing)| (member, MemberState { standing, silences: 0 })).collect();
        let doubtful = queue.iter().any(|ask| {
            wanted.contains(&ask.pair)
                && members.get(&ask.member).is_some_and(|state| state.standing >= Standing::Silent)
        });
        Self {
            needed,
            widened: wanted.is_empty() || doubtful,
            wanted,
            queue,
            waiting: Vec::new(),
            in_flight: HashMap::new(),
            have: BTreeSet::new(),
            below: u16::MAX,
            rows: 0,
            lost: 0,
            members,
            limits,
        }
    }

    /// From now on slivers of pairs below `pair` are asked for, and no others.
    pub(crate) fn ask_below(&mut self, pair: u16) {
        self.below = pair;
    }

    /// Slivers of pairs below `rows` are rows of the blob, and worth waiting for: a slow member is asked for its rows before
    /// others are asked for what is no row, as long as it answers.
    pub(crate) fn prefer_rows(&mut self, rows: u16) {
        self.rows = rows;
    }

    /// Whether rows are missing, and all of them may come.
    pub(crate) fn rows_may_come(&self) -> bool {
        let asks = self.in_flight().chain(self.queue.iter().copied()).chain(self.waiting.iter().map(|(_, ask)| *ask));
        let coming = asks.filter(|ask| ask.pair < self.rows && self.standing(ask.member) < Standing::Silent).count();
        let missing = usize::from(self.rows) - self.have.range(..self.rows).count();
        missing > 0 && missing == coming
    }

    /// From now on all rows are wanted, and nothing else.
    pub(crate) fn insist_on_rows(&mut self) {
        let rows = self.rows;
        self.wanted = (0..rows).collect();
        self.needed = usize::MAX;
        self.queue.retain(|ask| ask.pair < rows);
        self.waiting.retain(|(_, ask)| ask.pair < rows);
    }

    /// How many may be in flight that were not overtaken.
    pub(crate) fn concurrent_max(&self) -> usize {
        self.limits.concurrent_max
    }

    /// From now on so many may be in flight that were not overtaken.
    pub(crate) fn allow(&mut self, concurrent_max: usize) {
        self.limits.concurrent_max = concurrent_max;
    }

    /// Since when the oldest ask is in flight.
    pub(crate) fn oldest_since(&self) -> Option<Instant> {
        self.in_flight.values().map(|flight| flight.since).min()
    }

    /// Whether slivers beyond the wanted ones are asked for: some of these fail, or are on members that are not trusted.
    pub(crate) fn is_widened(&self) -> bool {
        self.widened
    }

    /// Some wanted sliver will not come: all tries have failed.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Since when a sliver is asked for, if it is.
    pub(crate) fn in_flight_since(&self, pair: u16) -> Option<Instant> {
        self.in_flight.get(&pair).map(|flight| flight.since)
    }

    /// Enough slivers are there.
    pub(crate) fn is_done(&self) -> bool {
        self.have.len() >= self.needed || self.wanted_is_complete()
    }

    /// All wanted slivers are there (false if none were named).
    pub(crate) fn wanted_is_complete(&self) -> bool {
        !self.wanted.is_empty() && self.wanted.is_subset(&self.have)
    }

    /// Nothing more can come.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.in_flight.is_empty() && self.queue.is_empty() && self.waiting.is_empty()
    }

    /// The next sliver to ask for, if one is due now. The caller must start it.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Ask> {
        if self.is_done() {
            return None;
        }
        self.wake(now);
        let active = self.in_flight.values().filter(|f| !f.overtaken).count();
        let is_full = active >= self.limits.concurrent_max || self.in_flight.len() >= self.limits.in_flight_max;
        let enough_coming = self.widened && self.have.len() + active >= self.needed;
        if is_full || enough_coming {
            return None;
        }
        let (position, _) = self
            .queue
            .iter()
            .enumerate()
            .filter(|(_, ask)| ask.pair < self.below && (self.widened || self.wanted.contains(&ask.pair)))
            .min_by_key(|(position, ask)| (self.standing_for(ask), ask.pair >= self.rows, *position))?;
        let ask = self.queue.remove(position)?;
        self.in_flight.insert(ask.pair, Flight { ask, since: now, overtaken: false });
        Some(ask)
    }

    /// The sliver is there already.
    pub(crate) fn give(&mut self, pair: u16) {
        self.have.insert(pair);
        self.queue.retain(|ask| ask.pair != pair);
    }

    /// The sliver came and is right. Returns how long it took.
    pub(crate) fn succeeded(&mut self, pair: u16, now: Instant) -> Duration {
        self.have.insert(pair);
        let Some(flight) = self.in_flight.remove(&pair) else {
            return Duration::ZERO;
        };
        let state = self.members.entry(flight.ask.member).or_default();
        state.silences = 0;
        if state.standing == Standing::Silent {
            state.standing = Standing::Slow;
        }
        now.duration_since(flight.since)
    }

    /// The sliver did not come.
    pub(crate) fn failed(&mut self, pair: u16, failure: Failure, now: Instant) {
        let Some(flight) = self.in_flight.remove(&pair) else {
            return;
        };
        if self.wanted.contains(&pair) {
            self.widened = true;
        }
        let mut ask = flight.ask;
        ask.tries += 1;
        let state = self.members.entry(ask.member).or_default();
        match failure {
            Failure::Lie => state.standing = state.standing.max(Standing::Liar),
            Failure::Silence => {
                state.standing = state.standing.max(Standing::Silent);
                state.silences += 1;
            }
            Failure::Transient => state.standing = state.standing.max(Standing::Slow),
            Failure::Final => {}
        }
        if state.silences >= self.limits.attempts_max {
            self.give_up(ask.member);
        } else if matches!(failure, Failure::Silence | Failure::Transient) && ask.tries < self.limits.attempts_max {
            let pause = self.limits.backoff * 2u32.saturating_pow(ask.tries - 1);
            self.waiting.push((now + pause, ask));
            return;
        }
        self.lost += usize::from(self.wanted.contains(&pair));
    }

    /// Marks what is in flight for longer than `delay`: it still counts when it comes, but others are asked meanwhile.
    /// Returns the members that were overtaken.
    pub(crate) fn overtake(&mut self, now: Instant, delay: Duration) -> Vec<usize> {
        let mut slow = Vec::new();
        for flight in self.in_flight.values_mut() {
            if !flight.overtaken && now.duration_since(flight.since) >= delay {
                flight.overtaken = true;
                self.widened |= self.wanted.contains(&flight.ask.pair);
                slow.push(flight.ask.member);
            }
        }
        for &member in &slow {
            let state = self.members.entry(member).or_default();
            state.standing = state.standing.max(Standing::Slow);
        }
        slow
    }

    /// When [`next`](Self::next) or [`overtake`](Self::overtake) have something to do at the latest.
    pub(crate) fn wake_at(&self, delay: Duration) -> Option<Instant> {
        let overtaking = self.in_flight.values().filter(|flight| !flight.overtaken).map(|flight| flight.since + delay);
        overtaking.chain(self.waiting.iter().map(|(at, _)| *at)).min()
    }

    /// What was asked for and has not come.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = Ask> {
        self.in_flight.values().map(|flight| flight.ask)
    }

    fn wake(&mut self, now: Instant) {
        let mut i = 0;
        while i < self.waiting.len() {
            if self.waiting[i].0 <= now {
                let (_, ask) = self.waiting.swap_remove(i);
                self.queue.push_back(ask);
            } else {
                i += 1;
            }
        }
    }

    fn standing(&self, member: usize) -> Standing {
        self.members.get(&member).map_or(Standing::Good, |state| state.standing)
    }

    /// How soon it is asked for.
    fn standing_for(&self, ask: &Ask) -> Standing {
        let is_overtaken = |flight: &Flight| flight.overtaken && flight.ask.member == ask.member;
        match self.standing(ask.member) {
            Standing::Slow if ask.pair < self.rows && !self.in_flight.values().any(is_overtaken) => Standing::Good,
            standing => standing,
        }
    }

    fn give_up(&mut self, member: usize) {
        let asks = self.queue.iter().chain(self.waiting.iter().map(|(_, ask)| ask));
        self.lost += asks.filter(|ask| ask.member == member && self.wanted.contains(&ask.pair)).count();
        self.queue.retain(|ask| ask.member != member);
        self.waiting.retain(|(_, ask)| ask.member != member);
    }
}

#[cfg(test)]
mod tests;
