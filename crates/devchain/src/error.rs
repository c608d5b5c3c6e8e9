use crate::database::is_full;
use std::path::PathBuf;

/// What can go wrong with the chain as a whole.
///
/// Each variant has a stable code, given by [`DevChainError::code`] and printed first. Errors of single requests
/// are JSON-RPC errors in the words of geth, since that is what wallets and libraries look for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevChainError {
    /// Another process (or another handle in this one) has the directory open.
    #[error("DEVCHAIN-0001: {} is in use by another process: stop it, or choose another directory", dir.display())]
    InUse {
        /// The chain directory.
        dir: PathBuf,
    },
    /// The directory or its file cannot be created, read or written.
    #[error("DEVCHAIN-0002: cannot open the chain in {}: {source}", dir.display())]
    Directory {
        /// The chain directory.
        dir: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The directory holds a chain with another id.
    #[error(
        "DEVCHAIN-0003: {} holds the chain with id {got}, not {expected}: pass that id, or choose another directory",
        dir.display()
    )]
    WrongChainId {
        /// The chain directory.
        dir: PathBuf,
        /// The id found there.
        got: u64,
        /// The id asked for.
        expected: u64,
    },
    /// The directory was made under other rules.
    #[error("DEVCHAIN-0004: {} follows the {got} rules, not {expected}: a chain keeps its rules", dir.display())]
    WrongHardfork {
        /// The chain directory.
        dir: PathBuf,
        /// The rules found there.
        got: String,
        /// The rules asked for.
        expected: String,
    },
    /// The file was written by another version of this software.
    #[error("DEVCHAIN-0005: the chain file has format {got}; this version reads format {expected}")]
    Format {
        /// The format found.
        got: u64,
        /// The format this version reads and writes.
        expected: u64,
    },
    /// The database failed: an I/O error, a full disk, or damage that its checksums found.
    #[error("DEVCHAIN-0006: chain storage failed: {0}: check the disk, then restart the chain")]
    Storage(#[source] Box<redb::Error>),
    /// A row is not what this software writes.
    #[error("DEVCHAIN-0007: the chain file is damaged: {0}")]
    Corrupt(String),
    /// Sealing has stopped after a storage failure; what was sealed before can still be read.
    #[error("DEVCHAIN-0008: the chain has stopped sealing: {0}")]
    Stopped(String),
    /// The state of this block is no longer kept.
    #[error("DEVCHAIN-0009: the state of block {number} is not kept: blocks {first} to {head} are")]
    StateNotKept {
        /// The block asked for.
        number: u64,
        /// The oldest block with state.
        first: u64,
        /// The latest block.
        head: u64,
    },
    /// The listening socket failed.
    #[error("DEVCHAIN-0010: cannot serve: {0}")]
    Serve(#[source] std::io::Error),
    /// The disk is full: the block was not made, nothing of it was kept.
    #[error("DEVCHAIN-0012: the chain's disk is full: free some space, then send it again ({0})")]
    Full(String),
    /// The EVM refused to run, though the transaction was well formed.
    #[error("DEVCHAIN-0011: execution failed: {0}")]
    Execution(String),
}

impl DevChainError {
    /// The stable code, `DEVCHAIN-` and four digits.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "DEVCHAIN-0001",
            Self::Directory { .. } => "DEVCHAIN-0002",
            Self::WrongChainId { .. } => "DEVCHAIN-0003",
            Self::WrongHardfork { .. } => "DEVCHAIN-0004",
            Self::Format { .. } => "DEVCHAIN-0005",
            Self::Storage(_) => "DEVCHAIN-0006",
            Self::Corrupt(_) => "DEVCHAIN-0007",
            Self::Stopped(_) => "DEVCHAIN-0008",
            Self::StateNotKept { .. } => "DEVCHAIN-0009",
            Self::Serve(_) => "DEVCHAIN-0010",
            Self::Execution(_) => "DEVCHAIN-0011",
            Self::Full(_) => "DEVCHAIN-0012",
        }
    }

    /// Whether the disk had no room: with room, the same works.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Full(_) => true,
            Self::Storage(error) => matches!(&**error, redb::Error::Io(source) if is_full(source)),
            _ => false,
        }
    }
}

impl revm::database_interface::DBErrorMarker for DevChainError {}

macro_rules! storage_errors {
    ($($name:ident),*) => {$(
        impl From<redb::$name> for DevChainError {
            fn from(error: redb::$name) -> Self {
                Self::Storage(Box::new(error.into()))
            }
        }
    )*};
}
storage_errors!(StorageError, TableError, TransactionError, CommitError);
