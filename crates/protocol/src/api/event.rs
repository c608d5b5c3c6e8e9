//! Name of a chain event in answers: transaction and position.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Longest base58 form of 32 bytes.
const DIGEST_TEXT_MAX: usize = 44;

/// Text that is not base58 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a transaction digest is base58 of 32 bytes")]
pub struct TxDigestError;

/// Hash of a transaction; text form base58.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxDigest([u8; 32]);

impl TxDigest {
    /// Wraps the 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for TxDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0).into_string())
    }
}

impl fmt::Debug for TxDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TxDigest({self})")
    }
}

impl FromStr for TxDigest {
    type Err = TxDigestError;

    fn from_str(text: &str) -> Result<Self, TxDigestError> {
        if text.len() > DIGEST_TEXT_MAX {
            return Err(TxDigestError);
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| TxDigestError)?;
        bytes.try_into().map(Self).map_err(|_| TxDigestError)
    }
}

impl Serialize for TxDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TxDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A chain event: `{"txDigest":"<base58>","eventSeq":"<decimal string>"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventId {
    /// The transaction that emitted it.
    pub tx_digest: TxDigest,
    /// Its position; on an EVM chain the index of the log in its block.
    #[serde(with = "decimal_string")]
    pub event_seq: u64,
}

mod decimal_string {
    use super::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
