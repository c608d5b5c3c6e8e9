//! The named ceilings of the chain: every queue, body, range and list has one.

/// Gas limit of a block. The gas cap of `eth_call` and `eth_estimateGas` is the same.
pub const BLOCK_GAS_LIMIT: u64 = 60_000_000;
/// Base fee per gas in wei, the same in each block.
pub const BASE_FEE_WEI: u64 = 1_000_000_000;
/// The priority fee that `eth_maxPriorityFeePerGas` suggests; none is required.
pub const SUGGESTED_TIP_WEI: u64 = 1_000_000_000;
/// Blocks whose state can still be asked for, besides the latest.
pub const STATE_HISTORY_BLOCKS: u64 = 256;

/// Largest encoded transaction.
pub const TX_BYTES_MAX: usize = 128 * 1024;
/// Transactions taken into one block at most.
pub const BLOCK_TXS_MAX: usize = 4_096;
/// Threads that work out costly precompiles of a block beside the one that seals it.
pub const AHEAD_THREADS_MAX: usize = 15;
/// Transactions in the pool, waiting for a nonce or for the next block.
pub const POOL_TXS_MAX: usize = 16_384;
/// Encoded size of all transactions in the pool.
pub const POOL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Transactions of one sender in the pool.
pub const POOL_TXS_PER_SENDER_MAX: usize = 2_048;
/// A transaction whose nonce gap stays open this long makes room for others when the pool is full.
pub const POOL_GAP_LIFETIME_SECS: u64 = 600;
/// A replacement must raise both fees by this percentage.
pub const POOL_PRICE_BUMP_PERCENT: u128 = 10;

/// Entries of a JSON-RPC batch.
pub const BATCH_ENTRIES_MAX: usize = 1_000;
/// Entries of one batch in progress at the same time.
pub const BATCH_CONCURRENCY: usize = 64;
/// Bytes of a batch response; entries beyond it are answered with an error.
pub const BATCH_RESPONSE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of an HTTP body or a WebSocket message.
pub const REQUEST_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Connections of both kinds together. At the limit, those over HTTP that are idle are closed for others.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Milliseconds between two looks for idle ones while others wait.
pub const CROWDED_LOOK_MS: u64 = 100;
/// Requests of one WebSocket connection in progress.
pub const SOCKET_REQUESTS_MAX: usize = 256;
/// Subscriptions of one WebSocket connection.
pub const SOCKET_SUBSCRIPTIONS_MAX: usize = 128;
/// Seconds in which the request head must arrive, and after it the body.
pub const REQUEST_TIMEOUT_SECS: u64 = 30;
/// Seconds between WebSocket pings; a peer that is silent for three of them is dropped.
pub const SOCKET_PING_SECS: u64 = 30;
/// Seconds a connection is given to finish when the chain shuts down.
pub const SHUTDOWN_GRACE_SECS: u64 = 5;

/// Blocks that one log query may span.
pub const LOG_BLOCKS_MAX: u64 = 100_000;
/// Logs in one answer.
pub const LOG_RESULTS_MAX: usize = 10_000;
/// Bytes of topics and data in one answer.
pub const LOG_RESULT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Addresses and topics in one filter.
pub const LOG_FILTER_TERMS_MAX: usize = 1_000;
/// Filters installed by `eth_newFilter` and the like.
pub const FILTERS_MAX: usize = 1_024;
/// A filter that is not polled for this long is removed.
pub const FILTER_LIFETIME_SECS: u64 = 300;
/// Blocks in one `eth_feeHistory` answer.
pub const FEE_HISTORY_BLOCKS_MAX: u64 = 1_024;
