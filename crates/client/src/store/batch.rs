//! A group of registered blobs: sent to all nodes, then certified by one signature of each node over the whole list.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use floe_chain::{BlobObject, ChainError};
use floe_protocol::{
    BatchConfirmation, BatchList, Certificate, CollectError, Epoch, ObjectId, SignedMessage, api::BlobStoreResult,
    certificate::Collector,
};
use futures::{StreamExt, stream};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::Instant,
};

use super::{
    Uploading, collect::Collection, encoded_length, many::Outcome, newly_created, registrations::Registration,
    slivers::Slivers, upload::Upload,
};
use crate::{
    FloeClient,
    config::{Progress, StoreOptions, scaled},
    error::ClientError,
    failures::Failures,
    http::CallError,
    view::View,
};

/// How long nodes may take that hold some blobs and not the others, once each blob has a quorum of its own.
const LAGGARDS_WAIT: Duration = Duration::from_secs(2);
/// Blobs that are certified alone at once.
const ALONE_AT_ONCE: usize = 8;
/// Shortest time for which slow nodes are served after the quorum.
const TAIL_MIN: Duration = Duration::from_secs(10);

/// A registered blob, by its place among those that were given.
pub(super) struct Item {
    pub(super) place: usize,
    pub(super) slivers: Slivers,
    pub(super) registration: Registration,
}

/// What is done for a group.
pub(super) struct Batch<'a> {
    pub(super) client: &'a FloeClient,
    pub(super) options: &'a StoreOptions,
    pub(super) progress: Arc<dyn Progress>,
}

/// One blob at one member, and whether it is durable there.
type Delivered = (usize, usize, Result<(), CallError>);

