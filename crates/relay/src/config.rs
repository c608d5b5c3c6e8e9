//! Prices and ceilings of a relay.

use std::time::Duration;

/// Configuration of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayConfig {
    /// Least fee for any intent, in the payment token's smallest unit.
    pub fee_min: u128,
    /// What a whole native coin (10^18 of its smallest unit) is worth, in the payment token's smallest unit. Fees follow the
    /// price of gas by it; 0: the least fee is the only one.
    pub coin_price: u128,
    /// What is added to the price of gas, in percent.
    pub margin_percent: u32,
    /// An intent has to be valid for at least this long when it comes in, in seconds.
    pub validity_secs_min: u64,
    /// Intents and certificates at work at once.
    pub concurrent_max: usize,
    /// Intents and certificates that may wait for a place.
    pub waiting_max: usize,
    /// Transactions that may fail in their block, for which the relay has paid, within an hour; beyond, it pauses.
    pub failures_per_hour_max: usize,
    /// Certificates that may fail in their block for one registration.
    pub certificate_failures_max: usize,
    /// Longest body in bytes.
    pub body_bytes_max: usize,
    /// Time for a body to arrive.
    pub body_timeout: Duration,
    /// Time for the head of a request.
    pub header_timeout: Duration,
    /// Open connections; more wait to be accepted.
    pub connections_max: usize,
    /// Time for requests under way when the relay is told to end. A transaction under way is waited for.
    pub shutdown_timeout: Duration,
}

impl Default for RelayConfig {
    /// A thousandth of a six-decimal dollar, whatever gas costs: right for a chain where gas costs nothing.
    fn default() -> Self {
        Self {
            fee_min: 1_000,
            coin_price: 0,
            margin_percent: 20,
            validity_secs_min: 30,
            concurrent_max: 64,
            waiting_max: 256,
            failures_per_hour_max: 60,
            certificate_failures_max: 3,
            body_bytes_max: 64 << 10,
            body_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            connections_max: 1024,
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}
