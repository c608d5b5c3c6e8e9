//! The tables of the chain file, opening it, and reading blocks and transactions from a snapshot.

use crate::{
    ChainOptions, DevChainError,
    database::{Databases, LockedFile},
};
use alloy::{
    consensus::{Header, ReceiptEnvelope, TxEnvelope},
    eips::eip2718::{Decodable2718, Encodable2718},
    primitives::{Address, B256, Bloom},
    rlp::Decodable,
};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    backends::InMemoryBackend,
};
use std::{fs::TryLockError, sync::Arc};

/// Written to each file; raised when a table changes its meaning.
pub(crate) const FORMAT: u64 = 1;
const FILE_NAME: &str = "chain.redb";

/// `format`, `chain_id`, `hardfork`, `time_offset`, `fork`: all numbers.
pub(crate) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// Number → hash, encoded size of the block in bytes, logs bloom, header in RLP.
pub(crate) const HEADERS: TableDefinition<u64, HeaderRow<'static>> = TableDefinition::new("headers");
/// Block hash → number.
pub(crate) const NUMBERS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("numbers");
/// (Block number, index) → sender, created contract, gas used, index in the block of the first log, transaction,
/// receipt (both in EIP-2718 encoding).
pub(crate) const TXS: TableDefinition<(u64, u32), TxRow<'static>> = TableDefinition::new("txs");
/// Transaction hash → (block number, index).
pub(crate) const PLACES: TableDefinition<&[u8; 32], (u64, u32)> = TableDefinition::new("places");
/// Address → nonce, balance, code hash. Empty accounts have no row.
pub(crate) const ACCOUNTS: TableDefinition<&[u8; 20], AccountRow<'static>> = TableDefinition::new("accounts");
/// Address and slot → value. Zero has no row.
pub(crate) const STORAGE: TableDefinition<&[u8; 52], &[u8; 32]> = TableDefinition::new("storage");
/// Code hash → code.
pub(crate) const CODE: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("code");
/// Number → the values that the block overwrote, an encoded [`crate::diff::Diff`].
pub(crate) const UNDO: TableDefinition<u64, &[u8]> = TableDefinition::new("undo");

pub(crate) type HeaderRow<'a> = (&'a [u8; 32], u64, &'a [u8; 256], &'a [u8]);
pub(crate) type AccountRow<'a> = (u64, &'a [u8; 32], &'a [u8; 32]);
pub(crate) type TxRow<'a> = (&'a [u8; 20], Option<&'a [u8; 20]>, u64, u32, &'a [u8], &'a [u8]);

/// A header as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredHeader {
    pub(crate) hash: B256,
    pub(crate) size: u64,
    pub(crate) header: Header,
}

/// A transaction of a block with its receipt.
#[derive(Clone, Debug)]
pub(crate) struct StoredTx {
    pub(crate) index: u32,
    pub(crate) sender: Address,
    pub(crate) contract: Option<Address>,
    pub(crate) gas_used: u64,
    pub(crate) first_log: u32,
    pub(crate) tx: TxEnvelope,
    pub(crate) receipt: ReceiptEnvelope,
}

impl StoredTx {
    pub(crate) fn row<'a>(&'a self, tx: &'a [u8], receipt: &'a [u8]) -> TxRow<'a> {
        (&self.sender.0.0, self.contract.as_ref().map(|a| &a.0.0), self.gas_used, self.first_log, tx, receipt)
    }

    fn from_row(index: u32, row: TxRow<'_>) -> Result<Self, DevChainError> {
        let (sender, contract, gas_used, first_log, mut tx, mut receipt) = row;
        Ok(Self {
            index,
            sender: Address::from(*sender),
            contract: contract.map(|a| Address::from(*a)),
            gas_used,
            first_log,
            tx: TxEnvelope::decode_2718(&mut tx).map_err(|e| corrupt("transaction", &e))?,
            receipt: ReceiptEnvelope::decode_2718(&mut receipt).map_err(|e| corrupt("receipt", &e))?,
        })
    }

    pub(crate) fn encoded(&self) -> (Vec<u8>, Vec<u8>) {
        (self.tx.encoded_2718(), self.receipt.encoded_2718())
    }
}

pub(crate) fn corrupt(what: &str, error: &dyn std::fmt::Display) -> DevChainError {
    DevChainError::Corrupt(format!("{what}: {error}"))
}

/// What the chain of `options` is kept in: the file of its directory, locked, or memory.
pub(crate) fn medium(options: &ChainOptions) -> Result<Arc<dyn StorageBackend>, DevChainError> {
    let Some(dir) = &options.dir else { return Ok(Arc::new(InMemoryBackend::new())) };
    let io = |source| DevChainError::Directory { dir: dir.clone(), source };
    std::fs::create_dir_all(dir).map_err(io)?;
    let mut how = std::fs::OpenOptions::new();
    let file = how.read(true).write(true).create(true).truncate(false).open(dir.join(FILE_NAME)).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(DevChainError::InUse { dir: dir.clone() }),
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    // The name of a new file must survive a power cut as well as its content does.
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(io)?;
    Ok(Arc::new(LockedFile(file)))
}

