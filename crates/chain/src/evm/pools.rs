//! Pools: capacity that many blobs share, and the blobs in it.

use alloy::{
    primitives::{B256, U256},
    sol_types::{SolCall, SolEvent as _},
};
use floe_protocol::{Epoch, ObjectId};
use floe_redstuff::BlobId;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    EvmChain, Inner, convert,
    read::Search,
    write::{Order, with_margin},
};
use crate::{
    Address, BlobObject, ChainError, CreatedPool, DestroyedPool, Extended, Pool, RegisterBlob, Registered, ResizedPool,
    STORAGE_UNIT_BYTES, TxHash,
    bindings::{Pools, Storage},
    send::{Call, Mined},
};

/// Pools that are asked for at once.
const POOLS_AT_ONCE: usize = 16;
/// Registrations that are cleared away by one transaction.
const BURNED_AT_ONCE: usize = 64;

impl EvmChain {
    /// Buys a pool that can hold so many encoded bytes, from the current epoch on. It is the wallet's. Sees to the
    /// allowance.
    ///
    /// # Errors
    /// [`ChainError::InsufficientFunds`], or [`ChainError::Reverted`]: `CapacityExceeded`, `EpochsAheadOutOfRange`,
    /// `SizeOutOfRange`.
    pub async fn create_pool(&self, size: u64, epochs: u32) -> Result<CreatedPool, ChainError> {
        let inner = &self.inner;
        let owner = inner.sender()?.address().evm();
        let max_cost = inner.pool_price(size, epochs).await?;
        inner.created_pool(&Pools::createCall { size, epochs, maxCost: max_cost, owner }).await
    }

    /// Makes a pool of a resource of the wallet's that covers the current epoch.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `ResourceNotCovering`, `SizeOutOfRange`, or it is not the wallet's.
    pub async fn create_pool_with_resource(&self, resource: ObjectId) -> Result<CreatedPool, ChainError> {
        let owner = self.inner.sender()?.address().evm();
        let resource = convert::object_number(resource);
        self.inner.created_pool(&Pools::createWithResourceCall { resourceId: resource, owner }).await
    }

