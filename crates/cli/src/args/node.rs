//! `floe node`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
}

/// Keys of a node.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyType {
    /// BLS12-381, signs confirmations
    Protocol,
    /// secp256k1, the account on the chain
    Account,
}
