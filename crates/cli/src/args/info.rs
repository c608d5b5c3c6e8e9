//! `floe info`

use clap::{Args, Subcommand};

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
