//! Fees: the base fee never moves, so there is little to tell.

use super::{RpcError, params::resolve_known};
use crate::{
    chain::Core,
    limits::{BASE_FEE_WEI, BLOCK_GAS_LIMIT, FEE_HISTORY_BLOCKS_MAX, SUGGESTED_TIP_WEI},
};
use alloy::{eips::BlockId, rpc::types::FeeHistory};
use serde::Deserialize;

/// A count as wallets send it: a number, or a decimal or hexadecimal string.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Count {
    Number(u64),
    Text(String),
}

impl Count {
    pub(super) fn get(&self) -> Result<u64, RpcError> {
        let number = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            },
        };
        number.ok_or_else(|| RpcError::invalid_params("not a number"))
    }
}

/// `eth_feeHistory`; the rewards are the suggested tip for each percentile.
pub(super) fn history(
    core: &Core,
    count: u64,
    newest: BlockId,
    percentiles: Option<&[f64]>,
) -> Result<FeeHistory, RpcError> {
    if percentiles.is_some_and(|list| list.len() > 100 || list.iter().any(|p| !(0.0..=100.0).contains(p))) {
        return Err(RpcError::invalid_params("invalid reward percentile"));
    }
    let snapshot = core.snapshot()?;
    let newest = resolve_known(&snapshot, newest)?;
    let count = count.min(FEE_HISTORY_BLOCKS_MAX).min(newest + 1);
    let oldest_block = newest + 1 - count;
    let mut gas_used_ratio = Vec::new();
    for number in oldest_block..=newest {
        let used = snapshot.known_header(number)?.header.gas_used;
        gas_used_ratio.push(used as f64 / BLOCK_GAS_LIMIT as f64);
    }
    let blocks = gas_used_ratio.len();
    Ok(FeeHistory {
        base_fee_per_gas: vec![u128::from(BASE_FEE_WEI); blocks + 1],
        base_fee_per_blob_gas: vec![1; blocks + 1],
        blob_gas_used_ratio: vec![0.0; blocks],
        gas_used_ratio,
        oldest_block,
        reward: percentiles.map(|list| vec![vec![u128::from(SUGGESTED_TIP_WEI); list.len()]; blocks]),
    })
}
