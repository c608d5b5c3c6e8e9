//! What nodes attest about a blob: that they hold it, or that it is invalid.

use floe_redstuff::BlobId;

use super::{IntentType, Message, header, read_blob_id, read_header};
use crate::{
    Epoch, ObjectId,
    wire::{DecodeError, Reader},
};

const PERMANENT: u8 = 0;
const DELETABLE: u8 = 1;

/// Which registration of a blob a confirmation is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Persistence {
    /// Cannot be deleted before its end epoch; any permanent registration of the blob.
    Permanent,
    /// Deletable by its owner; this registration only.
    Deletable(ObjectId),
}

/// "In this epoch I hold, verified and durably, the slivers of all pairs mapped to the shards I own."
///
/// 40 bytes when permanent, 72 when deletable (spec/messages.md section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StorageConfirmation {
    /// The signer's current epoch.
    pub epoch: Epoch,
    /// The blob that is held.
    pub blob_id: BlobId,
    /// The registration it is held for.
    pub persistence: Persistence,
}

impl Message for StorageConfirmation {
    const INTENT: IntentType = IntentType::BlobCertificate;

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = header(Self::INTENT, self.epoch, 65);
        out.extend_from_slice(self.blob_id.as_ref());
        match &self.persistence {
            Persistence::Permanent => out.push(PERMANENT),
            Persistence::Deletable(object) => {
                out.push(DELETABLE);
                out.extend_from_slice(object.as_ref());
            }
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let epoch = read_header(&mut reader, Self::INTENT)?;
        let blob_id = read_blob_id(&mut reader)?;
        let persistence = match reader.u8()? {
            PERMANENT => Persistence::Permanent,
            DELETABLE => Persistence::Deletable(ObjectId::from_bytes(reader.array()?)),
            got => {
                return Err(DecodeError::BadValue { field: "persistence", got: got.into() });
            }
        };
        reader.finish()?;
        Ok(Self { epoch, blob_id, persistence })
    }
}

/// "I verified a proof that this blob id belongs to no consistent encoding." 39 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InvalidBlobId {
    /// The signer's current epoch.
    pub epoch: Epoch,
    /// The invalid blob.
    pub blob_id: BlobId,
}

impl Message for InvalidBlobId {
    const INTENT: IntentType = IntentType::InvalidBlobId;

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = header(Self::INTENT, self.epoch, 32);
        out.extend_from_slice(self.blob_id.as_ref());
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let epoch = read_header(&mut reader, Self::INTENT)?;
        let blob_id = read_blob_id(&mut reader)?;
        reader.finish()?;
        Ok(Self { epoch, blob_id })
    }
}
