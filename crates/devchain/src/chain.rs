//! The chain: its database, its pool, and the thread that seals blocks.

use crate::{
    ChainOptions, DevChainError,
    ahead::CostlyKinds,
    block::{self, NewBlock},
    clock::{Clock, wall_secs},
    database::Databases,
    db::{self, Snapshot},
    evm::{self, Environment, Rules},
    limits::{BLOCK_TXS_MAX, TX_BYTES_MAX},
    pool::{Outcome, Pool, PoolTx},
    state::{Codes, StateView},
    write,
};
use alloy::{
    consensus::{Transaction as _, TxEnvelope, transaction::SignerRecoverable},
    eips::eip2718::Decodable2718,
    primitives::{B256, U256},
};
use parking_lot::{Condvar, Mutex};
use redb::StorageBackend;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// The latest block, as subscribers follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: u64,
    /// Counts the times that blocks were taken back.
    pub(crate) fork: u64,
}

/// What the sealing thread waits for.
#[derive(Default)]
struct Work {
    pool: Pool,
    /// Seal a block even if it is empty.
    mine: Vec<oneshot::Sender<()>>,
    stop: bool,
    /// Why sealing has stopped.
    failed: Option<String>,
}

/// Shared by the sealing thread and all requests.
pub(crate) struct Core {
    databases: Databases,
    pub(crate) rules: Rules,
    pub(crate) codes: Arc<Codes>,
    costly_kinds: CostlyKinds,
    pub(crate) clock: Mutex<Clock>,
    work: Mutex<Work>,
    wake: Condvar,
    /// Held while blocks are made or taken back.
    sealing: Mutex<()>,
    head: watch::Sender<Head>,
    #[cfg(feature = "test-faults")]
    pub(crate) removed: Mutex<Vec<crate::reorg::Removed>>,
}

/// Why a raw transaction was refused, in the words of geth.
pub(crate) type Refusal = String;
/// A transaction that can never run, and why.
pub(crate) type Invalid = (B256, Refusal);

impl Core {
    pub(crate) fn open(options: &ChainOptions) -> Result<Self, DevChainError> {
        Self::open_on(options, db::medium(options)?)
    }

