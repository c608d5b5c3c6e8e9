//! Chains to test against: the embedded one, and anvil where `FLOE_ANVIL` names its binary. A suite runs the same on
//! each of them, with the rules of Prague, or with those that `FLOE_HARDFORK` names: `prague` or `osaka`.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

mod anvil;
mod embedded;
pub mod keepers;

use std::time::{Duration, Instant};

use floe_devchain::Hardfork;
use serde_json::{Value, json};

/// Chain id of every test chain.
pub const CHAIN_ID: u64 = 31337;

/// Secret key of the first funded account.
pub const FUNDED_KEY: &str = DEV_KEYS[0];

/// Keys of the well-known accounts that both chains fund at genesis.
pub const DEV_KEYS: [&str; 10] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
];

/// A running chain with funded accounts, and no contract yet. It ends when dropped.
pub struct TestChain {
    /// For messages.
    pub name: &'static str,
    /// `http://127.0.0.1:PORT`.
    pub rpc_url: String,
    /// `ws://127.0.0.1:PORT`.
    pub ws_url: String,
    backend: Backend,
}

enum Backend {
    Embedded(embedded::Embedded),
    Anvil(anvil::Anvil),
}

/// A fresh chain of each kind.
pub async fn chains() -> Vec<TestChain> {
    chains_of(hardfork()).await
}

/// A fresh chain of each kind with the rules of an upgrade.
pub async fn chains_of(hardfork: Hardfork) -> Vec<TestChain> {
    let mut chains = vec![embedded_chain_of(hardfork).await];
    if let Some(binary) = std::env::var_os("FLOE_ANVIL") {
        let anvil = anvil::Anvil::start(&binary, &hardfork.to_string());
        chains.push(TestChain::new("anvil", anvil.port, Backend::Anvil(anvil)));
    }
    chains
}

/// A fresh embedded chain.
pub async fn embedded_chain() -> TestChain {
    embedded_chain_of(hardfork()).await
}

async fn embedded_chain_of(hardfork: Hardfork) -> TestChain {
    // HTTP clients ask for it when they are built, also for plain HTTP; an error means that it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let embedded = embedded::Embedded::start(hardfork).await;
    TestChain::new("embedded", embedded.port, Backend::Embedded(embedded))
}

fn hardfork() -> Hardfork {
    std::env::var("FLOE_HARDFORK").map_or(Hardfork::default(), |name| name.parse().expect("FLOE_HARDFORK"))
}

impl TestChain {
    fn new(name: &'static str, port: u16, backend: Backend) -> Self {
        Self { name, rpc_url: format!("http://127.0.0.1:{port}"), ws_url: format!("ws://127.0.0.1:{port}"), backend }
    }

    /// One JSON-RPC request, which must succeed.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let answer = rpc(&self.rpc_url, method, params).await;
        assert!(answer["error"].is_null(), "{} {method}: {answer}", self.name);
        answer["result"].clone()
    }

    /// Whether it has anvil's own methods.
    pub fn is_anvil(&self) -> bool {
        matches!(self.backend, Backend::Anvil(_))
    }

    /// Number of the latest block.
    pub async fn height(&self) -> u64 {
        let number = self.rpc("eth_blockNumber", json!([])).await;
        let digits = number.as_str().expect("a quantity").trim_start_matches("0x");
        u64::from_str_radix(digits, 16).expect("hex")
    }

    /// Makes empty blocks.
    pub async fn mine(&self, blocks: u64) {
        for _ in 0..blocks {
            self.rpc("evm_mine", json!([])).await;
        }
    }

    /// Moves the chain's clock ahead and makes a block at the new time.
    pub async fn increase_time(&self, seconds: u64) {
        self.rpc("evm_increaseTime", json!([seconds])).await;
        self.mine(1).await;
    }

    /// Replaces the latest `depth` blocks by as many empty ones.
    pub async fn reorg(&self, depth: u64) {
        match &self.backend {
            Backend::Embedded(embedded) => embedded.reorg(depth),
            Backend::Anvil(_) => {
                self.rpc("anvil_reorg", json!([depth, []])).await;
            }
        }
    }
}

/// One JSON-RPC request; the whole answer.
pub async fn rpc(url: &str, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = reqwest::Client::new().post(url).json(&body).send().await.expect("the chain answers");
    answer.json().await.expect("JSON")
}

/// Asks again until there is an answer.
///
/// # Panics
/// When there is none within 20 s.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
