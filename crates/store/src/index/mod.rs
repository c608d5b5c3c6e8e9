//! The index: a redb database that says which records are visible, and where they are, behind a table in memory of what
//! the log has since.

mod apply;
mod memtable;
mod ops;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition};

pub(crate) use apply::{Commit, LiveChange};
use memtable::Memtable;
pub(crate) use ops::{IndexOp, Row, decode_ops, encode_ops};

use crate::StoreError;
use crate::disk::{BackendState, Disk, IndexFile, OpenMode};
use crate::key::{KEY_BYTES, RecordKey};
use crate::segment::{FORMAT_VERSION, Location, SegmentInfo, read_u32, read_u64};

/// The file of the index.
pub(crate) const INDEX_FILE: &str = "index.redb";

const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'static, &[u8; KEY_BYTES], &[u8; ops::ROW_BYTES]> = TableDefinition::new("records");
const SEGMENTS: TableDefinition<'static, u64, &[u8; 36]> = TableDefinition::new("segments");
const QUARANTINE: TableDefinition<'static, (u64, u64), &[u8]> = TableDefinition::new("quarantine");
const STATE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("state");

const META_FORMAT: &str = "format";
const META_LOG_END: &str = "log_end";
const META_SEQUENCE: &str = "sequence";
const META_COMMIT: &str = "commit";

/// What the index says of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogState {
    /// Where the commit record of the last applied batch ends.
    pub(crate) log_end: Option<Location>,
    /// No record has a higher sequence than this.
    pub(crate) sequence: u64,
    /// Counts commits.
    pub(crate) commit: u64,
}

/// An open database and what its file went through.
#[derive(Clone, Debug)]
struct Opened {
    generation: u64,
    database: Arc<Database>,
    state: Arc<BackendState>,
}

#[derive(Debug)]
pub(crate) struct Index {
    disk: Arc<dyn Disk>,
    name: &'static str,
    cache_bytes: usize,
    opened: RwLock<Option<Opened>>,
    /// What the log has and the database does not. Changed only by the thread that commits.
    memtable: RwLock<Memtable>,
    /// Held while the database is opened again after an I/O error.
    reopening: Mutex<()>,
    generations: AtomicU64,
    /// The opened database whose changes of live bytes the segment table in memory has followed.
    counted: AtomicU64,
    /// The number of the last commit: an index that is opened again must have it.
    last_commit: AtomicU64,
    /// Why the store has stopped.
    stopped: Arc<OnceLock<StoreError>>,
}

/// A key and a value of state.
pub(crate) type StateEntry = (Vec<u8>, Vec<u8>);

type Read<T> = Result<T, redb::Error>;

