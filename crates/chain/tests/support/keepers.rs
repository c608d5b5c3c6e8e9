//! Keepers as nodes run them, by a clock that goes on when the test says so.

use std::collections::HashMap;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use async_trait::async_trait;
use floe_chain::{EvmChain, Keeper, KeeperClock};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use super::rpc;

/// The longest pause between two looks, as nodes have it by default.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A keeper that takes longer than this for what it does at one moment hangs, or has ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// Some keepers that run; they end when dropped.
pub struct Keepers {
    time: watch::Sender<Time>,
    count: usize,
    _tasks: JoinSet<()>,
}

/// The time since 1970, and until when each keeper sleeps that does.
#[derive(Default)]
struct Time {
    now: Duration,
    asleep: HashMap<usize, Duration>,
}

impl Keepers {
    /// One keeper with each of these wallets.
    pub fn start(chains: impl IntoIterator<Item = EvmChain>) -> Self {
        let time = watch::Sender::new(Time::default());
        let mut tasks = JoinSet::new();
        for (number, chain) in chains.into_iter().enumerate() {
            let clock = Clock { number, time: time.clone(), draws: AtomicU64::new(0) };
            let keeper = Keeper::new(Arc::new(chain), Arc::new(clock), PAUSE_MAX);
            tasks.spawn(async move { keeper.run().await });
        }
        Self { time, count: tasks.len(), _tasks: tasks }
    }

    /// Moves the chain's clock by so many seconds, and the keepers' clock to the time that the chain has then. Returns once
    /// each of them has done what it does by then, and sleeps.
    pub async fn pass(&self, rpc_url: &str, seconds: u64) {
        for (method, params) in [("evm_increaseTime", json!([seconds])), ("evm_mine", json!([]))] {
            let answer = rpc(rpc_url, method, params).await;
            assert!(answer["error"].is_null(), "{method}: {answer}");
        }
        let now = Duration::from_secs(chain_time(rpc_url).await);
        self.time.send_modify(|time| time.now = now);
        let (mut time, count) = (self.time.subscribe(), self.count);
        let rest = time.wait_for(|time| time.asleep.len() == count && time.asleep.values().all(|end| *end > time.now));
        let rests = tokio::time::timeout(PATIENCE, rest).await;
        rests.expect("each keeper comes to rest").expect("its sender is held");
    }
}

/// The time of the latest block, in seconds since 1970.
pub async fn chain_time(rpc_url: &str) -> u64 {
    let block = rpc(rpc_url, "eth_getBlockByNumber", json!(["latest", false])).await;
    let time = block["result"]["timestamp"].as_str().expect("a quantity").trim_start_matches("0x");
    u64::from_str_radix(time, 16).expect("hex")
}

/// One keeper's view of the time.
struct Clock {
    number: usize,
    time: watch::Sender<Time>,
    draws: AtomicU64,
}

#[async_trait]
impl KeeperClock for Clock {
    fn now(&self) -> Duration {
        self.time.borrow().now
    }

    async fn sleep(&self, pause: Duration) {
        let end = self.now() + pause;
        self.time.send_modify(|time| {
            time.asleep.insert(self.number, end);
        });
        self.time.subscribe().wait_for(|time| time.now >= end).await.expect("its sender is held");
        self.time.send_modify(|time| {
            time.asleep.remove(&self.number);
        });
    }

    /// The same for each run of a test, and another one for each keeper and draw (SplitMix64).
    fn random(&self) -> f64 {
        let draw =
            self.draws.fetch_add(1, Ordering::Relaxed) << 8 | u64::try_from(self.number).expect("a small number");
        let mut z = draw.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).expect("half of it")) / f64::from(u32::MAX)
    }
}
