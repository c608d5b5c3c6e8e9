//! Many blobs at once: one transaction registers them, one certificate certifies them.
//!
//! Blobs are taken in groups that fit into the memory of one store. Whatever cannot be done for a group as a whole is done
//! for each of its blobs alone, so that one bad blob costs the others a little time and nothing else.

use std::{collections::HashSet, io, sync::Arc};

use bytes::Bytes;
use floe_chain::{BATCH_REGISTRATIONS_MAX, ChainError};
use floe_protocol::api::BlobStoreResult;
use floe_redstuff::BlobSource;
use futures::{StreamExt, stream};

use super::{
    batch::{Batch, Item},
    check_epochs, check_size,
    registrations::{Registration, Standing, bought, order},
    slivers::{Input, Slivers, in_memory_bytes},
};
use crate::{
    FloeClient,
    config::{Progress, StoreOptions, watched},
    error::ClientError,
    view::View,
};

/// Questions to the chain, and blobs that are encoded, at once.
const AT_ONCE: usize = 16;
const ENCODED_AT_ONCE: usize = 4;
/// A blob that takes more than this part of the memory of a store is stored alone.
const SMALL_PART: u64 = 4;

/// A blob to be stored with others.
pub struct BlobInput(Input);

impl BlobInput {
    /// From what can be read at any position, such as a file.
    pub fn source(source: impl BlobSource<Error = io::Error> + Send + 'static) -> Self {
        Self(Input::Source(Arc::new(source)))
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.length()
    }
}

impl<B: Into<Bytes>> From<B> for BlobInput {
    fn from(bytes: B) -> Self {
        Self(Input::Bytes(bytes.into()))
    }
}

impl std::fmt::Debug for BlobInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobInput").field("length", &self.length()).finish()
    }
}

/// What came of a blob.
pub(super) type Outcome = Result<BlobStoreResult, ClientError>;

/// What came of each blob of a call.
struct Outcomes(Vec<Option<Outcome>>);

impl Outcomes {
    fn set(&mut self, place: usize, outcome: Outcome) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = Some(outcome);
        }
    }
}

/// A blob that was encoded, by its place among those that were given.
struct Encoded {
    place: usize,
    slivers: Slivers,
}

impl FloeClient {
    /// Stores many blobs, each as [`store`](Self::store) does; what came of them is in the same order. Small ones share
    /// transactions and certificates, which makes them cheaper; one that fails does not spoil the others.
    ///
    /// Takes about as much memory as one store.
    pub async fn store_many(&self, blobs: Vec<BlobInput>, options: &StoreOptions) -> Vec<Outcome> {
        let mut outcomes = Outcomes(blobs.iter().map(|_| None).collect());
        let view = match self.inner.views.fresh().await {
            Ok(view) => view,
            Err(error) => return blobs.iter().map(|_| Err(error.clone().into())).collect(),
        };
        let ceiling = self.inner.config.store.memory_ceiling_bytes;
        let (mut group, mut group_bytes) = (Vec::new(), 0);
        for (place, BlobInput(input)) in blobs.into_iter().enumerate() {
            let bytes = in_memory_bytes(view.params(), input.length());
            if bytes > ceiling / SMALL_PART {
                outcomes.set(place, self.store_input(input, options.clone()).await);
                continue;
            }
            if group.len() == BATCH_REGISTRATIONS_MAX || group_bytes + bytes > ceiling {
                self.store_group(std::mem::take(&mut group), options, &mut outcomes).await;
                group_bytes = 0;
            }
            group_bytes += bytes;
            group.push((place, input));
        }
        self.store_group(group, options, &mut outcomes).await;
        let missing = || Err(ClientError::Internal("a blob was forgotten".into()));
        outcomes.0.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect()
    }

    async fn store_group(&self, group: Vec<(usize, Input)>, options: &StoreOptions, outcomes: &mut Outcomes) {
        if group.len() == 1 {
            for (place, input) in group {
                outcomes.set(place, self.store_input(input, options.clone()).await);
            }
            return;
        }
        let view = match self.inner.views.fresh().await {
            Ok(view) => view,
            Err(error) => {
                group.iter().for_each(|(place, _)| outcomes.set(*place, Err(error.clone().into())));
                return;
            }
        };
        let progress = watched(&options.progress);
        progress.phase("encode", Some(group.iter().map(|(_, input)| input.length()).sum()));
        let encoded = self.encode_all(&view, group, options, &progress, outcomes).await;
        // The same bytes twice: the second one finds what the first has made.
        let mut seen = HashSet::new();
        let (once, again): (Vec<_>, Vec<_>) =
            encoded.into_iter().partition(|blob| seen.insert(*blob.slivers.metadata().blob_id()));

        progress.phase("register", None);
        let items = self.register_all(&view, once, options, outcomes).await;
        let batch = Batch { client: self, options, progress: progress.clone() };
        for (place, outcome) in batch.store(view.clone(), items).await {
            outcomes.set(place, outcome);
        }
        for Encoded { place, slivers } in again {
            outcomes.set(place, self.store_encoded(&view, slivers, options, progress.clone()).await);
        }
    }

