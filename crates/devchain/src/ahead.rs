//! Costly precompiles of a block, worked out on other cores before their turn comes.
//!
//! Transactions run one after the other, so a block of certificates would keep one core busy with pairings while the
//! others idle. Helpers run transactions some places further on, on the state before the block, for nothing but the
//! precompiles they call: what these give depends on their input alone, so it is the same when the transaction's turn
//! comes. If it calls them with other input then, nothing is lost but the time.

use crate::{
    DevChainError,
    evm::{Environment, Tx},
    limits::AHEAD_THREADS_MAX,
    state::StateView,
};
use alloy::{
    consensus::Transaction as _,
    primitives::{Address, B256, Bytes, keccak256},
};
use parking_lot::Mutex;
use revm::{
    context::{Cfg, ContextTr},
    handler::{EthPrecompiles, PrecompileProvider, precompile_output_to_interpreter_result},
    interpreter::{CallInputs, InterpreterResult},
    precompile::PrecompileOutput,
    primitives::{AddressSet, hardfork::SpecId},
};
use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The last bytes of the addresses of the pairing check and of the map to G2 (EIP-2537): 0.3 to 1 ms each.
const COSTLY: [u8; 2] = [0x0f, 0x11];
/// Helpers begin so many transactions after the one whose turn it is: it gets there when they have done as many.
const LEAD: usize = 4;
/// Kinds of calls that are remembered; all are forgotten beyond that.
const KINDS_MAX: usize = 256;

/// A function of a contract.
type Kind = (Address, [u8; 4]);

fn kind_of(tx: &Tx) -> Option<Kind> {
    Some((tx.inner().to()?, *tx.inner().input().first_chunk()?))
}

/// Calls that were seen to use costly precompiles: it pays to run others of their kind ahead.
#[derive(Default)]
pub(crate) struct CostlyKinds(Mutex<HashSet<Kind>>);

impl CostlyKinds {
    fn has(&self, tx: &Tx) -> bool {
        kind_of(tx).is_some_and(|kind| self.0.lock().contains(&kind))
    }

    pub(crate) fn add(&self, tx: &Tx) {
        let Some(kind) = kind_of(tx) else { return };
        let mut kinds = self.0.lock();
        if kinds.len() >= KINDS_MAX {
            kinds.clear();
        }
        kinds.insert(kind);
    }
}

/// What costly precompiles gave in this block.
#[derive(Default)]
pub(crate) struct Results(Mutex<HashMap<(u8, B256), (u64, Bytes)>>);

/// The precompiles of Ethereum, with the results of costly ones shared among those who run the same block.
pub(crate) struct SharedPrecompiles<'a> {
    inner: EthPrecompiles,
    results: &'a Results,
    /// How often a costly one was called.
    pub(crate) costly_calls: usize,
}

impl<'a> SharedPrecompiles<'a> {
    pub(crate) fn new(spec: SpecId, results: &'a Results) -> Self {
        Self { inner: EthPrecompiles::new(spec), results, costly_calls: 0 }
    }
}

fn costly(address: &Address) -> Option<u8> {
    let (last, zeros) = address.0.split_last()?;
    (zeros.iter().all(|byte| *byte == 0) && COSTLY.contains(last)).then_some(*last)
}

impl<C: ContextTr<Cfg: Cfg<Spec = SpecId>>> PrecompileProvider<C> for SharedPrecompiles<'_> {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        PrecompileProvider::<C>::set_spec(&mut self.inner, spec)
    }

    fn run(&mut self, context: &mut C, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        let Some(precompile) = costly(&inputs.bytecode_address) else { return self.inner.run(context, inputs) };
        self.costly_calls += 1;
        let key = (precompile, keccak256(&*inputs.input.as_bytes(context)));
        let known = self.results.0.lock().get(&key).cloned();
        if let Some((gas, output)) = known
            && gas <= inputs.gas_limit
        {
            let output = PrecompileOutput::new(gas, output, inputs.reservoir);
            return Ok(Some(precompile_output_to_interpreter_result(output, inputs.gas_limit)));
        }
        let result = self.inner.run(context, inputs)?;
        if let Some(result) = result.as_ref().filter(|result| result.is_ok()) {
            let gas = inputs.gas_limit - result.gas.remaining();
            self.results.0.lock().insert(key, (gas, result.output.clone()));
        }
        Ok(result)
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.inner.warm_addresses()
    }
}

/// How far a block has come.
#[derive(Default)]
pub(crate) struct Progress {
    /// The transaction whose turn it is.
    turn: AtomicUsize,
    /// The next that nobody has run ahead.
    ahead: AtomicUsize,
}

impl Progress {
    pub(crate) fn at(&self, index: usize) {
        self.turn.store(index, Ordering::Relaxed);
    }

    fn next_ahead(&self) -> usize {
        let turn = self.turn.load(Ordering::Relaxed);
        let next = |ahead: usize| ahead.max(turn + LEAD);
        let taken = self.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| Some(next(ahead) + 1));
        next(taken.unwrap_or_default())
    }
}

