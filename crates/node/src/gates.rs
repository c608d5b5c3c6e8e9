//! Admission: how many requests of each kind, and how many bytes, may be in flight.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::error::ApiError;
use crate::config::Limits;

/// A ceiling on the number of requests of one kind.
#[derive(Clone)]
pub(crate) struct Gate {
    slots: Arc<Semaphore>,
    wait: Duration,
    what: &'static str,
}

impl Gate {
    pub(crate) fn new(slots: usize, wait: Duration, what: &'static str) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots)), wait, what }
    }

    /// Waits a short while for a slot; 503 if there is none.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        match tokio::time::timeout(self.wait, self.slots.clone().acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(ApiError::unavailable(format!("too many concurrent {}", self.what))),
        }
    }

    /// A slot if one is free right now.
    pub(crate) fn try_enter(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().try_acquire_owned().ok()
    }
}

/// A ceiling on bytes held in memory. Counted in KiB so that budgets beyond 4 GiB fit.
#[derive(Clone)]
pub(crate) struct ByteBudget {
    units: Arc<Semaphore>,
    units_max: u32,
    wait: Duration,
}

const UNIT_BYTES: u64 = 1024;

impl ByteBudget {
    pub(crate) fn new(bytes_max: u64, wait: Duration) -> Self {
        let units_max = u32::try_from(bytes_max.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).clamp(1, 1 << 28);
        Self { units: Arc::new(Semaphore::new(units_max as usize)), units_max, wait }
    }

    /// Reserves `bytes`; an item larger than the whole budget takes all of it. 503 if they do not come free in time.
    pub(crate) async fn reserve(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ApiError> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units_max);
        match tokio::time::timeout(self.wait, self.units.clone().acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ApiError::unavailable("the node holds as many bytes in memory as it may")),
        }
    }

    /// Gives back what of a reservation is beyond `bytes`.
    pub(crate) fn keep(permit: &mut OwnedSemaphorePermit, bytes: u64) {
        let units = usize::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(usize::MAX);
        drop(permit.split(permit.num_permits().saturating_sub(units)));
    }
}

/// All ceilings of one node.
pub(crate) struct Gates {
    pub(crate) reads: Gate,
    pub(crate) writes: Gate,
    pub(crate) uploads: Gate,
    pub(crate) symbols: Gate,
    pub(crate) long_polls: Gate,
    pub(crate) request_bytes: ByteBudget,
    pub(crate) response_bytes: ByteBudget,
}

impl Gates {
    pub(crate) fn new(limits: &Limits, wait: Duration) -> Self {
        Self {
            reads: Gate::new(limits.reads_max, wait, "reads"),
            writes: Gate::new(limits.writes_max, wait, "writes"),
            uploads: Gate::new(limits.uploads_max, wait, "uploads"),
            symbols: Gate::new(limits.symbols_max, wait, "symbol requests"),
            long_polls: Gate::new(limits.long_polls_max, Duration::ZERO, "requests that wait"),
            request_bytes: ByteBudget::new(limits.request_bytes_in_memory_max, wait),
            response_bytes: ByteBudget::new(limits.response_bytes_in_memory_max, wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use floe_protocol::api::ErrorReason;

    #[tokio::test]
    async fn a_full_gate_turns_away_and_opens_again() {
        let gate = Gate::new(1, Duration::from_millis(1), "tests");
        let slot = gate.enter().await.expect("free");
        let refused = gate.enter().await.expect_err("full");
        assert_eq!(refused.reason(), Some(ErrorReason::Unavailable));
        assert!(gate.try_enter().is_none());
        drop(slot);
        assert!(gate.enter().await.is_ok());
    }

    #[tokio::test]
    async fn an_item_larger_than_the_budget_takes_all_of_it() {
        let budget = ByteBudget::new(4096, Duration::from_millis(1));
        let all = budget.reserve(u64::MAX).await.expect("alone");
        assert!(budget.reserve(1).await.is_err());
        drop(all);
        let _half = budget.reserve(2048).await.expect("free again");
        assert!(budget.reserve(2048).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_not_kept_comes_free() {
        let budget = ByteBudget::new(4096, Duration::from_millis(1));
        let mut permit = budget.reserve(4096).await.expect("alone");
        ByteBudget::keep(&mut permit, 1025);
        assert!(budget.reserve(3000).await.is_err());
        let _rest = budget.reserve(2048).await.expect("given back");
        ByteBudget::keep(&mut permit, u64::MAX);
        assert!(budget.reserve(1).await.is_err());
    }
}
