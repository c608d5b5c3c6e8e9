//! `floe chain`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
