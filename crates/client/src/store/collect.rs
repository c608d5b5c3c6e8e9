//! One round of uploads to the whole committee of one epoch, until enough have confirmed.

use std::{collections::BTreeSet, sync::Arc};

use floe_protocol::{
    Certificate, CollectError, Committee, ConfirmationCollector, Epoch,
    message::{Persistence, SignedMessage, StorageConfirmation},
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Duration, Instant},
};

use super::{Registered, encoded_length, slivers::Slivers, upload::Upload};
use crate::{
    FloeClient,
    config::{Progress, scaled},
    error::ClientError,
    failures::Failures,
    http::CallError,
    view::View,
};

/// Once the quorum is out of reach: time for the others to confirm, so that the error counts them and the next try finds
/// their part done.
const HOPELESS_WAIT: Duration = Duration::from_secs(2);
/// It grows with the upload: by one second for so many encoded bytes.
const HOPELESS_BYTES_PER_SECOND: u64 = 128 << 20;
/// Shortest time for which slow nodes are served after the quorum.
const TAIL_MIN: Duration = Duration::from_secs(10);

/// What one round needs.
pub(super) struct Collection<'a> {
    pub(super) client: &'a FloeClient,
    pub(super) view: Arc<View>,
    pub(super) slivers: Slivers,
    /// Whether nodes are asked for a confirmation before anything is sent.
    pub(super) ask_first: bool,
    /// Whether the registration is a deletable one.
    pub(super) deletable: bool,
    /// What is known of the registration; `None` while there is none yet.
    pub(super) registered: watch::Receiver<Option<Registered>>,
    pub(super) progress: Arc<dyn Progress>,
}

type Outcome = (usize, Result<SignedMessage<StorageConfirmation>, CallError>);

/// Who has confirmed, who has not, and who never will.
struct Tally<'a> {
    collection: &'a Collection<'a>,
    /// From the first confirmation on: by then it is known which ones count.
    collector: Option<ConfirmationCollector>,
    failures: Failures,
    waiting: BTreeSet<usize>,
    lost: u32,
}

