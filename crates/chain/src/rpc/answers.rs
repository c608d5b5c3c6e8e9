//! What endpoints answer with, as far as it matters here.

use alloy::{
    primitives::{B256, Bytes, U64, U256},
    rpc::{json_rpc::ErrorPayload, types::Log},
};
use serde::Deserialize;

/// Why one request failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No usable answer came: try again.
    Transport(String),
    /// The endpoint answered with an error.
    Refused(ErrorPayload),
    /// The answer is not what was asked for.
    Unreadable(String),
    /// The endpoint serves another chain.
    WrongChain { got: u64, expected: u64 },
}

impl Failure {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            Self::Refused(payload) => payload.is_retry_err(),
            Self::Unreadable(_) | Self::WrongChain { .. } => false,
        }
    }

    /// Whether another endpoint may do better. An error that the endpoint worked out is an answer: others say the same.
    pub(crate) fn is_of_the_endpoint(&self) -> bool {
        !matches!(self, Self::Refused(payload) if !payload.is_retry_err())
    }

    /// Data of a revert, if it is one. Empty data is a revert without a reason.
    pub(crate) fn revert_data(&self) -> Option<Bytes> {
        let Self::Refused(payload) = self else { return None };
        let reverted = payload.message.to_lowercase().contains("revert") || payload.code == 3;
        payload.as_revert_data().or_else(|| reverted.then(Bytes::new))
    }
}

/// A header.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    #[serde(deserialize_with = "quantity")]
    pub(crate) number: u64,
    pub(crate) hash: B256,
    #[serde(deserialize_with = "quantity")]
    pub(crate) timestamp: u64,
    #[serde(default)]
    pub(crate) base_fee_per_gas: Option<U256>,
}

/// A receipt.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    #[serde(default)]
    pub(crate) status: Option<U64>,
    #[serde(deserialize_with = "quantity")]
    pub(crate) block_number: u64,
    #[serde(deserialize_with = "quantity")]
    pub(crate) gas_used: u64,
    #[serde(default)]
    pub(crate) effective_gas_price: Option<U256>,
    #[serde(default)]
    pub(crate) contract_address: Option<alloy::primitives::Address>,
    #[serde(default)]
    pub(crate) logs: Vec<Log>,
}

impl Receipt {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_none_or(|status| !status.is_zero())
    }
}

pub(crate) fn quantity<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    U64::deserialize(deserializer).map(|number| number.to())
}

/// Hex form of a block number in a request.
pub(crate) fn block_tag(number: u64) -> String {
    format!("{number:#x}")
}
