//! Slivers: what a shard stores of a blob (spec/encoding.md sections 6 and 10.2).

use std::ops::Deref;

use crate::{
    Axis, DecodingSymbol, EncodingParams, GeneralRecoverySymbol, PairIndex, RecoverySymbol, SliverIndex, SliverSymbols,
    SymbolSize, VerifiedMetadata,
    hash::Digest,
    wire::{Reader, WireError, decode_all, put_bytes, put_uleb, uleb_len},
};

/// A sliver as it was received: nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sliver {
    /// Row or column.
    pub axis: Axis,
    /// Which row or column; not the pair index.
    pub index: SliverIndex,
    /// Bytes in each symbol.
    pub symbol_size: SymbolSize,
    /// The source symbols, one after the other.
    pub data: Vec<u8>,
}

/// A sliver as it was received, whose data lies in the bytes that came: for receivers that only check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliverView<'a> {
    /// Row or column.
    pub axis: Axis,
    /// Which row or column; not the pair index.
    pub index: SliverIndex,
    /// Bytes in each symbol.
    pub symbol_size: SymbolSize,
    /// The source symbols, one after the other.
    pub data: &'a [u8],
}

/// Why a sliver is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SliverError {
    /// The bytes are not a sliver.
    #[error("malformed sliver: {0}")]
    Malformed(#[from] WireError),
    /// No such sliver in this network.
    #[error("sliver index {got} is not below {n_shards}")]
    Index {
        /// The sliver's index.
        got: SliverIndex,
        /// Number of shards.
        n_shards: u16,
    },
    /// The data does not have the length that follows from the metadata.
    #[error("a {axis} sliver of this blob has {expected} bytes of data, got {got}")]
    Length {
        /// The sliver's axis.
        axis: Axis,
        /// Bytes it has.
        got: usize,
        /// Bytes it must have.
        expected: usize,
    },
    /// The symbol size does not follow from the metadata.
    #[error("symbols of this blob have {expected} bytes, the sliver says {got}")]
    SymbolSize {
        /// The sliver's symbol size.
        got: SymbolSize,
        /// The blob's.
        expected: SymbolSize,
    },
    /// The data is not what the metadata commits to.
    #[error("the {axis} sliver {index} does not match the hash in the metadata")]
    Root {
        /// The sliver's axis.
        axis: Axis,
        /// The sliver's index.
        index: SliverIndex,
    },
}

impl Sliver {
    /// Reads `SliverData`, the form that is sent and stored. The axis is not in the bytes.
    ///
    /// # Errors
    /// Malformed or trailing bytes, a length beyond the largest sliver of the network, symbol size zero.
    pub fn from_bcs(axis: Axis, bytes: &[u8], params: EncodingParams) -> Result<Self, SliverError> {
        Ok(SliverView::from_bcs(axis, bytes, params)?.to_sliver())
    }

    /// Reads the form with the axis in front, as it stands in shard synchronisation.
    ///
    /// # Errors
    /// As [`from_bcs`](Self::from_bcs), or an unknown axis.
    pub fn from_bcs_tagged(bytes: &[u8], params: EncodingParams) -> Result<Self, SliverError> {
        Ok(decode_all(bytes, |reader| {
            let axis = Axis::read(reader)?;
            SliverView::read(axis, reader, params)
        })?
        .to_sliver())
    }

