//! What the owner of a registration does with it, and what anyone may do for it.

use alloy::{
    primitives::{B256, U256, aliases::U96},
    sol_types::SolEvent as _,
};
use floe_protocol::{Epoch, ObjectId};
use floe_redstuff::BlobId;
use serde_json::json;

use super::{EvmChain, Inner, convert, read::Search};
use crate::{
    Address, Balances, BlobFund, BlobObject, ChainError, Deleted, Renewed, TxHash,
    bindings::{Blobs, Epochs, Pools},
    send::Call,
};

impl EvmChain {
    /// What any account holds.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn balances_of(&self, account: Address) -> Result<Balances, ChainError> {
        self.inner.balances_of(account).await
    }

    /// All registrations of a blob that there are, of any owner and in any pool, the oldest first.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn registrations_of(&self, blob: &BlobId) -> Result<Vec<BlobObject>, ChainError> {
        let (inner, contracts) = (&self.inner, &self.inner.config.contracts);
        let events = [Blobs::BlobRegistered::SIGNATURE_HASH, Pools::PooledBlobRegistered::SIGNATURE_HASH];
        let topics = json!([events, B256::from(*blob.as_bytes())]);
        let mut logs = inner.search_from(0, &[contracts.blobs, contracts.pools], &topics, Search::All).await?;
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        let ids: Vec<B256> = logs.iter().filter_map(|log| log.topics().get(2).copied()).collect();
        inner.blob_objects(ids.into_iter().map(|id| ObjectId::from_bytes(id.0))).await
    }

    /// Whether a registration belongs to everyone.
    #[must_use]
    pub fn is_shared(&self, object: &BlobObject) -> bool {
        object.owner == self.inner.config.contracts.blobs
    }

    /// Deletes a deletable registration of the wallet's before its end. Its storage becomes a resource of the wallet's, or
    /// room in its pool.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownObject`, `NotDeletable`, `BlobExpired`, or it is not the wallet's.
    pub async fn delete(&self, object: ObjectId) -> Result<Deleted, ChainError> {
        let inner = &self.inner;
        let call = Blobs::deleteBlobCall { objectId: convert::object_number(object) };
        let mined = inner.send(&Call::contract(inner.registry_of(&object), &call)).await?;
        Ok(Deleted { resource: inner.resource_made(&mined), tx: mined.tx })
    }

    /// Gives a registration of the wallet's up together with its storage: of a blob that has ended, or to be rid of the
    /// control over one that stays until its end. What is left in its fund comes back.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownObject`, or it is not the wallet's.
    pub async fn burn_blob(&self, object: ObjectId) -> Result<TxHash, ChainError> {
        self.inner.send_to_blobs(&Blobs::burnCall { objectId: convert::object_number(object) }).await
    }

    /// Gives a permanent registration of the wallet's to everyone: from then on nobody can take it or its fund away.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownObject`, `Deletable`, `BlobExpired`, or it is not the wallet's.
    pub async fn share_blob(&self, object: ObjectId) -> Result<TxHash, ChainError> {
        self.inner.send_to_blobs(&Blobs::shareCall { objectId: convert::object_number(object) }).await
    }

    /// Gives a registration of the wallet's to another account.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: it is not the wallet's.
    pub async fn transfer_blob(&self, object: ObjectId, to: Address) -> Result<TxHash, ChainError> {
        let from = self.inner.sender()?.address().evm();
        let call = Blobs::transferFromCall { from, to: to.evm(), tokenId: convert::object_number(object) };
        self.inner.send_to_blobs(&call).await
    }

    /// What a blob holds to renew itself.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn blob_fund(&self, object: ObjectId) -> Result<BlobFund, ChainError> {
        self.inner.fund(object).await
    }

    /// Adds money of the wallet's to a blob's fund; anyone may. Sees to the allowance. What the fund holds from then on.
    ///
    /// # Errors
    /// [`ChainError::InsufficientFunds`], or [`ChainError::Reverted`]: `UnknownObject`.
    pub async fn fund_blob(&self, object: ObjectId, amount: u128) -> Result<u128, ChainError> {
        self.inner.sender()?;
        self.inner.ensure_allowance().await?;
        let call = Blobs::fundCall { objectId: convert::object_number(object), amount };
        self.inner.change_fund(&call, "fund").await
    }

    /// Takes money out of the fund of a registration of the wallet's. What the fund holds from then on.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `FundTooSmall`, `UnknownObject`, or it is not the wallet's (nobody's once it is shared).
    pub async fn withdraw_fund(&self, object: ObjectId, amount: u128, to: Address) -> Result<u128, ChainError> {
        let call = Blobs::withdrawFundCall { objectId: convert::object_number(object), amount, to: to.evm() };
        self.inner.change_fund(&call, "withdrawFund").await
    }

    /// Pays what is left in the fund of a shared blob that has ended to the nodes. Anyone may.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownObject`, `NotExpired`, or it is not shared.
    pub async fn sweep_fund(&self, object: ObjectId) -> Result<TxHash, ChainError> {
        self.inner.send_to_blobs(&Blobs::sweepFundCall { objectId: convert::object_number(object) }).await
    }

    /// Says how a registration of the wallet's renews itself: by how many epochs at most, and for which reward.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownObject`, or it is not the wallet's; [`ChainError::InvalidArgument`].
    pub async fn set_renewal(&self, object: ObjectId, epochs: u32, reward: u128) -> Result<TxHash, ChainError> {
        let reward = U96::try_from(reward)
            .map_err(|_| ChainError::InvalidArgument { detail: format!("reward: {reward} is too much") })?;
        let call = Blobs::setRenewalCall { objectId: convert::object_number(object), epochs, reward };
        self.inner.send_to_blobs(&call).await
    }

    /// Selects the first committee from the stake that there is, and begins epoch 1. Who deployed the network may, once.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `Unauthorized`, `WrongPhase` a second time, or `NoCandidates`.
    pub async fn launch(&self) -> Result<TxHash, ChainError> {
        let call = Call::contract(self.inner.config.contracts.epochs, &Epochs::launchCall {});
        self.inner.send(&call).await.map(|mined| mined.tx)
    }
}

