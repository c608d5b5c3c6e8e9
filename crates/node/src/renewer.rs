//! Renewals: a blob that holds money is extended from it when its end is near, and somebody has to send the transaction. All
//! nodes look, spread in time; the first one sends it and receives the reward, the others find nothing due.

use std::sync::Arc;
use std::time::Duration;

use floe_chain::{ChainError, EpochPhase};
use floe_protocol::Epoch;
use rand::Rng;

use crate::events::Backoff;
use crate::node::Node;

const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Looks in one epoch, where the longest pause allows it: a blob can be renewed in its last two epochs.
const LOOKS_PER_EPOCH: u32 = 8;

/// Runs for as long as the node has an account to send from.
pub(crate) async fn renew(node: Arc<Node>) {
    let config = &node.config.renewal;
    if config.per_epoch_max == 0 || node.chain.signer_address().is_none() {
        return;
    }
    let mut budget = Budget { max: config.per_epoch_max, epoch: Epoch(0), spent: 0 };
    let mut backoff = Backoff::new(PAUSE_MIN);
    loop {
        match look(&node, &mut budget).await {
            Ok(pause) => {
                backoff.reset();
                tokio::time::sleep(pause).await;
            }
            Err(error) => {
                tracing::debug!(%error, code = error.code(), "could not renew blobs; others may");
                backoff.pause().await;
            }
        }
    }
}

/// Renews what is due and worth it; the pause before the next look.
async fn look(node: &Node, budget: &mut Budget) -> Result<Duration, ChainError> {
    let network = node.chain.network().await?;
    let config = &node.config.renewal;
    let duration = Duration::from_secs(network.epoch_duration_secs);
    let pause = pause(duration, Duration::from_millis(config.interval_max_ms), rand::rng().random());
    if network.phase == EpochPhase::Genesis {
        return Ok(pause);
    }
    budget.begin(network.epoch);
    for renewal in node.chain.due_renewals().await? {
        if renewal.reward < config.reward_min.into() || budget.left() == 0 {
            break;
        }
        match node.chain.renew_blob(renewal.object_id).await {
            Ok(renewed) => {
                budget.spent += 1;
                tracing::info!(object = %renewed.object_id, end = %renewed.end_epoch, "renewed a blob from its fund");
            }
            Err(ChainError::Reverted { name, .. }) => {
                tracing::debug!(object = %renewal.object_id, name, "this blob cannot be renewed any more");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(pause)
}

/// What may be spent in the current epoch.
struct Budget {
    max: u32,
    epoch: Epoch,
    spent: u32,
}

impl Budget {
    fn begin(&mut self, epoch: Epoch) {
        if epoch != self.epoch {
            (self.epoch, self.spent) = (epoch, 0);
        }
    }

    const fn left(&self) -> u32 {
        self.max.saturating_sub(self.spent)
    }
}

/// A share of the epoch, from one half of it to one and a half, by a `random` number between 0 and 1.
fn pause(epoch: Duration, max: Duration, random: f64) -> Duration {
    let pause = (epoch / LOOKS_PER_EPOCH).mul_f64(0.5 + random.clamp(0.0, 1.0));
    pause.min(max).max(PAUSE_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread_and_bounded() {
        let (day, max) = (Duration::from_secs(86_400), Duration::from_secs(600));
        assert_eq!(pause(Duration::from_secs(80), max, 0.0), Duration::from_secs(5));
        assert_eq!(pause(Duration::from_secs(80), max, 1.0), Duration::from_secs(15));
        assert_eq!(pause(day, max, 0.5), max);
        assert_eq!(pause(Duration::from_secs(1), max, 0.0), PAUSE_MIN);
    }

    #[test]
    fn the_budget_is_for_one_epoch() {
        let mut budget = Budget { max: 2, epoch: Epoch(0), spent: 0 };
        budget.begin(Epoch(4));
        budget.spent += 2;
        budget.begin(Epoch(4));
        assert_eq!(budget.left(), 0);
        budget.begin(Epoch(5));
        assert_eq!(budget.left(), 2);
    }
}
