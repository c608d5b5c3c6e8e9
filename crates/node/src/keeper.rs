//! The epoch keeper: the clock's steps are transactions, and some node has to send them when they are due. All of them try,
//! spread in time; the first wins and the others find it done.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use floe_chain::{ChainError, EpochPhase};
use rand::Rng;

use crate::events::Backoff;
use crate::node::Node;

const PAUSE_MIN: Duration = Duration::from_millis(250);
const JITTER_MIN: Duration = Duration::from_millis(100);
const JITTER_MAX: Duration = Duration::from_secs(5);

/// Runs for as long as the node has an account to send from.
pub(crate) async fn keep(node: Arc<Node>) {
    let pause_max = Duration::from_millis(node.config.timing.keeper_interval_max_ms);
    let mut backoff = Backoff::new(PAUSE_MIN);
    loop {
        match look(&node, pause_max).await {
            Ok(()) => backoff.reset(),
            Err(error @ ChainError::NoWallet) => {
                tracing::info!(%error, "this node leaves the change of epochs to others");
                return;
            }
            Err(error) => {
                tracing::debug!(%error, code = error.code(), "could not advance the epoch; others may");
                backoff.pause().await;
            }
        }
    }
}

/// Waits for the next step, or for the longest pause, and takes the step if it is due.
async fn look(node: &Node, pause_max: Duration) -> Result<(), ChainError> {
    let network = node.chain.network().await?;
    let duration = Duration::from_secs(network.epoch_duration_secs.max(1));
    let due = (network.phase != EpochPhase::Genesis).then(|| Duration::from_secs(network.next_step_at));
    let pause = pause_before_look(due, now(), duration, pause_max, rand::rng().random());
    tokio::time::sleep(pause).await;
    if due.is_some_and(|due| now() >= due)
        && let Some(step) = node.chain.advance_epoch_if_due().await?
    {
        tracing::info!(epoch = %network.epoch, ?step, "took a step of the clock");
    }
    Ok(())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Until the next step, or a look in between, plus a share `random` (0 to 1) of the jitter.
fn pause_before_look(
    due: Option<Duration>,
    now: Duration,
    duration: Duration,
    pause_max: Duration,
    random: f64,
) -> Duration {
    let left = due.map_or(pause_max, |due| due.saturating_sub(now));
    let jitter = (duration / 20).clamp(JITTER_MIN, JITTER_MAX).mul_f64(random.clamp(0.0, 1.0));
    left.min(pause_max).max(PAUSE_MIN) + jitter
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_look_comes_after_the_end_spread_by_the_jitter() {
        let pause = |random| pause_before_look(Some(secs(110)), secs(100), secs(60), secs(30), random);
        assert_eq!(pause(0.0), secs(10));
        assert_eq!(pause(1.0), secs(13));
    }

    #[test]
    fn pauses_are_bounded_both_ways() {
        assert_eq!(pause_before_look(Some(secs(1)), secs(100), secs(60), secs(30), 0.0), PAUSE_MIN);
        assert_eq!(pause_before_look(Some(secs(1_000_000)), secs(100), secs(60), secs(30), 0.0), secs(30));
        assert_eq!(pause_before_look(None, secs(100), secs(60), secs(30), 0.0), secs(30), "before the launch");
        assert_eq!(pause_before_look(Some(secs(500)), secs(100), secs(1_000_000), secs(30), 1.0), secs(35));
    }
}
