//! Running transactions and calls on revm.

use crate::{
    DevChainError,
    ahead::{self, CostlyKinds, Results, SharedPrecompiles},
    diff::Changes,
    limits::{BASE_FEE_WEI, BLOCK_GAS_LIMIT},
    state::StateView,
};
use alloy::{
    consensus::{Transaction as _, TxEnvelope, Typed2718, transaction::Recovered},
    primitives::{B256, U256, keccak256},
};
use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext,
    context::{
        BlockEnv, CfgEnv, Evm, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    context_interface::either::Either,
    database::CacheDB,
    handler::{EthFrame, MainnetContext, instructions::EthInstructions},
    interpreter::interpreter::EthInterpreter,
    primitives::hardfork::SpecId,
};
use std::sync::Arc;

/// What does not change from block to block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) chain_id: u64,
    pub(crate) spec: SpecId,
}

impl Rules {
    pub(crate) fn config(self) -> CfgEnv {
        let mut config = CfgEnv::new_with_spec(self.spec).with_chain_id(self.chain_id);
        config.set_spec_and_mainnet_gas_params(self.spec);
        config
    }
}

/// The gas limit that a transaction may have: that of the block, and since Osaka at most 2²⁴ (EIP-7825).
pub(crate) fn tx_gas_max(rules: Rules) -> u64 {
    if rules.spec.is_enabled_in(SpecId::OSAKA) { BLOCK_GAS_LIMIT.min(1 << 24) } else { BLOCK_GAS_LIMIT }
}

