//! Taking blocks back, so that clients can be tested against reorganisations. Not part of a production build.

use crate::{
    DevChain, DevChainError,
    chain::{self, Core},
    limits::STATE_HISTORY_BLOCKS,
    write,
};
use alloy::{primitives::Bytes, rpc::types::Log};

/// The blocks that one reorganisation took back.
#[derive(Clone, Debug)]
pub(crate) struct Removed {
    /// The value of the fork counter after it.
    pub(crate) fork: u64,
    /// The block that the new branch starts from.
    pub(crate) base: u64,
    /// The logs of the blocks taken back, in order.
    pub(crate) logs: Vec<Log>,
}

impl DevChain {
    /// Replaces the latest `depth` blocks by one block for each item of `blocks`, holding those raw transactions.
    ///
    /// The new blocks have other hashes than the old ones; transactions that are in none of them are gone, as if never sent.
    /// Subscribers of logs get the old logs with `removed: true`, then the new ones.
    ///
    /// # Errors
    ///
    /// [`DevChainError::StateNotKept`] if `depth` reaches genesis or beyond the kept history,
    /// [`DevChainError::Execution`] if a transaction is refused.
    pub fn reorg(&self, depth: u64, blocks: &[Vec<Bytes>]) -> Result<(), DevChainError> {
        self.core().reorg(depth, blocks)
    }
}

impl Core {
    fn reorg(&self, depth: u64, blocks: &[Vec<Bytes>]) -> Result<(), DevChainError> {
        let _sealing = self.lock_sealing();
        let snapshot = self.snapshot()?;
        let head = snapshot.head()?;
        let base = head.checked_sub(depth).filter(|_| depth <= STATE_HISTORY_BLOCKS);
        let base = base.ok_or(DevChainError::StateNotKept { number: 0, first: 0, head })?;
        let mut logs = Vec::new();
        for number in base + 1..=head {
            logs.extend(crate::convert::block_logs(&snapshot, number)?);
        }
        drop(snapshot);
        let fork = self.follow().borrow().fork + 1;
        write::rewind(&*self.database()?, depth, &[("fork", fork)])?;
        self.removed.lock().push(Removed { fork, base, logs });
        self.rewound(base, fork);
        for txs in blocks {
            let txs = txs.iter().map(|raw| chain::decode(raw).map_err(DevChainError::Execution));
            let txs = txs.collect::<Result<Vec<_>, _>>()?;
            let (_, invalid) = self.make_block(&txs, true)?;
            if let Some((hash, reason)) = invalid.first() {
                return Err(DevChainError::Execution(format!("{hash}: {reason}")));
            }
        }
        self.refresh_pool()
    }
}
