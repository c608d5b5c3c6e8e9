//! Continuing slivers to `n` symbols and hashing those: the inner loop of encoding and of verification.

mod long;

use crate::{
    Axis, EncodingParams,
    code::{Code, Each, Encoder, Words},
    forest,
    hash::{Digest, LeafHasher},
    merkle,
    scratch::Scratch,
};

/// Leaf hashes that are folded together, or those of one sliver, if that is more: they stay in the second-level cache, and
/// of few trees too many levels would end with empty lanes.
const LEAVES: usize = 4096;

/// With fewer symbols in a sliver, lanes are filled with symbols of several slivers.
const RUNS_FROM: usize = 128;

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
    recovery: Scratch,
    /// Leaf hashes of some slivers of the group.
    leaves: Vec<Digest>,
    scratch: Vec<Digest>,
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
            recovery: Scratch::new(),
            leaves: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Computes the recovery symbols of a group of slivers.
    pub(crate) fn expand<'a>(&mut self, count: usize, original: impl Fn(usize, usize) -> &'a [u8]) {
        self.count = count;
        let run = count * self.symbol;
        let recovery = self.recovery.first(self.code.recovery * run);
        self.encoder.encode(count, &Each(original), |j, shard| shard.write(&mut recovery[j * run..], self.symbol));
    }

    /// Recovery symbol `j` of all slivers in the group, one after the other.
    pub(crate) fn recovery_symbols(&self, j: usize) -> &[u8] {
        let length = self.count * self.symbol;
        &self.recovery.held()[j * length..][..length]
    }

    /// All recovery symbols of the group; of a single sliver they are in order.
    pub(crate) fn recovery(&self) -> &[u8] {
        &self.recovery.held()[..self.code.recovery * self.count * self.symbol]
    }

    /// Writes the leaf hashes of all `n` symbols of each sliver in the group, sliver by sliver.
    pub(crate) fn hash_leaves<'a>(&mut self, original: impl Fn(usize, usize) -> &'a [u8], leaves: &mut [Digest]) {
        let (code, symbol, count) = (self.code, self.symbol, self.count);
        assert_eq!(leaves.len(), count * code.total());
        let recovery = self.recovery.held();
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

    /// Merkle roots of slivers whose source symbols lie one after the other.
    pub(crate) fn roots_of(&mut self, slivers: &[&[u8]]) -> Vec<Digest> {
        let (code, symbol) = (self.code, self.symbol);
        if long::is_long(code, symbol) {
            return self.roots_of_long(slivers);
        }
        let step = code.recovery * symbol;
        self.count = slivers.len();
        let recovery = self.recovery.first(slivers.len() * step);
        let source = Words(|sliver: usize| slivers[sliver]);
        self.encoder.encode(slivers.len(), &source, |j, shard| shard.write(&mut recovery[j * symbol..], step));
        let at_once = LEAVES.div_ceil(code.total()).min(slivers.len());
        self.leaves.resize(code.total() * at_once, merkle::EMPTY);
        let mut roots = Vec::with_capacity(slivers.len());
        for (slivers, recovery) in slivers.chunks(at_once.max(1)).zip(recovery.chunks(at_once.max(1) * step)) {
            let leaves = &mut self.leaves[..slivers.len() * code.total()];
            let lines = slivers.iter().zip(recovery.chunks_exact(step));
            if code.total() < RUNS_FROM {
                let symbols = lines.flat_map(|(own, more)| own.chunks_exact(symbol).chain(more.chunks_exact(symbol)));
                self.hasher.hash(symbols, leaves);
            } else {
                for ((sliver, recovery), leaves) in lines.zip(leaves.chunks_exact_mut(code.total())) {
                    let (originals, recovered) = leaves.split_at_mut(code.originals);
                    self.hasher.hash_run(sliver, originals);
                    self.hasher.hash_run(recovery, recovered);
                }
            }
            forest::roots(leaves, code.total(), &mut self.scratch, &mut roots);
        }
        roots
    }

    fn roots_of_long(&mut self, slivers: &[&[u8]]) -> Vec<Digest> {
        let (code, symbol) = (self.code, self.symbol);
        self.leaves.resize(code.total(), merkle::EMPTY);
        let mut roots = Vec::with_capacity(slivers.len());
        for sliver in slivers {
            long::hash_leaves(code, symbol, sliver, &mut self.recovery, &mut self.leaves);
            forest::roots(&mut self.leaves, code.total(), &mut self.scratch, &mut roots);
        }
        roots
    }
}

/// Bytes of the symbols that continue a sliver, as far as making its root holds them at once.
pub(crate) fn working_bytes(axis: Axis, params: EncodingParams, symbol: usize) -> usize {
    let code = Code::of_sliver(axis, params);
    code.recovery * if long::is_long(code, symbol) { long::PIECE } else { symbol }
}

/// Merkle root of one sliver's expanded symbols.
pub(crate) fn sliver_root(axis: Axis, params: EncodingParams, symbol: usize, data: &[u8]) -> Digest {
    let roots = Expander::new(axis, params, symbol).roots_of(&[data]);
    roots.first().copied().unwrap_or(merkle::EMPTY)
}
