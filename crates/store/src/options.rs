/// Payload bytes of one record at most (a sliver of the largest blob at 1000 shards is 44 MB).
pub const RECORD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Records in one batch at most.
pub const BATCH_RECORDS_MAX: usize = 65_536;
/// Bytes of keys and values of state in one batch at most.
pub const BATCH_STATE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one state key at most.
pub const STATE_KEY_BYTES_MAX: usize = 1024;
/// Batches that share one fsync and one index commit at most.
pub const GROUP_BATCHES_MAX: usize = 256;
/// Index operations in one shared commit at most (a single larger batch still goes through, alone).
pub const GROUP_OPERATIONS_MAX: usize = 65_536;
/// Bytes of records that the log may have beyond what the index has on disk: an open after a crash reads them.
pub(crate) const INDEX_LAG_LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of keys and values of state that the index has in memory only.
pub(crate) const INDEX_LAG_STATE_BYTES_MAX: usize = 1024 * 1024;

/// Sizes and ceilings of a store. The defaults suit a storage node.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// A segment is closed and a new one begun when it would grow beyond this. Records larger than this get a segment
    /// of their own.
    pub segment_bytes: u64,
    /// The sum of segment files may not grow beyond this: `Full` is returned as on a full disk.
    pub bytes_max: u64,
    /// Small records are gathered up to this size before they are written.
    pub write_buffer_bytes: usize,
    /// Memory for pages of the index.
    pub index_cache_bytes: usize,
    /// Operations that the index keeps in memory, since the log has them, before it takes them to disk together.
    pub index_lag_operations: usize,
    /// Segment files held open for reading.
    pub open_segments_max: usize,
    /// A closed segment is rewritten by garbage collection when at least this share of its bytes is dead, in percent.
    pub collect_dead_percent: u8,
    /// Secret of segment checksums; `None` draws one at random. Fixed in simulations so that a seed gives one run.
    pub salt: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 256 * 1024 * 1024,
            bytes_max: u64::MAX,
            write_buffer_bytes: 1024 * 1024,
            index_cache_bytes: 64 * 1024 * 1024,
            index_lag_operations: 4096,
            open_segments_max: 128,
            collect_dead_percent: 50,
            salt: None,
        }
    }
}
