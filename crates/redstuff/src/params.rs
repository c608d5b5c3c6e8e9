//! Everything that follows from the number of shards (spec/encoding.md sections 2, 3 and 14).

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::Axis;

/// Fewest shards for which the code has recovery symbols.
pub const N_SHARDS_MIN: u16 = 4;
/// Most shards that the code's field of 2^16 elements has room for.
pub const N_SHARDS_MAX: u16 = 49_155;
/// Largest symbol in bytes: even, and it fits a `u16`.
pub const SYMBOL_SIZE_BYTES_MAX: u16 = 65_534;

/// The validated number of shards of a network, and what follows from it.
///
/// `f` of `n` shards may lie or be silent. The message matrix has `n - 2f` rows and `n - f` columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct EncodingParams {
    n_shards: u16,
}

/// A number of shards that no network can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// Below [`N_SHARDS_MIN`].
    #[error("{got} shards are too few, at least {min} are needed")]
    TooFew {
        /// The number asked for.
        got: u16,
        /// The least allowed.
        min: u16,
    },
    /// Above [`N_SHARDS_MAX`].
    #[error("{got} shards are too many, at most {max} are possible")]
    TooMany {
        /// The number asked for.
        got: u16,
        /// The most allowed.
        max: u16,
    },
}

/// The blob does not fit the matrix even with the largest symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a blob of {size} bytes is too large: {n_shards} shards hold at most {max} bytes")]
pub struct BlobTooLarge {
    /// Size of the blob in bytes.
    pub size: u64,
    /// Largest possible blob in bytes.
    pub max: u64,
    /// Number of shards.
    pub n_shards: u16,
}

/// Bytes in one symbol: even, from 2 to [`SYMBOL_SIZE_BYTES_MAX`] where the encoder made it; untrusted
/// slivers may carry any number but zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SymbolSize(NonZeroU16);

impl SymbolSize {
    /// `None` for zero.
    pub fn new(bytes: u16) -> Option<Self> {
        NonZeroU16::new(bytes).map(Self)
    }

    /// Bytes.
    pub fn get(self) -> u16 {
        self.0.get()
    }

    pub(crate) fn bytes(self) -> usize {
        usize::from(self.get())
    }
}

impl std::fmt::Display for SymbolSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl EncodingParams {
    /// Parameters of a network with this many shards.
    ///
    /// # Errors
    /// Fewer than 4, or more than 49 155 shards.
    pub fn new(n_shards: u16) -> Result<Self, ParamsError> {
        if n_shards < N_SHARDS_MIN {
            return Err(ParamsError::TooFew { got: n_shards, min: N_SHARDS_MIN });
        }
        if n_shards > N_SHARDS_MAX {
            return Err(ParamsError::TooMany { got: n_shards, max: N_SHARDS_MAX });
        }
        Ok(Self { n_shards })
    }

    /// Number of shards, `n`.
    pub fn n_shards(self) -> u16 {
        self.n_shards
    }

    /// Most shards that may lie or be silent, `f = (n - 1) / 3`.
    pub fn max_faulty(self) -> u16 {
        (self.n_shards - 1) / 3
    }

    /// Rows of the message matrix, `n - 2f`: primary slivers needed to decode.
    pub fn primary_source_symbols(self) -> u16 {
        self.n_shards - 2 * self.max_faulty()
    }

    /// Columns of the message matrix, `n - f`: secondary slivers needed to decode.
    pub fn secondary_source_symbols(self) -> u16 {
        self.n_shards - self.max_faulty()
    }

    /// Slivers of this axis that rebuild the blob; those with a smaller index are systematic
    /// (they hold bytes of the blob as they are).
    pub fn slivers_to_decode(self, axis: Axis) -> u16 {
        match axis {
            Axis::Primary => self.primary_source_symbols(),
            Axis::Secondary => self.secondary_source_symbols(),
        }
    }

    /// Symbols in a sliver of this axis, and recovery symbols that rebuild one.
    pub fn symbols_per_sliver(self, axis: Axis) -> u16 {
        self.slivers_to_decode(axis.orthogonal())
    }

    /// Bytes in a sliver of this axis.
    pub fn sliver_bytes(self, axis: Axis, symbol_size: SymbolSize) -> usize {
        usize::from(self.symbols_per_sliver(axis)) * symbol_size.bytes()
    }

    /// Largest blob in bytes.
    pub fn max_blob_size(self) -> u64 {
        self.source_symbols() * u64::from(SYMBOL_SIZE_BYTES_MAX)
    }

    /// Largest sliver in bytes (a primary one, without its framing).
    pub fn max_sliver_size(self) -> u64 {
        u64::from(self.secondary_source_symbols()) * u64::from(SYMBOL_SIZE_BYTES_MAX)
    }

    /// Bytes that storage accounting counts for one copy of the metadata; not its serialized length.
    pub fn metadata_length(self) -> u64 {
        u64::from(self.n_shards) * 64 + 32
    }