/// Opens the database. Returns `true` beside it when it is new and needs a genesis.
pub(crate) fn open(
    options: &ChainOptions,
    medium: Arc<dyn StorageBackend>,
) -> Result<(Databases, bool), DevChainError> {
    let databases = Databases::open(medium).map_err(|error| match (error, &options.dir) {
        (DevChainError::Storage(error), Some(dir)) => match *error {
            redb::Error::Io(source) => DevChainError::Directory { dir: dir.clone(), source },
            other => DevChainError::Storage(Box::new(other)),
        },
        (error, _) => error,
    })?;
    let database = databases.get()?;
    let fresh = database.begin_read()?.list_tables()?.next().is_none();
    if !fresh && let Some(dir) = &options.dir {
        check_meta(&database, options, dir)?;
    }
    Ok((databases, fresh))
}

fn check_meta(database: &Database, options: &ChainOptions, dir: &std::path::Path) -> Result<(), DevChainError> {
    let snapshot = Snapshot::new(database)?;
    let number = |key| snapshot.meta(key)?.ok_or_else(|| DevChainError::Corrupt(format!("no {key} row")));
    let got = number("format")?;
    if got != FORMAT {
        return Err(DevChainError::Format { got, expected: FORMAT });
    }
    let got = number("chain_id")?;
    if got != options.chain_id {
        return Err(DevChainError::WrongChainId { dir: dir.into(), got, expected: options.chain_id });
    }
    let got = number("hardfork")?;
    if got != options.hardfork.number() {
        let got = crate::Hardfork::from_number(got).map_or_else(|| format!("unknown ({got})"), |h| h.to_string());
        return Err(DevChainError::WrongHardfork { dir: dir.into(), got, expected: options.hardfork.to_string() });
    }
    Ok(())
}

/// What was durable at one moment: later blocks do not change it.
pub(crate) struct Snapshot(ReadTransaction);

impl Snapshot {
    pub(crate) fn new(database: &Database) -> Result<Self, DevChainError> {
        Ok(Self(database.begin_read()?))
    }

    pub(crate) fn read(&self) -> &ReadTransaction {
        &self.0
    }

    pub(crate) fn meta(&self, key: &str) -> Result<Option<u64>, DevChainError> {
        Ok(self.0.open_table(META)?.get(key)?.map(|v| v.value()))
    }

    /// Number of the latest block.
    pub(crate) fn head(&self) -> Result<u64, DevChainError> {
        let table = self.0.open_table(HEADERS)?;
        let last = table.last()?.map(|(number, _)| number.value());
        last.ok_or_else(|| DevChainError::Corrupt("no genesis block".into()))
    }

    pub(crate) fn header(&self, number: u64) -> Result<Option<StoredHeader>, DevChainError> {
        let table = self.0.open_table(HEADERS)?;
        let Some(row) = table.get(number)? else { return Ok(None) };
        let (hash, size, _, mut rlp) = row.value();
        let header = Header::decode(&mut rlp).map_err(|e| corrupt("header", &e))?;
        Ok(Some(StoredHeader { hash: B256::from(*hash), size, header }))
    }

    /// The header of a block that must exist.
    pub(crate) fn known_header(&self, number: u64) -> Result<StoredHeader, DevChainError> {
        self.header(number)?.ok_or_else(|| DevChainError::Corrupt(format!("no block {number}")))
    }

    pub(crate) fn number_of(&self, hash: B256) -> Result<Option<u64>, DevChainError> {
        Ok(self.0.open_table(NUMBERS)?.get(&hash.0)?.map(|v| v.value()))
    }

    /// Calls `visit` with number and logs bloom of the blocks `first..=last`, in order.
    pub(crate) fn blooms(&self, first: u64, last: u64, mut visit: impl FnMut(u64, Bloom)) -> Result<(), DevChainError> {
        for row in self.0.open_table(HEADERS)?.range(first..=last)? {
            let (number, value) = row?;
            visit(number.value(), Bloom::from(value.value().2));
        }
        Ok(())
    }

    /// The transactions of a block, in order.
    pub(crate) fn txs(&self, number: u64) -> Result<Vec<StoredTx>, DevChainError> {
        let table = self.0.open_table(TXS)?;
        let mut txs = Vec::new();
        for row in table.range((number, 0)..=(number, u32::MAX))? {
            let (key, value) = row?;
            txs.push(StoredTx::from_row(key.value().1, value.value())?);
        }
        Ok(txs)
    }

    /// Block number and index of a sealed transaction.
    pub(crate) fn place(&self, hash: B256) -> Result<Option<(u64, u32)>, DevChainError> {
        Ok(self.0.open_table(PLACES)?.get(&hash.0)?.map(|v| v.value()))
    }

    /// One transaction by its place.
    pub(crate) fn tx_at(&self, number: u64, index: u32) -> Result<Option<StoredTx>, DevChainError> {
        let table = self.0.open_table(TXS)?;
        let row = table.get((number, index))?;
        row.map(|row| StoredTx::from_row(index, row.value())).transpose()
    }
}
