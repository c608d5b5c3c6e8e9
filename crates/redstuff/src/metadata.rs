//! What names and describes a blob: the Merkle roots of all its slivers (spec/encoding.md sections 9, 10.1).

use std::{ops::Range, sync::Arc};

use crate::{
    Axis, BlobId, BlobTooLarge, EncodingParams, EncodingType, PairIndex, SliverIndex, SymbolSize,
    hash::{self, Digest},
    merkle::{self, Node},
    wire::{Reader, WireError, decode_all, put_uleb, uleb_len},
};

/// The commitments to the two slivers of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SliverPairHashes {
    /// Root over the expanded primary sliver.
    pub primary: Node,
    /// Root over the expanded secondary sliver.
    pub secondary: Node,
}

impl SliverPairHashes {
    /// The commitment on this axis.
    pub fn of(&self, axis: Axis) -> &Node {
        match axis {
            Axis::Primary => &self.primary,
            Axis::Secondary => &self.secondary,
        }
    }

    fn leaf(&self) -> Digest {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(self.primary.value());
        bytes[32..].copy_from_slice(self.secondary.value());
        hash::leaf(&bytes)
    }
}

/// Metadata as it was received or built: nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobMetadata {
    /// How the blob was encoded.
    pub encoding_type: EncodingType,
    /// Length of the blob in bytes.
    pub unencoded_length: u64,
    /// Commitments in pair order, one for each shard.
    pub hashes: Vec<SliverPairHashes>,
}

/// Why metadata is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The bytes are not metadata.
    #[error("malformed metadata: {0}")]
    Malformed(#[from] WireError),
    /// Not the network's number of pairs.
    #[error("metadata has hashes of {got} sliver pairs, expected {expected}")]
    HashCount {
        /// Pairs in the metadata.
        got: usize,
        /// Number of shards.
        expected: usize,
    },
    /// No blob of this length can exist here.
    #[error("unencoded length too large: {0}")]
    TooLarge(#[from] BlobTooLarge),
    /// A retired encoding type.
    #[error("encoding type {0} is not supported")]
    Encoding(EncodingType),
    /// An empty node where a hash must stand. It would have the same blob id as a hash of zeros, so
    /// two encodings of one metadata.
    #[error("the {axis} hash of pair {pair} is empty")]
    EmptyHash {
        /// The pair.
        pair: PairIndex,
        /// The sliver in it.
        axis: Axis,
    },
    /// The hashes belong to another blob.
    #[error("metadata is that of blob {got}, expected {expected}")]
    BlobId {
        /// The id computed from the metadata.
        got: BlobId,
        /// The id asked for.
        expected: BlobId,
    },
}

impl BlobMetadata {
    /// Reads the serialized form (without id) for a network with these parameters.
    ///
    /// # Errors
    /// Malformed or trailing bytes, another number of pairs, an unsupported encoding type.
    pub fn from_bcs(bytes: &[u8], params: EncodingParams) -> Result<Self, MetadataError> {
        Ok(decode_all(bytes, |reader| Self::read(reader, params))?)
    }

    fn read(reader: &mut Reader<'_>, params: EncodingParams) -> Result<Self, WireError> {
        match reader.uleb()? {
            0 => {}
            got => {
                let what = "metadata version";
                return Err(WireError::Variant { what, got });
            }
        }
        let encoding_type = EncodingType::read(reader)?;
        let unencoded_length = reader.u64()?;
        let what = "metadata hashes";
        let expected = usize::from(params.n_shards());
        let got = reader.length(what, usize::from(u16::MAX), 2)?;
        if got != expected {
            return Err(WireError::WrongLength { what, got, expected });
        }
        let mut pair = || Ok(SliverPairHashes { primary: Node::read(reader)?, secondary: Node::read(reader)? });
        Ok(Self {
            encoding_type,
            unencoded_length,
            hashes: (0..expected).map(|_| pair()).collect::<Result<_, WireError>>()?,
        })
    }

    /// The serialized form, without id: what a client PUTs to a node.
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bcs_len_max());
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(0);
        out.push(self.encoding_type.number());
        out.extend_from_slice(&self.unencoded_length.to_le_bytes());
        put_uleb(out, self.hashes.len());
        for pair in &self.hashes {
            pair.primary.write(out);
            pair.secondary.write(out);
        }
    }

    fn bcs_len_max(&self) -> usize {
        10 + uleb_len(self.hashes.len()) + 66 * self.hashes.len()
    }

    /// Length in bytes of valid metadata of a network with these parameters, without id.
    pub fn bcs_len(params: EncodingParams) -> usize {
        let pairs = usize::from(params.n_shards());
        10 + uleb_len(pairs) + 66 * pairs
    }

    /// Root of the tree over the sliver pairs.
    pub fn root_hash(&self) -> Digest {
        let mut leaves: Vec<Digest> = self.hashes.iter().map(SliverPairHashes::leaf).collect();
        merkle::root_in_place(&mut leaves)
    }

    /// The id of the blob that this metadata describes.
    pub fn blob_id(&self) -> BlobId {
        BlobId::from_root(self.encoding_type, self.unencoded_length, &self.root_hash())
    }

    /// Checks that this is the metadata of that blob.
    ///
    /// # Errors
    /// It is not, or it is not usable in a network with these parameters.
    pub fn verify(self, id: &BlobId, params: EncodingParams) -> Result<VerifiedMetadata, MetadataError> {
        let verified = VerifiedMetadata::new(self, params)?;
        if verified.blob_id() != id {
            return Err(MetadataError::BlobId { got: *verified.blob_id(), expected: *id });
        }
        Ok(verified)
    }
}

