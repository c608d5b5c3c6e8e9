//! Rebuilding one sliver from symbols of others, and proving that it cannot be done
//! (spec/encoding.md sections 12 and 13).

use crate::{
    Axis, DecodingSymbol, EncodingParams, GeneralRecoverySymbol, RecoverySymbol, Sliver, SliverError, SliverIndex,
    VerifiedMetadata, VerifiedSliver,
    expand::sliver_root,
    merkle::{MerkleProof, Node},
    rebuild::{rebuild, recover_slivers_unproven},
    wire::{Reader, WireError, decode_all, put_uleb},
};

/// Why a recovery symbol is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// An index that no sliver has.
    #[error("sliver index {got} is not below {n_shards}")]
    Index {
        /// The index.
        got: SliverIndex,
        /// Number of shards.
        n_shards: u16,
    },
    /// Not the blob's symbol size.
    #[error("symbols of this blob have {expected} bytes, got {got}")]
    Size {
        /// Bytes in the symbol.
        got: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// The symbol does not lie on the sliver that is to be rebuilt.
    #[error("the symbol does not belong to the {axis} sliver {target}")]
    NotUsable {
        /// Axis of the sliver to be rebuilt.
        axis: Axis,
        /// Its index.
        target: SliverIndex,
    },
    /// The proof does not lead to the hash of the source sliver.
    #[error("the proof does not lead to the hash of the {axis} sliver {index} in the metadata")]
    Proof {
        /// Axis of the source sliver.
        axis: Axis,
        /// Its index.
        index: SliverIndex,
    },
}

/// A symbol that is known to be part of a sliver that the metadata commits to, and that lies on the sliver to be rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSymbol {
    axis: Axis,
    target: SliverIndex,
    /// Where on the target it lies.
    position: SliverIndex,
    data: Vec<u8>,
    proof: MerkleProof,
    /// Whether the proof is over a sliver that crosses the target, as inconsistency proofs need it, and not over
    /// the target itself.
    crossing: bool,
}

impl VerifiedSymbol {
    /// Axis and index of the sliver that this symbol helps to rebuild.
    pub fn target(&self) -> (Axis, SliverIndex) {
        (self.axis, self.target)
    }

    /// Position on that sliver.
    pub fn position(&self) -> SliverIndex {
        self.position
    }

    /// The symbol's bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

impl GeneralRecoverySymbol {
    /// Checks that this symbol helps to rebuild the sliver `target` of axis `axis`. It may come from a sliver that
    /// crosses it, or (from a node that has it) from that very sliver.
    ///
    /// # Errors
    /// It does not, or the proof is wrong.
    pub fn verify(
        self,
        metadata: &VerifiedMetadata,
        target: SliverIndex,
        axis: Axis,
    ) -> Result<VerifiedSymbol, SymbolError> {
        let (source_axis, source) = (self.source_axis(), self.symbol.symbol.index);
        let crossing = source_axis != axis;
        let on_target = if crossing { self.target_index } else { source };
        check_index(metadata.params(), source)?;
        check_index(metadata.params(), self.target_index)?;
        check_size(metadata, &self.symbol.symbol)?;
        if on_target != target {
            return Err(SymbolError::NotUsable { axis, target });
        }
        let symbol = RecoverySymbol { symbol: self.symbol.symbol, proof: self.proof };
        check_proof(&symbol, metadata, source_axis, self.target_index)?;
        Ok(VerifiedSymbol {
            axis,
            target,
            position: if crossing { source } else { self.target_index },
            data: symbol.symbol.data,
            proof: symbol.proof,
            crossing,
        })
    }
}

impl RecoverySymbol {
    /// Checks that this symbol, taken from a sliver of the other axis, helps to rebuild the sliver `target` of axis `axis`.
    ///
    /// # Errors
    /// It does not.
    pub fn verify(
        self,
        metadata: &VerifiedMetadata,
        target: SliverIndex,
        axis: Axis,
    ) -> Result<VerifiedSymbol, SymbolError> {
        check_index(metadata.params(), self.symbol.index)?;
        check_index(metadata.params(), target)?;
        check_size(metadata, &self.symbol)?;
        check_proof(&self, metadata, axis.orthogonal(), target)?;
        Ok(VerifiedSymbol {
            axis,
            target,
            position: self.symbol.index,
            data: self.symbol.data,
            proof: self.proof,
            crossing: true,
        })
    }
}

pub(crate) fn check_index(params: EncodingParams, got: SliverIndex) -> Result<(), SymbolError> {
    if params.contains(got.get()) {
        return Ok(());
    }
    Err(SymbolError::Index { got, n_shards: params.n_shards() })
}

pub(crate) fn check_size(metadata: &VerifiedMetadata, symbol: &DecodingSymbol) -> Result<(), SymbolError> {
    let (got, expected) = (symbol.data.len(), metadata.symbol_size().bytes());
    if got == expected {
        return Ok(());
    }
    Err(SymbolError::Size { got, expected })
}

/// That the symbol is leaf `leaf` of its source sliver, whose index is in range.
fn check_proof(
    symbol: &RecoverySymbol,
    metadata: &VerifiedMetadata,
    axis: Axis,
    leaf: SliverIndex,
) -> Result<(), SymbolError> {
    let index = symbol.symbol.index;
    let root = metadata.hash_of(axis, index);
    let leaves = usize::from(metadata.params().n_shards());
    if symbol.proof.verify(root, leaves, &symbol.symbol.data, leaf.at()) {
        return Ok(());
    }
    Err(SymbolError::Proof { axis, index })
}

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
        Err(_) => prove(metadata, axis, target, usable).map(Recovered::Inconsistent),
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

/// The proof, once crossing symbols come first among those that gave the wrong sliver.
fn prove(
    metadata: &VerifiedMetadata,
    axis: Axis,
    target: SliverIndex,
    symbols: Vec<VerifiedSymbol>,
) -> Result<InconsistencyProof, RecoveryError> {
    let needed = usize::from(metadata.params().symbols_per_sliver(axis));
    let recovery_symbol = |symbol: VerifiedSymbol| RecoverySymbol {
        symbol: DecodingSymbol { index: symbol.position, data: symbol.data },
        proof: symbol.proof,
    };
    let symbols: Vec<RecoverySymbol> =
        symbols.into_iter().filter(|symbol| symbol.crossing).take(needed).map(recovery_symbol).collect();
    let got = symbols.len();
    if got < needed {
        return Err(RecoveryError::Unprovable { got, needed });
    }
    Ok(InconsistencyProof { target_sliver_index: target, symbols })
}

/// Shows that a blob was encoded wrongly: symbols that the metadata commits to one by one, and that together make a
/// sliver which it does not commit to. The axis of that sliver is not in the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InconsistencyProof {
    /// The sliver that cannot be.
    pub target_sliver_index: SliverIndex,
    /// Exactly as many symbols as rebuild it.
    pub symbols: Vec<RecoverySymbol>,
}

