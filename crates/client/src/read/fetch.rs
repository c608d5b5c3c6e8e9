//! Gathers verified slivers of one axis from the network: runs a [`Plan`] against real nodes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use floe_protocol::Member;
use floe_redstuff::{Axis, PairIndex, Sliver, VerifiedMetadata, VerifiedSliver, rows_past_end};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use super::{
    budget::{Budget, quick_max},
    plan::{Ask, Failure, Plan, PlanLimits},
};
use crate::{
    compute::{compute_unless, is_brief},
    config::{Progress, ReadConfig, scaled},
    failures::Failures,
    http::CallError,
    node::Nodes,
    scores::{Scores, Standing},
    view::View,
};

/// A request is overtaken once it takes this many times the median of those that have answered.
const SLOW_FACTOR: u32 = 3;
/// A row for which others wait is given up after so many times the time after which it would be overtaken.
const LOST_FACTOR: u32 = 4;
/// Rows that are late are waited for as long as this part of the time that others took: decoding takes about as long as those.
const LATE_PART: u32 = 2;
/// A node that gives a sliver at less than this speed is not quick: more are asked at the same time.
const QUICK_BYTES_PER_SECOND: u64 = 16 << 20;
/// A sliver that comes within this time is no sign of anything.
const QUICK_TIME: Duration = Duration::from_millis(50);
/// How much faster than the slowest speed that is put up with an answer usually comes.
pub(super) const USUAL_SPEED_FACTOR: u64 = 8;
/// Answers from which on the median is used.
pub(super) const MEDIAN_SAMPLES_MIN: usize = 3;

/// What one read needs of its surroundings.
#[derive(Clone)]
pub(crate) struct Gather {
    pub(crate) nodes: Nodes,
    pub(crate) scores: Arc<Scores>,
    pub(crate) view: Arc<View>,
    pub(crate) metadata: VerifiedMetadata,
    pub(crate) failures: Failures,
    pub(crate) progress: Arc<dyn Progress>,
    /// Memory to work in.
    pub(crate) ceiling: usize,
    pub(crate) deadline: Instant,
}

/// What a gathering ended with.
pub(crate) struct Gathered {
    /// Verified slivers of different indices.
    pub(crate) slivers: Vec<VerifiedSliver>,
    /// How many of them came from nodes.
    pub(crate) answered: usize,
    /// Whether the goal was reached.
    pub(crate) is_done: bool,
}

/// In which order slivers are asked for. Systematic ones always come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Members take turns, the quickest first, so that all disks and links work.
    Turns,
    /// Rows of the blob from this one on come first, one after the other.
    Rows(u16),
}

/// A gathering under way. Dropping it ends it.
pub(crate) struct Run<'g> {
    gather: &'g Gather,
    axis: Axis,
    pub(crate) plan: Plan,
    running: JoinSet<(Ask, Result<VerifiedSliver, CallError>)>,
    /// Permits to verify: each takes memory.
    verifying: Arc<Semaphore>,
    took: Vec<Duration>,
    /// How many are asked for at once as soon as some node is not quick.
    parallel_max: usize,
    /// The row to be taken next, where rows are gathered in order: no more from it on are asked for than at once.
    next_row: Option<u16>,
    began: Instant,
    deadline: Instant,
    /// Whether it goes on for the sake of late rows.
    enough: bool,
}

impl<'g> Run<'g> {
    /// Gathers slivers of `axis` until they decode, or until all of `wanted` (pair indices) are there if any are named.
    pub(crate) fn new(gather: &'g Gather, axis: Axis, wanted: BTreeSet<u16>, order: Order) -> Self {
        let budget = Budget::new(&gather.metadata, axis, gather.ceiling);
        let in_flight_max = budget.in_flight_max.min(2 * gather.config().concurrent_slivers_max);
        // Half of it is for those that overtake others.
        Self::within(gather, axis, wanted, order, &budget, (in_flight_max.div_ceil(2), in_flight_max))
    }

