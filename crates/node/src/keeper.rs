//! The epoch keeper: when the time of an epoch is over, some node has to tell the contract. All of them try, spread in time;
//! the first wins and the others find it done.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use floe_chain::ChainError;
use rand::Rng;

use crate::events::Backoff;
use crate::node::Node;

const PAUSE_MIN: Duration = Duration::from_millis(250);
const JITTER_MIN: Duration = Duration::from_millis(100);
const JITTER_MAX: Duration = Duration::from_secs(5);

/// Runs for as long as the node has an account to send from.
pub(crate) async fn keep(node: Arc<Node>) {
    let Some(duration) = epoch_duration(&node).await else { return };
    let pause_max = Duration::from_millis(node.config.timing.keeper_interval_max_ms);
    let mut backoff = Backoff::new(PAUSE_MIN);
    loop {
        let end = node.ledger.epoch_info().map(|info| Duration::from_secs(info.started_at).saturating_add(duration));
        let pause = pause_before_look(end, now(), duration, pause_max, rand::rng().random());
        tokio::time::sleep(pause).await;
        let Some(info) = node.ledger.epoch_info() else { continue };
        if now() < Duration::from_secs(info.started_at).saturating_add(duration) {
            continue;
        }
        match node.chain.advance_epoch_if_due().await {
            Ok(true) => {
                tracing::info!(after = info.epoch, "told the contract that the epoch is over");
                backoff.reset();
            }
            Ok(false) => backoff.reset(),
            Err(ChainError::NotDue { .. }) => backoff.pause().await,
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

async fn epoch_duration(node: &Node) -> Option<Duration> {
    let mut backoff = Backoff::new(node.config.timing.chain_retry());
    loop {
        match node.chain.network().await {
            Ok(network) => return Some(Duration::from_secs(network.epoch_duration_secs.max(1))),
            Err(error) => tracing::debug!(%error, code = error.code(), "cannot read the length of an epoch"),
        }
        backoff.pause().await;
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Until the end of the epoch, or a look in between, plus a share `random` (0 to 1) of the jitter.
fn pause_before_look(
    end: Option<Duration>,
    now: Duration,
    duration: Duration,
    pause_max: Duration,
    random: f64,
) -> Duration {
    let left = end.map_or(Duration::ZERO, |end| end.saturating_sub(now));
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
        assert_eq!(pause_before_look(None, secs(100), secs(60), secs(30), 0.0), PAUSE_MIN, "no epoch known yet");
        assert_eq!(pause_before_look(Some(secs(500)), secs(100), secs(1_000_000), secs(30), 1.0), secs(35));
    }
}
