//! The two constructions of the code (spec/encoding.md section 5.2) on shards in working space.
//!
//! Symbols are values of polynomials over GF(2^16) at the points of a domain that is a vector space over GF(2). A
//! backward transform takes `2^m` values to coefficients in a basis for which the transform has `m` layers, a forward
//! transform, perhaps at another coset, takes them to values. Encoding evaluates elsewhere what interpolates the
//! originals. Decoding multiplies the received values by those of the locator of the missing ones, which makes a
//! polynomial of low degree whatever the missing values are; its derivative at an erased point is the missing value
//! times the derivative of the locator there.

use std::ops::Range;

use super::{Block, Code, field::Field};

/// Where the shards of a code lie in the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    code: Code,
    /// Whether recovery symbols come first, in one chunk, and are a sum over chunks of originals; otherwise it is
    /// the originals that come first, in one chunk.
    high: bool,
    /// Size of the transforms in encoding.
    chunk: usize,
}

impl Layout {
    /// The layout that the format prescribes.
    pub(crate) fn of(code: Code) -> Self {
        let (originals, recovery) = (code.originals.next_power_of_two(), code.recovery.next_power_of_two());
        // With equal powers both give the same code.
        let high = originals > recovery || (originals == recovery && code.originals <= code.recovery);
        Self { code, high, chunk: if high { recovery } else { originals } }
    }

    /// Shards of working space for encoding.
    pub(crate) fn encode_shards(&self) -> usize {
        let most = if self.high { self.code.originals } else { self.code.recovery };
        most.next_multiple_of(self.chunk)
    }

    /// From originals in shards `0..originals` to recovery symbols in shards `0..recovery`.
    pub(crate) fn encode(&self, field: &Field, work: &mut [Block], stride: usize) {
        if self.high { self.encode_high(field, work, stride) } else { self.encode_low(field, work, stride) }
    }

    fn encode_high(&self, field: &Field, work: &mut [Block], stride: usize) {
        let Code { originals, recovery } = self.code;
        let (first, rest) = work.split_at_mut(self.chunk * stride);
        let backward = |chunk: &mut [Block], start: usize| {
            let held = self.chunk.min(originals - start);
            chunk[held * stride..].fill([0; 64]);
            field.ifft(chunk, stride, self.chunk, 0..held, start + self.chunk);
        };
        backward(first, 0);
        for (number, chunk) in rest.chunks_exact_mut(self.chunk * stride).enumerate() {
            let start = (number + 1) * self.chunk;
            if start < originals {
                backward(chunk, start);
                field.add(first, chunk);
            }
        }
        field.fft(first, stride, self.chunk, 0..recovery, 0);
    }

    fn encode_low(&self, field: &Field, work: &mut [Block], stride: usize) {
        let Code { originals, recovery } = self.code;
        let (first, rest) = work.split_at_mut(self.chunk * stride);
        first[originals * stride..].fill([0; 64]);
        field.ifft(first, stride, self.chunk, 0..originals, 0);
        for (number, chunk) in rest.chunks_exact_mut(self.chunk * stride).enumerate() {
            let start = (number + 1) * self.chunk;
            if start < recovery {
                chunk.copy_from_slice(first);
                let wanted = self.chunk.min(recovery - start);
                field.fft(chunk, stride, self.chunk, 0..wanted, start + self.chunk);
            }
        }
        field.fft(first, stride, self.chunk, 0..recovery.min(self.chunk), self.chunk);
    }

    /// Chunks that symbols lie in.
    fn chunks(&self) -> usize {
        self.end().div_ceil(self.chunk)
    }

    /// The end of all shards in the domain.
    fn end(&self) -> usize {
        self.chunk + if self.high { self.code.originals } else { self.code.recovery }
    }

    /// Where in the domain a symbol of the codeword lies.
    pub(crate) fn shard(&self, position: usize) -> usize {
        match position.checked_sub(self.code.originals) {
            None if self.high => self.chunk + position,
            None => position,
            Some(recovery) if self.high => recovery,
            Some(recovery) => self.chunk + recovery,
        }
    }

