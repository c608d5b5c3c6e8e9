//! Memory and spool, which several commands take

use std::path::PathBuf;

use clap::Args;
use floe_config::{ByteSize, ClientFile};

/// How much memory a command takes, and where the rest goes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct MemoryArgs {
    /// About how much memory to take, such as 1GiB, whatever the size of the blob [default: the configured one, or
    /// 640MiB to store and 512MiB otherwise]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// Folder for what does not fit into it: files without names, up to 2.5 times the blob (and once for standard input).
    /// It should be on a disk [default: the configured one, or TMPDIR; where a file is read to, its folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) spool_dir: Option<PathBuf>,
}

impl MemoryArgs {
    /// What was not given is what the file says.
    pub(crate) fn or_configured(self, file: &ClientFile) -> Self {
        Self { memory: self.memory.or(file.memory), spool_dir: self.spool_dir.or_else(|| file.spool_dir.clone()) }
    }
}
