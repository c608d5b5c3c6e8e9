//! Capacity that is owned: bought ahead, cut, joined, passed on, used.

use alloy::primitives::{B256, U256};
use floe_protocol::{Epoch, ObjectId};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{EvmChain, Inner, convert, write::with_margin};
use crate::{
    Address, ChainError, Extended, Reserved, STORAGE_UNIT_BYTES, StorageResource, TxHash,
    bindings::{Blobs, Storage},
    send::{Call, Mined},
};

/// Resources that are asked for at once.
const RESOURCES_AT_ONCE: usize = 16;

impl EvmChain {
    /// Buys capacity of some encoded bytes: from an epoch on that may lie ahead, or from the current one. Sees to the
    /// allowance.
    ///
    /// # Errors
    /// [`ChainError::InsufficientFunds`], or [`ChainError::Reverted`]: `CapacityExceeded`, `EpochsAheadOutOfRange`,
    /// `SizeOutOfRange`.
    pub async fn reserve(&self, size: u64, start: Option<Epoch>, epochs: u32) -> Result<Reserved, ChainError> {
        let inner = &self.inner;
        inner.sender()?;
        inner.ensure_allowance().await?;
        let info = inner.network().await?;
        let storage = inner.config.contracts.storage;
        let units = U256::from(size.div_ceil(STORAGE_UNIT_BYTES));
        let cost = units.saturating_mul(U256::from(info.storage_price)).saturating_mul(U256::from(epochs));
        let start = start.map_or(info.epoch, |start| start.max(info.epoch));
        let call = Storage::reserveForEpochsCall {
            size,
            start: start.0,
            end: start.0.saturating_add(epochs),
            maxCost: with_margin(cost),
        };
        let mined = inner.send(&Call::contract(storage, &call)).await?;
        let made: Storage::ResourceChanged = convert::expect_event(&mined, storage, "reserve")?;
        Ok(Reserved {
            resource: StorageResource {
                id: ObjectId::from_bytes(made.resourceId.to_be_bytes()),
                start_epoch: Epoch(made.start),
                end_epoch: Epoch(made.end),
                size: made.size,
            },
            cost: inner.paid_in(&mined)?,
            tx: mined.tx,
        })
    }

