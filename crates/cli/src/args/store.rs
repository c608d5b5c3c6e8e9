//! `floe store`

use std::path::PathBuf;

use clap::Args;

use super::{Epochs, GaslessArgs, MemoryArgs};

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Files to store; - is standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// How many epochs the blobs are kept, counted from now; or max
    #[arg(long, value_name = "N|max", required_unless_present = "pool")]
    pub(crate) epochs: Option<Epochs>,
    /// Keep the blobs in a pool of the wallet's (`floe pool`) until its end; only writing is paid for
    #[arg(long, value_name = "POOL", conflicts_with_all = ["epochs", "gasless"])]
    pub(crate) pool: Option<u64>,
    /// The default: whoever owns the blob may delete it before its end and use the storage again. Contracts do not count it
    /// as available
    #[arg(long, conflicts_with = "permanent")]
    pub(crate) deletable: bool,
    /// Nobody can delete the blob before its end: what contracts count as available
    #[arg(long)]
    pub(crate) permanent: bool,
    /// Store again even if the blob is already certified for long enough
    #[arg(long)]
    pub(crate) force: bool,
    /// Buy anew: do not look for registrations and storage that the account owns already
    #[arg(long)]
    pub(crate) ignore_resources: bool,
    /// Only say what would be stored and what it would cost
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) gasless: GaslessArgs,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}
