//! BLAKE2b-256, one input at a time or many at once.
//!
//! Hashing is most of the work of an encode: `n²` leaves and twice as many inner nodes. Inputs of one length go
//! through the processor's vectors side by side, one in each lane ([`crate::simd`]).

use std::sync::{LazyLock, OnceLock};

use blake2b_simd::Params;

use crate::{merkle::EMPTY, simd::Level};

/// A hash value, and the value of a Merkle tree node.
pub type Digest = [u8; 32];

/// First byte of a hashed leaf, so that no leaf can pass for an inner node.
pub(crate) const LEAF_PREFIX: u8 = 0;
/// First byte of a hashed inner node.
pub(crate) const INNER_PREFIX: u8 = 1;

static PARAMS: LazyLock<Params> = LazyLock::new(|| {
    let mut params = Params::new();
    params.hash_length(32);
    params
});

/// BLAKE2b with a 32-byte output and no key.
pub fn hash(bytes: &[u8]) -> Digest {
    digest(&PARAMS.hash(bytes))
}

/// Hash of a leaf.
pub(crate) fn leaf(bytes: &[u8]) -> Digest {
    let mut state = PARAMS.to_state();
    digest(&state.update(&[LEAF_PREFIX]).update(bytes).finalize())
}

/// Hash of an inner node.
pub(crate) fn inner(left: &Digest, right: &Digest) -> Digest {
    let mut state = PARAMS.to_state();
    digest(&state.update(&[INNER_PREFIX]).update(left).update(right).finalize())
}

/// Replaces `left[i]` by `inner(left[i], right[i])`; without right ones they are [`EMPTY`].
///
/// # Panics
/// Unless there are as many right ones, if any.
pub(crate) fn join(level: Level, left: &mut [Digest], right: Option<&[Digest]>) {
    match level.for_messages(left.len()) {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(simd) => simd.join(left, right),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2(simd) => simd.join(left, right),
        Level::Portable => {
            for (i, node) in left.iter_mut().enumerate() {
                *node = inner(node, right.map_or(&EMPTY, |right| &right[i]));
            }
        }
    }
}

/// Replaces the front of `nodes` by the parents of neighbours; a last one without neighbour is joined with [`EMPTY`].
/// Returns how many parents there are.
pub(crate) fn fold(level: Level, nodes: &mut [Digest]) -> usize {
    match level.for_messages(nodes.len().div_ceil(2)) {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(simd) => simd.fold(nodes),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2(simd) => simd.fold(nodes),
        Level::Portable => {
            let parents = nodes.len().div_ceil(2);
            for i in 0..parents {
                nodes[i] = inner(&nodes[2 * i], nodes.get(2 * i + 1).unwrap_or(&EMPTY));
            }
            parents
        }
    }
}

fn digest(hash: &blake2b_simd::Hash) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(hash.as_bytes());
    out
}

/// Hashes of all leaves of two bytes, by their little-endian value: there are only 65 536 (2 MiB).
static PAIRS: OnceLock<Vec<Digest>> = OnceLock::new();
/// With this many leaves of two bytes to hash, all that there are have earned their keep.
const PAIRS_FROM: usize = 1 << 17;

/// Makes the table of all leaves, if `count` leaves of `leaf_bytes` bytes are to be hashed and it will help.
pub(crate) fn expect_leaves(leaf_bytes: usize, count: usize) {
    if leaf_bytes == 2 && count >= PAIRS_FROM {
        PAIRS.get_or_init(|| {
            let leaves: Vec<[u8; 2]> = (0..=u16::MAX).map(u16::to_le_bytes).collect();
            let mut hashes = vec![EMPTY; leaves.len()];
            LeafHasher::new(2).compute(leaves.iter().map(|leaf| &leaf[..]), &mut hashes);
            hashes
        });
    }
}

/// Hashes leaves of one length, many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeafHasher {
    level: Level,
    leaf_bytes: usize,
}

impl LeafHasher {
    /// A hasher for leaves of `leaf_bytes` bytes.
    pub(crate) fn new(leaf_bytes: usize) -> Self {
        Self::at_level(Level::active(), leaf_bytes)
    }

    fn at_level(level: Level, leaf_bytes: usize) -> Self {
        Self { level, leaf_bytes }
    }

