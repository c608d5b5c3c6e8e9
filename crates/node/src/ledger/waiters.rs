//! Requests that wait until a blob is registered.

use std::collections::HashMap;
use std::time::Duration;

use floe_redstuff::BlobId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Who waits for which blob. The number of waiters is bounded by the callers' gates.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: Mutex<HashMap<BlobId, Vec<oneshot::Sender<()>>>>,
}

/// A place in the queue. Take it before looking at the state, so that no registration falls in between.
pub(crate) struct Ticket<'a> {
    waiters: &'a Waiters,
    blob: BlobId,
    woken: oneshot::Receiver<()>,
}

impl Waiters {
    pub(crate) fn queue(&self, blob: BlobId) -> Ticket<'_> {
        let (wake, woken) = oneshot::channel();
        self.waiting.lock().entry(blob).or_default().push(wake);
        Ticket { waiters: self, blob, woken }
    }

    pub(crate) fn wake(&self, blob: &BlobId) {
        for waiter in self.waiting.lock().remove(blob).unwrap_or_default() {
            let _ = waiter.send(());
        }
    }
}

impl Ticket<'_> {
    /// Whether the registration came before the deadline.
    pub(crate) async fn wait(mut self, deadline: Duration) -> bool {
        matches!(tokio::time::timeout(deadline, &mut self.woken).await, Ok(Ok(())))
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.woken.close();
        let mut waiting = self.waiters.waiting.lock();
        if let Some(list) = waiting.get_mut(&self.blob) {
            list.retain(|waiter| !waiter.is_closed());
            if list.is_empty() {
                waiting.remove(&self.blob);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_waiters_of_the_blob_wake_and_none_stays_behind() {
        let waiters = Waiters::default();
        let (one, two) = (BlobId::from_bytes([1; 32]), BlobId::from_bytes([2; 32]));
        let (first, second) = (waiters.queue(one), waiters.queue(two));
        waiters.wake(&one);
        assert!(first.wait(Duration::from_secs(5)).await);
        assert!(!second.wait(Duration::from_millis(5)).await);
        assert!(waiters.waiting.lock().is_empty());
    }
}
