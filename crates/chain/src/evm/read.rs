//! What the contracts say.

use std::sync::Arc;

use alloy::{
    primitives::{B256, FixedBytes, U64, U256},
    rpc::types::Log,
};
use floe_protocol::{Committee, Epoch, Member, NodeId, ObjectId, bls::PublicKey};
use floe_redstuff::{BlobId, EncodingParams, ShardIndex};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::{Constants, Inner, convert};
use crate::{
    Balances, BlobObject, ChainError, ChainEvent, NetworkInfo,
    bindings::{Blobs, Committee as CommitteeContract, FloeToken},
    follow,
    rpc::{Failure, block_tag},
    send::Sender,
};

/// Nodes whose entries are asked for at once.
const NODES_AT_ONCE: usize = 16;
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
            rpc.call("epochDuration", to.committee, &CommitteeContract::epochDurationCall {}),
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
        let (epoch, epoch_started_at) = self.epoch_and_start().await?;
        Ok(NetworkInfo {
            n_shards: constants.params.n_shards(),
            epoch,
            epoch_started_at,
            epoch_duration_secs: constants.epoch_duration_secs,
            max_epochs_ahead: constants.max_epochs_ahead,
            storage_price: constants.storage_price,
            write_price: constants.write_price,
            payment_token_symbol: constants.token_symbol.clone(),
            payment_token_decimals: constants.token_decimals,
            chain_id: self.chain_id,
        })
    }

    async fn epoch(&self) -> Result<Epoch, ChainError> {
        let call = CommitteeContract::currentEpochCall {};
        self.rpc.call("currentEpoch", self.config.contracts.committee, &call).await.map(Epoch)
    }

    /// Both of one moment: asked for again if an epoch began in between.
    async fn epoch_and_start(&self) -> Result<(Epoch, u64), ChainError> {
        let committee = self.config.contracts.committee;
        let mut before = self.epoch().await?;
        loop {
            let started = self.rpc.call("epochStart", committee, &CommitteeContract::epochStartCall {}).await?;
            let after = self.epoch().await?;
            if before == after {
                return Ok((after, started));
            }
            before = after;
        }
    }

    pub(super) async fn committee(&self) -> Result<Committee, ChainError> {
        let params = self.constants().await?.params;
        let mut before = self.epoch().await?;
        loop {
            if before == Epoch(0) {
                return Err(bad_committee("the network was not launched yet"));
            }
            let members = self.members().await?;
            let after = self.epoch().await?;
            if before == after {
                return Committee::new(after, params, members).map_err(|e| bad_committee(e.to_string()));
            }
            before = after;
        }
    }

    async fn members(&self) -> Result<Vec<Member>, ChainError> {
        let call = CommitteeContract::membersCall {};
        let seats = self.rpc.call("members", self.config.contracts.committee, &call).await?;
        let owners = seats.shardOwners.chunks_exact(2).map(|pair| match pair {
            [high, low] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => usize::MAX,
        });
        let mut shards = vec![Vec::new(); seats.nodeIds.len()];
        for (shard, owner) in owners.enumerate() {
            let shard = u16::try_from(shard).map_err(|_| bad_committee("too many shards"))?;
            let held = shards.get_mut(owner).ok_or_else(|| bad_committee("a shard belongs to no member"))?;
            held.push(ShardIndex::new(shard));
        }
        for (member, (held, weight)) in shards.iter().zip(&seats.weights).enumerate() {
            if held.len() != usize::from(*weight) {
                let detail = format!("member {member} has weight {weight}, but {} shards", held.len());
                return Err(bad_committee(detail));
            }
        }
        let entries = seats.nodeIds.into_iter().zip(shards);
        stream::iter(entries.map(|(id, shards)| self.member(id, shards))).buffered(NODES_AT_ONCE).try_collect().await
    }

    async fn member(&self, id: U256, shards: Vec<ShardIndex>) -> Result<Member, ChainError> {
        let node_id = NodeId::from_number(convert::number("node id", id)?);
        let call = CommitteeContract::nodeCall { nodeId: id };
        let node = self.rpc.call("node", self.config.contracts.committee, &call).await?;
        let public_key = PublicKey::from_bytes(&node.publicKey)
            .map_err(|e| bad_committee(format!("the key of node {id} is not valid: {e}")))?;
        Ok(Member { node_id, public_key, address: node.url, name: node.name, shards })
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

fn bad_committee(detail: impl Into<String>) -> ChainError {
    ChainError::BadCommittee { detail: detail.into() }
}
