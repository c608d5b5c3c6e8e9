//! Logs into events.

use std::ops::RangeInclusive;

use alloy::{
    primitives::B256,
    rpc::types::Log,
    sol_types::{SolEvent, SolEventInterface},
};
use floe_protocol::{Epoch, NodeId, ObjectId};
use floe_redstuff::BlobId;

use crate::{
    Address, BlobObject, ChainError, ChainEvent, ContractAddresses, EventCursor, EventKind, TxHash,
    bindings::{
        Blobs::{self, BlobsEvents},
        Epochs::EpochsEvents,
        Nodes::NodesEvents,
        Pools::{self, PoolsEvents},
    },
    evm::convert,
};

/// Decodes the logs of a range of blocks, in order. `None`: they do not belong to one history, which includes the
/// given blocks and hashes; ask again.
pub(crate) fn decode_logs(
    mut logs: Vec<Log>,
    contracts: &ContractAddresses,
    range: RangeInclusive<u64>,
    anchors: &[(u64, B256)],
) -> Result<Option<Vec<ChainEvent>>, ChainError> {
    logs.sort_by_key(|log| (log.block_number, log.log_index));
    let mut events = Vec::with_capacity(logs.len());
    let mut previous: Option<(u64, u64, B256)> = None;
    for log in &logs {
        let Some(place) = place_of(log) else { return Ok(None) };
        let (block, index, hash) = place;
        let contradicts_anchor = anchors.iter().any(|(number, anchor)| *number == block && *anchor != hash);
        let contradicts_previous =
            previous.is_some_and(|(b, i, h)| (b, i) >= (block, index) || (b == block && h != hash));
        if !range.contains(&block) || contradicts_anchor || contradicts_previous {
            return Ok(None);
        }
        previous = Some(place);
        events.extend(decode(log, contracts)?);
    }
    Ok(Some(events))
}

fn place_of(log: &Log) -> Option<(u64, u64, B256)> {
    if log.removed {
        return None;
    }
    Some((log.block_number?, log.log_index?, log.block_hash?))
}

/// Decodes one log in a block; `None` for contracts and events that are not ours.
pub(crate) fn decode(log: &Log, contracts: &ContractAddresses) -> Result<Option<ChainEvent>, ChainError> {
    let emitter = Address::from_evm(log.address());
    let Some(topic) = log.topic0() else { return Ok(None) };
    let unreadable = |e: alloy::sol_types::Error| bad_answer(e.to_string());
    let kind = if emitter == contracts.nodes && NodesEvents::SELECTORS.contains(topic) {
        let Some(kind) = nodes_event(NodesEvents::decode_log(&log.inner).map_err(unreadable)?.data)? else {
            return Ok(None);
        };
        kind
    } else if emitter == contracts.epochs && EpochsEvents::SELECTORS.contains(topic) {
        let Some(kind) = epochs_event(&EpochsEvents::decode_log(&log.inner).map_err(unreadable)?.data)? else {
            return Ok(None);
        };
        kind
    } else if emitter == contracts.blobs && BlobsEvents::SELECTORS.contains(topic) {
        match blobs_event(BlobsEvents::decode_log(&log.inner).map_err(unreadable)?.data)? {
            Some(kind) => kind,
            None => return Ok(None),
        }
    } else if emitter == contracts.pools && PoolsEvents::SELECTORS.contains(topic) {
        match pools_event(PoolsEvents::decode_log(&log.inner).map_err(unreadable)?.data)? {
            Some(kind) => kind,
            None => return Ok(None),
        }
    } else {
        return Ok(None);
    };
    let (Some((block, log_index, hash)), Some(tx)) = (place_of(log), log.transaction_hash) else {
        return Err(bad_answer("a log without its place".to_owned()));
    };
    let cursor = EventCursor { block, log_index, block_hash: hash.0 };
    Ok(Some(ChainEvent { cursor, tx: TxHash::from_bytes(tx.0), kind }))
}

/// Topic by which tokens of an account are found.
pub(crate) fn transfer_topic() -> B256 {
    Blobs::Transfer::SIGNATURE_HASH
}

/// Topics by which certificates of a blob are found: of one by itself, and of one in a pool.
pub(crate) fn certified_topics() -> [B256; 2] {
    [Blobs::BlobCertified::SIGNATURE_HASH, Pools::PooledBlobCertified::SIGNATURE_HASH]
}

fn bad_answer(detail: String) -> ChainError {
    ChainError::BadAnswer { method: "eth_getLogs", detail }
}

fn node_id(number: alloy::primitives::U256) -> Result<NodeId, ChainError> {
    convert::number("node id", number).map(NodeId::from_number)
}

/// Every number is an object's; those in pools are longer than others.
fn object_id(number: alloy::primitives::U256) -> ObjectId {
    ObjectId::from_bytes(number.to_be_bytes())
}

