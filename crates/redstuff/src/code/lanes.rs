//! Laying the symbols of several codewords side by side in one long shard.
//!
//! The code works on each 16-bit word by itself, so codewords with the same pattern of positions can share
//! a call: shard `i` of the call is symbol `i` of every codeword, one after the other. Where the two bytes
//! of a word lie is part of the format (spec/encoding.md section 5.3): in a full 64-byte block the low bytes
//! are the first 32 and the high bytes the second; in a tail of `t` bytes each half has `t/2`. So full blocks
//! are copied as they are, and the tails of several symbols are fitted together into further full blocks.
//!
//! Half a tail has 1 to 31 bytes. The loops over tails are compiled for each of these lengths, since a copy of six bytes
//! whose length is known takes two instructions, and one whose length is not takes a call.

const BLOCK: usize = 64;
const HALF: usize = BLOCK / 2;

/// Calls `$function::<half>`, whatever half of a tail has as its length.
macro_rules! for_half {
    ($half:expr, $function:ident $arguments:tt) => {
        for_half!(@ $half, $function $arguments, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
    (@ $half:expr, $function:ident $arguments:tt, $($length:literal)*) => {
        match $half {
            $($length => $function::<$length> $arguments,)*
            _ => {}
        }
    };
}

/// Where the symbols of `count` codewords lie in a shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes {
    count: usize,
    /// Bytes of a symbol in whole blocks.
    whole: usize,
    /// Half of the bytes in a symbol's tail.
    half: usize,
}

impl Lanes {
    /// Lanes for `count` symbols of `symbol` bytes (an even number).
    pub(super) fn new(symbol: usize, count: usize) -> Self {
        let half = symbol % BLOCK / 2;
        Self { count, whole: symbol - 2 * half, half }
    }

    /// Length of the shard in blocks.
    pub(super) fn blocks(&self) -> usize {
        let tails = HALF.checked_div(self.half).map_or(0, |per_block| self.count.div_ceil(per_block));
        self.count * self.whole / BLOCK + tails
    }

    /// Most symbols of `symbol` bytes that fit into a shard of this many blocks.
    pub(super) fn count_in(symbol: usize, blocks: usize) -> usize {
        let whole = symbol / BLOCK;
        let Some(per_block) = HALF.checked_div(symbol % BLOCK / 2) else { return blocks / whole };
        // As many as share a block for their tails, and then as many as the blocks left over take.
        let group = per_block * whole + 1;
        let left = (blocks % group).saturating_sub(1);
        blocks / group * per_block + left.checked_div(whole).unwrap_or(0)
    }

    fn symbol(&self) -> usize {
        self.whole + 2 * self.half
    }

    /// Copies symbols that lie at multiples of `distance`, one for each codeword, into `shard`.
    pub(super) fn pack(&self, symbols: &[u8], distance: usize, shard: &mut [u8]) {
        let (blocks, tails) = shard.split_at_mut(self.count * self.whole);
        if self.whole > 0 {
            if distance == self.whole {
                blocks.copy_from_slice(&symbols[..blocks.len()]);
            } else {
                for (block, symbol) in blocks.chunks_exact_mut(self.whole).zip(symbols.chunks(distance)) {
                    block.copy_from_slice(&symbol[..self.whole]);
                }
            }
        }
        if let Some(symbols) = symbols.get(self.whole..) {
            for_half!(self.half, pack_tails(self.count, symbols, distance, tails));
        }
    }

    /// Copies the symbols `at`, one of each shard, of one codeword into the shards, which have `shard_bytes` each.
    pub(super) fn pack_word<'a>(
        &self,
        word: usize,
        symbols: impl Iterator<Item = &'a [u8]>,
        shards: &mut [u8],
        shard_bytes: usize,
    ) {
        let first_tail = self.count * self.whole;
        if self.whole == 0 {
            for_half!(self.half, pack_small(word, symbols, shards, shard_bytes));
        } else {
            for (shard, symbol) in shards.chunks_exact_mut(shard_bytes).zip(symbols) {
                let (whole, tail) = symbol.split_at(self.whole);
                shard[word * self.whole..][..self.whole].copy_from_slice(whole);
                for_half!(self.half, pack_tail(word, tail, &mut shard[first_tail..]));
            }
        }
    }

    /// Copies the symbol of one codeword into one shard.
    pub(super) fn pack_one(&self, word: usize, symbol: &[u8], shard: &mut [u8]) {
        let bytes = shard.len();
        self.pack_word(word, std::iter::once(symbol), shard, bytes);
    }

    /// The reverse of [`pack`](Self::pack): writes the symbols at multiples of `distance`.
    pub(super) fn unpack(&self, shard: &[u8], symbols: &mut [u8], distance: usize) {
        let (blocks, tails) = shard.split_at(self.count * self.whole);
        if self.whole > 0 {
            if distance == self.whole {
                symbols[..blocks.len()].copy_from_slice(blocks);
            } else {
                for (block, symbol) in blocks.chunks_exact(self.whole).zip(symbols.chunks_mut(distance)) {
                    symbol[..self.whole].copy_from_slice(block);
                }
            }
        }
        if let Some(symbols) = symbols.get_mut(self.whole..) {
            for_half!(self.half, unpack_tails(self.count, tails, symbols, distance));
        }
        debug_assert!(symbols.len() >= (self.count - 1) * distance + self.symbol());
    }
}