    /// Gathers the first `count` rows, in order, each in its turn or never; see [`advance`](Self::advance).
    pub(crate) fn of_rows(gather: &'g Gather, count: u16) -> Self {
        let budget = Budget::new(&gather.metadata, Axis::Primary, gather.ceiling);
        let most = budget.in_flight_max.min(gather.config().concurrent_slivers_max);
        let (wanted, order) = ((0..count).collect(), Order::Rows(0));
        let mut run = Self::within(gather, Axis::Primary, wanted, order, &budget, (most, most));
        run.advance(0);
        run
    }

    fn within(
        gather: &'g Gather,
        axis: Axis,
        wanted: BTreeSet<u16>,
        order: Order,
        budget: &Budget,
        (concurrent_max, in_flight_max): (usize, usize),
    ) -> Self {
        let config = gather.config();
        let parallel_max = concurrent_max.min(config.concurrent_slivers_max);
        let limits = PlanLimits {
            concurrent_max: parallel_max.min(quick_max(gather.metadata.sliver_bytes(axis))),
            in_flight_max,
            attempts_max: config.attempts_max,
            backoff: config.backoff_min,
        };
        let needed = usize::from(gather.metadata.params().slivers_to_decode(axis));
        let now = Instant::now();
        let standings = (0..gather.view.committee.members().len()).map(|member| (member, gather.rank(member, now).0));
        Self {
            gather,
            axis,
            plan: Plan::new(needed, wanted, gather.candidates(axis, order), standings, limits),
            running: JoinSet::new(),
            verifying: Arc::new(Semaphore::new(budget.verifying_max)),
            took: Vec::with_capacity(needed),
            parallel_max,
            next_row: None,
            began: now,
            deadline: gather.deadline,
            enough: false,
        }
    }

    /// These are there already.
    pub(crate) fn give(&mut self, slivers: &[VerifiedSliver]) {
        slivers.iter().for_each(|sliver| self.plan.give(sliver.pair_index().get()));
    }

    /// All rows before `next` have been taken: so many more are asked for.
    pub(crate) fn advance(&mut self, next: u16) {
        self.next_row = Some(next);
        self.plan.ask_below(next.saturating_add(u16::try_from(self.plan.concurrent_max()).unwrap_or(u16::MAX)));
    }

    /// Lets more be asked for at once when a sliver takes longer than those of quick nodes.
    fn allow_more_unless_quick(&mut self, now: Instant) {
        if self.plan.concurrent_max() == self.parallel_max {
            return;
        }
        let slow = scaled(QUICK_TIME, self.gather.metadata.sliver_bytes(self.axis) as u64, QUICK_BYTES_PER_SECOND);
        if self.plan.oldest_since().is_some_and(|since| now - since > slow) {
            self.plan.allow(self.parallel_max);
            self.next_row.into_iter().for_each(|next| self.advance(next));
        }
    }

    /// Whether some wanted row does not come, or `next`, for which others wait, is long overdue.
    pub(crate) fn has_lost(&self, next: u16) -> bool {
        self.plan.has_lost() || self.lost_at(next).is_some_and(|lost| Instant::now() >= lost)
    }

    /// When a row that is asked for is long overdue, going by others.
    pub(crate) fn lost_at(&self, row: u16) -> Option<Instant> {
        let since = self.plan.in_flight_since(row).filter(|_| self.took.len() >= MEDIAN_SAMPLES_MIN)?;
        Some(since + self.gather.hedge_delay(&self.took, self.axis) * LOST_FACTOR)
    }

    /// The next sliver that is right; none when enough have come, no more can come, or time is over. May be dropped and
    /// called again.
    pub(crate) async fn next(&mut self) -> Option<VerifiedSliver> {
        while !self.is_over() {
            if let Some(sliver) = self.step(self.deadline).await {
                return Some(sliver);
            }
            if Instant::now() >= self.deadline {
                self.gather.note_overdue(&self.plan, self.axis);
                break;
            }
        }
        None
    }

    /// Enough have come, and rows of the blob are missing that may still come: [`next`](Self::next) goes on with those for a while.
    /// False if it is not so, or was said before.
    pub(crate) fn wait_for_rows(&mut self) -> bool {
        if self.enough || !self.plan.is_done() || !self.plan.rows_may_come() {
            return false;
        }
        let now = Instant::now();
        self.enough = true;
        self.deadline = self.deadline.min(now + (now - self.began) / LATE_PART);
        self.plan.insist_on_rows();
        true
    }

