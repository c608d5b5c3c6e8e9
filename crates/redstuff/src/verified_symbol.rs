//! Checking symbols that help to rebuild a sliver (spec/encoding.md section 10.3).

use crate::{
    Axis, DecodingSymbol, EncodingParams, GeneralRecoverySymbol, RecoverySymbol, SliverIndex, VerifiedMetadata,
    merkle::MerkleProof,
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
    pub(crate) position: SliverIndex,
    pub(crate) data: Vec<u8>,
    pub(crate) proof: MerkleProof,
    /// Whether the proof is over a sliver that crosses the target, as inconsistency proofs need it, and not over
    /// the target itself.
    pub(crate) crossing: bool,
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
pub(crate) fn check_proof(
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
