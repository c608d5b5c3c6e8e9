//! What is known of an endpoint: whether it is to be asked, and if not, since what.

use std::time::Duration;

use tokio::time::Instant;

use super::answers::Failure;

/// First and longest time for which an endpoint that failed is passed over. It doubles with each failure in a row.
const REST: Duration = Duration::from_millis(500);
const REST_MAX: Duration = Duration::from_secs(30);

/// How an endpoint of a chain is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointState {
    /// It is asked.
    Serving,
    /// It failed, and is passed over until it answers again.
    Resting,
    /// It serves another chain, and is passed over for as long.
    WrongChain {
        /// Its chain id.
        got: u64,
    },
    /// It is far behind the others, or stands still, and is passed over until it has caught up.
    Late {
        /// Its latest block when that was noticed.
        head: u64,
    },
}

/// An endpoint of a chain, by the part of its address that may be shown, and how it is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Scheme, host and port.
    pub endpoint: String,
    /// Whether it is asked.
    pub state: EndpointState,
}

#[derive(Debug, Default)]
pub(super) struct Health {
    /// Failures in a row.
    failures: u32,
    rests_until: Option<Instant>,
    wrong_chain: Option<u64>,
    /// Its latest block when it was found to be late.
    late: Option<u64>,
}

/// In which order endpoints are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Usable,
    Late,
    Resting,
    WrongChain,
}

impl Health {
    pub(super) fn rank(&self) -> Rank {
        match (self.wrong_chain, self.failures, self.late) {
            (Some(_), ..) => Rank::WrongChain,
            (None, 1.., _) => Rank::Resting,
            (None, 0, Some(_)) => Rank::Late,
            (None, 0, None) => Rank::Usable,
        }
    }

    /// Whether it is time to see if it answers again.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }

    pub(super) fn state(&self) -> EndpointState {
        match (self.wrong_chain, self.failures, self.late) {
            (Some(got), ..) => EndpointState::WrongChain { got },
            (None, 1.., _) => EndpointState::Resting,
            (None, 0, Some(head)) => EndpointState::Late { head },
            (None, 0, None) => EndpointState::Serving,
        }
    }

    /// It answered. Whether it had failed before.
    pub(super) fn answered(&mut self) -> bool {
        let recovered = self.failures > 0;
        (self.failures, self.rests_until, self.wrong_chain) = (0, None, None);
        recovered
    }

    /// It failed, and rests. Whether that is new.
    pub(super) fn failed(&mut self, failure: &Failure, now: Instant) -> bool {
        let rest = REST.saturating_mul(1 << self.failures.min(10)).min(REST_MAX);
        self.rests_until = Some(now + rest);
        self.wrong_chain = match failure {
            Failure::WrongChain { got, .. } => Some(*got),
            _ => None,
        };
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }

    /// It is behind the others. Whether that is new.
    pub(super) fn is_late(&mut self, head: u64) -> bool {
        self.late.replace(head).is_none()
    }

    /// Its latest block, and the one that others are at. Whether it was late and no longer is: one that stood still
    /// must have moved, unless there is nothing to catch up with.
    pub(super) fn has_head(&mut self, head: u64, others: u64) -> bool {
        let caught_up = self.late.is_some_and(|was| head > was || head >= others);
        if caught_up {
            self.late = None;
        }
        caught_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Failure {
        Failure::Transport("down".to_owned())
    }

    #[test]
    fn rests_grow_and_end_with_an_answer() {
        let (mut health, begin) = (Health::default(), Instant::now());
        assert!(health.is_rested(begin));
        assert!(health.failed(&down(), begin));
        assert_eq!((health.rank(), health.state()), (Rank::Resting, EndpointState::Resting));
        assert!(!health.is_rested(begin));
        assert!(health.is_rested(begin + REST) && health.rank() == Rank::Resting);
        assert!(!health.failed(&down(), begin + REST));
        assert!(!health.is_rested(begin + 2 * REST) && health.is_rested(begin + 3 * REST));
        for _ in 0..100 {
            health.failed(&down(), begin);
        }
        assert!(!health.is_rested(begin + REST_MAX / 2) && health.is_rested(begin + REST_MAX));
        assert!(health.answered() && !health.answered());
        assert_eq!((health.rank(), health.state()), (Rank::Usable, EndpointState::Serving));
    }

    #[test]
    fn another_chain_is_asked_last_of_all() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.failed(&Failure::WrongChain { got: 1, expected: 2 }, now);
        assert_eq!((health.rank(), health.state()), (Rank::WrongChain, EndpointState::WrongChain { got: 1 }));
        health.failed(&down(), now);
        assert_eq!(health.state(), EndpointState::Resting);
    }

    #[test]
    fn one_that_stands_still_is_late_until_it_moves() {
        let mut health = Health::default();
        assert!(health.is_late(10) && !health.is_late(10));
        assert!(!health.has_head(10, 12));
        assert_eq!(health.state(), EndpointState::Late { head: 10 });
        assert!(health.has_head(11, 12));
        assert_eq!(health.rank(), Rank::Usable);
        health.is_late(12);
        assert!(health.has_head(12, 12));
    }
}
