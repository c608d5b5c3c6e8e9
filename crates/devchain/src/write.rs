//! Writing blocks: one database transaction, one durable step, for each.

use crate::{
    DevChainError,
    block::NewBlock,
    db::{ACCOUNTS, CODE, HEADERS, META, NUMBERS, PLACES, STORAGE, TXS, UNDO},
    diff::{AccountRow, Diff, slot_key},
    limits::STATE_HISTORY_BLOCKS,
};
use alloy::{
    primitives::{Address, B256, U256},
    rlp,
};
use redb::{Database, ReadableTable, WriteTransaction};

/// Makes `block` the head, with the state after it, and sets `meta` rows, all or nothing.
///
/// When this returns the block survives `kill -9` and power loss; before, no reader sees it.
pub(crate) fn append(database: &Database, block: &NewBlock, meta: &[(&str, u64)]) -> Result<(), DevChainError> {
    let mut write = database.begin_write()?;
    // Each commit carries the allocator state, so that opening after a crash does not read the whole file. That takes a
    // second sync; transactions that queue up share it.
    write.set_quick_repair(true);
    set_meta(&write, meta)?;
    put_block(&write, block)?;
    put_codes(&write, block)?;
    let undo = put_state(&write, &block.changes.diff)?;
    let number = block.header.header.number;
    {
        let mut table = write.open_table(UNDO)?;
        table.insert(number, undo.encode().as_slice())?;
        if let Some(old) = number.checked_sub(STATE_HISTORY_BLOCKS) {
            table.remove(old)?;
        }
    }
    write.commit()?;
    Ok(())
}

fn set_meta(write: &WriteTransaction, meta: &[(&str, u64)]) -> Result<(), DevChainError> {
    let mut table = write.open_table(META)?;
    for (key, value) in meta {
        table.insert(key, value)?;
    }
    Ok(())
}

fn put_block(write: &WriteTransaction, block: &NewBlock) -> Result<(), DevChainError> {
    let stored = &block.header;
    let number = stored.header.number;
    let rlp = rlp::encode(&stored.header);
    let row = (&stored.hash.0, stored.size, &stored.header.logs_bloom.0.0, rlp.as_slice());
    write.open_table(HEADERS)?.insert(number, row)?;
    write.open_table(NUMBERS)?.insert(&stored.hash.0, number)?;
    let mut txs = write.open_table(TXS)?;
    let mut places = write.open_table(PLACES)?;
    for tx in &block.txs {
        let (encoded, receipt) = tx.encoded();
        txs.insert((number, tx.index), tx.row(&encoded, &receipt))?;
        places.insert(&tx.tx.tx_hash().0, (number, tx.index))?;
    }
    Ok(())
}

fn put_codes(write: &WriteTransaction, block: &NewBlock) -> Result<(), DevChainError> {
    let mut table = write.open_table(CODE)?;
    for (hash, code) in &block.changes.codes {
        if table.get(&hash.0)?.is_none() {
            table.insert(&hash.0, code.as_ref())?;
        }
    }
    Ok(())
}

/// Writes the values of `diff` and returns those that they replace.
fn put_state(write: &WriteTransaction, diff: &Diff) -> Result<Diff, DevChainError> {
    let mut old = Diff::default();
    let mut accounts = write.open_table(ACCOUNTS)?;
    for (address, row) in &diff.accounts {
        let before = match row {
            Some(row) => {
                accounts.insert(&address.0.0, (row.nonce, &row.balance.to_be_bytes::<32>(), &row.code_hash.0))?
            }
            None => accounts.remove(&address.0.0)?,
        };
        old.accounts.insert(*address, before.map(|guard| account_row(guard.value())));
    }
    let mut storage = write.open_table(STORAGE)?;
    for ((address, slot), value) in &diff.storage {
        let key = slot_key(*address, *slot);
        let before =
            if value.is_zero() { storage.remove(&key)? } else { storage.insert(&key, &value.to_be_bytes::<32>())? };
        let before = before.map_or(U256::ZERO, |guard| U256::from_be_bytes(*guard.value()));
        old.storage.insert((*address, *slot), before);
    }
    Ok(old)
}

fn account_row((nonce, balance, code_hash): (u64, &[u8; 32], &[u8; 32])) -> AccountRow {
    AccountRow { nonce, balance: U256::from_be_bytes(*balance), code_hash: B256::from(*code_hash) }
}

/// Takes the latest `depth` blocks away again and restores the state before them.
///
/// # Errors
///
/// [`DevChainError::StateNotKept`] if an undo record is no longer there; nothing is changed then.
#[cfg(feature = "test-faults")]
pub(crate) fn rewind(database: &Database, depth: u64, meta: &[(&str, u64)]) -> Result<(), DevChainError> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    set_meta(&write, meta)?;
    for _ in 0..depth {
        let (number, hash) = {
            let headers = write.open_table(HEADERS)?;
            let last = headers.last()?;
            let (number, row) = last.ok_or_else(|| DevChainError::Corrupt("no genesis block".into()))?;
            (number.value(), *row.value().0)
        };
        let undo = write.open_table(UNDO)?.remove(number)?.map(|row| Diff::decode(row.value())).transpose()?;
        let first = number;
        let undo = undo.filter(|_| number > 0).ok_or(DevChainError::StateNotKept { number, first, head: number })?;
        put_state(&write, &undo)?;
        write.open_table(HEADERS)?.remove(number)?;
        write.open_table(NUMBERS)?.remove(&hash)?;
        let mut places = write.open_table(PLACES)?;
        places.retain(|_, (block, _)| block != number)?;
        write.open_table(TXS)?.retain_in((number, 0)..=(number, u32::MAX), |_, _| false)?;
    }
    write.commit()?;
    Ok(())
}

/// Addresses whose nonce `diff` sets, with the new nonce.
pub(crate) fn nonces(diff: &Diff) -> impl Iterator<Item = (Address, u64)> + '_ {
    diff.accounts.iter().map(|(address, row)| (*address, row.map_or(0, |row| row.nonce)))
}
