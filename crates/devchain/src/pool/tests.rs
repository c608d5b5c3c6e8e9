#![allow(clippy::unwrap_used)]

use super::*;
use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    primitives::{Signature, U256},
};

/// Signatures are checked before the pool, so any will do here.
fn tx(sender: u8, nonce: u64, fee: u128) -> PoolTx {
    let tx = TxEip1559 { nonce, max_fee_per_gas: fee, max_priority_fee_per_gas: fee, ..Default::default() };
    let signature = Signature::new(U256::from(sender), U256::ONE, false);
    Arc::new(Recovered::new_unchecked(tx.into_signed(signature).into(), Address::repeat_byte(sender)))
}

fn nonces(batch: &[PoolTx]) -> Vec<(u8, u64)> {
    batch.iter().map(|tx| (tx.signer()[0], tx.inner().nonce())).collect()
}

#[test]
fn a_batch_follows_arrival_and_nonces_and_stops_at_gaps() {
    let mut pool = Pool::default();
    for (sender, nonce) in [(1, 1), (2, 0), (1, 0), (3, 5), (2, 1), (2, 3)] {
        pool.insert(tx(sender, nonce, 10), 0).unwrap();
    }
    assert!(pool.is_ready());
    assert_eq!(pool.counts(), (4, 2));
    assert_eq!(pool.pending_nonce(Address::repeat_byte(2)), Some(2));
    assert_eq!(nonces(&pool.take_batch(10)), [(2, 0), (1, 0), (1, 1), (2, 1)]);
    assert_eq!(nonces(&pool.take_batch(1)), [(2, 0)]);
}

#[test]
fn outcomes_reach_those_who_wait() {
    let mut pool = Pool::default();
    let (first, second) = (tx(1, 0, 10), tx(1, 1, 10));
    let mut sealed = pool.insert(first.clone(), 0).unwrap();
    let mut dropped = pool.insert(second.clone(), 0).unwrap();
    let mut behind_a_gap = pool.insert(tx(1, 3, 10), 0).unwrap();
    assert_eq!(behind_a_gap.try_recv().unwrap(), Outcome::Waiting);
    assert!(sealed.try_recv().is_err());
    let batch = pool.take_batch(10);
    let hash = |tx: &PoolTx| *tx.inner().tx_hash();
    assert_eq!(pool.insert(tx(1, 0, 100), 0).unwrap_err(), "replacement transaction underpriced", "it is being sealed");
    let (done, invalid) = (std::iter::once(hash(&first)), std::iter::once((hash(&second), "bad".to_owned())));
    pool.settle(&batch, done, invalid, std::iter::once((Address::repeat_byte(1), 1)));
    assert_eq!(sealed.try_recv().unwrap(), Outcome::Sealed);
    assert_eq!(dropped.try_recv().unwrap(), Outcome::Dropped("bad".into()));
    assert!(!pool.is_ready());
    assert_eq!(pool.insert(first, 0).unwrap_err(), "nonce too low: next nonce 1, tx nonce 0");
}

#[test]
fn the_pool_is_bounded_and_old_gaps_make_room() {
    let mut pool = Pool::default();
    let most = u64::try_from(POOL_TXS_PER_SENDER_MAX).unwrap();
    for nonce in 1..=most {
        pool.insert(tx(1, nonce, 10), 0).unwrap();
    }
    assert!(pool.insert(tx(1, most + 1, 10), 0).unwrap_err().starts_with("account limit exceeded"));
    let mut sender = 2;
    while pool.by_hash.len() < POOL_TXS_MAX {
        for nonce in 1..=most.min(u64::try_from(POOL_TXS_MAX - pool.by_hash.len()).unwrap()) {
            pool.insert(tx(sender, nonce, 10), 0).unwrap();
        }
        sender += 1;
    }
    assert_eq!(pool.insert(tx(99, 0, 10), 0).unwrap_err(), "txpool is full");
    pool.expire(Instant::now(), Duration::ZERO);
    assert_eq!((pool.by_hash.len(), pool.senders.len(), pool.bytes), (0, 0, 0));
    pool.insert(tx(99, 0, 10), 0).unwrap();
}
