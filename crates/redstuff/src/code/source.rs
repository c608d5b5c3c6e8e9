//! Where the symbols of codewords come from.

use super::{Block, pieces::Piece};

/// The symbols of some codewords, each known by its number in the codeword.
pub(crate) trait Source {
    /// Fills a shard with symbol `number` of the codewords of a piece.
    fn pack(&self, number: usize, piece: &Piece, shard: &mut [u8]);

    /// Fills shards of `stride` blocks with symbols 0, 1, … of the codewords of a piece.
    fn pack_all(&self, piece: &Piece, shards: &mut [Block], stride: usize) {
        for (number, shard) in shards.chunks_exact_mut(stride).enumerate() {
            self.pack(number, piece, shard.as_flattened_mut());
        }
    }
}

/// Symbols that lie anywhere: a function of number and codeword.
pub(crate) struct Each<F>(pub(crate) F);

impl<'a, F: Fn(usize, usize) -> &'a [u8]> Source for Each<F> {
    fn pack(&self, number: usize, piece: &Piece, shard: &mut [u8]) {
        for word in 0..piece.count {
            piece.lanes.pack_one(word, piece.of((self.0)(number, piece.first + word)), shard);
        }
    }
}

/// Symbols of which those with one number lie one after the other: a function of the number gives those of all codewords.
pub(crate) struct Runs<F>(pub(crate) F);

impl<'a, F: Fn(usize) -> &'a [u8]> Source for Runs<F> {
    fn pack(&self, number: usize, piece: &Piece, shard: &mut [u8]) {
        let run = &(self.0)(number)[piece.first * piece.symbol + piece.offset..];
        piece.lanes.pack(run, piece.symbol, shard);
    }
}

/// Symbols of which those of one codeword lie one after the other: a function of the codeword gives all of them.
pub(crate) struct Words<F>(pub(crate) F);

impl<'a, F: Fn(usize) -> &'a [u8]> Source for Words<F> {
    fn pack(&self, number: usize, piece: &Piece, shard: &mut [u8]) {
        Each(|number: usize, word| &(self.0)(word)[number * piece.symbol..][..piece.symbol]).pack(number, piece, shard);
    }

    fn pack_all(&self, piece: &Piece, shards: &mut [Block], stride: usize) {
        let shards = shards.as_flattened_mut();
        for word in 0..piece.count {
            let symbols = (self.0)(piece.first + word).chunks_exact(piece.symbol).map(|symbol| piece.of(symbol));
            piece.lanes.pack_word(word, symbols, shards, stride * 64);
        }
    }
}