/// Stands in for the randomness of a beacon chain; anyone can predict it.
pub(crate) fn prevrandao(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn block_env(number: u64, timestamp: u64) -> BlockEnv {
    BlockEnv {
        number: U256::from(number),
        timestamp: U256::from(timestamp),
        gas_limit: BLOCK_GAS_LIMIT,
        basefee: BASE_FEE_WEI,
        prevrandao: Some(prevrandao(number)),
        ..BlockEnv::default()
    }
}

fn tx_env(tx: &Recovered<TxEnvelope>) -> TxEnv {
    let (tx, caller) = (tx.inner(), tx.signer());
    TxEnv {
        tx_type: tx.ty(),
        caller,
        gas_limit: tx.gas_limit(),
        gas_price: tx.max_fee_per_gas(),
        kind: tx.kind(),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: tx.nonce(),
        chain_id: tx.chain_id(),
        access_list: tx.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: tx.max_priority_fee_per_gas(),
        authorization_list: tx.authorization_list().unwrap_or_default().iter().cloned().map(Either::Left).collect(),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
    }
}

/// A transaction whose sender is known.
pub(crate) type Tx = Arc<Recovered<TxEnvelope>>;

type BlockContext<'a> = MainnetContext<CacheDB<&'a StateView>>;
pub(crate) type BlockEvm<'a> = Evm<
    BlockContext<'a>,
    (),
    EthInstructions<EthInterpreter, BlockContext<'a>>,
    SharedPrecompiles<'a>,
    EthFrame<EthInterpreter>,
>;

/// What became of the transactions handed to [`Environment::run_block`].
#[derive(Debug, Default)]
pub(crate) struct BlockRun {
    pub(crate) done: Vec<(Tx, ExecutionResult)>,
    /// Left out for good, with the reason in the words of geth.
    pub(crate) invalid: Vec<(Tx, String)>,
    pub(crate) gas_used: u64,
    pub(crate) changes: Changes,
}

/// The rules, and the block that is being made.
#[derive(Clone, Copy)]
pub(crate) struct Environment {
    pub(crate) rules: Rules,
    pub(crate) number: u64,
    pub(crate) timestamp: u64,
}

impl Environment {
    /// Executes transactions in order on `state`; stops at the first that the gas left cannot hold.
    ///
    /// # Errors
    ///
    /// Only what the database or revm itself reports; a bad transaction is part of the result.
    pub(crate) fn run_block(
        self,
        state: &StateView,
        txs: &[Tx],
        kinds: &CostlyKinds,
    ) -> Result<BlockRun, DevChainError> {
        let results = Results::default();
        ahead::with_helpers(self, state, txs, (kinds, &results), |progress| {
            let mut run = BlockRun::default();
            let mut evm = self.evm(state, self.rules.config(), &results);
            for (index, tx) in txs.iter().enumerate() {
                let gas_limit = tx.inner().gas_limit();
                if gas_limit > BLOCK_GAS_LIMIT - run.gas_used && gas_limit <= BLOCK_GAS_LIMIT {
                    break;
                }
                progress.at(index);
                let costly_calls = evm.precompiles.costly_calls;
                match evm.transact(tx_env(tx)) {
                    Ok(outcome) => {
                        run.gas_used += outcome.result.tx_gas_used();
                        run.changes.merge(&outcome.state);
                        evm.commit(outcome.state);
                        run.done.push((tx.clone(), outcome.result));
                    }
                    // One before it was left out: it waits for another with that nonce.
                    Err(EVMError::Transaction(InvalidTransaction::NonceTooHigh { .. })) => {}
                    Err(EVMError::Transaction(reason)) => {
                        run.invalid.push((tx.clone(), invalid_text(&reason)));
                    }
                    Err(EVMError::Database(error)) => return Err(error),
                    // One transaction that revm cannot run must not end the chain.
                    Err(other) => run.invalid.push((tx.clone(), format!("execution failed: {other}"))),
                }
                if evm.precompiles.costly_calls > costly_calls {
                    kinds.add(tx);
                }
            }
            Ok(run)
        })
    }

    /// Executes a transaction of the block on the state before it, for the results of costly precompiles alone.
    pub(crate) fn try_out(self, state: &StateView, tx: &Tx, results: &Results) {
        let mut config = self.rules.config();
        config.disable_nonce_check = true;
        // What fails here may succeed when its turn comes, and the other way round.
        let _ = self.evm(state, config, results).transact(tx_env(tx));
    }

    pub(crate) fn evm<'a>(self, state: &'a StateView, config: CfgEnv, results: &'a Results) -> BlockEvm<'a> {
        Context::mainnet()
            .with_db(CacheDB::new(state))
            .with_cfg(config)
            .with_block(block_env(self.number, self.timestamp))
            .build_mainnet()
            .with_precompiles(SharedPrecompiles::new(self.rules.spec, results))
    }
}

/// Executes a call without keeping its effects.
///
/// The nonce is not checked, a gas price of zero is allowed, and a contract may be the caller.
///
/// # Errors
///
/// The outer error is a failure of the chain, the inner one a call that cannot start, such as one without funds.
pub(crate) fn call(
    rules: Rules,
    state: &StateView,
    number: u64,
    timestamp: u64,
    tx: TxEnv,
) -> Result<Result<ExecutionResult, String>, DevChainError> {
    let mut config = rules.config();
    config.disable_base_fee = tx.gas_price == 0;
    config.disable_nonce_check = true;
    config.disable_eip3607 = true;
    config.tx_gas_limit_cap = Some(u64::MAX);
    let mut evm = Context::mainnet()
        .with_db(CacheDB::new(state))
        .with_cfg(config)
        .with_block(block_env(number, timestamp))
        .build_mainnet();
    match evm.transact(tx) {
        Ok(outcome) => Ok(Ok(outcome.result)),
        Err(EVMError::Transaction(reason)) => Ok(Err(invalid_text(&reason))),
        Err(EVMError::Database(error)) => Err(error),
        Err(other) => Err(DevChainError::Execution(other.to_string())),
    }
}

/// The reason in the words of geth, which wallets and libraries match on.
fn invalid_text(reason: &InvalidTransaction) -> String {
    use InvalidTransaction as Invalid;
    match reason {
        Invalid::LackOfFundForMaxFee { fee, balance } => insufficient_funds(**balance, **fee),
        Invalid::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: gas {gas_limit}, minimum needed {initial_gas}")
        }
        Invalid::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: gas {gas_limit}, minimum needed {gas_floor}")
        }
        Invalid::CallerGasLimitMoreThanBlock => "exceeds block gas limit".into(),
        Invalid::TxGasLimitGreaterThanCap { gas_limit, cap } => {
            format!("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")
        }
        Invalid::GasPriceLessThanBasefee => {
            format!("max fee per gas less than block base fee: baseFee: {BASE_FEE_WEI}")
        }
        Invalid::PriorityFeeGreaterThanMaxFee => "max priority fee per gas higher than max fee per gas".into(),
        Invalid::RejectCallerWithCode => "sender not an eoa".into(),
        Invalid::NonceTooLow { tx, state } => format!("nonce too low: next nonce {state}, tx nonce {tx}"),
        Invalid::NonceTooHigh { tx, state } => format!("nonce too high: next nonce {state}, tx nonce {tx}"),
        Invalid::NonceOverflowInTransaction => "nonce has max value".into(),
        Invalid::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        Invalid::InvalidChainId | Invalid::MissingChainId => "invalid chain id for signer".into(),
        other => other.to_string(),
    }
}

pub(crate) fn insufficient_funds(balance: U256, cost: U256) -> String {
    let overshot = cost.saturating_sub(balance);
    format!("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {overshot}")
}
