//! Three index spaces, all `0..n`, and the maps between them (spec/encoding.md section 7).
//!
//! They are different types because mixing them up gives a network that works until a blob is read
//! from the wrong place: pair `p` holds primary sliver `p` but secondary sliver `n - 1 - p`, and lies
//! on shard `p + offset(blob)`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Axis, BlobId, EncodingParams};

/// The text is not a decimal index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an index, expected a decimal number up to 65535")]
pub struct IndexParseError(pub(crate) String);

/// Digits only, no sign and no leading zero: one text for one index.
pub(crate) fn parse_u16(text: &str) -> Result<u16, IndexParseError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = text.parse().ok().filter(|_| plain);
    number.ok_or_else(|| IndexParseError(text.chars().take(32).collect()))
}

macro_rules! u16_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u16);

        impl $name {
            /// Wraps a number; whether it is in range depends on the network's parameters.
            pub const fn new(index: u16) -> Self {
                Self(index)
            }

            /// The number.
            pub const fn get(self) -> u16 {
                self.0
            }
        }

        impl From<u16> for $name {
            fn from(index: u16) -> Self {
                Self(index)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IndexParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_u16(text).map(Self)
            }
        }
    };
}

u16_newtype! {
    /// Position of a sliver in the matrix: a row for primaries, a column for secondaries.
    /// What stands inside serialized slivers and symbols.
    SliverIndex
}
u16_newtype! {
    /// Number of a sliver pair. What stands in URLs and orders the hashes in the metadata.
    PairIndex
}
u16_newtype! {
    /// Number of a shard: the place where one pair of every blob is stored.
    ShardIndex
}

impl SliverIndex {
    /// The number, for indexing.
    pub(crate) fn at(self) -> usize {
        usize::from(self.0)
    }

    /// The pair that contains this sliver. The index must be below the number of shards.
    ///
    /// # Panics
    /// If it is not.
    pub fn pair(self, axis: Axis, params: EncodingParams) -> PairIndex {
        match axis {
            Axis::Primary => PairIndex(self.0),
            Axis::Secondary => PairIndex(mirror(self.0, params)),
        }
    }
}

impl PairIndex {
    /// The number, for indexing.
    pub(crate) fn at(self) -> usize {
        usize::from(self.0)
    }

    /// The primary sliver of this pair.
    pub fn primary(self) -> SliverIndex {
        SliverIndex(self.0)
    }

    /// The secondary sliver of this pair: columns are dealt out in reverse.
    ///
    /// # Panics
    /// If the index is not below the number of shards.
    pub fn secondary(self, params: EncodingParams) -> SliverIndex {
        SliverIndex(mirror(self.0, params))
    }

    /// The sliver of this pair on the given axis.
    ///
    /// # Panics
    /// If the index is not below the number of shards.
    pub fn sliver(self, axis: Axis, params: EncodingParams) -> SliverIndex {
        match axis {
            Axis::Primary => self.primary(),
            Axis::Secondary => self.secondary(params),
        }
    }

    /// The shard that stores this pair of this blob.
    ///
    /// # Panics
    /// If the index is not below the number of shards.
    pub fn shard(self, blob: &BlobId, params: EncodingParams) -> ShardIndex {
        let n = u32::from(params.n_shards());
        assert!(u32::from(self.0) < n, "pair {self} of {n}");
        let shard = (u32::from(self.0) + u32::from(offset(blob, params))) % n;
        ShardIndex(u16::try_from(shard).expect("below n"))
    }
}

impl ShardIndex {
    /// The pair of this blob that this shard stores.
    ///
    /// # Panics
    /// If the index is not below the number of shards.
    pub fn pair(self, blob: &BlobId, params: EncodingParams) -> PairIndex {
        let n = u32::from(params.n_shards());
        assert!(u32::from(self.0) < n, "shard {self} of {n}");
        let pair = (n + u32::from(self.0) - u32::from(offset(blob, params))) % n;
        PairIndex(u16::try_from(pair).expect("below n"))
    }
}

fn mirror(index: u16, params: EncodingParams) -> u16 {
    let last = params.n_shards() - 1;
    last.checked_sub(index).unwrap_or_else(|| panic!("index {index} of {}", params.n_shards()))
}

/// How far the pairs of this blob are rotated: the id as a big-endian number, modulo `n`.
fn offset(blob: &BlobId, params: EncodingParams) -> u16 {
    let n = u32::from(params.n_shards());
    let offset = blob.as_bytes().iter().fold(0u32, |acc, byte| (acc * 256 + u32::from(*byte)) % n);
    u16::try_from(offset).expect("below n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn maps_invert(id: [u8; 32], n in 4u16..2000, index: u16) {
            let params = EncodingParams::new(n).unwrap();
            let blob = BlobId::from_bytes(id);
            let pair = PairIndex::new(index % n);
            prop_assert_eq!(pair.shard(&blob, params).pair(&blob, params), pair);
            for axis in Axis::ALL {
                prop_assert_eq!(pair.sliver(axis, params).pair(axis, params), pair);
            }
        }
    }

    #[test]
    fn text_is_strict() {
        assert_eq!("17".parse(), Ok(PairIndex::new(17)));
        assert_eq!("0".parse(), Ok(PairIndex::new(0)));
        for bad in ["", "017", "+1", "-1", "65536", " 1", "1x"] {
            assert!(bad.parse::<PairIndex>().is_err(), "{bad}");
        }
    }
}
