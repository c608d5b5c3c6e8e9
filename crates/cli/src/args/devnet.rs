//! `floe devnet`

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::values::parse_duration;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DevnetArgs {
    #[command(subcommand)]
    pub(crate) action: Option<DevnetAction>,
    /// Storage nodes [default: 10]
    #[arg(long)]
    pub(crate) nodes: Option<u16>,
    /// Shards, spread evenly over the nodes [default: 100]
    #[arg(long)]
    pub(crate) shards: Option<u16>,
    /// Folder of the network [default: floe/devnet in the user's data folder]
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Length of an epoch, such as 30s, 10m, 2h, 1d [default: 1d]
    #[arg(long, value_parser = parse_duration)]
    pub(crate) epoch_duration: Option<Duration>,
    /// Port of the gateway [default: 31415, or a free one]
    #[arg(long)]
    pub(crate) gateway_port: Option<u16>,
    /// Port of the relay [default: 31416, or a free one]
    #[arg(long)]
    pub(crate) relay_port: Option<u16>,
    /// Port of the chain's JSON-RPC [default: 8545, or a free one]
    #[arg(long)]
    pub(crate) chain_port: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevnetAction {
    /// Start a node of the running devnet again
    RestartNode {
        /// Name of the node, such as node-3
        name: String,
        /// Folder of the network [default: the running one]
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}