    /// A pool; `None` if there is none of this number, or none any more.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn pool(&self, pool: u64) -> Result<Option<Pool>, ChainError> {
        self.inner.storage_pool(pool).await
    }

    /// All pools that an account owns now, the oldest first; those that have ended too.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn pools(&self, owner: Address) -> Result<Vec<Pool>, ChainError> {
        let ids = self.inner.tokens_of(self.inner.config.contracts.pools, owner).await?;
        let ids: Vec<u64> =
            ids.into_iter().map(|id| convert::number("pool id", id.into())).collect::<Result<_, _>>()?;
        let found = stream::iter(ids.into_iter().map(|id| self.inner.storage_pool(id)));
        let found: Vec<Option<Pool>> = found.buffered(POOLS_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().filter(|pool| pool.owner == owner).collect())
    }

    /// The registrations that are in a pool now, the oldest first. Found in the history of the chain.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn pool_blobs(&self, pool: u64) -> Result<Vec<BlobObject>, ChainError> {
        self.inner.registered_in_pool(pool, None).await
    }

    /// Extends a pool in its full size, and with it every blob in it. Anyone may pay. Sees to the allowance.
    ///
    /// # Errors
    /// [`ChainError::InvalidArgument`] if there is no such pool; [`ChainError::InsufficientFunds`], or
    /// [`ChainError::Reverted`]: `BlobExpired` if it has ended, `EpochsAheadOutOfRange`, `CapacityExceeded`.
    pub async fn extend_pool(&self, pool: u64, epochs: u32) -> Result<Extended, ChainError> {
        let inner = &self.inner;
        let max_cost = inner.pool_price(inner.existing_pool(pool).await?.size, epochs).await?;
        let call = Pools::extendCall { poolId: U256::from(pool), epochs, maxCost: max_cost };
        let mined = inner.send_to_pools(&call).await?;
        let event: Pools::PoolExtended = convert::expect_event(&mined, inner.config.contracts.pools, "extend")?;
        Ok(Extended { end_epoch: Epoch(event.endEpoch), cost: convert::amount("cost", event.cost)?, tx: mined.tx })
    }

    /// Buys more encoded bytes for a pool of the wallet's, until its end. Sees to the allowance.
    ///
    /// # Errors
    /// [`ChainError::InvalidArgument`] if there is no such pool; [`ChainError::InsufficientFunds`], or
    /// [`ChainError::Reverted`]: `BlobExpired` if it has ended, `SizeOutOfRange`, `CapacityExceeded`, or it is not the
    /// wallet's.
    pub async fn increase_pool(&self, pool: u64, size: u64) -> Result<ResizedPool, ChainError> {
        let inner = &self.inner;
        let (end, now) = (inner.existing_pool(pool).await?.end_epoch, inner.epoch().await?);
        let max_cost = inner.pool_price(size, end.get().saturating_sub(now.get())).await?;
        inner.resized_pool(&Pools::increaseCall { poolId: U256::from(pool), size, maxCost: max_cost }).await
    }

    /// Puts a resource of the wallet's into a pool of the wallet's: it covers the current epoch and ends when the pool does.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `EndsDiffer`, `ResourceNotCovering`, `SizeOutOfRange`, `BlobExpired` if the pool has ended,
    /// or one of them is not the wallet's.
    pub async fn increase_pool_with_resource(&self, pool: u64, resource: ObjectId) -> Result<ResizedPool, ChainError> {
        let resource = convert::object_number(resource);
        let call = Pools::increaseWithResourceCall { poolId: U256::from(pool), resourceId: resource };
        self.inner.resized_pool(&call).await
    }

    /// Takes encoded bytes that no blob uses out of a pool of the wallet's. They become a resource until the pool's end.
    /// Something has to stay.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `DecreaseOutOfRange`, `BlobExpired` if the pool has ended, or it is not the wallet's.
    pub async fn decrease_pool(&self, pool: u64, size: u64) -> Result<ResizedPool, ChainError> {
        self.inner.resized_pool(&Pools::decreaseCall { poolId: U256::from(pool), size }).await
    }

    /// Gives a pool of the wallet's to another account, with the right to delete what is deletable in it.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: it is not the wallet's.
    pub async fn transfer_pool(&self, pool: u64, to: Address) -> Result<TxHash, ChainError> {
        let from = self.inner.sender()?.address().evm();
        let call = Pools::transferFromCall { from, to: to.evm(), tokenId: U256::from(pool) };
        self.inner.send_to_pools(&call).await.map(|mined| mined.tx)
    }

    /// Gives an empty pool of the wallet's up. Its capacity becomes a resource until its end.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `PoolNotEmpty`, or it is not the wallet's.
    pub async fn destroy_pool(&self, pool: u64) -> Result<DestroyedPool, ChainError> {
        let mined = self.inner.send_to_pools(&Pools::destroyCall { poolId: U256::from(pool) }).await?;
        Ok(DestroyedPool { resource: self.inner.resource_made(&mined), tx: mined.tx })
    }

    /// Clears all registrations away that are in a pool of the wallet's that has ended. How many there were.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `NotExpired`, or the pool is not the wallet's.
    pub async fn burn_pool_blobs(&self, pool: u64) -> Result<usize, ChainError> {
        let blobs = self.pool_blobs(pool).await?;
        for some in blobs.chunks(BURNED_AT_ONCE) {
            let ids = some.iter().map(|blob| convert::object_number(blob.object_id)).collect();
            self.inner.send_to_pools(&Pools::burnExpiredCall { objectIds: ids }).await?;
        }
        Ok(blobs.len())
    }

    /// Lets the network's answer to how long a blob is available follow the pool of this permanent certified registration, if
    /// that ends later than what it follows now. Anyone may.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownObject`, `Deletable`, `NotCertified`.
    pub async fn refresh_pooled_blob(&self, object: ObjectId) -> Result<TxHash, ChainError> {
        let call = Pools::refreshCall { objectId: convert::object_number(object) };
        self.inner.send_to_pools(&call).await.map(|mined| mined.tx)
    }
}

