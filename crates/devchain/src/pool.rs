//! Transactions that wait: for the block being sealed to end, or for a nonce before theirs.

use crate::limits::{
    POOL_BYTES_MAX, POOL_GAP_LIFETIME_SECS, POOL_PRICE_BUMP_PERCENT, POOL_TXS_MAX, POOL_TXS_PER_SENDER_MAX,
};
use alloy::{
    consensus::{Transaction as _, TxEnvelope, transaction::Recovered},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

pub(crate) type PoolTx = Arc<Recovered<TxEnvelope>>;

/// What a sender learns about a transaction that was taken into the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In a durable block: the receipt is there.
    Sealed,
    /// Waits for a transaction with a lower nonce.
    Waiting,
    /// Left out for good, with the reason.
    Dropped(String),
}

struct Entry {
    tx: PoolTx,
    bytes: usize,
    arrival: u64,
    since: Instant,
    /// Handed to the sealer: can no longer be replaced.
    sealing: bool,
    waiter: Option<oneshot::Sender<Outcome>>,
}

#[derive(Default)]
struct Sender {
    /// Nonce of the next transaction that the chain accepts.
    next: u64,
    txs: BTreeMap<u64, Entry>,
}

impl Sender {
    /// The first nonce from `next` on that is not in the pool.
    fn gap(&self) -> u64 {
        (self.next..).zip(self.txs.range(self.next..)).take_while(|(want, (nonce, _))| want == *nonce).count() as u64
            + self.next
    }
}

/// Bounded; the order is that of arrival, and of nonces within a sender.
#[derive(Default)]
pub(crate) struct Pool {
    senders: HashMap<Address, Sender>,
    by_hash: HashMap<B256, (Address, u64)>,
    bytes: usize,
    arrivals: u64,
}

impl Pool {
    /// Takes a transaction in; `state_nonce` is the next nonce of its sender at the latest block.
    ///
    /// The receiver yields when the fate of the transaction is known, at once if a nonce before it is missing.
    ///
    /// # Errors
    ///
    /// The reason in the words of geth.
    pub(crate) fn insert(&mut self, tx: PoolTx, state_nonce: u64) -> Result<oneshot::Receiver<Outcome>, String> {
        let (address, nonce, hash) = (tx.signer(), tx.inner().nonce(), *tx.inner().tx_hash());
        if self.by_hash.contains_key(&hash) {
            return Err("already known".into());
        }
        let next = self.senders.get(&address).map_or(state_nonce, |sender| sender.next.max(state_nonce));
        if nonce < next {
            return Err(format!("nonce too low: next nonce {next}, tx nonce {nonce}"));
        }
        let bytes = tx.inner().encode_2718_len();
        self.make_room(address, nonce, &tx, bytes)?;
        let (waiter, receiver) = oneshot::channel();
        self.arrivals += 1;
        let entry =
            Entry { tx, bytes, arrival: self.arrivals, since: Instant::now(), sealing: false, waiter: Some(waiter) };
        self.bytes += bytes;
        self.by_hash.insert(hash, (address, nonce));
        let sender = self.senders.entry(address).or_default();
        sender.next = next;
        if let Some(old) = sender.txs.insert(nonce, entry) {
            self.forget(old, Outcome::Dropped("replaced by a transaction with higher fees".into()));
        }
        self.report_waiting(address);
        Ok(receiver)
    }