/// Tails that lie at multiples of `distance`, into the blocks that they share.
fn pack_tails<const H: usize>(count: usize, tails: &[u8], distance: usize, blocks: &mut [u8]) {
    let mut tails = tails.chunks(distance).take(count);
    for block in blocks.as_chunks_mut::<BLOCK>().0 {
        let (low, high) = block.split_at_mut(HALF);
        let places = low.as_chunks_mut::<H>().0.iter_mut().zip(high.as_chunks_mut::<H>().0);
        for ((low, high), tail) in places.zip(tails.by_ref()) {
            let (halves, _) = tail.as_chunks::<H>();
            low.copy_from_slice(&halves[0]);
            high.copy_from_slice(&halves[1]);
        }
    }
}

/// The reverse of [`pack_tails`].
fn unpack_tails<const H: usize>(count: usize, blocks: &[u8], tails: &mut [u8], distance: usize) {
    let mut tails = tails.chunks_mut(distance).take(count);
    for block in blocks.as_chunks::<BLOCK>().0 {
        let (low, high) = block.split_at(HALF);
        let places = low.as_chunks::<H>().0.iter().zip(high.as_chunks::<H>().0);
        for ((low, high), tail) in places.zip(tails.by_ref()) {
            let (halves, _) = tail.as_chunks_mut::<H>();
            halves[0].copy_from_slice(low);
            halves[1].copy_from_slice(high);
        }
    }
}

/// Symbols of less than a block, one for each shard.
fn pack_small<'a, const H: usize>(
    word: usize,
    symbols: impl Iterator<Item = &'a [u8]>,
    shards: &mut [u8],
    shard_bytes: usize,
) {
    for (shard, symbol) in shards.chunks_exact_mut(shard_bytes).zip(symbols) {
        pack_tail::<H>(word, symbol, shard);
    }
}

#[inline]
fn pack_tail<const H: usize>(word: usize, tail: &[u8], blocks: &mut [u8]) {
    let per_block = HALF / H;
    let (block, place) = (&mut blocks[word / per_block * BLOCK..][..BLOCK], word % per_block * H);
    let (low, high) = block.split_at_mut(HALF);
    let (halves, _) = tail.as_chunks::<H>();
    low[place..place + H].copy_from_slice(&halves[0]);
    high[place..place + H].copy_from_slice(&halves[1]);
}