    /// The same, borrowed.
    pub fn view(&self) -> SliverView<'_> {
        SliverView { axis: self.axis, index: self.index, symbol_size: self.symbol_size, data: &self.data }
    }

    /// The serialized form, without axis.
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bcs_len());
        put_bytes(&mut out, &self.data);
        out.extend_from_slice(&self.bcs_tail());
        out
    }

    /// The serialized form with the axis in front.
    pub fn to_bcs_tagged(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bcs_len() + 1);
        out.push(self.axis.tag());
        put_bytes(&mut out, &self.data);
        out.extend_from_slice(&self.bcs_tail());
        out
    }

    /// Length of the serialized form, without axis.
    pub fn bcs_len(&self) -> usize {
        uleb_len(self.data.len()) + self.data.len() + 4
    }

    /// The serialized form (without axis) in three parts, of which the second is the data itself, moved out:
    /// for senders that do not want to copy it.
    pub fn into_bcs_parts(self) -> (Vec<u8>, Vec<u8>, [u8; 4]) {
        let (head, tail) = bcs_frame(self.data.len(), self.symbol_size, self.index);
        (head, self.data, tail)
    }

    fn bcs_tail(&self) -> [u8; 4] {
        bcs_frame(0, self.symbol_size, self.index).1
    }

    /// Source symbol number `i`.
    pub(crate) fn symbol(&self, i: usize) -> &[u8] {
        let size = self.symbol_size.bytes();
        &self.data[i * size..][..size]
    }

    /// The pair that this sliver belongs to, if its index is in range.
    pub fn pair(&self, params: EncodingParams) -> Option<PairIndex> {
        params.contains(self.index.get()).then(|| self.index.pair(self.axis, params))
    }

    /// Everything that can be checked without hashing.
    pub(crate) fn check_shape(&self, metadata: &VerifiedMetadata) -> Result<(), SliverError> {
        self.view().check_shape(metadata)
    }

    pub(crate) fn check_root(&self, root: &Digest, metadata: &VerifiedMetadata) -> Result<(), SliverError> {
        self.view().check_root(root, metadata)
    }

    /// Checks this sliver against the metadata of its blob.
    ///
    /// # Errors
    /// Wrong index, length or symbol size, or data that the metadata does not commit to.
    pub fn verify(self, metadata: &VerifiedMetadata) -> Result<VerifiedSliver, SliverError> {
        self.verify_ref(metadata)?;
        Ok(VerifiedSliver::new(self, metadata))
    }

    /// The check of [`verify`](Self::verify) without the proof of it.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_ref(&self, metadata: &VerifiedMetadata) -> Result<(), SliverError> {
        self.check_shape(metadata)?;
        let symbol = self.symbol_size.bytes();
        let root = crate::expand::sliver_root(self.axis, metadata.params(), symbol, &self.data);
        self.check_root(&root, metadata)
    }

    /// Verifies this sliver and keeps what that computed: all `n` symbols and their tree. The way for a node
    /// to serve symbols from a sliver that it has read from disk.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn symbols(&self, metadata: &VerifiedMetadata) -> Result<SliverSymbols, SliverError> {
        self.check_shape(metadata)?;
        let symbols = SliverSymbols::build(self, metadata.params());
        self.check_root(symbols.root().value(), metadata)?;
        Ok(symbols)
    }
}

impl<'a> SliverView<'a> {
    /// As [`Sliver::from_bcs`], without a copy.
    ///
    /// # Errors
    /// As [`Sliver::from_bcs`].
    pub fn from_bcs(axis: Axis, bytes: &'a [u8], params: EncodingParams) -> Result<Self, SliverError> {
        Ok(decode_all(bytes, |reader| Self::read(axis, reader, params))?)
    }

    fn read(axis: Axis, reader: &mut Reader<'a>, params: EncodingParams) -> Result<Self, WireError> {
        let max = usize::try_from(params.max_sliver_size()).unwrap_or(usize::MAX);
        let data = reader.bytes("sliver data", max)?;
        let what = "symbol size";
        let symbol_size = SymbolSize::new(reader.u16()?).ok_or(WireError::Zero { what })?;
        let index = SliverIndex::new(reader.u16()?);
        Ok(Self { axis, index, symbol_size, data })
    }

    /// A copy that stands on its own.
    pub fn to_sliver(&self) -> Sliver {
        Sliver { axis: self.axis, index: self.index, symbol_size: self.symbol_size, data: self.data.to_vec() }
    }

    pub(crate) fn check_shape(&self, metadata: &VerifiedMetadata) -> Result<(), SliverError> {
        let params = metadata.params();
        if !params.contains(self.index.get()) {
            return Err(SliverError::Index { got: self.index, n_shards: params.n_shards() });
        }
        let expected = metadata.sliver_bytes(self.axis);
        if self.data.len() != expected {
            return Err(SliverError::Length { axis: self.axis, got: self.data.len(), expected });
        }
        if self.symbol_size != metadata.symbol_size() {
            return Err(SliverError::SymbolSize { got: self.symbol_size, expected: metadata.symbol_size() });
        }
        Ok(())
    }

