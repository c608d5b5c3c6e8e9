//! A set of account and storage values: what a block wrote, or what it overwrote.

use crate::DevChainError;
use alloy::primitives::{Address, B256, Bytes, U256};
use revm::state::{AccountInfo, EvmState};
use std::collections::BTreeMap;

/// What is kept of an account besides storage and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountRow {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) code_hash: B256,
}

impl From<AccountRow> for AccountInfo {
    fn from(row: AccountRow) -> Self {
        Self { nonce: row.nonce, balance: row.balance, code_hash: row.code_hash, code: None, ..Self::default() }
    }
}

/// Values by account and by slot. `None` is an account that does not exist, zero an unset slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    pub(crate) accounts: BTreeMap<Address, Option<AccountRow>>,
    pub(crate) storage: BTreeMap<(Address, U256), U256>,
}

/// A [`Diff`] with the code that its accounts refer to for the first time.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) diff: Diff,
    pub(crate) codes: BTreeMap<B256, Bytes>,
}

impl Changes {
    /// Adds what one more transaction of the block changed.
    pub(crate) fn merge(&mut self, state: &EvmState) {
        for (address, account) in state.iter().filter(|(_, account)| account.is_touched()) {
            if account.is_selfdestructed() || account.info.is_empty() {
                // Since Cancun only a contract made in the same transaction disappears: its storage was never kept.
                self.diff.accounts.insert(*address, None);
                continue;
            }
            let info = &account.info;
            let row = AccountRow { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash };
            self.diff.accounts.insert(*address, Some(row));
            if let Some(code) = info.code.as_ref().filter(|code| !code.is_empty()) {
                self.codes.entry(info.code_hash).or_insert_with(|| code.original_bytes());
            }
            for (slot, value) in account.changed_storage_slots() {
                self.diff.storage.insert((*address, *slot), value.present_value());
            }
        }
    }
}

const EXISTS: u8 = 1;
const MISSING: u8 = 0;

impl Diff {
    /// Takes over the values of `older`, which wins: walking back from the head, the oldest undo record of a value
    /// is the right one.
    pub(crate) fn overlay(&mut self, older: Self) {
        self.accounts.extend(older.accounts);
        self.storage.extend(older.storage);
    }

    /// Big-endian, in key order: number of accounts (u32), then per account address (20), 0 or 1, and with 1 nonce
    /// (u64), balance (32), code hash (32); number of slots (u32), then per slot address (20), slot (32), value (32).
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.accounts.len() * 93 + self.storage.len() * 84);
        out.extend(count(self.accounts.len()).to_be_bytes());
        for (address, row) in &self.accounts {
            out.extend(address);
            match row {
                None => out.push(MISSING),
                Some(row) => {
                    out.push(EXISTS);
                    out.extend(row.nonce.to_be_bytes());
                    out.extend(row.balance.to_be_bytes::<32>());
                    out.extend(row.code_hash);
                }
            }
        }
        out.extend(count(self.storage.len()).to_be_bytes());
        for ((address, slot), value) in &self.storage {
            out.extend(address);
            out.extend(slot.to_be_bytes::<32>());
            out.extend(value.to_be_bytes::<32>());
        }
        out
    }

    /// Reads what [`Diff::encode`] wrote.
    ///
    /// # Errors
    ///
    /// [`DevChainError::Corrupt`] if bytes are missing or left over.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DevChainError> {
        let mut reader = Reader(bytes);
        let mut diff = Self::default();
        for _ in 0..u32::from_be_bytes(reader.take()?) {
            let address = Address::from(reader.take()?);
            let row = match reader.take()? {
                [MISSING] => None,
                [_] => Some(AccountRow {
                    nonce: u64::from_be_bytes(reader.take()?),
                    balance: U256::from_be_bytes(reader.take::<32>()?),
                    code_hash: B256::from(reader.take()?),
                }),
            };
            diff.accounts.insert(address, row);
        }
        for _ in 0..u32::from_be_bytes(reader.take()?) {
            let address = Address::from(reader.take()?);
            let slot = U256::from_be_bytes(reader.take::<32>()?);
            diff.storage.insert((address, slot), U256::from_be_bytes(reader.take::<32>()?));
        }
        if reader.0.is_empty() { Ok(diff) } else { Err(DevChainError::Corrupt("undo record too long".into())) }
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("the gas limit keeps a block far below 2^32 changes")
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DevChainError> {
        let (head, rest) =
            self.0.split_first_chunk::<N>().ok_or_else(|| DevChainError::Corrupt("undo record too short".into()))?;
        self.0 = rest;
        Ok(*head)
    }
}

/// Address and slot as one key of the storage table.
pub(crate) fn slot_key(address: Address, slot: U256) -> [u8; 52] {
    let mut key = [0; 52];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_survives_encoding_and_damage_is_an_error() {
        let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let row = AccountRow { nonce: 7, balance: U256::from(8), code_hash: B256::repeat_byte(9) };
        let mut diff = Diff::default();
        diff.accounts.extend([(a, Some(row)), (b, None)]);
        diff.storage.extend([((a, U256::from(1)), U256::MAX), ((b, U256::MAX), U256::ZERO)]);
        let bytes = diff.encode();
        assert_eq!(Diff::decode(&bytes).expect("valid"), diff);
        for len in 0..bytes.len() {
            assert!(Diff::decode(&bytes[..len]).is_err(), "prefix of {len} bytes");
        }
        assert!(Diff::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}