impl Index {
    /// Opens the index, or creates an empty one when `create` and the file does not exist.
    ///
    /// Opening always verifies every checksum in the file: the store never closes an index cleanly, so redb always
    /// takes its repair path.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        name: &'static str,
        cache_bytes: usize,
        create: bool,
    ) -> Result<Self, StoreError> {
        let index = Self {
            disk,
            name,
            cache_bytes,
            opened: RwLock::new(None),
            memtable: RwLock::default(),
            reopening: Mutex::new(()),
            generations: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            last_commit: AtomicU64::new(0),
            stopped: Arc::new(OnceLock::new()),
        };
        let opened = index.open_database(create)?;
        *index.opened.write() = Some(opened);
        match index.read(|transaction| index.meta(transaction, META_FORMAT))?.as_deref().map(|b| read_u32(b, 0)) {
            Some(Some(FORMAT_VERSION)) => {}
            Some(Some(got)) => return Err(StoreError::Version { got, expected: FORMAT_VERSION }),
            Some(None) => return Err(StoreError::IndexLost { reason: "the format row is damaged".into() }),
            // A new index, or one whose first commit did not land.
            None => index.commit(&Commit::default()).map(|_| ())?,
        }
        let generation = index.opened()?.generation;
        index.counted.store(generation, Ordering::Release);
        index.last_commit.store(index.log_state()?.commit, Ordering::Release);
        if create {
            index
                .disk
                .sync_dir()
                .map_err(|source| StoreError::failed(format!("fsync of the folder failed: {source}")))?;
        }
        Ok(index)
    }

    fn open_database(&self, create: bool) -> Result<Opened, StoreError> {
        let mode = if create { OpenMode::OpenOrCreate } else { OpenMode::Existing };
        let file = match self.disk.open(self.name, mode) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::IndexLost { reason: format!("{} does not exist", self.name) });
            }
            Err(source) => return Err(StoreError::io("open the index", source)),
        };
        if !create && file.len().map_err(|source| StoreError::io("open the index", source))? == 0 {
            return Err(StoreError::IndexLost { reason: format!("{} is empty", self.name) });
        }
        let state = Arc::new(BackendState::default());
        let backend = IndexFile::new(file, state.clone());
        let database = redb::Builder::new()
            .set_cache_size(self.cache_bytes)
            .create_with_backend(backend)
            .map_err(|error| classify(&state, "open the index", error.into()))?;
        let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Opened { generation, database: Arc::new(database), state })
    }

    /// The open database; opens it again when an earlier attempt failed.
    fn opened(&self) -> Result<Opened, StoreError> {
        if let Some(opened) = self.opened.read().as_ref() {
            return Ok(opened.clone());
        }
        self.reopen(0)
    }

    /// Opens the database again after an I/O error, unless someone else has done so since `generation`.
    fn reopen(&self, generation: u64) -> Result<Opened, StoreError> {
        let _turn = self.reopening.lock();
        let old = {
            let mut slot = self.opened.write();
            match slot.as_ref() {
                Some(opened) if opened.generation != generation => return Ok(opened.clone()),
                _ => slot.take(),
            }
        };
        if let Some(old) = old {
            if old.state.sync_failed.load(Ordering::Acquire) {
                *self.opened.write() = Some(old);
                return Err(self.stop("fsync of the index failed"));
            }
            tracing::warn!("the index met an I/O error and is opened again");
            old.state.retire();
        }
        let opened = self.open_database(false)?;
        // redb falls back to the commit before when the latest is damaged. What that one had added is in the log, and the
        // next open applies it again; going on here would leave it out for good.
        let read = opened.database.begin_read().map_err(redb::Error::from).and_then(|t| self.meta(&t, META_COMMIT));
        let read = read.map_err(|error| classify(&opened.state, "open the index again", error))?;
        let commit = read.and_then(|bytes| read_u64(&bytes, 0)).unwrap_or(0);
        if commit < self.last_commit.load(Ordering::Acquire) {
            opened.state.retire();
            return Err(self.stop("the latest commit of the index is damaged"));
        }
        *self.opened.write() = Some(opened.clone());
        Ok(opened)
    }

    /// Why the store has stopped; shared with it.
    pub(crate) fn stopped(&self) -> Arc<OnceLock<StoreError>> {
        self.stopped.clone()
    }

    fn stop(&self, reason: &str) -> StoreError {
        let error = StoreError::failed(reason);
        if self.stopped.set(error.clone()).is_ok() {
            tracing::error!(code = error.code(), %error, "the store has stopped; restart the node");
        }
        error
    }

    /// Runs a read; once more on a database that is opened anew when an I/O error broke the open one.
    pub(crate) fn read<T>(&self, run: impl Fn(&ReadTransaction) -> Read<T>) -> Result<T, StoreError> {
        let mut opened = self.opened()?;
        let mut again = true;
        loop {
            let result = opened.database.begin_read().map_err(redb::Error::from).and_then(|t| run(&t));
            match result {
                Ok(value) => return Ok(value),
                Err(_) if again => {
                    again = false;
                    opened = self.reopen(opened.generation)?;
                }
                Err(error) => return Err(classify(&opened.state, "read the index", error)),
            }
        }
    }

    fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        transaction: &ReadTransaction,
        table: TableDefinition<'_, K, V>,
    ) -> Read<Option<ReadOnlyTable<K, V>>> {
        match transaction.open_table(table) {
            Ok(table) => Ok(Some(table)),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn meta(&self, transaction: &ReadTransaction, key: &str) -> Read<Option<Vec<u8>>> {
        let Some(table) = self.table(transaction, META)? else { return Ok(None) };
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }

    pub(crate) fn log_state(&self) -> Result<LogState, StoreError> {
        self.read(|transaction| {
            let log_end = self.meta(transaction, META_LOG_END)?;
            let sequence = self.meta(transaction, META_SEQUENCE)?;
            let commit = self.meta(transaction, META_COMMIT)?;
            let number = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| read_u64(&bytes, 0)).unwrap_or(0);
            let log_end = log_end
                .and_then(|bytes| Some(Location { segment: read_u64(&bytes, 0)?, offset: read_u64(&bytes, 8)? }));
            Ok(LogState { log_end, sequence: number(sequence), commit: number(commit) })
        })
    }

    pub(crate) fn segments(&self) -> Result<BTreeMap<u64, SegmentInfo>, StoreError> {
        let rows = self.read(|transaction| {
            let Some(table) = self.table(transaction, SEGMENTS)? else { return Ok(Vec::new()) };
            let mut rows = Vec::new();
            for row in table.range::<u64>(..)? {
                let (id, value) = row?;
                rows.push((id.value(), SegmentInfo::from_bytes(id.value(), value.value())));
            }
            Ok(rows)
        })?;
        rows.into_iter()
            .map(|(id, info)| {
                let reason = || format!("the row of segment {id} is damaged");
                info.map(|info| (id, info)).ok_or_else(|| StoreError::IndexLost { reason: reason() })
            })
            .collect()
    }

    /// The row of a key. A row that does not verify is an error, not an absence.
    pub(crate) fn row(&self, key: &RecordKey) -> Result<Option<Row>, StoreError> {
        let bytes = key.to_bytes();
        if let Some(row) = self.memtable.read().row(&bytes) {
            return Ok(Some(row));
        }
        let found = self.read(|transaction| {
            let Some(table) = self.table(transaction, RECORDS)? else { return Ok(None) };
            Ok(table.get(&bytes)?.map(|value| Row::from_bytes(&bytes, value.value())))
        })?;
        found.map(|row| row.ok_or_else(|| damaged_row(key))).transpose()
    }

    /// Rows with keys from `low` to `high`, at most `limit`.
    pub(crate) fn rows(
        &self,
        low: &[u8; KEY_BYTES],
        high: &[u8; KEY_BYTES],
        limit: usize,
    ) -> Result<Vec<(RecordKey, Row)>, StoreError> {
        // Held until the database was read: a flush in between would take rows away from both.
        let memtable = self.memtable.read();
        let found = self.read(|transaction| {
            let Some(table) = self.table(transaction, RECORDS)? else { return Ok(Vec::new()) };
            let mut rows = Vec::new();
            for row in table.range::<&[u8; KEY_BYTES]>(low..=high)?.take(limit) {
                let (key, value) = row?;
                rows.push((*key.value(), Row::from_bytes(key.value(), value.value())));
            }
            Ok(rows)
        })?;
        let newer: Vec<_> = memtable.rows(low..=high).take(limit).map(|(key, row)| (key, Some(row))).collect();
        drop(memtable);
        let rows = if found.is_empty() || newer.is_empty() {
            [found, newer].concat()
        } else {
            let merged: BTreeMap<_, _> = found.into_iter().chain(newer).collect();
            merged.into_iter().collect()
        };
        rows.into_iter()
            .take(limit)
            .map(|(key, row)| {
                let row = RecordKey::from_bytes(&key).zip(row);
                row.ok_or_else(|| StoreError::IndexLost { reason: "a row of the index is damaged".into() })
            })
            .collect()
    }

    pub(crate) fn record_count(&self) -> Result<u64, StoreError> {
        use redb::ReadableTableMetadata;
        let memtable = self.memtable.read();
        self.read(|transaction| {
            let Some(table) = self.table(transaction, RECORDS)? else { return Ok(memtable.keys().count() as u64) };
            let mut count = table.len()?;
            for key in memtable.keys() {
                count += u64::from(table.get(key)?.is_none());
            }
            Ok(count)
        })
    }

    pub(crate) fn state(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.memtable.read().state(key) {
            return Ok(value);
        }
        let found = self.read(|transaction| {
            let Some(table) = self.table(transaction, STATE)? else { return Ok(None) };
            Ok(table.get(key)?.map(|value| apply::unseal_state(key, value.value())))
        })?;
        found.map(|value| value.ok_or_else(damaged_state)).transpose()
    }

    /// State entries whose key begins with `prefix`, in key order.
    pub(crate) fn state_range(&self, prefix: &[u8]) -> Result<Vec<StateEntry>, StoreError> {
        let memtable = self.memtable.read();
        let found = self.read(|transaction| {
            let Some(table) = self.table(transaction, STATE)? else { return Ok(Vec::new()) };
            let mut entries = Vec::new();
            for entry in table.range::<&[u8]>(prefix..)? {
                let (key, value) = entry?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                entries.push((key.value().to_vec(), apply::unseal_state(key.value(), value.value())));
            }
            Ok(entries)
        })?;
        let mut entries: BTreeMap<_, _> = found.into_iter().collect();
        for (key, value) in memtable.states(prefix) {
            match value {
                Some(value) => entries.insert(key.clone(), Some(value.clone())),
                None => entries.remove(key),
            };
        }
        drop(memtable);
        entries.into_iter().map(|(key, value)| Ok((key, value.ok_or_else(damaged_state)?))).collect()
    }

    /// Records set aside, by place.
    pub(crate) fn quarantine(&self) -> Result<Vec<(RecordKey, Row, u8)>, StoreError> {
        self.read(|transaction| {
            let Some(table) = self.table(transaction, QUARANTINE)? else { return Ok(Vec::new()) };
            let mut rows = Vec::new();
            for row in table.range::<(u64, u64)>(..)? {
                let (_, value) = row?;
                rows.extend(apply::decode_quarantine(value.value()));
            }
            Ok(rows)
        })
    }

    /// The length of the index file.
    pub(crate) fn file_bytes(&self) -> Result<u64, StoreError> {
        let wrap = |source| StoreError::io("measure the index", source);
        self.disk.open(self.name, OpenMode::Existing).and_then(|file| file.len()).map_err(wrap)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // Saves the next open from reading the end of the log; it does without if this does not succeed.
        if self.stopped.get().is_none()
            && let Err(error) = self.flush()
        {
            tracing::warn!(%error, "the index stays behind the log until the next open");
        }
        // No clean close: see `BackendState::retired`.
        if let Some(opened) = self.opened.get_mut().take() {
            opened.state.retire();
        }
    }
}

fn damaged_row(key: &RecordKey) -> StoreError {
    StoreError::IndexLost { reason: format!("the row of {key} is damaged") }
}

fn damaged_state() -> StoreError {
    StoreError::IndexLost { reason: "a state entry is damaged".into() }
}

/// What an error of redb means to the store.
fn classify(state: &BackendState, operation: &'static str, error: redb::Error) -> StoreError {
    if state.sync_failed.load(Ordering::Acquire) {
        return StoreError::failed(format!("fsync of the index failed while trying to {operation}"));
    }
    match error {
        redb::Error::Io(source) => {
            use std::io::ErrorKind::{InvalidData, UnexpectedEof};
            if matches!(source.kind(), InvalidData | UnexpectedEof) {
                StoreError::IndexLost { reason: source.to_string() }
            } else {
                StoreError::io(operation, source)
            }
        }
        redb::Error::PreviousIo | redb::Error::DatabaseClosed if state.full.load(Ordering::Acquire) => {
            StoreError::Full { operation }
        }
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
            StoreError::io(operation, std::io::Error::other("an earlier I/O error closed the index"))
        }
        other => StoreError::IndexLost { reason: other.to_string() },
    }
}
