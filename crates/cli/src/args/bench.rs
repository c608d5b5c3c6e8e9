//! `floe bench`

use clap::{Args, Subcommand};
use floe_config::ByteSize;

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
