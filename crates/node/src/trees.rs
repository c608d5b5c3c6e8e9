//! Hash trees of slivers, kept in memory: with one, a symbol with its proof costs no more than reading that symbol.

use std::collections::HashMap;
use std::sync::Arc;

use floe_redstuff::merkle::MerkleTree;
use floe_redstuff::{Axis, BlobId, PairIndex};
use parking_lot::Mutex;

/// Bytes of a tree for each leaf: the levels together have twice as many hashes as there are leaves.
const BYTES_PER_LEAF: u64 = 64;

/// Names a sliver.
pub(crate) type SliverId = (BlobId, PairIndex, Axis);

/// The trees used last, bounded in bytes. None ever grows stale: a blob id stands for one content.
#[derive(Debug)]
pub(crate) struct Trees {
    bytes_max: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    clock: u64,
    bytes: u64,
    trees: HashMap<SliverId, (u64, Arc<MerkleTree>)>,
}

impl Trees {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, kept: Mutex::default() }
    }

    pub(crate) fn get(&self, sliver: &SliverId) -> Option<Arc<MerkleTree>> {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let now = kept.clock;
        let (used, tree) = kept.trees.get_mut(sliver)?;
        *used = now;
        Some(tree.clone())
    }

    /// Keeps a tree; those not used for longest go when there is no more room.
    pub(crate) fn keep(&self, sliver: SliverId, tree: MerkleTree) {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let now = kept.clock;
        kept.bytes += bytes(&tree);
        if let Some((_, old)) = kept.trees.insert(sliver, (now, Arc::new(tree))) {
            kept.bytes -= bytes(&old);
        }
        while kept.bytes > self.bytes_max {
            let oldest = kept.trees.iter().min_by_key(|(_, (used, _))| *used).map(|(sliver, _)| *sliver);
            let Some((_, old)) = oldest.and_then(|oldest| kept.trees.remove(&oldest)) else { break };
            kept.bytes -= bytes(&old);
        }
    }
}

fn bytes(tree: &MerkleTree) -> u64 {
    tree.leaves() as u64 * BYTES_PER_LEAF
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sliver(pair: u16) -> SliverId {
        (BlobId::from_bytes([1; 32]), PairIndex::new(pair), Axis::Primary)
    }

    #[test]
    fn the_one_not_used_for_longest_goes_first() {
        let tree = || MerkleTree::build([[1u8], [2]]);
        let trees = Trees::new(2 * 2 * BYTES_PER_LEAF);
        trees.keep(sliver(1), tree());
        trees.keep(sliver(2), tree());
        trees.keep(sliver(2), tree());
        assert!(trees.get(&sliver(1)).is_some());
        trees.keep(sliver(3), tree());
        assert!(trees.get(&sliver(2)).is_none());
        assert_eq!(trees.get(&sliver(1)).as_deref(), Some(&tree()));
        assert_eq!(trees.get(&sliver(3)).as_deref(), Some(&tree()));
        let none = Trees::new(1);
        none.keep(sliver(1), tree());
        assert!(none.get(&sliver(1)).is_none());
    }
}
