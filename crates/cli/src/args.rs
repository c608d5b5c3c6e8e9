//! What can be typed.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use floe_config::{ByteSize, ClientFile};

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

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Files to store; - is standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// How many epochs the blobs are kept, counted from now; or max
    #[arg(long, value_name = "N|max")]
    pub(crate) epochs: Epochs,
    /// Store again even if the blob is already certified for long enough
    #[arg(long)]
    pub(crate) force: bool,
    /// Only say what would be stored and what it would cost
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}

/// How much memory a command takes, and where the rest goes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct MemoryArgs {
    /// About how much memory to take, such as 1GiB, whatever the size of the blob [default: the configured one, or
    /// 640MiB to store and 512MiB otherwise]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Folder for what does not fit into it: files without names, up to 2.5 times the blob (and once for standard input).
    /// It should be on a disk [default: the configured one, or TMPDIR; where a file is read to, its folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) spool_dir: Option<PathBuf>,
}

impl MemoryArgs {
    /// What was not given is what the file says.
    pub(crate) fn or_configured(self, file: &ClientFile) -> Self {
        Self { memory: self.memory.or(file.memory), spool_dir: self.spool_dir.or_else(|| file.spool_dir.clone()) }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Blob ID (43 characters)
    #[arg(allow_hyphen_values = true)]
    pub(crate) blob_id: String,
    /// File to write; - or nothing is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Encode the blob again and compare its whole ID
    #[arg(long, conflicts_with = "skip_consistency_check")]
    pub(crate) strict_consistency_check: bool,
    /// Trust the writer to have encoded the blob consistently
    #[arg(long)]
    pub(crate) skip_consistency_check: bool,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BlobIdArgs {
    /// The file; - is standard input
    pub(crate) file: PathBuf,
    /// Number of shards of the network; without it the configured network is asked
    #[arg(long)]
    pub(crate) n_shards: Option<u16>,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}

#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false)]
pub(crate) struct BlobStatusArgs {
    /// Blob ID (43 characters)
    #[arg(long, group = "which", allow_hyphen_values = true)]
    pub(crate) blob_id: Option<String>,
    /// A file whose blob ID is meant
    #[arg(long, group = "which")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    #[command(subcommand)]
    pub(crate) part: Option<InfoPart>,
}

/// Parts of the information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum InfoPart {
    /// Everything
    All,
    /// The current epoch
    Epoch,
    /// Nodes and shards
    Storage,
    /// Limits of size
    Size,
    /// Prices
    Price,
    /// What faults are survived
    Bft,
    /// The committee of nodes
    Committee,
    /// The token that storage is paid in
    Coin,
}

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    pub(crate) action: NodeAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeAction {
    /// Run the node whose configuration (TOML) --config names
    Run {
        /// For a parent process: print the URL on stdout, take another port if the configured one is taken, and end
        /// when standard input closes
        #[arg(long)]
        managed: bool,
    },
    /// Make a new key file
    KeyGen {
        /// What the key is for
        #[arg(long, value_enum)]
        key_type: KeyType,
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Keys of a node.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyType {
    /// BLS12-381, signs confirmations
    Protocol,
    /// secp256k1, the account on the chain
    Account,
}

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:31415")]
    pub(crate) bind_address: String,
    /// Memory that all requests share; those that find none left wait, then get 429
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub(crate) memory: ByteSize,
    /// Folder for large bodies and their slivers: files without names. It should be on a disk [default: the configured
    /// one, or TMPDIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) spool_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ChainArgs {
    /// Folder of the chain; without it nothing is kept
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8545")]
    pub(crate) bind_address: String,
    /// Chain id
    #[arg(long, default_value_t = 31_337)]
    pub(crate) chain_id: u64,
    /// Rules of the EVM
    #[arg(long, value_enum, default_value_t = Rules::Prague)]
    pub(crate) hardfork: Rules,
}

/// Rules of the EVM.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Rules {
    /// Prague
    Prague,
    /// Osaka
    Osaka,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// A number of epochs, or as many as the network allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epochs {
    Count(u32),
    Max,
}

impl std::str::FromStr for Epochs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "max" => Ok(Self::Max),
            _ => match text.parse() {
                Ok(0) => Err("at least one epoch is needed".into()),
                Ok(count) => Ok(Self::Count(count)),
                Err(_) => Err("a number of epochs, or max".into()),
            },
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) action: BenchAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchAction {
    /// Time the erasure code and the hashing on one blob, in turns with a plain implementation of the same
    Code(BenchCodeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BenchCodeArgs {
    /// Number of shards
    #[arg(long, default_value_t = 1000)]
    pub(crate) n_shards: u16,
    /// Size of the blob, such as 64KiB, 32MiB, 1GiB, or a number of bytes
    #[arg(long, default_value = "32MiB")]
    pub(crate) size: ByteSize,
    /// Threads (the plain implementation has one) [default: one for each processor]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Most runs of each work; fewer if they take long
    #[arg(long, default_value_t = 5)]
    pub(crate) runs: usize,
    /// Leave out the plain implementation, which takes most of the time
    #[arg(long)]
    pub(crate) no_baseline: bool,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds: u64 = match &text[digits.len()..] {
        "s" | "" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        unit => return Err(format!("unknown unit {unit}: use s, m, h or d")),
    };
    let count: u64 = digits.parse().map_err(|_| format!("{text} is not a duration: write 30s, 10m, 2h or 1d"))?;
    count
        .checked_mul(seconds)
        .filter(|s| *s > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text} is out of range"))
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
    fn durations() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in ["", "0s", "5y", "h", "-1s", "99999999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn epochs() {
        assert_eq!("max".parse(), Ok(Epochs::Max));
        assert_eq!("7".parse(), Ok(Epochs::Count(7)));
        assert!("0".parse::<Epochs>().is_err());
    }
}
