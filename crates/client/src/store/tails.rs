//! Uploads that go on in the background after the quorum: bounded in time and in bytes held.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::task::JoinHandle;

struct Tail {
    bytes: u64,
    task: JoinHandle<()>,
}

/// All uploads in the background of one client.
pub(crate) struct Tails {
    running: Mutex<VecDeque<Tail>>,
    bytes_max: u64,
}

impl Tails {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { running: Mutex::default(), bytes_max }
    }

    /// Runs `work`, which holds `bytes`, for at most `limit`. If all together would hold too much, the oldest ends.
    pub(crate) fn add(&self, bytes: u64, limit: Duration, work: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(async move {
            if tokio::time::timeout(limit, work).await.is_err() {
                tracing::info!(?limit, "some nodes did not take their slivers in time; they heal on their own");
            }
        });
        let mut running = self.lock();
        running.retain(|tail| !tail.task.is_finished());
        running.push_back(Tail { bytes, task });
        let mut held: u64 = running.iter().map(|tail| tail.bytes).sum();
        while held > self.bytes_max
            && let Some(oldest) = running.pop_front()
        {
            oldest.task.abort();
            held -= oldest.bytes;
        }
    }

    /// Waits for all, at most for `limit`; ends what remains.
    pub(crate) async fn drain(&self, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let Some(tail) = self.lock().pop_front() else {
                return;
            };
            let mut task = tail.task;
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Tail>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tails {
    fn drop(&mut self) {
        for tail in self.lock().drain(..) {
            tail.task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn drains_what_finishes_and_ends_the_rest() {
        let done = Arc::new(AtomicU32::new(0));
        let tails = Tails::new(100);
        for millis in [1, 20, 100_000] {
            let done = done.clone();
            tails.add(10, Duration::from_secs(200), async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        tails.drain(Duration::from_millis(500)).await;
        assert_eq!(done.load(Ordering::SeqCst), 2);
        assert!(tails.lock().is_empty());
    }

    #[tokio::test]
    async fn the_oldest_goes_when_too_many_bytes_are_held() {
        let tails = Tails::new(15);
        for _ in 0..3 {
            tails.add(10, Duration::from_secs(9), std::future::pending());
        }
        assert_eq!(tails.lock().len(), 1);
    }
}