    /// A resource; `None` if there is none of this number, or none any more.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn resource(&self, resource: ObjectId) -> Result<Option<StorageResource>, ChainError> {
        let found = self.inner.resource(convert::object_number(resource)).await?;
        Ok(found.map(|(_, resource)| resource))
    }

    /// All resources that an account owns now, the oldest first; those that have ended too.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn resources(&self, owner: Address) -> Result<Vec<StorageResource>, ChainError> {
        let ids = self.inner.tokens_of(self.inner.config.contracts.storage, owner).await?;
        let found = stream::iter(ids.into_iter().map(|id: B256| self.inner.resource(id.into())));
        let found: Vec<Option<(Address, StorageResource)>> = found.buffered(RESOURCES_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().filter(|(holder, _)| *holder == owner).map(|(_, resource)| resource).collect())
    }

    /// Cuts a resource of the wallet's in time. The given one keeps the first part; the other one's number.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `SplitOutOfRange`, or it is not the wallet's.
    pub async fn split_resource_by_epoch(&self, resource: ObjectId, epoch: Epoch) -> Result<ObjectId, ChainError> {
        let call = Storage::splitByEpochCall { resourceId: convert::object_number(resource), epoch: epoch.0 };
        self.inner.split_off(&call).await
    }

    /// Cuts a resource of the wallet's in size. The given one keeps `size` bytes; the number of the one with the rest.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `ResourceTooSmall`, or it is not the wallet's.
    pub async fn split_resource_by_size(&self, resource: ObjectId, size: u64) -> Result<ObjectId, ChainError> {
        let call = Storage::splitBySizeCall { resourceId: convert::object_number(resource), size };
        self.inner.split_off(&call).await
    }

    /// Joins two resources of the wallet's: of one size that follow each other, or of one period. The second goes up in
    /// the first.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `NotFusible`, or they are not the wallet's.
    pub async fn fuse_resources(&self, first: ObjectId, second: ObjectId) -> Result<TxHash, ChainError> {
        let call = Storage::fuseCall { first: convert::object_number(first), second: convert::object_number(second) };
        self.inner.send_to_storage(&call).await.map(|mined| mined.tx)
    }

    /// Gives a resource of the wallet's to another account.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: it is not the wallet's.
    pub async fn transfer_resource(&self, resource: ObjectId, to: Address) -> Result<TxHash, ChainError> {
        let from = self.inner.sender()?.address().evm();
        let call = Storage::transferFromCall { from, to: to.evm(), tokenId: convert::object_number(resource) };
        self.inner.send_to_storage(&call).await.map(|mined| mined.tx)
    }

    /// Gives a resource of the wallet's up. Nothing is refunded.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: it is not the wallet's.
    pub async fn destroy_resource(&self, resource: ObjectId) -> Result<TxHash, ChainError> {
        let call = Storage::destroyCall { resourceId: convert::object_number(resource) };
        self.inner.send_to_storage(&call).await.map(|mined| mined.tx)
    }

    /// Extends a certified registration by a resource of the wallet's that has the blob's encoded length and begins where
    /// it ends.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `ResourceSizeMismatch`, `ResourceGap`, `NotCertified` or `BlobExpired`.
    pub async fn extend_with_resource(&self, object: ObjectId, resource: ObjectId) -> Result<Extended, ChainError> {
        let inner = &self.inner;
        let object_number = convert::object_number(object);
        let call =
            Blobs::extendWithResourceCall { objectId: object_number, resourceId: convert::object_number(resource) };
        let mined = inner.send(&inner.blobs_call(&call)).await?;
        let event: Blobs::BlobExtended =
            convert::expect_event(&mined, inner.config.contracts.blobs, "extendWithResource")?;
        Ok(Extended { end_epoch: Epoch(event.endEpoch), cost: convert::amount("cost", event.cost)?, tx: mined.tx })
    }
}

impl Inner {
    async fn resource(&self, number: U256) -> Result<Option<(Address, StorageResource)>, ChainError> {
        let storage = self.config.contracts.storage;
        let (owner, resource) =
            (Storage::ownerOfCall { tokenId: number }, Storage::resourceCall { resourceId: number });
        let asked =
            tokio::try_join!(self.rpc.call("ownerOf", storage, &owner), self.rpc.call("resource", storage, &resource),);
        let (owner, resource) = match asked {
            Ok(found) => found,
            Err(ChainError::Reverted { name, .. }) if name == "ERC721NonexistentToken" => return Ok(None),
            Err(error) => return Err(error),
        };
        let resource = StorageResource {
            id: ObjectId::from_bytes(number.to_be_bytes()),
            start_epoch: Epoch(resource.start),
            end_epoch: Epoch(resource.end),
            size: resource.size,
        };
        Ok(Some((Address::from_evm(owner), resource)))
    }

    async fn split_off(&self, call: &impl alloy::sol_types::SolCall) -> Result<ObjectId, ChainError> {
        let mined = self.send_to_storage(call).await?;
        let storage = self.config.contracts.storage;
        // The new one is created before the given one is cut.
        let made: Storage::ResourceChanged = convert::expect_event(&mined, storage, "split")?;
        Ok(ObjectId::from_bytes(made.resourceId.to_be_bytes()))
    }

    async fn send_to_storage(&self, call: &impl alloy::sol_types::SolCall) -> Result<Mined, ChainError> {
        self.send(&Call::contract(self.config.contracts.storage, call)).await
    }

    /// What a transaction moved from the wallet to the storage contract.
    fn paid_in(&self, mined: &Mined) -> Result<u128, ChainError> {
        use crate::bindings::FloeToken;
        let event: FloeToken::Transfer = convert::expect_event(mined, self.config.contracts.payment_token, "transfer")?;
        convert::amount("cost", event.value)
    }
}
