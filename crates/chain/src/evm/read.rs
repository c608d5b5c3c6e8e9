//! What the contracts say.

use std::{collections::BTreeSet, sync::Arc};

use alloy::{
    primitives::{B256, FixedBytes, U64, U256},
    rpc::types::Log,
};
use floe_protocol::{Epoch, ObjectId};
use floe_redstuff::{BlobId, EncodingParams};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{Constants, Inner, convert};
use crate::{
    Address, Balances, BlobObject, ChainError, ChainEvent, NetworkInfo,
    bindings::{Availability, Blobs, Committee as CommitteeContract, Epochs, FloeToken, Storage},
    follow,
    rpc::{Failure, block_tag},
    send::Sender,
};

/// Registrations that are asked for at once.
const OBJECTS_AT_ONCE: usize = 16;
/// Blocks searched at once where the endpoint refuses to search all; halved where that is too many.
const SEARCH_BLOCKS: u64 = 2_000;

/// Which logs are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// The search ends where the first are found.
    Latest,
    All,
}

impl Inner {
    pub(super) fn sender(&self) -> Result<&Arc<Sender>, ChainError> {
        self.sender.as_ref().ok_or(ChainError::NoWallet)
    }

    pub(super) async fn constants(&self) -> Result<&Constants, ChainError> {
        self.constants.get_or_try_init(|| self.load_constants()).await
    }

    async fn load_constants(&self) -> Result<Constants, ChainError> {
        let (rpc, to) = (&self.rpc, &self.config.contracts);
        let (n_shards, duration, max_epochs, symbol, decimals) = tokio::try_join!(
            rpc.call("nShards", to.committee, &CommitteeContract::nShardsCall {}),
            rpc.call("epochDuration", to.epochs, &Epochs::epochDurationCall {}),
            rpc.call("maxEpochsAhead", to.storage, &Storage::maxEpochsAheadCall {}),
            rpc.call("symbol", to.payment_token, &FloeToken::symbolCall {}),
            rpc.call("decimals", to.payment_token, &FloeToken::decimalsCall {}),
        )?;
        let params = EncodingParams::new(n_shards)
            .map_err(|e| ChainError::BadAnswer { method: "nShards", detail: e.to_string() })?;
        Ok(Constants {
            params,
            epoch_duration_secs: duration,
            max_epochs_ahead: max_epochs,
            token_symbol: symbol,
            token_decimals: decimals,
        })
    }

    pub(super) async fn network(&self) -> Result<NetworkInfo, ChainError> {
        let constants = self.constants().await?;
        let storage = self.config.contracts.storage;
        let (clock, storage_price, write_price) = tokio::try_join!(
            self.clock(),
            self.rpc.call("storagePrice", storage, &Storage::storagePriceCall {}),
            self.rpc.call("writePrice", storage, &Storage::writePriceCall {}),
        )?;
        Ok(NetworkInfo {
            n_shards: constants.params.n_shards(),
            epoch: clock.epoch,
            epoch_started_at: clock.started_at,
            epoch_duration_secs: constants.epoch_duration_secs,
            phase: clock.phase,
            next_step_at: clock.next_step_at,
            max_epochs_ahead: constants.max_epochs_ahead,
            storage_price: convert::amount("storagePrice", storage_price)?,
            write_price: convert::amount("writePrice", write_price)?,
            payment_token_symbol: constants.token_symbol.clone(),
            payment_token_decimals: constants.token_decimals,
            chain_id: self.chain_id,
        })
    }

    /// Prices of storage and of writing, as last seen. An old price costs a refusal, not money.
    pub(super) async fn prices(&self) -> Result<(u128, u128), ChainError> {
        if let Some(known) = *self.known_prices() {
            return Ok(known);
        }
        let info = self.network().await?;
        let prices = (info.storage_price, info.write_price);
        *self.known_prices() = Some(prices);
        Ok(prices)
    }

    pub(super) fn forget_prices(&self) {
        *self.known_prices() = None;
    }

    fn known_prices(&self) -> std::sync::MutexGuard<'_, Option<(u128, u128)>> {
        self.prices.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The contract that keeps a registration. What both can do is asked of both in the same words.
    pub(super) fn registry_of(&self, object: &ObjectId) -> Address {
        let contracts = &self.config.contracts;
        if object.to_number().is_some() { contracts.blobs } else { contracts.pools }
    }

    pub(super) async fn blob_object(&self, object: ObjectId) -> Result<Option<BlobObject>, ChainError> {
        let call = Blobs::blobCall { objectId: U256::from_be_bytes(*object.as_bytes()) };
        let found = match self.rpc.call("blob", self.registry_of(&object), &call).await {
            Ok(found) => found,
            Err(ChainError::Reverted { name, .. }) if name == "UnknownObject" => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(BlobObject {
            object_id: object,
            blob_id: BlobId::from_bytes(found.blobId.0),
            owner: Address::from_evm(found.owner),
            size: found.size,
            encoding_type: convert::encoding_type(found.encodingType)?,
            deletable: found.deletable,
            registered_epoch: Epoch(found.registeredEpoch),
            certified_epoch: (found.certifiedEpoch != 0).then_some(Epoch(found.certifiedEpoch)),
            end_epoch: Epoch(found.endEpoch),
        }))
    }

