//! What an operator may set: every limit has a name here, a unit in its name, and a default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Configuration of one storage node. Every field has a default, so an empty TOML table is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Name of the node in logs.
    pub name: String,
    /// Ceilings on connections, requests and memory.
    pub limits: Limits,
    /// Ceilings of the cache that holds data sent ahead of its registration.
    pub pending: PendingLimits,
    /// Intervals and deadlines.
    pub timing: Timing,
    /// How missing slivers are rebuilt from other nodes.
    pub heal: HealConfig,
    /// How blobs are renewed from their own funds.
    pub renewal: RenewalConfig,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: "node".to_owned(),
            limits: Limits::default(),
            pending: PendingLimits::default(),
            timing: Timing::default(),
            heal: HealConfig::default(),
            renewal: RenewalConfig::default(),
        }
    }
}

/// Ceilings that hold under abuse. Beyond one of them a request is answered 503 with `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open TCP connections; further ones wait in the listen queue of the system.
    pub connections_max: usize,
    /// Concurrent streams of one HTTP/2 connection.
    pub http2_streams_max: u32,
    /// Requests that read metadata, slivers or status at one time.
    pub reads_max: usize,
    /// Single writes (metadata or one sliver) at one time.
    pub writes_max: usize,
    /// Streamed uploads at one time.
    pub uploads_max: usize,
    /// Requests for recovery symbols, and checks of inconsistency proofs, at one time.
    pub symbols_max: usize,
    /// Requests that wait for a registration at one time.
    pub long_polls_max: usize,
    /// Request bodies held in memory, over all requests.
    pub request_bytes_in_memory_max: u64,
    /// Answers held in memory, over all requests.
    pub response_bytes_in_memory_max: u64,
    /// Hash trees of slivers kept to prove single symbols: 64 bytes for each shard of the network and sliver.
    pub symbol_tree_bytes_max: u64,
    /// Body limit of the routes that have none of their own (metadata and others).
    pub body_bytes_max: u64,
    /// A request body slower than this on average, after the idle timeout has passed once, is ended.
    pub body_bytes_per_second_min: u64,
    /// Threads for coding, hashing and signatures; 0 = one for each core.
    pub cpu_threads_max: usize,
    /// How much of a refused body is still read, so that the peer sees the answer instead of a reset.
    pub refused_body_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            http2_streams_max: 128,
            reads_max: 256,
            writes_max: 128,
            uploads_max: 128,
            symbols_max: 8,
            long_polls_max: 1024,
            request_bytes_in_memory_max: 256 << 20,
            response_bytes_in_memory_max: 512 << 20,
            symbol_tree_bytes_max: 32 << 20,
            body_bytes_max: 2 << 20,
            body_bytes_per_second_min: 1024,
            cpu_threads_max: 0,
            refused_body_bytes_max: 64 << 20,
        }
    }
}

/// Ceilings of the pending cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PendingLimits {
    /// Blobs whose metadata is buffered.
    pub metadata_max: usize,
    /// Slivers buffered, over all blobs.
    pub slivers_max: usize,
    /// Bytes buffered, over all blobs.
    pub bytes_max: u64,
    /// Bytes of one buffered sliver.
    pub sliver_bytes_max: u64,
    /// Buffered data of a blob that is not registered within this time makes room for others.
    pub lifetime_ms: u64,
}

impl Default for PendingLimits {
    fn default() -> Self {
        Self {
            metadata_max: 512,
            slivers_max: 4096,
            bytes_max: 512 << 20,
            sliver_bytes_max: 4 << 20,
            lifetime_ms: 300_000,
        }
    }
}

/// Intervals and deadlines, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// Time for the head of a request to arrive; also for the first bytes of a connection.
    pub header_timeout_ms: u64,
    /// Longest silence within a request body, and longest stall of a peer that reads an answer.
    pub body_idle_timeout_ms: u64,
    /// Longest wait for a registration, whatever the request asks for.
    pub registration_wait_max_ms: u64,
    /// How long a request waits for a free slot before it is told to come back.
    pub queue_wait_ms: u64,
    /// How long open requests may take to finish after a shutdown was asked for.
    pub drain_timeout_ms: u64,
    /// First pause after a failure of the chain connection; doubles up to 32 times of it.
    pub chain_retry_ms: u64,
    /// Pause between the start of an epoch and the deletion of the blobs that ended with it.
    pub expiry_grace_ms: u64,
    /// Longest pause between two looks at whether the epoch is over.
    pub keeper_interval_max_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            header_timeout_ms: 10_000,
            body_idle_timeout_ms: 30_000,
            registration_wait_max_ms: 5_000,
            queue_wait_ms: 2_000,
            drain_timeout_ms: 20_000,
            chain_retry_ms: 250,
            expiry_grace_ms: 10_000,
            keeper_interval_max_ms: 30_000,
        }
    }
}

impl Timing {
    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(crate) fn body_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.body_idle_timeout_ms)
    }

    pub(crate) fn queue_wait(&self) -> Duration {
        Duration::from_millis(self.queue_wait_ms)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }

    pub(crate) fn chain_retry(&self) -> Duration {
        Duration::from_millis(self.chain_retry_ms.max(1))
    }

    pub(crate) fn expiry_grace(&self) -> Duration {
        Duration::from_millis(self.expiry_grace_ms)
    }

    /// The wait for a registration: what was asked for, never more than the node allows.
    pub(crate) fn registration_wait(&self, asked_ms: Option<u64>) -> Duration {
        let most = self.registration_wait_max_ms;
        Duration::from_millis(asked_ms.unwrap_or(most).min(most))
    }
}

/// Rebuilding of slivers that this node should have and has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealConfig {
    /// Whether missing slivers are rebuilt at all.
    pub enabled: bool,
    /// Pause between the certification of a blob and the first attempt: its writer may still be uploading.
    pub delay_ms: u64,
    /// Pause after which blobs that could not be healed are tried again, and damaged ones are looked for.
    pub retry_ms: u64,
    /// Requests to other nodes at one time.
    pub requests_max: usize,
    /// Deadline of one request to another node.
    pub request_timeout_ms: u64,
}

impl Default for HealConfig {
    fn default() -> Self {
        Self { enabled: true, delay_ms: 15_000, retry_ms: 60_000, requests_max: 4, request_timeout_ms: 10_000 }
    }
}

/// Renewal of blobs from their own funds: the node pays the gas, and receives the reward that a blob's owner has set. Any
/// number of nodes may; the first one wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenewalConfig {
    /// Renewals in one epoch at most, those with the highest rewards first, so that nobody can make the node pay much gas
    /// for little; 0 leaves them to others.
    pub per_epoch_max: u32,
    /// Smallest reward that is worth it, in the payment token's smallest unit.
    pub reward_min: u64,
    /// Longest pause between two looks for blobs whose end is near.
    pub interval_max_ms: u64,
}

impl Default for RenewalConfig {
    fn default() -> Self {
        Self { per_epoch_max: 64, reward_min: 0, interval_max_ms: 600_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_a_registration_is_capped() {
        let timing = Timing::default();
        assert_eq!(timing.registration_wait(None), Duration::from_secs(5));
        assert_eq!(timing.registration_wait(Some(10)), Duration::from_millis(10));
        assert_eq!(timing.registration_wait(Some(u64::MAX)), Duration::from_secs(5));
    }
}
