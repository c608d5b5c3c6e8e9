//! What can go wrong, for a person and for a program.

use std::{fmt, io, path::PathBuf};

use floe_chain::ChainError;
use floe_protocol::{Epoch, NodeId};
use floe_redstuff::BlobId;

use crate::source::SourceChanged;

/// One node that did not do its part, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFailure {
    /// The node's id on chain.
    pub node: NodeId,
    /// The node's name on chain.
    pub name: String,
    /// Where it was asked.
    pub address: String,
    /// Shards that it holds.
    pub shards: u16,
    /// The last thing that went wrong with it.
    pub reason: String,
}

impl fmt::Display for NodeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {} shards): {}", self.name, self.address, self.shards, self.reason)
    }
}

/// Failures shown in one line: the first few by name, the rest counted.
struct Listed<'a>(&'a [NodeFailure]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (i, failure) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{failure}", if i == 0 { ": " } else { "; " })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more nodes"),
        }
    }
}

/// Why a store or a read did not succeed.
///
/// `Display` says what happened; [`advice`](Self::advice) says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The network knows of no such blob.
    #[error("blob {blob_id} is not known to the network")]
    NotFound {
        /// The id asked for.
        blob_id: BlobId,
    },
    /// Registered, but never certified: nothing was promised.
    #[error("blob {blob_id} is registered, but was never certified")]
    NotCertified {
        /// The id asked for.
        blob_id: BlobId,
    },
    /// Its storage time is over.
    #[error("blob {blob_id} expired at the start of epoch {end_epoch}; it is epoch {current_epoch} now")]
    Expired {
        /// The id asked for.
        blob_id: BlobId,
        /// First epoch in which it is no longer stored.
        end_epoch: Epoch,
        /// The epoch when it was asked for.
        current_epoch: Epoch,
    },
    /// It was there when the read began; the last registration that held it was deleted since.
    #[error("blob {blob_id} was deleted by its owner while it was being read")]
    Gone {
        /// The id asked for.
        blob_id: BlobId,
    },
    /// Marked invalid by the network: its writer encoded it wrongly.
    #[error("blob {blob_id} is marked invalid: its writer encoded it inconsistently")]
    Invalid {
        /// The id asked for.
        blob_id: BlobId,
    },
    /// Too few shards gave what was needed of them.
    #[error("only {answered_shards} of {needed_shards} needed shards answered for the {what} of blob {blob_id}{}", Listed(.failures))]
    Unavailable {
        /// The id asked for.
        blob_id: BlobId,
        /// What was asked for: `status`, `metadata` or `slivers`.
        what: &'static str,
        /// Shards that gave a correct answer.
        answered_shards: u32,
        /// Shards whose answers would have sufficed.
        needed_shards: u32,
        /// The nodes that failed.
        failures: Vec<NodeFailure>,
    },
    /// Too few shards confirmed that they hold their part, so the blob could not be certified.
    #[error("only {weight} of {needed} needed shards confirmed blob {blob_id}{}", Listed(.failures))]
    InsufficientConfirmations {
        /// The blob's id.
        blob_id: BlobId,
        /// Shards that confirmed.
        weight: u32,
        /// Shards that must confirm.
        needed: u32,
        /// The nodes that failed.
        failures: Vec<NodeFailure>,
    },
    /// The epoch changed again and again while confirmations were collected.
    #[error("the epoch changed {changes} times while blob {blob_id} was being stored (now epoch {epoch})")]
    EpochKeepsChanging {
        /// The blob's id.
        blob_id: BlobId,
        /// The last epoch seen.
        epoch: Epoch,
        /// How often it changed.
        changes: u32,
    },
    /// Beyond the format's limit for this number of shards.
    #[error("a blob of {size} bytes is too large: at {n_shards} shards the limit is {max} bytes")]
    BlobTooLarge {
        /// Size in bytes.
        size: u64,
        /// Largest size in bytes.
        max: u64,
        /// Number of shards of the network.
        n_shards: u16,
    },
    /// The decoded bytes are not what the metadata commits to; nothing was returned.
    #[error("blob {blob_id} is inconsistent: its writer encoded it wrongly ({detail})")]
    Inconsistent {
        /// The id asked for.
        blob_id: BlobId,
        /// Which check failed.
        detail: String,
    },
    /// A range that is not inside the blob.
    #[error("bytes {start}..{end} are not inside blob {blob_id} of {size} bytes")]
    RangeOutOfBounds {
        /// The id asked for.
        blob_id: BlobId,
        /// First byte asked for.
        start: u64,
        /// One past the last byte asked for.
        end: u64,
        /// Size of the blob in bytes.
        size: u64,
    },
    /// A number of epochs that the network does not sell.
    #[error("{got} epochs were asked for; the network stores for 1 to {max} epochs ahead")]
    EpochsOutOfRange {
        /// Epochs asked for.
        got: u32,
        /// Most epochs ahead.
        max: u32,
    },
    /// The source of a blob that was being stored is not what it was.
    #[error("{0}; the blob was not certified")]
    SourceChanged(SourceChanged),
    /// The source of a blob that was being stored cannot be read.
    #[error("reading the blob: {0}")]
    Source(io::Error),
    /// The file that a blob is read to cannot be written, or not be read again.
    #[error("writing the blob: {0}")]
    Target(io::Error),
    /// The file that holds slivers of a large blob while it is stored or read cannot be written or read.
    #[error("spooling slivers to a file in {}: {error}", .dir.display())]
    Spool {
        /// The folder of the file.
        dir: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The chain refused or did not answer.
    #[error("{0}")]
    Chain(#[from] ChainError),
    /// A defect of this program or of its surroundings.
    #[error("internal error: {0}")]
    Internal(String),
}

/// The same error again, for each that asks.
pub(crate) fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

impl ClientError {
    pub(crate) fn of_source(error: &io::Error) -> Self {
        SourceChanged::in_error(error).map_or_else(|| Self::Source(copy(error)), Self::SourceChanged)
    }

    /// The stable code of this error; errors of the chain keep theirs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "CLIENT-NOT-FOUND",
            Self::NotCertified { .. } => "CLIENT-NOT-CERTIFIED",
            Self::Expired { .. } => "CLIENT-EXPIRED",
            Self::Gone { .. } => "CLIENT-DELETED",
            Self::Invalid { .. } => "CLIENT-INVALID-BLOB",
            Self::Unavailable { .. } => "CLIENT-UNAVAILABLE",
            Self::InsufficientConfirmations { .. } => "CLIENT-INSUFFICIENT-CONFIRMATIONS",
            Self::EpochKeepsChanging { .. } => "CLIENT-EPOCH-KEEPS-CHANGING",
            Self::BlobTooLarge { .. } => "CLIENT-BLOB-TOO-LARGE",
            Self::Inconsistent { .. } => "CLIENT-INCONSISTENT-BLOB",
            Self::RangeOutOfBounds { .. } => "CLIENT-RANGE-OUT-OF-BOUNDS",
            Self::EpochsOutOfRange { .. } => "CLIENT-EPOCHS-OUT-OF-RANGE",
            Self::SourceChanged(_) => "CLIENT-SOURCE-CHANGED",
            Self::Source(_) => "CLIENT-SOURCE",
            Self::Target(_) => "CLIENT-TARGET",
            Self::Spool { .. } => "CLIENT-SPOOL",
            Self::Chain(error) => error.code(),
            Self::Internal(_) => "CLIENT-INTERNAL",
        }
    }

    /// The exit code of a command that ends with this error: 2 usage, 3 not found, 4 unavailable, 5 integrity, 1 else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BlobTooLarge { .. } | Self::RangeOutOfBounds { .. } | Self::EpochsOutOfRange { .. } => 2,
            Self::NotFound { .. } | Self::NotCertified { .. } | Self::Expired { .. } | Self::Gone { .. } => 3,
            Self::Unavailable { .. } | Self::InsufficientConfirmations { .. } | Self::EpochKeepsChanging { .. } => 4,
            Self::Invalid { .. } | Self::Inconsistent { .. } => 5,
            Self::Chain(error) if error.is_retryable() => 4,
            Self::SourceChanged(_)
            | Self::Source(_)
            | Self::Target(_)
            | Self::Spool { .. }
            | Self::Chain(_)
            | Self::Internal(_) => 1,
        }
    }

    /// What a person can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "check the id and that you use the network on which it was stored",
            Self::NotCertified { .. } => "its store did not finish; store the file again",
            Self::Expired { .. } | Self::Gone { .. } => "it is gone for good unless someone stores it again",
            Self::Invalid { .. } | Self::Inconsistent { .. } => {
                "no reader can get this blob; ask its writer to store it again"
            }
            Self::Unavailable { .. } => "try again when more of the nodes named above are reachable",
            Self::InsufficientConfirmations { .. } => {
                "nothing was certified; store it again when more of the nodes named above are reachable"
            }
            Self::EpochKeepsChanging { .. } => {
                "store it again; if this lasts, the epochs are too short for this upload"
            }
            Self::BlobTooLarge { .. } => "split the file, or use a network with more shards",
            Self::RangeOutOfBounds { .. } => "ask for a range inside the blob",
            Self::EpochsOutOfRange { .. } => "choose another number of epochs",
            Self::SourceChanged(_) => "store it again when nobody writes to it",
            Self::Source(_) => "check that the file is still there and readable, then store it again",
            Self::Target(_) => "make room where the blob is written to, or name another place",
            Self::Spool { .. } => "use a spool folder on a disk with room for 2.5 times the blob, or allow more memory",
            Self::Chain(error) if error.is_retryable() => {
                "check that the chain's URL is right and reachable, then try again"
            }
            Self::Chain(_) => "the chain refused: see the reason above",
            Self::Internal(_) => "this is a defect: please report it",
        }
    }
}
