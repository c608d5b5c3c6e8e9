//! Named limits of messages and bodies, in bytes unless the name says otherwise.
//!
//! Whoever reads a body from the network stops at these; the decoders check the lengths inside on their own.

use floe_redstuff::{BlobMetadata, EncodingParams, SYMBOL_SIZE_BYTES_MAX, SymbolSize};

/// Longest message that a signed message or a certificate may carry; the longest known one has 127 bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// Most members that a committee can have: each holds a shard, and shards are numbered in 16 bits.
pub const MEMBERS_MAX: usize = 65_535;
/// Body limit of routes without one of their own.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// JSON answers of a node (errors, confirmations, status, health) are read up to here.
pub const JSON_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Body of a shard sync request: length byte, message, signature.
pub const SYNC_REQUEST_BYTES: usize = 1 + 55 + 96;
/// Longest wait for a registration that a request may ask for, in milliseconds.
pub const REGISTRATION_WAIT_MILLIS_MAX: u64 = 5_000;
/// Most slivers that one shard sync request may ask for.
pub const SYNC_SLIVERS_MAX: u64 = 100_000;
/// One answer with several slivers; longer ones are asked for one by one.
pub const SEVERAL_SLIVERS_BYTES_MAX: usize = 256 * 1024;
/// Most blobs that one batch confirmation may cover.
pub const BATCH_BLOBS_MAX: usize = 1024;
/// Bytes that may be handed to an upload reader before its frames are taken out.
pub const UPLOAD_PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Size of the metadata of any blob at this number of shards, in BCS and without the id.
#[must_use]
pub fn metadata_bytes(params: EncodingParams) -> u64 {
    BlobMetadata::bcs_len(params) as u64
}

/// Body limit of a sliver: the largest primary sliver and its framing.
#[must_use]
pub fn sliver_body_bytes_max(params: EncodingParams) -> u64 {
    params.max_sliver_size() + 128
}

/// Body limit of a streamed upload of `pairs` sliver pairs: that of the largest possible blob.
#[must_use]
pub fn upload_body_bytes_max(params: EncodingParams, pairs: u16) -> u64 {
    let largest = SymbolSize::new(SYMBOL_SIZE_BYTES_MAX).expect("it is not zero");
    crate::upload::body_bytes(params, largest, pairs)
}
