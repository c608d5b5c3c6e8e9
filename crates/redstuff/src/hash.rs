//! BLAKE2b-256, one input at a time or many at once.
//!
//! Hashing is most of the work of an encode: `n²` leaves and twice as many inner nodes. Inputs of one length go
//! through the processor's vectors side by side, one in each lane: eight with AVX-512 ([`crate::simd`]), otherwise
//! what `blake2b_simd::many` finds, which wants them laid out in slots, prefix included.

use std::sync::{LazyLock, OnceLock};

use blake2b_simd::{
    Params,
    many::{HashManyJob, hash_many},
};

use crate::{merkle::EMPTY, simd::Level};

/// A hash value, and the value of a Merkle tree node.
pub type Digest = [u8; 32];

/// First byte of a hashed leaf, so that no leaf can pass for an inner node.
pub(crate) const LEAF_PREFIX: u8 = 0;
/// First byte of a hashed inner node.
pub(crate) const INNER_PREFIX: u8 = 1;
/// Nodes that are hashed as a group.
const LANES: usize = 8;
/// Jobs given to `blake2b_simd` at once: a few times the number of its lanes, small enough for the stack.
const JOBS: usize = 16;
/// Slots are filled up to about this many bytes before they are hashed, to stay inside the cache.
const SLOT_BYTES: usize = 64 * 1024;

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

/// Hashes each `slot`-byte piece of `slots`, prefix included, and passes on the results in order.
fn hash_slots(level: Level, slots: &[u8], slot: usize, mut out: impl FnMut(Digest)) {
    if level == Level::Portable {
        return slots.chunks_exact(slot).for_each(|message| out(hash(message)));
    }
    for group in slots.chunks(slot * JOBS) {
        let count = group.len() / slot;
        // Jobs past the end repeat the last slot and are not run.
        let mut jobs: [HashManyJob<'_>; JOBS] = std::array::from_fn(|i| {
            let at = i.min(count - 1) * slot;
            HashManyJob::new(&PARAMS, &group[at..at + slot])
        });
        hash_many(jobs[..count].iter_mut());
        for job in &jobs[..count] {
            out(digest(&job.to_hash()));
        }
    }
}

/// Replaces `left[i]` by `inner(left[i], right[i])`; without right ones they are [`EMPTY`].
pub(crate) fn join(level: Level, left: &mut [Digest], right: Option<&[Digest]>) {
    let empty = [EMPTY; LANES];
    for (number, left) in left.chunks_mut(LANES).enumerate() {
        let right = right.map_or(&empty[..left.len()], |right| &right[number * LANES..][..left.len()]);
        match (level, <&[Digest; LANES]>::try_from(&*left), <&[Digest; LANES]>::try_from(right)) {
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512(simd), Ok(lefts), Ok(rights)) => {
                let joined = simd.join(lefts, rights);
                left.copy_from_slice(&joined);
            }
            _ => {
                let mut joined = empty;
                join_some(level, left, right, &mut joined[..left.len()]);
                left.copy_from_slice(&joined[..left.len()]);
            }
        }
    }
}

/// At most [`LANES`] of them.
fn join_some(level: Level, left: &[Digest], right: &[Digest], out: &mut [Digest]) {
    #[cfg(target_arch = "x86_64")]
    if let (Level::Avx512(simd), 3..) = (level, left.len()) {
        let mut pairs = [[EMPTY; LANES]; 2];
        pairs[0][..left.len()].copy_from_slice(left);
        pairs[1][..right.len()].copy_from_slice(right);
        let [left, right] = &pairs;
        return out.copy_from_slice(&simd.join(left, right)[..out.len()]);
    }
    const SLOT: usize = 65;
    let mut slots = [INNER_PREFIX; SLOT * LANES];
    for (slot, (left, right)) in slots.chunks_exact_mut(SLOT).zip(left.iter().zip(right)) {
        slot[1..33].copy_from_slice(left);
        slot[33..].copy_from_slice(right);
    }
    let mut out = out.iter_mut();
    hash_slots(level, &slots[..SLOT * left.len()], SLOT, |digest| put(&mut out, digest));
}