/// Calls `run` while helpers run `txs` ahead, if that pays.
pub(crate) fn with_helpers<T>(
    environment: Environment,
    state: &StateView,
    txs: &[Tx],
    (kinds, results): (&CostlyKinds, &Results),
    run: impl FnOnce(&Progress) -> Result<T, DevChainError>,
) -> Result<T, DevChainError> {
    let progress = Progress::default();
    let costly_txs = txs.iter().skip(LEAD).filter(|tx| kinds.has(tx)).count();
    if costly_txs == 0 {
        return run(&progress);
    }
    let others = std::thread::available_parallelism().map_or(0, |cores| cores.get() - 1);
    std::thread::scope(|scope| {
        for _ in 0..others.min(AHEAD_THREADS_MAX).min(costly_txs) {
            scope.spawn(|| {
                while let Some(tx) = txs.get(progress.next_ahead()) {
                    if kinds.has(tx) {
                        environment.try_out(state, tx, results);
                    }
                }
            });
        }
        let done = run(&progress);
        progress.at(txs.len());
        done
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;
    use crate::{
        ChainOptions,
        accounts::dev_accounts,
        chain::{Core, decode},
        db::medium,
        limits::BASE_FEE_WEI,
    };
    use alloy::{
        consensus::{SignableTransaction, TxEip1559, TxEnvelope},
        eips::eip2718::Encodable2718,
        primitives::{TxKind, U256, address, bytes},
        signers::{SignerSync, local::PrivateKeySigner},
    };
    use revm::{ExecuteEvm as _, context::TxEnv};

    /// Hands its input to the pairing check, and keeps under the input's length whether that succeeded plus what it gave.
    const CONTRACT: Bytes = bytes!("60138060095f395ff3365f5f3760205f365f600f5afa5f5101365500");

    fn signed(nonce: u64, to: TxKind, input: Bytes) -> Tx {
        let signer: PrivateKeySigner = dev_accounts()[0].0.parse().unwrap();
        let tx = TxEip1559 {
            chain_id: 31_337,
            nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: 10_000_000_000,
            to,
            input,
            ..TxEip1559::default()
        };
        let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        decode(&TxEnvelope::from(tx.into_signed(signature)).encoded_2718()).unwrap()
    }

    #[test]
    fn blocks_are_the_same_with_helpers_and_without() {
        let options = ChainOptions::default();
        let core = Core::open_on(&options, medium(&options).unwrap()).unwrap();
        let state = || StateView::latest(&core.snapshot().unwrap()).unwrap();
        core.make_block(&[signed(0, TxKind::Create, CONTRACT)], false).unwrap();
        let contract = dev_accounts()[0].1.create(0);
        assert!(!state().code_of(contract).unwrap().is_empty());

        // Points at infinity, whose pairing is one; each third input is no point.
        let txs: Vec<_> = (1..40_u8)
            .map(|n| {
                let mut input = vec![0; 384 * (usize::from(n) % 7 + 1)];
                *input.last_mut().unwrap() = u8::from(n % 3 == 0);
                signed(n.into(), TxKind::Call(contract), input.into())
            })
            .collect();
        let environment = Environment { rules: core.rules, number: 2, timestamp: 2_000_000_000 };
        let kinds = CostlyKinds::default();
        assert!(!kinds.has(&txs[0]));
        let alone = environment.run_block(&state(), &txs, &kinds).unwrap();
        assert!(kinds.has(&txs[0]), "learned from those that ran");
        let helped = environment.run_block(&state(), &txs, &kinds).unwrap();
        assert_eq!(alone.done, helped.done);
        assert_eq!(alone.changes.diff, helped.changes.diff);
        let kept: HashSet<_> = alone.changes.diff.storage.values().copied().collect();
        assert_eq!(kept, HashSet::from([U256::ZERO, U256::from(2)]), "some failed and some gave one");
    }

    #[test]
    fn results_of_a_try_are_used_and_never_beyond_the_gas_there_is() {
        let options = ChainOptions::default();
        let core = Core::open_on(&options, medium(&options).unwrap()).unwrap();
        let state = StateView::latest(&core.snapshot().unwrap()).unwrap();
        let environment = Environment { rules: core.rules, number: 1, timestamp: 2_000_000_000 };
        let pairing = address!("000000000000000000000000000000000000000f");
        let tx = signed(5, TxKind::Call(pairing), vec![0; 384].into());
        let results = Results::default();
        environment.try_out(&state, &tx, &results);
        let known: Vec<_> = results.0.lock().values().cloned().collect();
        assert_eq!(known.len(), 1, "whatever its nonce");
        assert_eq!((known[0].0, U256::from_be_slice(&known[0].1)), (37_700 + 32_600, U256::ONE));

        // A result that nothing but sharing could give.
        results.0.lock().values_mut().for_each(|(_, output)| *output = Bytes::from_static(b"shared"));
        let run = |gas_limit| {
            let mut evm = environment.evm(&state, core.rules.config(), &results);
            let tx = TxEnv { gas_limit, kind: TxKind::Call(pairing), data: vec![0; 384].into(), ..TxEnv::default() };
            evm.transact(TxEnv {
                gas_price: BASE_FEE_WEI.into(),
                caller: dev_accounts()[0].1,
                chain_id: Some(31_337),
                ..tx
            })
        };
        assert_eq!(run(200_000).unwrap().result.output().unwrap().as_ref(), b"shared");
        assert!(!run(21_000 + 384 * 4 + 70_000).unwrap().result.is_success(), "it takes the same gas");
    }
}
