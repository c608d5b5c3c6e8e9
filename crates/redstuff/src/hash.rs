//! BLAKE2b-256, one input at a time or many at once.
//!
//! Hashing is most of the work of an encode. Inputs of one length are laid out in slots, prefix
//! included, and handed to `blake2b_simd::many`, which runs one input in each SIMD lane.

use std::sync::LazyLock;

use blake2b_simd::{
    Params,
    many::{HashManyJob, hash_many},
};

/// A hash value, and the value of a Merkle tree node.
pub type Digest = [u8; 32];

/// First byte of a hashed leaf, so that no leaf can pass for an inner node.
pub(crate) const LEAF_PREFIX: u8 = 0;
/// First byte of a hashed inner node.
pub(crate) const INNER_PREFIX: u8 = 1;
/// Jobs given to the hash at once: a few times the number of lanes, small enough for the stack.
pub(crate) const JOBS: usize = 16;
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

/// Hashes each `slot`-byte piece of `slots` and passes on the results in order.
pub(crate) fn hash_slots(slots: &[u8], slot: usize, mut out: impl FnMut(Digest)) {
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

fn digest(hash: &blake2b_simd::Hash) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(hash.as_bytes());
    out
}

/// Hashes leaves of one length, many at once. Owns its buffer so that it can be reused.
pub(crate) struct LeafHasher {
    slot: usize,
    slots: Vec<u8>,
}

impl LeafHasher {
    /// A hasher for leaves of `leaf_bytes` bytes.
    pub(crate) fn new(leaf_bytes: usize) -> Self {
        let slot = leaf_bytes + 1;
        let count = (SLOT_BYTES / slot).clamp(8, 8 * JOBS);
        Self {
            slot,
            // Every slot begins with the prefix and keeps it.
            slots: vec![LEAF_PREFIX; slot * count],
        }
    }

    /// Passes on the hash of each leaf, in order.
    pub(crate) fn hash<'a>(&mut self, mut leaves: impl Iterator<Item = &'a [u8]>, mut out: impl FnMut(Digest)) {
        loop {
            let mut filled = 0;
            for slot in self.slots.chunks_exact_mut(self.slot) {
                let Some(leaf) = leaves.next() else { break };
                slot[1..].copy_from_slice(leaf);
                filled += self.slot;
            }
            if filled == 0 {
                return;
            }
            hash_slots(&self.slots[..filled], self.slot, &mut out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_equal_one_by_one() {
        for size in [0usize, 2, 126, 127, 128, 129, 1000, 20_000] {
            let leaves: Vec<Vec<u8>> = (0..150u8).map(|i| vec![i; size]).collect();
            let mut got = Vec::new();
            LeafHasher::new(size).hash(leaves.iter().map(Vec::as_slice), |digest| got.push(digest));
            let expected: Vec<Digest> = leaves.iter().map(|bytes| leaf(bytes)).collect();
            assert_eq!(got, expected, "size {size}");
        }
    }
}