    /// Which points of the domain are unknown.
    pub(crate) fn erased(&self, received: impl Iterator<Item = usize>) -> Vec<bool> {
        let mut erased = vec![false; self.end().next_power_of_two()];
        // Shards that only fill up the first chunk: zero originals are known, recovery symbols that nobody made are not.
        if self.high {
            erased[..self.chunk].fill(true);
            erased[self.chunk..self.end()].fill(true);
        } else {
            erased[..self.code.originals].fill(true);
            erased[self.chunk..].fill(true);
        }
        for position in received {
            erased[self.shard(position)] = false;
        }
        erased
    }

    /// How to decode `missing` originals from symbols `received`.
    pub(crate) fn plan(&self, received: impl Iterator<Item = usize>, missing: &[usize]) -> Plan {
        let mut chunks = vec![Chunk::default(); self.chunks()];
        for position in received {
            let shard = self.shard(position);
            include(&mut chunks[shard / self.chunk].held, shard % self.chunk);
        }
        for position in missing {
            let shard = self.shard(*position);
            include(&mut chunks[shard / self.chunk].wanted, shard % self.chunk);
        }
        // The values of a chunk are needed until all others are made: one result may take their place, the last one.
        let mut spare = chunks.len();
        let last = chunks.iter().rposition(|chunk| !chunk.wanted.is_empty());
        for (number, chunk) in chunks.iter_mut().enumerate().filter(|(_, chunk)| !chunk.wanted.is_empty()) {
            chunk.result = if Some(number) == last { number } else { spare };
            spare += usize::from(Some(number) != last);
        }
        Plan { size: self.chunk, chunks, space: spare }
    }
}

fn include(range: &mut Range<usize>, at: usize) {
    let empty = range.start == range.end;
    *range = if empty { at..at + 1 } else { range.start.min(at)..range.end.max(at + 1) };
}

/// What a decoding does with a chunk of the domain.
#[derive(Debug, Clone, Default)]
struct Chunk {
    /// Within the chunk, the received shards; none, if there are none.
    held: Range<usize>,
    /// Within the chunk, the missing originals.
    wanted: Range<usize>,
    /// Which chunk of the working space they are left in.
    result: usize,
}

/// A decoding, chunk by chunk. The layers that join chunks, there and back, and the derivative between them are one
/// small matrix: see the algorithm.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Shards in a chunk.
    size: usize,
    chunks: Vec<Chunk>,
    /// Chunks of working space.
    space: usize,
}

impl Plan {
    /// Shards of working space.
    pub(crate) fn shards(&self) -> usize {
        self.space * self.size
    }

    /// Whether a shard that was not received must be filled with zeros.
    pub(crate) fn reads(&self, shard: usize) -> bool {
        self.chunks.get(shard / self.size).is_some_and(|chunk| !chunk.held.is_empty())
    }

    /// Which shard of the working space the original at this shard of the domain is left in.
    pub(crate) fn result(&self, shard: usize) -> usize {
        self.chunks[shard / self.size].result * self.size + shard % self.size
    }

    /// From received shards times their locator values, other shards of their chunks zero, to missing originals
    /// times theirs.
    pub(crate) fn run(&self, field: &Field, work: &mut [Block], stride: usize) {
        let blocks = self.size * stride;
        let received = || self.chunks.iter().enumerate().filter(|(_, chunk)| !chunk.held.is_empty());
        for (number, chunk) in received() {
            let values = &mut work[number * blocks..][..blocks];
            field.ifft(values, stride, self.size, chunk.held.clone(), number * self.size);
        }
        for (number, chunk) in self.chunks.iter().enumerate().filter(|(_, chunk)| !chunk.wanted.is_empty()) {
            let to = chunk.result * blocks;
            match (chunk.held.is_empty(), chunk.result == number) {
                (true, _) => work[to..to + blocks].fill([0; 64]),
                (false, true) => {}
                (false, false) => work.copy_within(number * blocks..(number + 1) * blocks, to),
            }
            if !chunk.held.is_empty() {
                field.derivative(&mut work[to..to + blocks], stride, self.size);
            }
            for (other, _) in received().filter(|(other, _)| *other != number) {
                let [result, values] = work
                    .get_disjoint_mut([to..to + blocks, other * blocks..(other + 1) * blocks])
                    .expect("a result takes the place of its own chunk, or one of its own");
                field.add_quotient(result, values, number ^ other);
            }
            field.fft(&mut work[to..to + blocks], stride, self.size, chunk.wanted.clone(), number * self.size);
        }
    }
}
