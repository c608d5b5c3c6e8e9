//! A network in one process: nodes behind real sockets, with real keys, and a chain in memory.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::cast_possible_truncation)]

pub mod chain;
pub mod node;

use std::{sync::Arc, time::Duration};

use floe_client::{ClientConfig, FloeClient, StoreOptions};
use floe_protocol::{Committee, Epoch, Member, NodeId, bls::SecretKey};
use floe_redstuff::{Axis, BlobId, EncodedBlob, EncodingParams, PairIndex, ShardIndex, encode};
use tokio::{net::TcpListener, task::JoinHandle};

pub use chain::MemoryChain;
pub use node::{Behaviour, Node};

pub struct TestNetwork {
    pub params: EncodingParams,
    pub chain: Arc<MemoryChain>,
    pub nodes: Vec<Arc<Node>>,
    servers: Vec<JoinHandle<()>>,
}

impl TestNetwork {
    /// `weights[i]` shards for node `i`.
    pub async fn start(weights: &[u16]) -> Self {
        let params = EncodingParams::new(weights.iter().sum()).unwrap();
        let mut next = 0;
        let mut members = Vec::new();
        let mut parts = Vec::new();
        for (number, &weight) in weights.iter().enumerate() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let key = SecretKey::generate(&[number as u8 + 1; 32]);
            let shards: Vec<_> = (next..next + weight).map(ShardIndex::new).collect();
            next += weight;
            members.push(Member {
                node_id: NodeId::from_number(number as u64 + 1),
                public_key: key.public_key(),
                address: format!("http://{}", listener.local_addr().unwrap()),
                name: format!("node-{number}"),
                shards: shards.clone(),
            });
            parts.push((listener, key, shards));
        }
        let committee = Committee::new(Epoch(5), params, members).unwrap();
        let chain = Arc::new(MemoryChain::new(committee));
        let mut nodes = Vec::new();
        let mut servers = Vec::new();
        for (number, (listener, key, shards)) in parts.into_iter().enumerate() {
            let node = Arc::new(Node::new(number, shards, key, chain.clone()));
            let router = node.router();
            servers.push(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
            nodes.push(node);
        }
        Self { params, chain, nodes, servers }
    }

    /// Ten nodes with one shard each: `f` is 3, 4 primary or 7 secondary slivers decode.
    pub async fn ten() -> Self {
        Self::start(&[1; 10]).await
    }

    pub fn client(&self) -> FloeClient {
        FloeClient::new(quick(), self.chain.clone())
    }

    pub fn behave(&self, nodes: impl IntoIterator<Item = usize>, behaviour: Behaviour) {
        for node in nodes {
            self.nodes[node].behave(behaviour);
        }
    }

    /// No process any more: connections are refused.
    pub fn kill(&self, node: usize) {
        self.servers[node].abort();
        // Connections that are open already.
        self.nodes[node].behave(Behaviour::Refusing);
    }

    /// Stored at every node that takes it: those that are slower than the quorum are waited for.
    pub async fn stored(&self, blob: &[u8]) -> BlobId {
        let client = self.client();
        let result = client.store(blob.to_vec(), StoreOptions::epochs(3)).await.unwrap();
        client.drain(Duration::from_secs(10)).await;
        *result.blob_id().unwrap()
    }

    /// The node that holds this pair of the blob.
    pub fn holder_of(&self, id: &BlobId, pair: u16) -> usize {
        let shard = PairIndex::new(pair).shard(id, self.params);
        self.nodes.iter().position(|node| node.shards.contains(&shard)).unwrap()
    }

    /// Puts an encoded blob there for three epochs without any check, as no honest client would.
    pub fn plant(&self, encoded: &EncodedBlob) -> BlobId {
        let id = *encoded.metadata.blob_id();
        self.chain.force_certified(id, encoded.metadata.unencoded_length(), 3);
        for pair in &encoded.pairs {
            let node = &self.nodes[self.holder_of(&id, pair.index().get())];
            for axis in Axis::ALL {
                node.plant(&encoded.metadata, pair.index(), axis, pair.sliver(axis).to_bcs());
            }
        }
        id
    }

    pub fn sliver_requests(&self) -> u32 {
        self.nodes.iter().map(|node| node.sliver_requests.load(std::sync::atomic::Ordering::SeqCst)).sum()
    }
}

impl Drop for TestNetwork {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

/// Short limits, so that silent nodes do not hold up the tests.
pub fn quick() -> ClientConfig {
    let mut config = ClientConfig { view_max_age: Duration::ZERO, ..ClientConfig::default() };
    config.connections.idle_timeout = Duration::from_secs(2);
    config.read.request_timeout = Duration::from_secs(1);
    config.read.hedge_first = Duration::from_millis(150);
    config.read.hedge_min = Duration::from_millis(50);
    config.read.backoff_min = Duration::from_millis(10);
    config.store.stall_timeout = Duration::from_secs(2);
    config.store.attempts_max = 3;
    config.store.backoff_min = Duration::from_millis(20);
    config
}

/// Bytes that differ everywhere and are the same in each run.
pub fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A blob of which one row is that of another blob, and the metadata says so: no codeword, but every sliver verifies.
pub fn inconsistent(params: EncodingParams) -> EncodedBlob {
    let mut encoded = encode(params, &bytes(2800, 1)).unwrap();
    let other = encode(params, &bytes(2800, 2)).unwrap();
    let mut metadata = encoded.metadata.metadata().clone();
    metadata.hashes[1].primary = other.metadata.metadata().hashes[1].primary;
    let id = metadata.blob_id();
    encoded.metadata = metadata.verify(&id, params).unwrap();
    encoded.pairs[1].primary = other.pairs[1].primary.clone();
    encoded
}
