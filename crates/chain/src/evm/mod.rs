//! The control plane on an EVM chain.

pub(crate) mod convert;
mod epochs;
mod intents;
mod nodes;
mod ownership;
mod pools;
mod read;
mod renewals;
mod resources;
mod stake;
mod subsidies;
mod votes;
mod write;

pub use write::BATCH_REGISTRATIONS_MAX;

use std::sync::{Arc, atomic::AtomicBool};

use alloy::primitives::Bytes;
use async_trait::async_trait;
use floe_protocol::{BatchDomain, Certificate, Committee, Epoch, ObjectId};
use floe_redstuff::{BlobId, EncodingParams};
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};

use crate::{
    Address, Balances, BlobObject, ChainConfig, ChainError, ChainEvent, ControlPlane, DueRenewal, EndpointStatus,
    EpochStep, EventCursor, EventStream, Extended, NetworkInfo, RegisterBlob, Registered, Renewed, StorageResource,
    SubsidiesPaid, TxHash, Wallet, follow::Follow, rpc::Rpc, send::Sender,
};

/// The contracts of a network, reached over JSON-RPC. Clones share the connection, the caches and the wallet.
#[derive(Clone)]
pub struct EvmChain {
    inner: Arc<Inner>,
}

struct Inner {
    rpc: Rpc,
    config: ChainConfig,
    chain_id: u64,
    sender: Option<Arc<Sender>>,
    constants: OnceCell<Constants>,
    allowance: Allowance,
    token_signatures: OnceCell<intents::TokenSignatures>,
    /// Prices of storage and of writing as last seen; what may be taken is derived from them.
    prices: std::sync::Mutex<Option<(u128, u128)>>,
    funded: Mutex<renewals::Funded>,
}

/// What never changes in the life of a network.
#[derive(Debug, Clone)]
struct Constants {
    params: EncodingParams,
    epoch_duration_secs: u64,
    max_epochs_ahead: u32,
    token_symbol: String,
    token_decimals: u8,
}

/// Whether the storage contract may take the wallet's tokens.
#[derive(Default)]
struct Allowance {
    ample: AtomicBool,
    /// Held while it is looked up or given, so that it is given once.
    asking: Mutex<()>,
}

impl EvmChain {
    /// Connects, and makes sure that the endpoint serves the right chain and that the contracts are there. Of several
    /// endpoints one is enough; those that are down or serve another chain are passed over.
    ///
    /// Without a wallet the result can only read.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`] after some seconds without an answer, [`ChainError::WrongChain`],
    /// [`ChainError::NoContract`], [`ChainError::InvalidUrl`].
    pub async fn connect(config: ChainConfig, wallet: Option<Wallet>) -> Result<Self, ChainError> {
        let rpc = Rpc::new(config.endpoints(), config.rpc_lag_blocks_max)?;
        let chain_id = rpc.expect_chain(config.chain_id).await?;
        if rpc.is_several() {
            rpc.compare_heads().await;
        }
        let contracts = config.contracts;
        for (contract, address) in [
            ("Committee", contracts.committee),
            ("Nodes", contracts.nodes),
            ("Staking", contracts.staking),
            ("Epochs", contracts.epochs),
            ("Blobs", contracts.blobs),
            ("Pools", contracts.pools),
            ("Storage", contracts.storage),
            ("Availability", contracts.availability),
            ("Intents", contracts.intents),
            ("payment token", contracts.payment_token),
        ] {
            let code: Bytes = rpc.get("eth_getCode", json!([address.evm(), "latest"])).await?;
            if code.is_empty() {
                return Err(ChainError::NoContract { contract, address });
            }
        }
        let poll = config.poll_interval(rpc.is_local());
        let sender = wallet.map(|wallet| Sender::new(rpc.clone(), wallet, chain_id, config.confirmations, poll));
        let inner = Inner {
            rpc,
            config,
            chain_id,
            sender,
            constants: OnceCell::new(),
            allowance: Allowance::default(),
            token_signatures: OnceCell::new(),
            prices: std::sync::Mutex::default(),
            funded: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How this was configured.
    #[must_use]
    pub fn config(&self) -> &ChainConfig {
        &self.inner.config
    }

    /// How each endpoint is doing, in the order of the configuration.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        self.inner.rpc.statuses()
    }
}

impl std::fmt::Debug for EvmChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvmChain")
            .field("config", &self.inner.config)
            .field("chain_id", &self.inner.chain_id)
            .field("account", &self.signer_address())
            .finish()
    }
}

#[async_trait]
impl ControlPlane for EvmChain {
    async fn network(&self) -> Result<NetworkInfo, ChainError> {
        self.inner.network().await
    }

    async fn committee(&self) -> Result<Committee, ChainError> {
        self.inner.committee().await
    }

    async fn register_blobs(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        self.inner.register_blobs(blobs).await
    }