    pub(super) async fn available_until(&self, blob: &BlobId) -> Result<Option<Epoch>, ChainError> {
        let call = Availability::availableUntilCall { blobId: FixedBytes(*blob.as_bytes()) };
        let until = self.rpc.call("availableUntil", self.config.contracts.availability, &call).await?;
        Ok((until != 0).then_some(Epoch(until)))
    }

    pub(super) async fn certified_event(&self, blob: &BlobId) -> Result<Option<ChainEvent>, ChainError> {
        if self.available_until(blob).await?.is_none() {
            return Ok(None);
        }
        let topics = json!([follow::certified_topics(), B256::from(*blob.as_bytes())]);
        let contracts = &self.config.contracts;
        let logs = self.search_from(0, &[contracts.blobs, contracts.pools], &topics, Search::Latest).await?;
        let latest = logs.iter().max_by_key(|log| (log.block_number, log.log_index));
        latest.map_or(Ok(None), |log| follow::decode(log, &self.config.contracts))
    }

    /// Found by the tokens that were ever moved to the account.
    pub(super) async fn owned_blobs(&self, owner: Address) -> Result<Vec<BlobObject>, ChainError> {
        let ids = self.tokens_of(self.config.contracts.blobs, owner).await?;
        let found = self.blob_objects(ids.into_iter().map(|id| ObjectId::from_bytes(id.0))).await?;
        Ok(found.into_iter().filter(|object| object.owner == owner).collect())
    }

    /// Those of these registrations that there are, in order.
    pub(super) async fn blob_objects(
        &self,
        ids: impl IntoIterator<Item = ObjectId>,
    ) -> Result<Vec<BlobObject>, ChainError> {
        let objects = stream::iter(ids.into_iter().map(|id| self.blob_object(id)));
        let found: Vec<Option<BlobObject>> = objects.buffered(OBJECTS_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Whether an account owns tokens of a contract; spares a search where it has none.
    pub(super) async fn owns_any(&self, owner: Address, contract: Address) -> Result<bool, ChainError> {
        let call = Storage::balanceOfCall { owner: owner.evm() };
        Ok(!self.rpc.call("balanceOf", contract, &call).await?.is_zero())
    }

    /// Tokens of a contract that an account has ever received, in the order of their numbers.
    pub(super) async fn tokens_of(&self, contract: Address, owner: Address) -> Result<BTreeSet<B256>, ChainError> {
        let topics = json!([follow::transfer_topic(), null, owner.evm().into_word()]);
        let logs = self.search(contract, &topics, Search::All).await?;
        Ok(logs.iter().filter_map(|log| log.topics().get(3).copied()).collect())
    }

    /// Logs of a contract. Searches all blocks at once, or, where the endpoint refuses that, piece by piece from
    /// the newest.
    pub(super) async fn search(&self, contract: Address, topics: &Value, what: Search) -> Result<Vec<Log>, ChainError> {
        self.search_from(0, &[contract], topics, what).await
    }

    /// The same of some contracts, in blocks from a number on.
    pub(super) async fn search_from(
        &self,
        first: u64,
        emitters: &[Address],
        topics: &Value,
        what: Search,
    ) -> Result<Vec<Log>, ChainError> {
        let head: U64 = self.rpc.get("eth_blockNumber", json!([])).await?;
        let (first, head) = (self.config.contracts.first_block.max(first), head.to::<u64>());
        let (mut end, mut blocks) = (head, u64::MAX);
        let mut found = Vec::new();
        loop {
            let begin = end.saturating_sub(blocks - 1).max(first);
            match self.logs(emitters, topics, begin, end).await {
                Ok(logs) => {
                    found.extend(logs);
                    if begin <= first || (what == Search::Latest && !found.is_empty()) {
                        return Ok(found);
                    }
                    end = begin - 1;
                }
                Err(Failure::Refused(_)) if begin < end => blocks = (blocks / 2).min(SEARCH_BLOCKS),
                Err(failure) => return Err(self.rpc.error("eth_getLogs", failure)),
            }
        }
    }

    async fn logs(&self, emitters: &[Address], topics: &Value, from: u64, to: u64) -> Result<Vec<Log>, Failure> {
        let filter = json!([{
            "address": emitters.iter().map(|contract| contract.evm()).collect::<Vec<_>>(),
            "topics": topics,
            "fromBlock": block_tag(from),
            "toBlock": block_tag(to),
        }]);
        self.rpc.patiently("eth_getLogs", filter).await
    }

    pub(super) async fn balances(&self) -> Result<Balances, ChainError> {
        self.balances_of(self.sender()?.address()).await
    }

    pub(super) async fn balances_of(&self, account: Address) -> Result<Balances, ChainError> {
        let call = FloeToken::balanceOfCall { account: account.evm() };
        let (native, payment, floe) = tokio::try_join!(
            self.rpc.get::<U256>("eth_getBalance", json!([account.evm(), "latest"])),
            self.rpc.call("balanceOf", self.config.contracts.payment_token, &call),
            self.rpc.call("balanceOf", self.config.contracts.floe_token, &call),
        )?;
        let [native, payment, floe] = [native, payment, floe].map(crate::revert::clamp);
        Ok(Balances { native, payment, floe })
    }
}
