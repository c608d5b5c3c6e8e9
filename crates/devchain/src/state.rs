//! Accounts, storage and code as the EVM reads them, at the latest block or at a recent one.

use crate::{
    DevChainError,
    db::{self, ACCOUNTS, CODE, HEADERS, STORAGE, Snapshot, UNDO, corrupt},
    diff::{AccountRow, Diff, slot_key},
    limits::STATE_HISTORY_BLOCKS,
};
use alloy::primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use parking_lot::Mutex;
use redb::{ReadOnlyTable, ReadTransaction};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{collections::HashMap, sync::Arc};

/// Contracts that are kept ready to run; all are forgotten beyond that.
const CODES_MAX: usize = 256;

/// Code as the EVM runs it: analysed once, not for each block. Code never changes under its hash.
#[derive(Default)]
pub(crate) struct Codes(Mutex<HashMap<B256, Bytecode>>);

impl Codes {
    fn get_or(
        &self,
        hash: B256,
        load: impl FnOnce() -> Result<Bytecode, DevChainError>,
    ) -> Result<Bytecode, DevChainError> {
        if let Some(code) = self.0.lock().get(&hash) {
            return Ok(code.clone());
        }
        let code = load()?;
        let mut codes = self.0.lock();
        if codes.len() >= CODES_MAX {
            codes.clear();
        }
        codes.insert(hash, code.clone());
        Ok(code)
    }
}

/// State after one block.
pub(crate) struct StateView {
    accounts: ReadOnlyTable<&'static [u8; 20], db::AccountRow<'static>>,
    storage: ReadOnlyTable<&'static [u8; 52], &'static [u8; 32]>,
    code: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
    headers: ReadOnlyTable<u64, db::HeaderRow<'static>>,
    /// What later blocks overwrote; empty at the latest block.
    past: Diff,
    codes: Arc<Codes>,
}

impl StateView {
    pub(crate) fn latest(snapshot: &Snapshot) -> Result<Self, DevChainError> {
        Self::open(snapshot.read(), Diff::default())
    }

    /// The state after block `number`.
    ///
    /// # Errors
    ///
    /// [`DevChainError::StateNotKept`] beyond the last [`STATE_HISTORY_BLOCKS`] blocks.
    pub(crate) fn at(snapshot: &Snapshot, number: u64) -> Result<Self, DevChainError> {
        let head = snapshot.head()?;
        let first = head.saturating_sub(STATE_HISTORY_BLOCKS);
        if number < first || number > head {
            return Err(DevChainError::StateNotKept { number, first, head });
        }
        let undo = snapshot.read().open_table(UNDO)?;
        let mut past = Diff::default();
        for later in (number + 1..=head).rev() {
            let row = undo.get(later)?.ok_or_else(|| DevChainError::Corrupt(format!("no undo record {later}")))?;
            past.overlay(Diff::decode(row.value())?);
        }
        Self::open(snapshot.read(), past)
    }

    fn open(read: &ReadTransaction, past: Diff) -> Result<Self, DevChainError> {
        Ok(Self {
            accounts: read.open_table(ACCOUNTS)?,
            storage: read.open_table(STORAGE)?,
            code: read.open_table(CODE)?,
            headers: read.open_table(HEADERS)?,
            past,
            codes: Arc::default(),
        })
    }

    /// Runs the code that is ready in `codes`, and keeps there what was not.
    pub(crate) fn with_codes(self, codes: &Arc<Codes>) -> Self {
        Self { codes: codes.clone(), ..self }
    }

    pub(crate) fn account(&self, address: Address) -> Result<Option<AccountRow>, DevChainError> {
        if let Some(row) = self.past.accounts.get(&address) {
            return Ok(*row);
        }
        Ok(self.accounts.get(&address.0.0)?.map(|row| {
            let (nonce, balance, code_hash) = row.value();
            AccountRow { nonce, balance: U256::from_be_bytes(*balance), code_hash: B256::from(*code_hash) }
        }))
    }

    pub(crate) fn nonce(&self, address: Address) -> Result<u64, DevChainError> {
        Ok(self.account(address)?.map_or(0, |row| row.nonce))
    }

    pub(crate) fn balance(&self, address: Address) -> Result<U256, DevChainError> {
        Ok(self.account(address)?.map_or(U256::ZERO, |row| row.balance))
    }

    pub(crate) fn code_of(&self, address: Address) -> Result<Bytes, DevChainError> {
        self.account(address)?.map_or(Ok(Bytes::new()), |row| self.code(row.code_hash))
    }

    fn code(&self, hash: B256) -> Result<Bytes, DevChainError> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Ok(Bytes::new());
        }
        let row = self.code.get(&hash.0)?.ok_or_else(|| DevChainError::Corrupt(format!("no code {hash}")))?;
        Ok(Bytes::copy_from_slice(row.value()))
    }

    pub(crate) fn slot(&self, address: Address, slot: U256) -> Result<U256, DevChainError> {
        if let Some(value) = self.past.storage.get(&(address, slot)) {
            return Ok(*value);
        }
        let row = self.storage.get(&slot_key(address, slot))?;
        Ok(row.map_or(U256::ZERO, |row| U256::from_be_bytes(*row.value())))
    }
}

impl DatabaseRef for StateView {
    type Error = DevChainError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, DevChainError> {
        Ok(self.account(address)?.map(AccountInfo::from))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, DevChainError> {
        let load = || Bytecode::new_raw_checked(self.code(hash)?).map_err(|e| corrupt("code", &e));
        self.codes.get_or(hash, load)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, DevChainError> {
        self.slot(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, DevChainError> {
        Ok(self.headers.get(number)?.map_or(B256::ZERO, |row| B256::from(*row.value().0)))
    }
}
