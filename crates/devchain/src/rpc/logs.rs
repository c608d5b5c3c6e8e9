//! Log queries.

use super::{
    RpcError,
    params::{resolve_tag, unknown_hash},
};
use crate::{
    convert,
    db::Snapshot,
    limits::{LOG_BLOCKS_MAX, LOG_FILTER_TERMS_MAX, LOG_RESULT_BYTES_MAX, LOG_RESULTS_MAX},
};
use alloy::{
    eips::BlockNumberOrTag,
    rpc::types::{Filter, FilterBlockOption, Log},
};

/// Refuses a filter with more than [`LOG_FILTER_TERMS_MAX`] terms: each costs time for each block.
pub(super) fn check(filter: &Filter) -> Result<(), RpcError> {
    let terms = filter.address.len() + filter.topics.iter().map(|topic| topic.len()).sum::<usize>();
    if terms > LOG_FILTER_TERMS_MAX {
        return Err(RpcError::limit(format!("filter has {terms} addresses and topics, limit {LOG_FILTER_TERMS_MAX}")));
    }
    Ok(())
}

/// The first and last block that a filter names; `None` if it lies wholly beyond the head.
pub(super) fn range(snapshot: &Snapshot, filter: &Filter) -> Result<Option<(u64, u64)>, RpcError> {
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let number = snapshot.number_of(hash)?.ok_or_else(|| unknown_hash(hash))?;
            Ok(Some((number, number)))
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let head = snapshot.head()?;
            let number = |tag: Option<BlockNumberOrTag>| resolve_tag(snapshot, tag.unwrap_or_default());
            if let (Some(BlockNumberOrTag::Number(from)), Some(BlockNumberOrTag::Number(to))) = (from_block, to_block)
                && from > to
            {
                return Err(RpcError::invalid_params("invalid block range params: fromBlock is after toBlock"));
            }
            let Some(first) = number(from_block)? else { return Ok(None) };
            let last = number(to_block)?.unwrap_or(head);
            Ok((first <= last).then_some((first, last)))
        }
    }
}

/// The logs of the blocks `first..=last` whose address and topics match, in order.
///
/// # Errors
///
/// -32005 beyond [`LOG_BLOCKS_MAX`] blocks or [`LOG_RESULTS_MAX`] logs.
pub(super) fn matching(snapshot: &Snapshot, filter: &Filter, first: u64, last: u64) -> Result<Vec<Log>, RpcError> {
    if last.saturating_sub(first) >= LOG_BLOCKS_MAX {
        return Err(RpcError::limit(format!("query exceeds max block range {LOG_BLOCKS_MAX}")));
    }
    let mut candidates = Vec::new();
    snapshot.blooms(first, last, |number, bloom| {
        if filter.matches_bloom(bloom) {
            candidates.push(number);
        }
    })?;
    let mut found = Vec::new();
    let mut bytes = 0;
    for number in candidates {
        for log in convert::block_logs(snapshot, number)? {
            if filter.matches(&log.inner) {
                bytes += log.inner.data.data.len() + 32 * log.inner.topics().len();
                found.push(log);
            }
        }
        if found.len() > LOG_RESULTS_MAX {
            return Err(RpcError::limit(format!("query returned more than {LOG_RESULTS_MAX} results")));
        }
        if bytes > LOG_RESULT_BYTES_MAX {
            return Err(RpcError::limit(format!("query returned more than {LOG_RESULT_BYTES_MAX} bytes of logs")));
        }
    }
    Ok(found)
}

/// `eth_getLogs`.
pub(super) fn query(snapshot: &Snapshot, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    check(filter)?;
    match range(snapshot, filter)? {
        Some((first, last)) => matching(snapshot, filter, first, last),
        None => Ok(Vec::new()),
    }
}
