//! Until when blobs are promised, as the chain said a moment ago: one read asks for it several times.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use floe_protocol::Epoch;
use floe_redstuff::BlobId;
use tokio::time::Instant;

/// Answers that are kept; all are forgotten beyond that.
const ENTRIES_MAX: usize = 4096;

/// What the chain promised, each for as long as a view of the network is good.
#[derive(Debug)]
pub(crate) struct Promises {
    max_age: Duration,
    entries: Mutex<HashMap<BlobId, (Instant, Epoch)>>,
}

impl Promises {
    pub(crate) fn new(max_age: Duration) -> Self {
        Self { max_age, entries: Mutex::default() }
    }

    /// The end epoch, if the chain said so just now.
    pub(crate) fn get(&self, id: &BlobId) -> Option<Epoch> {
        let entries = self.lock();
        let (at, end) = entries.get(id)?;
        (at.elapsed() < self.max_age).then_some(*end)
    }

    /// The chain says it now.
    pub(crate) fn keep(&self, id: &BlobId, end: Epoch) {
        let mut entries = self.lock();
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(*id, (Instant::now(), end));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobId, (Instant, Epoch)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_its_time_and_no_longer() {
        let id = BlobId::from_bytes([1; 32]);
        for (max_age, expected) in [(Duration::from_secs(3600), Some(Epoch(7))), (Duration::ZERO, None)] {
            let promises = Promises::new(max_age);
            assert_eq!(promises.get(&id), None);
            promises.keep(&id, Epoch(7));
            assert_eq!(promises.get(&id), expected);
            assert_eq!(promises.get(&BlobId::from_bytes([2; 32])), None);
        }
    }
}
