//! `floe store`

use std::path::PathBuf;

use clap::Args;

use super::{Epochs, MemoryArgs};

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
