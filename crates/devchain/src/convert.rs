//! Stored blocks and transactions as JSON-RPC shows them.

use crate::{
    DevChainError,
    db::{Snapshot, StoredHeader, StoredTx},
    limits::BASE_FEE_WEI,
    pool::PoolTx,
};
use alloy::{
    consensus::{ReceiptEnvelope, Transaction as _, transaction::Recovered},
    primitives::U256,
    rpc::types::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt},
};

/// A block without its transactions, as `newHeads` sends it.
pub(crate) fn header(stored: &StoredHeader) -> Header {
    Header {
        hash: stored.hash,
        inner: stored.header.clone(),
        total_difficulty: Some(U256::ZERO),
        size: Some(U256::from(stored.size)),
    }
}

/// A block with its transactions, `full` or as hashes.
pub(crate) fn block(snapshot: &Snapshot, number: u64, full: bool) -> Result<Option<Block>, DevChainError> {
    let Some(stored) = snapshot.header(number)? else { return Ok(None) };
    let txs = snapshot.txs(number)?;
    let transactions = if full {
        BlockTransactions::Full(txs.into_iter().map(|tx| transaction(&stored, tx)).collect())
    } else {
        BlockTransactions::Hashes(txs.iter().map(|tx| *tx.tx.tx_hash()).collect())
    };
    Ok(Some(Block { header: header(&stored), uncles: Vec::new(), transactions, withdrawals: Some(Default::default()) }))
}

/// A sealed transaction.
pub(crate) fn transaction(block: &StoredHeader, stored: StoredTx) -> Transaction {
    Transaction {
        effective_gas_price: Some(stored.tx.effective_gas_price(Some(BASE_FEE_WEI))),
        inner: Recovered::new_unchecked(stored.tx, stored.sender),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        transaction_index: Some(stored.index.into()),
        block_timestamp: Some(block.header.timestamp),
    }
}

/// A transaction in the pool.
pub(crate) fn pending(tx: &PoolTx) -> Transaction {
    Transaction {
        effective_gas_price: Some(tx.inner().effective_gas_price(Some(BASE_FEE_WEI))),
        inner: (**tx).clone(),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        block_timestamp: None,
    }
}

/// The logs of one transaction.
pub(crate) fn logs(block: &StoredHeader, stored: &StoredTx) -> Vec<Log> {
    let numbered = (u64::from(stored.first_log)..).zip(stored.receipt.logs());
    numbered.map(|(index, inner)| log(block, stored, index, inner)).collect()
}

fn log(block: &StoredHeader, stored: &StoredTx, index: u64, inner: &alloy::primitives::Log) -> Log {
    Log {
        inner: inner.clone(),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: Some(*stored.tx.tx_hash()),
        transaction_index: Some(stored.index.into()),
        log_index: Some(index),
        removed: false,
    }
}

/// All logs of a block.
pub(crate) fn block_logs(snapshot: &Snapshot, number: u64) -> Result<Vec<Log>, DevChainError> {
    let Some(stored) = snapshot.header(number)? else { return Ok(Vec::new()) };
    Ok(snapshot.txs(number)?.iter().flat_map(|tx| logs(&stored, tx)).collect())
}

/// The receipt of one transaction.
pub(crate) fn receipt(block: &StoredHeader, stored: &StoredTx) -> TransactionReceipt {
    let mut index = u64::from(stored.first_log);
    let inner: ReceiptEnvelope<Log> = stored.receipt.clone().map_logs(|inner| {
        index += 1;
        log(block, stored, index - 1, &inner)
    });
    TransactionReceipt {
        inner,
        transaction_hash: *stored.tx.tx_hash(),
        transaction_index: Some(stored.index.into()),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        gas_used: stored.gas_used,
        effective_gas_price: stored.tx.effective_gas_price(Some(BASE_FEE_WEI)),
        blob_gas_used: None,
        blob_gas_price: None,
        from: stored.sender,
        to: stored.tx.to(),
        contract_address: stored.contract,
    }
}
