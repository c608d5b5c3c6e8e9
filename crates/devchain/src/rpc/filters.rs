//! Filters that a client installs and polls.

use super::{RpcError, logs};
use crate::{
    chain::Core,
    limits::{FILTER_LIFETIME_SECS, FILTERS_MAX},
};
use alloy::{
    primitives::U64,
    rpc::types::{Filter, FilterChanges, Log},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

struct Installed {
    /// `None` reports block hashes.
    logs: Option<Box<Filter>>,
    next_block: u64,
    polled: Instant,
}

/// All installed filters. They end with the process, and when nobody polls them.
#[derive(Default)]
pub(super) struct Filters(Mutex<HashMap<u64, Installed>>);

impl Filters {
    pub(super) fn install(&self, core: &Core, logs: Option<Box<Filter>>) -> Result<U64, RpcError> {
        if logs.as_ref().is_some_and(|filter| filter.get_block_hash().is_some()) {
            return Err(RpcError::invalid_params("a filter cannot follow a single block"));
        }
        logs.as_deref().map(logs::check).transpose()?;
        let next_block = core.snapshot()?.head()? + 1;
        let mut filters = self.0.lock();
        let now = Instant::now();
        filters.retain(|_, f| now.duration_since(f.polled) < Duration::from_secs(FILTER_LIFETIME_SECS));
        if filters.len() >= FILTERS_MAX {
            return Err(RpcError::limit(format!("too many filters: {FILTERS_MAX} are installed")));
        }
        let id = super::random_id()?;
        filters.insert(id, Installed { logs, next_block, polled: now });
        Ok(U64::from(id))
    }

    /// What is new since the last poll.
    pub(super) fn changes(&self, core: &Core, id: U64) -> Result<FilterChanges, RpcError> {
        let snapshot = core.snapshot()?;
        let head = snapshot.head()?;
        let (filter, first) = {
            let mut filters = self.0.lock();
            let installed = filters.get_mut(&id.to()).ok_or_else(missing)?;
            installed.polled = Instant::now();
            (installed.logs.clone(), installed.next_block)
        };
        let changes = match filter {
            None => {
                let hashes = (first..=head).map(|number| Ok(snapshot.known_header(number)?.hash));
                FilterChanges::Hashes(hashes.collect::<Result<_, RpcError>>()?)
            }
            Some(filter) => {
                let from = filter.get_from_block().map_or(first, |from| from.max(first));
                let to = filter.get_to_block().map_or(head, |to| to.min(head));
                let found = if from <= to { logs::matching(&snapshot, &filter, from, to)? } else { Vec::new() };
                FilterChanges::Logs(found)
            }
        };
        if let Some(installed) = self.0.lock().get_mut(&id.to()) {
            installed.next_block = installed.next_block.max(head + 1);
        }
        Ok(changes)
    }

    /// All logs that the filter matches, polled or not.
    pub(super) fn logs(&self, core: &Core, id: U64) -> Result<Vec<Log>, RpcError> {
        let filter = {
            let mut filters = self.0.lock();
            let installed = filters.get_mut(&id.to()).ok_or_else(missing)?;
            installed.polled = Instant::now();
            installed.logs.clone().ok_or_else(missing)?
        };
        logs::query(&core.snapshot()?, &filter)
    }

    pub(super) fn uninstall(&self, id: U64) -> bool {
        self.0.lock().remove(&id.to()).is_some()
    }
}

fn missing() -> RpcError {
    RpcError::refused("filter not found")
}