impl Inner {
    pub(super) async fn fund(&self, object: ObjectId) -> Result<BlobFund, ChainError> {
        let call = Blobs::fundOfCall { objectId: convert::object_number(object) };
        let fund = self.rpc.call("fundOf", self.config.contracts.blobs, &call).await?;
        Ok(BlobFund { balance: fund.balance, reward: fund.reward.to(), epochs: fund.epochs })
    }

    pub(super) async fn renew_blob(&self, object: ObjectId) -> Result<Renewed, ChainError> {
        let number: U256 = convert::object_number(object);
        let mined = self.send(&self.blobs_call(&Blobs::renewCall { objectId: number })).await?;
        let blobs = self.config.contracts.blobs;
        let extended: Blobs::BlobExtended = convert::expect_event(&mined, blobs, "renew")?;
        let fund: Blobs::FundChanged = convert::expect_event(&mined, blobs, "renew")?;
        Ok(Renewed {
            object_id: object,
            end_epoch: Epoch(extended.endEpoch),
            cost: convert::amount("cost", extended.cost)?,
            balance: convert::amount("balance", fund.balance)?,
            tx: mined.tx,
        })
    }

    async fn change_fund(
        &self,
        call: &impl alloy::sol_types::SolCall,
        method: &'static str,
    ) -> Result<u128, ChainError> {
        let mined = self.send(&self.blobs_call(call)).await?;
        let changed: Blobs::FundChanged = convert::expect_event(&mined, self.config.contracts.blobs, method)?;
        convert::amount("balance", changed.balance)
    }

    async fn send_to_blobs(&self, call: &impl alloy::sol_types::SolCall) -> Result<TxHash, ChainError> {
        self.send(&self.blobs_call(call)).await.map(|mined| mined.tx)
    }
}
