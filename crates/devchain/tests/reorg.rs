//! Reorganisations, as tests of clients make them.
#![cfg(feature = "test-faults")]
#![allow(clippy::unwrap_used)]

mod common;

use alloy::{
    eips::eip2718::Encodable2718,
    network::NetworkTransactionBuilder,
    primitives::{B256, Bytes, U256},
    providers::Provider,
    rpc::types::{Filter, TransactionRequest},
};
use common::{Served, account, deploy, keep, send, wallet};
use floe_devchain::ChainOptions;
use futures::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

async fn signed(request: TransactionRequest, nonce: u64) -> Bytes {
    let request = request
        .nonce(nonce)
        .gas_limit(200_000)
        .max_fee_per_gas(2_000_000_000)
        .max_priority_fee_per_gas(1)
        .transaction_type(2);
    let request = TransactionRequest { chain_id: Some(31_337), ..request };
    request.build(&wallet(0)).await.unwrap().encoded_2718().into()
}

#[tokio::test]
async fn blocks_are_taken_back_with_state_receipts_and_logs() {
    let dir = tempfile::tempdir().unwrap();
    let options = ChainOptions { dir: Some(dir.path().into()), ..ChainOptions::default() };
    let served = Served::start(options.clone()).await;
    let (provider, socket) = (served.provider(0), served.socket(0).await);
    let contract = deploy(&provider).await;
    let mut logs = socket.subscribe_logs(&Filter::new().address(contract)).await.unwrap().into_stream();
    let old = [send(&provider, keep(contract, 1)).await, send(&provider, keep(contract, 2)).await];
    for word in 1..=2 {
        let log = timeout(Duration::from_secs(10), logs.next()).await.unwrap().unwrap();
        assert_eq!(log.topics()[0], B256::with_last_byte(word));
    }

    served.chain.reorg(2, &[vec![], vec![signed(keep(contract, 3), 1).await], vec![]]).unwrap();
    assert_eq!(provider.get_block_number().await.unwrap(), 4);
    assert_eq!(provider.get_storage_at(contract, U256::ZERO).await.unwrap(), U256::from(3));
    assert_eq!(provider.get_transaction_count(account(0)).await.unwrap(), 2);
    for receipt in &old {
        assert!(provider.get_transaction_receipt(receipt.transaction_hash).await.unwrap().is_none());
        assert!(provider.get_block_by_hash(receipt.block_hash.unwrap()).await.unwrap().is_none());
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let log = timeout(Duration::from_secs(10), logs.next()).await.unwrap().unwrap();
        seen.push((log.topics()[0], log.removed));
    }
    let word = B256::with_last_byte;
    assert_eq!(seen, [(word(1), true), (word(2), true), (word(3), false)]);
    // A provider remembers the nonces it has used, so the next transaction needs a new one.
    assert_eq!(send(&served.provider(0), keep(contract, 4)).await.block_number, Some(5));
    let beyond = served.chain.reorg(6, &[]).unwrap_err();
    assert_eq!(beyond.code(), "DEVCHAIN-0009");
    let head = served.chain.head().unwrap();
    drop((logs, socket));
    served.stop().await;
    let served = Served::start(options).await;
    assert_eq!(served.chain.head().unwrap(), head);
    served.stop().await;
}