impl Collection<'_> {
    /// Uploads to all members at once and collects until the weight suffices. `None`: the network is in another epoch by
    /// now.
    pub(super) async fn run(self) -> Result<Option<Certificate>, ClientError> {
        let started = Instant::now();
        let mut tally = Tally::new(&self);
        let mut running = self.start(&tally.failures);
        let mut registration = self.registered.clone();
        let mut given_up_at = None;
        loop {
            if tally.is_out_of_reach() && given_up_at.is_none() {
                given_up_at = Some(Instant::now() + self.hopeless_wait());
            }
            let registered_until = registration.borrow_and_update().map(|known| known.deadline);
            let deadline = [registered_until, given_up_at].into_iter().flatten().min();
            let joined = tokio::select! {
                joined = running.join_next() => joined,
                () = until(deadline) => None,
                Ok(()) = registration.changed() => continue,
            };
            let (member, outcome) = match joined {
                Some(Ok(outcome)) => outcome,
                Some(Err(_)) => continue,
                None => return Err(tally.insufficient()),
            };
            match outcome {
                Err(error) => {
                    if let Some(failure) = self.slivers.failure() {
                        return Err(failure);
                    }
                    tally.lose(member, error.to_string());
                }
                Ok(signed) => {
                    if self.is_later(&signed) && self.epoch_now().await? > self.view.epoch() {
                        return Ok(None);
                    }
                    if let Some(certificate) = tally.count(member, signed)? {
                        self.leave_tail(running, started.elapsed());
                        return Ok(Some(certificate));
                    }
                }
            }
        }
    }

    fn hopeless_wait(&self) -> Duration {
        scaled(HOPELESS_WAIT, encoded_length(self.slivers.metadata()), HOPELESS_BYTES_PER_SECOND)
    }

    async fn epoch_now(&self) -> Result<Epoch, ClientError> {
        Ok(self.client.inner.views.refresh().await?.epoch())
    }

    fn start(&self, failures: &Failures) -> JoinSet<Outcome> {
        let inner = &self.client.inner;
        let committee: &Committee = &self.view.committee;
        let places = Arc::new(Semaphore::new(inner.config.store.concurrent_nodes_max));
        let upload = Arc::new(Upload::new(self));
        let total = (0..committee.members().len()).map(|member| upload.body_bytes(&self.view, member)).sum();
        self.progress.phase("upload", Some(total));
        let mut running = JoinSet::new();
        for member in 0..committee.members().len() {
            let (view, upload, failures) = (self.view.clone(), upload.clone(), failures.clone());
            let places = places.clone();
            running.spawn(async move {
                let _place = places.acquire().await;
                (member, upload.to_member(&view, member, &failures).await)
            });
        }
        running
    }

    fn is_later(&self, signed: &SignedMessage<StorageConfirmation>) -> bool {
        signed.decode().is_ok_and(|message| message.epoch > self.view.epoch())
    }

    /// The nodes that have not answered yet are served for as long again as the quorum took.
    fn leave_tail(&self, mut running: JoinSet<Outcome>, took: Duration) {
        if running.is_empty() {
            return;
        }
        let inner = &self.client.inner;
        let limit = took.max(TAIL_MIN).min(inner.config.store.tail_max);
        let view = self.view.clone();
        let nodes = running.len().min(inner.config.store.concurrent_nodes_max);
        inner.tails.add(self.slivers.memory_bytes(nodes), limit, async move {
            while let Some(joined) = running.join_next().await {
                if let Ok((member, Err(error))) = joined {
                    let member = view.member(member);
                    tracing::info!(
                        node = %member.name, address = %member.address, %error,
                        "a node did not take its slivers; it heals on its own"
                    );
                }
            }
        });
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl<'a> Tally<'a> {
    fn new(collection: &'a Collection<'a>) -> Self {
        Self {
            collection,
            collector: None,
            failures: Failures::default(),
            waiting: (0..collection.view.committee.members().len()).collect(),
            lost: 0,
        }
    }

    /// Counts a confirmation; gives the certificate if it was the last that was needed.
    fn count(
        &mut self,
        member: usize,
        signed: SignedMessage<StorageConfirmation>,
    ) -> Result<Option<Certificate>, ClientError> {
        if let Err(error) = self.collector().add(member, signed) {
            self.reject(member, &error.to_string());
            return Ok(None);
        }
        self.waiting.remove(&member);
        self.failures.clear(member);
        while self.collector().is_complete() {
            match self.collector().certificate() {
                Ok(certificate) => return Ok(Some(certificate)),
                Err(CollectError::BadSignatures { members }) => {
                    members.into_iter().for_each(|member| self.reject(member, "bad signature"));
                }
                Err(error) => return Err(ClientError::Internal(error.to_string())),
            }
        }
        Ok(None)
    }

    fn collector(&mut self) -> &mut ConfirmationCollector {
        let Collection { view, slivers, registered, .. } = self.collection;
        self.collector.get_or_insert_with(|| {
            // A deletable one is known before any of its confirmations is taken; a permanent one needs no more.
            let persistence = registered.borrow().map_or(Persistence::Permanent, |known| known.persistence);
            let blob_id = *slivers.metadata().blob_id();
            let expected = StorageConfirmation { epoch: view.epoch(), blob_id, persistence };
            ConfirmationCollector::new(&view.committee, expected)
        })
    }

    /// A confirmation that is none: its node is named and not counted.
    fn reject(&mut self, index: usize, error: &str) {
        let member = self.collection.view.member(index);
        tracing::warn!(
            node = %member.name, address = %member.address, blob = %self.collection.slivers.metadata().blob_id(), %error,
            "a node gave a wrong confirmation; it is not counted"
        );
        self.lose(index, format!("confirmation: {error}"));
    }

    /// This member will not confirm.
    fn lose(&mut self, member: usize, reason: String) {
        self.waiting.remove(&member);
        self.failures.note(member, reason);
        self.lost += self.collection.view.weight(member);
    }

    fn is_out_of_reach(&self) -> bool {
        self.collection.view.n_shards() - self.lost < self.collection.view.committee.confirmations_needed()
    }

    fn insufficient(&self) -> ClientError {
        for &member in &self.waiting {
            self.failures.note_if_none(member, "no confirmation before the deadline");
        }
        ClientError::InsufficientConfirmations {
            blob_id: *self.collection.slivers.metadata().blob_id(),
            weight: self.collector.as_ref().map_or(0, ConfirmationCollector::weight),
            needed: self.collection.view.committee.confirmations_needed(),
            failures: self.failures.named(&self.collection.view),
        }
    }
}