    /// Whether nothing is to be waited for any more.
    fn is_over(&self) -> bool {
        self.plan.is_done() || self.plan.is_exhausted() || (self.enough && self.plan.has_lost())
    }

    /// Whether the goal was reached.
    pub(crate) fn is_done(&self) -> bool {
        self.enough || self.plan.is_done()
    }

    /// Asks for what is due and waits for one thing to happen, until `limit` at the latest.
    pub(crate) async fn step(&mut self, limit: Instant) -> Option<VerifiedSliver> {
        let now = Instant::now();
        self.allow_more_unless_quick(now);
        while let Some(ask) = self.plan.next(now) {
            self.start(ask);
        }
        let delay = self.gather.hedge_delay(&self.took, self.axis);
        let wake = self.plan.wake_at(delay).unwrap_or(limit);
        tokio::select! {
            biased;
            Some(result) = self.running.join_next() => {
                let Ok((ask, outcome)) = result else { return None };
                let (sliver, time) = self.gather.judge(&mut self.plan, self.axis, ask, outcome)?;
                self.took.push(time);
                Some(sliver)
            }
            () = tokio::time::sleep_until(wake.min(limit)) => {
                let now = Instant::now();
                for member in self.plan.overtake(now, delay) {
                    self.gather.scores.blame(self.gather.view.member(member).node_id, Standing::Slow, now);
                }
                None
            }
        }
    }

    fn start(&mut self, ask: Ask) {
        let Gather { nodes, metadata, view, .. } = self.gather;
        let (nodes, metadata, verifying) = (nodes.clone(), metadata.clone(), self.verifying.clone());
        let member: Member = view.member(ask.member).clone();
        let axis = self.axis;
        self.running.spawn(async move {
            let sliver = nodes.sliver(&member, &metadata, axis, PairIndex::new(ask.pair)).await;
            let result = match sliver {
                Ok(sliver) => verify(sliver, metadata, &verifying).await,
                Err(error) => Err(error),
            };
            (ask, result)
        });
    }
}

/// A sliver that is what the metadata commits to.
async fn verify(
    sliver: Sliver,
    metadata: VerifiedMetadata,
    verifying: &Semaphore,
) -> Result<VerifiedSliver, CallError> {
    let _permit = verifying.acquire().await;
    let brief = is_brief(metadata.params(), metadata.unencoded_length());
    compute_unless(brief, move || sliver.verify(&metadata).map_err(|error| CallError::Wrong(error.to_string())))
        .await
        .map_err(|error| CallError::Local(error.to_string()))?
}

impl Gather {
    fn config(&self) -> &ReadConfig {
        &self.nodes.read
    }

    /// When a read of the whole blob that begins now must be done.
    pub(crate) fn full_deadline(&self) -> Instant {
        let config = self.config();
        Instant::now() + scaled(config.deadline_base, self.metadata.unencoded_length(), config.bytes_per_second_min)
    }

    /// Until when one more row must come.
    pub(crate) fn patience(&self) -> Instant {
        let config = self.config();
        let bytes = self.metadata.sliver_bytes(Axis::Primary) as u64;
        Instant::now() + scaled(config.deadline_base, bytes, config.bytes_per_second_min)
    }

    /// Gathers slivers in memory: see [`Run::new`].
    pub(crate) async fn run(&self, axis: Axis, wanted: BTreeSet<u16>) -> Gathered {
        let mut slivers = self.known(axis);
        let known = slivers.len();
        if axis == Axis::Primary && wanted.is_empty() {
            slivers.extend(self.several_rows(&slivers).await);
        }
        let mut run = Run::new(self, axis, wanted, Order::Turns);
        run.give(&slivers);
        while let Some(sliver) = run.next().await {
            slivers.push(sliver);
        }
        Gathered { answered: slivers.len() - known, slivers, is_done: run.plan.is_done() }
    }

