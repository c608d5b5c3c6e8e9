//! Metadata and blob id in bounded memory: the blob is coded in *stripes* of its symbols.
//!
//! # The algorithm
//!
//! The code acts on every 16-bit word position of a symbol by itself, and words lie within blocks of 64 bytes, the last
//! of which may be shorter (spec/encoding.md 5.3). So bytes `a..b` of every symbol of the `n × n` matrix follow
//! from bytes `a..b` of the source symbols, if `a` is a multiple of 64 and `b` is one too or the end of the symbol: a
//! stripe is itself a matrix with smaller symbols, and the unfinished block at the end stays in the last stripe.
//!
//! For each stripe, in order:
//!
//! 1. its pieces of all source symbols are read, row by row, and each row is continued to `n` pieces;
//! 2. each column is continued downwards, a few at a time, and every piece, while it is in the cache, goes into the hash
//!    of its cell.
//!
//! What lives from one stripe to the next is the state of `n²` hashes. Stripes are a multiple of 128 bytes, a block of the
//! hash, so 65 bytes a cell are enough ([`crate::simd::chains`]). After the last stripe its memory is given back and the
//! states become the leaves of all trees.
//!
//! Memory is therefore `65 n²` bytes, and `n (n - 2f)` bytes for each byte of a stripe: 65 MB and 334 kB at 1000 shards,
//! whatever the size of the blob. Every piece is read once; a larger ceiling only makes the pieces longer.
//!
//! A blob that fits into one stripe is read whole and takes the way of [`compute_metadata`].
//!
//! # Slivers
//!
//! [`encode_into`] does the same and writes to a spool what the slivers have beyond the blob: 2.5 times the blob. A piece
//! is short (a kilobyte at 8 GiB, and there are 16 million of them), so they are collected and leave in blocks of
//! megabytes, laid out such that a sliver is read back in few runs ([`layout`]). [`SpooledBlob`] puts slivers together
//! from the source and the spool.

mod cells;
mod decode;
mod layout;
mod plan;
mod spool;
mod stripe;
#[cfg(test)]
mod tests;

use std::convert::Infallible;

use rayon::prelude::*;

use self::{
    cells::Cells,
    plan::Plan,
    spool::{NoSpool, Sink},
    stripe::Stripe,
};
pub use self::{
    decode::{DecodeOptions, DecodeRowsError, DecodeSpace, decode_rows},
    spool::{Spool, SpoolError, SpooledBlob, encode_into},
};
use crate::{
    BlobMetadata, BlobTooLarge, EncodeError, EncodingParams, EncodingType, SliverPairHashes, VerifiedMetadata,
    compute_metadata, merkle::Node, simd::Level,
};

/// A ceiling on memory that suits 1000 shards: 512 MiB.
pub const MEMORY_CEILING_BYTES: usize = 512 * 1024 * 1024;

/// What one thread reads at once of a source that is read whole.
const READ_BYTES: usize = 2 << 20;

/// A blob that can be read at any position, by many threads at once: a file, a slice.
///
/// It must not change while it is read. If it does, and cannot tell, the result is the id of nothing in particular.
pub trait BlobSource: Sync {
    /// Why reading fails.
    type Error: Send;

    /// Length of the blob in bytes.
    fn length(&self) -> u64;

