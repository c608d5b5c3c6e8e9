//! One arm for each method; what needs more than a few lines lives in a module of its own.

use super::{
    Rpc, RpcError, RpcResult, call, fees, json, logs,
    params::{Params, resolve, resolve_known, resolve_tag},
    send,
};
use crate::{
    chain::Core,
    clock::wall_secs,
    convert,
    db::Snapshot,
    limits::{BASE_FEE_WEI, SUGGESTED_TIP_WEI},
    state::StateView,
};
use alloy::{
    eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718},
    primitives::{Address, B256, Bytes, U64, U256, keccak256},
    rpc::types::{Filter, TransactionReceipt, TransactionRequest},
};

/// The most that `evm_increaseTime` and `evm_setNextBlockTimestamp` may move the clock ahead: a thousand years.
const TIME_TRAVEL_SECS_MAX: u64 = 1_000 * 365 * 86_400;

impl Rpc {
    pub(super) async fn dispatch(&self, method: &str, params: &Params<'_>) -> RpcResult {
        let core = &*self.0.core;
        match method {
            "web3_clientVersion" => json(concat!("floe-devchain/", env!("CARGO_PKG_VERSION"))),
            "web3_sha3" => json(keccak256(params.required::<Bytes>(0)?)),
            "net_version" => json(core.rules.chain_id.to_string()),
            "net_listening" => json(true),
            "net_peerCount" => json(U64::ZERO),
            "eth_chainId" => json(U64::from(core.rules.chain_id)),
            "eth_syncing" => json(false),
            "eth_accounts" => json(Vec::<Address>::new()),
            "eth_coinbase" => json(Address::ZERO),
            "eth_blockNumber" => json(U64::from(core.snapshot()?.head()?)),
            "eth_gasPrice" => json(U256::from(BASE_FEE_WEI + SUGGESTED_TIP_WEI)),
            "eth_maxPriorityFeePerGas" => json(U256::from(SUGGESTED_TIP_WEI)),
            "eth_blobBaseFee" => json(U256::ONE),
            "eth_feeHistory" => {
                let percentiles: Option<Vec<f64>> = params.optional(2)?;
                let count = params.required::<fees::Count>(0)?.get()?;
                json(fees::history(core, count, params.block(1)?, percentiles.as_deref())?)
            }
            "eth_getBalance" => json(state(core, params.block(1)?)?.balance(params.required(0)?)?),
            "eth_getCode" => json(state(core, params.block(1)?)?.code_of(params.required(0)?)?),
            "eth_getStorageAt" => {
                let value = state(core, params.block(2)?)?.slot(params.required(0)?, params.required(1)?)?;
                json(B256::from(value))
            }
            "eth_getTransactionCount" => json(nonce(core, params.required(0)?, params.block(1)?)?),
            "eth_call" => {
                if params.is_set(2) || params.is_set(3) {
                    return Err(RpcError::invalid_params("state and block overrides are not supported"));
                }
                let (request, block) = (params.required::<TransactionRequest>(0)?, params.block(1)?);
                self.heavy(move |core| call::call(core, &request, block)).await
            }
            "eth_estimateGas" => {
                let (request, block) = (params.required::<TransactionRequest>(0)?, params.block(1)?);
                self.heavy(move |core| Ok(U64::from(call::estimate(core, &request, block)?))).await
            }
            "eth_sendRawTransaction" => json(send::raw(core, &params.required::<Bytes>(0)?).await?.0),
            "eth_sendRawTransactionSync" => json(send::raw_sync(core, &params.required::<Bytes>(0)?).await?),
            "eth_sendTransaction" | "eth_sign" | "eth_signTransaction" | "personal_sign" => {
                Err(RpcError::refused("unknown account: this chain holds no keys, sign in the wallet"))
            }
            "eth_getTransactionReceipt" => json(send::receipt(core, params.required(0)?)?),
            "eth_getTransactionByHash" => transaction(core, params.required(0)?),
            "eth_getRawTransactionByHash" => raw_transaction(core, params.required(0)?),
            "eth_getTransactionByBlockNumberAndIndex" => {
                transaction_at(core, params.required::<BlockNumberOrTag>(0)?.into(), params.required(1)?)
            }
            "eth_getTransactionByBlockHashAndIndex" => {
                transaction_at(core, params.required::<B256>(0)?.into(), params.required(1)?)
            }
            "eth_getBlockByNumber" => {
                block(core, params.required::<BlockNumberOrTag>(0)?.into(), params.optional(1)?.unwrap_or(false))
            }
            "eth_getBlockByHash" => {
                block(core, params.required::<B256>(0)?.into(), params.optional(1)?.unwrap_or(false))
            }
            "eth_getBlockTransactionCountByNumber" => {
                transaction_count(core, params.required::<BlockNumberOrTag>(0)?.into())
            }
            "eth_getBlockTransactionCountByHash" => transaction_count(core, params.required::<B256>(0)?.into()),
            "eth_getUncleCountByBlockNumber" | "eth_getUncleCountByBlockHash" => json(U64::ZERO),
            "eth_getBlockReceipts" => json(block_receipts(core, params.required(0)?)?),
            "eth_getLogs" => {
                let filter: Filter = params.required(0)?;
                self.heavy(move |core| logs::query(&core.snapshot()?, &filter)).await
            }
            "eth_newFilter" => json(self.0.filters.install(core, Some(Box::new(params.required(0)?)))?),
            "eth_newBlockFilter" => json(self.0.filters.install(core, None)?),
            "eth_getFilterChanges" => {
                let (rpc, id) = (self.clone(), params.required(0)?);
                self.heavy(move |core| rpc.0.filters.changes(core, id)).await
            }
            "eth_getFilterLogs" => {
                let (rpc, id) = (self.clone(), params.required(0)?);
                self.heavy(move |core| rpc.0.filters.logs(core, id)).await
            }
            "eth_uninstallFilter" => json(self.0.filters.uninstall(params.required(0)?)),
            "eth_subscribe" | "eth_unsubscribe" => {
                Err(RpcError::unknown_method("eth_subscribe (only over WebSocket, and not in a batch)"))
            }
            "txpool_status" => {
                let (pending, queued) = core.with_pool(|pool| pool.counts());
                json(serde_json::json!({ "pending": U64::from(pending), "queued": U64::from(queued) }))
            }
            "evm_mine" | "evm_increaseTime" | "evm_setNextBlockTimestamp" if self.0.time_control => {
                time_control(core, method, params).await
            }
            _ => Err(RpcError::unknown_method(method)),
        }
    }
}

