//! Leaf hashes of a sliver of long symbols, one piece of all its symbols after the other.
//!
//! What a sliver is continued by is half as long as the sliver, or twice as long. Piece by piece it stays in the second-level
//! cache, and memory does not grow with the blob: of each leaf only the state of its hash is kept ([`crate::simd::chains`]).

use crate::{
    code::{Code, Each, Encoder},
    hash::Digest,
    scratch::Scratch,
    simd::{
        Level,
        chains::{BLOCK, Chains, LANES, Part},
    },
};

/// Bytes of each symbol that are taken at a time.
pub(super) const PIECE: usize = 16 * BLOCK;
/// Shorter symbols are hashed quicker as a whole.
const LONG_FROM: usize = 8 * PIECE;
/// With fewer symbols too many lanes of the last group of hashes would be empty.
const SYMBOLS_MIN: usize = 64;

/// Whether symbols of this size are better hashed piece by piece.
pub(super) fn is_long(code: Code, symbol: usize) -> bool {
    symbol > LONG_FROM && code.total() >= SYMBOLS_MIN
}

/// Writes the leaf hashes of all symbols that continue a sliver, itself included.
pub(super) fn hash_leaves(code: Code, symbol: usize, sliver: &[u8], recovery: &mut Scratch, leaves: &mut [Digest]) {
    assert_eq!((sliver.len(), leaves.len()), (code.originals * symbol, code.total()));
    let level = Level::active();
    let mut chains = vec![Chains::new(); leaves.len().div_ceil(LANES)];
    for offset in (0..symbol).step_by(PIECE) {
        let length = PIECE.min(symbol - offset);
        let part = Part { done: offset, last: offset + length == symbol };
        let own = |i: usize| &sliver[i * symbol + offset..][..length];
        let recovery = recovery.first(code.recovery * length);
        let source = Each(|i: usize, _| own(i));
        Encoder::new(code, length).encode(1, &source, |j, shard| shard.write(&mut recovery[j * length..], length));
        let piece = |i: usize| match i.checked_sub(code.originals) {
            None => own(i),
            Some(j) => &recovery[j * length..][..length],
        };
        for (group, chains) in chains.iter_mut().enumerate() {
            // Lanes past the end repeat the last symbol; nobody asks for them.
            let lane = |lane: usize| piece((group * LANES + lane).min(code.total() - 1));
            chains.absorb(level, &std::array::from_fn(lane), part);
        }
    }
    for (leaves, chains) in leaves.chunks_mut(LANES).zip(&chains) {
        leaves.copy_from_slice(&chains.digests()[..leaves.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, EncodingParams, expand::sliver_root, hash, merkle};

    /// Symbols of several pieces, whose last one is a whole piece, a block, or what is left of one.
    #[test]
    fn the_root_is_that_of_symbols_hashed_as_a_whole() {
        for n in [64, 67, 100] {
            let params = EncodingParams::new(n).unwrap();
            for symbol in [LONG_FROM + 2, LONG_FROM + BLOCK, LONG_FROM + PIECE - 2, LONG_FROM + PIECE + 130] {
                for axis in Axis::ALL {
                    let code = Code::of_sliver(axis, params);
                    assert!(is_long(code, symbol));
                    let bytes = (0..code.originals * symbol).map(|at| (at * at / 251).to_le_bytes()[0]);
                    let sliver: Vec<u8> = bytes.collect();
                    let mut recovery = vec![0; code.recovery * symbol];
                    let source = Each(|i: usize, _| &sliver[i * symbol..][..symbol]);
                    let mut encoder = Encoder::new(code, symbol);
                    encoder.encode(1, &source, |j, shard| shard.write(&mut recovery[j * symbol..], symbol));
                    let symbols = sliver.chunks_exact(symbol).chain(recovery.chunks_exact(symbol));
                    let mut leaves: Vec<Digest> = symbols.map(hash::leaf).collect();
                    let expected = merkle::root_in_place(&mut leaves);
                    assert_eq!(sliver_root(axis, params, symbol, &sliver), expected, "{n} {symbol} {axis}");
                }
            }
        }
    }
}
