//! What a node knows and holds of a blob.

use serde::{Deserialize, Serialize};

use super::EventId;
use crate::Epoch;

/// Answer of the `…/status` routes of metadata and slivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StoredStatus {
    /// Durable.
    Stored,
    /// In memory, until the blob is registered.
    Buffered,
    /// Not here.
    Nonexistent,
}

/// Status of a blob as one node sees it.
///
/// The counts keep snake_case inside, all else is camelCase: real answers are like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum BlobStatus {
    /// Unknown or expired.
    #[default]
    Nonexistent,
    /// Marked as inconsistently encoded.
    Invalid {
        /// The event that marked it.
        event: EventId,
    },
    /// Registered until an epoch, and not deletable before.
    Permanent {
        /// First epoch in which it is no longer stored.
        end_epoch: Epoch,
        /// Whether a certificate is on chain.
        is_certified: bool,
        /// The registration or certification that this status rests on.
        status_event: EventId,
        /// Deletable registrations of the same blob.
        deletable_counts: DeletableCounts,
        /// When it was first certified.
        initial_certified_epoch: Option<Epoch>,
    },
    /// Only deletable registrations.
    Deletable {
        /// When it was first certified.
        initial_certified_epoch: Option<Epoch>,
        /// How many registrations.
        deletable_counts: DeletableCounts,
    },
}

/// Numbers of deletable registrations of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeletableCounts {
    /// All of them.
    pub count_deletable_total: u32,
    /// The certified ones.
    pub count_deletable_certified: u32,
}

impl BlobStatus {
    /// Order by which answers of several nodes are weighed: nonexistent, deletable, permanent, invalid.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Nonexistent => 0,
            Self::Deletable { .. } => 1,
            Self::Permanent { .. } => 2,
            Self::Invalid { .. } => 3,
        }
    }

    /// The epoch of the first certification, if any.
    #[must_use]
    pub const fn initial_certified_epoch(&self) -> Option<Epoch> {
        match self {
            Self::Permanent { initial_certified_epoch, .. } | Self::Deletable { initial_certified_epoch, .. } => {
                *initial_certified_epoch
            }
            Self::Nonexistent | Self::Invalid { .. } => None,
        }
    }
}
