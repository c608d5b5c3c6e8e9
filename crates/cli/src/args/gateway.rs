//! `floe gateway`

use std::path::PathBuf;

use clap::Args;
use floe_config::ByteSize;

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