/// Metadata that is known to belong to its blob id. Cheap to clone.
///
/// Comes only out of [`BlobMetadata::verify`], [`VerifiedMetadata::from_bcs_with_id`] or the encoder. It says
/// nothing about whether the blob was encoded *correctly*: that shows when slivers are recovered or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedMetadata(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    blob_id: BlobId,
    root_hash: Digest,
    params: EncodingParams,
    symbol_size: SymbolSize,
    metadata: BlobMetadata,
}

impl VerifiedMetadata {
    /// Checks the shape and computes the id, whatever it is.
    pub(crate) fn new(metadata: BlobMetadata, params: EncodingParams) -> Result<Self, MetadataError> {
        let expected = usize::from(params.n_shards());
        let got = metadata.hashes.len();
        if got != expected {
            return Err(MetadataError::HashCount { got, expected });
        }
        if metadata.encoding_type != EncodingType::Rs2 {
            return Err(MetadataError::Encoding(metadata.encoding_type));
        }
        let symbol_size = params.symbol_size(metadata.unencoded_length)?;
        for (pair, hashes) in params.pairs().zip(&metadata.hashes) {
            let empty = |axis: &Axis| *hashes.of(*axis) == Node::Empty;
            if let Some(axis) = Axis::ALL.into_iter().find(empty) {
                return Err(MetadataError::EmptyHash { pair, axis });
            }
        }
        let root_hash = metadata.root_hash();
        Ok(Self(Arc::new(Inner {
            blob_id: BlobId::from_root(metadata.encoding_type, metadata.unencoded_length, &root_hash),
            root_hash,
            params,
            symbol_size,
            metadata,
        })))
    }

    /// The blob's id.
    pub fn blob_id(&self) -> &BlobId {
        &self.0.blob_id
    }

    /// The metadata itself.
    pub fn metadata(&self) -> &BlobMetadata {
        &self.0.metadata
    }

    /// Parameters of the network.
    pub fn params(&self) -> EncodingParams {
        self.0.params
    }

    /// Size of every symbol of this blob.
    pub fn symbol_size(&self) -> SymbolSize {
        self.0.symbol_size
    }

    /// Length of the blob in bytes.
    pub fn unencoded_length(&self) -> u64 {
        self.0.metadata.unencoded_length
    }

    /// How the blob was encoded.
    pub fn encoding_type(&self) -> EncodingType {
        self.0.metadata.encoding_type
    }

    /// Root of the tree over the sliver pairs.
    pub fn root_hash(&self) -> &Digest {
        &self.0.root_hash
    }

    /// Bytes of data in a sliver of this axis.
    pub fn sliver_bytes(&self, axis: Axis) -> usize {
        self.0.params.sliver_bytes(axis, self.0.symbol_size)
    }

    /// The commitment to a sliver, by its pair.
    ///
    /// # Panics
    /// If the pair index is not below the number of shards.
    pub fn sliver_hash(&self, axis: Axis, pair: PairIndex) -> &Node {
        self.0.metadata.hashes[pair.at()].of(axis)
    }

    /// The commitment to a sliver, by its own index, which must be in range.
    pub(crate) fn hash_of(&self, axis: Axis, index: SliverIndex) -> &Node {
        self.sliver_hash(axis, index.pair(axis, self.0.params))
    }

    /// The systematic primary slivers that hold these bytes of the blob: the byte at offset `o` is byte
    /// `o % sliver_bytes(Primary)` of sliver `o / sliver_bytes(Primary)`. `None` if the range is empty or does
    /// not lie inside the blob.
    pub fn primaries_of_range(&self, start: u64, length: u64) -> Option<Range<u16>> {
        let end = start.checked_add(length)?;
        if length == 0 || end > self.unencoded_length() {
            return None;
        }
        let row = u64::try_from(self.sliver_bytes(Axis::Primary)).ok()?;
        let first = u16::try_from(start / row).ok()?;
        let last = u16::try_from((end - 1) / row).ok()?;
        Some(first..last + 1)
    }

    /// Where the source symbol at `position` lies in the serialized form of a sliver of this axis (without axis).
    /// `None` if only expansion gives that symbol.
    pub fn symbol_in_sliver(&self, axis: Axis, position: SliverIndex) -> Option<Range<u32>> {
        if position.get() >= self.0.params.symbols_per_sliver(axis) {
            return None;
        }
        let size = self.0.symbol_size.bytes();
        let start = uleb_len(self.sliver_bytes(axis)) + position.at() * size;
        Some(u32::try_from(start).ok()?..u32::try_from(start + size).ok()?)
    }

    /// Blob id, then metadata: what a node GET returns.
    pub fn to_bcs_with_id(&self) -> Vec<u8> {
        let metadata = self.metadata();
        let mut out = Vec::with_capacity(BlobId::LENGTH + metadata.bcs_len_max());
        out.extend_from_slice(self.blob_id().as_bytes());
        metadata.write(&mut out);
        out
    }

    /// Reads what a node GET returns and checks it against the id that was asked for.
    ///
    /// # Errors
    /// Malformed bytes, or the metadata of another blob, whatever id stands in front of it.
    pub fn from_bcs_with_id(bytes: &[u8], expected: &BlobId, params: EncodingParams) -> Result<Self, MetadataError> {
        let (got, metadata) = decode_all(bytes, |reader| {
            let id = BlobId::from_bytes(reader.array()?);
            Ok((id, BlobMetadata::read(reader, params)?))
        })?;
        if got != *expected {
            let expected = *expected;
            return Err(MetadataError::BlobId { got, expected });
        }
        metadata.verify(expected, params)
    }
}
