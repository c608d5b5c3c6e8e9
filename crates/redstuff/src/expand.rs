//! Continuing slivers to `n` symbols and hashing those: the inner loop of encoding and of verification.

use crate::{
    Axis, EncodingParams,
    code::{Code, Encoder},
    hash::{Digest, LeafHasher},
    merkle,
};

/// Expands slivers of one axis, several at a time, in working space that it keeps.
///
/// The source symbols are given by a function of (symbol, sliver in the group), so that slivers can be rows
/// or columns of a matrix as well as byte strings.
pub(crate) struct Expander {
    code: Code,
    symbol: usize,
    encoder: Encoder,
    hasher: LeafHasher,
    /// Slivers in the current group.
    count: usize,
    /// Recovery symbols of the current group: symbol by symbol, sliver by sliver.
    recovery: Vec<u8>,
}

impl Expander {
    /// An expander for slivers of this axis with symbols of `symbol` bytes.
    pub(crate) fn new(axis: Axis, params: EncodingParams, symbol: usize) -> Self {
        let code = Code::of_sliver(axis, params);
        Self {
            code,
            symbol,
            encoder: Encoder::new(code, symbol),
            hasher: LeafHasher::new(symbol),
            count: 0,
            recovery: Vec::new(),
        }
    }

    /// Computes the recovery symbols of a group of slivers.
    pub(crate) fn expand<'a>(&mut self, count: usize, original: impl Fn(usize, usize) -> &'a [u8]) {
        self.count = count;
        self.recovery.resize(self.code.recovery * count * self.symbol, 0);
        self.encoder.encode(count, original, &mut self.recovery);
    }

    /// Recovery symbol `j` of all slivers in the group, one after the other.
    pub(crate) fn recovery_symbols(&self, j: usize) -> &[u8] {
        let length = self.count * self.symbol;
        &self.recovery[j * length..][..length]
    }

    /// All recovery symbols of the group; of a single sliver they are in order.
    pub(crate) fn recovery(&self) -> &[u8] {
        &self.recovery
    }

    /// Writes the leaf hashes of all `n` symbols of each sliver in the group, sliver by sliver.
    pub(crate) fn hash_leaves<'a>(&mut self, original: impl Fn(usize, usize) -> &'a [u8], leaves: &mut [Digest]) {
        let (code, symbol, count) = (self.code, self.symbol, self.count);
        assert_eq!(leaves.len(), count * code.total());
        let recovery = &self.recovery;
        let symbols = (0..count).flat_map(|sliver| {
            let originals = (0..code.originals).map({
                let original = &original;
                move |i| original(i, sliver)
            });
            let recovered = (0..code.recovery).map(move |j| &recovery[(j * count + sliver) * symbol..][..symbol]);
            // A shorter lifetime for both halves, so that they chain.
            originals.map(|bytes| -> &[u8] { bytes }).chain(recovered)
        });
        self.hasher.hash(symbols, leaves);
    }

    /// Merkle roots of a group of slivers; `leaves` is working space.
    pub(crate) fn roots<'a>(
        &mut self,
        count: usize,
        original: impl Fn(usize, usize) -> &'a [u8],
        leaves: &mut Vec<Digest>,
    ) -> Vec<Digest> {
        self.expand(count, &original);
        leaves.resize(count * self.code.total(), merkle::EMPTY);
        self.hash_leaves(&original, leaves);
        leaves.chunks_exact_mut(self.code.total()).map(merkle::root_in_place).collect()
    }
}

/// Merkle root of one sliver's expanded symbols.
pub(crate) fn sliver_root(axis: Axis, params: EncodingParams, symbol: usize, data: &[u8]) -> Digest {
    let original = |i: usize, _| &data[i * symbol..][..symbol];
    let roots = Expander::new(axis, params, symbol).roots(1, original, &mut Vec::new());
    roots.first().copied().unwrap_or(merkle::EMPTY)
}
