//! Rebuilding one sliver from symbols of others (spec/encoding.md section 12).

use crate::{
    Axis, DecodingSymbol, InconsistencyProof, Sliver, SliverError, SliverIndex, SymbolError, VerifiedMetadata,
    VerifiedSliver, VerifiedSymbol,
    rebuild::{rebuild, recover_slivers_unproven},
    verified_symbol::check_index,
};

/// Why a sliver could not be rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// The sliver does not exist.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// Too few symbols at distinct positions.
    #[error("{needed} distinct symbols are needed to rebuild a {axis} sliver, got {got}")]
    NotEnough {
        /// Axis of the sliver.
        axis: Axis,
        /// Distinct symbols given.
        got: usize,
        /// Symbols needed.
        needed: usize,
    },
    /// Symbols without proofs gave another sliver than the metadata commits to: one of them is wrong, or the blob is
    /// inconsistent. Only symbols with proofs can tell.
    #[error("symbols without proofs gave a wrong sliver: {0}")]
    Unproven(#[from] SliverError),
    /// The sliver is inconsistent, but the proof needs symbols of slivers that cross it.
    #[error("the sliver is inconsistent, but only {got} of {needed} symbols come from slivers that cross it")]
    Unprovable {
        /// Symbols from crossing slivers.
        got: usize,
        /// Symbols that a proof needs.
        needed: usize,
    },
}

/// What verified symbols make together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// The sliver.
    Sliver(VerifiedSliver),
    /// The proof that the blob was encoded wrongly.
    Inconsistent(InconsistencyProof),
}

/// Rebuilds a sliver from verified symbols; symbols for another target, and more than are needed, are ignored.
///
/// When the symbols, each of which the metadata commits to, make a sliver that it does not commit to, then they are
/// themselves the proof that the blob was encoded wrongly.
///
/// # Errors
/// Too few symbols, or an inconsistency that these symbols cannot prove.
pub fn recover_sliver(
    metadata: &VerifiedMetadata,
    axis: Axis,
    target: SliverIndex,
    symbols: impl IntoIterator<Item = VerifiedSymbol>,
) -> Result<Recovered, RecoveryError> {
    check_index(metadata.params(), target)?;
    let mut usable: Vec<VerifiedSymbol> =
        symbols.into_iter().filter(|symbol| symbol.target() == (axis, target)).collect();
    // Crossing symbols first: of two at one position the one that can go into a proof is kept.
    usable.sort_by_key(|symbol| (symbol.position, !symbol.crossing));
    usable.dedup_by_key(|symbol| symbol.position);
    usable.sort_by_key(|symbol| !symbol.crossing);

    let data = rebuild(metadata, axis, usable.iter().map(|s| (s.position, &s.data[..])))?;
    match verify_data(metadata, axis, target, data) {
        Ok(sliver) => Ok(Recovered::Sliver(sliver)),
        Err(_) => InconsistencyProof::new(metadata, axis, target, usable).map(Recovered::Inconsistent),
    }
}

/// Rebuilds a sliver from symbols without proofs, each at the position of its index. Correctness rests on the check of
/// the result alone.
///
/// # Errors
/// Too few symbols of the right size, or a result that the metadata does not commit to.
pub fn recover_sliver_unproven(
    metadata: &VerifiedMetadata,
    axis: Axis,
    target: SliverIndex,
    symbols: impl IntoIterator<Item = DecodingSymbol>,
) -> Result<VerifiedSliver, RecoveryError> {
    let mut results = recover_slivers_unproven(metadata, axis, &[(target, symbols.into_iter().collect())]);
    results.pop().expect("one result for one sliver")
}

fn verify_data(
    metadata: &VerifiedMetadata,
    axis: Axis,
    index: SliverIndex,
    data: Vec<u8>,
) -> Result<VerifiedSliver, SliverError> {
    let sliver = Sliver { axis, index, symbol_size: metadata.symbol_size(), data };
    sliver.verify(metadata)
}