    pub(crate) fn check_root(&self, root: &Digest, metadata: &VerifiedMetadata) -> Result<(), SliverError> {
        if root == metadata.hash_of(self.axis, self.index).value() {
            return Ok(());
        }
        Err(SliverError::Root { axis: self.axis, index: self.index })
    }
}

/// What stands before and after the data in the serialized form (without axis).
fn bcs_frame(length: usize, symbol_size: SymbolSize, index: SliverIndex) -> (Vec<u8>, [u8; 4]) {
    let mut head = Vec::with_capacity(5);
    put_uleb(&mut head, length);
    let [s0, s1] = symbol_size.get().to_le_bytes();
    let [i0, i1] = index.get().to_le_bytes();
    (head, [s0, s1, i0, i1])
}

impl VerifiedMetadata {
    /// What stands before and after the data of a sliver of this blob in its serialized form (without axis): for receivers
    /// that do not want to copy the data. A sliver that is framed otherwise cannot be verified.
    pub fn sliver_frame(&self, axis: Axis, index: SliverIndex) -> (Vec<u8>, [u8; 4]) {
        bcs_frame(self.sliver_bytes(axis), self.symbol_size(), index)
    }
}

/// A sliver that is what the metadata of its blob commits to.
///
/// Comes only out of verification, of the encoder, or of recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSliver {
    sliver: Sliver,
    metadata: VerifiedMetadata,
}

impl VerifiedSliver {
    pub(crate) fn new(sliver: Sliver, metadata: &VerifiedMetadata) -> Self {
        Self { sliver, metadata: metadata.clone() }
    }

    /// Gives up the proof and hands out the sliver, whose data can be moved.
    pub fn into_inner(self) -> Sliver {
        self.sliver
    }

    /// The metadata that this sliver was verified against.
    pub fn metadata(&self) -> &VerifiedMetadata {
        &self.metadata
    }

    /// The pair that this sliver belongs to.
    pub fn pair_index(&self) -> PairIndex {
        self.sliver.index.pair(self.sliver.axis, self.metadata.params())
    }

    /// All `n` symbols and their tree, from which any number of recovery symbols can be taken.
    pub fn symbols(&self) -> SliverSymbols {
        SliverSymbols::build(&self.sliver, self.metadata.params())
    }

    /// All `n` symbols, one after the other.
    pub fn expand(&self) -> Vec<u8> {
        crate::symbol::expand(&self.sliver, self.metadata.params())
    }

    /// The symbol that helps to rebuild the sliver `target` of the other axis, with its proof. `None` if there is
    /// no such sliver. For several targets use [`symbols`](Self::symbols).
    pub fn recovery_symbol(&self, target: SliverIndex) -> Option<RecoverySymbol> {
        self.symbols().recovery_symbol(target)
    }

    /// As [`recovery_symbol`](Self::recovery_symbol), in the form that also names its axis and its target.
    pub fn general_recovery_symbol(&self, target: SliverIndex) -> Option<GeneralRecoverySymbol> {
        self.symbols().general_recovery_symbol(target)
    }

    /// As [`recovery_symbol`](Self::recovery_symbol), without a proof.
    pub fn decoding_symbol(&self, target: SliverIndex) -> Option<DecodingSymbol> {
        let size = self.sliver.symbol_size.bytes();
        let symbol = match self.sliver.data.chunks_exact(size).nth(target.at()) {
            Some(source) => source.to_vec(),
            None => self.expand().chunks_exact(size).nth(target.at())?.to_vec(),
        };
        Some(DecodingSymbol { index: self.sliver.index, data: symbol })
    }
}

impl Deref for VerifiedSliver {
    type Target = Sliver;

    fn deref(&self) -> &Sliver {
        &self.sliver
    }
}

/// The two slivers of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliverPair {
    /// The row.
    pub primary: VerifiedSliver,
    /// The column.
    pub secondary: VerifiedSliver,
}

impl SliverPair {
    /// The number of this pair.
    pub fn index(&self) -> PairIndex {
        self.primary.pair_index()
    }

    /// The sliver on this axis.
    pub fn sliver(&self, axis: Axis) -> &VerifiedSliver {
        match axis {
            Axis::Primary => &self.primary,
            Axis::Secondary => &self.secondary,
        }
    }
}