impl Inner {
    pub(super) async fn storage_pool(&self, pool: u64) -> Result<Option<Pool>, ChainError> {
        let call = Pools::poolCall { poolId: U256::from(pool) };
        let found = match self.rpc.call("pool", self.config.contracts.pools, &call).await {
            Ok(found) => found,
            Err(ChainError::Reverted { name, .. }) if name == "ERC721NonexistentToken" => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Pool {
            id: pool,
            owner: Address::from_evm(found.owner),
            size: found.size,
            used: found.used,
            blobs: found.blobs,
            end_epoch: Epoch(found.endEpoch),
        }))
    }

    pub(super) async fn register_in_pool(&self, blob: &RegisterBlob, pool: u64) -> Result<Registered, ChainError> {
        let owner = self.existing_pool(pool).await?.owner;
        let mined = self.order(Order::InPool(blob, pool)).await?;
        let made: Pools::PooledBlobRegistered = convert::expect_event(&mined, self.config.contracts.pools, "register")?;
        let object = BlobObject {
            object_id: ObjectId::from_bytes(made.objectId.to_be_bytes()),
            blob_id: BlobId::from_bytes(made.blobId.0),
            owner,
            size: made.size,
            encoding_type: convert::encoding_type(made.encodingType)?,
            deletable: made.deletable,
            registered_epoch: Epoch(made.registeredEpoch),
            certified_epoch: None,
            end_epoch: Epoch(made.endEpoch),
        };
        let encoded_length = self.encoded_length(object.size).await?;
        Ok(Registered { object, cost: convert::amount("cost", made.cost)?, encoded_length, tx: mined.tx })
    }

    /// Registrations that are in a pool: of one blob, or all.
    pub(super) async fn registered_in_pool(
        &self,
        pool: u64,
        blob: Option<&BlobId>,
    ) -> Result<Vec<BlobObject>, ChainError> {
        let blob = blob.map_or(Value::Null, |blob| json!(B256::from(*blob.as_bytes())));
        let topics = json!([Pools::PooledBlobRegistered::SIGNATURE_HASH, blob, null, B256::from(U256::from(pool))]);
        let logs = self.search(self.config.contracts.pools, &topics, Search::All).await?;
        // Numbers of one pool are in the order of registration.
        let ids: std::collections::BTreeSet<B256> =
            logs.iter().filter_map(|log| log.topics().get(2).copied()).collect();
        self.blob_objects(ids.into_iter().map(|id| ObjectId::from_bytes(id.0))).await
    }

    async fn existing_pool(&self, pool: u64) -> Result<Pool, ChainError> {
        let found = self.storage_pool(pool).await?;
        found.ok_or_else(|| ChainError::InvalidArgument { detail: format!("there is no pool {pool}") })
    }

    /// What may be taken for so many bytes and epochs. Sees to the allowance.
    async fn pool_price(&self, size: u64, epochs: u32) -> Result<U256, ChainError> {
        self.ensure_allowance().await?;
        let units = U256::from(size.div_ceil(STORAGE_UNIT_BYTES));
        let price = U256::from(self.network().await?.storage_price);
        Ok(with_margin(units.saturating_mul(price).saturating_mul(U256::from(epochs))))
    }

    async fn created_pool(&self, call: &impl SolCall) -> Result<CreatedPool, ChainError> {
        let mined = self.send_to_pools(call).await?;
        let made: Pools::PoolCreated = convert::expect_event(&mined, self.config.contracts.pools, "create")?;
        let pool = Pool {
            id: convert::number("pool id", made.poolId)?,
            owner: Address::from_evm(made.owner),
            size: made.size,
            used: 0,
            blobs: 0,
            end_epoch: Epoch(made.endEpoch),
        };
        Ok(CreatedPool { pool, cost: convert::amount("cost", made.cost)?, tx: mined.tx })
    }

    async fn resized_pool(&self, call: &impl SolCall) -> Result<ResizedPool, ChainError> {
        let mined = self.send_to_pools(call).await?;
        let made: Pools::PoolResized = convert::expect_event(&mined, self.config.contracts.pools, "resize")?;
        // None is made where a pool takes capacity up.
        let resource = self.resource_made(&mined);
        Ok(ResizedPool { size: made.size, cost: convert::amount("cost", made.cost)?, resource, tx: mined.tx })
    }

    /// The resource that a transaction has made.
    pub(super) fn resource_made(&self, mined: &Mined) -> Option<ObjectId> {
        let made = convert::event::<Storage::ResourceChanged>(mined, self.config.contracts.storage)?;
        Some(ObjectId::from_bytes(made.resourceId.to_be_bytes()))
    }

    async fn send_to_pools(&self, call: &impl SolCall) -> Result<Mined, ChainError> {
        self.send(&Call::contract(self.config.contracts.pools, call)).await
    }
}