fn nodes_event(event: NodesEvents) -> Result<Option<EventKind>, ChainError> {
    Ok(Some(match event {
        NodesEvents::NodeRegistered(e) => EventKind::NodeRegistered {
            node_id: node_id(e.nodeId)?,
            account: Address::from_evm(e.account),
            name: e.name,
            url: e.url,
            public_key: e.publicKey.to_vec(),
        },
        NodesEvents::NodeDescribed(e) => EventKind::NodeUrlChanged { node_id: node_id(e.nodeId)?, url: e.url },
        NodesEvents::NodeKeyAnnounced(e) => EventKind::NodeKeyAnnounced { node_id: node_id(e.nodeId)? },
        _ => return Ok(None),
    }))
}

fn epochs_event(event: &EpochsEvents) -> Result<Option<EventKind>, ChainError> {
    Ok(Some(match event {
        EpochsEvents::EpochChangeStarted(e) => {
            EventKind::EpochChanged { epoch: Epoch(e.epoch), started_at: e.startedAt }
        }
        EpochsEvents::EpochChangeDone(e) => EventKind::EpochChangeDone { epoch: Epoch(e.epoch) },
        EpochsEvents::EpochParametersSelected(e) => EventKind::CommitteeSelected { epoch: Epoch(e.nextEpoch) },
        EpochsEvents::ShardsReceived(e) => {
            EventKind::ShardsReceived { epoch: Epoch(e.epoch), node_id: node_id(e.nodeId)? }
        }
        EpochsEvents::Upgraded(_) => return Ok(None),
    }))
}

/// `None` for what concerns owners and their money alone.
fn blobs_event(event: BlobsEvents) -> Result<Option<EventKind>, ChainError> {
    Ok(Some(match event {
        BlobsEvents::BlobRegistered(e) => EventKind::BlobRegistered {
            object: BlobObject {
                object_id: object_id(e.objectId),
                blob_id: BlobId::from_bytes(e.blobId.0),
                owner: Address::from_evm(e.owner),
                size: e.size,
                encoding_type: convert::encoding_type(e.encodingType)?,
                deletable: e.deletable,
                registered_epoch: Epoch(e.registeredEpoch),
                certified_epoch: None,
                end_epoch: Epoch(e.endEpoch),
            },
            cost: convert::amount("cost", e.cost)?,
        },
        BlobsEvents::BlobCertified(e) => EventKind::BlobCertified {
            blob_id: BlobId::from_bytes(e.blobId.0),
            object_id: object_id(e.objectId),
            deletable: e.deletable,
            certified_epoch: Epoch(e.certifiedEpoch),
            end_epoch: Epoch(e.endEpoch),
        },
        BlobsEvents::BlobExtended(e) => EventKind::BlobExtended {
            blob_id: BlobId::from_bytes(e.blobId.0),
            object_id: object_id(e.objectId),
            certified_epoch: Epoch(e.certifiedEpoch),
            end_epoch: Epoch(e.endEpoch),
            cost: convert::amount("cost", e.cost)?,
        },
        BlobsEvents::BlobDeleted(e) => EventKind::BlobDeleted {
            blob_id: BlobId::from_bytes(e.blobId.0),
            object_id: object_id(e.objectId),
            end_epoch: Epoch(e.endEpoch),
            was_certified: e.wasCertified,
        },
        BlobsEvents::BlobInvalidated(e) => {
            EventKind::BlobInvalidated { blob_id: BlobId::from_bytes(e.blobId.0), epoch: Epoch(e.epoch) }
        }
        _ => return Ok(None),
    }))
}

/// `None` for what concerns owners and their money alone.
fn pools_event(event: PoolsEvents) -> Result<Option<EventKind>, ChainError> {
    let pool_id = |id| convert::number("pool id", id);
    Ok(Some(match event {
        PoolsEvents::PoolCreated(e) => {
            EventKind::PoolCreated { pool_id: pool_id(e.poolId)?, end_epoch: Epoch(e.endEpoch) }
        }
        PoolsEvents::PoolExtended(e) => {
            EventKind::PoolExtended { pool_id: pool_id(e.poolId)?, end_epoch: Epoch(e.endEpoch) }
        }
        PoolsEvents::PooledBlobRegistered(e) => {
            convert::encoding_type(e.encodingType)?;
            EventKind::PooledBlobRegistered {
                pool_id: pool_id(e.poolId)?,
                object_id: object_id(e.objectId),
                blob_id: BlobId::from_bytes(e.blobId.0),
                size: e.size,
                deletable: e.deletable,
                end_epoch: Epoch(e.endEpoch),
            }
        }
        PoolsEvents::PooledBlobCertified(e) => EventKind::PooledBlobCertified {
            blob_id: BlobId::from_bytes(e.blobId.0),
            object_id: object_id(e.objectId),
            deletable: e.deletable,
            certified_epoch: Epoch(e.certifiedEpoch),
            end_epoch: Epoch(e.endEpoch),
        },
        PoolsEvents::PooledBlobDeleted(e) => EventKind::PooledBlobDeleted {
            blob_id: BlobId::from_bytes(e.blobId.0),
            object_id: object_id(e.objectId),
            end_epoch: Epoch(e.endEpoch),
            was_certified: e.wasCertified,
        },
        _ => return Ok(None),
    }))
}
