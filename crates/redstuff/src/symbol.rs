//! Symbols as they travel between nodes to rebuild slivers (spec/encoding.md section 10.3).
//!
//! A symbol tagged *primary* helps to rebuild a *primary* sliver: it was taken from a secondary one.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{
    Axis, EncodingParams, SliverIndex,
    expand::Expander,
    index::{IndexParseError, parse_u16},
    merkle::{MerkleProof, MerkleTree, Node},
    params::SYMBOL_SIZE_BYTES_MAX,
    sliver::Sliver,
    wire::{Reader, WireError, decode_all, put_bytes, put_uleb},
};

/// Fewest bytes of a serialized decoding symbol.
const DECODING_SYMBOL_BYTES_MIN: usize = 3;

/// A symbol without proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DecodingSymbol {
    /// Sliver index of the source, of the axis that crosses the sliver to be rebuilt.
    pub index: SliverIndex,
    /// The symbol's bytes.
    pub data: Vec<u8>,
}

impl DecodingSymbol {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            index: SliverIndex::new(reader.u16()?),
            data: reader.bytes("symbol", usize::from(SYMBOL_SIZE_BYTES_MAX))?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.index.get().to_le_bytes());
        put_bytes(out, &self.data);
    }
}

/// A symbol without proof, tagged with the axis of the sliver that it helps to rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EitherDecodingSymbol {
    /// Axis of the sliver to be rebuilt.
    pub axis: Axis,
    /// The symbol.
    pub symbol: DecodingSymbol,
}

impl EitherDecodingSymbol {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { axis: Axis::read(reader)?, symbol: DecodingSymbol::read(reader)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.axis.tag());
        self.symbol.write(out);
    }
}

/// A symbol with the proof that it belongs to its source sliver.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecoverySymbol {
    /// The symbol.
    pub symbol: DecodingSymbol,
    /// Shows that the symbol is in the source sliver, at the position of the sliver to be rebuilt.
    pub proof: MerkleProof,
}

impl RecoverySymbol {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { symbol: DecodingSymbol::read(reader)?, proof: MerkleProof::read(reader)? })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.symbol.write(out);
        self.proof.write(out);
    }
}

/// What one sliver pair gives towards rebuilding the two slivers of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecoverySymbolPair {
    /// Helps to rebuild the primary sliver.
    pub primary: RecoverySymbol,
    /// Helps to rebuild the secondary sliver.
    pub secondary: RecoverySymbol,
}

/// A symbol with proof that says for itself where it comes from and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GeneralRecoverySymbol {
    /// The symbol and the axis of the sliver that it helps to rebuild.
    pub symbol: EitherDecodingSymbol,
    /// Index of the sliver that it helps to rebuild.
    pub target_index: SliverIndex,
    /// Shows that the symbol is in its source sliver.
    pub proof: MerkleProof,
}

impl GeneralRecoverySymbol {
    /// The place in the matrix that this symbol claims to have.
    pub fn id(&self) -> SymbolId {
        let (source, target) = (self.symbol.symbol.index, self.target_index);
        match self.symbol.axis {
            Axis::Primary => SymbolId { primary: target, secondary: source },
            Axis::Secondary => SymbolId { primary: source, secondary: target },
        }
    }

    /// Axis of the sliver that the symbol was taken from.
    pub fn source_axis(&self) -> Axis {
        self.symbol.axis.orthogonal()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            symbol: EitherDecodingSymbol::read(reader)?,
            target_index: SliverIndex::new(reader.u16()?),
            proof: MerkleProof::read(reader)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.symbol.write(out);
        out.extend_from_slice(&self.target_index.get().to_le_bytes());
        self.proof.write(out);
    }

