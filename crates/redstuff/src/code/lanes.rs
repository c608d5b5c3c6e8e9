//! Laying the symbols of several codewords side by side in one long shard.
//!
//! The code works on each 16-bit word by itself, so codewords with the same pattern of positions can share
//! a call: shard `i` of the call is symbol `i` of every codeword, one after the other. Where the two bytes
//! of a word lie is part of the format (spec/encoding.md section 5.3): in a full 64-byte block the low bytes
//! are the first 32 and the high bytes the second; in a tail of `t` bytes each half has `t/2`. So full blocks
//! are copied as they are, and the tails of several symbols are fitted together into further full blocks.

const BLOCK: usize = 64;
const HALF: usize = BLOCK / 2;

/// Where the symbols of `count` codewords lie in a shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes {
    symbol: usize,
    count: usize,
    /// Bytes of a symbol in whole blocks.
    whole: usize,
    /// Half of the bytes in a symbol's tail.
    half: usize,
    /// Tails that fit into one block.
    per_block: usize,
}

impl Lanes {
    /// Lanes for `count` symbols of `symbol` bytes (an even number).
    pub(crate) fn new(symbol: usize, count: usize) -> Self {
        let half = symbol % BLOCK / 2;
        Self { symbol, count, whole: symbol - 2 * half, half, per_block: HALF.checked_div(half).unwrap_or(1) }
    }

    /// Length of the shard: whole blocks only.
    pub(crate) fn shard_bytes(&self) -> usize {
        let tail_blocks = if self.half == 0 { 0 } else { self.count.div_ceil(self.per_block) };
        self.count * self.whole + tail_blocks * BLOCK
    }

    /// Copies the symbols, one for each codeword, into `shard`.
    pub(crate) fn pack<'a>(&self, symbols: impl Iterator<Item = &'a [u8]>, shard: &mut [u8]) {
        let (blocks, tails) = shard.split_at_mut(self.count * self.whole);
        for (word, symbol) in symbols.take(self.count).enumerate() {
            let (whole, tail) = symbol.split_at(self.whole);
            blocks[word * self.whole..][..self.whole].copy_from_slice(whole);
            if self.half > 0 {
                let (low, high) = tail.split_at(self.half);
                let at = self.tail(word);
                tails[at..at + self.half].copy_from_slice(low);
                tails[at + HALF..at + HALF + self.half].copy_from_slice(high);
            }
        }
    }

    /// The reverse of [`pack`](Self::pack): writes the symbols at multiples of `distance`.
    pub(crate) fn unpack(&self, shard: &[u8], symbols: &mut [u8], distance: usize) {
        let (blocks, tails) = shard.split_at(self.count * self.whole);
        for (word, symbol) in symbols.chunks_mut(distance).take(self.count).enumerate() {
            let (whole, tail) = symbol[..self.symbol].split_at_mut(self.whole);
            whole.copy_from_slice(&blocks[word * self.whole..][..self.whole]);
            if self.half > 0 {
                let (low, high) = tail.split_at_mut(self.half);
                let at = self.tail(word);
                low.copy_from_slice(&tails[at..at + self.half]);
                high.copy_from_slice(&tails[at + HALF..at + HALF + self.half]);
            }
        }
    }

    fn tail(&self, word: usize) -> usize {
        word / self.per_block * BLOCK + word % self.per_block * self.half
    }
}
