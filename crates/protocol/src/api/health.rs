//! Health of a storage node.

use std::{fmt, str::FromStr, time::Duration};

use floe_redstuff::ShardIndex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{Epoch, bls};

/// Payload of `GET /v1/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Time since the start of the process.
    pub uptime: Uptime,
    /// The epoch the node is in.
    pub epoch: Epoch,
    /// Its signing key.
    pub public_key: bls::PublicKey,
    /// What it is doing.
    pub node_status: NodeStatus,
    /// How far it has followed the chain.
    pub event_progress: EventProgress,
    /// Its shards in numbers.
    pub shard_summary: ShardSummary,
    /// Its shards one by one; only with `detailed=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_detail: Option<ShardDetail>,
    /// Newest checkpoint of the chain that it has seen: on an EVM chain, a block number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_checkpoint_sequence_number: Option<u64>,
}

/// A time span as `{"secs":12,"nanos":345}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Uptime {
    /// Whole seconds.
    pub secs: u64,
    /// The rest, in nanoseconds.
    pub nanos: u32,
}

impl From<Duration> for Uptime {
    fn from(duration: Duration) -> Self {
        Self { secs: duration.as_secs(), nanos: duration.subsec_nanos() }
    }
}

/// How far a node has followed the chain's events, as counts of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventProgress {
    /// Handled for good.
    pub persisted: u64,
    /// Seen, not yet handled.
    pub pending: u64,
    /// Index of the highest event that is handled.
    #[serde(default)]
    pub highest_finished_event_index: Option<u64>,
}

/// Shards of a node in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardSummary {
    /// Shards that the node owns in this epoch.
    pub owned: u64,
    /// Those by status.
    pub owned_shard_status: ShardStatusCounts,
    /// Shards that it no longer owns and still serves.
    pub read_only: u64,
}

/// Owned shards by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardStatusCounts {
    /// Not known.
    pub unknown: u64,
    /// Complete and served.
    pub ready: u64,
    /// Being fetched from the previous owner.
    pub in_transfer: u64,
    /// Being rebuilt from other shards.
    pub in_recovery: u64,
}

/// Shards of a node one by one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShardDetail {
    /// Those that it owns.
    pub owned: Vec<ShardHealth>,
    /// Others that it still has.
    pub other: Vec<ShardHealth>,
}

/// Status of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardHealth {
    /// The shard.
    pub shard: ShardIndex,
    /// Its status.
    pub status: ShardStatus,
}

/// What a node is doing with a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShardStatus {
    /// Not known.
    Unknown,
    /// Complete and served.
    Ready,
    /// Being fetched from the previous owner.
    InTransfer,
    /// Being rebuilt from other shards.
    InRecovery,
    /// No longer owned, still served.
    ReadOnly,
}

/// What a node is doing; text in JSON, some with numbers in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeStatus {
    /// Not in the committee.
    Standby,
    /// Serving.
    Active,
    /// Fetching metadata of the blobs it should have.
    RecoverMetadata,
    /// Catching up with the chain.
    RecoveryCatchUp,
    /// Catching up with the chain, whose early events it cannot get.
    RecoveryCatchUpWithIncompleteHistory {
        /// First epoch whose events it has in full.
        first_complete_epoch: Epoch,
        /// Epoch when it began.
        epoch_at_start: Epoch,
    },
    /// Rebuilding slivers for that epoch.
    RecoveryInProgress(Epoch),
}

/// Text that is no node status.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a node status")]
pub struct NodeStatusError;

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standby => f.write_str("Standby"),
            Self::Active => f.write_str("Active"),
            Self::RecoverMetadata => f.write_str("RecoverMetadata"),
            Self::RecoveryCatchUp => f.write_str("RecoveryCatchUp"),
            Self::RecoveryCatchUpWithIncompleteHistory { first_complete_epoch, epoch_at_start } => write!(
                f,
                "RecoveryCatchUpWithIncompleteHistory (first complete epoch: \
                 {first_complete_epoch}, epoch at start: {epoch_at_start})"
            ),
            Self::RecoveryInProgress(epoch) => write!(f, "RecoveryInProgress ({epoch})"),
        }
    }
}

impl FromStr for NodeStatus {
    type Err = NodeStatusError;

    fn from_str(text: &str) -> Result<Self, NodeStatusError> {
        let (name, rest) = match text.split_once(" (") {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').ok_or(NodeStatusError)?)),
            None => (text, None),
        };
        let epoch = |text: &str| text.parse().map(Epoch).map_err(|_| NodeStatusError);
        match (name, rest) {
            ("Standby", None) => Ok(Self::Standby),
            ("Active", None) => Ok(Self::Active),
            ("RecoverMetadata", None) => Ok(Self::RecoverMetadata),
            ("RecoveryCatchUp", None) => Ok(Self::RecoveryCatchUp),
            ("RecoveryInProgress", Some(number)) => epoch(number).map(Self::RecoveryInProgress),
            ("RecoveryCatchUpWithIncompleteHistory", Some(numbers)) => {
                let (first, start) = numbers
                    .strip_prefix("first complete epoch: ")
                    .and_then(|numbers| numbers.split_once(", epoch at start: "))
                    .ok_or(NodeStatusError)?;
                Ok(Self::RecoveryCatchUpWithIncompleteHistory {
                    first_complete_epoch: epoch(first)?,
                    epoch_at_start: epoch(start)?,
                })
            }
            _ => Err(NodeStatusError),
        }
    }
}

impl Serialize for NodeStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