impl Batch<'_> {
    /// Uploads and certifies. Blobs that cannot be certified with the others are certified alone.
    pub(super) async fn store(self, view: Arc<View>, items: Vec<Item>) -> Vec<(usize, Outcome)> {
        if items.is_empty() {
            return Vec::new();
        }
        // One certificate for many is a matter of registrations outside of pools.
        let may_join = items.len() > 1 && self.options.pool.is_none();
        let together = if may_join { self.deliver(&view, &items).await } else { BTreeSet::new() };
        let (mut batch, mut alone) = (Vec::new(), Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            // What is to be extended afterwards is so by a transaction of its own anyway.
            let joins = together.contains(&index) && item.registration.epochs_lacking == 0;
            if joins { batch.push(item) } else { alone.push(item) }
        }
        let mut outcomes = Vec::new();
        self.progress.phase("certify", None);
        let objects: Vec<&BlobObject> = batch.iter().map(|item| &item.registration.object).collect();
        match self.client.certify_list(view, &objects).await {
            Ok(epoch) => outcomes.extend(batch.into_iter().map(|item| self.done(item, epoch))),
            Err(error) => {
                tracing::info!(%error, blobs = batch.len(), "no certificate for a batch: certifying one by one");
                alone.extend(batch);
            }
        }
        let rest = stream::iter(alone).map(|item| async { (item.place, self.certify_alone(item).await) });
        outcomes.extend(rest.buffer_unordered(ALONE_AT_ONCE).collect::<Vec<_>>().await);
        outcomes
    }

    fn done(&self, item: Item, epoch: Epoch) -> (usize, Outcome) {
        let Item { place, slivers, mut registration } = item;
        let (inner, metadata) = (&self.client.inner, slivers.metadata());
        registration.object.certified_epoch = Some(epoch);
        inner.registrations.forget(metadata.blob_id(), self.options);
        inner.metadata.keep(metadata, inner.config.read.cached_metadata_max);
        inner.promises.keep(metadata.blob_id(), registration.object.end_epoch);
        (place, Ok(BlobStoreResult::NewlyCreated(newly_created(registration, metadata))))
    }

    /// As any single store; nodes that have their slivers are only asked.
    async fn certify_alone(&self, item: Item) -> Outcome {
        let Item { slivers, mut registration, .. } = item;
        registration.is_new = false;
        let (deletable, progress) = (registration.object.deletable, self.progress.clone());
        let upload = Uploading { client: self.client, slivers, deletable, progress };
        self.client.certified(registration, None, &upload, self.options).await.map(BlobStoreResult::NewlyCreated)
    }

    /// Sends all blobs to all members until a quorum of members holds each of them. Gives those that one quorum holds.
    async fn deliver(&self, view: &Arc<View>, items: &[Item]) -> BTreeSet<usize> {
        let config = &self.client.inner.config.store;
        let started = Instant::now();
        let bytes = items.iter().map(|item| encoded_length(item.slivers.metadata())).sum();
        let deadline = started + scaled(config.deadline_base, bytes, config.encoded_bytes_per_second_min);
        let mut held = Held::new(view.clone(), items.len());
        let mut running = self.start(view, items);
        let mut laggards_until = None;
        while !held.is_complete() {
            if held.each_has_a_quorum() {
                laggards_until.get_or_insert_with(|| Instant::now() + LAGGARDS_WAIT);
            }
            let until = laggards_until.map_or(deadline, |until: Instant| until.min(deadline));
            match tokio::time::timeout_at(until, running.join_next()).await {
                Ok(Some(Ok((item, member, Ok(()))))) => held.holds(item, member),
                Ok(Some(Ok((item, member, Err(error))))) => {
                    tracing::debug!(node = %view.member(member).name, item, %error, "a blob of a batch was not taken");
                    held.lost(item, member);
                }
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => break,
            }
        }
        let memory = items.iter().map(|item| item.slivers.memory_bytes(1)).sum();
        let limit = started.elapsed().max(TAIL_MIN).min(config.tail_max);
        if !running.is_empty() {
            self.client.inner.tails.add(memory, limit, async move { while running.join_next().await.is_some() {} });
        }
        held.largest_common()
    }

    fn start(&self, view: &Arc<View>, items: &[Item]) -> JoinSet<Delivered> {
        let members = view.committee.members().len();
        let places = Arc::new(Semaphore::new(self.client.inner.config.store.concurrent_nodes_max));
        let (_, registered) = watch::channel(None);
        let mut running = JoinSet::new();
        let mut total = 0;
        for (index, item) in items.iter().enumerate() {
            let upload = Arc::new(Upload::new(&Collection {
                client: self.client,
                view: view.clone(),
                slivers: item.slivers.clone(),
                ask_first: false,
                deletable: item.registration.object.deletable,
                registered: registered.clone(),
                progress: self.progress.clone(),
            }));
            let failures = Failures::default();
            for member in 0..members {
                total += upload.body_bytes(view, member);
                let (view, upload, failures, places) = (view.clone(), upload.clone(), failures.clone(), places.clone());
                running.spawn(async move {
                    let _place = places.acquire().await;
                    (index, member, upload.deliver(&view, member, &failures).await)
                });
            }
        }
        self.progress.phase("upload", Some(total));
        running
    }
}

impl FloeClient {
    /// One certificate for all, by the committee of the current epoch. Gives the epoch.
    pub(super) async fn certify_list(
        &self,
        mut view: Arc<View>,
        registered: &[&BlobObject],
    ) -> Result<Epoch, ClientError> {
        let (Some(first), inner) = (registered.first(), &self.inner) else { return Ok(view.epoch()) };
        let objects: Vec<ObjectId> = registered.iter().map(|object| object.object_id).collect();
        let list = BatchList(registered.iter().map(|object| (object.blob_id, object.persistence())).collect());
        for _ in 0..=inner.config.store.epoch_changes_max {
            if let Some(certificate) = self.collect_list(&view, &list).await? {
                let error = match inner.chain.certify_batch(&objects, &certificate).await {
                    Ok(_) => return Ok(view.epoch()),
                    Err(error) => error,
                };
                // Certified alone, each is found to be certified if that was lost on the way.
                if !matches!(error, ChainError::Reverted { .. }) {
                    return Err(error.into());
                }
                if inner.views.refresh().await?.epoch() == view.epoch() {
                    return Err(error.into());
                }
            }
            tracing::info!(epoch = %view.epoch(), "the epoch changed during a batch: collecting again");
            view = inner.views.refresh().await?;
        }
        let blob_id = first.blob_id;
        let changes = inner.config.store.epoch_changes_max;
        Err(ClientError::EpochKeepsChanging { blob_id, epoch: view.epoch(), changes })
    }

