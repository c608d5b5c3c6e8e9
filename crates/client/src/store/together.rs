//! Small stores that are under way at the same time are certified together: each node signs the list of them once, and
//! one transaction brings the certificate. While one list is on its way the next one gathers.
//!
//! A store that cannot be certified with the others is certified alone.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use floe_chain::{BATCH_REGISTRATIONS_MAX, BlobObject};
use floe_protocol::{Epoch, api::NewlyCreated};
use futures::future::join_all;
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::Instant,
};

use super::{Uploading, batch::Held, collect::Collection, upload::Upload};
use crate::{FloeClient, config::StoreOptions, error::ClientError, failures::Failures, http::CallError, view::View};

/// Fewer stores at once than this are quicker alone: a node signs as soon as it holds a blob.
const STORES_MIN: usize = 4;
/// How long a list waits for nodes that hold some of its blobs and not the others.
const LAGGARDS_WAIT: Duration = Duration::from_millis(50);

/// The stores of one client that are under way.
#[derive(Debug, Default)]
pub(crate) struct Together {
    under_way: AtomicUsize,
    waiting: Mutex<Vec<Waiting>>,
    /// Held by the store that certifies a list.
    turn: tokio::sync::Mutex<()>,
}

/// One store counts until this is dropped.
pub(super) struct UnderWay<'a>(&'a Together);

/// A registered blob that a quorum holds.
#[derive(Debug)]
struct Waiting {
    /// Of the committee that the holders are members of.
    epoch: Epoch,
    object: BlobObject,
    holders: Holders,
    /// Dropped without a word if the blob is to be certified alone.
    certified: oneshot::Sender<Epoch>,
}

/// Members that hold a blob, by their index; closed once no more are coming.
type Holders = watch::Receiver<BTreeSet<usize>>;
/// One member, and whether the blob is durable there.
type Delivered = (usize, Result<(), CallError>);

impl Together {
    pub(super) fn enter(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    /// Whether there are enough stores to share the work.
    pub(super) fn is_crowded(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) >= STORES_MIN
    }

    /// The next list: those that have waited longest.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(BATCH_REGISTRATIONS_MAX);
        waiting.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl FloeClient {
    /// Registers a small blob, uploads it meanwhile, and certifies it with others.
    pub(super) async fn store_together(
        &self,
        view: &Arc<View>,
        upload: &Uploading<'_>,
        options: &StoreOptions,
    ) -> Result<NewlyCreated, ClientError> {
        let metadata = upload.slivers.metadata();
        let delivery = upload.deliver(view);
        let mut registration = self.register_anew(view, metadata, options).await?;
        let deadline = upload.registered(&registration.object).deadline;
        let mut holders = self.follow(view, upload, delivery, deadline);
        let needed = view.committee.confirmations_needed();
        let quorum =
            holders.wait_for(|holders| holders.iter().map(|&member| view.weight(member)).sum::<u32>() >= needed);
        let is_held = matches!(tokio::time::timeout_at(deadline, quorum).await, Ok(Ok(_)));
        if is_held {
            upload.progress.phase("certify", None);
            if let Some(epoch) = self.certified_together(view, &registration.object, holders).await {
                return self.finished(registration, epoch, metadata, options).await;
            }
        }
        // Nodes that have their slivers are only asked.
        registration.is_new = false;
        self.certified(registration, None, upload, options).await
    }

    /// Says who holds the blob as the uploads go on. They do, in the background, for those that are slow.
    fn follow(
        &self,
        view: &Arc<View>,
        upload: &Uploading<'_>,
        mut delivery: JoinSet<Delivered>,
        deadline: Instant,
    ) -> Holders {
        let (held, holders) = watch::channel(BTreeSet::new());
        let (inner, view) = (&self.inner, view.clone());
        let nodes = delivery.len().min(inner.config.store.concurrent_nodes_max);
        let limit = deadline.saturating_duration_since(Instant::now()).min(inner.config.store.tail_max);
        inner.tails.add(upload.slivers.memory_bytes(nodes), limit, async move {
            while let Some(joined) = delivery.join_next().await {
                match joined {
                    Ok((member, Ok(()))) => held.send_modify(|holders| {
                        holders.insert(member);
                    }),
                    Ok((member, Err(error))) => {
                        let member = view.member(member);
                        tracing::info!(
                            node = %member.name, address = %member.address, %error,
                            "a node did not take its slivers; it heals on its own"
                        );
                    }
                    Err(_) => {}
                }
            }
        });
        holders
    }

    /// The epoch of a certificate for this blob and others; `None` if it has to be certified alone.
    async fn certified_together(&self, view: &Arc<View>, object: &BlobObject, holders: Holders) -> Option<Epoch> {
        let together = &self.inner.together;
        let (certified, mut outcome) = oneshot::channel();
        together.waiting().push(Waiting { epoch: view.epoch(), object: object.clone(), holders, certified });
        let _turn = tokio::select! {
            biased;
            outcome = &mut outcome => return outcome.ok(),
            turn = together.turn.lock() => turn,
        };
        loop {
            match outcome.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => self.certify_next(view, together.take()).await,
                settled => return settled.ok(),
            }
        }
    }

