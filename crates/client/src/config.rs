//! What a caller may tune, with defaults that fit a network of tens to hundreds of nodes.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use floe_chain::Address;
use floe_redstuff::MEMORY_CEILING_BYTES;

/// Enough for 100 MiB with all slivers, in memory: [`StoreConfig::memory_ceiling_bytes`].
const STORE_MEMORY_CEILING_BYTES: u64 = 640 << 20;

/// Limits, deadlines and concurrency of a [`FloeClient`](crate::FloeClient).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// Connections: how they are opened, kept and given up.
    pub connections: ConnectionConfig,
    /// Uploads.
    pub store: StoreConfig,
    /// Downloads.
    pub read: ReadConfig,
    /// How long a view of the committee and the epoch is used before the chain is asked again; also the chain's word that
    /// a blob is promised.
    pub view_max_age: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connections: ConnectionConfig::default(),
            store: StoreConfig::default(),
            read: ReadConfig::default(),
            view_max_age: Duration::from_secs(1),
        }
    }
}

/// Connections to storage nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// Time to open a TCP connection.
    pub connect_timeout: Duration,
    /// A transfer that moves no byte for this long is given up.
    pub idle_timeout: Duration,
    /// Unused connections are closed after this time.
    pub pool_idle_timeout: Duration,
    /// Unused connections kept for each node.
    pub pool_idle_per_node_max: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(15),
            pool_idle_timeout: Duration::from_secs(60),
            pool_idle_per_node_max: 32,
        }
    }
}

/// How blobs are uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// Nodes that are sent to at the same time.
    pub concurrent_nodes_max: usize,
    /// Tries for each node, the first included.
    pub attempts_max: u32,
    /// Pause before the second try; it doubles with each further one, up to `backoff_max`.
    pub backoff_min: Duration,
    /// Longest pause between two tries.
    pub backoff_max: Duration,
    /// How long a node may wait for the registration before it refuses (a node caps it at 5 s).
    pub registration_wait: Duration,
    /// An upload that moves no byte for this long is given up; so is one whose answer takes this long after the last
    /// byte (plus the time that its size takes at `encoded_bytes_per_second_min`).
    pub stall_timeout: Duration,
    /// Time that a store of a tiny blob may take until it is certified.
    pub deadline_base: Duration,
    /// Slowest upload that is put up with, in encoded bytes per second: the deadline grows by it.
    pub encoded_bytes_per_second_min: u64,
    /// How long nodes that were too slow for the quorum are still served, at most.
    pub tail_max: Duration,
    /// Bytes of memory that all uploads in the background may hold; beyond, the oldest is dropped. What they hold on disk
    /// goes with them.
    pub tail_bytes_max: u64,
    /// How often a store starts to collect confirmations again because the epoch changed.
    pub epoch_changes_max: u32,
    /// About how much memory one store may take. A blob that fits into it with what its slivers have beyond it (3.5 times
    /// its size) is encoded in memory; the slivers of a larger one lie in its source and in a file of 2.5 times its size.
    pub memory_ceiling_bytes: u64,
    /// Folder of those files, which have no name and vanish with their store; the system's folder for temporary files if
    /// none is given. That one may itself be in memory (a tmpfs): then name one on a disk.
    pub spool_dir: Option<PathBuf>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            concurrent_nodes_max: 128,
            attempts_max: 6,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(2),
            registration_wait: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            deadline_base: Duration::from_secs(60),
            encoded_bytes_per_second_min: 4 << 20,
            tail_max: Duration::from_secs(120),
            tail_bytes_max: 8 << 30,
            epoch_changes_max: 4,
            memory_ceiling_bytes: STORE_MEMORY_CEILING_BYTES,
            spool_dir: None,
        }
    }
}

/// How blobs are downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadConfig {
    /// Slivers asked for at the same time, those that were overtaken not counted.
    pub concurrent_slivers_max: usize,
    /// A request is overtaken by another one no sooner than after this time.
    pub hedge_min: Duration,
    /// A request is overtaken after this time while nothing else has answered, plus the time that its size takes at eight
    /// times `bytes_per_second_min`.
    pub hedge_first: Duration,
    /// Time that one request of a tiny answer may take.
    pub request_timeout: Duration,
    /// Tries for each sliver, the first included.
    pub attempts_max: u32,
    /// Pause before a sliver is asked for again; it doubles with each try.
    pub backoff_min: Duration,
    /// Time that a read of a tiny blob may take.
    pub deadline_base: Duration,
    /// Slowest download that is put up with: deadlines and timeouts grow by it.
    pub bytes_per_second_min: u64,
    /// Metadata of this many blobs is kept (66 bytes for each shard and blob).
    pub cached_metadata_max: usize,
    /// About how much memory one read to a file or as a stream may take; [`read`](crate::FloeClient::read) holds the blob. At
    /// least a few slivers (44 MB each for the largest blob at 1000 shards), and one codeword where something must be decoded
    /// (100 MB for that blob).
    pub memory_ceiling_bytes: u64,
    /// Folder of the files that hold slivers while a large blob is decoded. They have no name and vanish with their read. The
    /// system's folder for temporary files if none is given; that one may itself be in memory (a tmpfs).
    pub spool_dir: Option<PathBuf>,
}