    /// Symbol size for a blob of this length.
    ///
    /// # Errors
    /// The blob is larger than [`max_blob_size`](Self::max_blob_size).
    pub fn symbol_size(self, blob_len: u64) -> Result<SymbolSize, BlobTooLarge> {
        let bytes = blob_len.max(1).div_ceil(self.source_symbols());
        bytes
            .checked_next_multiple_of(2)
            .filter(|bytes| *bytes <= u64::from(SYMBOL_SIZE_BYTES_MAX))
            .and_then(|bytes| u16::try_from(bytes).ok())
            .and_then(SymbolSize::new)
            .ok_or(BlobTooLarge { size: blob_len, max: self.max_blob_size(), n_shards: self.n_shards })
    }

    /// Bytes that a blob of this length takes in the whole network, all metadata copies included.
    /// Storage is priced and reserved by it.
    ///
    /// # Errors
    /// The blob is too large.
    pub fn encoded_length(self, blob_len: u64) -> Result<u64, BlobTooLarge> {
        let symbol = u64::from(self.symbol_size(blob_len)?.get());
        let symbols_per_pair = u64::from(self.primary_source_symbols()) + u64::from(self.secondary_source_symbols());
        let n = u64::from(self.n_shards);
        Ok(n * (symbols_per_pair * symbol + self.metadata_length()))
    }

    /// Whether an index of any of the three spaces is in range.
    pub fn contains(self, index: u16) -> bool {
        index < self.n_shards
    }

    /// All pair indices in order.
    pub fn pairs(self) -> impl ExactSizeIterator<Item = crate::PairIndex> + DoubleEndedIterator {
        (0..self.n_shards).map(crate::PairIndex::new)
    }

    fn source_symbols(self) -> u64 {
        u64::from(self.primary_source_symbols()) * u64::from(self.secondary_source_symbols())
    }
}

impl TryFrom<u16> for EncodingParams {
    type Error = ParamsError;

    fn try_from(n_shards: u16) -> Result<Self, Self::Error> {
        Self::new(n_shards)
    }
}

impl From<EncodingParams> for u16 {
    fn from(params: EncodingParams) -> Self {
        params.n_shards
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reed_solomon_simd::ReedSolomonEncoder;

    fn params(n: u16) -> EncodingParams {
        EncodingParams::new(n).unwrap()
    }

    #[test]
    fn bounds_are_those_of_the_code() {
        let supported = |n: u16| {
            let f = usize::from((n - 1) / 3);
            let n = usize::from(n);
            ReedSolomonEncoder::supports(n - f, f) && ReedSolomonEncoder::supports(n - 2 * f, 2 * f)
        };
        for n in 1..=u16::MAX {
            assert_eq!(EncodingParams::new(n).is_ok(), supported(n), "n = {n}");
        }
        assert_eq!(EncodingParams::new(0), Err(ParamsError::TooFew { got: 0, min: 4 }));
        let too_many = ParamsError::TooMany { got: 49_156, max: 49_155 };
        assert_eq!(EncodingParams::new(49_156), Err(too_many));
    }

    /// The limits table of section 14.
    #[test]
    fn limits_table() {
        // n, f, kp, ks, max blob, max primary sliver, encoded length of a tiny and of the largest blob
        let table = [
            (4, 1, 2, 3, 393_204, 196_602, 1_192, 1_311_832),
            (5, 1, 3, 4, 786_408, 262_136, 1_830, 2_295_450),
            (7, 2, 3, 5, 983_010, 327_670, 3_472, 3_673_264),
            (10, 3, 4, 7, 1_834_952, 458_738, 6_940, 7_215_460),
            (13, 4, 5, 9, 2_949_030, 589_806, 11_596, 11_938_420),
            (16, 5, 6, 11, 4_325_244, 720_874, 17_440, 17_842_144),
            (31, 10, 11, 21, 15_138_354, 1_376_214, 64_480, 65_072_224),
            (100, 33, 34, 67, 149_286_452, 4_390_778, 663_400, 662_536_600),
            (301, 100, 101, 201, 1_330_405_734, 13_172_334, 5_989_900, 5_962_979_764),
            (1000, 333, 334, 667, 14_599_533_452, 43_711_178, 66_034_000, 65_663_566_000),
        ];
        for (n, f, kp, ks, max_blob, max_sliver, tiny, largest) in table {
            let p = params(n);
            assert_eq!(p.max_faulty(), f);
            assert_eq!((p.primary_source_symbols(), p.secondary_source_symbols()), (kp, ks));
            assert_eq!(p.max_blob_size(), max_blob);
            assert_eq!(p.max_sliver_size(), max_sliver);
            assert_eq!(p.encoded_length(0), Ok(tiny));
            assert_eq!(p.encoded_length(1), Ok(tiny));
            assert_eq!(p.encoded_length(max_blob), Ok(largest));
            let smallest = 2 * u64::from(kp) * u64::from(ks);
            assert_eq!(p.symbol_size(smallest).unwrap().get(), 2);
            assert_eq!(p.symbol_size(smallest + 1).unwrap().get(), 4);
            assert_eq!(p.symbol_size(max_blob).unwrap().get(), SYMBOL_SIZE_BYTES_MAX);
            let too_large = BlobTooLarge { size: max_blob + 1, max: max_blob, n_shards: n };
            assert_eq!(p.symbol_size(max_blob + 1), Err(too_large));
            assert!(p.symbol_size(u64::MAX).is_err());
        }
        assert_eq!(params(10).encoded_length(2_800), Ok(17_720));
    }
}