    pub(crate) fn open_on(options: &ChainOptions, medium: Arc<dyn StorageBackend>) -> Result<Self, DevChainError> {
        let (databases, fresh) = db::open(options, medium)?;
        let database = databases.get()?;
        if fresh {
            let meta =
                [("format", db::FORMAT), ("chain_id", options.chain_id), ("hardfork", options.hardfork.number())];
            write::append(&database, &block::genesis(options, wall_secs()), &meta)?;
        }
        let snapshot = Snapshot::new(&database)?;
        let number = snapshot.head()?;
        let fork = snapshot.meta("fork")?.unwrap_or(0);
        let clock = Clock { offset_secs: snapshot.meta("time_offset")?.unwrap_or(0), next: None };
        drop(snapshot);
        Ok(Self {
            databases,
            rules: Rules { chain_id: options.chain_id, spec: options.hardfork.spec() },
            codes: Arc::default(),
            costly_kinds: CostlyKinds::default(),
            clock: Mutex::new(clock),
            work: Mutex::default(),
            wake: Condvar::new(),
            sealing: Mutex::default(),
            head: watch::Sender::new(Head { number, fork }),
            #[cfg(feature = "test-faults")]
            removed: Mutex::default(),
        })
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot, DevChainError> {
        Snapshot::new(&*self.databases.get()?)
    }

    /// Follows the head; the blocks up to it can be read.
    pub(crate) fn follow(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    pub(crate) fn with_pool<T>(&self, read: impl FnOnce(&Pool) -> T) -> T {
        read(&self.work.lock().pool)
    }

    /// Takes a raw transaction in; the receiver yields when it is sealed, waits for a nonce, or is left out.
    ///
    /// # Errors
    ///
    /// The outer error is a failure of the chain, the inner one a refusal.
    pub(crate) fn submit(
        &self,
        raw: &[u8],
    ) -> Result<Result<(B256, oneshot::Receiver<Outcome>), Refusal>, DevChainError> {
        let tx = match decode(raw) {
            Ok(tx) => tx,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let hash = *tx.inner().tx_hash();
        Self::check_sealing(&self.work.lock())?;
        if self.snapshot()?.place(hash)?.is_some() {
            return Ok(Err("already known".into()));
        }
        let mut work = self.work.lock();
        Self::check_sealing(&work)?;
        // The nonce is read under the lock: a block is settled in the pool after it is written, so either this state
        // has its nonces or the settling is still to come.
        let state = StateView::latest(&self.snapshot()?)?;
        let (nonce, balance) = state.account(tx.signer())?.map_or((0, U256::ZERO), |row| (row.nonce, row.balance));
        let cost = U256::from(tx.inner().gas_limit()) * U256::from(tx.inner().max_fee_per_gas());
        let cost = cost.saturating_add(tx.inner().value());
        if nonce <= tx.inner().nonce() && balance < cost {
            return Ok(Err(evm::insufficient_funds(balance, cost)));
        }
        let outcome = work.pool.insert(tx, nonce);
        self.wake.notify_one();
        Ok(outcome.map(|receiver| (hash, receiver)))
    }

    fn check_sealing(work: &Work) -> Result<(), DevChainError> {
        work.failed.as_ref().map_or(Ok(()), |reason| Err(DevChainError::Stopped(reason.clone())))
    }

    /// Has a block sealed now, empty if nothing waits; the receiver yields when it is durable.
    pub(crate) fn mine(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut work = self.work.lock();
        if work.failed.is_none() && !work.stop {
            work.mine.push(sender);
        }
        self.wake.notify_one();
        receiver
    }

    /// Ends the sealing thread after the block it is at.
    pub(crate) fn stop(&self) {
        self.work.lock().stop = true;
        self.wake.notify_one();
    }

    /// The sealing thread: whatever has queued up while a block was made durable goes into the next one.
    pub(crate) fn seal_until_stopped(&self) {
        loop {
            let (batch, mine) = {
                let mut work = self.work.lock();
                while !work.stop && work.mine.is_empty() && !work.pool.is_ready() {
                    self.wake.wait(&mut work);
                }
                if work.stop {
                    work.pool.clear("the chain is shutting down");
                    work.mine.clear();
                    return;
                }
                (work.pool.take_batch(BLOCK_TXS_MAX), std::mem::take(&mut work.mine))
            };
            let sealing = self.sealing.lock();
            let sealed = self.seal(&batch, !mine.is_empty());
            drop(sealing);
            match sealed {
                Ok(()) => mine.into_iter().for_each(|done| done.send(()).unwrap_or(())),
                Err(error) if error.is_full() => {
                    tracing::error!(%error, "no block was made: the transactions that waited are refused");
                    self.work.lock().pool.clear(&error.to_string());
                }
                Err(error) => {
                    tracing::error!(%error, "sealing has stopped: restart the chain");
                    let mut work = self.work.lock();
                    let reason = match error {
                        DevChainError::Stopped(reason) => reason,
                        error => error.to_string(),
                    };
                    work.pool.clear(&format!("the chain has stopped: {reason}"));
                    work.failed = Some(reason);
                    return;
                }
            }
        }
    }

    fn seal(&self, batch: &[PoolTx], even_if_empty: bool) -> Result<(), DevChainError> {
        let (block, invalid) = self.make_block(batch, even_if_empty)?;
        let state = StateView::latest(&self.snapshot()?)?;
        let mut nonces = Vec::with_capacity(batch.len());
        for tx in batch {
            nonces.push((tx.signer(), state.nonce(tx.signer())?));
        }
        let none = crate::diff::Diff::default();
        let changed = block.as_ref().map_or(&none, |block| &block.changes.diff);
        let sealed = block.iter().flat_map(|block| &block.txs).map(|tx| *tx.tx.tx_hash());
        self.work.lock().pool.settle(
            batch,
            sealed,
            invalid.into_iter(),
            nonces.into_iter().chain(write::nonces(changed)),
        );
        Ok(())
    }

    /// Executes `txs`, and makes the block durable and visible if it holds one of them or `even_if_empty`.
    ///
    /// Returns the block, and the transactions that can never run. The caller holds the lock on sealing.
    pub(crate) fn make_block(
        &self,
        txs: &[PoolTx],
        even_if_empty: bool,
    ) -> Result<(Option<NewBlock>, Vec<Invalid>), DevChainError> {
        let snapshot = self.snapshot()?;
        let state = StateView::latest(&snapshot)?.with_codes(&self.codes);
        let parent = snapshot.known_header(snapshot.head()?)?;
        let number = parent.header.number + 1;
        let mut clock = *self.clock.lock();
        let timestamp = clock.now(parent.header.timestamp);
        let environment = Environment { rules: self.rules, number, timestamp };
        let mut run = environment.run_block(&state, txs, &self.costly_kinds)?;
        let invalid = std::mem::take(&mut run.invalid);
        let invalid = invalid.into_iter().map(|(tx, reason)| (*tx.inner().tx_hash(), reason)).collect();
        if run.done.is_empty() && !even_if_empty {
            return Ok((None, invalid));
        }
        let fork = self.head.borrow().fork;
        let block = block::next(&parent, timestamp, fork, run);
        drop((state, snapshot));
        clock.passed(timestamp);
        self.append(&block, &[("time_offset", clock.offset_secs)])?;
        self.clock.lock().passed(timestamp);
        self.head.send_replace(Head { number, fork });
        Ok((Some(block), invalid))
    }

    /// Makes a block durable. When the disk is full nothing of it is kept, and the chain goes on without it.
    fn append(&self, block: &NewBlock, meta: &[(&str, u64)]) -> Result<(), DevChainError> {
        let Err(error) = write::append(&*self.databases.get()?, block, meta) else { return Ok(()) };
        let reason = error.to_string();
        self.databases.recover(error)?;
        // The block is there after all if the disk refused what comes after the commit.
        let landed = self.snapshot()?.header(block.header.header.number)?;
        if landed.is_some_and(|landed| landed.hash == block.header.hash) {
            return Ok(());
        }
        Err(DevChainError::Full(reason))
    }

    #[cfg(feature = "test-faults")]
    pub(crate) fn database(&self) -> Result<Arc<redb::Database>, DevChainError> {
        self.databases.get()
    }

    #[cfg(feature = "test-faults")]
    pub(crate) fn lock_sealing(&self) -> parking_lot::MutexGuard<'_, ()> {
        self.sealing.lock()
    }

    #[cfg(feature = "test-faults")]
    pub(crate) fn rewound(&self, number: u64, fork: u64) {
        self.head.send_replace(Head { number, fork });
    }

    /// Brings the nonces in the pool up to date after blocks were taken back.
    #[cfg(feature = "test-faults")]
    pub(crate) fn refresh_pool(&self) -> Result<(), DevChainError> {
        let mut work = self.work.lock();
        let state = StateView::latest(&self.snapshot()?)?;
        for address in work.pool.senders() {
            work.pool.set_nonce(address, state.nonce(address)?);
        }
        drop(work);
        self.wake.notify_one();
        Ok(())
    }
}

/// Decodes a transaction and recovers its sender.
pub(crate) fn decode(raw: &[u8]) -> Result<PoolTx, Refusal> {
    if raw.len() > TX_BYTES_MAX {
        return Err(format!("oversized data: transaction size {}, limit {TX_BYTES_MAX}", raw.len()));
    }
    let mut rest = raw;
    let tx = TxEnvelope::decode_2718(&mut rest).map_err(|e| format!("invalid transaction: {e}"))?;
    if !rest.is_empty() {
        return Err("invalid transaction: bytes after the end".into());
    }
    if tx.is_eip4844() {
        return Err("transaction type not supported: blobs are not available on this chain".into());
    }
    tx.try_into_recovered().map(Arc::new).map_err(|e| format!("invalid sender: {e}"))
}
