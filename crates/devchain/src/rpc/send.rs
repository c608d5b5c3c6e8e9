//! `eth_sendRawTransaction` and its synchronous form.

use super::RpcError;
use crate::{chain::Core, convert, pool::Outcome};
use alloy::{primitives::B256, rpc::types::TransactionReceipt};

/// Takes a transaction in and waits until it is durable, or known to wait for a lower nonce.
///
/// So the receipt of a transaction that could run is there as soon as its hash is.
///
/// # Errors
///
/// The refusal, in the words of geth.
pub(super) async fn raw(core: &Core, bytes: &[u8]) -> Result<(B256, Outcome), RpcError> {
    let (hash, outcome) = core.submit(bytes)?.map_err(RpcError::refused)?;
    match outcome.await {
        Ok(Outcome::Dropped(reason)) => Err(RpcError::refused(reason)),
        Ok(outcome) => Ok((hash, outcome)),
        Err(_) => Err(RpcError::refused("the chain is shutting down")),
    }
}

/// As [`raw`], but answers with the receipt (EIP-7966).
pub(super) async fn raw_sync(core: &Core, bytes: &[u8]) -> Result<TransactionReceipt, RpcError> {
    match raw(core, bytes).await? {
        (hash, Outcome::Sealed) => {
            receipt(core, hash)?.ok_or_else(|| RpcError::refused(format!("transaction {hash} was taken back")))
        }
        (hash, _) => Err(RpcError::refused(format!("transaction {hash} waits for a lower nonce"))),
    }
}

/// The receipt of a sealed transaction.
pub(super) fn receipt(core: &Core, hash: B256) -> Result<Option<TransactionReceipt>, RpcError> {
    let snapshot = core.snapshot()?;
    let Some((number, index)) = snapshot.place(hash)? else { return Ok(None) };
    let block = snapshot.known_header(number)?;
    Ok(snapshot.tx_at(number, index)?.map(|tx| convert::receipt(&block, &tx)))
}