    /// Reads a list of symbols, as a node answers it.
    ///
    /// # Errors
    /// Malformed or trailing bytes, or more than `max` symbols.
    pub fn list_from_bcs(bytes: &[u8], max: usize) -> Result<Vec<Self>, WireError> {
        decode_all(bytes, |reader| {
            let smallest = 1 + DECODING_SYMBOL_BYTES_MIN + 2 + 1;
            let count = reader.length("recovery symbols", max, smallest)?;
            (0..count).map(|_| Self::read(reader)).collect()
        })
    }

    /// Serializes a list of symbols.
    pub fn list_to_bcs(symbols: &[Self]) -> Vec<u8> {
        let mut out = Vec::new();
        put_uleb(&mut out, symbols.len());
        for symbol in symbols {
            symbol.write(&mut out);
        }
        out
    }
}

macro_rules! bcs_methods {
    ($($name:ident),*) => {$(
        impl $name {
            /// Reads the serialized form.
            ///
            /// # Errors
            /// Malformed or trailing bytes.
            pub fn from_bcs(bytes: &[u8]) -> Result<Self, WireError> {
                decode_all(bytes, Self::read)
            }

            /// The serialized form.
            pub fn to_bcs(&self) -> Vec<u8> {
                let mut out = Vec::new();
                self.write(&mut out);
                out
            }
        }
    )*};
}

bcs_methods!(DecodingSymbol, EitherDecodingSymbol, RecoverySymbol, RecoverySymbolPair, GeneralRecoverySymbol, SymbolId);

impl RecoverySymbolPair {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { primary: RecoverySymbol::read(reader)?, secondary: RecoverySymbol::read(reader)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.primary.write(out);
        self.secondary.write(out);
    }
}

/// Symbols without proof for several slivers: the answer to a request for decoding symbols.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DecodingSymbols(pub BTreeMap<SliverIndex, Vec<EitherDecodingSymbol>>);

impl DecodingSymbols {
    /// Reads the serialized map. `max` bounds both the number of targets and of symbols for each.
    ///
    /// # Errors
    /// Malformed or trailing bytes, too many items, keys out of order or repeated.
    pub fn from_bcs(bytes: &[u8], max: usize) -> Result<Self, WireError> {
        decode_all(bytes, |reader| {
            let targets = reader.length("targets", max, 3)?;
            let mut map = BTreeMap::new();
            let mut last = None;
            for _ in 0..targets {
                let key: [u8; 2] = reader.array()?;
                if last.is_some_and(|last| last >= key) {
                    return Err(WireError::UnsortedMap);
                }
                last = Some(key);
                let smallest = 1 + DECODING_SYMBOL_BYTES_MIN;
                let count = reader.length("decoding symbols", max, smallest)?;
                let symbols = (0..count).map(|_| EitherDecodingSymbol::read(reader)).collect::<Result<_, _>>()?;
                map.insert(SliverIndex::new(u16::from_le_bytes(key)), symbols);
            }
            Ok(Self(map))
        })
    }

    /// Serializes the map; keys are ordered by their bytes, so 256 comes before 1.
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut entries: Vec<_> =
            self.0.iter().map(|(target, symbols)| (target.get().to_le_bytes(), symbols)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let mut out = Vec::new();
        put_uleb(&mut out, entries.len());
        for (key, symbols) in entries {
            out.extend_from_slice(&key);
            put_uleb(&mut out, symbols.len());
            for symbol in symbols {
                symbol.write(&mut out);
            }
        }
        out
    }
}

/// Names a symbol by the two slivers that cross in it. As text `P-S`, e.g. `17-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId {
    /// The row.
    pub primary: SliverIndex,
    /// The column.
    pub secondary: SliverIndex,
}

impl SymbolId {
    /// The sliver of this axis that the symbol is part of.
    pub fn sliver(&self, axis: Axis) -> SliverIndex {
        match axis {
            Axis::Primary => self.primary,
            Axis::Secondary => self.secondary,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { primary: SliverIndex::new(reader.u16()?), secondary: SliverIndex::new(reader.u16()?) })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.primary.get().to_le_bytes());
        out.extend_from_slice(&self.secondary.get().to_le_bytes());
    }
}