    async fn encode_all(
        &self,
        view: &View,
        group: Vec<(usize, Input)>,
        options: &StoreOptions,
        progress: &Arc<dyn Progress>,
        outcomes: &mut Outcomes,
    ) -> Vec<Encoded> {
        let config = &self.inner.config.store;
        let encode = |(place, input): (usize, Input)| async move {
            let slivers = async {
                check_epochs(view, options)?;
                check_size(view.params(), input.length())?;
                input.encode(view.params(), config, progress.clone()).await
            };
            (place, slivers.await)
        };
        let mut encoded = Vec::with_capacity(group.len());
        let mut under_way = stream::iter(group).map(encode).buffered(ENCODED_AT_ONCE);
        while let Some((place, slivers)) = under_way.next().await {
            match slivers {
                Ok(slivers) => encoded.push(Encoded { place, slivers }),
                Err(error) => outcomes.set(place, Err(error)),
            }
        }
        encoded
    }

    /// Sees to a registration for each blob that needs one.
    async fn register_all(
        &self,
        view: &View,
        encoded: Vec<Encoded>,
        options: &StoreOptions,
        outcomes: &mut Outcomes,
    ) -> Vec<Item> {
        let look = |blob: Encoded| async move {
            let standing = self.standing(view, blob.slivers.metadata(), options).await;
            (blob, standing)
        };
        let (mut items, mut unregistered) = (Vec::new(), Vec::new());
        let mut under_way = stream::iter(encoded).map(look).buffered(AT_ONCE);
        while let Some((Encoded { place, slivers }, standing)) = under_way.next().await {
            match standing {
                Ok(Standing::Certified(found)) => outcomes.set(place, Ok(BlobStoreResult::AlreadyCertified(found))),
                Ok(Standing::TooShort(object, lacking)) => {
                    outcomes.set(place, self.extended(object, lacking, slivers.metadata()).await);
                }
                Ok(Standing::Open(registration)) => items.push(Item { place, slivers, registration }),
                Ok(Standing::Nothing) => unregistered.push(Encoded { place, slivers }),
                Err(error) => outcomes.set(place, Err(error)),
            }
        }
        drop(under_way);
        for (Encoded { place, slivers }, registration) in self.buy_all(view, unregistered, options).await {
            match registration {
                Ok(registration) => items.push(Item { place, slivers, registration }),
                Err(error) => outcomes.set(place, Err(error)),
            }
        }
        items
    }

    /// Registers by one transaction; each blob alone where that is refused, or where storage is there to be used.
    async fn buy_all(
        &self,
        view: &View,
        blobs: Vec<Encoded>,
        options: &StoreOptions,
    ) -> Vec<(Encoded, Result<Registration, ClientError>)> {
        let alone = |blob: Encoded| async move {
            let registration = self.register_anew(view, blob.slivers.metadata(), options).await;
            (blob, registration)
        };
        if options.pool.is_some() {
            return stream::iter(blobs).map(alone).buffered(AT_ONCE).collect().await;
        }
        if blobs.len() < 2 || self.owns_storage(options).await {
            // One after the other: two cannot take the same storage.
            return stream::iter(blobs).then(alone).collect().await;
        }
        let orders: Vec<_> = blobs.iter().map(|blob| order(blob.slivers.metadata(), options)).collect();
        match self.inner.chain.register_batch(&orders).await {
            Ok(registered) => {
                let registrations = registered.into_iter().map(|registered| bought(registered, options));
                let registrations = registrations
                    .inspect(|registration| self.inner.registrations.remember(&registration.object, options));
                blobs.into_iter().zip(registrations.map(Ok)).collect()
            }
            Err(error @ ChainError::Reverted { .. }) => {
                tracing::info!(%error, blobs = blobs.len(), "a batch was refused: registering one by one");
                stream::iter(blobs).map(alone).buffered(AT_ONCE).collect().await
            }
            Err(error) => blobs.into_iter().map(|blob| (blob, Err(error.clone().into()))).collect(),
        }
    }

    /// Whether looking for storage makes sense. If that cannot be said, each blob will hear why.
    async fn owns_storage(&self, options: &StoreOptions) -> bool {
        match self.inner.chain.signer_address().filter(|_| options.reuse_resources) {
            Some(account) => self.inner.chain.owned_storage(account).await.map_or(true, |storage| !storage.is_empty()),
            None => false,
        }
    }
}
