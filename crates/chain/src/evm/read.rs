//! What the contracts say.

use std::sync::Arc;

use alloy::{
    primitives::{B256, FixedBytes, U64, U256},
    rpc::types::Log,
};
use floe_protocol::{Epoch, ObjectId};
use floe_redstuff::{BlobId, EncodingParams};
use serde_json::json;

use super::{Constants, Inner, convert};
use crate::{
    Balances, BlobObject, ChainError, ChainEvent, NetworkInfo,
    bindings::{Blobs, Committee as CommitteeContract, Epochs, FloeToken},
    follow,
    rpc::{Failure, block_tag},
    send::Sender,
};

/// Blocks searched at once for a certificate where the endpoint refuses to search all; halved where that is too many.
const SEARCH_BLOCKS: u64 = 2_000;

impl Inner {
    pub(super) fn sender(&self) -> Result<&Arc<Sender>, ChainError> {
        self.sender.as_ref().ok_or(ChainError::NoWallet)
    }

    pub(super) async fn constants(&self) -> Result<&Constants, ChainError> {
        self.constants.get_or_try_init(|| self.load_constants()).await
    }

    async fn load_constants(&self) -> Result<Constants, ChainError> {
        let (rpc, to) = (&self.rpc, &self.config.contracts);
        let (n_shards, duration, max_epochs, storage, write, symbol, decimals) = tokio::try_join!(
            rpc.call("nShards", to.committee, &CommitteeContract::nShardsCall {}),
            rpc.call("epochDuration", to.epochs, &Epochs::epochDurationCall {}),
            rpc.call("maxEpochsAhead", to.blobs, &Blobs::maxEpochsAheadCall {}),
            rpc.call("storagePrice", to.blobs, &Blobs::storagePriceCall {}),
            rpc.call("writePrice", to.blobs, &Blobs::writePriceCall {}),
            rpc.call("symbol", to.payment_token, &FloeToken::symbolCall {}),
            rpc.call("decimals", to.payment_token, &FloeToken::decimalsCall {}),
        )?;
        let params = EncodingParams::new(n_shards)
            .map_err(|e| ChainError::BadAnswer { method: "nShards", detail: e.to_string() })?;
        Ok(Constants {
            params,
            epoch_duration_secs: duration,
            max_epochs_ahead: max_epochs,
            storage_price: convert::amount("storagePrice", storage)?,
            write_price: convert::amount("writePrice", write)?,
            token_symbol: symbol,
            token_decimals: decimals,
        })
    }

    pub(super) async fn network(&self) -> Result<NetworkInfo, ChainError> {
        let constants = self.constants().await?;
        let clock = self.clock().await?;
        Ok(NetworkInfo {
            n_shards: constants.params.n_shards(),
            epoch: clock.epoch,
            epoch_started_at: clock.started_at,
            epoch_duration_secs: constants.epoch_duration_secs,
            phase: clock.phase,
            next_step_at: clock.next_step_at,
            max_epochs_ahead: constants.max_epochs_ahead,
            storage_price: constants.storage_price,
            write_price: constants.write_price,
            payment_token_symbol: constants.token_symbol.clone(),
            payment_token_decimals: constants.token_decimals,
            chain_id: self.chain_id,
        })
    }

    pub(super) async fn blob_object(&self, object: ObjectId) -> Result<Option<BlobObject>, ChainError> {
        let call = Blobs::blobCall { objectId: U256::from_be_bytes(*object.as_bytes()) };
        let found = match self.rpc.call("blob", self.config.contracts.blobs, &call).await {
            Ok(found) => found,
            Err(ChainError::Reverted { name, .. }) if name == "UnknownObject" => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(BlobObject {
            object_id: object,
            blob_id: BlobId::from_bytes(found.blobId.0),
            owner: crate::Address::from_evm(found.owner),
            size: found.size,
            encoding_type: convert::encoding_type(found.encodingType)?,
            registered_epoch: Epoch(found.registeredEpoch),
            certified_epoch: (found.certifiedEpoch != 0).then_some(Epoch(found.certifiedEpoch)),
            end_epoch: Epoch(found.endEpoch),
        }))
    }

    pub(super) async fn available_until(&self, blob: &BlobId) -> Result<Option<Epoch>, ChainError> {
        let call = Blobs::availableUntilCall { blobId: FixedBytes(*blob.as_bytes()) };
        let until = self.rpc.call("availableUntil", self.config.contracts.blobs, &call).await?;
        Ok((until != 0).then_some(Epoch(until)))
    }

    /// Searches all blocks at once, or, where the endpoint refuses that, piece by piece from the newest.
    pub(super) async fn certified_event(&self, blob: &BlobId) -> Result<Option<ChainEvent>, ChainError> {
        if self.available_until(blob).await?.is_none() {
            return Ok(None);
        }
        let head: U64 = self.rpc.get("eth_blockNumber", json!([])).await?;
        let (first, head) = (self.config.contracts.first_block, head.to::<u64>());
        let (mut end, mut blocks) = (head, u64::MAX);
        loop {
            let begin = end.saturating_sub(blocks - 1).max(first);
            match self.certificates(blob, begin, end).await {
                Ok(logs) if logs.is_empty() && begin > first => end = begin - 1,
                Ok(logs) => return self.latest_of(&logs),
                Err(Failure::Refused(_)) if begin < end => blocks = (blocks / 2).min(SEARCH_BLOCKS),
                Err(failure) => return Err(self.rpc.error("eth_getLogs", failure)),
            }
        }
    }

    async fn certificates(&self, blob: &BlobId, from: u64, to: u64) -> Result<Vec<Log>, Failure> {
        let filter = json!([{
            "address": self.config.contracts.blobs.evm(),
            "topics": [follow::certified_topic(), B256::from(*blob.as_bytes())],
            "fromBlock": block_tag(from),
            "toBlock": block_tag(to),
        }]);
        self.rpc.patiently("eth_getLogs", filter).await
    }

    fn latest_of(&self, logs: &[Log]) -> Result<Option<ChainEvent>, ChainError> {
        let latest = logs.iter().max_by_key(|log| (log.block_number, log.log_index));
        latest.map_or(Ok(None), |log| follow::decode(log, &self.config.contracts))
    }

    pub(super) async fn balances(&self) -> Result<Balances, ChainError> {
        let sender = self.sender()?;
        let call = FloeToken::balanceOfCall { account: sender.address().evm() };
        let (native, payment, floe) = tokio::try_join!(
            sender.native_balance(),
            self.rpc.call("balanceOf", self.config.contracts.payment_token, &call),
            self.rpc.call("balanceOf", self.config.contracts.floe_token, &call),
        )?;
        Ok(Balances { native, payment: crate::revert::clamp(payment), floe: crate::revert::clamp(floe) })
    }
}
