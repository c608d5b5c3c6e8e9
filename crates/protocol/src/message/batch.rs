//! One statement for many blobs: a node holds all of a list (docs/wire-format.md, "Batch confirmation").

use floe_redstuff::{BlobId, blake2b256};

use super::{
    IntentType, Message, Persistence, header,
    possession::{pad_address, read_address},
    read_header,
};
use crate::{
    Epoch, ObjectId,
    wire::{DecodeError, Reader},
};

/// Bytes of one registration in a list.
pub const BATCH_ENTRY_BYTES: usize = 64;

/// Which contract a batch certificate is for, so that it proves nothing on another network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchDomain {
    /// The chain (EIP-155).
    pub chain_id: u64,
    /// Address of the contract `Blobs` on it.
    pub contract: [u8; 20],
}

/// A list of registrations that are to be confirmed together. The order counts.
///
/// Wire form: for each the blob id (32 bytes), then 32 zero bytes for a permanent registration or the object's id for a
/// deletable one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchList(pub Vec<(BlobId, Persistence)>);

impl BatchList {
    /// The wire form, [`BATCH_ENTRY_BYTES`] for each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * BATCH_ENTRY_BYTES);
        for (blob, persistence) in &self.0 {
            out.extend_from_slice(blob.as_ref());
            match persistence {
                Persistence::Permanent => out.extend_from_slice(&[0; 32]),
                Persistence::Deletable(object) => out.extend_from_slice(object.as_ref()),
            }
        }
        out
    }

    /// Reads the wire form; at least one registration, and at most `max`.
    ///
    /// # Errors
    /// A length that is none of those.
    pub fn from_bytes(bytes: &[u8], max: usize) -> Result<Self, DecodeError> {
        let (entries, rest) = bytes.as_chunks::<BATCH_ENTRY_BYTES>();
        if !rest.is_empty() || entries.is_empty() || entries.len() > max {
            return Err(DecodeError::BadValue { field: "length of the list", got: bytes.len() as u64 });
        }
        let mut list = Vec::with_capacity(entries.len());
        for entry in entries {
            let mut reader = Reader::new(entry);
            let blob = BlobId::from_bytes(reader.array()?);
            let object: [u8; 32] = reader.array()?;
            let persistence = match object == [0; 32] {
                true => Persistence::Permanent,
                false => Persistence::Deletable(ObjectId::from_bytes(object)),
            };
            list.push((blob, persistence));
        }
        Ok(Self(list))
    }

    /// What a node signs for this list.
    #[must_use]
    pub fn confirmation(&self, epoch: Epoch, domain: BatchDomain) -> BatchConfirmation {
        BatchConfirmation { epoch, domain, list_hash: blake2b256(&self.to_bytes()) }
    }
}

/// "In this epoch I hold, verified and durably, my slivers of every blob of the list with this hash." 79 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchConfirmation {
    /// The signer's current epoch.
    pub epoch: Epoch,
    /// Where it counts.
    pub domain: BatchDomain,
    /// BLAKE2b-256 of the list's wire form.
    pub list_hash: [u8; 32],
}

impl Message for BatchConfirmation {
    const INTENT: IntentType = IntentType::BatchCertificate;

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = header(Self::INTENT, self.epoch, 72);
        out.extend_from_slice(&self.domain.chain_id.to_le_bytes());
        out.extend_from_slice(&pad_address(&self.domain.contract));
        out.extend_from_slice(&self.list_hash);
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let epoch = read_header(&mut reader, Self::INTENT)?;
        let chain_id = reader.u64()?;
        let domain = BatchDomain { chain_id, contract: read_address(&mut reader, "contract padding")? };
        let list_hash = reader.array()?;
        reader.finish()?;
        Ok(Self { epoch, domain, list_hash })
    }
}
