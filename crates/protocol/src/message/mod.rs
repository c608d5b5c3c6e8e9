//! Signed messages: a seven-byte header, a body, and the BLS signature over both.
//!
//! Each type has one encoding, and [`Message::from_bytes`] accepts nothing else: wrong intent type, version or
//! application, unknown tags and trailing bytes are errors. A [`SignedMessage`] is what came over the network; only
//! [`SignedMessage::verify`] and its siblings turn it into a [`Verified`] one.

mod batch;
mod confirmation;
mod possession;
mod signed;
mod sync;
#[cfg(test)]
mod tests;

use std::fmt;

use floe_redstuff::BlobId;
use thiserror::Error;

pub use batch::{BATCH_ENTRY_BYTES, BatchConfirmation, BatchDomain, BatchList};
pub use confirmation::{InvalidBlobId, Persistence, StorageConfirmation};
pub use possession::ProofOfPossession;
pub use signed::{SignedMessage, Verified};
pub use sync::SyncShardRequest;

use crate::{
    Epoch,
    bls::{BlsError, SecretKey},
    wire::{DecodeError, Reader},
};

/// Version byte of every message.
const INTENT_VERSION: u8 = 0;
/// Application byte of every message: storage.
const APP_ID: u8 = 3;
/// Bytes of the header: intent type, intent version, application id, epoch.
pub const HEADER_BYTES: usize = 7;

/// First byte of a message: what the signature is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum IntentType {
    /// A node key's proof that its owner knows the secret key.
    ProofOfPossession = 0,
    /// A storage confirmation.
    BlobCertificate = 1,
    /// An attestation that a blob id belongs to no consistent encoding.
    InvalidBlobId = 2,
    /// A node's request for the slivers of a shard.
    SyncShard = 3,
    /// A storage confirmation of many blobs; not of the reference.
    BatchCertificate = 0x80,
}

impl IntentType {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::ProofOfPossession => 0,
            Self::BlobCertificate => 1,
            Self::InvalidBlobId => 2,
            Self::SyncShard => 3,
            Self::BatchCertificate => 0x80,
        }
    }
}

/// Why a signed message is not the expected statement of the expected node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MessageError {
    /// The bytes are no message of this type.
    #[error("malformed message: {0}")]
    Malformed(#[from] DecodeError),
    /// It was signed in another epoch.
    #[error("message of epoch {got}, expected epoch {expected}")]
    WrongEpoch {
        /// Epoch in the message.
        got: Epoch,
        /// Epoch expected.
        expected: Epoch,
    },
    /// It states something else: another blob, another persistence, another account.
    #[error("the message states something else than expected")]
    WrongBody,
    /// The signature does not fit the key and the bytes.
    #[error("bad signature: {0}")]
    BadSignature(BlsError),
}

/// A statement that nodes sign.
pub trait Message: Sized + Clone + PartialEq + Eq + fmt::Debug + Send + Sync + 'static {
    /// First byte of its encoding.
    const INTENT: IntentType;

    /// The epoch that the message speaks about.
    fn epoch(&self) -> Epoch;

    /// The bytes that are signed: header and body.
    fn to_bytes(&self) -> Vec<u8>;

    /// The only decoding of those bytes.
    ///
    /// # Errors
    /// Whatever is not exactly one message of this type.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError>;

    /// Signs it.
    fn sign(&self, key: &SecretKey) -> SignedMessage<Self> {
        let serialized_message = self.to_bytes();
        let signature = key.sign(&serialized_message);
        SignedMessage::from_parts(serialized_message, signature)
    }
}

/// Starts an encoding with the header.
fn header(intent: IntentType, epoch: Epoch, body_bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + body_bytes);
    out.extend([intent.to_byte(), INTENT_VERSION, APP_ID]);
    out.extend(epoch.0.to_le_bytes());
    out
}

/// Reads the header, which must be of this intent.
fn read_header(reader: &mut Reader<'_>, intent: IntentType) -> Result<Epoch, DecodeError> {
    reader.expect("intent type", intent.to_byte())?;
    reader.expect("intent version", INTENT_VERSION)?;
    reader.expect("application id", APP_ID)?;
    Ok(Epoch(reader.u32()?))
}

fn read_blob_id(reader: &mut Reader<'_>) -> Result<BlobId, DecodeError> {
    Ok(BlobId::from_bytes(reader.array()?))
}
