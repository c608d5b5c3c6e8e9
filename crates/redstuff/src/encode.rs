//! From a blob to its slivers and their commitments.
//!
//! The `n × n` matrix is never held. Two passes over strips of the message matrix make everything:
//!
//! 1. [`extra_columns`]: strips of rows are continued to the right, which gives the secondary slivers that are not
//!    part of the blob;
//! 2. [`Columns::run`]: strips of columns, those included, are continued downwards, which gives the remaining
//!    primary slivers. Each symbol is hashed while it is in the cache, and its hash serves two trees: that of
//!    its column, reduced at once, and that of its row, reduced at the end from a table of `n²` hashes.
//!
//! Strips of small symbols are wide, so that many codewords share a call of the code (see [`crate::code`]).

use rayon::prelude::*;

use crate::{
    Axis, BlobMetadata, BlobTooLarge, EncodingParams, EncodingType, Sliver, SliverIndex, SliverPair, SliverPairHashes,
    VerifiedMetadata, VerifiedSliver,
    code::Code,
    expand::Expander,
    hash::Digest,
    matrix::Matrix,
    merkle::{self, Node},
};

/// Rows whose trees are built together, so that the table of hashes is read in runs.
const ROWS_AT_ONCE: usize = 8;

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

/// Encodes a blob: all slivers and the metadata. Runs on the current rayon pool; takes about 4.5 times the blob's
/// size in memory for the result, and little beyond it.
///
/// # Errors
/// The blob is too large for the number of shards.
pub fn encode(params: EncodingParams, blob: &[u8]) -> Result<EncodedBlob, EncodeError> {
    let matrix = Matrix::new(params, blob)?;
    let extra = extra_columns(&matrix);

    let mut columns: Vec<Vec<u8>> = vec![Vec::new(); matrix.columns];
    let mut lower_rows = vec![vec![0; matrix.columns * matrix.symbol]; matrix.shards() - matrix.rows];
    let hashes =
        Columns::new(&matrix, &extra).run(Some(Outputs { columns: &mut columns, lower_rows: &mut lower_rows }));
    let metadata = seal(&matrix, blob, hashes);

    let mut primaries: Vec<Vec<u8>> = (0..matrix.rows).map(|row| matrix.row(row)).collect();
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
/// columns outside the blob, and a table of `n²` hashes (32 MB at 1000 shards).
///
/// # Errors
/// The blob is too large for the number of shards.
pub fn compute_metadata(params: EncodingParams, blob: &[u8]) -> Result<VerifiedMetadata, EncodeError> {
    let matrix = Matrix::new(params, blob)?;
    let extra = extra_columns(&matrix);
    let hashes = Columns::new(&matrix, &extra).run(None);
    Ok(seal(&matrix, blob, hashes))
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
    let mut columns = vec![vec![0; matrix.rows * symbol]; code.recovery];

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
    count: usize,
    /// Hashes of all symbols, column by column.
    leaves: &'o mut [Digest],
    roots: &'o mut [Digest],
    /// The columns themselves, if wanted.
    columns: &'o mut [Vec<u8>],
    /// The piece of every lower row that lies in these columns, if wanted.
    lower: Vec<&'o mut [u8]>,
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
        let n = self.matrix.shards();
        let mut leaves = vec![merkle::EMPTY; n * n];
        let mut columns = vec![merkle::EMPTY; n];
        let strips = self.strips(&mut leaves, &mut columns, outputs);
        let new_worker = || {
            let expander = Expander::new(Axis::Secondary, self.matrix.params, self.matrix.symbol);
            (expander, vec![merkle::EMPTY; n])
        };
        strips.into_par_iter().for_each_init(new_worker, |(expander, scratch), strip| {
            self.run_strip(expander, scratch, strip);
        });
        let rows = row_roots(&leaves, n);
        Roots { rows, columns }
    }

    /// Divides the work: columns of the blob and extra ones are never in one strip.
    fn strips<'o>(
        &self,
        leaves: &'o mut [Digest],
        roots: &'o mut [Digest],
        outputs: Option<Outputs<'o>>,
    ) -> Vec<Strip<'o>> {
        let Matrix { symbol, columns, .. } = *self.matrix;
        let n = self.matrix.shards();
        let width = Code::of_sliver(Axis::Secondary, self.matrix.params).batch(symbol, n);
        let (blob_leaves, extra_leaves) = leaves.split_at_mut(columns * n);
        let (blob_roots, extra_roots) = roots.split_at_mut(columns);
        let blob = strips_of(0, width, n, blob_leaves, blob_roots);
        let extra = strips_of(columns, width, n, extra_leaves, extra_roots);
        let mut strips: Vec<Strip<'o>> = blob.chain(extra).collect();
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

    fn run_strip(&self, expander: &mut Expander, scratch: &mut [Digest], strip: Strip<'_>) {
        let Matrix { symbol, rows, .. } = *self.matrix;
        let n = self.matrix.shards();
        let source = |row: usize, column: usize| self.symbol(row, strip.first + column);
        for (at, column) in strip.columns.iter_mut().enumerate() {
            column.reserve_exact(rows * symbol);
            for row in 0..rows {
                column.extend_from_slice(source(row, at));
            }
        }
        expander.expand(strip.count, source);
        for (j, piece) in strip.lower.into_iter().enumerate() {
            piece.copy_from_slice(expander.recovery_symbols(j));
        }
        expander.hash_leaves(source, strip.leaves);
        for (root, leaves) in strip.roots.iter_mut().zip(strip.leaves.chunks_exact(n)) {
            scratch.copy_from_slice(leaves);
            *root = merkle::root_in_place(scratch);
        }
    }
}

/// Strips over neighbouring columns whose leaves and roots these are, without outputs yet.
fn strips_of<'o>(
    first: usize,
    width: usize,
    n: usize,
    leaves: &'o mut [Digest],
    roots: &'o mut [Digest],
) -> impl Iterator<Item = Strip<'o>> {
    leaves.chunks_mut(width * n).zip(roots.chunks_mut(width)).enumerate().map(move |(number, (leaves, roots))| Strip {
        first: first + number * width,
        count: roots.len(),
        leaves,
        roots,
        columns: &mut [],
        lower: Vec::new(),
    })
}

/// Roots of all rows, from leaf hashes that are ordered column by column.
fn row_roots(leaves: &[Digest], n: usize) -> Vec<Digest> {
    let mut roots = vec![merkle::EMPTY; n];
    roots.par_chunks_mut(ROWS_AT_ONCE).enumerate().for_each_init(
        || vec![merkle::EMPTY; ROWS_AT_ONCE * n],
        |scratch, (group, roots)| {
            for (column, hashes) in leaves.chunks_exact(n).enumerate() {
                for i in 0..roots.len() {
                    scratch[i * n + column] = hashes[group * ROWS_AT_ONCE + i];
                }
            }
            for (root, leaves) in roots.iter_mut().zip(scratch.chunks_exact_mut(n)) {
                *root = merkle::root_in_place(leaves);
            }
        },
    );
    roots
}
