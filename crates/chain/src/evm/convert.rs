//! The chain's wide integers into the protocol's narrow ones.

use alloy::{
    primitives::{FixedBytes, U256},
    sol_types::SolEvent,
};
use floe_protocol::{NodeId, ObjectId};
use floe_redstuff::EncodingType;

use crate::{Address, ChainError, send::Mined};

fn out_of_range(what: &'static str, got: impl std::fmt::Display) -> ChainError {
    ChainError::BadAnswer { method: what, detail: format!("{got} is out of range") }
}

/// A count or an id.
pub(crate) fn number(what: &'static str, value: U256) -> Result<u64, ChainError> {
    u64::try_from(value).map_err(|_| out_of_range(what, value))
}

/// An amount of money.
pub(crate) fn amount(what: &'static str, value: U256) -> Result<u128, ChainError> {
    u128::try_from(value).map_err(|_| out_of_range(what, value))
}

/// The number of an encoding in contracts.
pub(crate) fn encoding_type(number: u8) -> Result<EncodingType, ChainError> {
    EncodingType::from_number(number).map_err(|_| out_of_range("encoding type", number))
}

/// Whole 32-byte words, as the contracts take points of the curve.
pub(crate) fn words<const WORDS: usize>(bytes: &[u8]) -> [FixedBytes<32>; WORDS] {
    let mut words = [FixedBytes::ZERO; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(32)) {
        word.copy_from_slice(bytes);
    }
    words
}

/// A node's number in contracts.
pub(crate) fn node_number(node: NodeId) -> U256 {
    U256::from_be_bytes(*node.as_bytes())
}

/// A registration's number in contracts.
pub(crate) fn object_number(object: ObjectId) -> U256 {
    U256::from_be_bytes(*object.as_bytes())
}

/// The first event of a kind that a contract emitted in a transaction.
pub(crate) fn event<E: SolEvent>(mined: &Mined, contract: Address) -> Option<E> {
    let own = mined.receipt.logs.iter().filter(|log| log.address() == contract.evm());
    own.filter_map(|log| E::decode_log(&log.inner).ok()).map(|log| log.data).next()
}

/// The event that a successful call must have emitted.
pub(crate) fn expect_event<E: SolEvent>(
    mined: &Mined,
    contract: Address,
    method: &'static str,
) -> Result<E, ChainError> {
    let detail = || format!("no {} in the receipt", E::SIGNATURE);
    event(mined, contract).ok_or_else(|| ChainError::BadAnswer { method, detail: detail() })
}
