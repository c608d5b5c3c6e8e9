//! Rebuilding the source symbols of slivers from any sufficient symbols of theirs.
//!
//! A node that lost its share asks the same nodes for symbols of all its slivers, so most slivers lack symbols at the same
//! positions: those share the locator and the calls of the code, as do their checks.

use rayon::prelude::*;

use crate::{
    Axis, DecodingSymbol, RecoveryError, Sliver, SliverIndex, VerifiedMetadata, VerifiedSliver,
    code::{Code, Decoder, Each, Erasures},
    expand::Expander,
    verified_symbol::{check_index, check_size},
};

/// Decodes the source symbols of a sliver from the first `k` symbols, at distinct positions in range, of the right size.
pub(crate) fn rebuild<'s>(
    metadata: &VerifiedMetadata,
    axis: Axis,
    symbols: impl Iterator<Item = (SliverIndex, &'s [u8])>,
) -> Result<Vec<u8>, RecoveryError> {
    let lines = Line::new(metadata, axis, symbols)?;
    let mut data = decode_lines(metadata, axis, &[&lines]);
    Ok(data.pop().unwrap_or_default())
}

/// Rebuilds slivers of one axis, each from symbols without proofs at the positions of their indices, on the current
/// rayon pool; answers in the same order. Correctness rests on the check of each result alone.
///
/// Faster than [`recover_sliver_unproven`](crate::recover_sliver_unproven) for each, above all when the symbols for all
/// slivers come from the same others.
///
/// # Errors
/// Each sliver has its own: no such index, too few symbols, a result that the metadata does not commit to.
pub fn recover_slivers_unproven(
    metadata: &VerifiedMetadata,
    axis: Axis,
    slivers: &[(SliverIndex, Vec<DecodingSymbol>)],
) -> Vec<Result<VerifiedSliver, RecoveryError>> {
    let code = Code::of_sliver(axis, metadata.params());
    let batch = code.batch(metadata.symbol_size().bytes(), slivers.len());
    slivers.par_chunks(batch).flat_map_iter(|group| recover_group(metadata, axis, group)).collect()
}

fn recover_group(
    metadata: &VerifiedMetadata,
    axis: Axis,
    slivers: &[(SliverIndex, Vec<DecodingSymbol>)],
) -> Vec<Result<VerifiedSliver, RecoveryError>> {
    let line = |target: SliverIndex, symbols| {
        check_index(metadata.params(), target)?;
        Line::of_untrusted(metadata, axis, symbols)
    };
    let lines: Vec<(SliverIndex, Result<Line<'_>, RecoveryError>)> =
        slivers.iter().map(|(target, symbols)| (*target, line(*target, &symbols[..]))).collect();
    let same = |a: &(SliverIndex, Result<Line<'_>, _>), b: &(SliverIndex, Result<Line<'_>, _>)| match (&a.1, &b.1) {
        (Ok(a), Ok(b)) => a.positions == b.positions,
        (a, b) => a.is_err() && b.is_err(),
    };
    let mut results = Vec::with_capacity(slivers.len());
    for run in lines.chunk_by(same) {
        let sound: Vec<&Line<'_>> = run.iter().filter_map(|(_, line)| line.as_ref().ok()).collect();
        let checked = check(metadata, axis, run, decode_lines(metadata, axis, &sound));
        let errors = run.iter().filter_map(|(_, line)| line.as_ref().err().cloned().map(Err));
        results.extend(checked.into_iter().chain(errors));
    }
    results
}

/// Compares rebuilt slivers with the metadata.
fn check<T>(
    metadata: &VerifiedMetadata,
    axis: Axis,
    targets: &[(SliverIndex, T)],
    data: Vec<Vec<u8>>,
) -> Vec<Result<VerifiedSliver, RecoveryError>> {
    let symbol_size = metadata.symbol_size();
    let symbol = symbol_size.bytes();
    let lines: Vec<&[u8]> = data.iter().map(|data| &data[..]).collect();
    let roots = Expander::new(axis, metadata.params(), symbol).roots_of(&lines);
    let slivers = targets.iter().zip(data).zip(roots);
    slivers
        .map(|(((index, _), data), root)| {
            let sliver = Sliver { axis, index: *index, symbol_size, data };
            sliver.check_root(&root, metadata)?;
            Ok(VerifiedSliver::new(sliver, metadata))
        })
        .collect()
}

/// Exactly the symbols that one sliver is decoded from.
struct Line<'s> {
    positions: Vec<usize>,
    symbols: Vec<&'s [u8]>,
}

impl<'s> Line<'s> {
    /// From symbols at distinct positions in range, of the right size.
    fn new(
        metadata: &VerifiedMetadata,
        axis: Axis,
        symbols: impl Iterator<Item = (SliverIndex, &'s [u8])>,
    ) -> Result<Self, RecoveryError> {
        let needed = Code::of_sliver(axis, metadata.params()).originals;
        let symbols = symbols.take(needed).map(|(position, bytes)| (position.at(), bytes));
        let (positions, symbols): (Vec<usize>, Vec<&[u8]>) = symbols.unzip();
        let got = positions.len();
        if got < needed {
            return Err(RecoveryError::NotEnough { axis, got, needed });
        }
        Ok(Self { positions, symbols })
    }

    /// From whatever was received.
    fn of_untrusted(
        metadata: &VerifiedMetadata,
        axis: Axis,
        symbols: &'s [DecodingSymbol],
    ) -> Result<Self, RecoveryError> {
        let sound = |symbol: &&DecodingSymbol| {
            metadata.params().contains(symbol.index.get()) && check_size(metadata, symbol).is_ok()
        };
        let mut usable: Vec<&DecodingSymbol> = symbols.iter().filter(sound).collect();
        usable.sort_by_key(|symbol| symbol.index);
        usable.dedup_by_key(|symbol| symbol.index);
        Self::new(metadata, axis, usable.into_iter().map(|symbol| (symbol.index, &symbol.data[..])))
    }
}

/// Source symbols of slivers whose symbols are at the same positions.
fn decode_lines(metadata: &VerifiedMetadata, axis: Axis, lines: &[&Line<'_>]) -> Vec<Vec<u8>> {
    let Some(first) = lines.first() else { return Vec::new() };
    let code = Code::of_sliver(axis, metadata.params());
    let symbol = metadata.symbol_size().bytes();
    let count = lines.len();
    let erasures = Erasures::new(code, first.positions.clone());
    let mut restored = vec![0; erasures.missing().len() * count * symbol];
    let source = Each(|slot: usize, line: usize| lines[line].symbols[slot]);
    Decoder::new(&erasures, symbol).decode(count, &source, |m, shard| {
        shard.write(&mut restored[m * count * symbol..], symbol);
    });
    let data = lines.iter().enumerate().map(|(at, line)| {
        let mut data = vec![0; code.originals * symbol];
        let held = line.positions.iter().copied().zip(line.symbols.iter().copied());
        let held = held.filter(|(position, _)| *position < code.originals);
        let rebuilt = erasures.missing().iter().copied().zip(restored.chunks_exact(symbol).skip(at).step_by(count));
        for (position, bytes) in held.chain(rebuilt) {
            data[position * symbol..][..symbol].copy_from_slice(bytes);
        }
        data
    });
    data.collect()
}
