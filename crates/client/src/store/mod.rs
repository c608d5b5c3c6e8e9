//! Storing: encode, register, upload, collect confirmations, certify.

mod body;
mod collect;
mod slivers;
mod spool;
mod tails;
mod upload;

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use floe_chain::{BlobObject, ChainError, RegisterBlob, Registered};
use floe_protocol::{
    Certificate, Epoch,
    api::{
        self, AlreadyCertified, BlobStoreResult, CertifiedBy, EventId, NewlyCreated, ResourceOperation,
        StorageResource, TxDigest,
    },
};
use floe_redstuff::{BlobId, BlobSource, EncodingParams, VerifiedMetadata};
use tokio::{sync::watch, time::Instant};

pub(crate) use tails::Tails;

use crate::{
    FloeClient,
    config::{Progress, StoreOptions, scaled, watched},
    error::ClientError,
    source::FileSource,
    view::View,
};
use collect::Collection;
use slivers::{Input, Slivers};

/// A blob whose slivers are no longer than this is sent to the nodes while its registration is on the way. Nodes keep
/// what they get until then in memory.
const EARLY_ENCODED_BYTES_MAX: u64 = 8 << 20;

/// Registrations of this client that are paid for but not certified yet, to be used by the next try.
#[derive(Debug, Default)]
pub(crate) struct OpenRegistrations {
    by_blob: Mutex<HashMap<BlobId, BlobObject>>,
}

impl OpenRegistrations {
    /// Tries that are remembered at most; beyond, any one is forgotten (and paid for again if it is tried again).
    const MAX: usize = 4096;

    fn remember(&self, object: &BlobObject) {
        let mut open = self.lock();
        if open.len() >= Self::MAX
            && let Some(any) = open.keys().next().copied()
        {
            open.remove(&any);
        }
        open.insert(object.blob_id, object.clone());
    }

    fn get(&self, id: &BlobId) -> Option<BlobObject> {
        self.lock().get(id).cloned()
    }

