//! From a blob to its slivers and their commitments.
//!
//! The `n × n` matrix is never held. Two passes over strips of the message matrix make everything:
//!
//! 1. [`extra_columns`]: strips of rows are continued to the right, which gives the secondary slivers that are not
//!    part of the blob;
//! 2. [`Columns::run`]: strips of columns, those included, are continued downwards, which gives the remaining
//!    primary slivers. Each symbol is hashed once, while it is in the cache, and its hash serves two trees: that of
//!    its column, built at once, and that of its row, of which a strip gives one node ([`crate::rows`]).
//!
//! Within a strip, as many columns share a call of the code as fit the cache (see [`crate::code`]).

use rayon::prelude::*;

use crate::{
    Axis, BlobMetadata, BlobTooLarge, EncodingParams, EncodingType, Sliver, SliverIndex, SliverPair, SliverPairHashes,
    VerifiedMetadata, VerifiedSliver,
    code::{self, Code},
    expand::Expander,
    hash::{self, Digest},
    matrix::Matrix,
    merkle::{self, Node},
    rows,
};

/// Columns whose hashes are held at once: half a mebibyte at 1000 shards.
const STRIP_COLUMNS: usize = 16;
/// Twice as many for symbols of fewer bytes, so that the code has blocks to fill.
const STRIP_WIDE_BELOW: usize = 32;

/// Why a blob cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It does not fit.
    #[error(transparent)]
    TooLarge(#[from] BlobTooLarge),
}

/// A blob's commitments and all its slivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedBlob {
    /// The commitments.
    pub metadata: VerifiedMetadata,
    /// All pairs in pair order. A sliver's data can be moved out with [`VerifiedSliver::into_inner`].
    pub pairs: Vec<SliverPair>,
}

/// A blob's commitments, and what its slivers have beyond the blob itself: the other primary slivers are its rows, the other
/// secondary ones its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The commitments.
    pub metadata: VerifiedMetadata,
    /// The symbols of the primary slivers below the blob, by index from the number of its rows on.
    pub rows: Vec<Vec<u8>>,
    /// The symbols of the secondary slivers beside the blob, by index from the number of its columns on.
    pub columns: Vec<Vec<u8>>,
}

/// Encodes a blob without copying it. Runs on the current rayon pool; takes about 2.5 times the blob's size in memory for the
/// result, and little beyond it.
///
/// # Errors
/// The blob is too large for the number of shards.
pub fn extend(params: EncodingParams, blob: &[u8]) -> Result<Extension, EncodeError> {
    Ok(extend_matrix(&Matrix::new(params, blob)?, blob, &mut []))
}

/// As [`extend`], and fills the columns of the blob if there are any to fill.
fn extend_matrix(matrix: &Matrix<'_>, blob: &[u8], columns: &mut [Vec<u8>]) -> Extension {
    let extra = extra_columns(matrix);
    let mut rows = zeroed(matrix.shards() - matrix.rows, matrix.row_bytes());
    let hashes = Columns::new(matrix, &extra).run(Some(Outputs { columns, lower_rows: &mut rows }));
    Extension { metadata: seal(matrix, blob, hashes), rows, columns: extra }
}

/// Encodes a blob: all slivers and the metadata. Runs on the current rayon pool; takes about 4.5 times the blob's
/// size in memory for the result, and little beyond it.
///
/// # Errors
/// The blob is too large for the number of shards.
pub fn encode(params: EncodingParams, blob: &[u8]) -> Result<EncodedBlob, EncodeError> {
    let matrix = Matrix::new(params, blob)?;
    let mut columns: Vec<Vec<u8>> = vec![Vec::new(); matrix.columns];
    let Extension { metadata, rows: mut lower_rows, columns: extra } = extend_matrix(&matrix, blob, &mut columns);

    let grain = code::grain(matrix.rows * matrix.columns, matrix.symbol);
    let mut primaries: Vec<Vec<u8>> =
        (0..matrix.rows).into_par_iter().with_min_len(grain).map(|row| matrix.row(row).to_vec()).collect();
    primaries.append(&mut lower_rows);
    columns.extend(extra);
    let sliver = |axis, (index, data)| {
        let sliver = Sliver { axis, index: SliverIndex::new(index), symbol_size: matrix.symbol_size, data };
        VerifiedSliver::new(sliver, &metadata)
    };
    let primaries = (0u16..).zip(primaries).map(|item| sliver(Axis::Primary, item));
    // Pair p has column n - 1 - p.
    let indices = (0..params.n_shards()).rev();
    let secondaries = indices.zip(columns.into_iter().rev());
    let pairs = primaries
        .zip(secondaries.map(|item| sliver(Axis::Secondary, item)))
        .map(|(primary, secondary)| SliverPair { primary, secondary })
        .collect();
    Ok(EncodedBlob { metadata, pairs })
}

