//! What can be typed.

mod bench;
mod chain;
mod devnet;
mod gateway;
mod info;
mod memory;
mod node;
mod read;
mod store;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::{
    bench::{BenchAction, BenchArgs, BenchCodeArgs},
    chain::{ChainArgs, Rules},
    devnet::{DevnetAction, DevnetArgs},
    gateway::GatewayArgs,
    info::{InfoArgs, InfoPart},
    memory::MemoryArgs,
    node::{KeyType, NodeAction, NodeArgs},
    read::{BlobIdArgs, BlobStatusArgs, ReadArgs},
    store::StoreArgs,
    values::Epochs,
};

/// Floe: blobs on independent storage nodes, certified on a blockchain.
#[derive(Debug, Parser)]
#[command(name = "floe", version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that stand before or after any command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Configuration (TOML); without it clients use the running devnet
    #[arg(long, global = true, env = "FLOE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Key file of the account that pays, instead of the configured one
    #[arg(long, global = true, env = "FLOE_WALLET", value_name = "FILE")]
    pub(crate) wallet: Option<PathBuf>,
    /// Print the result as JSON on stdout, and nothing else
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Errors only, no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Log more; twice and thrice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole local network: chain, storage nodes, gateway
    Devnet(DevnetArgs),
    /// Store files, each as one blob certified on chain
    #[command(alias = "write")]
    Store(StoreArgs),
    /// Read a blob, verified
    Read(ReadArgs),
    /// Compute the blob ID of a file
    BlobId(BlobIdArgs),
    /// Say what the network knows of a blob
    BlobStatus(BlobStatusArgs),
    /// Show the network: epoch, sizes, prices, committee
    Info(InfoArgs),
    /// Run a storage node
    Node(NodeArgs),
    /// Run a gateway: HTTP for applications
    Gateway(GatewayArgs),
    /// Run the embedded chain alone: one trusted sequencer, for development and small private networks
    Chain(ChainArgs),
    /// Measure how fast this machine is
    Bench(BenchArgs),
    /// Print a completion script for a shell
    #[command(alias = "completion")]
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn blob_ids_may_start_with_a_hyphen() {
        let id = "-kebabcase0123456789012345678901234567890123";
        let cli = Cli::try_parse_from(["floe", "read", id, "--json"]).unwrap();
        assert!(cli.global.json);
        assert!(matches!(cli.command, Command::Read(args) if args.blob_id == id));
        Cli::try_parse_from(["floe", "blob-status", "--blob-id", id]).unwrap();
    }
}