    fn forget(&self, id: &BlobId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<BlobId, BlobObject>> {
        self.by_blob.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a registration is, and how it came about.
struct Registration {
    object: BlobObject,
    operation: ResourceOperation,
    cost: u128,
    is_new: bool,
}

impl FloeClient {
    /// Stores a blob: when this returns, it is certified on chain, and any `f` shards may vanish.
    ///
    /// Nodes that were too slow for the quorum are still served in the background for a bounded time;
    /// [`drain`](Self::drain) waits for them.
    ///
    /// # Errors
    /// [`ClientError::BlobTooLarge`], [`ClientError::EpochsOutOfRange`] before anything was paid;
    /// [`ClientError::InsufficientConfirmations`] if too many nodes failed: the registration is kept, and used when the
    /// same client stores the same blob again.
    pub async fn store(&self, blob: impl Into<Bytes>, options: StoreOptions) -> Result<BlobStoreResult, ClientError> {
        self.store_input(Input::Bytes(blob.into()), options).await
    }

    /// Stores a file as [`store`](Self::store) does, without holding it in memory if it is large.
    ///
    /// # Errors
    /// As [`store`](Self::store); and [`ClientError::Source`] if it is no regular file or cannot be read,
    /// [`ClientError::SourceChanged`] if it is written to meanwhile, [`ClientError::Spool`] if the disk is full.
    pub async fn store_file(
        &self,
        path: impl AsRef<Path>,
        options: StoreOptions,
    ) -> Result<BlobStoreResult, ClientError> {
        let source = FileSource::open(path.as_ref()).map_err(ClientError::Source)?;
        self.store_from(source, options).await
    }

    /// Stores what can be read at any position as [`store_file`](Self::store_file) does. The source is kept until all nodes
    /// are served, also those that are served in the background.
    ///
    /// # Errors
    /// As [`store_file`](Self::store_file).
    pub async fn store_from(
        &self,
        source: impl BlobSource<Error = io::Error> + Send + 'static,
        options: StoreOptions,
    ) -> Result<BlobStoreResult, ClientError> {
        self.store_input(Input::Source(Arc::new(source)), options).await
    }

    /// About how much memory a store of a blob of this size takes until it is certified.
    pub fn memory_to_store(&self, params: EncodingParams, size: u64) -> u64 {
        slivers::in_memory_bytes(params, size).min(self.inner.config.store.memory_ceiling_bytes)
    }

    async fn store_input(&self, input: Input, options: StoreOptions) -> Result<BlobStoreResult, ClientError> {
        let progress = watched(&options.progress);
        let view = self.inner.views.fresh().await?;
        check_epochs(&view, options.epochs)?;
        check_size(view.params(), input.length())?;

        progress.phase("encode", Some(input.length()));
        let slivers = input.encode(view.params(), &self.inner.config.store, progress.clone()).await?;
        let metadata = slivers.metadata().clone();
        let id = *metadata.blob_id();
        let until = Epoch(view.epoch().get().saturating_add(options.epochs));
        if !options.force
            && let Some(found) = self.already_certified(&id, until).await?
        {
            return Ok(BlobStoreResult::AlreadyCertified(found));
        }

        progress.phase("register", None);
        let upload = Uploading { client: self, slivers, progress: progress.clone() };
        let (registration, round) = self.register(&view, &metadata, options.epochs, &upload).await?;
        let certified_epoch = self.certify_rounds(&registration, &upload, round).await?;
        self.inner.registrations.forget(&id);
        self.inner.metadata.keep(&metadata, self.inner.config.read.cached_metadata_max);
        self.inner.promises.keep(&id, registration.object.end_epoch);
        Ok(newly_created(registration, &metadata, certified_epoch))
    }

    /// Waits until the uploads in the background are done, or until `limit` is over; then ends those that remain.
    pub async fn drain(&self, limit: Duration) {
        self.inner.tails.drain(limit).await;
    }

    async fn already_certified(&self, id: &BlobId, until: Epoch) -> Result<Option<AlreadyCertified>, ClientError> {
        let chain = &self.inner.chain;
        let Some(end_epoch) = chain.available_until(id).await? else {
            return Ok(None);
        };
        if end_epoch < until {
            return Ok(None);
        }
        let Some(event) = chain.certified_event(id).await? else {
            return Ok(None);
        };
        Ok(Some(AlreadyCertified {
            blob_id: *id,
            certified_by: CertifiedBy::Event(EventId {
                tx_digest: TxDigest::from_bytes(*event.tx.as_bytes()),
                event_seq: event.cursor.log_index,
            }),
            end_epoch,
        }))
    }

    /// An own registration that was paid for earlier and is still good, or a new one. While a new one is on its way,
    /// nodes may receive and check a small blob already: then the first round of confirmations comes with it.
    async fn register(
        &self,
        view: &Arc<View>,
        metadata: &VerifiedMetadata,
        epochs: u32,
        upload: &Uploading<'_>,
    ) -> Result<(Registration, Option<Round>), ClientError> {
        if let Some(registration) = self.kept_registration(view, metadata, epochs).await? {
            return Ok((registration, None));
        }
        let registering = async {
            let registration = self.new_registration(metadata, epochs).await?;
            self.inner.registrations.remember(&registration.object);
            Ok::<_, ClientError>(registration)
        };
        if encoded_length(metadata) > EARLY_ENCODED_BYTES_MAX {
            return Ok((registering.await?, None));
        }
        let (registered, deadline) = watch::channel(None);
        let early = upload.round(view.clone(), false, deadline);
        tokio::pin!(registering, early);
        // A registration that was sent is always waited for, also if the uploads fail meanwhile: it is paid for.
        let (registration, round) = tokio::select! {
            biased;
            registration = &mut registering => (registration?, None),
            round = &mut early => (registering.await?, Some(round)),
        };
        registered.send_replace(Some(upload.deadline()));
        let round = match round {
            Some(round) => round?,
            None => early.await?,
        };
        Ok((registration, Some(round)))
    }

    /// An own registration that was paid for earlier and is still good.
    async fn kept_registration(
        &self,
        view: &View,
        metadata: &VerifiedMetadata,
        epochs: u32,
    ) -> Result<Option<Registration>, ClientError> {
        let chain = &self.inner.chain;
        let id = *metadata.blob_id();
        if let Some(known) = self.inner.registrations.get(&id) {
            let needed = view.epoch().get().saturating_add(epochs);
            let now = chain.blob_object(known.object_id).await?;
            if let Some(object) = now
                && object.blob_id == id
                && object.certified_epoch.is_none()
                && object.end_epoch.get() >= needed
            {
                let encoded_length = encoded_length(metadata);
                return Ok(Some(Registration {
                    object,
                    operation: ResourceOperation::ReuseRegistration { encoded_length },
                    cost: 0,
                    is_new: false,
                }));
            }
            self.inner.registrations.forget(&id);
        }
        Ok(None)
    }

    async fn new_registration(&self, metadata: &VerifiedMetadata, epochs: u32) -> Result<Registration, ClientError> {
        let wanted = RegisterBlob {
            blob_id: *metadata.blob_id(),
            root_hash: *metadata.root_hash(),
            size: metadata.unencoded_length(),
            encoding_type: metadata.encoding_type(),
            epochs_ahead: epochs,
            deletable: false,
        };
        let mut registered = self.inner.chain.register_blobs(&[wanted]).await?;
        let Registered { object, cost, encoded_length, .. } =
            registered.pop().ok_or_else(|| ClientError::Internal("the chain registered nothing".into()))?;
        Ok(Registration {
            object,
            operation: ResourceOperation::RegisterFromScratch { encoded_length, epochs_ahead: epochs },
            cost,
            is_new: true,
        })
    }

    /// Collects confirmations, unless the first round has, and certifies; starts again when the epoch changes in between.
    /// Gives the epoch of the certificate.
    async fn certify_rounds(
        &self,
        registration: &Registration,
        upload: &Uploading<'_>,
        mut round: Option<Round>,
    ) -> Result<Epoch, ClientError> {
        let changes_max = self.inner.config.store.epoch_changes_max;
        let blob_id = registration.object.blob_id;
        let (_registered, deadline) = watch::channel(Some(upload.deadline()));
        // Nodes may have their slivers from an earlier try, or from before the epoch changed: then they are only asked.
        let mut ask_first = !registration.is_new;
        for changes in 0.. {
            let Round { view, certificate } = match round.take() {
                Some(first) => first,
                None => {
                    let views = &self.inner.views;
                    let view = if changes == 0 { views.fresh().await? } else { views.refresh().await? };
                    if changes > changes_max {
                        return Err(ClientError::EpochKeepsChanging { blob_id, epoch: view.epoch(), changes });
                    }
                    upload.round(view, ask_first, deadline.clone()).await?
                }
            };
            if let Some(certificate) = certificate {
                upload.progress.phase("certify", None);
                if self.certify(registration, &certificate, view.epoch()).await? == Certified::Yes {
                    return Ok(view.epoch());
                }
            }
            tracing::info!(blob = %blob_id, epoch = %view.epoch(), "the epoch changed during a store: collecting again");
            ask_first = true;
        }
        unreachable!("the epoch changes a bounded number of times")
    }

    async fn certify(
        &self,
        registration: &Registration,
        certificate: &Certificate,
        epoch: Epoch,
    ) -> Result<Certified, ClientError> {
        let chain = &self.inner.chain;
        let object = registration.object.object_id;
        let error = match chain.certify_blob(object, certificate).await {
            Ok(_) => return Ok(Certified::Yes),
            Err(error) => error,
        };
        if matches!(error, ChainError::Reverted { .. }) && self.inner.views.refresh().await?.epoch() != epoch {
            return Ok(Certified::EpochChanged);
        }
        // The transaction may have happened though its receipt was not seen.
        match chain.blob_object(object).await {
            Ok(Some(now)) if now.certified_epoch.is_some() => Ok(Certified::Yes),
            _ => Err(error.into()),
        }
    }
}

/// What is uploaded, for however many rounds it takes.
struct Uploading<'a> {
    client: &'a FloeClient,
    slivers: Slivers,
    progress: Arc<dyn Progress>,
}

/// What a round of uploads gave.
struct Round {
    view: Arc<View>,
    /// `None`: the network is in another epoch by now.
    certificate: Option<Certificate>,
}

impl Uploading<'_> {
    /// When a store that is registered now must be certified.
    fn deadline(&self) -> Instant {
        let config = &self.client.inner.config.store;
        let length = encoded_length(self.slivers.metadata());
        Instant::now() + scaled(config.deadline_base, length, config.encoded_bytes_per_second_min)
    }

    /// Sends to the committee of the view and collects. `deadline` is set from the registration on.
    async fn round(
        &self,
        view: Arc<View>,
        ask_first: bool,
        deadline: watch::Receiver<Option<Instant>>,
    ) -> Result<Round, ClientError> {
        let collection = Collection {
            client: self.client,
            view: view.clone(),
            slivers: self.slivers.clone(),
            ask_first,
            deadline,
            progress: self.progress.clone(),
        };
        Ok(Round { view, certificate: collection.run().await? })
    }
}

#[derive(PartialEq, Eq)]
enum Certified {
    Yes,
    EpochChanged,
}

fn check_epochs(view: &View, epochs: u32) -> Result<(), ClientError> {
    let max = view.info.max_epochs_ahead;
    if (1..=max).contains(&epochs) {
        return Ok(());
    }
    Err(ClientError::EpochsOutOfRange { got: epochs, max })
}

fn check_size(params: EncodingParams, size: u64) -> Result<(), ClientError> {
    let max = params.max_blob_size();
    if size <= max {
        return Ok(());
    }
    Err(ClientError::BlobTooLarge { size, max, n_shards: params.n_shards() })
}

/// Bytes of all slivers and metadata copies, as priced (encoding.md section 14).
pub(crate) fn encoded_length(metadata: &VerifiedMetadata) -> u64 {
    metadata.params().encoded_length(metadata.unencoded_length()).unwrap_or(u64::MAX)
}

fn newly_created(registration: Registration, metadata: &VerifiedMetadata, certified: Epoch) -> BlobStoreResult {
    let object = registration.object;
    BlobStoreResult::NewlyCreated(NewlyCreated {
        blob_object: api::BlobObject {
            id: object.object_id,
            registered_epoch: object.registered_epoch,
            blob_id: object.blob_id,
            size: object.size,
            encoding_type: object.encoding_type,
            certified_epoch: Some(certified),
            storage: StorageResource {
                id: object.object_id,
                start_epoch: object.registered_epoch,
                end_epoch: object.end_epoch,
                storage_size: encoded_length(metadata),
            },
            deletable: false,
        },
        resource_operation: registration.operation,
        cost: u64::try_from(registration.cost).unwrap_or(u64::MAX),
        shared_blob_object: None,
    })
}