/// Computes the metadata, and with it the blob id, without keeping slivers. Memory: half the blob's size for the
/// columns outside the blob, and some mebibytes for each thread.
///
/// # Errors
/// The blob is too large for the number of shards.
pub fn compute_metadata(params: EncodingParams, blob: &[u8]) -> Result<VerifiedMetadata, EncodeError> {
    let matrix = Matrix::new(params, blob)?;
    let extra = extra_columns(&matrix);
    let hashes = Columns::new(&matrix, &extra).run(None);
    Ok(seal(&matrix, blob, hashes))
}

/// Buffers whose pages nobody has touched: `vec![vec![0; _]; _]` would write to all but one of them here, on one thread.
fn zeroed(count: usize, length: usize) -> Vec<Vec<u8>> {
    (0..count).map(|_| vec![0; length]).collect()
}

/// Metadata from the roots of rows and columns, both in order of sliver index.
fn seal(matrix: &Matrix<'_>, blob: &[u8], hashes: Roots) -> VerifiedMetadata {
    let pair = |(row, column): (&Digest, &Digest)| SliverPairHashes {
        primary: Node::Digest(*row),
        secondary: Node::Digest(*column),
    };
    let columns_reversed = hashes.columns.iter().rev();
    let metadata = BlobMetadata {
        encoding_type: EncodingType::Rs2,
        unencoded_length: u64::try_from(blob.len()).unwrap_or(u64::MAX),
        hashes: hashes.rows.iter().zip(columns_reversed).map(pair).collect(),
    };
    VerifiedMetadata::new(metadata, matrix.params)
        .expect("the encoder makes one digest for each sliver of a blob that fits")
}

/// Columns `ks..n` of the rows of the blob: the secondary slivers that are not systematic.
fn extra_columns(matrix: &Matrix<'_>) -> Vec<Vec<u8>> {
    let code = Code::of_sliver(Axis::Primary, matrix.params);
    let symbol = matrix.symbol;
    let strip_rows = code.batch(symbol, matrix.rows);
    let mut columns = zeroed(code.recovery, matrix.rows * symbol);

    // Each strip of rows owns a piece of every column.
    let mut strips: Vec<Vec<&mut [u8]>> = Vec::new();
    strips.resize_with(matrix.rows.div_ceil(strip_rows), Vec::new);
    for column in &mut columns {
        for (strip, piece) in strips.iter_mut().zip(column.chunks_mut(strip_rows * symbol)) {
            strip.push(piece);
        }
    }
    strips.into_par_iter().enumerate().for_each_init(
        || Expander::new(Axis::Primary, matrix.params, symbol),
        |expander, (number, pieces)| {
            let first = number * strip_rows;
            let count = strip_rows.min(matrix.rows - first);
            expander.expand(count, |column, row| matrix.symbol(first + row, column));
            for (j, piece) in pieces.into_iter().enumerate() {
                piece.copy_from_slice(expander.recovery_symbols(j));
            }
        },
    );
    columns
}

/// Merkle roots of all slivers, by sliver index.
struct Roots {
    rows: Vec<Digest>,
    columns: Vec<Digest>,
}

/// Where the slivers go, if they are wanted.
struct Outputs<'o> {
    /// One for each column of the blob, to be filled.
    columns: &'o mut [Vec<u8>],
    /// Rows `kp..n`, columns of the blob only, at full length.
    lower_rows: &'o mut [Vec<u8>],
}

/// All `n` columns, `kp` symbols each: those of the blob and those that [`extra_columns`] made.
struct Columns<'m> {
    matrix: &'m Matrix<'m>,
    extra: &'m [Vec<u8>],
}

/// Some neighbouring columns, and where their results go.
struct Strip<'o> {
    first: usize,
    /// Their roots, one for each column.
    roots: &'o mut [Digest],
    /// The columns themselves, those of the blob, if wanted.
    columns: &'o mut [Vec<u8>],
    /// The piece of every lower row that lies in these columns, if wanted.
    lower: Vec<&'o mut [u8]>,
}

