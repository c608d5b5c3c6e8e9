//! One round of uploads to the whole committee of one epoch, until enough have confirmed.

use std::{collections::BTreeSet, sync::Arc};

use floe_protocol::{
    Certificate, Committee,
    message::{Persistence, SignedMessage, StorageConfirmation},
};
use floe_protocol::{CollectError, ConfirmationCollector};
use floe_redstuff::EncodedBlob;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, Instant},
};

use super::{encoded_length, upload::Upload};
use crate::{FloeClient, config::Progress, error::ClientError, failures::Failures, http::CallError, view::View};

/// Shortest time for which slow nodes are served after the quorum.
const TAIL_MIN: Duration = Duration::from_secs(10);

/// What one round needs.
pub(super) struct Collection<'a> {
    pub(super) client: &'a FloeClient,
    pub(super) view: Arc<View>,
    pub(super) encoded: Arc<EncodedBlob>,
    /// Whether nodes are asked for a confirmation before anything is sent.
    pub(super) ask_first: bool,
    pub(super) deadline: Instant,
    pub(super) progress: Arc<dyn Progress>,
}

type Outcome = (usize, Result<SignedMessage<StorageConfirmation>, CallError>);

impl Collection<'_> {
    /// Uploads to all members at once and collects until the weight suffices. `None`: the network is in another epoch by
    /// now.
    pub(super) async fn run(self) -> Result<Option<Certificate>, ClientError> {
        let started = Instant::now();
        let failures = Failures::default();
        let mut running = self.start(&failures);
        let expected = StorageConfirmation {
            epoch: self.view.epoch(),
            blob_id: *self.encoded.metadata.blob_id(),
            persistence: Persistence::Permanent,
        };
        let mut collector = ConfirmationCollector::new(&self.view.committee, expected);
        let mut lost = 0;
        let mut waiting: BTreeSet<usize> = (0..self.view.committee.members().len()).collect();
        let committee = &self.view.committee;
        let needed = committee.confirmations_needed();
        loop {
            if self.view.n_shards() - lost < needed {
                return Err(self.insufficient(collector.weight(), &failures));
            }
            let joined = tokio::time::timeout_at(self.deadline, running.join_next()).await;
            let (member, outcome) = match joined {
                Ok(Some(Ok(outcome))) => outcome,
                Ok(Some(Err(_))) => continue,
                Ok(None) => return Err(self.insufficient(collector.weight(), &failures)),
                Err(_) => {
                    for member in waiting {
                        failures.note_if_none(member, "no confirmation before the deadline");
                    }
                    return Err(self.insufficient(collector.weight(), &failures));
                }
            };
            waiting.remove(&member);
            let signed = match outcome {
                Ok(signed) => signed,
                Err(error) => {
                    failures.note(member, error.to_string());
                    lost += self.view.weight(member);
                    continue;
                }
            };
            if self.is_later(&signed) && self.client.inner.views.refresh().await?.epoch() > self.view.epoch() {
                return Ok(None);
            }
            if let Err(error) = collector.add(member, signed) {
                self.warn_bad(member, &error);
                failures.note(member, format!("confirmation: {error}"));
                lost += self.view.weight(member);
                continue;
            }
            failures.clear(member);
            while collector.is_complete() {
                match collector.certificate() {
                    Ok(certificate) => {
                        self.leave_tail(running, started.elapsed());
                        return Ok(Some(certificate));
                    }
                    Err(CollectError::BadSignatures { members }) => {
                        for member in members {
                            self.warn_bad(member, &"bad signature");
                            failures.note(member, "confirmation: bad signature");
                            lost += self.view.weight(member);
                        }
                    }
                    Err(error) => return Err(ClientError::Internal(error.to_string())),
                }
            }
        }
    }

    fn start(&self, failures: &Failures) -> JoinSet<Outcome> {
        let inner = &self.client.inner;
        let committee: &Committee = &self.view.committee;
        let places = Arc::new(Semaphore::new(inner.config.store.concurrent_nodes_max));
        let upload =
            Arc::new(Upload::new(inner, &self.encoded, self.view.epoch(), self.ask_first, self.progress.clone()));
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
        inner.tails.add(encoded_length(&self.encoded.metadata), limit, async move {
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

    fn warn_bad(&self, member: usize, error: &dyn std::fmt::Display) {
        let member = self.view.member(member);
        tracing::warn!(
            node = %member.name, address = %member.address, blob = %self.encoded.metadata.blob_id(), %error,
            "a node gave a wrong confirmation; it is not counted"
        );
    }

    fn insufficient(&self, weight: u32, failures: &Failures) -> ClientError {
        ClientError::InsufficientConfirmations {
            blob_id: *self.encoded.metadata.blob_id(),
            weight,
            needed: self.view.committee.confirmations_needed(),
            failures: failures.named(&self.view),
        }
    }
}
