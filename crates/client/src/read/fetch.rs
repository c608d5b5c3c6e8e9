//! Gathers verified slivers of one axis from the network: runs a [`Plan`] against real nodes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use floe_protocol::Member;
use floe_redstuff::{Axis, PairIndex, VerifiedMetadata, VerifiedSliver};
use tokio::{task::JoinSet, time::Instant};

use super::plan::{Ask, Failure, Plan, PlanLimits};
use crate::{
    config::{Progress, ReadConfig, scaled},
    failures::Failures,
    http::CallError,
    node::Nodes,
    scores::{Scores, Standing},
    view::View,
};

/// A request is overtaken once it takes this many times the median of those that have answered.
const SLOW_FACTOR: u32 = 3;
/// How much faster than the slowest speed that is put up with an answer usually comes.
const USUAL_SPEED_FACTOR: u64 = 8;
/// Answers from which on the median is used.
const MEDIAN_SAMPLES_MIN: usize = 3;

/// What one read needs of its surroundings.
#[derive(Clone)]
pub(crate) struct Gather {
    pub(crate) nodes: Nodes,
    pub(crate) scores: Arc<Scores>,
    pub(crate) view: Arc<View>,
    pub(crate) metadata: VerifiedMetadata,
    pub(crate) failures: Failures,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) deadline: Instant,
}

/// What a gathering ended with.
pub(crate) struct Gathered {
    /// Verified slivers of different indices.
    pub(crate) slivers: Vec<VerifiedSliver>,
    /// Whether the goal was reached.
    pub(crate) is_done: bool,
}

impl Gather {
    fn config(&self) -> &ReadConfig {
        &self.nodes.read
    }

    /// Gathers slivers of `axis` until they decode, or until all of `wanted` (pair indices) are there if any are named.
    pub(crate) async fn run(&self, axis: Axis, wanted: BTreeSet<u16>) -> Gathered {
        let needed = usize::from(self.metadata.params().slivers_to_decode(axis));
        let limits = PlanLimits {
            concurrent_max: self.config().concurrent_slivers_max,
            attempts_max: self.config().attempts_max,
            backoff: self.config().backoff_min,
        };
        let now = Instant::now();
        let standings = (0..self.view.committee.members().len()).map(|member| (member, self.rank(member, now).0));
        let mut plan = Plan::new(needed, wanted, self.candidates(axis), standings, limits);
        let mut running = JoinSet::new();
        let mut slivers = Vec::with_capacity(needed);
        let mut took = Vec::new();

        while !plan.is_done() && !plan.is_exhausted() {
            while let Some(ask) = plan.next(Instant::now()) {
                self.start(&mut running, axis, ask);
            }
            let delay = self.hedge_delay(&took, axis);
            let wake = plan.wake_at(delay).unwrap_or(self.deadline);
            tokio::select! {
                biased;
                Some(result) = running.join_next() => {
                    let Ok((ask, outcome)) = result else { continue };
                    match self.judge(&mut plan, axis, ask, outcome) {
                        Some((sliver, time)) => { slivers.push(sliver); took.push(time); }
                        None => continue,
                    }
                }
                () = tokio::time::sleep_until(wake.min(self.deadline)) => {
                    let now = Instant::now();
                    if now >= self.deadline {
                        self.note_overdue(&plan, axis);
                        break;
                    }
                    for member in plan.overtake(now, delay) {
                        self.scores.blame(self.view.member(member).node_id, Standing::Slow, now);
                    }
                }
            }
        }
        running.abort_all();
        Gathered { slivers, is_done: plan.is_done() }
    }

    /// Members that do not answer at the moment.
    pub(crate) fn silent_members(&self) -> Vec<usize> {
        let now = Instant::now();
        (0..self.view.committee.members().len())
            .filter(|&member| self.rank(member, now).0 == Standing::Silent)
            .collect()
    }

    fn start(&self, running: &mut JoinSet<(Ask, Result<VerifiedSliver, CallError>)>, axis: Axis, ask: Ask) {
        let nodes = self.nodes.clone();
        let metadata = self.metadata.clone();
        let member: Member = self.view.member(ask.member).clone();
        running.spawn(async move {
            let pair = PairIndex::new(ask.pair);
            let result = nodes.sliver(&member, &metadata, axis, pair).await;
            (ask, result)
        });
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

    /// Systematic slivers first; among them members take turns, the quickest first, so that all disks and links work.
    fn candidates(&self, axis: Axis) -> Vec<(u16, usize)> {
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
                ((is_coded, *turn, self.rank(member, now).1, pair), member)
            })
            .collect();
        candidates.sort_unstable();
        candidates.into_iter().map(|((.., pair), member)| (pair, member)).collect()
    }

    fn rank(&self, member: usize, now: Instant) -> (Standing, Duration) {
        self.scores.rank(self.view.member(member).node_id, now)
    }

    /// After how long a request is overtaken: a multiple of what others took, or a guess from the size before any has come.
    fn hedge_delay(&self, took: &[Duration], axis: Axis) -> Duration {
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
