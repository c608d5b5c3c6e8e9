//! Networks of real nodes on real sockets, with a chain in memory and simulated disks.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod chain;
pub mod http;
pub mod upload;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use floe_node::{NodeConfig, NodeError, NodeKeys};
use floe_protocol::{Committee, Epoch, Member, NodeId, bls};
use floe_redstuff::{EncodedBlob, EncodingParams, PairIndex, ShardIndex};
use floe_store::sim::SimDisk;
use floe_store::{Store, StoreOptions};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use chain::{Handle, TestChain};

pub const DEADLINE: Duration = Duration::from_secs(20);

/// Polls until the condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < DEADLINE, "not within the deadline: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn store_options() -> StoreOptions {
    StoreOptions { segment_bytes: 4 << 20, salt: Some(1), ..StoreOptions::default() }
}

/// A configuration for tests: short pauses.
pub fn config() -> NodeConfig {
    let mut config = NodeConfig::default();
    config.timing.chain_retry_ms = 5;
    config.timing.expiry_grace_ms = 5;
    config.timing.queue_wait_ms = 50;
    config.timing.drain_timeout_ms = 5_000;
    config.heal.enabled = false;
    config.limits.cpu_threads_max = 1;
    config
}

pub struct Seat {
    pub node_id: NodeId,
    pub secret: bls::SecretKey,
    pub address: SocketAddr,
    pub disk: SimDisk,
    listener: Option<TcpListener>,
}

/// A network of which any number of nodes run.
pub struct Net {
    pub chain: Arc<TestChain>,
    pub committee: Committee,
    pub params: EncodingParams,
    pub seats: Vec<Seat>,
}

pub struct Running {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub task: JoinHandle<Result<(), NodeError>>,
    pub store: Store,
}

impl Running {
    /// Ends the node gracefully.
    pub async fn stop(self) -> Result<(), NodeError> {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.expect("drains").expect("no panic")
    }
}

fn secret(index: usize) -> bls::SecretKey {
    bls::SecretKey::generate(&[u8::try_from(index + 1).unwrap(); 32])
}

impl Net {
    /// Shards are dealt out in rows: the first node has the first `weights[0]` shards, and so on.
    pub async fn new(weights: &[u16]) -> Self {
        let n_shards = weights.iter().sum();
        let params = EncodingParams::new(n_shards).expect("valid");
        let (mut seats, mut members, mut next) = (Vec::new(), Vec::new(), 0);
        for (index, weight) in weights.iter().enumerate() {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("bound");
            let node_id = NodeId::from_number(index as u64 + 1);
            let secret = secret(index);
            members.push(Member {
                node_id,
                public_key: secret.public_key(),
                address: format!("http://{address}"),
                name: format!("node-{}", index + 1),
                shards: (next..next + weight).map(ShardIndex::new).collect(),
            });
            next += weight;
            let disk = SimDisk::new(index as u64 + 7);
            seats.push(Seat { node_id, secret, address, disk, listener: Some(listener) });
        }
        let committee = Committee::new(Epoch(1), params, members).expect("valid");
        Self { chain: TestChain::new(committee.clone()), committee, params, seats }
    }

    pub fn encode(&self, blob: &[u8]) -> EncodedBlob {
        floe_redstuff::encode(self.params, blob).expect("small enough")
    }

    /// Pairs that a node has to hold.
    pub fn pairs(&self, node: usize, blob: &EncodedBlob) -> Vec<PairIndex> {
        let mut pairs = self.committee.pairs_of_member(node, blob.metadata.blob_id());
        pairs.sort_unstable();
        pairs
    }

    /// A pair that the node must not hold.
    pub fn foreign_pair(&self, node: usize, blob: &EncodedBlob) -> PairIndex {
        let own = self.pairs(node, blob);
        self.params.pairs().find(|pair| !own.contains(pair)).expect("more than one node")
    }

    /// Starts a node on its disk and waits until it has caught up with the chain.
    pub async fn start(&mut self, node: usize, config: NodeConfig) -> Running {
        let running = self.start_raw(node, config).await;
        let address = running.address;
        eventually("the node is ready", || async move { http::get(address, "/readyz").await.status == 200 }).await;
        running
    }

    pub async fn start_raw(&mut self, node: usize, config: NodeConfig) -> Running {
        self.start_with_next(node, config, None).await
    }

    /// With a key that takes the place of the node's own.
    pub async fn start_with_next(
        &mut self,
        node: usize,
        config: NodeConfig,
        next_protocol: Option<bls::SecretKey>,
    ) -> Running {
        let chain = Arc::new(Handle(self.chain.clone()));
        let seat = &mut self.seats[node];
        let listener = match seat.listener.take() {
            Some(listener) => listener,
            None => TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
        };
        let address = listener.local_addr().expect("bound");
        let store = Store::open(Arc::new(seat.disk.clone()), store_options()).expect("opens");
        let stop = CancellationToken::new();
        let protocol = bls::SecretKey::from_bytes(&seat.secret.to_bytes()[..]).expect("a key");
        let keys = NodeKeys { protocol, next_protocol };
        let task =
            tokio::spawn(floe_node::run(config, seat.node_id, keys, chain, store.clone(), listener, stop.clone()));
        Running { address, stop, task, store }
    }
}
