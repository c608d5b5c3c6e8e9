//! The streamed upload: one request body with a blob's metadata and all sliver pairs for one node.
//!
//! Layout, integers little-endian (docs/wire-format.md):
//!
//! ```text
//! "FLUP"  version u8 = 1  flags u8 = 0  pairs u16  metadata length u32  metadata
//! then for each pair, ascending:
//!   pair index u16  primary length u32  primary sliver  secondary length u32  secondary sliver
//! ```
//!
//! Metadata is BCS without the id, slivers are BCS without the axis. Once the metadata is known every later length is
//! known too: the reader refuses any other before it allocates. The sender builds the parts with [`header`],
//! [`primary_prefix`] and [`secondary_prefix`] and puts its own bytes between them; nothing is copied.

mod reader;
#[cfg(test)]
mod tests;

use floe_redstuff::{Axis, EncodingParams, PairIndex, SymbolSize};
use thiserror::Error;

pub use reader::{Frame, SliverFrame, UploadReader};

use crate::wire::length_size;

/// First four bytes of a body.
pub const MAGIC: [u8; 4] = *b"FLUP";
/// The only version there is.
pub const VERSION: u8 = 1;
/// Bytes before the metadata.
pub const HEADER_BYTES: usize = 12;
/// Bytes of a pair besides its two slivers.
pub const PAIR_FRAMING_BYTES: usize = 10;

/// The header of a body: number of pairs that follow, and length of the metadata in bytes.
///
/// # Errors
/// The metadata is longer than 32 bits say.
pub fn header(pairs: u16, metadata_bytes: usize) -> Result<[u8; HEADER_BYTES], UploadError> {
    let mut out = [0; HEADER_BYTES];
    out[..4].copy_from_slice(&MAGIC);
    out[4] = VERSION;
    out[6..8].copy_from_slice(&pairs.to_le_bytes());
    out[8..].copy_from_slice(&length_field("metadata", metadata_bytes)?);
    Ok(out)
}

/// What stands before a primary sliver of `bytes` BCS bytes.
///
/// # Errors
/// The sliver is longer than 32 bits say.
pub fn primary_prefix(pair: PairIndex, bytes: usize) -> Result<[u8; 6], UploadError> {
    let mut out = [0; 6];
    out[..2].copy_from_slice(&pair.get().to_le_bytes());
    out[2..].copy_from_slice(&length_field("primary sliver", bytes)?);
    Ok(out)
}

/// What stands before a secondary sliver of `bytes` BCS bytes.
///
/// # Errors
/// The sliver is longer than 32 bits say.
pub fn secondary_prefix(bytes: usize) -> Result<[u8; 4], UploadError> {
    length_field("secondary sliver", bytes)
}

fn length_field(what: &'static str, bytes: usize) -> Result<[u8; 4], UploadError> {
    u32::try_from(bytes).map(u32::to_le_bytes).map_err(|_| UploadError::WrongLength {
        what,
        got: bytes as u64,
        expected: u32::MAX.into(),
    })
}

/// Bytes of a sliver in BCS without the axis: length prefix, symbols, symbol size, index.
#[must_use]
pub fn sliver_bcs_bytes(params: EncodingParams, axis: Axis, symbol_size: SymbolSize) -> u64 {
    let data = u64::from(params.symbols_per_sliver(axis)) * u64::from(symbol_size.get());
    length_size(data) + data + 4
}

/// Bytes of a whole body with that many pairs: what `Content-Length` will be.
#[must_use]
pub fn body_bytes(params: EncodingParams, symbol_size: SymbolSize, pairs: u16) -> u64 {
    let pair = PAIR_FRAMING_BYTES as u64
        + sliver_bcs_bytes(params, Axis::Primary, symbol_size)
        + sliver_bcs_bytes(params, Axis::Secondary, symbol_size);
    HEADER_BYTES as u64 + crate::limits::metadata_bytes(params) + u64::from(pairs) * pair
}

/// Why a body is no upload.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UploadError {
    /// It does not begin with [`MAGIC`].
    #[error("not an upload: it begins with {got:02x?} instead of 'FLUP'")]
    BadMagic {
        /// The first four bytes.
        got: [u8; 4],
    },
    /// A version or flags of a future format.
    #[error("upload version {version} with flags {flags} is not supported, only version 1 without flags")]
    Unsupported {
        /// Version byte.
        version: u8,
        /// Flags byte.
        flags: u8,
    },
    /// More pairs than there are, or none.
    #[error("upload of {got} pairs: between 1 and {n_shards} are possible")]
    PairCount {
        /// Number in the header.
        got: u16,
        /// Number of shards.
        n_shards: u16,
    },
    /// A part has another length than the metadata or the number of shards demand.
    #[error("{what} of {got} bytes, expected {expected}")]
    WrongLength {
        /// Name of the part.
        what: &'static str,
        /// Length in the body.
        got: u64,
        /// Length demanded.
        expected: u64,
    },
    /// The metadata does not decode, or speaks of a blob that cannot be.
    #[error("bad metadata: {0}")]
    BadMetadata(String),
    /// A pair index at or past the number of shards, or not above the one before.
    #[error("pair {got} out of order or out of range: pairs ascend and are below {n_shards}")]
    BadPair {
        /// The index.
        got: u16,
        /// Number of shards.
        n_shards: u16,
    },
    /// A sliver that does not decode.
    #[error("bad {axis} sliver of pair {pair}: {reason}")]
    BadSliver {
        /// Its pair.
        pair: PairIndex,
        /// Its axis.
        axis: Axis,
        /// What is wrong.
        reason: String,
    },
    /// Bytes after the last pair.
    #[error("bytes follow the last pair")]
    TrailingBytes,
    /// The body ends before the last pair does.
    #[error("upload ends early: {missing_pairs} pairs are incomplete or missing")]
    Truncated {
        /// Pairs not yet complete; all of them when the header is not.
        missing_pairs: u16,
    },
    /// More bytes were handed in at once than the reader holds.
    #[error("{got} bytes pending, at most {max}: take the frames out first")]
    TooMuchPending {
        /// Bytes pending.
        got: usize,
        /// The limit.
        max: usize,
    },
}