    /// Asks all members for their signature over the list. `None`: the network is in another epoch by now.
    async fn collect_list(&self, view: &Arc<View>, list: &BatchList) -> Result<Option<Certificate>, ClientError> {
        let inner = &self.inner;
        let expected = list.confirmation(view.epoch(), inner.chain.batch_domain());
        let mut collector = Collector::new(&view.committee, expected);
        let bytes = Bytes::from(list.to_bytes());
        let mut running = JoinSet::new();
        for member in 0..view.committee.members().len() {
            let (client, view, bytes) = (self.clone(), view.clone(), bytes.clone());
            running.spawn(async move { (member, client.batch_confirmation(&view, member, bytes).await) });
        }
        let failures = Failures::default();
        while let Some(joined) = running.join_next().await {
            let Ok((member, answer)) = joined else { continue };
            let signed = match answer {
                Ok(signed) => signed,
                Err(error) => {
                    failures.note(member, error.to_string());
                    continue;
                }
            };
            if signed.decode().is_ok_and(|message: BatchConfirmation| message.epoch > view.epoch())
                && inner.views.refresh().await?.epoch() > view.epoch()
            {
                return Ok(None);
            }
            if let Err(error) = collector.add(member, signed) {
                failures.note(member, error.to_string());
            }
            while collector.is_complete() {
                match collector.certificate() {
                    Ok(certificate) => return Ok(Some(certificate)),
                    Err(CollectError::BadSignatures { members }) => {
                        members.into_iter().for_each(|member| failures.note(member, "bad signature"));
                    }
                    Err(error) => return Err(ClientError::Internal(error.to_string())),
                }
            }
        }
        if inner.views.refresh().await?.epoch() > view.epoch() {
            return Ok(None);
        }
        Err(ClientError::InsufficientConfirmations {
            blob_id: list
                .0
                .first()
                .map(|(blob, _)| *blob)
                .unwrap_or_else(|| floe_redstuff::BlobId::from_bytes([0; 32])),
            weight: collector.weight(),
            needed: collector.weight_needed(),
            failures: failures.named(view),
        })
    }

    /// A member's signature over a list, asked for again where that may help.
    async fn batch_confirmation(
        &self,
        view: &View,
        member: usize,
        list: Bytes,
    ) -> Result<SignedMessage<BatchConfirmation>, CallError> {
        let config = &self.inner.config.store;
        let mut tries = 0;
        loop {
            let error = match self.inner.nodes.batch_confirmation(view.member(member), list.clone()).await {
                Ok(signed) => match signed.decode() {
                    Ok(message) if message.epoch < view.epoch() => {
                        CallError::Lagging { got: message.epoch, expected: view.epoch() }
                    }
                    _ => return Ok(signed),
                },
                Err(error) => error,
            };
            tries += 1;
            if !error.is_transient() || tries >= config.attempts_max {
                return Err(error);
            }
            let pause = config.backoff_min * 2u32.saturating_pow(tries - 1);
            tokio::time::sleep(pause.min(config.backoff_max)).await;
        }
    }
}

/// Which members hold which blobs of a group.
pub(super) struct Held {
    view: Arc<View>,
    /// Members, for each blob.
    holders: Vec<BTreeSet<usize>>,
    /// Their weight.
    weights: Vec<u32>,
    /// Weight of the members that will never hold it, for each blob.
    lost: Vec<u32>,
}

impl Held {
    pub(super) fn new(view: Arc<View>, blobs: usize) -> Self {
        Self { view, holders: vec![BTreeSet::new(); blobs], weights: vec![0; blobs], lost: vec![0; blobs] }
    }

