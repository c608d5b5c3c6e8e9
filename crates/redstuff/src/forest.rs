//! Many Merkle trees of one size, folded level by level side by side, so that lanes are full whatever the size is.

use crate::{
    hash::{self, Digest},
    merkle::EMPTY,
    simd::Level,
};

/// Appends to `roots` those of the trees over each `n` of `nodes`, which are overwritten; `scratch` is working space.
pub(crate) fn roots(nodes: &mut [Digest], n: usize, scratch: &mut Vec<Digest>, roots: &mut Vec<Digest>) {
    let level = Level::active();
    let (mut held, mut length) = (nodes.len(), n);
    while length > 1 {
        if length.is_multiple_of(2) {
            held = hash::fold(level, &mut nodes[..held]);
        } else {
            // Every tree is completed with an empty node.
            scratch.clear();
            for tree in nodes[..held].chunks_exact(length) {
                scratch.extend_from_slice(tree);
                scratch.push(EMPTY);
            }
            held = hash::fold(level, scratch);
            nodes[..held].copy_from_slice(&scratch[..held]);
        }
        length = length.div_ceil(2);
    }
    roots.extend_from_slice(&nodes[..held]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::{leaf, root_in_place};

    proptest! {
        #[test]
        fn equal_the_trees_one_by_one(n in 1usize..70, trees in 0usize..20, seed: u8) {
            let mut nodes: Vec<Digest> = (0..n * trees).map(|i| leaf(&[i.to_le_bytes()[0], i.to_le_bytes()[1], seed])).collect();
            let expected: Vec<Digest> = nodes.clone().chunks_exact_mut(n).map(root_in_place).collect();
            let mut got = vec![[7; 32]];
            roots(&mut nodes, n, &mut Vec::new(), &mut got);
            prop_assert_eq!(&got[1..], &expected);
        }
    }
}
