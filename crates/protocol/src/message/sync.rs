//! A node's request for the slivers of a shard that it takes over.

use floe_redstuff::{Axis, BlobId, ShardIndex};

use super::{IntentType, Message, header, read_blob_id, read_header};
use crate::{
    Epoch,
    wire::{DecodeError, Reader},
};

const VERSION_1: u8 = 0;

/// "Send me slivers of this shard, from this blob id on." 55 bytes (spec/messages.md section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SyncShardRequest {
    /// Epoch in the header. Requesters set it to [`epoch`](Self::epoch); servers look at that one only.
    pub header_epoch: Epoch,
    /// The shard wanted.
    pub shard: ShardIndex,
    /// Which sliver of each pair.
    pub axis: Axis,
    /// First blob id, inclusive; ids are ordered as byte strings.
    pub starting_blob_id: BlobId,
    /// At most so many slivers.
    pub sliver_count: u64,
    /// The epoch the requester is moving to; only blobs certified before it are sent.
    pub epoch: Epoch,
}

impl SyncShardRequest {
    /// A request as a node makes it: both epochs are the one it is moving to.
    #[must_use]
    pub fn new(epoch: Epoch, shard: ShardIndex, axis: Axis, starting_blob_id: BlobId, sliver_count: u64) -> Self {
        Self { header_epoch: epoch, shard, axis, starting_blob_id, sliver_count, epoch }
    }
}

impl Message for SyncShardRequest {
    const INTENT: IntentType = IntentType::SyncShard;

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = header(Self::INTENT, self.header_epoch, 48);
        out.push(VERSION_1);
        out.extend(self.shard.get().to_le_bytes());
        out.push(self.axis.tag());
        out.extend_from_slice(self.starting_blob_id.as_ref());
        out.extend(self.sliver_count.to_le_bytes());
        out.extend(self.epoch.0.to_le_bytes());
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let header_epoch = read_header(&mut reader, Self::INTENT)?;
        reader.expect("request version", VERSION_1)?;
        let shard = ShardIndex::new(reader.u16()?);
        let tag = reader.u8()?;
        let axis = Axis::ALL
            .into_iter()
            .find(|axis| axis.tag() == tag)
            .ok_or(DecodeError::BadValue { field: "sliver type", got: tag.into() })?;
        let starting_blob_id = read_blob_id(&mut reader)?;
        let sliver_count = reader.u64()?;
        let epoch = Epoch(reader.u32()?);
        reader.finish()?;
        Ok(Self { header_epoch, shard, axis, starting_blob_id, sliver_count, epoch })
    }
}
