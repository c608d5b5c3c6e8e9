//! Certificates: one message, the members that signed it, and the aggregate of their signatures.

pub mod bitmap;
mod collector;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use bitmap::BitmapError;
pub use collector::{CollectError, Collector, ConfirmationCollector};

use crate::{
    Committee,
    bls::{self, BlsError, SIGNATURE_BYTES, Signature},
    limits,
    message::{BatchConfirmation, InvalidBlobId, Message, MessageError, StorageConfirmation},
    wire::{DecodeError, Reader, put_length},
};

/// A claim that some members signed a message; nothing is verified.
///
/// JSON, as upload relays give it: `{"signers":[0,2],"serialized_message":[1,0,3,…],"signature":"base64"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Positions of the signers among the members of the committee; each once, order without meaning.
    pub signers: Vec<u16>,
    /// The bytes that all of them signed.
    #[serde(rename = "serialized_message")]
    pub message: Vec<u8>,
    /// The sum of their signatures.
    pub signature: Signature,
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The message is malformed, of another type, or of another epoch than the committee.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The signers do not fit the committee.
    #[error(transparent)]
    Signers(#[from] BitmapError),
    /// Too little weight has signed.
    #[error("signers hold {weight} of {n_shards} shards, which is too few")]
    NotEnoughWeight {
        /// Shards held by the signers.
        weight: u32,
        /// All shards.
        n_shards: u16,
    },
    /// The aggregate signature does not fit.
    #[error("bad aggregate signature: {0}")]
    BadSignature(BlsError),
}

/// A message that becomes an act on chain when enough weight signs it.
pub trait CertifiedMessage: Message {
    /// The least weight with which a verifier takes a certificate.
    fn weight_needed(committee: &Committee) -> u32;

    /// Whether a verifier takes a certificate of that weight.
    fn is_enough(committee: &Committee, weight: u32) -> bool {
        weight >= Self::weight_needed(committee)
    }
}

impl CertifiedMessage for StorageConfirmation {
    fn weight_needed(committee: &Committee) -> u32 {
        committee.confirmations_needed()
    }
}

impl CertifiedMessage for BatchConfirmation {
    fn weight_needed(committee: &Committee) -> u32 {
        committee.confirmations_needed()
    }
}

impl CertifiedMessage for InvalidBlobId {
    fn weight_needed(committee: &Committee) -> u32 {
        committee.one_honest_needed()
    }
}

impl Certificate {
    /// Checks a storage certificate as the contracts do: message, epoch, signers, weight, signature.
    ///
    /// # Errors
    /// The first of those that fails.
    pub fn verify(&self, committee: &Committee) -> Result<VerifiedCertificate<StorageConfirmation>, CertificateError> {
        self.verify_as(committee)
    }

    /// Checks a certificate of any certified message.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_as<T: CertifiedMessage>(
        &self,
        committee: &Committee,
    ) -> Result<VerifiedCertificate<T>, CertificateError> {
        let message = T::from_bytes(&self.message).map_err(MessageError::Malformed)?;
        if message.epoch() != committee.epoch() {
            return Err(CertificateError::Message(MessageError::WrongEpoch {
                got: message.epoch(),
                expected: committee.epoch(),
            }));
        }
        let members = committee.members();
        bitmap::to_bitmap(&self.signers, members.len())?;
        let signers = self.signers.iter().map(|&signer| usize::from(signer));
        let weight: u32 = signers.clone().map(|s| u32::from(committee.weight(s))).sum();
        if !T::is_enough(committee, weight) {
            return Err(CertificateError::NotEnoughWeight { weight, n_shards: committee.n_shards() });
        }
        let keys = signers.filter_map(|signer| members.get(signer)).map(|member| &member.public_key);
        bls::fast_aggregate_verify(keys, &self.message, &self.signature).map_err(CertificateError::BadSignature)?;
        Ok(VerifiedCertificate { certificate: self.clone(), message, weight })
    }

    /// The signers as the contracts take them: `ceil(members / 8)` bytes, see [`bitmap`].
    ///
    /// # Errors
    /// A signer twice, or at or past the member count.
    pub fn signer_bitmap(&self, members: usize) -> Result<Vec<u8>, BitmapError> {
        bitmap::to_bitmap(&self.signers, members)
    }

    /// BCS: vector of u16 signers, byte vector message, 96 raw signature bytes.
    #[must_use]
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 * self.signers.len() + self.message.len() + SIGNATURE_BYTES + 10);
        put_length(&mut out, self.signers.len());
        for signer in &self.signers {
            out.extend(signer.to_le_bytes());
        }
        put_length(&mut out, self.message.len());
        out.extend_from_slice(&self.message);
        out.extend_from_slice(&self.signature.to_bytes());
        out
    }

    /// Reads the BCS form. Counts are checked against the bytes that are there before anything is allocated.
    ///
    /// # Errors
    /// Whatever is not exactly that form.
    pub fn from_bcs(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let count = reader.length("signers", limits::MEMBERS_MAX.min(reader.left() / 2))?;
        let signers =
            reader.take(2 * count)?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let length = reader.length("message", limits::MESSAGE_BYTES_MAX)?;
        let message = reader.take(length)?.to_vec();
        let signature = Signature::from_bytes(reader.take(SIGNATURE_BYTES)?)?;
        reader.finish()?;
        Ok(Self { signers, message, signature })
    }
}

/// A certificate that was checked against a committee: what it states is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCertificate<T> {
    certificate: Certificate,
    message: T,
    weight: u32,
}

impl<T> VerifiedCertificate<T> {
    /// What the signers state.
    #[must_use]
    pub fn message(&self) -> &T {
        &self.message
    }

    /// Shards that the signers hold.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// The certificate itself.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}
