//! The control plane as everything above it sees it.

use async_trait::async_trait;
use floe_protocol::{BatchDomain, Certificate, Committee, Epoch, ObjectId};
use floe_redstuff::BlobId;

use crate::{
    Address, Balances, BlobObject, ChainError, ChainEvent, DueRenewal, EpochStep, EventCursor, EventStream, Extended,
    NetworkInfo, RegisterBlob, Registered, Renewed, StorageResource, SubsidiesPaid, TxHash,
};

/// Who stores what, until when, and who vouched for it.
///
/// An implementation answers from the chain and believes nothing else: what it returns is as the latest block has it,
/// and a transaction counts as done at the configured confirmation depth. Reads are retried for some seconds when the
/// endpoint does not answer. All methods may be called at once from many tasks.
#[async_trait]
pub trait ControlPlane: Send + Sync + 'static {
    /// Rules, prices and the current epoch.
    async fn network(&self) -> Result<NetworkInfo, ChainError>;

    /// The committee of the current epoch, with the nodes' addresses. Every key is validated.
    ///
    /// # Errors
    /// [`ChainError::BadCommittee`] also before the network was launched.
    async fn committee(&self) -> Result<Committee, ChainError>;

    /// Registers and pays for blobs; the results are in the same order. Needs a wallet; sees to the allowance.
    ///
    /// The registrations are separate transactions under way at once. All of them are waited for; if any failed, the
    /// first failure in order is returned, and the others stay registered.
    async fn register_blobs(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError>;

    /// Registers and pays for blobs in one transaction: all of them, or none. All must be for as many epochs and for the
    /// same owner. At most [`BATCH_REGISTRATIONS_MAX`](crate::BATCH_REGISTRATIONS_MAX), so that the transaction fits.
    async fn register_batch(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError>;

    /// Registers a blob in storage that the wallet owns, which gives up the blob's encoded length; only writing is paid
    /// for. The registration ends where the storage does.
    async fn register_in_storage(&self, blob: &RegisterBlob, storage: ObjectId) -> Result<Registered, ChainError>;

    /// Registers a blob in a pool of the wallet's, where it takes its encoded length; only writing is paid for. The
    /// registration is the pool's owner's and ends with the pool, whatever the blob asks for.
    ///
    /// # Errors
    /// [`ChainError::InvalidArgument`] if there is no such pool; [`ChainError::Reverted`]: `PoolFull`, `BlobExpired` if the
    /// pool has ended, or it is not the wallet's.
    async fn register_in_pool(&self, blob: &RegisterBlob, pool: u64) -> Result<Registered, ChainError>;

    /// Hands in a certificate of storage for a registration. Anyone with a wallet may.
    async fn certify_blob(&self, object: ObjectId, certificate: &Certificate) -> Result<TxHash, ChainError>;

    /// Hands in one certificate for many registrations, in the order that was signed. Those that are certified already stay
    /// as they are.
    async fn certify_batch(&self, objects: &[ObjectId], certificate: &Certificate) -> Result<TxHash, ChainError>;

    /// For which contract [`certify_batch`](Self::certify_batch) takes certificates.
    fn batch_domain(&self) -> BatchDomain;

    /// Hands in a certificate that a blob is encoded inconsistently: nobody answers for it any more, forever. `None` if it
    /// is marked so already.
    async fn invalidate_blob(&self, blob: &BlobId, certificate: &Certificate) -> Result<Option<TxHash>, ChainError>;

    /// The state of a registration; `None` if there is none of this id.
    async fn blob_object(&self, object: ObjectId) -> Result<Option<BlobObject>, ChainError>;

    /// Registrations outside of pools that an account owns now, the oldest first.
    async fn owned_blobs(&self, owner: Address) -> Result<Vec<BlobObject>, ChainError>;

    /// All registrations of one blob that there are, whoever owns them, in pools too, the oldest first. Found in the history of the chain,
    /// which may take a while.
    async fn blob_registrations(&self, blob: &BlobId) -> Result<Vec<BlobObject>, ChainError>;

    /// Registrations of one blob outside of pools that an account owns now, the oldest first.
    async fn owned_registrations(&self, blob: &BlobId, owner: Address) -> Result<Vec<BlobObject>, ChainError>;

    /// Registrations of one blob that are in a pool now, the oldest first.
    async fn pool_registrations(&self, blob: &BlobId, pool: u64) -> Result<Vec<BlobObject>, ChainError>;

    /// Storage that an account owns and that has not ended, the oldest first.
    async fn owned_storage(&self, owner: Address) -> Result<Vec<StorageResource>, ChainError>;

    /// Pays for more epochs of a certified registration. Anyone with a wallet may.
    async fn extend_blob(&self, object: ObjectId, epochs: u32) -> Result<Extended, ChainError>;

    /// Deletes a deletable registration of the wallet's; its storage comes back as a resource.
    async fn delete_blob(&self, object: ObjectId) -> Result<TxHash, ChainError>;

    /// Blobs that can be renewed from their own funds now, the highest reward first.
    async fn due_renewals(&self) -> Result<Vec<DueRenewal>, ChainError>;

    /// Extends a blob from its own fund when its end is near. Anyone with a wallet may, and receives the reward.
    async fn renew_blob(&self, object: ObjectId) -> Result<Renewed, ChainError>;

    /// First epoch in which the certified blob is no longer paid for, also when that is past. Only registrations that
    /// nobody can delete count. `None`: there is no certified one, or the blob is invalid.
    async fn available_until(&self, blob: &BlobId) -> Result<Option<Epoch>, ChainError>;

    /// The latest event that certified this blob; `None` where [`available_until`](Self::available_until) is `None`.
    async fn certified_event(&self, blob: &BlobId) -> Result<Option<ChainEvent>, ChainError>;

    /// The committee of the previous, the current or, once it is selected, the next epoch; `None` for any other epoch.
    async fn committee_of(&self, epoch: Epoch) -> Result<Option<Committee>, ChainError>;

    /// Takes the clock's next step if it is due: the end of a change that did not get its quorum, the selection of the
    /// next committee, or the beginning of the next epoch. Which one this call took; `None` also when somebody else
    /// was faster.
    async fn advance_epoch_if_due(&self) -> Result<Option<EpochStep>, ChainError>;

    /// Has the subsidies of this epoch paid out if that is due: the next committee is selected, rates are set, nobody has
    /// done it in this epoch, and there is something to pay for which the pot is enough. `None` also when somebody else
    /// was faster. Anyone with a wallet may. What users pay for an epoch afterwards is not subsidized, so it is best
    /// called shortly before the epoch ends.
    async fn process_subsidies_if_due(&self) -> Result<Option<SubsidiesPaid>, ChainError>;

    /// Reports that the wallet's node holds all of its shards in the current epoch. Whether this call did it: false if
    /// the node has reported before, is no member, or the epoch is over.
    async fn report_synced(&self, epoch: Epoch) -> Result<bool, ChainError>;

    /// Everything that happened after the cursor, in order, then whatever happens, for as long as the stream is held.
    async fn events(&self, after: EventCursor) -> Result<EventStream, ChainError>;

    /// The account that signs and pays; `None` for a reader.
    fn signer_address(&self) -> Option<Address>;

    /// What that account holds.
    ///
    /// # Errors
    /// [`ChainError::NoWallet`] for a reader.
    async fn balances(&self) -> Result<Balances, ChainError>;
}
