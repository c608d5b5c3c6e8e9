//! The hash states of all cells of the matrix.

use rayon::prelude::*;

use crate::{
    hash::Digest,
    merkle,
    simd::{
        Level,
        chains::{Chains, LANES},
    },
};

/// Rows whose trees are built together, so that the table of hashes is read in runs.
const ROWS_AT_ONCE: usize = 8;

/// States of `n × n` leaf hashes, column by column; a column's last group may have lanes that stand for nothing.
pub(super) struct Cells {
    n: usize,
    pub(super) level: Level,
    groups: Vec<Chains>,
}

impl Cells {
    /// Before the first stripe.
    pub(super) fn new(n: usize, level: Level) -> Self {
        Self { n, level, groups: vec![Chains::new(); n * n.div_ceil(LANES)] }
    }

    /// Neighbouring columns, `width` at a time; each column is a run of as many groups as
    /// [`Cells::groups_of_column`] says.
    pub(super) fn columns(&mut self, width: usize) -> impl IndexedParallelIterator<Item = &mut [Chains]> {
        let groups = self.groups_of_column();
        self.groups.par_chunks_mut(width * groups)
    }

    pub(super) fn groups_of_column(&self) -> usize {
        self.n.div_ceil(LANES)
    }

    /// Merkle roots of all rows and of all columns, after the last stripe.
    pub(super) fn roots(self) -> (Vec<Digest>, Vec<Digest>) {
        let (n, groups) = (self.n, self.groups_of_column());
        let mut leaves = vec![merkle::EMPTY; n * n];
        let mut columns = vec![merkle::EMPTY; n];
        let work = leaves.par_chunks_mut(n).zip(self.groups.par_chunks(groups)).zip(&mut columns);
        work.for_each_init(Vec::new, |scratch, ((leaves, groups), root)| {
            for (leaves, group) in leaves.chunks_mut(LANES).zip(groups) {
                leaves.copy_from_slice(&group.digests()[..leaves.len()]);
            }
            scratch.clear();
            scratch.extend_from_slice(leaves);
            *root = merkle::root_in_place(scratch);
        });
        drop(self.groups);
        (row_roots(&leaves, n), columns)
    }
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
