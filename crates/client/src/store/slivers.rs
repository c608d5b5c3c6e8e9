//! The slivers of a blob that is being stored: in memory while that fits, else in its source and a spool.

use std::sync::Arc;

use bytes::Bytes;
use floe_redstuff::{EncodedBlob, EncodingParams, VerifiedMetadata, encode, read_whole};

use super::{encoded_length, spool::Spooled};
use crate::{
    compute::{compute_unless, is_brief},
    config::{Progress, StoreConfig},
    error::ClientError,
    source::{BytesSource, SharedSource},
};

/// What is to be stored.
pub(super) enum Input {
    Bytes(Bytes),
    Source(SharedSource),
}

/// All slivers of one blob. Clones share them.
#[derive(Clone)]
pub(super) enum Slivers {
    Memory(Arc<EncodedBlob>),
    Spooled(Arc<Spooled>),
}

/// Bytes that storing a blob in memory takes: the blob, and all its slivers.
pub(super) fn in_memory_bytes(params: EncodingParams, size: u64) -> u64 {
    params.encoded_length(size).map_or(u64::MAX, |slivers| slivers.saturating_add(size))
}

impl Input {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(source) => source.length(),
        }
    }

    /// Encodes, within the ceiling on memory.
    pub(super) async fn encode(
        self,
        params: EncodingParams,
        config: &StoreConfig,
        progress: Arc<dyn Progress>,
    ) -> Result<Slivers, ClientError> {
        let length = self.length();
        let in_memory = matches!(self, Self::Bytes(_));
        if in_memory_bytes(params, length) > config.memory_ceiling_bytes {
            let source = match self {
                Self::Bytes(bytes) => Arc::new(BytesSource(bytes)),
                Self::Source(source) => source,
            };
            return Ok(Slivers::Spooled(Spooled::encode(params, source, config, progress).await?));
        }
        let encoded = compute_unless(in_memory && is_brief(params, length), move || {
            let blob = match self {
                Self::Bytes(bytes) => bytes,
                Self::Source(source) => read_whole(&*source).map_err(|error| ClientError::of_source(&error))?.into(),
            };
            encode(params, &blob).map_err(|error| ClientError::Internal(error.to_string()))
        });
        let encoded = encoded.await??;
        progress.advance(length);
        Ok(Slivers::Memory(Arc::new(encoded)))
    }
}

impl Slivers {
    pub(super) fn metadata(&self) -> &VerifiedMetadata {
        match self {
            Self::Memory(encoded) => &encoded.metadata,
            Self::Spooled(spooled) => spooled.metadata(),
        }
    }

    /// Bytes of memory that they hold while they are sent to so many nodes.
    pub(super) fn memory_bytes(&self, nodes: usize) -> u64 {
        match self {
            Self::Memory(encoded) => encoded_length(&encoded.metadata),
            Self::Spooled(spooled) => spooled.memory_bytes(nodes),
        }
    }

    /// Why they cannot be read any more: then no upload can be finished.
    pub(super) fn failure(&self) -> Option<ClientError> {
        match self {
            Self::Memory(_) => None,
            Self::Spooled(spooled) => spooled.failure(),
        }
    }
}
