//! `floe wallet`

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct WalletArgs {
    #[command(subcommand)]
    pub(crate) action: WalletAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WalletAction {
    /// Make a new account in a keystore file
    New {
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Put an existing secret key into a keystore file
    Import {
        /// File with the key, as 64 hex digits or a keystore; - is standard input [default: asked for at the terminal]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write the secret key of a keystore, unprotected, to a file that only its owner can read
    Export {
        /// The keystore
        keystore: PathBuf,
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show the account of a key file
    Address {
        /// The key file [default: the one of --wallet, or of the configuration]
        key_file: Option<PathBuf>,
    },
    /// List the keystores in a folder, such as ~/.foundry/keystores or ~/.ethereum/keystore
    List {
        /// The folder
        dir: PathBuf,
    },
}
