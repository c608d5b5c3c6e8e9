//! The trees of all rows, built from the columns side by side.
//!
//! Columns come in strips of a power of two. The leaf hashes of a strip are folded pairwise, column with column, for all
//! rows at once, down to one node of each row's tree: then the table of all `n²` hashes never exists, only `n` nodes for
//! each strip. Every fold runs over whole columns, so that lanes are full whatever `n` is.

use rayon::prelude::*;

use crate::{
    hash::{self, Digest},
    simd::Level,
};

/// Joins columns pairwise until one is left, or `folds` times, filling up with empty nodes. `columns` holds columns of
/// `n` hashes and is overwritten; the nodes are its first `n`.
pub(crate) fn fold_strip(columns: &mut [Digest], n: usize, folds: Option<u32>) {
    let level = Level::active();
    let mut count = columns.len() / n;
    let mut done = 0;
    while folds.map_or(count > 1, |folds| done < folds) {
        for pair in 0..count.div_ceil(2) {
            let (left, right) = columns[2 * pair * n..].split_at_mut(n);
            hash::join(level, left, right.get(..n).filter(|_| 2 * pair + 1 < count));
            columns.copy_within(2 * pair * n..(2 * pair + 1) * n, pair * n);
        }
        count = count.div_ceil(2);
        done += 1;
    }
}

/// The roots of all rows from the nodes that [`fold_strip`] left of each strip, in order. At least `grain` pairs of strips
/// are joined by one thread.
pub(crate) fn roots(mut strips: Vec<Vec<Digest>>, grain: usize) -> Vec<Digest> {
    let level = Level::active();
    while strips.len() > 1 {
        strips = strips
            .into_par_iter()
            .chunks(2)
            .with_min_len(grain)
            .map(|pair| {
                let mut pair = pair.into_iter();
                let mut left = pair.next().unwrap_or_default();
                hash::join(level, &mut left, pair.next().as_deref());
                left
            })
            .collect();
    }
    strips.pop().unwrap_or_default()
}

/// Columns in a strip: a power of two, as many as `max` and few enough that every thread gets some strips.
pub(crate) fn strip_width(n: usize, max: usize) -> usize {
    let fair = n.div_ceil(4 * rayon::current_num_threads()).clamp(1, max);
    1 << fair.ilog2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::{leaf, root_in_place};

    proptest! {
        #[test]
        fn equal_the_trees_of_the_rows(n in 1usize..70, width in 0u32..5) {
            let hash = |row: usize, column: usize| leaf(&(row * 1000 + column).to_le_bytes());
            let column = |column: usize| (0..n).map(move |row| hash(row, column));
            let all: Vec<usize> = (0..n).collect();
            let strips: Vec<Vec<Digest>> = all
                .chunks(1 << width)
                .map(|strip| {
                    let mut hashes: Vec<Digest> = strip.iter().flat_map(|c| column(*c)).collect();
                    fold_strip(&mut hashes, n, (n > 1 << width).then_some(width));
                    hashes.truncate(n);
                    hashes
                })
                .collect();
            let got = roots(strips, width as usize);
            for (row, root) in got.iter().enumerate() {
                let mut leaves: Vec<Digest> = (0..n).map(|column| hash(row, column)).collect();
                prop_assert_eq!(*root, root_in_place(&mut leaves));
            }
        }
    }
}
