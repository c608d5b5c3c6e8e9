//! From slivers back to the blob (spec/encoding.md section 11).

use rayon::prelude::*;

use crate::{
    Axis, BlobId, VerifiedMetadata, VerifiedSliver,
    code::{Code, Decoder, Erasures, Runs},
};

/// Less than this is copied faster than another thread wakes up.
const COPY_BYTES_MIN: usize = 256 << 10;

/// Why slivers do not give the blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too few distinct slivers of the axis.
    #[error("{needed} distinct {axis} slivers are needed to decode, got {got}")]
    NotEnough {
        /// The axis decoded from.
        axis: Axis,
        /// Distinct slivers given.
        got: usize,
        /// Slivers needed.
        needed: usize,
    },
    /// A sliver was verified against another blob.
    #[error("a sliver belongs to blob {got}, expected {expected}")]
    OtherBlob {
        /// The sliver's blob.
        got: BlobId,
        /// The blob to be decoded.
        expected: BlobId,
    },
}

/// Rebuilds the blob from verified slivers of one axis. Repeated slivers, slivers of the other axis and more than
/// are needed are ignored. Runs on the current rayon pool.
///
/// Says nothing about whether the blob was encoded correctly: a reader follows up with
/// [`check_default`](crate::check_default) or [`check_strict`](crate::check_strict).
///
/// # Errors
/// Too few slivers, or one of another blob.
pub fn decode(metadata: &VerifiedMetadata, axis: Axis, slivers: &[VerifiedSliver]) -> Result<Vec<u8>, DecodeError> {
    let mut blob = Vec::new();
    decode_into(metadata, axis, slivers, &mut blob)?;
    Ok(blob)
}

/// As [`decode`], into a buffer that becomes the blob, whatever was in it. Who decodes more than once keeps the buffer: a
/// large one that is new costs the system more, page by page, than the decoding costs.
///
/// # Errors
/// As [`decode`]; the buffer is not touched then.
pub fn decode_into(
    metadata: &VerifiedMetadata,
    axis: Axis,
    slivers: &[VerifiedSliver],
    blob: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let taken = choose(metadata, axis, slivers)?;
    let rows = usize::from(metadata.params().primary_source_symbols());
    let padded = rows * metadata.sliver_bytes(Axis::Primary);
    if blob.capacity() < padded {
        // Zeros that the system gives need not be written.
        *blob = vec![0; padded];
    }
    blob.resize(padded, 0);
    match axis {
        Axis::Primary => from_rows(metadata, &taken, blob),
        Axis::Secondary => from_columns(metadata, &taken, blob),
    }
    blob.truncate(usize::try_from(metadata.unencoded_length()).unwrap_or(usize::MAX));
    Ok(())
}

/// The first distinct slivers of the axis, exactly as many as decoding needs. Systematic ones are preferred: what
/// they hold needs no arithmetic.
pub(crate) fn choose<'s>(
    metadata: &VerifiedMetadata,
    axis: Axis,
    slivers: &'s [VerifiedSliver],
) -> Result<Vec<&'s VerifiedSliver>, DecodeError> {
    let needed = usize::from(metadata.params().slivers_to_decode(axis));
    let mut taken: Vec<&VerifiedSliver> = Vec::new();
    for sliver in slivers.iter().filter(|sliver| sliver.axis == axis) {
        if sliver.metadata().blob_id() != metadata.blob_id() {
            return Err(DecodeError::OtherBlob { got: *sliver.metadata().blob_id(), expected: *metadata.blob_id() });
        }
        taken.push(sliver);
    }
    taken.sort_by_key(|sliver| sliver.index);
    taken.dedup_by_key(|sliver| sliver.index);
    if taken.len() < needed {
        let got = taken.len();
        return Err(DecodeError::NotEnough { axis, got, needed });
    }
    taken.truncate(needed);
    Ok(taken)
}

fn positions(slivers: &[&VerifiedSliver]) -> Vec<usize> {
    slivers.iter().map(|sliver| sliver.index.at()).collect()
}

/// Rows are contiguous in the blob: those at hand are copied, the others are decoded strip by strip.
fn from_rows(metadata: &VerifiedMetadata, slivers: &[&VerifiedSliver], blob: &mut [u8]) {
    let params = metadata.params();
    let symbol = metadata.symbol_size().bytes();
    let columns = usize::from(params.secondary_source_symbols());
    // Along a column, since that is what primary slivers give one symbol each of.
    let code = Code::of_sliver(Axis::Secondary, params);
    let erasures = Erasures::new(code, positions(slivers));

    let width = erasures.batch(symbol, columns);
    let mut strips: Vec<Vec<&mut [u8]>> = Vec::new();
    strips.resize_with(columns.div_ceil(width), Vec::new);
    let mut copies = Vec::new();
    let mut held = slivers.iter().peekable();
    for (row, bytes) in blob.chunks_exact_mut(columns * symbol).enumerate() {
        match held.next_if(|sliver| sliver.index.at() == row) {
            Some(sliver) => copies.push((bytes, sliver)),
            None => {
                for (strip, piece) in strips.iter_mut().zip(bytes.chunks_mut(width * symbol)) {
                    strip.push(piece);
                }
            }
        }
    }
    let copies_min = COPY_BYTES_MIN.div_ceil(columns * symbol);
    copies.into_par_iter().with_min_len(copies_min).for_each(|(bytes, sliver)| bytes.copy_from_slice(&sliver.data));
    strips.into_par_iter().enumerate().for_each_init(
        || Decoder::new(&erasures, symbol),
        |decoder, (number, mut rows)| {
            let first = number * width;
            let source = Runs(|slot: usize| &slivers[slot].data[first * symbol..]);
            decoder.decode(width.min(columns - first), &source, |m, shard| shard.write(rows[m], symbol));
        },
    );
}

/// Each strip of rows is a contiguous piece of the blob, into which columns at hand and decoded ones are woven.
fn from_columns(metadata: &VerifiedMetadata, slivers: &[&VerifiedSliver], blob: &mut [u8]) {
    let params = metadata.params();
    let symbol = metadata.symbol_size().bytes();
    let rows = usize::from(params.primary_source_symbols());
    let code = Code::of_sliver(Axis::Primary, params);
    let erasures = Erasures::new(code, positions(slivers));

    let row_bytes = code.originals * symbol;
    let height = erasures.batch(symbol, rows);
    blob.par_chunks_mut(height * row_bytes).enumerate().for_each_init(
        || Decoder::new(&erasures, symbol),
        |decoder, (number, strip)| {
            let first = number * height;
            let systematic = |sliver: &&&VerifiedSliver| sliver.index.at() < code.originals;
            for sliver in slivers.iter().filter(systematic) {
                let symbols = sliver.data[first * symbol..].chunks_exact(symbol);
                for (row, bytes) in strip.chunks_exact_mut(row_bytes).zip(symbols) {
                    row[sliver.index.at() * symbol..][..symbol].copy_from_slice(bytes);
                }
            }
            let source = Runs(|slot: usize| &slivers[slot].data[first * symbol..]);
            decoder.decode(strip.len() / row_bytes, &source, |m, shard| {
                shard.write(&mut strip[erasures.missing()[m] * symbol..], row_bytes);
            });
        },
    );
}