impl ReadConfig {
    /// The ceiling, as far as this machine can address it.
    pub(crate) fn ceiling(&self) -> usize {
        usize::try_from(self.memory_ceiling_bytes).unwrap_or(usize::MAX)
    }
}

impl Default for ReadConfig {
    fn default() -> Self {
        Self {
            concurrent_slivers_max: 24,
            hedge_min: Duration::from_millis(100),
            hedge_first: Duration::from_millis(400),
            request_timeout: Duration::from_secs(10),
            attempts_max: 3,
            backoff_min: Duration::from_millis(200),
            deadline_base: Duration::from_secs(60),
            bytes_per_second_min: 1 << 20,
            cached_metadata_max: 256,
            memory_ceiling_bytes: MEMORY_CEILING_BYTES as u64,
            spool_dir: None,
        }
    }
}

/// How far the decoded bytes are checked against the metadata (encoding.md section 11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Every systematic primary sliver is checked: all correct readers get the same bytes, or all fail.
    #[default]
    Default,
    /// The blob is encoded again and its id compared: every sliver was encoded correctly.
    Strict,
    /// None beyond the check of each sliver, for writers that are trusted.
    Skip,
}

/// Options of [`FloeClient::store`](crate::FloeClient::store).
#[derive(Clone)]
pub struct StoreOptions {
    /// For how many epochs, the current one included; at least 1. Does not matter in a pool.
    pub epochs: u32,
    /// Whether the owner may delete the blob before its end and use the storage again. Only what nobody can delete counts as
    /// available for contracts.
    pub deletable: bool,
    /// Store again even if the blob is certified for long enough already.
    pub force: bool,
    /// Whether registrations and storage that are owned already are looked for on chain and used before anything is
    /// bought. Registrations that this client has begun itself are used in any case.
    pub reuse_resources: bool,
    /// Who gets the registration; the account that pays if nobody is named. Does not matter in a pool.
    pub owner: Option<Address>,
    /// The pool of the account's that the blob goes into. Only writing is paid for, and the blob ends with the pool. What
    /// is registered elsewhere is neither used nor extended: a blob that others keep is stored in the pool all the same.
    pub pool: Option<u64>,
    /// Told of each phase.
    pub progress: Option<Arc<dyn Progress>>,
}

impl StoreOptions {
    /// Stores for `epochs` epochs, for good until then, for the account that pays, without force and without progress. What is
    /// owned already is used.
    pub fn epochs(epochs: u32) -> Self {
        Self { epochs, deletable: false, force: false, reuse_resources: true, owner: None, pool: None, progress: None }
    }

    /// Stores in a pool of the account's until the pool's end, for good until then.
    pub fn in_pool(pool: u64) -> Self {
        Self { pool: Some(pool), ..Self::epochs(0) }
    }

    /// The same, for a blob that its owner may delete.
    #[must_use]
    pub fn deletable(self) -> Self {
        Self { deletable: true, ..self }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("epochs", &self.epochs)
            .field("deletable", &self.deletable)
            .field("force", &self.force)
            .field("reuse_resources", &self.reuse_resources)
            .field("owner", &self.owner)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// Options of [`FloeClient::read`](crate::FloeClient::read).
#[derive(Clone, Default)]
pub struct ReadOptions {
    /// How far the bytes are checked.
    pub consistency: Consistency,
    /// Told of each phase.
    pub progress: Option<Arc<dyn Progress>>,
}

impl fmt::Debug for ReadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOptions").field("consistency", &self.consistency).finish_non_exhaustive()
    }
}

/// Told how far a store or a read has come. Calls come from several threads, and must not block.
pub trait Progress: Send + Sync {
    /// A new phase begins: `encode`, `register`, `upload` (unit: bytes sent), `certify`;
    /// `metadata`, `download` (unit: bytes received and verified), `decode`. `total` is in the unit of the phase.
    fn phase(&self, name: &str, total: Option<u64>);
    /// `n` more units of the current phase are done.
    fn advance(&self, n: u64);
}

/// The progress that nobody watches.
pub(crate) struct Unwatched;

impl Progress for Unwatched {
    fn phase(&self, _name: &str, _total: Option<u64>) {}
    fn advance(&self, _n: u64) {}
}

/// The caller's progress, or one that does nothing.
pub(crate) fn watched(progress: &Option<Arc<dyn Progress>>) -> Arc<dyn Progress> {
    progress.clone().unwrap_or_else(|| Arc::new(Unwatched))
}

/// `base` plus the time that `bytes` take at `bytes_per_second`.
pub(crate) fn scaled(base: Duration, bytes: u64, bytes_per_second: u64) -> Duration {
    let millis = bytes.saturating_mul(1000) / bytes_per_second.max(1);
    base.saturating_add(Duration::from_millis(millis))
}
