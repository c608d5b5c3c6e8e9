//! Query strings of the storage node's routes. Unknown parameters are refused where the spec says so.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{ObjectId, limits, message::Persistence};

/// Query of `PUT …/metadata` and `PUT …/slivers/…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PendingQuery {
    /// Hold it in memory if the blob is not registered yet.
    pub pending: bool,
}

/// Query of the confirmation routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfirmationQuery {
    /// Wait for the registration instead of answering `NOT_REGISTERED` at once.
    pub wait_for_registration: bool,
    /// For how long at most, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_millis: Option<u64>,
}

impl ConfirmationQuery {
    /// Milliseconds to wait for a registration: 0 if not asked for, never above
    /// [`limits::REGISTRATION_WAIT_MILLIS_MAX`].
    #[must_use]
    pub fn wait_millis_bounded(&self) -> u64 {
        let max = limits::REGISTRATION_WAIT_MILLIS_MAX;
        match self.wait_for_registration {
            true => self.wait_millis.map_or(max, |millis| millis.min(max)),
            false => 0,
        }
    }
}

/// Query of `GET /v1/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthQuery {
    /// Give the shards one by one.
    pub detailed: bool,
}

/// Query of the streamed upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadQuery {
    /// What the answer is to confirm.
    #[serde(default)]
    pub persistence: PersistenceText,
    /// How long to wait for the registration, in milliseconds; the maximum if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_millis: Option<u64>,
}

impl UploadQuery {
    /// Milliseconds to wait for a registration, at most [`limits::REGISTRATION_WAIT_MILLIS_MAX`].
    #[must_use]
    pub fn wait_millis_bounded(&self) -> u64 {
        let max = limits::REGISTRATION_WAIT_MILLIS_MAX;
        self.wait_millis.map_or(max, |millis| millis.min(max))
    }
}

/// What the answer to an upload confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confirms {
    /// Any permanent registration of the blob.
    #[default]
    Permanent,
    /// This deletable registration.
    Deletable(ObjectId),
    /// Whichever deletable registration is the latest when the upload is complete: the sender does not know the object yet.
    LatestDeletable,
    /// Nothing: the answer says that all is durable, unsigned. A batch is confirmed as a whole, later.
    Nothing,
}

impl From<Persistence> for Confirms {
    fn from(persistence: Persistence) -> Self {
        match persistence {
            Persistence::Permanent => Self::Permanent,
            Persistence::Deletable(object) => Self::Deletable(object),
        }
    }
}

/// [`Confirms`] in a query: `permanent`, `deletable:0x…`, `deletable` or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PersistenceText(pub Confirms);

impl fmt::Display for PersistenceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Confirms::Permanent => f.write_str("permanent"),
            Confirms::Deletable(object) => write!(f, "deletable:{object}"),
            Confirms::LatestDeletable => f.write_str("deletable"),
            Confirms::Nothing => f.write_str("none"),
        }
    }
}

impl FromStr for PersistenceText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "permanent" => Confirms::Permanent,
            "deletable" => Confirms::LatestDeletable,
            "none" => Confirms::Nothing,
            _ => {
                let object = text
                    .strip_prefix("deletable:")
                    .ok_or("persistence is 'permanent', 'deletable', 'deletable:<object id>' or 'none'")?;
                Confirms::Deletable(object.parse().map_err(|error: crate::IdError| error.to_string())?)
            }
        }))
    }
}

impl Serialize for PersistenceText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PersistenceText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