    /// Writes the hash of each leaf, in order.
    ///
    /// # Panics
    /// Unless there are as many leaves as room for hashes, all of the hasher's length.
    pub(crate) fn hash<'a>(self, leaves: impl Iterator<Item = &'a [u8]>, out: &mut [Digest]) {
        match PAIRS.get().filter(|_| self.leaf_bytes == 2) {
            None => self.compute(leaves, out),
            Some(table) => {
                for (leaf, out) in leaves.zip(out) {
                    if let [low, high] = *leaf {
                        *out = table[usize::from(u16::from_le_bytes([low, high]))];
                    }
                }
            }
        }
    }

    /// As [`hash`](Self::hash) for leaves that lie one after the other.
    ///
    /// # Panics
    /// As [`hash`](Self::hash).
    pub(crate) fn hash_run(self, leaves: &[u8], out: &mut [Digest]) {
        match self.level.for_messages(out.len()) {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(simd) if self.leaf_bytes > 2 => simd.leaf_run(self.leaf_bytes, leaves, out),
            _ => self.hash(leaves.chunks_exact(self.leaf_bytes), out),
        }
    }

    fn compute<'a>(self, mut leaves: impl Iterator<Item = &'a [u8]>, out: &mut [Digest]) {
        match self.level.for_messages(out.len()) {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(simd) => simd.leaves(self.leaf_bytes, leaves, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(simd) => simd.leaves(self.leaf_bytes, leaves, out),
            Level::Portable => out.fill_with(|| leaf(leaves.next().expect("a leaf for each hash"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn many_leaves_equal_one_by_one(size in 0usize..700, count in 1usize..70, seed: u8) {
            let byte = |i: usize, k: usize| (i * 31 + k * 7 + usize::from(seed)).to_le_bytes()[0];
            let leaves: Vec<Vec<u8>> = (0..count).map(|i| (0..size).map(|k| byte(i, k)).collect()).collect();
            let expected: Vec<Digest> = leaves.iter().map(|bytes| leaf(bytes)).collect();
            for level in Level::available() {
                let mut got = vec![EMPTY; count];
                LeafHasher::at_level(level, size).hash(leaves.iter().map(Vec::as_slice), &mut got);
                prop_assert_eq!(&got, &expected, "{}", level.name());
                let run = leaves.concat();
                if size > 0 {
                    got.fill(EMPTY);
                    LeafHasher::at_level(level, size).hash_run(&run, &mut got);
                    prop_assert_eq!(&got, &expected, "{}", level.name());
                }
            }
        }

        #[test]
        fn many_parents_equal_one_by_one(left: Vec<Digest>, seed: u8) {
            let right: Vec<Digest> = left.iter().map(|digest| leaf(&[digest[0], seed])).collect();
            let expected: Vec<Digest> = left.iter().zip(&right).map(|(left, right)| inner(left, right)).collect();
            let nodes: Vec<Digest> = left.iter().zip(&right).flat_map(|(left, right)| [*left, *right]).collect();
            for level in Level::available() {
                let mut got = left.clone();
                join(level, &mut got, Some(&right));
                prop_assert_eq!(&got, &expected, "{}", level.name());
                let mut alone = left.clone();
                join(level, &mut alone, None);
                prop_assert!(alone.iter().zip(&left).all(|(got, left)| *got == inner(left, &EMPTY)));
                let mut folded = nodes.clone();
                let count = fold(level, &mut folded);
                prop_assert_eq!(&folded[..count], &expected, "{}", level.name());
                if let Some((last, rest)) = expected.split_last() {
                    let count = fold(level, &mut folded[..0]);
                    prop_assert_eq!(count, 0);
                    let mut odd = nodes[..nodes.len() - 1].to_vec();
                    let count = fold(level, &mut odd);
                    prop_assert_eq!(&odd[..count - 1], rest);
                    prop_assert_eq!(odd[count - 1], inner(left.last().unwrap(), &EMPTY));
                    prop_assert_ne!(&odd[count - 1], last);
                }
            }
        }
    }

    #[test]
    fn the_table_of_pairs_has_the_hashes_of_pairs() {
        expect_leaves(2, PAIRS_FROM);
        let leaves: Vec<[u8; 2]> = (0..=u16::MAX).step_by(251).map(u16::to_le_bytes).collect();
        let mut got = vec![EMPTY; leaves.len()];
        LeafHasher::new(2).hash(leaves.iter().map(|leaf| &leaf[..]), &mut got);
        assert!(PAIRS.get().is_some());
        assert!(got.iter().zip(&leaves).all(|(got, bytes)| *got == leaf(bytes)));
    }

    #[test]
    fn long_leaves_equal_one_by_one() {
        for size in [126usize, 127, 128, 129, 1023, 20_000, 65_534] {
            let leaves: Vec<Vec<u8>> = (0..19u8).map(|i| vec![i; size]).collect();
            let expected: Vec<Digest> = leaves.iter().map(|bytes| leaf(bytes)).collect();
            for level in Level::available() {
                let mut got = vec![EMPTY; leaves.len()];
                LeafHasher::at_level(level, size).hash(leaves.iter().map(Vec::as_slice), &mut got);
                assert_eq!(got, expected, "{} of size {size}", level.name());
            }
        }
    }
}
