//! `floe node`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use floe_chain::Address;
use floe_config::ByteSize;
use floe_protocol::NodeId;

use super::values::{Amount, parse_basis_points, parse_node_id};

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    pub(crate) action: NodeAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeAction {
    /// Run the node whose configuration (TOML) --config names
    ///
    /// To change the key that signs: make a new one with key-gen, name it as next_protocol_key_file beside the old one, and
    /// start the node again. It announces the new key on chain and signs with it from the first epoch on whose committee
    /// knows it; the log says when. Then make it the protocol_key_file.
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
    /// Show a node as the registry and the stake know it
    Show {
        /// The node; without it that of the configuration or of the wallet's account
        #[arg(value_parser = parse_node_id)]
        node: Option<NodeId>,
    },
    /// Present the node otherwise; what is not given stays
    #[command(arg_required_else_help = true)]
    Update {
        /// What people call it
        #[arg(long)]
        name: Option<String>,
        /// Where it serves
        #[arg(long, visible_alias = "public-url")]
        url: Option<String>,
        /// A picture, project and the like: a URI or a JSON text
        #[arg(long)]
        metadata: Option<String>,
    },
    /// Announce another commission, from the epoch after next on
    Commission {
        /// Its part of the pool's rewards: 5%, or basis points
        #[arg(value_name = "PART", value_parser = parse_basis_points)]
        part: u16,
    },
    /// Pay the commission that the node has earned to its receiver, whose wallet this must be
    CollectCommission {
        /// The node; without it that of the configuration or of the wallet's account
        #[arg(long = "node", visible_alias = "node-id", value_name = "ID", value_parser = parse_node_id)]
        node: Option<NodeId>,
    },
    /// Name the account that collects the commission; who does so now may
    #[command(alias = "set-commission-authorized")]
    SetCommissionReceiver(AuthorityArgs),
    /// Name the account that votes in the governance; who does so now may
    #[command(alias = "set-governance-authorized")]
    SetGovernanceAuthority(AuthorityArgs),
    /// Announce the key that the node will sign with, from the next committee on that it is selected for, and write it into
    /// the configuration that --config names; the node has to be restarted within the epoch
    RotateKey {
        /// File with the new BLS key (`floe node key-gen --key-type protocol` makes one)
        #[arg(long, value_name = "FILE")]
        next_key_file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AuthorityArgs {
    /// The account
    pub(crate) address: Address,
    /// The node; without it that of the configuration or of the wallet's account
    #[arg(long = "node", visible_alias = "node-id", value_name = "ID", value_parser = parse_node_id)]
    pub(crate) node: Option<NodeId>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  floe node key-gen --key-type protocol --out protocol.key\n  \
                        floe node key-gen --key-type account --out account.key\n  \
                        floe register-node --node-config node.toml --name my-node --public-url https://node.example:9185\n  \
                        floe node run --config node.toml\n\nThe account pays the gas. The node holds shards once it has \
                        stake (`floe stake`). Running the command again completes what was interrupted.")]
pub(crate) struct RegisterNodeArgs {
    /// Configuration of the node: read if it exists, and written with the node's number
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    pub(crate) node_config: PathBuf,
    /// What people call it
    #[arg(long)]
    pub(crate) name: String,
    /// Where clients reach it
    #[arg(long, visible_alias = "url")]
    pub(crate) public_url: String,
    /// File with its BLS key [default: the configured one, or protocol.key beside the configuration]
    #[arg(long, value_name = "FILE")]
    pub(crate) protocol_key_file: Option<PathBuf>,
    /// File with the key of its account [default: the configured one, or account.key beside the configuration]
    #[arg(long, value_name = "FILE")]
    pub(crate) account_key_file: Option<PathBuf>,
    /// Address to listen on [default: the configured one, or 0.0.0.0:9185]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Folder of its slivers [default: the configured one, or data beside the configuration]
    #[arg(long, visible_alias = "storage-path", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Its part of its pool's rewards: 5%, or basis points
    #[arg(long, visible_alias = "commission-rate", value_name = "PART", default_value = "0", value_parser = parse_basis_points)]
    pub(crate) commission: u16,
    /// First vote: price of a MiB of encoded length for an epoch [default: the price in force]
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) storage_price: Option<Amount>,
    /// First vote: price of writing a MiB of encoded length [default: the price in force]
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) write_price: Option<Amount>,
    /// First vote: encoded bytes that it can hold
    #[arg(long, visible_alias = "node-capacity", value_name = "SIZE", default_value = "1TiB")]
    pub(crate) capacity: ByteSize,
    /// A picture, project and the like: a URI or a JSON text
    #[arg(long, default_value = "")]
    pub(crate) metadata: String,
}

/// Keys of a node.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyType {
    /// BLS12-381, signs confirmations
    Protocol,
    /// secp256k1, the account on the chain
    Account,
}
