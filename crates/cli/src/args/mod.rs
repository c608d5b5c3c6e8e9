//! What can be typed.

mod bench;
mod blobs;
mod chain;
mod deploy;
mod devnet;
mod epoch;
mod gateway;
mod info;
mod memory;
mod money;
mod node;
mod pool;
mod read;
mod relay;
mod stake;
mod store;
mod subsidies;
mod values;
mod vote;
mod wallet;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::{
    bench::{BenchAction, BenchArgs},
    blobs::{BurnArgs, DeleteArgs, ExtendArgs, FundArgs, ListBlobsArgs, RenewArgs, RenewalArgs, ShareArgs},
    chain::{ChainArgs, Rules},
    deploy::DeployArgs,
    devnet::{DevnetAction, DevnetArgs},
    epoch::{CommitteeArgs, EpochAction, EpochArgs, EpochToReach},
    gateway::GatewayArgs,
    info::{InfoArgs, InfoPart},
    memory::MemoryArgs,
    money::{BalanceArgs, PriceArgs, ResourcesAction, ResourcesArgs},
    node::{KeyType, NodeAction, NodeArgs, RegisterNodeArgs},
    pool::{PoolAction, PoolArgs},
    read::{BlobIdArgs, BlobStatusArgs, ReadArgs},
    relay::{GaslessArgs, RelayArgs},
    stake::{ClaimArgs, StakeAction, StakeArgs, StakeListArgs, UnstakeArgs, WithdrawArgs},
    store::StoreArgs,
    subsidies::{SubsidiesAction, SubsidiesArgs},
    values::{Amount, BlobRef, Epochs},
    vote::{VoteAction, VoteArgs, VoterArgs},
    wallet::{WalletAction, WalletArgs},
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
    /// File with the password of the key file, where that is a keystore; FLOE_PASSWORD may hold the password itself
    #[arg(long, global = true, env = "FLOE_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
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
    /// List the blobs that an account owns
    ListBlobs(ListBlobsArgs),
    /// Pay for more epochs of a blob
    Extend(ExtendArgs),
    /// Delete blobs that were stored as deletable
    Delete(DeleteArgs),
    /// Give a blob to everyone
    Share(ShareArgs),
    /// Put money into a blob, from which it renews itself
    #[command(alias = "fund-shared-blob")]
    Fund(FundArgs),
    /// Renew blobs from their own funds, for the rewards
    Renew(RenewArgs),
    /// Give registrations up: clear those that have ended
    #[command(alias = "burn-blobs")]
    Burn(BurnArgs),
    /// Show, buy, cut, join and pass on storage resources
    #[command(alias = "resource")]
    Resources(ResourcesArgs),
    /// Buy and look after pools: capacity that many blobs share
    #[command(alias = "pools")]
    Pool(PoolArgs),
    /// Say what storing costs
    Price(PriceArgs),
    /// Show what an account holds: coins, tokens, stake, rewards
    Balance(BalanceArgs),
    /// Stake FLOE with nodes, and list positions
    Stake(StakeArgs),
    /// Take stake back
    #[command(alias = "request-withdraw-stake")]
    Unstake(UnstakeArgs),
    /// Pay out stake that has left
    #[command(alias = "withdraw-stake")]
    Withdraw(WithdrawArgs),
    /// Pay out what stake has earned
    Claim(ClaimArgs),
    /// Show and fill the pot that adds to what users pay
    #[command(alias = "subsidy")]
    Subsidies(SubsidiesArgs),
    /// Vote, as a node: on prices and capacity, upgrades, parameters, slashing
    Vote(VoteArgs),
    /// Show the committee: nodes, shards, stake
    Committee(CommitteeArgs),
    /// Show the clock, wait for an epoch, or take the clock's next step
    Epoch(EpochArgs),
    /// Begin epoch 1 of a network that was deployed; its deployer may, once
    Launch,
    /// Register a storage node from its key files
    RegisterNode(RegisterNodeArgs),
    /// Run and look after a storage node
    #[command(alias = "node-admin")]
    Node(NodeArgs),
    /// Run a gateway: HTTP for applications
    Gateway(GatewayArgs),
    /// Run a relay: it stores for accounts without native coin, for a fee
    Relay(RelayArgs),
    /// Create the contracts of a new network on a chain; run it again to go on after an interruption
    Deploy(DeployArgs),
    /// Make, import, export and list accounts in keystore files
    Wallet(WalletArgs),
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

    #[test]
    fn groups_leave_the_other_options_alone() {
        for good in [
            &["floe", "burn", "--all-expired", "--yes"][..],
            &["floe", "burn", "1", "2", "-y"],
            &["floe", "price", "--size", "1MiB", "--epochs", "3"],
            &["floe", "store", "a", "--pool", "1", "--permanent"],
            &["floe", "pool", "create", "--resource", "4"],
            &["floe", "pool", "grow", "1", "--size", "1GiB"],
            &["floe", "extend", "1", "--epochs-extended", "3", "--shared"],
            &["floe", "stake", "list", "--staked-only"],
            &["floe", "stake", "--node", "1", "2", "--amount", "3", "4.5"],
            &["floe", "delete", "--file", "a", "b", "--yes"],
            &["floe", "delete", "-O3DCvJe-1spgyze6G_HxQh0gqtOYmxK9VKPcmt4cQA", "--yes"],
            &["floe", "delete", "--yes", "12", "--json"],
            &["floe", "vote", "slash", "--node", "1", "--of", "2", "--part", "5%"],
            &["floe", "fund-shared-blob", "--shared-blob-obj-id", "1", "--amount", "2"],
        ] {
            Cli::try_parse_from(good).unwrap_or_else(|e| panic!("{good:?}: {e}"));
        }
        for bad in [
            &["floe", "burn", "1", "--all"][..],
            &["floe", "extend", "1", "--epochs", "1", "--end-epoch", "5"],
            &["floe", "delete"],
            &["floe", "stake", "--amount", "3"],
            &["floe", "committee", "--next", "--previous"],
            &["floe", "fund", "1", "--amount", "1", "--withdraw", "1"],
            &["floe", "store", "a"],
            &["floe", "store", "a", "--pool", "1", "--epochs", "3"],
            &["floe", "store", "a", "--pool", "1", "--gasless"],
            &["floe", "pool", "create", "--size", "1GiB"],
            &["floe", "pool", "create", "--resource", "4", "--epochs", "3"],
            &["floe", "pool", "increase", "1"],
        ] {
            assert!(Cli::try_parse_from(bad).is_err(), "{bad:?}");
        }
    }
}
