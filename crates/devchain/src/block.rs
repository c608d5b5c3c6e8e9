//! Making blocks: genesis, and headers and receipts out of executed transactions.

use crate::{
    ChainOptions,
    accounts::{DEV_BALANCE_ETHER, dev_accounts},
    db::{StoredHeader, StoredTx},
    diff::{AccountRow, Changes},
    evm::{BlockRun, prevrandao},
    limits::{BASE_FEE_WEI, BLOCK_GAS_LIMIT},
};
use alloy::{
    consensus::{
        EMPTY_ROOT_HASH, Eip658Value, Header, Receipt, ReceiptEnvelope, TxReceipt,
        proofs::{calculate_receipt_root, calculate_transaction_root},
    },
    eips::{eip2718::Encodable2718, eip7685::EMPTY_REQUESTS_HASH},
    primitives::{B256, Bloom, Bytes, KECCAK256_EMPTY, U256, keccak256, utils::Unit},
    rlp::{self, Encodable},
};
use revm::context::result::{ExecutionResult, Output};

/// A block and everything it changes, ready to be written.
#[derive(Debug)]
pub(crate) struct NewBlock {
    pub(crate) header: StoredHeader,
    pub(crate) txs: Vec<StoredTx>,
    pub(crate) changes: Changes,
}

/// Block 0: the development accounts and `options.funded`.
pub(crate) fn genesis(options: &ChainOptions, timestamp: u64) -> NewBlock {
    let mut changes = Changes::default();
    let dev = dev_accounts().map(|(_, address)| (address, U256::from(DEV_BALANCE_ETHER) * Unit::ETHER.wei()));
    for (address, balance) in dev.iter().chain(&options.funded) {
        let row = AccountRow { nonce: 0, balance: *balance, code_hash: KECCAK256_EMPTY };
        changes.diff.accounts.insert(*address, Some(row));
    }
    let extra_data = Bytes::from_static(b"floe devchain");
    let header = Header { timestamp, extra_data, ..header_of(0, B256::ZERO, B256::ZERO, &changes) };
    finish(header, Vec::new(), changes)
}

/// The block after `parent`, holding the transactions of `run`.
///
/// `fork` tells apart blocks that would otherwise be equal on two branches.
pub(crate) fn next(parent: &StoredHeader, timestamp: u64, fork: u64, run: BlockRun) -> NewBlock {
    let mut txs = Vec::with_capacity(run.done.len());
    let (mut cumulative_gas_used, mut first_log) = (0, 0);
    for (index, (tx, result)) in (0..).zip(run.done) {
        let gas_used = result.tx_gas_used();
        cumulative_gas_used += gas_used;
        let success = result.is_success();
        let contract = match &result {
            ExecutionResult::Success { output: Output::Create(_, contract), .. } => *contract,
            _ => None,
        };
        let logs = if success { result.into_logs() } else { Vec::new() };
        let logs_len = u32::try_from(logs.len()).expect("the gas limit bounds the logs of a block");
        let receipt = Receipt { status: Eip658Value::Eip658(success), cumulative_gas_used, logs }.with_bloom();
        let receipt = ReceiptEnvelope::from_typed(tx.inner().tx_type(), receipt);
        let (tx, sender) = (*tx).clone().into_parts();
        txs.push(StoredTx { index, sender, contract, gas_used, first_log, tx, receipt });
        first_log += logs_len;
    }
    let number = parent.header.number + 1;
    let extra_data = if fork == 0 { Bytes::new() } else { Bytes::copy_from_slice(&fork.to_be_bytes()) };
    let header = Header {
        timestamp,
        gas_used: cumulative_gas_used,
        extra_data,
        ..header_of(number, parent.hash, parent.header.state_root, &run.changes)
    };
    finish(header, txs, run.changes)
}

fn header_of(number: u64, parent_hash: B256, parent_state: B256, changes: &Changes) -> Header {
    Header {
        parent_hash,
        number,
        // A running commitment to all state changes, not the root of a Merkle-Patricia trie.
        state_root: keccak256([parent_state.as_slice(), &changes.diff.encode()].concat()),
        gas_limit: BLOCK_GAS_LIMIT,
        mix_hash: prevrandao(number),
        base_fee_per_gas: Some(BASE_FEE_WEI),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

fn finish(mut header: Header, txs: Vec<StoredTx>, changes: Changes) -> NewBlock {
    header.transactions_root = calculate_transaction_root(&txs.iter().map(|t| &t.tx).collect::<Vec<_>>());
    header.receipts_root = calculate_receipt_root(&txs.iter().map(|t| &t.receipt).collect::<Vec<_>>());
    header.logs_bloom = txs.iter().fold(Bloom::ZERO, |bloom, t| bloom | t.receipt.bloom());
    let header = StoredHeader { hash: header.hash_slow(), size: size(&header, &txs), header };
    NewBlock { header, txs, changes }
}

/// Length of the block in RLP: header, transactions, no uncles, no withdrawals.
fn size(header: &Header, txs: &[StoredTx]) -> u64 {
    let list = |payload: usize| rlp::length_of_length(payload) + payload;
    let txs = list(txs.iter().map(|t| t.tx.network_len()).sum());
    list(header.length() + txs + list(0) + list(0)) as u64
}