/// Replaces the front of `nodes` by the parents of neighbours; a last one without neighbour is joined with [`EMPTY`].
/// Returns how many parents there are.
pub(crate) fn fold(level: Level, nodes: &mut [Digest]) -> usize {
    let parents = nodes.len().div_ceil(2);
    // A group reads its children before it writes, and never writes past what it has read.
    for first in (0..parents).step_by(LANES) {
        let children = &nodes[2 * first..nodes.len().min(2 * (first + LANES))];
        let mut group = [EMPTY; LANES];
        match (level, <&[Digest; 2 * LANES]>::try_from(children)) {
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512(simd), Ok(children)) => group = simd.parents(children),
            _ => {
                let mut halves = [[EMPTY; LANES]; 2];
                for (i, child) in children.iter().enumerate() {
                    halves[i % 2][i / 2] = *child;
                }
                let count = children.len().div_ceil(2);
                join_some(level, &halves[0][..count], &halves[1][..count], &mut group[..count]);
            }
        }
        let count = LANES.min(parents - first);
        nodes[first..first + count].copy_from_slice(&group[..count]);
    }
    parents
}

fn put<'d>(out: &mut impl Iterator<Item = &'d mut Digest>, digest: Digest) {
    if let Some(slot) = out.next() {
        *slot = digest;
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

/// Hashes leaves of one length, many at once. Owns its buffer so that it can be reused.
pub(crate) struct LeafHasher {
    level: Level,
    slot: usize,
    slots: Vec<u8>,
}

impl LeafHasher {
    /// A hasher for leaves of `leaf_bytes` bytes.
    pub(crate) fn new(leaf_bytes: usize) -> Self {
        Self::at_level(Level::active(), leaf_bytes)
    }

    fn at_level(level: Level, leaf_bytes: usize) -> Self {
        let slot = leaf_bytes + 1;
        let count = (SLOT_BYTES / slot).clamp(LANES, 8 * JOBS);
        // Every slot begins with the prefix and keeps it.
        let slots =
            if matches!(level, Level::Portable | Level::Avx2) { vec![LEAF_PREFIX; slot * count] } else { Vec::new() };
        Self { level, slot, slots }
    }

    /// Writes the hash of each leaf, in order.
    ///
    /// # Panics
    /// Unless there are as many leaves as room for hashes.
    pub(crate) fn hash<'a>(&mut self, leaves: impl Iterator<Item = &'a [u8]>, out: &mut [Digest]) {
        match PAIRS.get().filter(|_| self.slot == 3) {
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

    fn compute<'a>(&mut self, mut leaves: impl Iterator<Item = &'a [u8]>, out: &mut [Digest]) {
        #[cfg(target_arch = "x86_64")]
        if let Level::Avx512(simd) = self.level {
            for out in out.chunks_mut(LANES) {
                let first = leaves.next().expect("a leaf for each hash");
                let mut group = [first; LANES];
                for slot in &mut group[1..out.len()] {
                    *slot = leaves.next().expect("a leaf for each hash");
                }
                out.copy_from_slice(&simd.leaves(&group)[..out.len()]);
            }
            return;
        }
        let room = self.slots.len() / self.slot;
        for out in out.chunks_mut(room) {
            for slot in self.slots.chunks_exact_mut(self.slot).take(out.len()) {
                slot[1..].copy_from_slice(leaves.next().expect("a leaf for each hash"));
            }
            let filled = self.slot * out.len();
            let mut out = out.iter_mut();
            hash_slots(self.level, &self.slots[..filled], self.slot, |digest| put(&mut out, digest));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn many_leaves_equal_one_by_one(size in 0usize..700, count in 1usize..40, seed: u8) {
            let byte = |i: usize, k: usize| (i * 31 + k * 7 + usize::from(seed)).to_le_bytes()[0];
            let leaves: Vec<Vec<u8>> = (0..count).map(|i| (0..size).map(|k| byte(i, k)).collect()).collect();
            let expected: Vec<Digest> = leaves.iter().map(|bytes| leaf(bytes)).collect();
            for level in Level::available() {
                let mut got = vec![EMPTY; count];
                LeafHasher::at_level(level, size).hash(leaves.iter().map(Vec::as_slice), &mut got);
                prop_assert_eq!(&got, &expected, "{}", level.name());
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