/// Why an inconsistency proof shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The bytes are not a proof.
    #[error("malformed inconsistency proof: {0}")]
    Malformed(#[from] WireError),
    /// Not exactly as many symbols as rebuild a sliver.
    #[error("the proof has {got} symbols, expected {expected}")]
    SymbolCount {
        /// Symbols in the proof.
        got: usize,
        /// Symbols it must have.
        expected: usize,
    },
    /// A symbol is not what the metadata commits to.
    #[error("the proof has a wrong symbol: {0}")]
    Symbol(#[from] SymbolError),
    /// Two symbols come from the same sliver.
    #[error("the proof has two symbols of sliver {index}")]
    Repeated {
        /// That sliver.
        index: SliverIndex,
    },
    /// The symbols make the sliver that the metadata commits to.
    #[error("the {axis} sliver {index} is consistent")]
    Consistent {
        /// The sliver's axis.
        axis: Axis,
        /// Its index.
        index: SliverIndex,
    },
}

impl InconsistencyProof {
    /// Reads the serialized form, without axis.
    ///
    /// # Errors
    /// Malformed or trailing bytes, more symbols than a proof of the network can have.
    pub fn from_bcs(bytes: &[u8], params: EncodingParams) -> Result<Self, ProofError> {
        Ok(decode_all(bytes, |reader| Self::read(reader, params))?)
    }

    /// Reads the form with the axis of the sliver in front.
    ///
    /// # Errors
    /// As [`from_bcs`](Self::from_bcs), or an unknown axis.
    pub fn from_bcs_tagged(bytes: &[u8], params: EncodingParams) -> Result<(Axis, Self), ProofError> {
        Ok(decode_all(bytes, |reader| Ok((Axis::read(reader)?, Self::read(reader, params)?)))?)
    }

    fn read(reader: &mut Reader<'_>, params: EncodingParams) -> Result<Self, WireError> {
        let target_sliver_index = SliverIndex::new(reader.u16()?);
        let max = usize::from(params.secondary_source_symbols());
        let count = reader.length("symbols of an inconsistency proof", max, 4)?;
        let symbols = (0..count).map(|_| RecoverySymbol::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { target_sliver_index, symbols })
    }

    /// The serialized form, without axis.
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// The serialized form with the axis in front.
    pub fn to_bcs_tagged(&self, axis: Axis) -> Vec<u8> {
        let mut out = vec![axis.tag()];
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.target_sliver_index.get().to_le_bytes());
        put_uleb(out, self.symbols.len());
        for symbol in &self.symbols {
            symbol.write(out);
        }
    }

    /// Checks that this proves the blob inconsistent: its sliver of axis `axis` cannot be what the metadata says.
    ///
    /// # Errors
    /// It proves nothing.
    pub fn verify(&self, axis: Axis, metadata: &VerifiedMetadata) -> Result<(), ProofError> {
        let params = metadata.params();
        let target = self.target_sliver_index;
        let expected = usize::from(params.symbols_per_sliver(axis));
        let got = self.symbols.len();
        if got != expected {
            return Err(ProofError::SymbolCount { got, expected });
        }
        check_index(params, target)?;
        let mut seen = vec![false; usize::from(params.n_shards())];
        for symbol in &self.symbols {
            let index = symbol.symbol.index;
            check_index(params, index)?;
            if std::mem::replace(&mut seen[index.at()], true) {
                return Err(ProofError::Repeated { index });
            }
            check_size(metadata, &symbol.symbol)?;
            check_proof(symbol, metadata, axis.orthogonal(), target)?;
        }
        let symbols = self.symbols.iter().map(|s| (s.symbol.index, &s.symbol.data[..]));
        let data = rebuild(metadata, axis, symbols)
            .expect("exactly as many symbols as needed, at distinct positions in range");
        let root = sliver_root(axis, params, metadata.symbol_size().bytes(), &data);
        if *metadata.hash_of(axis, target) == Node::Digest(root) {
            let index = target;
            return Err(ProofError::Consistent { axis, index });
        }
        Ok(())
    }
}
