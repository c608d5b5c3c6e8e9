//! The Merkle trees under slivers and blobs (spec/encoding.md section 8).
//!
//! `leaf(x) = H(0x00 ‖ x)`, `inner(l, r) = H(0x01 ‖ l ‖ r)`. A level of odd length is completed with one
//! [`Node::Empty`], whose value of 32 zero bytes goes into the parent unhashed.

pub use crate::hash::Digest;
use crate::{
    hash,
    simd::Level,
    wire::{Reader, WireError},
};

/// Value of an empty node, and root of a tree without leaves.
pub const EMPTY: Digest = [0; 32];

/// Most nodes in a proof: no tree here has more than 2^16 leaves.
pub const PROOF_NODES_MAX: usize = 16;

/// A node of a tree as it is serialized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Node {
    /// Fills up a level of odd length; its value is [`EMPTY`].
    Empty,
    /// The hash of a leaf or of an inner node.
    Digest(Digest),
}

impl Node {
    /// The value that goes into the parent.
    pub fn value(&self) -> &Digest {
        match self {
            Self::Empty => &EMPTY,
            Self::Digest(digest) => digest,
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        match reader.uleb()? {
            0 => Ok(Self::Empty),
            1 => reader.array().map(Self::Digest),
            got => Err(WireError::Variant { what: "Merkle node", got }),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty => out.push(0),
            Self::Digest(digest) => {
                out.push(1);
                out.extend_from_slice(digest);
            }
        }
    }
}

/// Hash of a leaf with these bytes.
pub fn leaf(bytes: &[u8]) -> Digest {
    hash::leaf(bytes)
}

/// Hash of the parent of two nodes.
pub fn inner(left: &Digest, right: &Digest) -> Digest {
    hash::inner(left, right)
}

/// Number of siblings in a full proof for a tree of `leaves` leaves.
pub fn proof_length(leaves: usize) -> usize {
    match leaves {
        0 | 1 => 0,
        more => usize::try_from((more - 1).ilog2()).expect("at most 63") + 1,
    }
}

/// Shows that a leaf belongs to a tree: the siblings on the way from the leaf to the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MerkleProof {
    /// Siblings, those of the leaves first.
    pub path: Vec<Node>,
}

impl MerkleProof {
    /// Whether `leaf_bytes` is leaf number `index` of the tree with this root and `leaves` leaves.
    pub fn verify(&self, root: &Node, leaves: usize, leaf_bytes: &[u8], index: usize) -> bool {
        let length = self.path.len();
        if length > proof_length(leaves) || index >= leaves || index >> length != 0 {
            return false;
        }
        let mut value = leaf(leaf_bytes);
        for (level, sibling) in self.path.iter().enumerate() {
            value =
                if (index >> level) & 1 == 0 { inner(&value, sibling.value()) } else { inner(sibling.value(), &value) };
        }
        value == *root.value()
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let count = reader.length("Merkle proof", PROOF_NODES_MAX, 1)?;
        let path = (0..count).map(|_| Node::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { path })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        crate::wire::put_uleb(out, self.path.len());
        for node in &self.path {
            node.write(out);
        }
    }
}

/// A whole tree, kept so that any number of proofs costs no further hashing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerkleTree {
    /// All levels, leaves first, each without its filler.
    levels: Vec<Vec<Digest>>,
}

impl MerkleTree {
    /// The tree over these leaves.
    pub fn build<T: AsRef<[u8]>>(leaves: impl IntoIterator<Item = T>) -> Self {
        Self::from_leaf_hashes(leaves.into_iter().map(|bytes| leaf(bytes.as_ref())).collect())
    }

    /// The tree over leaves that are already hashed.
    pub fn from_leaf_hashes(leaves: Vec<Digest>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let mut parents = level.clone();
            let count = hash::fold(Level::active(), &mut parents);
            parents.truncate(count);
            levels.push(parents);
        }
        Self { levels }
    }

    /// Number of leaves.
    pub fn leaves(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// The hash of a leaf, or `None` if there is no such leaf.
    pub fn leaf_hash(&self, index: usize) -> Option<&Digest> {
        self.levels.first()?.get(index)
    }

    /// The root; [`Node::Empty`] if there are no leaves.
    pub fn root(&self) -> Node {
        let top = self.levels.last().and_then(|level| level.first());
        top.map_or(Node::Empty, |digest| Node::Digest(*digest))
    }

    /// The proof for a leaf, or `None` if there is no such leaf.
    pub fn proof(&self, index: usize) -> Option<MerkleProof> {
        if index >= self.leaves() {
            return None;
        }
        let below_root = &self.levels[..self.levels.len() - 1];
        let path = below_root
            .iter()
            .enumerate()
            .map(|(height, level)| {
                let sibling = level.get((index >> height) ^ 1);
                sibling.map_or(Node::Empty, |digest| Node::Digest(*digest))
            })
            .collect();
        Some(MerkleProof { path })
    }
}

/// The root over these leaf hashes. Uses the slice as its working space.
pub(crate) fn root_in_place(leaves: &mut [Digest]) -> Digest {
    let mut length = leaves.len();
    while length > 1 {
        length = hash::fold(Level::active(), &mut leaves[..length]);
    }
    leaves.first().copied().unwrap_or(EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The vectors of section 8.
    #[test]
    fn vectors() {
        let words = ["foo", "bar", "fizz", "baz", "buzz"];
        let roots = [
            (1, "d49d71d62803f5c6b8c9ae0f1029a4e351a51eff62646fa1ea74d6b7279a3e5e"),
            (2, "61688bd85d568dae621f00a807645051f4e8b955b2c33d3b65dc5007021e8d7b"),
            (3, "d7e3452da926102fc8a21ac08e0b5678df4659a904179843843a803d09c421dd"),
            (5, "1a6135e02ade24f6130f24fa215cc0194ab7bc52a243a30e8f7172e4e5bc82b0"),
        ];
        for (count, root) in roots {
            let tree = MerkleTree::build(&words[..count]);
            assert_eq!(hex::encode(tree.root().value()), root);
        }
        assert_eq!(MerkleTree::build::<&[u8]>([]).root(), Node::Empty);
        let path = MerkleTree::build(words).proof(4).unwrap().path;
        assert!(matches!(path[..], [Node::Empty, Node::Empty, Node::Digest(_)]));
    }

    proptest! {
        #[test]
        fn proofs_hold_for_their_leaf_only(
            leaves in proptest::collection::vec(any::<[u8; 3]>(), 1..200),
            pick: prop::sample::Index,
            other: prop::sample::Index,
        ) {
            let tree = MerkleTree::build(&leaves);
            let mut digests: Vec<Digest> = leaves.iter().map(|bytes| leaf(bytes)).collect();
            prop_assert_eq!(root_in_place(&mut digests), *tree.root().value());
            let (index, other) = (pick.index(leaves.len()), other.index(leaves.len()));
            let proof = tree.proof(index).unwrap();
            prop_assert_eq!(proof.path.len(), proof_length(leaves.len()));
            let holds = |bytes: &[u8], at: usize| proof.verify(&tree.root(), leaves.len(), bytes, at);
            prop_assert!(holds(&leaves[index], index));
            prop_assert_eq!(holds(&leaves[other], index), leaves[other] == leaves[index]);
            prop_assert!(other == index || !holds(&leaves[index], other));
            prop_assert!(!holds(&leaves[index], leaves.len() + index));
            prop_assert_eq!(tree.proof(leaves.len()), None);
        }
    }
}