fn state(core: &Core, block: BlockId) -> Result<StateView, RpcError> {
    let snapshot = core.snapshot()?;
    let number = resolve_known(&snapshot, block)?;
    Ok(StateView::at(&snapshot, number)?)
}

/// With the tag `pending`, transactions in the pool that will run without a gap count as well.
fn nonce(core: &Core, address: Address, block: BlockId) -> Result<U64, RpcError> {
    // The pool first: what leaves it in between is then in the state.
    let pooled = match block {
        BlockId::Number(BlockNumberOrTag::Pending) => core.with_pool(|pool| pool.pending_nonce(address)),
        _ => None,
    };
    let sealed = state(core, block)?.nonce(address)?;
    Ok(U64::from(pooled.map_or(sealed, |pooled| pooled.max(sealed))))
}

fn block(core: &Core, block: BlockId, full: bool) -> RpcResult {
    let snapshot = core.snapshot()?;
    match resolve(&snapshot, block)? {
        Some(number) => json(convert::block(&snapshot, number, full)?),
        None => json(()),
    }
}

fn block_receipts(core: &Core, block: BlockId) -> Result<Option<Vec<TransactionReceipt>>, RpcError> {
    let snapshot = core.snapshot()?;
    let Some(number) = resolve(&snapshot, block)? else { return Ok(None) };
    let header = snapshot.known_header(number)?;
    Ok(Some(snapshot.txs(number)?.iter().map(|tx| convert::receipt(&header, tx)).collect()))
}

