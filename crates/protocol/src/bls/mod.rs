//! BLS12-381 signatures: public keys in G1, signatures in G2, the "basic" scheme over one shared message.
//!
//! Hash to curve is XMD:SHA-256 / SSWU with [`DST`]; the signed bytes are the message bytes, unhashed and
//! without augmentation (spec/messages.md section 1). A [`PublicKey`] value is always on the curve, in the prime-order
//! subgroup and not the identity; a [`Signature`] value is on the curve and not the identity, and is checked for
//! the subgroup by every verification.
//!
//! Aggregates over one message are sound only for keys whose owner proved possession: see
//! [`ProofOfPossession`](crate::message::ProofOfPossession). Everything runs on the calling thread.

mod encoding;
mod keys;
mod signature;
#[cfg(test)]
mod tests;

use blst::BLST_ERROR;
use thiserror::Error;

pub use keys::{PublicKey, SecretKey};
pub use signature::{Signature, aggregate, aggregate_public_keys, fast_aggregate_verify};

/// Domain separation tag of every signature: the NUL ("basic") ciphersuite, not the `_POP_` one.
pub const DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";
/// Bytes of a secret key.
pub const SECRET_KEY_BYTES: usize = 32;
/// Bytes of a compressed public key.
pub const PUBLIC_KEY_BYTES: usize = 48;
/// Bytes of a compressed signature, single or aggregate.
pub const SIGNATURE_BYTES: usize = 96;

/// A key or signature that is not acceptable, or does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BlsError {
    /// Not the right number of bytes.
    #[error("a {what} has {expected} bytes, got {got}")]
    Length {
        /// "public key", "signature", "secret key" or "key file".
        what: &'static str,
        /// Bytes given.
        got: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// Not the compressed form of a point of the curve.
    #[error("the bytes of the {what} are not a compressed point of BLS12-381")]
    NotAPoint {
        /// "public key" or "signature".
        what: &'static str,
    },
    /// The point is not in the subgroup of prime order.
    #[error("the {what} is not in the prime-order subgroup")]
    NotInSubgroup {
        /// "public key" or "signature".
        what: &'static str,
    },
    /// The identity element, which would verify for anything.
    #[error("the {what} is the point at infinity")]
    Infinity {
        /// "public key", "signature", "aggregate key" or "aggregate signature".
        what: &'static str,
    },
    /// A secret key of zero, or not below the group order.
    #[error("a secret key must be between 1 and the group order")]
    BadSecretKey,
    /// A key file that is not base64 of the flag byte 0x04 and 32 key bytes.
    #[error("not a BLS key file: expected base64 of the flag byte 0x04 and 32 key bytes")]
    BadKeyFile,
    /// An aggregate of nothing.
    #[error("an aggregate needs at least one element")]
    Empty,
    /// The pairing equation does not hold.
    #[error("the signature does not verify")]
    WrongSignature,
}

impl BlsError {
    fn from_blst(error: BLST_ERROR, what: &'static str) -> Self {
        match error {
            BLST_ERROR::BLST_POINT_NOT_IN_GROUP => Self::NotInSubgroup { what },
            BLST_ERROR::BLST_PK_IS_INFINITY => Self::Infinity { what },
            _ => Self::NotAPoint { what },
        }
    }
}
