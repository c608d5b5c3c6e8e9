//! The node's part in the change of epochs: a [`Keeper`] by the clock of this machine.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use floe_chain::{Keeper, KeeperClock};

use crate::node::Node;

/// Runs for as long as the node has an account to send from.
pub(crate) async fn keep(node: Arc<Node>) {
    let pause_max = Duration::from_millis(node.config.timing.keeper_interval_max_ms);
    Keeper::new(node.chain.clone(), Arc::new(SystemClock), pause_max).run().await;
}

/// The clock of this machine.
struct SystemClock;

#[async_trait]
impl KeeperClock for SystemClock {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }

    fn random(&self) -> f64 {
        rand::random()
    }
}
