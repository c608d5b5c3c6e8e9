//! What goes over the wire.

use floe_chain::{Address, IntentId, IntentKind, TxHash};
use floe_protocol::{Certificate, ObjectId};
use serde::{Deserialize, Serialize};

/// Amounts are decimal digits in a string: they do not fit the numbers of JavaScript.
mod decimal {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("an amount is a string of decimal digits"))
    }
}

/// On which terms a relay works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayTerms {
    /// The chain.
    pub chain_id: u64,
    /// The relay's account: intents have to name it.
    pub relayer: Address,
    /// The network's contracts.
    pub contracts: RelayContracts,
    /// What it keeps now for each kind of intent. An intent should allow more, in case the price of gas rises.
    pub fees: RelayFees,
    /// An intent has to be valid for at least this long when it comes in, in seconds.
    pub validity_secs_min: u64,
}

/// The contracts that a relay works with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayContracts {
    /// Carries out intents.
    pub intents: Address,
    /// Holds the registrations.
    pub blobs: Address,
    /// Sells capacity.
    pub storage: Address,
    /// The token that fees are in.
    pub payment_token: Address,
}

/// A fee for each kind of intent, in the payment token's smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayFees {
    /// A storage resource.
    #[serde(with = "decimal")]
    pub reserve: u128,
    /// A registration; its certificate is included.
    #[serde(with = "decimal")]
    pub register: u128,
    /// More epochs.
    #[serde(with = "decimal")]
    pub extend: u128,
    /// Money for a fund.
    #[serde(with = "decimal")]
    pub fund: u128,
}

impl RelayFees {
    /// The fee of one kind.
    #[must_use]
    pub const fn of(&self, kind: IntentKind) -> u128 {
        match kind {
            IntentKind::Reserve => self.reserve,
            IntentKind::Register => self.register,
            IntentKind::Extend => self.extend,
            IntentKind::Fund => self.fund,
        }
    }
}

/// An intent was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntentAnswer {
    /// Which.
    pub intent_id: IntentId,
    /// The transaction.
    pub tx: TxHash,
    /// The new resource, the new or extended or funded registration.
    pub object_id: ObjectId,
    /// What the relay has kept.
    #[serde(with = "decimal")]
    pub fee: u128,
    /// What was left of the budget and went back.
    #[serde(with = "decimal")]
    pub returned: u128,
}

/// A certificate for registrations that the relay has carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateRequest {
    /// The registration; for the certificate of a batch all of them, in the order that was signed.
    pub registrations: Vec<RelayedRegistration>,
    /// What the nodes have signed.
    pub certificate: Certificate,
}

impl CertificateRequest {
    /// Whether the certificate is that of a list of registrations.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.certificate.message.first() == Some(&BATCH_INTENT)
    }

    pub(crate) fn objects(&self) -> Vec<ObjectId> {
        self.registrations.iter().map(|registration| registration.object_id).collect()
    }
}

/// First byte of what the nodes sign of a list.
const BATCH_INTENT: u8 = 0x80;

/// A registration that a relay has carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayedRegistration {
    /// Which.
    pub object_id: ObjectId,
    /// The transaction that shows it.
    pub registration_tx: TxHash,
}

/// A certificate is on chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateAnswer {
    /// The transaction; `None` if all the registrations were certified before.
    pub tx: Option<TxHash>,
}

/// The body of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorAnswer {
    pub(crate) error: ErrorFields,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorFields {
    /// Stable.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
    /// The contract's own reason, if it was the contract that refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revert: Option<Revert>,
}

/// A contract's error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revert {
    pub(crate) name: String,
    pub(crate) detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_strings() {
        let fees = RelayFees { reserve: 1, register: u128::MAX, extend: 3, fund: 4 };
        let json = serde_json::to_string(&fees).unwrap();
        assert!(json.contains("\"register\":\"340282366920938463463374607431768211455\""), "{json}");
        assert_eq!(serde_json::from_str::<RelayFees>(&json).unwrap(), fees);
        assert!(serde_json::from_str::<RelayFees>(&json.replace("\"1\"", "1")).is_err());
    }
}