    /// Slivers of an axis that need not be fetched, since they do not depend on the blob's bytes.
    pub(crate) fn known(&self, axis: Axis) -> Vec<VerifiedSliver> {
        match axis {
            Axis::Primary => rows_past_end(&self.metadata),
            Axis::Secondary => Vec::new(),
        }
    }

    /// Members that do not answer at the moment.
    pub(crate) fn silent_members(&self) -> Vec<usize> {
        let now = Instant::now();
        (0..self.view.committee.members().len())
            .filter(|&member| self.rank(member, now).0 == Standing::Silent)
            .collect()
    }

    /// Tells plan, scores and log what came; gives the sliver back if it is good.
    fn judge(
        &self,
        plan: &mut Plan,
        axis: Axis,
        ask: Ask,
        outcome: Result<VerifiedSliver, CallError>,
    ) -> Option<(VerifiedSliver, Duration)> {
        let member = self.view.member(ask.member);
        let now = Instant::now();
        let error = match outcome {
            Ok(sliver) => {
                let time = plan.succeeded(ask.pair, now);
                self.scores.answered(member.node_id, time);
                self.progress.advance(sliver.data.len() as u64);
                return Some((sliver, time));
            }
            Err(error) => error,
        };
        let failure = if error.is_lie() {
            tracing::warn!(
                node = %member.name, address = %member.address, blob = %self.metadata.blob_id(),
                pair = ask.pair, %axis, %error,
                "a node gave a wrong sliver; it is not used"
            );
            self.scores.blame(member.node_id, Standing::Liar, now);
            Failure::Lie
        } else if error.is_silence() {
            self.scores.blame(member.node_id, Standing::Silent, now);
            Failure::Silence
        } else if error.is_transient() {
            Failure::Transient
        } else {
            Failure::Final
        };
        tracing::debug!(node = %member.name, pair = ask.pair, %axis, %error, "sliver not received");
        self.failures.note(ask.member, format!("{axis} sliver {}: {error}", ask.pair));
        plan.failed(ask.pair, failure, now);
        None
    }

    fn note_overdue(&self, plan: &Plan, axis: Axis) {
        for ask in plan.in_flight() {
            self.failures.note(ask.member, format!("{axis} sliver {}: no answer before the deadline", ask.pair));
        }
    }

    fn candidates(&self, axis: Axis, order: Order) -> Vec<(u16, usize)> {
        let params = self.metadata.params();
        let now = Instant::now();
        let systematic = params.slivers_to_decode(axis);
        let mut turns = vec![[0u32; 2]; self.view.committee.members().len()];
        let mut candidates: Vec<_> = (0..params.n_shards())
            .map(|pair| {
                let index = PairIndex::new(pair);
                let is_coded = index.sliver(axis, params).get() >= systematic;
                let member = self.view.member_of(index, self.metadata.blob_id());
                let turn = &mut turns[member][usize::from(is_coded)];
                *turn += 1;
                let turn = match order {
                    Order::Rows(first) if !is_coded && pair >= first => 0,
                    _ => *turn,
                };
                let latency = if turn == 0 { Duration::ZERO } else { self.rank(member, now).1 };
                ((is_coded, turn, latency, pair), member)
            })
            .collect();
        candidates.sort_unstable();
        candidates.into_iter().map(|((.., pair), member)| (pair, member)).collect()
    }

    pub(super) fn rank(&self, member: usize, now: Instant) -> (Standing, Duration) {
        self.scores.rank(self.view.member(member).node_id, now)
    }

    /// After how long a request is overtaken: a multiple of what others took, or a guess from the size before any has come.
    pub(super) fn hedge_delay(&self, took: &[Duration], axis: Axis) -> Duration {
        let config = self.config();
        if took.len() < MEDIAN_SAMPLES_MIN {
            let bytes = self.metadata.sliver_bytes(axis) as u64;
            return scaled(config.hedge_first, bytes, config.bytes_per_second_min.saturating_mul(USUAL_SPEED_FACTOR));
        }
        let mut sorted = took.to_vec();
        sorted.sort_unstable();
        (sorted[sorted.len() / 2] * SLOW_FACTOR).max(config.hedge_min)
    }
}
