use std::io;
use std::sync::Arc;

/// Why the store refused or could not do something. Cheap to clone: writers that share one commit share its error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left (or the configured ceiling is reached). Nothing of the batch is kept; the store goes on and
    /// takes writes again when there is space.
    #[error("the disk is full while trying to {operation}; nothing of this batch was kept")]
    Full {
        /// What was being done.
        operation: &'static str,
    },
    /// The store has stopped for good: an fsync failed, so what is durable is unknown. Reopen it (restart the process).
    #[error("the store has stopped ({reason}); restart to recover from what is durable")]
    Failed {
        /// What broke.
        reason: Arc<str>,
    },
    /// Stored bytes differ from what was written. They are set aside (see [`crate::Store::quarantined`]) and never
    /// given out; from now on the item counts as missing.
    #[error("{what} is corrupt (segment {segment}, offset {offset}): {reason}")]
    Corrupt {
        /// The item.
        what: String,
        /// The segment that holds it.
        segment: u64,
        /// The offset of its record in the segment, in bytes.
        offset: u64,
        /// What did not match.
        reason: &'static str,
    },
    /// The index is missing or unreadable while segments exist. [`crate::Store::rebuild_index`] makes a new one from them.
    #[error("the index is lost ({reason}); rebuild it from the segments")]
    IndexLost {
        /// What was found.
        reason: String,
    },
    /// Another process holds the folder.
    #[error("the store folder {path} is in use by another process")]
    Locked {
        /// The folder.
        path: String,
    },
    /// An item beyond a named limit.
    #[error("{what} of {got} is beyond the limit of {max}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// Its size or count.
        got: u64,
        /// The limit.
        max: u64,
    },
    /// The folder was written by a version that this one does not know.
    #[error("disk format version {got} is not supported (this build reads version {expected})")]
    Version {
        /// Found on disk.
        got: u32,
        /// Supported.
        expected: u32,
    },
    /// The disk refused an operation. Nothing of the batch is kept.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The error of the system.
        source: Arc<io::Error>,
    },
}

impl StoreError {
    /// A stable code for people and alerts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } => "STORE-0001",
            Self::Failed { .. } => "STORE-0002",
            Self::Corrupt { .. } => "STORE-0003",
            Self::IndexLost { .. } => "STORE-0004",
            Self::Locked { .. } => "STORE-0005",
            Self::TooLarge { .. } => "STORE-0006",
            Self::Version { .. } => "STORE-0007",
            Self::Io { .. } => "STORE-0008",
        }
    }

    /// Whether the same call may succeed later without a restart or a repair.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Io { .. })
    }

    /// Tells a full disk from every other error of the system.
    pub(crate) fn io(operation: &'static str, source: io::Error) -> Self {
        if crate::disk::is_full(&source) {
            Self::Full { operation }
        } else {
            Self::Io { operation, source: Arc::new(source) }
        }
    }

    pub(crate) fn failed(reason: impl Into<Arc<str>>) -> Self {
        Self::Failed { reason: reason.into() }
    }
}
