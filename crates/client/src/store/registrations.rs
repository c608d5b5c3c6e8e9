//! How a blob comes by a registration: one that is there already, storage that is owned, or money.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use floe_chain::{Address, BlobObject, ChainError, RegisterBlob, Registered, StorageResource};
use floe_protocol::{
    Epoch,
    api::{AlreadyCertified, CertifiedBy, EventId, ResourceOperation, TxDigest},
};
use floe_redstuff::{BlobId, VerifiedMetadata};

use super::encoded_length;
use crate::{FloeClient, config::StoreOptions, error::ClientError, view::View};

/// What a registration is asked for by: the blob, whether it is deletable, who is to own it, and the pool.
type Key = (BlobId, bool, Option<Address>, Option<u64>);

/// Registrations of this client that are paid for but not certified yet, to be used by the next try.
#[derive(Debug, Default)]
pub(crate) struct OpenRegistrations {
    open: Mutex<HashMap<Key, BlobObject>>,
}

impl OpenRegistrations {
    /// Tries that are remembered at most; beyond, any one is forgotten (and looked for on chain if it is tried again).
    const MAX: usize = 4096;

    pub(super) fn remember(&self, object: &BlobObject, options: &StoreOptions) {
        let mut open = self.lock();
        if open.len() >= Self::MAX
            && let Some(any) = open.keys().next().copied()
        {
            open.remove(&any);
        }
        open.insert(key(&object.blob_id, options), object.clone());
    }

    fn get(&self, id: &BlobId, options: &StoreOptions) -> Option<BlobObject> {
        self.lock().get(&key(id, options)).cloned()
    }