    fn make_room(&mut self, address: Address, nonce: u64, tx: &PoolTx, bytes: usize) -> Result<(), String> {
        if let Some(old) = self.senders.get(&address).and_then(|sender| sender.txs.get(&nonce)) {
            let outbid = |old: u128, new: u128| new >= old + old * POOL_PRICE_BUMP_PERCENT / 100 && new > old;
            let (old_tx, tx) = (old.tx.inner(), tx.inner());
            let tip = |tx: &TxEnvelope| tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas());
            let better = outbid(old_tx.max_fee_per_gas(), tx.max_fee_per_gas()) && outbid(tip(old_tx), tip(tx));
            return if better && !old.sealing { Ok(()) } else { Err("replacement transaction underpriced".into()) };
        }
        if self.senders.get(&address).is_some_and(|sender| sender.txs.len() >= POOL_TXS_PER_SENDER_MAX) {
            return Err(format!("account limit exceeded: {POOL_TXS_PER_SENDER_MAX} transactions are waiting"));
        }
        let full = |pool: &Self| pool.by_hash.len() >= POOL_TXS_MAX || pool.bytes + bytes > POOL_BYTES_MAX;
        if full(self) {
            self.expire(Instant::now(), Duration::from_secs(POOL_GAP_LIFETIME_SECS));
        }
        if full(self) { Err("txpool is full".into()) } else { Ok(()) }
    }

    /// Drops transactions that have waited behind a gap for `lifetime`.
    fn expire(&mut self, now: Instant, lifetime: Duration) {
        let mut stale = Vec::new();
        for sender in self.senders.values() {
            let old = sender.txs.range(sender.gap()..).filter(|(_, entry)| now.duration_since(entry.since) >= lifetime);
            stale.extend(old.map(|(_, entry)| *entry.tx.inner().tx_hash()));
        }
        for hash in stale {
            self.remove(hash, Outcome::Dropped("expired while a lower nonce was missing".into()));
        }
    }

    /// The first executable transactions by arrival, at most `max`; they are marked as being sealed.
    pub(crate) fn take_batch(&mut self, max: usize) -> Vec<PoolTx> {
        let mut ready: BinaryHeap<_> = self
            .senders
            .iter()
            .filter_map(|(address, sender)| {
                Some(Reverse((sender.txs.get(&sender.next)?.arrival, *address, sender.next)))
            })
            .collect();
        let mut batch = Vec::new();
        while batch.len() < max
            && let Some(Reverse((_, address, nonce))) = ready.pop()
        {
            let Some(sender) = self.senders.get_mut(&address) else { continue };
            if let Some(entry) = sender.txs.get_mut(&nonce) {
                entry.sealing = true;
                batch.push(entry.tx.clone());
            }
            if let Some(entry) = sender.txs.get(&(nonce + 1)) {
                ready.push(Reverse((entry.arrival, address, nonce + 1)));
            }
        }
        batch
    }

    /// Ends a batch: `sealed` and `invalid` leave the pool, the others of `batch` go back, and the nonces of all
    /// accounts that the block changed are brought up to date.
    pub(crate) fn settle(
        &mut self,
        batch: &[PoolTx],
        sealed: impl Iterator<Item = B256>,
        invalid: impl Iterator<Item = (B256, String)>,
        nonces: impl Iterator<Item = (Address, u64)>,
    ) {
        for hash in sealed {
            self.remove(hash, Outcome::Sealed);
        }
        for (hash, reason) in invalid {
            self.remove(hash, Outcome::Dropped(reason));
        }
        for (address, nonce) in nonces {
            self.set_nonce(address, nonce);
        }
        for tx in batch {
            let Some(sender) = self.senders.get_mut(&tx.signer()) else { continue };
            if let Some(entry) = sender.txs.get_mut(&tx.inner().nonce()) {
                entry.sealing = false;
            }
            self.report_waiting(tx.signer());
        }
    }

    /// Tells the pool the next nonce of an account.
    pub(crate) fn set_nonce(&mut self, address: Address, next: u64) {
        let Some(sender) = self.senders.get_mut(&address) else { return };
        sender.next = next;
        let stale: Vec<B256> = sender.txs.range(..next).map(|(_, entry)| *entry.tx.inner().tx_hash()).collect();
        for hash in stale {
            self.remove(hash, Outcome::Dropped(format!("nonce too low: next nonce {next}")));
        }
        self.report_waiting(address);
    }

    /// Those behind a gap are told so; those before it still wait for their block.
    fn report_waiting(&mut self, address: Address) {
        let Some(sender) = self.senders.get_mut(&address) else { return };
        let gap = sender.gap();
        for (_, entry) in sender.txs.range_mut(gap..) {
            if let Some(waiter) = entry.waiter.take() {
                let _ = waiter.send(Outcome::Waiting);
            }
        }
        if sender.txs.is_empty() {
            self.senders.remove(&address);
        }
    }

    fn remove(&mut self, hash: B256, outcome: Outcome) {
        let Some((address, nonce)) = self.by_hash.get(&hash).copied() else { return };
        let Some(sender) = self.senders.get_mut(&address) else { return };
        let entry = sender.txs.remove(&nonce);
        if sender.txs.is_empty() {
            self.senders.remove(&address);
        }
        if let Some(entry) = entry {
            self.forget(entry, outcome);
        }
    }

    fn forget(&mut self, entry: Entry, outcome: Outcome) {
        self.by_hash.remove(entry.tx.inner().tx_hash());
        self.bytes -= entry.bytes;
        if let Some(waiter) = entry.waiter {
            let _ = waiter.send(outcome);
        }
    }

    /// Drops everything; `reason` is what the senders are told.
    pub(crate) fn clear(&mut self, reason: &str) {
        let hashes: Vec<B256> = self.by_hash.keys().copied().collect();
        for hash in hashes {
            self.remove(hash, Outcome::Dropped(reason.into()));
        }
    }

    /// The transaction, if it waits here.
    pub(crate) fn get(&self, hash: B256) -> Option<PoolTx> {
        let (address, nonce) = self.by_hash.get(&hash)?;
        Some(self.senders.get(address)?.txs.get(nonce)?.tx.clone())
    }

    /// The nonce after those of the sender's transactions that will run without a gap.
    pub(crate) fn pending_nonce(&self, address: Address) -> Option<u64> {
        self.senders.get(&address).map(Sender::gap)
    }

    /// Whether a transaction can be sealed now.
    pub(crate) fn is_ready(&self) -> bool {
        self.senders.values().any(|sender| sender.txs.contains_key(&sender.next))
    }

    /// Transactions that can run without a gap, and those that cannot.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let pending = self.senders.values().map(|s| usize::try_from(s.gap() - s.next).unwrap_or(usize::MAX)).sum();
        (pending, self.by_hash.len() - pending)
    }

    #[cfg(feature = "test-faults")]
    pub(crate) fn senders(&self) -> Vec<Address> {
        self.senders.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests;
