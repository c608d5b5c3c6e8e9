//! Dividing codewords into calls of the transforms.

use super::{Block, lanes::Lanes, source::Source};

/// One call: a stripe of the symbols of some neighbouring codewords.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// The first codeword.
    pub(super) first: usize,
    /// How many.
    pub(super) count: usize,
    /// Where in the symbols the stripe begins.
    pub(super) offset: usize,
    /// Bytes of the stripe.
    pub(super) length: usize,
    /// Bytes of a symbol.
    pub(super) symbol: usize,
    pub(super) lanes: Lanes,
}

impl Piece {
    /// Blocks in a shard.
    pub(super) fn stride(&self) -> usize {
        self.lanes.blocks()
    }

    /// The stripe of a symbol.
    pub(super) fn of<'s>(&self, symbol: &'s [u8]) -> &'s [u8] {
        &symbol[self.offset..self.offset + self.length]
    }

    /// Fills a shard with symbol `number` of the codewords.
    pub(super) fn pack(&self, source: &impl Source, number: usize, shard: &mut [Block]) {
        source.pack(number, self, shard.as_flattened_mut());
    }
}

/// A shard that the code has finished: one symbol of each codeword of a piece.
pub(crate) struct Shard<'w> {
    pub(super) piece: Piece,
    pub(super) blocks: &'w [Block],
}

impl Shard<'_> {
    /// Writes it to where the symbols of all codewords are: they begin at multiples of `distance`.
    pub(crate) fn write(&self, symbols: &mut [u8], distance: usize) {
        let Piece { first, offset, lanes, .. } = self.piece;
        lanes.unpack(self.blocks.as_flattened(), &mut symbols[first * distance + offset..], distance);
    }
}

/// Stripes of one symbol: pieces that are coded one after the other, as `(offset, length)`.
fn stripes(symbol: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    // Stripes but the last are whole blocks, so the last has the tail of the symbol.
    let count = symbol.div_ceil(max.next_multiple_of(64));
    let stripe = symbol.div_ceil(count).next_multiple_of(64);
    (0..symbol).step_by(stripe).map(move |offset| (offset, stripe.min(symbol - offset)))
}

/// How many symbols of `symbol` bytes fill a shard of about `shard` bytes and no more; at least one.
pub(super) fn words_in(symbol: usize, shard: usize) -> usize {
    Lanes::count_in(symbol, shard / 64).max(1)
}

/// Divides `count` codewords with symbols of `symbol` bytes into calls on shards of about `shard` bytes.
pub(super) fn pieces(count: usize, symbol: usize, shard: usize) -> impl Iterator<Item = Piece> {
    // As many calls as needed, of equal size.
    let calls = count.div_ceil(words_in(symbol, shard)).max(1);
    let group = count.div_ceil(calls).max(1);
    (0..count).step_by(group).flat_map(move |first| {
        let words = group.min(count - first);
        stripes(symbol, shard.max(symbol.min(2 * shard))).map(move |(offset, length)| Piece {
            first,
            count: words,
            offset,
            length,
            symbol,
            lanes: Lanes::new(length, words),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_cover_the_symbol() {
        for symbol in [2usize, 64, 130, 1000, 4096, 65_534] {
            for max in [1usize, 64, 100, 1024, 1 << 20] {
                let mut next = 0;
                for (offset, length) in stripes(symbol, max) {
                    assert_eq!(offset, next);
                    assert!(offset % 64 == 0 && length > 0 && length <= max.next_multiple_of(64));
                    next += length;
                }
                assert_eq!(next, symbol);
            }
        }
    }

    #[test]
    fn as_many_as_fit_and_no_more() {
        for symbol in (2..700).step_by(2) {
            for blocks in 1..40 {
                let count = words_in(symbol, 64 * blocks);
                let taken = |count| Lanes::new(symbol, count).blocks();
                assert!(count == 1 || taken(count) <= blocks, "{symbol} {blocks} {count}");
                assert!(taken(count + 1) > blocks, "{symbol} {blocks} {count}");
            }
        }
    }

    #[test]
    fn pieces_cover_all_codewords_and_fit_the_shard() {
        for symbol in [2usize, 6, 62, 64, 66, 152, 300, 512, 1206, 65_534] {
            for count in [1usize, 2, 31, 80, 81, 667] {
                let mut next = (0, 0);
                for piece in pieces(count, symbol, 512) {
                    assert_eq!((piece.first, piece.offset), next);
                    assert!(piece.stride() <= 16, "{symbol} {count} {piece:?}");
                    next = match piece.offset + piece.length {
                        end if end == symbol => (piece.first + piece.count, 0),
                        end => (piece.first, end),
                    };
                }
                assert_eq!(next, (count, 0));
            }
        }
    }
}
