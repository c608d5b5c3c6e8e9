//! The transport form of a message with its signature, and the proof that it was checked.

use std::{fmt, marker::PhantomData, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Message, MessageError};
use crate::{
    Epoch,
    bls::{PublicKey, SIGNATURE_BYTES, Signature},
    limits,
    wire::{DecodeError, Reader, base64_decode, base64_encode, put_length},
};

/// Message bytes and a signature that claims to be over them; nothing is verified.
///
/// JSON: `{"serializedMessage": base64, "signature": base64}`, both standard and padded.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedMessage<T> {
    serialized_message: Vec<u8>,
    signature: Signature,
    kind: PhantomData<fn() -> T>,
}

impl<T> SignedMessage<T> {
    /// Puts the parts together; nothing is checked.
    #[must_use]
    pub fn from_parts(serialized_message: Vec<u8>, signature: Signature) -> Self {
        Self { serialized_message, signature, kind: PhantomData }
    }

    /// The message bytes, not checked to be a message.
    #[must_use]
    pub fn serialized_message(&self) -> &[u8] {
        &self.serialized_message
    }

    /// The signature, not checked.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// BCS: length-prefixed message bytes, then the 96 signature bytes (the body of a shard sync request).
    #[must_use]
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.serialized_message.len() + SIGNATURE_BYTES + 5);
        put_length(&mut out, self.serialized_message.len());
        out.extend_from_slice(&self.serialized_message);
        out.extend_from_slice(&self.signature.to_bytes());
        out
    }

    /// Reads the BCS form; a message longer than [`limits::MESSAGE_BYTES_MAX`] is refused.
    ///
    /// # Errors
    /// Whatever is not exactly that form.
    pub fn from_bcs(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let length = reader.length("message", limits::MESSAGE_BYTES_MAX)?;
        let message = reader.take(length)?.to_vec();
        let signature = Signature::from_bytes(reader.take(SIGNATURE_BYTES)?)?;
        reader.finish()?;
        Ok(Self::from_parts(message, signature))
    }
}

impl<T: Message> SignedMessage<T> {
    /// Decodes the message without checking the signature.
    ///
    /// # Errors
    /// The bytes are no message of type `T`.
    pub fn decode(&self) -> Result<T, DecodeError> {
        T::from_bytes(&self.serialized_message)
    }

    /// Checks everything but the signature: form, epoch, body.
    pub(crate) fn check_states(&self, expected: &T) -> Result<(), MessageError> {
        let message = self.decode()?;
        if message.epoch() != expected.epoch() {
            return Err(MessageError::WrongEpoch { got: message.epoch(), expected: expected.epoch() });
        }
        if message != *expected {
            return Err(MessageError::WrongBody);
        }
        Ok(())
    }

    /// Checks that `key` signed exactly `expected`: form, epoch, body, and last the signature.
    ///
    /// # Errors
    /// The first of those that fails.
    pub fn verify(&self, key: &PublicKey, expected: &T) -> Result<Verified<T>, MessageError> {
        self.check_states(expected)?;
        self.check_signature(key, expected.clone())
    }

    /// Checks that `key` signed some message of this type for `epoch`, and gives the message.
    ///
    /// # Errors
    /// Malformed, of another epoch, or not signed by `key`.
    pub fn verify_epoch(&self, key: &PublicKey, epoch: Epoch) -> Result<Verified<T>, MessageError> {
        let message = self.decode()?;
        if message.epoch() != epoch {
            return Err(MessageError::WrongEpoch { got: message.epoch(), expected: epoch });
        }
        self.check_signature(key, message)
    }

    fn check_signature(&self, key: &PublicKey, message: T) -> Result<Verified<T>, MessageError> {
        key.verify(&self.serialized_message, &self.signature).map_err(MessageError::BadSignature)?;
        Ok(Verified { message, signature: self.signature })
    }
}

impl<T> fmt::Debug for SignedMessage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedMessage")
            .field("message", &hex::encode(&self.serialized_message))
            .field("signature", &self.signature)
            .finish()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedMessageJson {
    serialized_message: String,
    signature: Signature,
}

impl<T> Serialize for SignedMessage<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SignedMessageJson { serialized_message: base64_encode(&self.serialized_message), signature: self.signature }
            .serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for SignedMessage<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = SignedMessageJson::deserialize(deserializer)?;
        let message = base64_decode("serializedMessage", &json.serialized_message, limits::MESSAGE_BYTES_MAX)
            .map_err(de::Error::custom)?;
        Ok(Self::from_parts(message, json.signature))
    }
}

/// A message whose signature by a known key was checked. Derefs to the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    message: T,
    signature: Signature,
}

impl<T> Verified<T> {
    /// The message.
    #[must_use]
    pub fn message(&self) -> &T {
        &self.message
    }

    /// The signature that was checked.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The message alone.
    #[must_use]
    pub fn into_message(self) -> T {
        self.message
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.message
    }
}