    pub(super) fn forget(&self, id: &BlobId, options: &StoreOptions) {
        self.lock().remove(&key(id, options));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, BlobObject>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(id: &BlobId, options: &StoreOptions) -> Key {
    (*id, options.deletable, options.owner, options.pool)
}

/// What a registration is, and how it came about.
#[derive(Debug, Clone)]
pub(super) struct Registration {
    pub(super) object: BlobObject,
    pub(super) operation: ResourceOperation,
    pub(super) cost: u128,
    /// Whether nodes cannot have slivers for it yet.
    pub(super) is_new: bool,
    /// Epochs that are bought once it is certified.
    pub(super) epochs_lacking: u32,
}

/// What there is of a blob before anything is bought.
pub(super) enum Standing {
    /// It is certified for long enough.
    Certified(AlreadyCertified),
    /// It is certified, but has to be extended by so many epochs.
    TooShort(BlobObject, u32),
    /// A registration without a certificate.
    Open(Registration),
    Nothing,
}

impl FloeClient {
    /// What of the blob is there already that the options allow to use.
    pub(super) async fn standing(
        &self,
        view: &View,
        metadata: &VerifiedMetadata,
        options: &StoreOptions,
    ) -> Result<Standing, ClientError> {
        let until = end_of(view, options);
        if !options.force
            && !options.deletable
            && options.pool.is_none()
            && let Some(found) = self.certified_for_everyone(metadata.blob_id(), until).await?
        {
            return Ok(Standing::Certified(found));
        }
        if let Some(object) = self.remembered(metadata.blob_id(), until, options).await? {
            return Ok(Standing::Open(reused(object, metadata, until)));
        }
        match options.reuse_resources {
            true => self.owned(view, metadata, options).await,
            false => Ok(Standing::Nothing),
        }
    }

    /// By a permanent registration, whoever owns it.
    async fn certified_for_everyone(&self, id: &BlobId, until: Epoch) -> Result<Option<AlreadyCertified>, ClientError> {
        let chain = &self.inner.chain;
        let Some(end_epoch) = chain.available_until(id).await?.filter(|end| *end >= until) else {
            return Ok(None);
        };
        let event = chain.certified_event(id).await?;
        Ok(event.map(|event| {
            let tx_digest = TxDigest::from_bytes(*event.tx.as_bytes());
            let event = EventId { tx_digest, event_seq: event.cursor.log_index };
            AlreadyCertified { blob_id: *id, certified_by: CertifiedBy::Event(event), end_epoch }
        }))
    }

    /// A registration that this client has paid for earlier and that is still good.
    async fn remembered(
        &self,
        id: &BlobId,
        until: Epoch,
        options: &StoreOptions,
    ) -> Result<Option<BlobObject>, ClientError> {
        let registrations = &self.inner.registrations;
        let Some(known) = registrations.get(id, options) else { return Ok(None) };
        let now = self.inner.chain.blob_object(known.object_id).await?;
        let good = |object: &BlobObject| {
            object.blob_id == *id && object.certified_epoch.is_none() && object.end_epoch >= until
        };
        let found = now.filter(good);
        if found.is_none() {
            registrations.forget(id, options);
        }
        Ok(found)
    }

    /// What the account has that is to own the blob, or the pool, from whatever earlier process.
    async fn owned(
        &self,
        view: &View,
        metadata: &VerifiedMetadata,
        options: &StoreOptions,
    ) -> Result<Standing, ClientError> {
        let chain = &self.inner.chain;
        let Some(owner) = options.owner.or_else(|| chain.signer_address()) else { return Ok(Standing::Nothing) };
        let until = end_of(view, options);
        let owned = match options.pool {
            Some(pool) => chain.pool_registrations(metadata.blob_id(), pool).await?,
            None => chain.owned_registrations(metadata.blob_id(), owner).await?,
        };
        let usable = |object: &BlobObject| object.deletable == options.deletable && object.end_epoch > view.epoch();
        let (certified, open): (Vec<_>, Vec<_>) =
            owned.into_iter().filter(usable).partition(|object| object.certified_epoch.is_some());
        let longest = |objects: Vec<BlobObject>| objects.into_iter().max_by_key(|object| object.end_epoch);
        let certified = longest(certified).filter(|_| !options.force);
        Ok(match (certified, longest(open)) {
            (Some(object), _) if object.end_epoch >= until => Standing::Certified(AlreadyCertified {
                blob_id: object.blob_id,
                certified_by: CertifiedBy::Object(object.object_id),
                end_epoch: object.end_epoch,
            }),
            (_, Some(object)) if object.end_epoch >= until => Standing::Open(reused(object, metadata, until)),
            (Some(object), _) => {
                let lacking = until.get() - object.end_epoch.get();
                Standing::TooShort(object, lacking)
            }
            (None, Some(object)) => Standing::Open(reused(object, metadata, until)),
            (None, None) => Standing::Nothing,
        })
    }

    /// Registers: in the pool that was named; else in storage that is owned, where that is allowed and some fits, or for
    /// money.
    pub(super) async fn register_anew(
        &self,
        view: &View,
        metadata: &VerifiedMetadata,
        options: &StoreOptions,
    ) -> Result<Registration, ClientError> {
        let wanted = order(metadata, options);
        let registered = match options.pool {
            Some(pool) => Some(self.register_in_pool(&wanted, pool).await?),
            None => self.register_in_owned_storage(view, metadata, &wanted, options).await?,
        };
        let registration = match registered {
            Some(registered) => {
                let encoded_length = registered.encoded_length;
                new_registration(registered, ResourceOperation::ReuseStorage { encoded_length })
            }
            None => {
                let registered = self.inner.chain.register_blobs(&[wanted]).await;
                let mut registered = registered.map_err(|error| of_blob(error, metadata.blob_id()))?;
                let registered =
                    registered.pop().ok_or_else(|| ClientError::Internal("the chain registered nothing".into()))?;
                bought(registered, options)
            }
        };
        self.inner.registrations.remember(&registration.object, options);
        Ok(registration)
    }

    async fn register_in_pool(&self, wanted: &RegisterBlob, pool: u64) -> Result<Registered, ClientError> {
        let registered = self.inner.chain.register_in_pool(wanted, pool).await;
        registered.map_err(|error| of_blob(error, &wanted.blob_id))
    }

    async fn register_in_owned_storage(
        &self,
        view: &View,
        metadata: &VerifiedMetadata,
        wanted: &RegisterBlob,
        options: &StoreOptions,
    ) -> Result<Option<Registered>, ClientError> {
        let chain = &self.inner.chain;
        let Some(account) = chain.signer_address().filter(|_| options.reuse_resources) else { return Ok(None) };
        let storage = chain.owned_storage(account).await?;
        let until = end_of(view, options);
        let Some(storage) = fitting(&storage, view.epoch(), until, encoded_length(metadata)) else { return Ok(None) };
        match chain.register_in_storage(wanted, storage.id).await {
            Ok(registered) => Ok(Some(registered)),
            // Something else has used it meanwhile.
            Err(error @ ChainError::Reverted { .. }) => {
                tracing::info!(storage = %storage.id, %error, "storage that is owned could not be used; buying");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// First epoch that the caller does not ask for. In a pool, whatever has not ended lasts long enough.
pub(super) fn end_of(view: &View, options: &StoreOptions) -> Epoch {
    let epochs = if options.pool.is_some() { 1 } else { options.epochs };
    Epoch(view.epoch().get().saturating_add(epochs))
}

/// What is asked of the chain.
pub(super) fn order(metadata: &VerifiedMetadata, options: &StoreOptions) -> RegisterBlob {
    RegisterBlob {
        blob_id: *metadata.blob_id(),
        root_hash: *metadata.root_hash(),
        size: metadata.unencoded_length(),
        encoding_type: metadata.encoding_type(),
        epochs_ahead: options.epochs,
        deletable: options.deletable,
        owner: options.owner,
    }
}

/// A registration that was paid for just now.
pub(super) fn bought(registered: Registered, options: &StoreOptions) -> Registration {
    let encoded_length = registered.encoded_length;
    let operation = ResourceOperation::RegisterFromScratch { encoded_length, epochs_ahead: options.epochs };
    new_registration(registered, operation)
}

fn new_registration(registered: Registered, operation: ResourceOperation) -> Registration {
    let Registered { object, cost, .. } = registered;
    Registration { object, operation, cost, is_new: true, epochs_lacking: 0 }
}

fn reused(object: BlobObject, metadata: &VerifiedMetadata, until: Epoch) -> Registration {
    let encoded_length = encoded_length(metadata);
    let epochs_lacking = until.get().saturating_sub(object.end_epoch.get());
    let operation = match epochs_lacking {
        0 => ResourceOperation::ReuseRegistration { encoded_length },
        lacking => ResourceOperation::ReuseAndExtendNonCertified { encoded_length, epochs_extended: lacking },
    };
    Registration { object, operation, cost: 0, is_new: false, epochs_lacking }
}

/// Of the storage that holds the blob for long enough, that which is given away least.
fn fitting(storage: &[StorageResource], now: Epoch, until: Epoch, length: u64) -> Option<StorageResource> {
    let fits =
        |storage: &&StorageResource| storage.start_epoch <= now && storage.end_epoch >= until && storage.size >= length;
    storage.iter().filter(fits).min_by_key(|storage| (storage.end_epoch, storage.size)).copied()
}

/// The chain's refusal of a blob that it knows to be invalid, in the client's own words.
pub(super) fn of_blob(error: ChainError, id: &BlobId) -> ClientError {
    match error {
        ChainError::Reverted { name, .. } if name == "BlobInvalid" => ClientError::Invalid { blob_id: *id },
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use floe_protocol::ObjectId;

    use super::*;

    fn storage(number: u64, start: u32, end: u32, size: u64) -> StorageResource {
        StorageResource { id: ObjectId::from_number(number), start_epoch: Epoch(start), end_epoch: Epoch(end), size }
    }

    #[test]
    fn storage_is_not_wasted() {
        let owned = [
            storage(1, 1, 9, 100),
            storage(2, 1, 8, 500),
            storage(3, 1, 8, 200),
            storage(4, 1, 8, 99),
            storage(5, 1, 7, 100),
            storage(6, 6, 8, 100),
        ];
        let chosen = |until, length| fitting(&owned, Epoch(5), Epoch(until), length).and_then(|s| s.id.to_number());
        assert_eq!(chosen(8, 100), Some(3), "the smallest of those that end first");
        assert_eq!(chosen(9, 100), Some(1));
        assert_eq!(chosen(10, 1), None, "none lasts that long");
        assert_eq!(chosen(6, 501), None, "none is that large");
        assert_eq!(fitting(&[], Epoch(5), Epoch(6), 1), None);
    }
}
