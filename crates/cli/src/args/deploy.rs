//! `floe deploy`

use std::{path::PathBuf, time::Duration};

use clap::Args;
use floe_chain::Address;

use super::values::parse_duration;

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// JSON-RPC endpoint of the chain
    #[arg(long, env = "FLOE_RPC_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) rpc_url: String,
    /// File to write the addresses to (JSON); while it is not complete, FILE.progress says how to go on
    #[arg(long, value_name = "FILE", required_unless_present = "dry_run")]
    pub(crate) out: Option<PathBuf>,
    /// Write a configuration for clients as well (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) client_config: Option<PathBuf>,
    /// Shards of every blob
    #[arg(long, default_value_t = 1000)]
    pub(crate) n_shards: u16,
    /// Length of an epoch, such as 10m, 2h, 1d
    #[arg(long, value_parser = parse_duration, default_value = "1d")]
    pub(crate) epoch_duration: Duration,
    /// How many epochs can be paid for ahead at most
    #[arg(long, default_value_t = 53)]
    pub(crate) max_epochs_ahead: u32,
    /// ERC-20 token that storage is paid in, with 6 or 18 decimals [default: test money that anyone can make]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) payment_token: Option<Address>,
    /// How much of what is paid for storage is burned, in basis points
    #[arg(long, default_value_t = 0, value_name = "BPS")]
    pub(crate) burn_basis_points: u16,
    /// Only say what would be done and what it would cost
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before anything is paid
    #[arg(short, long)]
    pub(crate) yes: bool,
}