fn transaction_count(core: &Core, block: BlockId) -> RpcResult {
    let snapshot = core.snapshot()?;
    match resolve(&snapshot, block)? {
        Some(number) => json(U64::from(snapshot.txs(number)?.len())),
        None => json(()),
    }
}

fn transaction(core: &Core, hash: B256) -> RpcResult {
    // The pool first: what leaves it in between is then in a block.
    let pooled = core.with_pool(|pool| pool.get(hash));
    let snapshot = core.snapshot()?;
    match (snapshot.place(hash)?, pooled) {
        (Some((number, index)), _) => transaction_in(&snapshot, number, index),
        (None, Some(tx)) => json(convert::pending(&tx)),
        (None, None) => json(()),
    }
}

fn raw_transaction(core: &Core, hash: B256) -> RpcResult {
    let pooled = core.with_pool(|pool| pool.get(hash));
    let snapshot = core.snapshot()?;
    let stored = match snapshot.place(hash)? {
        Some((number, index)) => snapshot.tx_at(number, index)?,
        None => None,
    };
    let raw = stored.map(|tx| tx.tx.encoded_2718()).or_else(|| Some(pooled?.inner().encoded_2718()));
    json(raw.map(Bytes::from))
}

fn transaction_at(core: &Core, block: BlockId, index: U64) -> RpcResult {
    let snapshot = core.snapshot()?;
    match (resolve(&snapshot, block)?, u32::try_from(index.to::<u64>())) {
        (Some(number), Ok(index)) => transaction_in(&snapshot, number, index),
        _ => json(()),
    }
}

fn transaction_in(snapshot: &Snapshot, number: u64, index: u32) -> RpcResult {
    let header = snapshot.known_header(number)?;
    json(snapshot.tx_at(number, index)?.map(|tx| convert::transaction(&header, tx)))
}

async fn time_control(core: &Core, method: &str, params: &Params<'_>) -> RpcResult {
    let number = |index| params.optional::<fees::Count>(index)?.map(|count| count.get()).transpose();
    let missing = || RpcError::invalid_params("missing value for required argument 0");
    match method {
        "evm_increaseTime" => {
            let mut clock = core.clock.lock();
            let offset_secs = clock.offset_secs.saturating_add(number(0)?.ok_or_else(missing)?);
            if offset_secs > TIME_TRAVEL_SECS_MAX {
                return Err(RpcError::invalid_params("too far ahead"));
            }
            clock.offset_secs = offset_secs;
            json(U64::from(offset_secs))
        }
        "evm_setNextBlockTimestamp" => {
            set_next_time(core, number(0)?.ok_or_else(missing)?)?;
            json(())
        }
        _ => {
            if let Some(timestamp) = number(0)? {
                set_next_time(core, timestamp)?;
            }
            core.mine().await.map_err(|_| RpcError::refused("the chain is shutting down"))?;
            json("0x0")
        }
    }
}

fn set_next_time(core: &Core, timestamp: u64) -> Result<(), RpcError> {
    let snapshot = core.snapshot()?;
    let head = resolve_tag(&snapshot, BlockNumberOrTag::Latest)?.unwrap_or(0);
    let parent = snapshot.known_header(head)?.header.timestamp;
    if timestamp < parent {
        return Err(RpcError::invalid_params(format!("timestamp {timestamp} is before the latest block at {parent}")));
    }
    if timestamp > wall_secs().saturating_add(TIME_TRAVEL_SECS_MAX) {
        return Err(RpcError::invalid_params("too far ahead"));
    }
    core.clock.lock().next = Some(timestamp);
    Ok(())
}
