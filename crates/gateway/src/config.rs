//! Limits and timeouts of a gateway.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// Configuration of a gateway. Durations are in seconds where it is read from a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Writes.
    pub store: StoreLimits,
    /// Reads.
    pub read: ReadLimits,
    /// Bytes that all requests together may hold in memory: blobs, what they are encoded in, answers under way. A store takes
    /// no more than [`StoreConfig::memory_ceiling_bytes`](floe_client::StoreConfig::memory_ceiling_bytes); a single request
    /// that needs more than all gets all. Uploads that go on in the background have a limit of their own
    /// ([`StoreConfig::tail_bytes_max`](floe_client::StoreConfig::tail_bytes_max)).
    pub memory_bytes_max: u64,
    /// How long a request waits for a place or for memory before it is turned away with 429.
    pub wait_secs_max: u64,
    /// Connections.
    pub connections: ConnectionLimits,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            store: StoreLimits::default(),
            read: ReadLimits::default(),
            memory_bytes_max: 4 << 30,
            wait_secs_max: 30,
            connections: ConnectionLimits::default(),
        }
    }
}

impl GatewayConfig {
    pub(crate) fn wait_max(&self) -> Duration {
        Duration::from_secs(self.wait_secs_max)
    }
}

/// Limits of stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreLimits {
    /// Largest blob in bytes; the format's limit at the network's number of shards if none is given.
    pub blob_bytes_max: Option<u64>,
    /// Stores at work at once.
    pub concurrent_max: usize,
    /// Stores that may wait for a place.
    pub waiting_max: usize,
    /// A body up to this size is kept in memory; a larger one goes to an unnamed temporary file while it arrives.
    pub spool_threshold_bytes: usize,
    /// Where those files are; the system's folder if none is given. Where their slivers go if they are too large for memory
    /// is [`StoreConfig::spool_dir`](floe_client::StoreConfig::spool_dir).
    pub spool_dir: Option<PathBuf>,
    /// A body that brings no byte for this long is given up.
    pub body_idle_secs_max: u64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            blob_bytes_max: None,
            concurrent_max: 64,
            waiting_max: 128,
            spool_threshold_bytes: 1 << 20,
            spool_dir: None,
            body_idle_secs_max: 30,
        }
    }
}

/// Limits of reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadLimits {
    /// Largest blob that is served, in bytes; no limit of its own if none is given.
    pub blob_bytes_max: Option<u64>,
    /// Reads at work at once.
    pub concurrent_max: usize,
    /// Reads that may wait for a place.
    pub waiting_max: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { blob_bytes_max: None, concurrent_max: 256, waiting_max: 320 }
    }
}

/// Limits of connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionLimits {
    /// Open connections; more wait to be accepted.
    pub open_max: usize,
    /// Time for the head of a request.
    pub header_secs_max: u64,
    /// An answer of which the other side takes no byte for this long is given up.
    pub write_idle_secs_max: u64,
    /// Time for requests under way when the gateway is told to end.
    pub shutdown_secs_max: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { open_max: 1024, header_secs_max: 15, write_idle_secs_max: 60, shutdown_secs_max: 30 }
    }
}
