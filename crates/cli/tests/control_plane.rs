//! The control plane from outside: a network of real processes, the command line, and transactions of tests in between.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

#[path = "control_plane/batch.rs"]
mod batch;
#[path = "control_plane/deletable.rs"]
mod deletable;
#[path = "control_plane/invalid.rs"]
mod invalid;
#[path = "control_plane/rotation.rs"]
mod rotation;
#[path = "control_plane/shards.rs"]
mod shards;

use std::time::{Duration, Instant};

use floe_chain::{ChainConfig, EvmChain, Wallet};
use support::Network;

/// Longest wait for anything of a network whose epochs last seconds.
const PATIENCE: Duration = Duration::from_secs(120);

impl Network {
    pub(crate) fn chain_config(&self) -> ChainConfig {
        floe_config::load_client(&self.dir.join("client.toml")).unwrap().chain
    }

    /// The chain, with the key of this name (`client`, `deployer`, …).
    pub(crate) async fn chain(&self, key: &str) -> EvmChain {
        let wallet = Wallet::from_key_file(self.dir.join(format!("keys/{key}.key"))).unwrap();
        EvmChain::connect(self.chain_config(), Some(wallet)).await.unwrap()
    }

    pub(crate) fn node_log(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join("nodes").join(name).join("log")).unwrap()
    }

    pub(crate) fn node_url(&self, index: usize) -> String {
        self.info()["nodes"][index]["address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn restart_node(&self, index: usize) {
        self.json(&["devnet", "restart-node", &format!("node-{index}")]);
    }

    /// The nodes' process ids, with the number of shards that each holds at first.
    pub(crate) fn shard_counts(&self) -> Vec<usize> {
        let info = self.info();
        info["nodes"].as_array().unwrap().iter().map(|node| node["shards"].as_array().unwrap().len()).collect()
    }
}

/// Polls until the condition gives something.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
