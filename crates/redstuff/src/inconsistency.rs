//! Proving that a blob was encoded wrongly (spec/encoding.md section 13).

use crate::{
    Axis, DecodingSymbol, EncodingParams, RecoveryError, RecoverySymbol, SliverIndex, SymbolError, VerifiedMetadata,
    VerifiedSymbol,
    expand::sliver_root,
    merkle::Node,
    rebuild::rebuild,
    verified_symbol::{check_index, check_proof, check_size},
    wire::{Reader, WireError, decode_all, put_uleb},
};

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
    /// The proof, from symbols that together gave a wrong sliver `target`.
    ///
    /// # Errors
    /// Too few of them come from slivers that cross it.
    pub(crate) fn new(
        metadata: &VerifiedMetadata,
        axis: Axis,
        target: SliverIndex,
        symbols: Vec<VerifiedSymbol>,
    ) -> Result<Self, RecoveryError> {
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
        Ok(Self { target_sliver_index: target, symbols })
    }

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
