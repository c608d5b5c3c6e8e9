//! `eth_call` and `eth_estimateGas`.

use super::{RpcError, params::resolve_known};
use crate::{chain::Core, evm, limits::BLOCK_GAS_LIMIT, state::StateView};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Bytes, TxKind, U256},
    rpc::types::TransactionRequest,
};
use revm::{
    context::{
        TxEnv,
        result::{ExecutionResult, HaltReason},
    },
    context_interface::either::Either,
};

/// Gas that no transaction can do without.
const TRANSFER_GAS: u64 = 21_000;
/// The search for a gas limit ends when it is this close, in parts of the result: what geth does.
const ESTIMATE_PRECISION: u64 = 64;

/// A state to call on and the block that the call believes to be in.
struct Place {
    state: StateView,
    number: u64,
    timestamp: u64,
}

impl Place {
    /// On the latest state a call runs as part of the next block, now; on an older one in that block.
    ///
    /// Blocks are only made when there are transactions, so the time of the latest one may be long past: a contract
    /// that looks at the clock would refuse in a call what it accepts in a transaction.
    fn of(core: &Core, block: BlockId) -> Result<Self, RpcError> {
        let snapshot = core.snapshot()?;
        let number = resolve_known(&snapshot, block)?;
        let header = snapshot.known_header(number)?.header;
        let state = StateView::at(&snapshot, number)?.with_codes(&core.codes);
        let by_tag = matches!(block, BlockId::Number(tag) if !matches!(tag, BlockNumberOrTag::Number(_) | BlockNumberOrTag::Earliest));
        if by_tag {
            let timestamp = core.clock.lock().now(header.timestamp);
            return Ok(Self { state, number: number + 1, timestamp });
        }
        Ok(Self { state, number, timestamp: header.timestamp })
    }
}

/// The most gas that the sender can pay for, at most `most`.
fn gas_cap(request: &TransactionRequest, place: &Place, most: u64) -> Result<u64, RpcError> {
    let asked = request.gas.unwrap_or(most).min(most);
    let price = U256::from(request.max_fee_per_gas.or(request.gas_price).unwrap_or(0));
    if price.is_zero() {
        return Ok(asked);
    }
    let balance = place.state.balance(request.from.unwrap_or_default())?;
    let value = request.value.unwrap_or_default();
    let Some(left) = balance.checked_sub(value) else {
        return Err(RpcError::refused("insufficient funds for transfer"));
    };
    Ok(asked.min(u64::try_from(left / price).unwrap_or(u64::MAX)))
}

fn tx_env(core: &Core, request: &TransactionRequest, gas_limit: u64) -> TxEnv {
    let authorizations = request.authorization_list.clone().unwrap_or_default();
    TxEnv {
        tx_type: if authorizations.is_empty() { 2 } else { 4 },
        caller: request.from.unwrap_or_default(),
        gas_limit,
        gas_price: request.max_fee_per_gas.or(request.gas_price).unwrap_or(0),
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: request.input.input().cloned().unwrap_or_default(),
        nonce: request.nonce.unwrap_or(0),
        chain_id: Some(core.rules.chain_id),
        access_list: request.access_list.clone().unwrap_or_default(),
        gas_priority_fee: Some(request.max_priority_fee_per_gas.or(request.gas_price).unwrap_or(0)),
        authorization_list: authorizations.into_iter().map(Either::Left).collect(),
        ..TxEnv::default()
    }
}

fn run(core: &Core, place: &Place, request: &TransactionRequest, gas: u64) -> Result<ExecutionResult, RpcError> {
    let tx = tx_env(core, request, gas);
    evm::call(core.rules, &place.state, place.number, place.timestamp, tx)?.map_err(RpcError::refused)
}

fn failure(result: ExecutionResult) -> Result<(Bytes, u64), RpcError> {
    let gas = result.tx_gas_used();
    match result {
        ExecutionResult::Success { output, .. } => Ok((output.into_data(), gas)),
        ExecutionResult::Revert { output, .. } => Err(RpcError::reverted(output)),
        ExecutionResult::Halt { reason, .. } => Err(RpcError::refused(reason.to_string())),
    }
}

pub(super) fn call(core: &Core, request: &TransactionRequest, block: BlockId) -> Result<Bytes, RpcError> {
    let place = Place::of(core, block)?;
    let gas = gas_cap(request, &place, BLOCK_GAS_LIMIT)?;
    Ok(failure(run(core, &place, request, gas)?)?.0)
}

/// The smallest gas limit with which the transaction succeeds, to one part in [`ESTIMATE_PRECISION`], from above.
pub(super) fn estimate(core: &Core, request: &TransactionRequest, block: BlockId) -> Result<u64, RpcError> {
    let place = Place::of(core, block)?;
    let mut high = gas_cap(request, &place, evm::tx_gas_max(core.rules))?;
    let plain = request.input.input().is_none_or(|data| data.is_empty()) && request.authorization_list.is_none();
    if let (true, Some(TxKind::Call(to))) = (plain, request.to)
        && high >= TRANSFER_GAS
        && place.state.code_of(to)?.is_empty()
        && run(core, &place, request, TRANSFER_GAS).is_ok_and(|result| result.is_success())
    {
        return Ok(TRANSFER_GAS);
    }
    let result = run(core, &place, request, high)?;
    if matches!(&result, ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. }) {
        return Err(RpcError::refused(format!("gas required exceeds allowance ({high})")));
    }
    let (_, used) = failure(result)?;
    // Refunds come after the gas was needed, and a callee gets at most 63/64 of what its caller has.
    let mut low = used.saturating_sub(1);
    let mut probe = used.saturating_add(used / 64).saturating_add(2_300).clamp(low, high);
    while low + 1 < high && (high - low) > high / ESTIMATE_PRECISION {
        if run(core, &place, request, probe).is_ok_and(|result| result.is_success()) {
            high = probe;
        } else {
            low = probe;
        }
        probe = low.midpoint(high);
    }
    Ok(high)
}
