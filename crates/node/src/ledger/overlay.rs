//! Changes to the state that become one transaction, and the journal that can take them back.

use std::collections::BTreeMap;

use floe_store::{Batch, Store, StoreError};

/// Keys and their values, in key order.
pub(crate) type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Key-value state as the event rules see it.
pub(crate) trait Kv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    fn range(&self, prefix: &[u8]) -> Result<Rows, StoreError>;
}

impl Kv for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.state(key)
    }

    fn range(&self, prefix: &[u8]) -> Result<Rows, StoreError> {
        self.state_range(prefix)
    }
}

/// A key and what was there before.
pub(crate) type Undo = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Reads through to `base`, keeps writes aside.
pub(crate) struct Overlay<'a, K> {
    base: &'a K,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    journal: Option<Undo>,
}

impl<'a, K: Kv> Overlay<'a, K> {
    pub(crate) fn new(base: &'a K) -> Self {
        Self { base, changes: BTreeMap::new(), journal: None }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.get(key) {
            Some(changed) => Ok(changed.clone()),
            None => self.base.get(key),
        }
    }

    pub(crate) fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        if self.journal.is_some() {
            let before = self.get(&key)?;
            if let Some(journal) = &mut self.journal {
                journal.push((key.clone(), before));
            }
        }
        self.changes.insert(key, value);
        Ok(())
    }

    /// All entries under a prefix, changes included, in key order.
    pub(crate) fn range(&self, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let mut found: BTreeMap<_, _> = self.base.range(prefix)?.into_iter().collect();
        for (key, value) in self.changes.iter().filter(|(key, _)| key.starts_with(prefix)) {
            match value {
                Some(value) => found.insert(key.clone(), value.clone()),
                None => found.remove(key),
            };
        }
        Ok(found)
    }

    /// From here on every change is written to the journal as well.
    pub(crate) fn start_journal(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// What has to be restored, latest change last.
    pub(crate) fn take_journal(&mut self) -> Undo {
        self.journal.take().unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn into_changes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.changes
    }

    /// The changes as one store transaction.
    pub(crate) fn into_batch(self) -> Batch {
        self.into_changes().into_iter().fold(Batch::new(), |batch, (key, value)| batch.state(key, value))
    }
}