/// Working space of one thread.
struct Worker {
    expander: Expander,
    /// Leaf hashes of a strip, column by column.
    leaves: Vec<Digest>,
    scratch: Vec<Digest>,
}

impl<'m> Columns<'m> {
    fn new(matrix: &'m Matrix<'m>, extra: &'m [Vec<u8>]) -> Self {
        Self { matrix, extra }
    }

    fn symbol(&self, row: usize, column: usize) -> &[u8] {
        match column.checked_sub(self.matrix.columns) {
            None => self.matrix.symbol(row, column),
            Some(extra) => &self.extra[extra][row * self.matrix.symbol..][..self.matrix.symbol],
        }
    }

    /// Continues all columns downwards, hashes everything, and fills the outputs.
    fn run(&self, outputs: Option<Outputs<'_>>) -> Roots {
        let Matrix { symbol, params, .. } = *self.matrix;
        let n = self.matrix.shards();
        let width = rows::strip_width(n, if symbol < STRIP_WIDE_BELOW { 2 * STRIP_COLUMNS } else { STRIP_COLUMNS });
        hash::expect_leaves(symbol, n * n);
        let mut columns = vec![merkle::EMPTY; n];
        let strips = strips(width, symbol, &mut columns, outputs);
        // A single strip is all of the trees.
        let folds = (strips.len() > 1).then(|| width.ilog2());
        let new_worker = || Worker {
            expander: Expander::new(Axis::Secondary, params, symbol),
            leaves: vec![merkle::EMPTY; width * n],
            scratch: vec![merkle::EMPTY; n],
        };
        let grain = code::grain(n * n, symbol);
        let nodes = strips
            .into_par_iter()
            .with_min_len(grain)
            .map_init(new_worker, |worker, strip| {
                let columns = strip.roots.len();
                self.run_strip(worker, strip);
                let leaves = &mut worker.leaves[..columns * n];
                rows::fold_strip(leaves, n, folds);
                leaves[..n].to_vec()
            })
            .collect();
        Roots { rows: rows::roots(nodes, grain), columns }
    }

    /// Leaves the hashes of all symbols in `worker.leaves`.
    fn run_strip(&self, worker: &mut Worker, mut strip: Strip<'_>) {
        let Matrix { symbol, rows, params, .. } = *self.matrix;
        let n = self.matrix.shards();
        for (at, column) in strip.columns.iter_mut().enumerate() {
            column.reserve_exact(rows * symbol);
            for row in 0..rows {
                column.extend_from_slice(self.symbol(row, strip.first + at));
            }
        }
        let count = strip.roots.len();
        let batch = Code::of_sliver(Axis::Secondary, params).batch_in_cache(symbol).min(count);
        for first in (0..count).step_by(batch) {
            let columns = batch.min(count - first);
            let source = |row: usize, column: usize| self.symbol(row, strip.first + first + column);
            worker.expander.expand(columns, source);
            for (j, piece) in strip.lower.iter_mut().enumerate() {
                // A strip may end with columns that are not in the blob.
                let end = piece.len().min((first + columns) * symbol);
                if let Some(piece) = piece.get_mut(first * symbol..end) {
                    piece.copy_from_slice(&worker.expander.recovery_symbols(j)[..piece.len()]);
                }
            }
            worker.expander.hash_leaves(source, &mut worker.leaves[first * n..(first + columns) * n]);
        }
        for (root, leaves) in strip.roots.iter_mut().zip(worker.leaves.chunks_exact(n)) {
            worker.scratch.copy_from_slice(leaves);
            *root = merkle::root_in_place(&mut worker.scratch);
        }
    }
}

/// Divides all columns into strips of `width`, with their outputs.
fn strips<'o>(width: usize, symbol: usize, roots: &'o mut [Digest], outputs: Option<Outputs<'o>>) -> Vec<Strip<'o>> {
    let strip = |(number, roots): (usize, &'o mut [Digest])| Strip {
        first: number * width,
        roots,
        columns: &mut [],
        lower: Vec::new(),
    };
    let mut strips: Vec<Strip<'o>> = roots.chunks_mut(width).enumerate().map(strip).collect();
    if let Some(outputs) = outputs {
        for (strip, columns) in strips.iter_mut().zip(outputs.columns.chunks_mut(width)) {
            strip.columns = columns;
        }
        for row in outputs.lower_rows {
            for (strip, piece) in strips.iter_mut().zip(row.chunks_mut(width * symbol)) {
                strip.lower.push(piece);
            }
        }
    }
    strips
}
