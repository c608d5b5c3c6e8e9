use super::RpcError;
use alloy::{
    eips::{BlockId, BlockNumberOrTag, RpcBlockHash},
    primitives::B256,
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{DevChainError, db::Snapshot};

/// The positional parameters of one request.
pub(crate) struct Params<'a>(Vec<&'a RawValue>);

impl<'a> Params<'a> {
    /// # Errors
    ///
    /// -32602 if the parameters are no array.
    pub(crate) fn new(raw: Option<&'a RawValue>) -> Result<Self, RpcError> {
        let Some(raw) = raw else { return Ok(Self(Vec::new())) };
        let list = serde_json::from_str(raw.get());
        list.map(Self).map_err(|_| RpcError::invalid_params("params must be an array"))
    }

    /// A parameter that must be there.
    pub(crate) fn required<T: DeserializeOwned>(&self, index: usize) -> Result<T, RpcError> {
        let missing = || RpcError::invalid_params(format!("missing value for required argument {index}"));
        self.optional(index)?.ok_or_else(missing)
    }

    /// A parameter that may be absent or null.
    pub(crate) fn optional<T: DeserializeOwned>(&self, index: usize) -> Result<Option<T>, RpcError> {
        let Some(raw) = self.0.get(index) else { return Ok(None) };
        let value = serde_json::from_str(raw.get());
        value.map_err(|error| RpcError::invalid_params(format!("invalid argument {index}: {error}")))
    }

    /// A block parameter; absent means the latest block.
    pub(crate) fn block(&self, index: usize) -> Result<BlockId, RpcError> {
        Ok(self.optional(index)?.unwrap_or_default())
    }

    /// Whether a parameter is there and says something.
    pub(crate) fn is_set(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|raw| !matches!(raw.get().trim(), "null" | "{}" | "[]"))
    }
}

/// The number that a tag stands for; `None` if no such block exists yet.
///
/// Every sealed block is final, so `latest`, `safe`, `finalized` and `pending` are the same block.
pub(crate) fn resolve_tag(snapshot: &Snapshot, tag: BlockNumberOrTag) -> Result<Option<u64>, DevChainError> {
    let head = snapshot.head()?;
    Ok(match tag {
        BlockNumberOrTag::Earliest => Some(0),
        BlockNumberOrTag::Number(number) => (number <= head).then_some(number),
        _ => Some(head),
    })
}

/// The number of a block given by hash, number or tag.
pub(crate) fn resolve(snapshot: &Snapshot, block: BlockId) -> Result<Option<u64>, DevChainError> {
    match block {
        BlockId::Number(tag) => resolve_tag(snapshot, tag),
        BlockId::Hash(RpcBlockHash { block_hash, .. }) => snapshot.number_of(block_hash),
    }
}

/// As [`resolve`], for a request that makes no sense without the block.
pub(crate) fn resolve_known(snapshot: &Snapshot, block: BlockId) -> Result<u64, RpcError> {
    resolve(snapshot, block)?.ok_or_else(|| unknown_block(block))
}

pub(crate) fn unknown_block(block: BlockId) -> RpcError {
    match block {
        BlockId::Number(tag) => RpcError::refused(format!("header not found: block {tag}")),
        BlockId::Hash(hash) => unknown_hash(hash.block_hash),
    }
}

pub(crate) fn unknown_hash(hash: B256) -> RpcError {
    RpcError::refused(format!("header not found: no block {hash}"))
}
