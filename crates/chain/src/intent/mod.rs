//! Intents: what an account without native coin wants, signed once, for any relayer to submit.
//!
//! An [`Intent`] says what is wanted and on which [`IntentTerms`]; its [`IntentId`] is its EIP-712 hash for one
//! [`IntentDomain`]. A [`SignedIntent`] has the owner's signatures with it, and a JSON form for the way to a relayer.
//! The contract is `Intents.sol`; docs/intents.md has the layout of what is signed.

mod eip712;
mod sign;
mod wire;

use std::{fmt, str::FromStr};

use floe_protocol::{Epoch, ObjectId};
use serde::{Deserialize, Serialize};

pub(crate) use self::{eip712::call, sign::TokenDomain};
use crate::{Address, HexError, RegisterBlob, Registered, TxHash};

/// Where an intent is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntentDomain {
    /// The chain.
    pub chain_id: u64,
    /// The contract that carries it out.
    pub contract: Address,
}

/// The EIP-712 hash of an intent. It can be carried out once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId([u8; 32]);

impl IntentId {
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

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IntentId({self})")
    }
}

impl FromStr for IntentId {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        wire::parse_hex(text).map(Self)
    }
}

impl Serialize for IntentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IntentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// On which terms something is wanted. Amounts are in the payment token's smallest unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntentTerms {
    /// Who signs, pays, and receives what is created.
    pub owner: Address,
    /// The only account that may submit the intent; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relayer: Option<Address>,
    /// What is taken from the owner; what is left of it comes back.
    #[serde(with = "wire::decimal")]
    pub budget: u128,
    /// Most of the budget that whoever submits may keep.
    #[serde(with = "wire::decimal")]
    pub max_fee: u128,
    /// Valid after this time, in seconds since 1970.
    pub valid_after: u64,
    /// And before this one.
    pub valid_before: u64,
    /// Tells apart intents that are the same otherwise.
    #[serde(with = "wire::hex_word")]
    pub salt: [u8; 32],
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum IntentAction {
    /// A storage resource.
    Reserve {
        /// Encoded bytes.
        size: u64,
        /// First epoch; one that has passed stands for the current one.
        start: Epoch,
        /// First epoch that is not wanted.
        end: Epoch,
    },
    /// A registration of a blob, which belongs to the owner of the terms whoever is named in it.
    Register(#[serde(with = "wire::RegisterBlobForm")] RegisterBlob),
    /// More epochs for a certified registration, of the owner or of anybody.
    Extend {
        /// The registration.
        object: ObjectId,
        /// How many epochs more.
        epochs: u32,
    },
    /// Money for the fund from which a registration is renewed.
    Fund {
        /// The registration.
        object: ObjectId,
        /// How much, apart from the fee.
        #[serde(with = "wire::decimal")]
        amount: u128,
    },
}

impl IntentAction {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> IntentKind {
        match self {
            Self::Reserve { .. } => IntentKind::Reserve,
            Self::Register(_) => IntentKind::Register,
            Self::Extend { .. } => IntentKind::Extend,
            Self::Fund { .. } => IntentKind::Fund,
        }
    }
}

/// Kinds of intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IntentKind {
    /// A storage resource.
    Reserve,
    /// A registration of a blob.
    Register,
    /// More epochs for a registration.
    Extend,
    /// Money for a registration's fund.
    Fund,
}

impl IntentKind {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Reserve, Self::Register, Self::Extend, Self::Fund];
}

/// What is wanted, and on which terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Intent {
    /// What is wanted.
    pub action: IntentAction,
    /// On which terms.
    pub terms: IntentTerms,
}

impl Intent {
    /// Its hash: the nonce of the token's authorization, or what the owner signs itself.
    #[must_use]
    pub fn id(&self, domain: &IntentDomain) -> IntentId {
        IntentId(eip712::signing_hash(self, domain).0)
    }
}

/// How the owner has agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "scheme", deny_unknown_fields)]
pub enum OwnerSignature {
    /// The token's `ReceiveWithAuthorization` (ERC-3009), signed by the owner's key; its nonce is the intent's id.
    Authorization {
        /// 65 bytes.
        #[serde(with = "wire::hex_bytes")]
        signature: Vec<u8>,
    },
    /// The same by an owner that is a contract (ERC-1271).
    ContractAuthorization {
        /// As the contract checks it.
        #[serde(with = "wire::hex_bytes")]
        signature: Vec<u8>,
    },
    /// The intent itself is signed, and the contract has an allowance or gets one by a `Permit` (ERC-2612).
    Allowance {
        /// Of the intent's id.
        #[serde(with = "wire::hex_bytes")]
        signature: Vec<u8>,
        /// Of the permit: the budget, until the end of the intent; empty where there is an allowance.
        #[serde(default, with = "wire::hex_bytes")]
        permit: Vec<u8>,
    },
}

/// An intent as it goes to a relayer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedIntent {
    /// Where it is valid.
    pub domain: IntentDomain,
    /// What is wanted.
    pub intent: Intent,
    /// The owner's word.
    pub owner_signature: OwnerSignature,
}

impl SignedIntent {
    /// The intent's hash.
    #[must_use]
    pub fn id(&self) -> IntentId {
        self.intent.id(&self.domain)
    }
}

/// An intent that was carried out, as the chain tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutedIntent {
    /// Which.
    pub id: IntentId,
    /// Who signed and paid.
    pub owner: Address,
    /// Who submitted it and kept the fee.
    pub relayer: Address,
    /// What the relayer kept.
    pub fee: u128,
    /// What was left of the budget and went back.
    pub returned: u128,
    /// What came of it.
    pub outcome: IntentOutcome,
    /// The transaction.
    pub tx: TxHash,
}

/// What came of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentOutcome {
    /// A new registration.
    Registered(Registered),
    /// A registration lasts longer.
    Extended {
        /// Which.
        object: ObjectId,
        /// First epoch in which it is no longer paid for.
        end_epoch: Epoch,
        /// Paid, in the payment token's smallest unit.
        cost: u128,
    },
    /// A new resource, or a registration whose fund has grown.
    Other {
        /// The resource's or the registration's number.
        subject: ObjectId,
    },
}