impl fmt::Display for SymbolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.primary, self.secondary)
    }
}

impl FromStr for SymbolId {
    type Err = IndexParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || IndexParseError(text.chars().take(32).collect());
        let (primary, secondary) = text.split_once('-').ok_or_else(malformed)?;
        Ok(Self { primary: SliverIndex::new(parse_u16(primary)?), secondary: SliverIndex::new(parse_u16(secondary)?) })
    }
}

/// All `n` symbols of a sliver with their tree: any number of recovery symbols at the price of a copy each.
#[derive(Debug, Clone)]
pub struct SliverSymbols {
    axis: Axis,
    index: SliverIndex,
    symbol_size: usize,
    symbols: Vec<u8>,
    tree: MerkleTree,
}

impl SliverSymbols {
    /// Expands a sliver of the right shape.
    pub(crate) fn build(sliver: &Sliver, params: EncodingParams) -> Self {
        let symbol_size = sliver.symbol_size.bytes();
        let symbols = expand(sliver, params);
        let mut leaves = vec![crate::merkle::EMPTY; usize::from(params.n_shards())];
        crate::hash::LeafHasher::new(symbol_size).hash_run(&symbols, &mut leaves);
        Self {
            axis: sliver.axis,
            index: sliver.index,
            symbol_size,
            symbols,
            tree: MerkleTree::from_leaf_hashes(leaves),
        }
    }

    /// Root of the tree: the sliver's hash in the metadata.
    pub fn root(&self) -> Node {
        self.tree.root()
    }

    /// The tree over the symbols: with it, a symbol that was read from elsewhere needs no expansion to be proven.
    pub fn tree(&self) -> &MerkleTree {
        &self.tree
    }

    /// The symbol where this sliver crosses the sliver `target` of the other axis. `None` if there is no such sliver.
    pub fn symbol(&self, target: SliverIndex) -> Option<&[u8]> {
        self.symbols.chunks_exact(self.symbol_size).nth(target.at())
    }

    /// That symbol with its proof.
    pub fn recovery_symbol(&self, target: SliverIndex) -> Option<RecoverySymbol> {
        Some(RecoverySymbol { symbol: self.decoding_symbol(target)?, proof: self.tree.proof(target.at())? })
    }

    /// That symbol with its proof, its axis and its target.
    pub fn general_recovery_symbol(&self, target: SliverIndex) -> Option<GeneralRecoverySymbol> {
        let RecoverySymbol { symbol, proof } = self.recovery_symbol(target)?;
        Some(GeneralRecoverySymbol {
            symbol: EitherDecodingSymbol { axis: self.axis.orthogonal(), symbol },
            target_index: target,
            proof,
        })
    }

    /// That symbol without proof.
    pub fn decoding_symbol(&self, target: SliverIndex) -> Option<DecodingSymbol> {
        Some(DecodingSymbol { index: self.index, data: self.symbol(target)?.to_vec() })
    }
}

/// All `n` symbols of a sliver of the right shape.
pub(crate) fn expand(sliver: &Sliver, params: EncodingParams) -> Vec<u8> {
    let symbol = sliver.symbol_size.bytes();
    let n = usize::from(params.n_shards());
    let mut expander = Expander::new(sliver.axis, params, symbol);
    expander.expand(1, |i, _| sliver.symbol(i));
    let mut symbols = Vec::with_capacity(n * symbol);
    symbols.extend_from_slice(&sliver.data);
    symbols.extend_from_slice(expander.recovery());
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbol_ids_as_text() {
        let id: SymbolId = "17-21".parse().unwrap();
        assert_eq!(id.to_string(), "17-21");
        assert_eq!(id.to_bcs(), [17, 0, 21, 0]);
        for bad in ["", "17", "17-", "-21", "17-21-3", "17--21", "65536-0", "01-2"] {
            assert!(bad.parse::<SymbolId>().is_err(), "{bad}");
        }
    }
}