    async fn register_batch(&self, blobs: &[RegisterBlob]) -> Result<Vec<Registered>, ChainError> {
        self.inner.register_batch(blobs).await
    }

    async fn register_in_storage(&self, blob: &RegisterBlob, storage: ObjectId) -> Result<Registered, ChainError> {
        self.inner.register_in_storage(blob, storage).await
    }

    async fn register_in_pool(&self, blob: &RegisterBlob, pool: u64) -> Result<Registered, ChainError> {
        self.inner.register_in_pool(blob, pool).await
    }

    async fn certify_blob(&self, object: ObjectId, certificate: &Certificate) -> Result<TxHash, ChainError> {
        self.inner.certify_blob(object, certificate).await
    }

    async fn certify_batch(&self, objects: &[ObjectId], certificate: &Certificate) -> Result<TxHash, ChainError> {
        self.inner.certify_batch(objects, certificate).await
    }

    fn batch_domain(&self) -> BatchDomain {
        BatchDomain { chain_id: self.inner.chain_id, contract: *self.inner.config.contracts.blobs.as_bytes() }
    }

    async fn invalidate_blob(&self, blob: &BlobId, certificate: &Certificate) -> Result<Option<TxHash>, ChainError> {
        self.inner.invalidate_blob(blob, certificate).await
    }

    async fn blob_object(&self, object: ObjectId) -> Result<Option<BlobObject>, ChainError> {
        self.inner.blob_object(object).await
    }

    async fn owned_blobs(&self, owner: Address) -> Result<Vec<BlobObject>, ChainError> {
        self.inner.owned_blobs(owner).await
    }

    async fn blob_registrations(&self, blob: &BlobId) -> Result<Vec<BlobObject>, ChainError> {
        self.registrations_of(blob).await
    }

    async fn owned_registrations(&self, blob: &BlobId, owner: Address) -> Result<Vec<BlobObject>, ChainError> {
        if !self.inner.owns_any(owner, self.inner.config.contracts.blobs).await? {
            return Ok(Vec::new());
        }
        // By the blob, so that an account may own any number of others.
        let found = self.registrations_of(blob).await?;
        Ok(found.into_iter().filter(|object| object.owner == owner && object.pool().is_none()).collect())
    }

    async fn pool_registrations(&self, blob: &BlobId, pool: u64) -> Result<Vec<BlobObject>, ChainError> {
        self.inner.registered_in_pool(pool, Some(blob)).await
    }

    async fn owned_storage(&self, owner: Address) -> Result<Vec<StorageResource>, ChainError> {
        if !self.inner.owns_any(owner, self.inner.config.contracts.storage).await? {
            return Ok(Vec::new());
        }
        let (epoch, resources) = tokio::try_join!(self.inner.epoch(), self.resources(owner))?;
        Ok(resources.into_iter().filter(|resource| resource.end_epoch > epoch).collect())
    }

    async fn extend_blob(&self, object: ObjectId, epochs: u32) -> Result<Extended, ChainError> {
        self.inner.extend_blob(object, epochs).await
    }

    async fn delete_blob(&self, object: ObjectId) -> Result<TxHash, ChainError> {
        self.inner.delete_blob(object).await
    }

    async fn due_renewals(&self) -> Result<Vec<DueRenewal>, ChainError> {
        self.inner.due_renewals().await
    }

    async fn renew_blob(&self, object: ObjectId) -> Result<Renewed, ChainError> {
        self.inner.renew_blob(object).await
    }

    async fn available_until(&self, blob: &BlobId) -> Result<Option<Epoch>, ChainError> {
        self.inner.available_until(blob).await
    }

    async fn certified_event(&self, blob: &BlobId) -> Result<Option<ChainEvent>, ChainError> {
        self.inner.certified_event(blob).await
    }

    async fn committee_of(&self, epoch: Epoch) -> Result<Option<Committee>, ChainError> {
        self.inner.committee_of(epoch).await
    }

    async fn advance_epoch_if_due(&self) -> Result<Option<EpochStep>, ChainError> {
        self.inner.advance_epoch_if_due().await
    }

    async fn process_subsidies_if_due(&self) -> Result<Option<SubsidiesPaid>, ChainError> {
        self.inner.process_subsidies_if_due().await
    }

    async fn report_synced(&self, epoch: Epoch) -> Result<bool, ChainError> {
        self.inner.report_synced(epoch).await
    }

    async fn events(&self, after: EventCursor) -> Result<EventStream, ChainError> {
        let Inner { rpc, config, .. } = &*self.inner;
        Ok(Follow::new(rpc.clone(), config).events(after))
    }

    fn signer_address(&self) -> Option<Address> {
        self.inner.sender.as_ref().map(|sender| sender.address())
    }

    async fn balances(&self) -> Result<Balances, ChainError> {
        self.inner.balances().await
    }
}
