//! What earlier requests taught about each node: who answers, and who does not.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use floe_protocol::NodeId;
use tokio::time::Instant;

/// How long a failure is held against a node.
const MEMORY: Duration = Duration::from_secs(10);
/// Weight of the newest latency in the running mean.
const NEWEST_PERCENT: u32 = 25;

/// How far a node is trusted to be of use, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Standing {
    /// Nothing is known against it.
    #[default]
    Good,
    /// It was overtaken.
    Slow,
    /// It did not answer.
    Silent,
    /// It gave bytes that do not fit the metadata: asked again only if all others fail.
    Liar,
}

#[derive(Debug, Default, Clone, Copy)]
struct Score {
    latency: Duration,
    standing: Standing,
    until: Option<Instant>,
}

/// Scores of all nodes, shared by all requests of a client.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    by_node: Mutex<HashMap<NodeId, Score>>,
}

impl Scores {
    /// The node answered correctly after `took`.
    pub(crate) fn answered(&self, node: NodeId, took: Duration) {
        self.update(node, |score| {
            score.latency = if score.latency.is_zero() {
                took
            } else {
                (score.latency * (100 - NEWEST_PERCENT) + took * NEWEST_PERCENT) / 100
            };
            if score.standing == Standing::Silent {
                score.standing = Standing::Good;
            }
        });
    }

    /// The node did badly.
    pub(crate) fn blame(&self, node: NodeId, standing: Standing, now: Instant) {
        self.update(node, |score| {
            if score.until.is_none_or(|until| until <= now) || score.standing <= standing {
                score.standing = standing;
                score.until = Some(now + MEMORY);
            }
        });
    }

    /// What is held against the node now, and its mean latency: the order in which nodes are asked.
    pub(crate) fn rank(&self, node: NodeId, now: Instant) -> (Standing, Duration) {
        let score = self.lock().get(&node).copied().unwrap_or_default();
        let standing = match score.until {
            Some(until) if until > now => score.standing,
            _ => Standing::Good,
        };
        (standing, score.latency)
    }

    fn update(&self, node: NodeId, change: impl FnOnce(&mut Score)) {
        change(self.lock().entry(node).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NodeId, Score>> {
        // A score is only a hint: one left behind by a panic is as good as any.
        self.by_node.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blame_fades_and_the_worst_counts() {
        let scores = Scores::default();
        let node = NodeId::from_number(1);
        let now = Instant::now();
        scores.blame(node, Standing::Liar, now);
        scores.blame(node, Standing::Slow, now);
        assert_eq!(scores.rank(node, now).0, Standing::Liar);
        let later = now + MEMORY + Duration::from_millis(1);
        assert_eq!(scores.rank(node, later).0, Standing::Good);
        scores.blame(node, Standing::Slow, later);
        assert_eq!(scores.rank(node, later).0, Standing::Slow);
    }

    #[test]
    fn an_answer_clears_silence() {
        let scores = Scores::default();
        let node = NodeId::from_number(1);
        let now = Instant::now();
        scores.blame(node, Standing::Silent, now);
        scores.answered(node, Duration::from_millis(8));
        assert_eq!(scores.rank(node, now), (Standing::Good, Duration::from_millis(8)));
    }
}
