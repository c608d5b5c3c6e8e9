//! Receipts: what several wait for at the same time is asked in one message.

use std::sync::{Mutex, PoisonError};

use alloy::primitives::{B256, U64};
use serde_json::json;
use tokio::sync::oneshot;

use super::Sender;
use crate::{
    ChainError,
    rpc::{Failure, PATIENCE, Receipt, Request, retry},
};

/// Receipts asked for in one message at most.
const TOGETHER_MAX: usize = 64;

/// A receipt, and whether enough blocks follow.
type Found = Option<(Receipt, bool)>;

/// A transaction whose receipt somebody waits for.
type Asked = (B256, oneshot::Sender<Found>);

/// Those who wait for receipts.
#[derive(Default)]
pub(super) struct Receipts {
    waiting: Mutex<Vec<Asked>>,
    /// Held while a message is under way. What comes meanwhile goes into the next one.
    turn: tokio::sync::Mutex<()>,
}

impl Receipts {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Asked>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next ones, without those that nobody waits for any more.
    fn take(&self) -> Vec<Asked> {
        let mut waiting = self.lock();
        waiting.retain(|(_, asked)| !asked.is_closed());
        let count = waiting.len().min(TOGETHER_MAX);
        waiting.drain(..count).collect()
    }
}

impl Sender {
    /// The receipt, if there is one. `None` also while no endpoint answers: the transaction is on its way, so that is
    /// waited out.
    pub(super) async fn receipt(&self, hash: B256) -> Result<Found, ChainError> {
        let (asked, mut answer) = oneshot::channel();
        self.receipts.lock().push((hash, asked));
        loop {
            let _turn = tokio::select! {
                biased;
                // One whose message failed asks alone.
                found = &mut answer => match found {
                    Ok(found) => return Ok(found),
                    Err(_) => return self.receipt_alone(hash).await,
                },
                turn = self.receipts.turn.lock() => turn,
            };
            let together = self.receipts.take();
            let hashes: Vec<B256> = together.iter().map(|(hash, _)| *hash).collect();
            match self.ask_together(&hashes).await {
                Ok(found) => {
                    for ((_, asked), found) in together.into_iter().zip(found) {
                        // Whoever does not wait any more does not need it.
                        let _ = asked.send(found);
                    }
                }
                Err(failure) => tracing::debug!(count = hashes.len(), ?failure, "receipts not had together"),
            }
        }
    }

    async fn receipt_alone(&self, hash: B256) -> Result<Found, ChainError> {
        let (method, params) = receipt_request(hash);
        let found = if self.confirmations == 0 {
            let receipt = self.rpc.patiently::<Option<Receipt>>(method, params).await;
            receipt.map(|receipt| receipt.map(|receipt| (receipt, true)))
        } else {
            let found = retry(PATIENCE, || self.ask_together(std::slice::from_ref(&hash))).await;
            found.map(|found| found.into_iter().next().flatten())
        };
        match found {
            Ok(found) => Ok(found),
            Err(failure) => match self.rpc.error(method, failure) {
                ChainError::Unreachable { .. } => Ok(None),
                error => Err(error),
            },
        }
    }

    /// The receipts and the latest block of the same endpoint: those of two may belong to two histories.
    async fn ask_together(&self, hashes: &[B256]) -> Result<Vec<Found>, Failure> {
        let head = ("eth_blockNumber", json!([]));
        let receipts: Vec<_> = hashes.iter().map(|hash| receipt_request(*hash)).collect();
        let (head, found) = self.rpc.once_batch::<U64, Option<Receipt>>(&head, &receipts).await?;
        let with_depth = |receipt: Receipt| {
            let deep_enough = head.to::<u64>() >= receipt.block_number.saturating_add(self.confirmations);
            (receipt, deep_enough)
        };
        Ok(found.into_iter().map(|receipt| receipt.map(with_depth)).collect())
    }
}

pub(super) fn receipt_request(hash: B256) -> Request {
    ("eth_getTransactionReceipt", json!([hash]))
}
