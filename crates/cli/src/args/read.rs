//! `floe read`, `blob-id` and `blob-status`

use std::path::PathBuf;

use clap::Args;
use floe_config::ByteSize;

use super::MemoryArgs;

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Blob ID (43 characters)
    #[arg(allow_hyphen_values = true)]
    pub(crate) blob_id: String,
    /// File to write; - or nothing is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Read from this byte on, such as 4096 or 7GiB: no more moves over the network than what holds the part
    #[arg(long, value_name = "SIZE")]
    pub(crate) start: Option<ByteSize>,
    /// Read so many bytes, such as 1MiB [default: up to the end]
    #[arg(long, value_name = "SIZE")]
    pub(crate) length: Option<ByteSize>,
    /// Encode the blob again and compare its whole ID
    #[arg(long, conflicts_with_all = ["skip_consistency_check", "start", "length"])]
    pub(crate) strict_consistency_check: bool,
    /// Trust the writer to have encoded the blob consistently
    #[arg(long, conflicts_with_all = ["start", "length"])]
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
