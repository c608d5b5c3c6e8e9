//! Whether a decoded blob is the only one that its id can stand for (spec/encoding.md section 11.1).

use rayon::prelude::*;

use crate::{
    Axis, BlobId, SliverIndex, VerifiedMetadata, code::Code, encode::compute_metadata, expand::Expander, matrix::Matrix,
};

/// The writer encoded this blob wrongly: no data may be returned for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InconsistentBlob {
    /// The bytes do not have the length that the metadata states.
    #[error("decoded {got} bytes, the metadata says {expected}")]
    Length {
        /// Bytes decoded.
        got: u64,
        /// Bytes expected.
        expected: u64,
    },
    /// A systematic sliver made of the decoded bytes is not the one that the metadata commits to.
    #[error("the blob was encoded wrongly: primary sliver {index} is not part of it")]
    Sliver {
        /// The first such sliver.
        index: SliverIndex,
    },
    /// Encoding the decoded bytes gives another blob.
    #[error("the blob was encoded wrongly: its bytes are those of {got}, not {expected}")]
    BlobId {
        /// The id of the decoded bytes.
        got: BlobId,
        /// The id asked for.
        expected: BlobId,
    },
}

/// The standard check of a reader: every systematic primary sliver of the decoded blob that was not itself `used`
/// (verified, and decoded from) is made again and compared with its commitment. Then all correct readers return the
/// same bytes or fail. After decoding from secondary slivers `used` is empty.
///
/// # Errors
/// The blob is inconsistent.
pub fn check_default(metadata: &VerifiedMetadata, blob: &[u8], used: &[SliverIndex]) -> Result<(), InconsistentBlob> {
    let matrix = matrix(metadata, blob)?;
    let (params, symbol) = (matrix.params, matrix.symbol);
    let mut wanted = vec![true; matrix.rows];
    for index in used {
        if let Some(row) = wanted.get_mut(index.at()) {
            *row = false;
        }
    }
    let rows: Vec<SliverIndex> =
        (0..params.primary_source_symbols()).map(SliverIndex::new).filter(|index| wanted[index.at()]).collect();
    // Rows past the end of the blob are all zero, and so have one root.
    let zeros = rows.partition_point(|index| index.at() < matrix.rows_held());
    let distinct = &rows[..rows.len().min(zeros + 1)];
    let batch = Code::of_sliver(Axis::Primary, params).batch(symbol, distinct.len());
    crate::hash::expect_leaves(symbol, distinct.len() * matrix.shards());
    let first_wrong = distinct
        .par_chunks(batch)
        .enumerate()
        .map_init(
            || Expander::new(Axis::Primary, params, symbol),
            |expander, (number, group)| {
                let slivers: Vec<&[u8]> = group.iter().map(|index| matrix.row(index.at())).collect();
                let roots = expander.roots_of(&slivers);
                (number * batch..).zip(&roots).find_map(|(at, root)| {
                    let alike = if at == zeros { &rows[at..] } else { &rows[at..=at] };
                    let wrong = |index: &&SliverIndex| metadata.hash_of(Axis::Primary, **index).value() != root;
                    alike.iter().find(wrong).copied()
                })
            },
        )
        .find_map_first(|wrong| wrong);
    match first_wrong {
        None => Ok(()),
        Some(index) => Err(InconsistentBlob::Sliver { index }),
    }
}

/// The strict check: the decoded blob is encoded again and must have the same id. Then every sliver of it was encoded
/// correctly.
///
/// # Errors
/// The blob is inconsistent.
pub fn check_strict(metadata: &VerifiedMetadata, blob: &[u8]) -> Result<(), InconsistentBlob> {
    matrix(metadata, blob)?;
    let again = compute_metadata(metadata.params(), blob);
    let again = again.expect("the metadata's length is that of the blob, and it fits");
    if again.blob_id() == metadata.blob_id() {
        return Ok(());
    }
    Err(InconsistentBlob::BlobId { got: *again.blob_id(), expected: *metadata.blob_id() })
}

/// The blob as a matrix, if it has the stated length.
fn matrix<'b>(metadata: &VerifiedMetadata, blob: &'b [u8]) -> Result<Matrix<'b>, InconsistentBlob> {
    let expected = metadata.unencoded_length();
    let got = u64::try_from(blob.len()).unwrap_or(u64::MAX);
    if got != expected {
        return Err(InconsistentBlob::Length { got, expected });
    }
    let matrix = Matrix::new(metadata.params(), blob);
    Ok(matrix.expect("verified metadata states a length that fits"))
}
