//! Storing: encode, register, upload, collect confirmations, certify.

mod batch;
mod body;
mod collect;
mod many;
mod registrations;
mod slivers;
mod spool;
mod tails;
mod together;
mod upload;

use std::{io, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use floe_chain::{BlobObject, ChainError};
use floe_protocol::{
    Certificate, Epoch, Persistence,
    api::{self, BlobStoreResult, NewlyCreated, ResourceOperation, StorageResource},
};
use floe_redstuff::{BlobSource, EncodingParams, VerifiedMetadata};
use tokio::{sync::watch, time::Instant};

pub use many::BlobInput;
pub(crate) use registrations::OpenRegistrations;
pub(crate) use tails::Tails;
pub(crate) use together::Together;

use crate::{
    FloeClient,
    config::{Progress, StoreOptions, scaled, watched},
    error::ClientError,
    source::FileSource,
    view::View,
};
use collect::Collection;
use registrations::{Registration, Standing};
use slivers::{Input, Slivers};

/// A blob whose slivers are no longer than this is sent to the nodes while its registration is on the way. Nodes keep
/// what they get until then in memory.
const EARLY_ENCODED_BYTES_MAX: u64 = 8 << 20;

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
        let _under_way = self.inner.together.enter();
        let view = self.inner.views.fresh().await?;
        check_epochs(&view, &options)?;
        check_size(view.params(), input.length())?;

        progress.phase("encode", Some(input.length()));
        let slivers = input.encode(view.params(), &self.inner.config.store, progress.clone()).await?;
        self.store_encoded(&view, slivers, &options, progress).await
    }

    async fn store_encoded(
        &self,
        view: &Arc<View>,
        slivers: Slivers,
        options: &StoreOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<BlobStoreResult, ClientError> {
        let metadata = slivers.metadata().clone();
        let found = match self.standing(view, &metadata, options).await? {
            Standing::Certified(found) => return Ok(BlobStoreResult::AlreadyCertified(found)),
            Standing::TooShort(object, lacking) => return self.extended(object, lacking, &metadata).await,
            Standing::Open(registration) => Some(registration),
            Standing::Nothing => None,
        };

        progress.phase("register", None);
        let upload = Uploading { client: self, slivers, deletable: options.deletable, progress: progress.clone() };
        let (registration, round) = match found {
            Some(registration) => (registration, None),
            // What is in pools cannot be certified together.
            None if options.pool.is_none()
                && self.inner.together.is_crowded()
                && encoded_length(&metadata) <= EARLY_ENCODED_BYTES_MAX =>
            {
                let stored = self.store_together(view, &upload, options).await?;
                return Ok(BlobStoreResult::NewlyCreated(stored));
            }
            None => self.register(view, &metadata, options, &upload).await?,
        };
        self.certified(registration, round, &upload, options).await.map(BlobStoreResult::NewlyCreated)
    }

    /// Uploads what is registered, unless the first round has, and certifies it.
    async fn certified(
        &self,
        registration: Registration,
        round: Option<Round>,
        upload: &Uploading<'_>,
        options: &StoreOptions,
    ) -> Result<NewlyCreated, ClientError> {
        let certified_epoch = self.certify_rounds(&registration, upload, round).await?;
        self.finished(registration, certified_epoch, upload.slivers.metadata(), options).await
    }

    /// What follows once a blob is certified.
    async fn finished(
        &self,
        mut registration: Registration,
        certified_epoch: Epoch,
        metadata: &VerifiedMetadata,
        options: &StoreOptions,
    ) -> Result<NewlyCreated, ClientError> {
        registration.object.certified_epoch = Some(certified_epoch);
        self.inner.registrations.forget(metadata.blob_id(), options);
        if registration.epochs_lacking > 0 {
            let extended =
                self.inner.chain.extend_blob(registration.object.object_id, registration.epochs_lacking).await?;
            registration.object.end_epoch = extended.end_epoch;
            registration.cost += extended.cost;
        }
        self.inner.metadata.keep(metadata, self.inner.config.read.cached_metadata_max);
        self.inner.promises.keep(metadata.blob_id(), registration.object.end_epoch);
        Ok(newly_created(registration, metadata))
    }

    /// Buys more epochs for a blob that is certified: nothing needs to be sent.
    async fn extended(
        &self,
        mut object: BlobObject,
        lacking: u32,
        metadata: &VerifiedMetadata,
    ) -> Result<BlobStoreResult, ClientError> {
        let extended = self.inner.chain.extend_blob(object.object_id, lacking).await?;
        object.end_epoch = extended.end_epoch;
        let encoded_length = encoded_length(metadata);
        let operation = ResourceOperation::ReuseAndExtend { encoded_length, epochs_extended: lacking };
        let registration = Registration { object, operation, cost: extended.cost, is_new: false, epochs_lacking: 0 };
        Ok(BlobStoreResult::NewlyCreated(newly_created(registration, metadata)))
    }

    /// Waits until the uploads in the background are done, or until `limit` is over; then ends those that remain.
    pub async fn drain(&self, limit: Duration) {
        self.inner.tails.drain(limit).await;
    }

    /// A new registration. While it is on its way, nodes may receive and check a small blob already: then the first round
    /// of confirmations comes with it.
    async fn register(
        &self,
        view: &Arc<View>,
        metadata: &VerifiedMetadata,
        options: &StoreOptions,
        upload: &Uploading<'_>,
    ) -> Result<(Registration, Option<Round>), ClientError> {
        let registering = self.register_anew(view, metadata, options);
        if encoded_length(metadata) > EARLY_ENCODED_BYTES_MAX {
            return Ok((registering.await?, None));
        }
        let (known, registered) = watch::channel(None);
        let early = upload.round(view.clone(), false, registered);
        tokio::pin!(registering, early);
        // A registration that was sent is always waited for, also if the uploads fail meanwhile: it is paid for.
        let (registration, round) = tokio::select! {
            biased;
            registration = &mut registering => (registration?, None),
            round = &mut early => (registering.await?, Some(round)),
        };
        known.send_replace(Some(upload.registered(&registration.object)));
        let round = match round {
            Some(round) => round?,
            None => early.await?,
        };
        Ok((registration, Some(round)))
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
        let (_known, registered) = watch::channel(Some(upload.registered(&registration.object)));
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
                    upload.round(view, ask_first, registered.clone()).await?
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

/// What uploads need to know of a registration.
#[derive(Debug, Clone, Copy)]
struct Registered {
    /// Which confirmations count.
    persistence: Persistence,
    /// When it must be certified.
    deadline: Instant,
}

/// What is uploaded, for however many rounds it takes.
struct Uploading<'a> {
    client: &'a FloeClient,
    slivers: Slivers,
    deletable: bool,
    progress: Arc<dyn Progress>,
}

/// What a round of uploads gave.
struct Round {
    view: Arc<View>,
    /// `None`: the network is in another epoch by now.
    certificate: Option<Certificate>,
}

impl Uploading<'_> {
    /// What is to be known of a store that is registered now.
    fn registered(&self, object: &BlobObject) -> Registered {
        let config = &self.client.inner.config.store;
        let length = encoded_length(self.slivers.metadata());
        let limit = scaled(config.deadline_base, length, config.encoded_bytes_per_second_min);
        Registered { persistence: object.persistence(), deadline: Instant::now() + limit }
    }

    /// Sends to the committee of the view and collects. `registered` is set from the registration on.
    async fn round(
        &self,
        view: Arc<View>,
        ask_first: bool,
        registered: watch::Receiver<Option<Registered>>,
    ) -> Result<Round, ClientError> {
        let collection = Collection {
            client: self.client,
            view: view.clone(),
            slivers: self.slivers.clone(),
            ask_first,
            deletable: self.deletable,
            registered,
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

fn check_epochs(view: &View, options: &StoreOptions) -> Result<(), ClientError> {
    let max = view.info.max_epochs_ahead;
    if options.pool.is_some() || (1..=max).contains(&options.epochs) {
        return Ok(());
    }
    Err(ClientError::EpochsOutOfRange { got: options.epochs, max })
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

fn newly_created(registration: Registration, metadata: &VerifiedMetadata) -> NewlyCreated {
    let object = registration.object;
    NewlyCreated {
        blob_object: api::BlobObject {
            id: object.object_id,
            registered_epoch: object.registered_epoch,
            blob_id: object.blob_id,
            size: object.size,
            encoding_type: object.encoding_type,
            certified_epoch: object.certified_epoch,
            storage: StorageResource {
                id: object.object_id,
                start_epoch: object.registered_epoch,
                end_epoch: object.end_epoch,
                storage_size: encoded_length(metadata),
            },
            deletable: object.deletable,
        },
        resource_operation: registration.operation,
        cost: u64::try_from(registration.cost).unwrap_or(u64::MAX),
        shared_blob_object: None,
    }
}
