//! `floe relay`, and what commands take that use one.

use clap::Args;

use super::Amount;

#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:31416")]
    pub(crate) bind_address: String,
    /// Least fee for anything, in the token that storage is paid in
    #[arg(long, value_name = "AMOUNT", default_value = "0.001")]
    pub(crate) fee: Amount,
    /// What a whole native coin is worth in that token: fees follow the price of gas by it. With 0 the least fee is the only
    /// one
    #[arg(long, value_name = "AMOUNT", default_value = "0")]
    pub(crate) coin_price: Amount,
}

/// Whether a relay writes to the chain for this account.
#[derive(Debug, Clone, Args)]
pub(crate) struct GaslessArgs {
    /// Let a relay pay the gas, for a fee: the account needs no native coin
    #[arg(long)]
    pub(crate) gasless: bool,
    /// URL of the relay [default: the configured one]
    #[arg(long, value_name = "URL", requires = "gasless")]
    pub(crate) relay: Option<String>,
    /// Most that the relay may keep for one blob, in the token that storage is paid in
    #[arg(long, value_name = "AMOUNT", requires = "gasless", default_value = "1")]
    pub(crate) max_relay_fee: Amount,
}
