//! The set of signers as a verifier on chain takes it: one bit per member.

use thiserror::Error;

/// A bitmap or signer list that does not fit the committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BitmapError {
    /// A signer index at or past the member count.
    #[error("signer {signer} does not exist: there are {members} members")]
    UnknownSigner {
        /// The index.
        signer: usize,
        /// Members of the committee.
        members: usize,
    },
    /// A signer listed twice.
    #[error("signer {signer} is listed twice")]
    DuplicateSigner {
        /// The index.
        signer: usize,
    },
    /// More bytes than the members need.
    #[error("bitmap of {got} bytes, at most {max} for this committee")]
    TooLong {
        /// Bytes given.
        got: usize,
        /// `ceil(members / 8)`.
        max: usize,
    },
}

/// Bitmap of `ceil(members / 8)` bytes: bit `i mod 8`, least significant first, of byte `i / 8` is set for each
/// signer `i`. Signers may come in any order.
///
/// # Errors
/// [`BitmapError::UnknownSigner`] or [`BitmapError::DuplicateSigner`].
pub fn to_bitmap(signers: &[u16], members: usize) -> Result<Vec<u8>, BitmapError> {
    let mut bitmap = vec![0u8; members.div_ceil(8)];
    for &signer in signers {
        let signer = usize::from(signer);
        if signer >= members {
            return Err(BitmapError::UnknownSigner { signer, members });
        }
        let bit = 1u8 << (signer % 8);
        if bitmap[signer / 8] & bit != 0 {
            return Err(BitmapError::DuplicateSigner { signer });
        }
        bitmap[signer / 8] |= bit;
    }
    Ok(bitmap)
}

/// The signers of a bitmap, ascending. Missing bytes at the end count as zero; bits at or past the member count must
/// not be set.
///
/// # Errors
/// [`BitmapError::TooLong`] or [`BitmapError::UnknownSigner`].
pub fn from_bitmap(bitmap: &[u8], members: usize) -> Result<Vec<u16>, BitmapError> {
    let max = members.div_ceil(8);
    if bitmap.len() > max {
        return Err(BitmapError::TooLong { got: bitmap.len(), max });
    }
    let mut signers = Vec::new();
    for (byte_index, byte) in bitmap.iter().enumerate() {
        for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
            let signer = byte_index * 8 + bit;
            let index = u16::try_from(signer).ok().filter(|_| signer < members);
            signers.push(index.ok_or(BitmapError::UnknownSigner { signer, members })?);
        }
    }
    Ok(signers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bits_are_least_significant_first() {
        assert_eq!(to_bitmap(&[0, 3, 8], 10), Ok(vec![0b0000_1001, 0b0000_0001]));
        assert_eq!(to_bitmap(&[], 8), Ok(vec![0]));
        assert_eq!(to_bitmap(&[9, 0], 10), Ok(vec![1, 2]));
        assert_eq!(from_bitmap(&[0b0000_1001, 1], 10), Ok(vec![0, 3, 8]));
        assert_eq!(from_bitmap(&[0b1000_0000], 10), Ok(vec![7]), "shorter is fine");
        assert_eq!(from_bitmap(&[], 10), Ok(vec![]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(to_bitmap(&[10], 10), Err(BitmapError::UnknownSigner { signer: 10, members: 10 }));
        assert_eq!(to_bitmap(&[3, 4, 3], 10), Err(BitmapError::DuplicateSigner { signer: 3 }));
        assert_eq!(from_bitmap(&[0, 0, 0], 10), Err(BitmapError::TooLong { got: 3, max: 2 }));
        for bit in 10..16 {
            let bitmap = [0, 1 << (bit - 8)];
            assert_eq!(from_bitmap(&bitmap, 10), Err(BitmapError::UnknownSigner { signer: bit, members: 10 }));
        }
        assert!(to_bitmap(&[0], 0).is_err());
        assert!(from_bitmap(&[0], 0).is_err());
    }

    proptest! {
        #[test]
        fn round_trips(members in 1usize..300, seed in prop::collection::btree_set(0u16..300, 0..300)) {
            let signers: Vec<u16> = seed.into_iter().filter(|&s| usize::from(s) < members).collect();
            let bitmap = to_bitmap(&signers, members).unwrap();
            prop_assert_eq!(from_bitmap(&bitmap, members), Ok(signers));
        }

        #[test]
        fn any_bytes_are_refused_or_round_trip(members in 0usize..100, bytes in prop::collection::vec(any::<u8>(), 0..16)) {
            if let Ok(signers) = from_bitmap(&bytes, members) {
                let full = to_bitmap(&signers, members).unwrap();
                prop_assert_eq!(&full[..bytes.len()], &bytes[..]);
                prop_assert!(full[bytes.len()..].iter().all(|&b| b == 0));
            }
        }
    }
}
