//! The bounded queue: each piece of work once at a time, whoever asks for it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::RelayError;

type Outcome<T> = Option<Result<T, RelayError>>;

/// Work by key. What is asked for while it is under way is waited for, not done again; it goes on when nobody waits any more.
#[derive(Debug)]
pub(crate) struct Desk<K, T> {
    under_way: Arc<Mutex<HashMap<K, watch::Receiver<Outcome<T>>>>>,
}

/// Places at work and in the queue, shared by desks.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    working: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
}

impl Places {
    pub(crate) fn new(working: usize, waiting: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(working.saturating_add(waiting))),
            working: Arc::new(Semaphore::new(working)),
            tasks: TaskTracker::new(),
        }
    }
}

impl<K, T> Default for Desk<K, T> {
    fn default() -> Self {
        Self { under_way: Arc::default() }
    }
}

/// Takes the work off the desk, however it ended.
struct Done<K: Eq + Hash, T> {
    key: K,
    under_way: Arc<Mutex<HashMap<K, watch::Receiver<Outcome<T>>>>>,
}

impl<K: Eq + Hash, T> Drop for Done<K, T> {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Eq + Hash + Clone + Send + 'static, T: Clone + Send + Sync + 'static> Desk<K, T> {
    /// The outcome of the work under this key: begun now, or by somebody before.
    ///
    /// # Errors
    /// [`RelayError::Busy`] if there is no place, or the work's own.
    pub(crate) async fn run<F>(&self, places: &Places, key: K, work: impl FnOnce() -> F) -> Result<T, RelayError>
    where
        F: Future<Output = Result<T, RelayError>> + Send + 'static,
    {
        let mut outcome = self.outcome(places, key, work)?;
        match outcome.wait_for(Option::is_some).await {
            Ok(done) => done.clone().unwrap_or_else(|| Err(RelayError::Internal("no outcome".to_owned()))),
            Err(_) => Err(RelayError::Internal("the work was broken off".to_owned())),
        }
    }

    fn outcome<F>(
        &self,
        places: &Places,
        key: K,
        work: impl FnOnce() -> F,
    ) -> Result<watch::Receiver<Outcome<T>>, RelayError>
    where
        F: Future<Output = Result<T, RelayError>> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        if let Some(outcome) = under_way.get(&key) {
            return Ok(outcome.clone());
        }
        let place = places.all.clone().try_acquire_owned().map_err(|_| RelayError::Busy)?;
        let (tell, outcome) = watch::channel(None);
        under_way.insert(key.clone(), outcome.clone());
        let done = Done { key, under_way: self.under_way.clone() };
        let (working, work) = (places.working.clone(), work());
        places.tasks.spawn(async move {
            let _place = place;
            let result = match working.acquire_owned().await {
                Ok(_working) => work.await,
                Err(_) => Err(RelayError::Internal("the queue is closed".to_owned())),
            };
            // Off the desk first: who comes later asks the chain.
            drop(done);
            tell.send_replace(Some(result));
        });
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn the_same_work_is_done_once_at_a_time() {
        let (desk, places) = (Desk::<u8, usize>::default(), Places::new(1, 1));
        let (begun, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let work = || {
            let (begun, go) = (begun.clone(), go.clone());
            async move {
                let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
                go.notified().await;
                Ok(number)
            }
        };
        let both = async { tokio::join!(desk.run(&places, 7, work), desk.run(&places, 7, work)) };
        let (outcomes, ()) = tokio::join!(both, async { go.notify_one() });
        assert_eq!(outcomes, (Ok(1), Ok(1)));
        go.notify_one();
        assert_eq!(desk.run(&places, 7, work).await, Ok(2), "what is over is begun anew");
    }

    #[tokio::test]
    async fn the_queue_has_an_end_and_work_goes_on_alone() {
        let (desk, places) = (Desk::<u8, ()>::default(), Places::new(1, 1));
        let go = Arc::new(Notify::new());
        let wait = || {
            let go = go.clone();
            async move {
                go.notified().await;
                Ok(())
            }
        };
        drop(desk.outcome(&places, 1, wait).unwrap());
        drop(desk.outcome(&places, 2, wait).unwrap());
        assert_eq!(desk.run(&places, 3, wait).await, Err(RelayError::Busy));
        go.notify_one();
        go.notify_one();
        places.tasks.close();
        go.notify_waiters();
        while !places.tasks.is_empty() {
            go.notify_one();
            tokio::task::yield_now().await;
        }
        assert_eq!(desk.run(&places, 3, || async { Ok(()) }).await, Ok(()));
    }

    #[tokio::test]
    async fn work_that_panics_is_off_the_desk() {
        let (desk, places) = (Desk::<u8, ()>::default(), Places::new(1, 0));
        let broken = desk.run(&places, 1, || async { panic!("on purpose") }).await;
        assert!(matches!(broken, Err(RelayError::Internal(_))));
        assert_eq!(desk.run(&places, 1, || async { Ok(()) }).await, Ok(()));
    }
}
