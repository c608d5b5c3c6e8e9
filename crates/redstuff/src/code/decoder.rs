//! From any sufficient symbols to the missing source symbols.

use super::{
    Code, Work,
    field::Field,
    locator,
    pieces::{Shard, pieces},
    rate::{Layout, Plan},
    shard_bytes,
    source::Source,
};
use crate::simd::Level;

/// Which symbols codewords are decoded from, and what follows from that alone.
pub(crate) struct Erasures {
    code: Code,
    missing: Vec<usize>,
    /// For each shard of the domain that must be filled: by which slot, if it was received, and the logarithm of the
    /// locator's value there.
    filled: Vec<(usize, Option<(usize, u16)>)>,
    /// For each missing symbol: its shard after decoding, and the logarithm that it must be multiplied by.
    results: Vec<(usize, u16)>,
    plan: Plan,
}

impl Erasures {
    /// Decoding from symbols at these positions.
    ///
    /// # Panics
    /// Unless there are exactly as many positions as the code has originals, all distinct and in range.
    pub(crate) fn new(code: Code, positions: Vec<usize>) -> Self {
        assert_eq!(positions.len(), code.originals);
        let mut slots = vec![None; code.total()];
        for (slot, position) in positions.iter().enumerate() {
            assert!(slots[*position].replace(slot).is_none(), "twice {position}");
        }
        let missing: Vec<usize> = (0..code.originals).filter(|i| slots[*i].is_none()).collect();
        let layout = Layout::of(code);
        let received = || positions.iter().copied();
        let plan = layout.plan(received(), &missing);
        let (mut filled, mut results) = (Vec::new(), Vec::new());
        if !missing.is_empty() {
            let logs = locator::logarithms(&layout.erased(received()));
            let mut by_shard = vec![None; logs.len()];
            for (slot, position) in positions.iter().enumerate() {
                let shard = layout.shard(*position);
                by_shard[shard] = Some((slot, logs[shard]));
            }
            filled = by_shard.into_iter().enumerate().filter(|(shard, _)| plan.reads(*shard)).collect();
            let result = |position: &usize| {
                let shard = layout.shard(*position);
                (plan.result(shard), u16::MAX - logs[shard])
            };
            results = missing.iter().map(result).collect();
        }
        Self { code, missing, filled, results, plan }
    }

    /// The source symbols that are not among the positions, in order.
    pub(crate) fn missing(&self) -> &[usize] {
        &self.missing
    }

    /// How many codewords to work on together.
    pub(crate) fn batch(&self, symbol: usize, available: usize) -> usize {
        self.code.batch(symbol, available)
    }
}

/// Rebuilds source symbols of codewords that all lack the same positions. Keeps its working space between calls.
pub(crate) struct Decoder<'e> {
    erasures: &'e Erasures,
    symbol: usize,
    field: Field,
    work: Work,
}

impl<'e> Decoder<'e> {
    /// A decoder for symbols of this size.
    pub(crate) fn new(erasures: &'e Erasures, symbol: usize) -> Self {
        Self::at_level(Level::active(), erasures, symbol)
    }

    pub(super) fn at_level(level: Level, erasures: &'e Erasures, symbol: usize) -> Self {
        Self { erasures, symbol, field: Field::new(level), work: Work::new() }
    }

    /// Decodes `count` codewords from the symbols of `source`, of which number `slot` is at `positions[slot]`, and
    /// hands on the missing source symbol number `m` of some codewords, for every `m`.
    pub(crate) fn decode(&mut self, count: usize, source: &impl Source, mut sink: impl FnMut(usize, Shard<'_>)) {
        let Erasures { filled, results, plan, .. } = self.erasures;
        if results.is_empty() {
            return;
        }
        for piece in pieces(count, self.symbol, shard_bytes(plan.shards())) {
            let stride = piece.stride();
            let work = self.work.blocks(plan.shards() * stride);
            for (shard, received) in filled {
                let shard = &mut work[shard * stride..][..stride];
                match received {
                    None => shard.fill([0; 64]),
                    Some((slot, log)) => {
                        piece.pack(source, *slot, shard);
                        self.field.mul(shard, *log);
                    }
                }
            }
            plan.run(&self.field, work, stride);
            for (m, (shard, log)) in results.iter().enumerate() {
                let blocks = &mut work[shard * stride..][..stride];
                self.field.mul(blocks, *log);
                sink(m, Shard { piece, blocks });
            }
        }
    }
}
