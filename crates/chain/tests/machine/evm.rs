//! The embedded chain's machine without blocks, pool and HTTP: transactions run one after another, and a state can be
//! kept and gone back to by cloning it.

use alloy::primitives::{Address, Bytes, Log, TxKind, U256, keccak256};
use alloy::sol_types::SolCall;
use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext,
    context::{BlockEnv, CfgEnv, TxEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
};

use crate::support::CHAIN_ID;

/// What one transaction may use.
const GAS: u64 = 16_000_000;

/// What a transaction did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) output: Bytes,
    pub(crate) logs: Vec<Log>,
    /// the contract that was created
    pub(crate) created: Option<Address>,
}

/// State, and the block that the next transaction is in.
#[derive(Clone)]
pub(crate) struct Evm {
    db: CacheDB<EmptyDB>,
    number: u64,
    pub(crate) timestamp: u64,
}

impl Evm {
    pub(crate) fn new() -> Self {
        Self { db: CacheDB::new(EmptyDB::default()), number: 1, timestamp: 1_700_000_000 }
    }

    /// Runs a transaction in a block of its own; gives the reason when it reverts.
    ///
    /// # Panics
    /// When it runs out of gas, or ends otherwise than by a revert.
    pub(crate) fn transact(&mut self, from: Address, to: Option<Address>, data: Bytes) -> Result<Done, Bytes> {
        let result = self.run(from, to, data, true);
        self.number += 1;
        done(result)
    }

    /// Calls a function in a transaction.
    pub(crate) fn send(&mut self, from: Address, to: Address, call: &impl SolCall) -> Result<Done, Bytes> {
        self.transact(from, Some(to), call.abi_encode().into())
    }

    /// Calls a function, keeps nothing; gives the reason when it reverts.
    pub(crate) fn call_as<C: SolCall>(&mut self, from: Address, to: Address, call: &C) -> Result<C::Return, Bytes> {
        let done = done(self.run(from, Some(to), call.abi_encode().into(), false))?;
        Ok(C::abi_decode_returns(&done.output).expect("what the ABI says"))
    }

    /// Asks a view that cannot refuse.
    pub(crate) fn view<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        self.call_as(Address::ZERO, to, call).unwrap_or_else(|reason| panic!("{}: {reason}", C::SIGNATURE))
    }

    fn run(&mut self, from: Address, to: Option<Address>, data: Bytes, keep: bool) -> ExecutionResult {
        let mut config = CfgEnv::new_with_spec(SpecId::PRAGUE).with_chain_id(CHAIN_ID);
        config.set_spec_and_mainnet_gas_params(SpecId::PRAGUE);
        config.disable_nonce_check = true;
        let number = U256::from(self.number);
        let block = BlockEnv {
            number,
            timestamp: U256::from(self.timestamp),
            gas_limit: 4 * GAS,
            basefee: 0,
            prevrandao: Some(keccak256(number.to_be_bytes::<32>())),
            ..BlockEnv::default()
        };
        let mut evm = Context::mainnet().with_db(&mut self.db).with_cfg(config).with_block(block).build_mainnet();
        let kind = to.map_or(TxKind::Create, TxKind::Call);
        let chain_id = Some(CHAIN_ID);
        let tx = TxEnv { caller: from, gas_limit: GAS, gas_price: 0, kind, data, chain_id, ..TxEnv::default() };
        if keep { evm.transact_commit(tx).expect("it starts") } else { evm.transact(tx).expect("it starts").result }
    }

    /// Whether there is a contract.
    pub(crate) fn has_code(&mut self, at: Address) -> bool {
        use revm::Database as _;
        self.db.basic(at).expect("in memory").is_some_and(|account| account.code_hash != keccak256([]))
    }
}

fn done(result: ExecutionResult) -> Result<Done, Bytes> {
    let (gas, created) = (result.tx_gas_used(), result.created_address());
    match result {
        ExecutionResult::Success { logs, output, .. } => Ok(Done { output: output.into_data(), logs, created }),
        ExecutionResult::Revert { output, .. } => Err(output),
        ExecutionResult::Halt { reason, .. } => panic!("halted after {gas} gas: {reason:?}"),
    }
}
