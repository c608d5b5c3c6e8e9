//! Secret and public keys.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use blst::min_pk;
use zeroize::Zeroizing;

use super::{
    BlsError, DST, PUBLIC_KEY_BYTES, SECRET_KEY_BYTES, Signature,
    encoding::{base64_text, g1_to_eip2537},
};
use crate::wire::{base64_decode, base64_encode};

/// First byte of a BLS12-381 key file.
const KEY_FILE_FLAG: u8 = 0x04;

/// A node's signing key. Wiped from memory when dropped; `Debug` shows the public key only.
#[derive(Clone)]
pub struct SecretKey(min_pk::SecretKey);

impl SecretKey {
    /// Reads the scalar: 32 bytes, big-endian, from 1 to the group order minus 1.
    ///
    /// # Errors
    /// [`BlsError::Length`] or [`BlsError::BadSecretKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlsError> {
        if bytes.len() != SECRET_KEY_BYTES {
            return Err(BlsError::Length { what: "secret key", got: bytes.len(), expected: SECRET_KEY_BYTES });
        }
        min_pk::SecretKey::from_bytes(bytes).map(Self).map_err(|_| BlsError::BadSecretKey)
    }

    /// Derives a key from 32 bytes of strong randomness (HKDF, as the IETF draft's KeyGen); the same bytes give
    /// the same key.
    #[must_use]
    pub fn generate(randomness: &[u8; 32]) -> Self {
        Self(min_pk::SecretKey::key_gen(randomness, &[]).expect("32 bytes are enough key material"))
    }

    /// The scalar, 32 bytes big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; SECRET_KEY_BYTES]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Reads the text of a key file: base64 of the flag byte `0x04` and the 32 key bytes; white space around it
    /// is ignored.
    ///
    /// # Errors
    /// [`BlsError::BadKeyFile`] or [`BlsError::BadSecretKey`]; the text is never part of the error.
    pub fn from_key_file(text: &str) -> Result<Self, BlsError> {
        let bytes = base64_decode("key file", text.trim(), 1 + SECRET_KEY_BYTES)
            .map(Zeroizing::new)
            .map_err(|_| BlsError::BadKeyFile)?;
        match bytes.split_first() {
            Some((&KEY_FILE_FLAG, key)) if key.len() == SECRET_KEY_BYTES => Self::from_bytes(key),
            _ => Err(BlsError::BadKeyFile),
        }
    }

    /// The text of a key file, without a newline.
    #[must_use]
    pub fn to_key_file(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([KEY_FILE_FLAG; 1 + SECRET_KEY_BYTES]);
        bytes[1..].copy_from_slice(&*self.to_bytes());
        Zeroizing::new(base64_encode(&*bytes))
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_point(self.0.sk_to_pk())
    }

    /// Signs the bytes as they are.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature::from_point(self.0.sign(message, DST, &[]))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public_key())
    }
}

/// A validated public key: on the curve, in the prime-order subgroup, not the identity.
///
/// JSON and text form: standard base64 of the 48 compressed bytes. That its owner *knows* the secret key is
/// another matter: only a proof of possession shows it.
#[derive(Clone, Copy)]
pub struct PublicKey {
    point: min_pk::PublicKey,
    compressed: [u8; PUBLIC_KEY_BYTES],
}

impl PublicKey {
    /// Reads and validates 48 compressed bytes.
    ///
    /// # Errors
    /// [`BlsError::Length`], [`BlsError::NotAPoint`], [`BlsError::NotInSubgroup`] or [`BlsError::Infinity`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlsError> {
        let what = "public key";
        let compressed =
            bytes.try_into().map_err(|_| BlsError::Length { what, got: bytes.len(), expected: PUBLIC_KEY_BYTES })?;
        let point = min_pk::PublicKey::uncompress(bytes).map_err(|e| BlsError::from_blst(e, what))?;
        point.validate().map_err(|e| BlsError::from_blst(e, what))?;
        Ok(Self { point, compressed })
    }

    /// For points that are valid by construction.
    pub(super) fn from_point(point: min_pk::PublicKey) -> Self {
        Self { point, compressed: point.compress() }
    }

    pub(super) fn point(&self) -> &min_pk::PublicKey {
        &self.point
    }

    /// The 48 compressed bytes.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.compressed
    }

    /// `x ‖ y`, 48 big-endian bytes each.
    #[must_use]
    pub fn to_uncompressed(&self) -> [u8; 96] {
        self.point.serialize()
    }

    /// Four words of calldata for the EIP-2537 precompiles: `x` and `y`, each with 16 zero bytes before it.
    #[must_use]
    pub fn to_eip2537(&self) -> [u8; 128] {
        g1_to_eip2537(&self.to_uncompressed())
    }

    /// Checks one signature over `message`, the subgroup of the signature included.
    ///
    /// # Errors
    /// [`BlsError::WrongSignature`] or [`BlsError::NotInSubgroup`].
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BlsError> {
        signature.verify_point(message, &self.point)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.compressed == other.compressed
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.compressed.hash(state);
    }
}

base64_text!(PublicKey, "public key", PUBLIC_KEY_BYTES);
