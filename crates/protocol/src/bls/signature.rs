//! Signatures, aggregation, and verification of an aggregate over one message.

use blst::{BLST_ERROR, Pairing, blst_p1_affine, blst_p2_affine, min_pk};

use super::{
    BlsError, DST, PublicKey, SIGNATURE_BYTES,
    encoding::{base64_text, g2_to_eip2537},
};

/// Marker of the identity in the first byte of a compressed point.
const INFINITY_FLAG: u8 = 0x40;

/// A signature or an aggregate of signatures, as received: on the curve and not the identity.
///
/// Whether it is in the right subgroup and fits a key and a message is known only after a verification. JSON and
/// text form: standard base64 of the 96 compressed bytes.
#[derive(Clone, Copy)]
pub struct Signature {
    point: min_pk::Signature,
    compressed: [u8; SIGNATURE_BYTES],
}

impl Signature {
    /// Reads 96 compressed bytes.
    ///
    /// # Errors
    /// [`BlsError::Length`], [`BlsError::NotAPoint`] or [`BlsError::Infinity`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlsError> {
        let what = "signature";
        let compressed: [u8; SIGNATURE_BYTES] =
            bytes.try_into().map_err(|_| BlsError::Length { what, got: bytes.len(), expected: SIGNATURE_BYTES })?;
        let point = min_pk::Signature::uncompress(bytes).map_err(|e| BlsError::from_blst(e, what))?;
        if compressed[0] & INFINITY_FLAG != 0 {
            return Err(BlsError::Infinity { what });
        }
        Ok(Self { point, compressed })
    }

    /// For points known to be on the curve and not the identity.
    pub(super) fn from_point(point: min_pk::Signature) -> Self {
        Self { point, compressed: point.compress() }
    }

    /// The 96 compressed bytes.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        self.compressed
    }

    /// `x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0`, 48 big-endian bytes each: the order of the common serialization.
    #[must_use]
    pub fn to_uncompressed(&self) -> [u8; 192] {
        self.point.serialize()
    }

    /// Eight words of calldata for the EIP-2537 precompiles: `x.c0, x.c1, y.c0, y.c1`, each with 16 zero bytes
    /// before it.
    #[must_use]
    pub fn to_eip2537(&self) -> [u8; 256] {
        g2_to_eip2537(&self.to_uncompressed())
    }

    /// The pairing check against a key that is already validated. On the calling thread only: the library's own
    /// convenience functions hand each check to a global thread pool.
    pub(super) fn verify_point(&self, message: &[u8], key: &min_pk::PublicKey) -> Result<(), BlsError> {
        let mut pairing = Pairing::new(true, DST);
        let key: &blst_p1_affine = key.into();
        let signature: &blst_p2_affine = (&self.point).into();
        match pairing.aggregate(key, false, signature, true, message, &[]) {
            BLST_ERROR::BLST_SUCCESS => {}
            error => return Err(BlsError::from_blst(error, "signature")),
        }
        pairing.commit();
        if pairing.finalverify(None) { Ok(()) } else { Err(BlsError::WrongSignature) }
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.compressed == other.compressed
    }
}

impl Eq for Signature {}

base64_text!(Signature, "signature", SIGNATURE_BYTES);

/// Sums signatures. Nothing is verified: the sum is worth what [`fast_aggregate_verify`] says of it.
///
/// # Errors
/// [`BlsError::Empty`], or [`BlsError::Infinity`] when they cancel out.
pub fn aggregate<'a>(signatures: impl IntoIterator<Item = &'a Signature>) -> Result<Signature, BlsError> {
    let points: Vec<_> = signatures.into_iter().map(|s| &s.point).collect();
    let sum = min_pk::AggregateSignature::aggregate(&points, false).map_err(|_| BlsError::Empty)?.to_signature();
    let sum = Signature::from_point(sum);
    if sum.compressed[0] & INFINITY_FLAG != 0 {
        return Err(BlsError::Infinity { what: "aggregate signature" });
    }
    Ok(sum)
}

/// Sums public keys.
///
/// # Errors
/// [`BlsError::Empty`], or [`BlsError::Infinity`] when they cancel out (an identity key would let an identity
/// signature pass for any message).
pub fn aggregate_public_keys<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> Result<PublicKey, BlsError> {
    let points: Vec<_> = keys.into_iter().map(PublicKey::point).collect();
    let sum = min_pk::AggregatePublicKey::aggregate(&points, false).map_err(|_| BlsError::Empty)?.to_public_key();
    let sum = PublicKey::from_point(sum);
    if sum.to_bytes()[0] & INFINITY_FLAG != 0 {
        return Err(BlsError::Infinity { what: "aggregate key" });
    }
    Ok(sum)
}

/// Checks an aggregate signature of all `keys` over one message: one pairing check whatever the number of keys.
///
/// Sound only if each key came with a proof of possession; a key may appear only once (not checked here).
///
/// # Errors
/// [`BlsError::Empty`], [`BlsError::Infinity`], [`BlsError::NotInSubgroup`] or [`BlsError::WrongSignature`].
pub fn fast_aggregate_verify<'a>(
    keys: impl IntoIterator<Item = &'a PublicKey>,
    message: &[u8],
    signature: &Signature,
) -> Result<(), BlsError> {
    aggregate_public_keys(keys)?.verify(message, signature)
}
