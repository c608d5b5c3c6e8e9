//! The two constructions of the code (spec/encoding.md section 5.2) on shards in working space.
//!
//! Symbols are values of polynomials over GF(2^16) at the points of a domain that is a vector space over GF(2). A
//! backward transform takes `2^m` values to coefficients in a basis for which the transform has `m` layers, a forward
//! transform, perhaps at another coset, takes them to values. Encoding evaluates elsewhere what interpolates the
//! originals. Decoding multiplies the received values by those of the locator of the missing ones, which makes a
//! polynomial of low degree whatever the missing values are; its derivative at an erased point is the missing value
//! times the derivative of the locator there.

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
            field.ifft(chunk, stride, self.chunk, held, start + self.chunk);
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
        field.ifft(first, stride, self.chunk, originals, 0);
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

    /// Shards of working space for decoding.
    pub(crate) fn decode_shards(&self) -> usize {
        self.end().next_power_of_two()
    }

    /// The end of all shards in the domain.
    fn end(&self) -> usize {
        self.chunk + if self.high { self.code.originals } else { self.code.recovery }
    }

    /// Which shard of the working space for decoding a symbol of the codeword is.
    pub(crate) fn shard(&self, position: usize) -> usize {
        match position.checked_sub(self.code.originals) {
            None if self.high => self.chunk + position,
            None => position,
            Some(recovery) if self.high => recovery,
            Some(recovery) => self.chunk + recovery,
        }
    }

    /// Which shards of the working space for decoding are unknown.
    pub(crate) fn erased(&self, received: impl Iterator<Item = usize>) -> Vec<bool> {
        let mut erased = vec![false; self.decode_shards()];
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

    /// From received shards times their locator values, all other shards zero, to missing originals times theirs.
    pub(crate) fn decode(&self, field: &Field, work: &mut [Block], stride: usize) {
        let size = self.decode_shards();
        let originals = self.shard(0)..self.shard(0) + self.code.originals;
        field.ifft(work, stride, size, self.end(), 0);
        field.derivative(work, stride, size);
        field.fft(work, stride, size, originals, 0);
    }
}