    pub(super) fn holds(&mut self, blob: usize, member: usize) {
        if self.holders[blob].insert(member) {
            self.weights[blob] += self.view.weight(member);
        }
    }

    fn lost(&mut self, blob: usize, member: usize) {
        self.lost[blob] += self.view.weight(member);
    }

    fn needed(&self) -> u32 {
        self.view.committee.confirmations_needed()
    }

    fn weight<'s>(&self, members: impl IntoIterator<Item = &'s usize>) -> u32 {
        members.into_iter().map(|&member| self.view.weight(member)).sum()
    }

    /// Blobs that may still get a quorum.
    fn live(&self) -> impl Iterator<Item = usize> {
        let reach = self.view.n_shards() - self.needed();
        (0..self.holders.len()).filter(move |&blob| self.lost[blob] <= reach)
    }

    fn each_has_a_quorum(&self) -> bool {
        self.live().all(|blob| self.weights[blob] >= self.needed())
    }

    /// One quorum holds every blob that can be held by a quorum.
    fn is_complete(&self) -> bool {
        if !self.each_has_a_quorum() {
            return false;
        }
        let mut live = self.live().map(|blob| &self.holders[blob]);
        let Some(first) = live.next() else { return true };
        let common = live.fold(first.clone(), |common, holders| &common & holders);
        self.weight(&common) >= self.needed()
    }

    /// Blobs that one quorum holds together, those that most members hold first.
    pub(super) fn largest_common(&self) -> BTreeSet<usize> {
        let mut order: Vec<usize> = (0..self.holders.len()).collect();
        order.sort_by_key(|&blob| std::cmp::Reverse(self.weights[blob]));
        let mut common: BTreeSet<usize> = (0..self.view.committee.members().len()).collect();
        let mut chosen = BTreeSet::new();
        for blob in order {
            let both = &common & &self.holders[blob];
            if self.weight(&both) >= self.needed() {
                common = both;
                chosen.insert(blob);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use floe_protocol::{Committee, Member, NodeId, bls::SecretKey};
    use floe_redstuff::{EncodingParams, ShardIndex};

    use super::*;

    /// Four members of one shard each: three make a quorum.
    fn held(blobs: &[&[usize]]) -> Held {
        let member = |index: u8| Member {
            node_id: NodeId::from_number(u64::from(index) + 1),
            public_key: SecretKey::generate(&[index + 1; 32]).public_key(),
            address: String::new(),
            name: String::new(),
            shards: vec![ShardIndex::new(u16::from(index))],
        };
        let params = EncodingParams::new(4).unwrap();
        let committee = Committee::new(Epoch(1), params, (0..4).map(member).collect()).unwrap();
        let mut held = Held::new(Arc::new(View::for_tests(committee)), blobs.len());
        for (blob, members) in blobs.iter().enumerate() {
            members.iter().for_each(|&member| held.holds(blob, member));
        }
        held
    }

    #[test]
    fn one_quorum_must_hold_all() {
        assert!(held(&[&[0, 1, 2], &[0, 1, 2, 3]]).is_complete());
        let apart = held(&[&[0, 1, 2], &[1, 2, 3]]);
        assert!(apart.each_has_a_quorum() && !apart.is_complete());
        assert_eq!(apart.largest_common().len(), 1);
        assert_eq!(held(&[&[0, 1, 2, 3], &[0, 1], &[1, 2, 3]]).largest_common(), BTreeSet::from([0, 2]));
        assert_eq!(held(&[&[0, 1], &[2, 3]]).largest_common(), BTreeSet::new());
    }

    #[test]
    fn a_blob_that_cannot_get_a_quorum_is_not_waited_for() {
        let mut held = held(&[&[0, 1, 2], &[0]]);
        assert!(!held.is_complete());
        held.lost(1, 2);
        assert!(!held.is_complete(), "three are left");
        held.lost(1, 3);
        assert!(held.is_complete());
        assert_eq!(held.largest_common(), BTreeSet::from([0]));
    }
}