    /// Fills `buffer` with the bytes at `offset`. All of them are within the length.
    ///
    /// # Errors
    /// What the source says; it ends the computation.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// Fails if the bytes may have changed since this source was opened, as far as it can tell. Asked after reads, before
    /// what was read is used.
    ///
    /// # Errors
    /// What the source says; nothing that was read from it is believed then.
    fn unchanged(&self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Reads what lies at `offset`; zeros stand for what lies past the end.
fn read_padded<S: BlobSource + ?Sized>(source: &S, offset: u64, out: &mut [u8]) -> Result<(), S::Error> {
    let inside = usize::try_from(source.length().saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
    let (bytes, padding) = out.split_at_mut(inside);
    padding.fill(0);
    if bytes.is_empty() { Ok(()) } else { source.read_at(offset, bytes) }
}

/// Reads all of a source into memory, on the threads of the current rayon pool: more than the copy, the fresh pages that it
/// goes to take time.
///
/// # Errors
/// What the source says, also if it has changed.
pub fn read_whole<S: BlobSource + ?Sized>(source: &S) -> Result<Vec<u8>, S::Error> {
    let length = usize::try_from(source.length()).expect("what is asked for whole fits into memory");
    let mut blob = vec![0; length];
    let pieces = blob.par_chunks_mut(READ_BYTES).enumerate();
    pieces.try_for_each(|(number, piece)| source.read_at((number * READ_BYTES) as u64, piece))?;
    source.unchanged()?;
    Ok(blob)
}

impl BlobSource for [u8] {
    type Error = Infallible;

    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Infallible> {
        let start = usize::try_from(offset).expect("within the slice");
        buffer.copy_from_slice(&self[start..start + buffer.len()]);
        Ok(())
    }
}

/// Why a source cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError<E> {
    /// It does not fit.
    #[error(transparent)]
    TooLarge(#[from] BlobTooLarge),
    /// It cannot be read, or it has changed.
    #[error("reading the blob: {0}")]
    Read(E),
}

/// As [`compute_metadata`], for a blob of any size in about `ceiling` bytes of memory: see
/// [`MEMORY_CEILING_BYTES`]. Reads every byte once, in pieces, on the threads of the current rayon pool.
///
/// A ceiling below what the shortest stripes take (110 MB at 1000 shards, half a megabyte at 31) acts like that.
///
/// # Errors
/// The blob is too large for the number of shards, or the source fails.
pub fn compute_metadata_from<S: BlobSource + ?Sized>(
    params: EncodingParams,
    source: &S,
    ceiling: usize,
) -> Result<VerifiedMetadata, SourceError<S::Error>> {
    let length = source.length();
    let symbol = params.symbol_size(length)?.bytes();
    let plan = Plan::new(params, symbol, ceiling, rayon::current_num_threads());
    if plan.is_single() {
        let blob = read_whole(source).map_err(SourceError::Read)?;
        return compute_metadata(params, &blob).map_err(|EncodeError::TooLarge(e)| e.into());
    }
    by_stripes(params, source, plan, None::<Sink<'_, NoSpool>>).map_err(|error| match error {
        SpoolError::TooLarge(error) => SourceError::TooLarge(error),
        SpoolError::Source(error) => SourceError::Read(error),
        SpoolError::Spool(never) => match never {},
    })
}

/// The algorithm above, for stripes of any number.
fn by_stripes<S: BlobSource + ?Sized, K: Spool + ?Sized>(
    params: EncodingParams,
    source: &S,
    plan: Plan,
    sink: Option<Sink<'_, K>>,
) -> Result<VerifiedMetadata, SpoolError<S::Error, K::Error>> {
    let mut cells = Cells::new(usize::from(params.n_shards()), Level::active());
    let mut stripe = Stripe::new(params, plan.symbol());
    for part in plan.parts() {
        stripe.read(source, part).map_err(SpoolError::Source)?;
        stripe.absorb(&mut cells, sink).map_err(SpoolError::Spool)?;
    }
    source.unchanged().map_err(SpoolError::Source)?;
    drop(stripe);
    let (rows, columns) = cells.roots();
    let hashes = rows.into_iter().zip(columns.into_iter().rev());
    let hashes = hashes.map(|(row, column)| SliverPairHashes {
        primary: Node::Digest(row),
        // Pair p has column n - 1 - p.
        secondary: Node::Digest(column),
    });
    let metadata =
        BlobMetadata { encoding_type: EncodingType::Rs2, unencoded_length: source.length(), hashes: hashes.collect() };
    Ok(VerifiedMetadata::new(metadata, params).expect("one digest for each sliver of a blob that fits"))
}