    /// Certifies those of a list that one quorum holds; the others hear nothing.
    async fn certify_next(&self, view: &Arc<View>, mut list: Vec<Waiting>) {
        list.retain(|waiting| waiting.epoch == view.epoch());
        let mut common = common(view, &list);
        if common.len() < list.len() {
            let members = view.committee.members().len();
            let complete = list.iter_mut().map(async |waiting| {
                let _ = waiting.holders.wait_for(|held| held.len() == members).await;
            });
            let _ = tokio::time::timeout(LAGGARDS_WAIT, join_all(complete)).await;
            common = self::common(view, &list);
        }
        let list: Vec<Waiting> = list
            .into_iter()
            .enumerate()
            .filter(|(index, _)| common.contains(index))
            .map(|(_, waiting)| waiting)
            .collect();
        let objects: Vec<&BlobObject> = list.iter().map(|waiting| &waiting.object).collect();
        match self.certify_list(view.clone(), &objects).await {
            Ok(epoch) => list.into_iter().for_each(|waiting| {
                // Whoever stored it may be gone.
                let _ = waiting.certified.send(epoch);
            }),
            Err(error) => tracing::info!(%error, blobs = list.len(), "no certificate together: certifying one by one"),
        }
    }
}

/// Which of a list one quorum holds.
fn common(view: &Arc<View>, list: &[Waiting]) -> BTreeSet<usize> {
    let mut held = Held::new(view.clone(), list.len());
    for (index, waiting) in list.iter().enumerate() {
        waiting.holders.borrow().iter().for_each(|&member| held.holds(index, member));
    }
    held.largest_common()
}

impl Uploading<'_> {
    /// Sends to all members, who wait for the registration and make the blob durable without a signature.
    fn deliver(&self, view: &Arc<View>) -> JoinSet<Delivered> {
        let (_, registered) = watch::channel(None);
        let upload = Arc::new(Upload::new(&Collection {
            client: self.client,
            view: view.clone(),
            slivers: self.slivers.clone(),
            ask_first: false,
            deletable: self.deletable,
            registered,
            progress: self.progress.clone(),
        }));
        let members = 0..view.committee.members().len();
        self.progress.phase("upload", Some(members.clone().map(|member| upload.body_bytes(view, member)).sum()));
        let places = Arc::new(tokio::sync::Semaphore::new(self.client.inner.config.store.concurrent_nodes_max));
        let mut running = JoinSet::new();
        for member in members {
            let (view, upload, places) = (view.clone(), upload.clone(), places.clone());
            running.spawn(async move {
                let _place = places.acquire().await;
                (member, upload.deliver(&view, member, &Failures::default()).await)
            });
        }
        running
    }
}
