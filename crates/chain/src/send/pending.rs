//! From the endpoint's word to a block that is deep enough.

use std::time::Duration;

use alloy::primitives::{B256, Bytes, U64};
use serde_json::json;
use tokio::time::Instant;

use super::{Call, Mined, OUT_OF_GAS, Sender, Signed, outbox::SEND_RAW, receipts::receipt_request};
use crate::{
    ChainError, TxHash,
    rpc::{Receipt, block_tag},
};

/// First pause between two looks for the receipt; it grows to the poll interval.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// How often to make sure that the network still has the transaction: this, or this many poll intervals.
const CARE_INTERVAL: Duration = Duration::from_secs(1);
const CARE_INTERVAL_POLLS: u32 = 4;
/// After this long without a block, offer more.
const REPRICE_INTERVAL: Duration = Duration::from_secs(15);
/// Looks, a care interval apart, that must agree that another transaction took the nonce: receipts may lag.
const DISPLACED_LOOKS: u32 = 3;
/// Looks that must find an earlier nonce missing before it is filled in: its owner may be about to.
const GAP_LOOKS: u32 = 2;
/// What a transaction that does nothing costs.
const GAS_OF_NOTHING: u64 = 21_000;
/// Give up after this long.
const DONE_WITHIN: Duration = Duration::from_secs(180);

impl Sender {
    /// Waits for the block and for those after it. Sends again what the network forgot, and offers more when it is
    /// not taken up; all versions share the nonce, so one of them happens at most.
    pub(super) async fn follow(&self, call: &Call, signed: Signed) -> Result<Mined, ChainError> {
        let begun = Instant::now();
        let mut versions = vec![signed];
        let mut pause = LOOK_PAUSE;
        let care_interval = CARE_INTERVAL.max(self.poll * CARE_INTERVAL_POLLS);
        let (mut cared, mut priced) = (begun, begun);
        let (mut displaced, mut gap) = (0, 0);
        loop {
            let mut in_block = false;
            for version in versions.iter().rev() {
                if let Some((receipt, deep_enough)) = self.receipt(version.hash).await? {
                    in_block = true;
                    if deep_enough {
                        return self.finish(call, version, receipt).await;
                    }
                    break;
                }
            }
            let tx = versions.last().map_or_else(TxHash::default, |v| tx_hash(v.hash));
            if begun.elapsed() > DONE_WITHIN {
                return Err(ChainError::Unconfirmed { tx, waited_secs: DONE_WITHIN.as_secs() });
            }
            if !in_block && cared.elapsed() > care_interval {
                cared = Instant::now();
                let nonce = versions.last().map_or(0, |v| v.nonce);
                match self.is_displaced(nonce, &versions).await {
                    Ok(true) => {
                        displaced += 1;
                        if displaced >= DISPLACED_LOOKS {
                            return Err(ChainError::Displaced { tx, nonce });
                        }
                    }
                    Ok(false) => {
                        displaced = 0;
                        if self.has_gap_before(nonce).await {
                            gap += 1;
                            if gap >= GAP_LOOKS {
                                self.fill_gap(nonce).await;
                            }
                        }
                        let reprice = priced.elapsed() > REPRICE_INTERVAL;
                        self.push(call, &mut versions, reprice).await;
                        if reprice {
                            priced = Instant::now();
                        }
                    }
                    Err(error) => tracing::debug!(%error, "cannot look after a transaction"),
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.poll);
        }
    }

    /// Hands the newest version over again, or a better paid one.
    async fn push(&self, call: &Call, versions: &mut Vec<Signed>, reprice: bool) {
        if reprice
            && let Some(last) = versions.last()
            && let Ok(fees) = self.fees.raised(&self.rpc, last.fees).await
            && let Ok(better) = self.sign(call, last.nonce, last.gas, fees)
        {
            tracing::info!(
                nonce = better.nonce,
                max_fee = fees.max_fee,
                "no block took the transaction: offering more"
            );
            versions.push(better);
        }
        let Some(last) = versions.last() else { return };
        self.spread(None, vec![json!([last.raw])]);
        if !self.rpc.is_several()
            && let Err(failure) = self.rpc.once::<B256>(SEND_RAW, json!([last.raw])).await
        {
            // Mostly "already known". What matters is whether a receipt comes.
            tracing::debug!(nonce = last.nonce, ?failure, "handed over again");
        }
    }

    /// Whether another transaction took the nonce. Each endpoint must say so that can be asked, and by one answer: the
    /// nonce is used, and none of these transactions is in a block. An endpoint that is behind the one that has the
    /// receipt then does not look like a loss.
    async fn is_displaced(&self, nonce: u64, versions: &[Signed]) -> Result<bool, ChainError> {
        let method = "eth_getTransactionCount";
        let count = (method, json!([self.address().evm(), "latest"]));
        let receipts: Vec<_> = versions.iter().map(|version| receipt_request(version.hash)).collect();
        let mut answers = 0;
        let mut silent = None;
        for endpoint in self.rpc.all() {
            let answer = self.rpc.once_batch_at::<U64, Option<Receipt>>(&endpoint, count.clone(), receipts.clone());
            match answer.await {
                Ok((count, receipts)) => {
                    answers += 1;
                    if count.to::<u64>() <= nonce || receipts.iter().any(Option::is_some) {
                        return Ok(false);
                    }
                }
                Err(failure) => silent = Some(failure),
            }
        }
        match silent {
            Some(failure) if answers == 0 => Err(self.rpc.error(method, failure)),
            _ => Ok(true),
        }
    }

    async fn has_gap_before(&self, nonce: u64) -> bool {
        self.transaction_count("pending").await.is_ok_and(|pending| pending < nonce)
    }

    /// A reorganisation may have undone a transaction that nobody follows any more; those behind it then wait for
    /// ever. One that does nothing takes its place.
    pub(super) async fn fill_gap(&self, nonce: u64) {
        let nothing = Call { to: Some(self.address()), data: Bytes::new(), value: 0 };
        if let Ok(missing) = self.transaction_count("pending").await
            && missing < nonce
            && let Ok(fees) = self.fees.current(&self.rpc).await
            && let Ok(filler) = self.sign(&nothing, missing, GAS_OF_NOTHING, fees)
        {
            tracing::warn!(nonce = missing, "an earlier transaction is gone: filling its place");
            let sent = self.rpc.once::<B256>(SEND_RAW, json!([filler.raw])).await;
            tracing::debug!(?sent, "filler handed over");
        }
    }

    async fn finish(&self, call: &Call, version: &Signed, receipt: Receipt) -> Result<Mined, ChainError> {
        let tx = tx_hash(version.hash);
        if receipt.succeeded() {
            return Ok(Mined { tx, receipt });
        }
        if receipt.gas_used >= version.gas {
            let detail = format!("all of {} gas was used", version.gas);
            return Err(ChainError::Reverted { name: OUT_OF_GAS.to_owned(), detail });
        }
        // The receipt has no reason. Ask what the same call would say in the block before; not every node remembers
        // that, so ask the present as well.
        for block in [block_tag(receipt.block_number.saturating_sub(1)), "latest".to_owned()] {
            let params = json!([call.request(self.address()), block]);
            if let Err(failure) = self.rpc.patiently::<Bytes>("eth_call", params).await
                && let Some(data) = failure.revert_data()
            {
                return Err(self.reverted(&data));
            }
        }
        Err(ChainError::Reverted { name: "Unknown".to_owned(), detail: format!("transaction {tx} failed") })
    }
}

fn tx_hash(hash: B256) -> TxHash {
    TxHash::from_bytes(hash.0)
}
