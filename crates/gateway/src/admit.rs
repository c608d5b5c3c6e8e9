//! Who may come in: places for requests, and memory for what they hold.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

const READ_OVERLOAD: &str = "the aggregator is receiving too many requests; please try again later";
const WRITE_OVERLOAD: &str = "the publisher is receiving too many requests; please try again later";
const MEMORY_OVERLOAD: &str = "the gateway has no memory left for this request; please try again later";

/// Grain in which memory is given out.
const GRAIN_BYTES: u64 = 64 << 10;

/// A bounded number of requests at work, and a bounded number that wait.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    working: Arc<Semaphore>,
    wait_max: Duration,
    overload: &'static str,
}

/// The right to be at work; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _place: OwnedSemaphorePermit,
    _working: OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn for_reads(working: usize, waiting: usize, wait_max: Duration) -> Self {
        Self::new(working, waiting, wait_max, READ_OVERLOAD)
    }

    pub(crate) fn for_writes(working: usize, waiting: usize, wait_max: Duration) -> Self {
        Self::new(working, waiting, wait_max, WRITE_OVERLOAD)
    }

    fn new(working: usize, waiting: usize, wait_max: Duration, overload: &'static str) -> Self {
        Self {
            places: Arc::new(Semaphore::new(working + waiting)),
            working: Arc::new(Semaphore::new(working)),
            wait_max,
            overload,
        }
    }

    /// A place at work, after some waiting; turned away at once if too many wait already.
    pub(crate) async fn enter(&self) -> Result<Place, ApiError> {
        let overloaded = || ApiError::Overloaded(self.overload);
        let place = self.places.clone().try_acquire_owned().map_err(|_| overloaded())?;
        let working = tokio::time::timeout(self.wait_max, self.working.clone().acquire_owned());
        match working.await {
            Ok(Ok(working)) => Ok(Place { _place: place, _working: working }),
            _ => Err(overloaded()),
        }
    }
}

/// Memory that requests share.
#[derive(Debug)]
pub(crate) struct Memory {
    grains: Arc<Semaphore>,
    grains_max: u32,
    wait_max: Duration,
}

impl Memory {
    pub(crate) fn new(bytes_max: u64, wait_max: Duration) -> Self {
        let grains_max = u32::try_from(bytes_max / GRAIN_BYTES).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(grains_max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { grains: Arc::new(Semaphore::new(permits)), grains_max, wait_max }
    }

    /// The right to hold so many bytes until it is dropped. More than there is counts as all of it.
    pub(crate) async fn hold(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ApiError> {
        let grains = u32::try_from(bytes.div_ceil(GRAIN_BYTES)).unwrap_or(u32::MAX);
        let grains = grains.min(self.grains_max);
        let permit = tokio::time::timeout(self.wait_max, self.grains.clone().acquire_many_owned(grains));
        match permit.await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ApiError::Overloaded(MEMORY_OVERLOAD)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn too_many_are_turned_away_and_waiting_has_an_end() {
        let gate = Gate::for_reads(1, 1, Duration::from_millis(20));
        let first = gate.enter().await.expect("a place is free");
        let (second, third) = tokio::join!(gate.enter(), gate.enter());
        assert!(matches!(second, Err(ApiError::Overloaded(_))), "waited in vain");
        assert!(matches!(third, Err(ApiError::Overloaded(_))), "no place to wait");
        drop(first);
        gate.enter().await.expect("free again");
    }

    #[tokio::test]
    async fn a_giant_takes_all_memory() {
        let memory = Memory::new(1 << 20, Duration::from_millis(20));
        let all = memory.hold(u64::MAX).await.expect("everything is free");
        assert!(memory.hold(1).await.is_err());
        drop(all);
        let _one = memory.hold(1).await.expect("free again");
        let _two = memory.hold(1).await.expect("room for two");
    }
}
