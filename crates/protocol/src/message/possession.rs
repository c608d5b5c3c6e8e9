//! Proof that the owner of an account knows the secret key behind a public key.

use super::{IntentType, Message, MessageError, SignedMessage, Verified, header, read_header};
use crate::{
    Epoch,
    bls::{PUBLIC_KEY_BYTES, PublicKey},
    wire::{DecodeError, Reader},
};

/// Bytes of an EVM address.
const ADDRESS_BYTES: usize = 20;
/// Zero bytes before an address in a 32-byte field.
const PADDING_BYTES: usize = 12;

/// "The owner of this key registers it for this account, in this registry of this chain." 127 bytes.
///
/// The reference's body (32-byte account, public key) followed by chain id and registry address, so that a proof
/// cannot be moved to another network (spec/messages.md sections 3.4 and 8; docs/wire-format.md). Without such
/// proofs aggregates are worthless: a key computed from the others' keys could sign for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProofOfPossession {
    /// Current epoch of the registry at registration.
    pub epoch: Epoch,
    /// The registering account.
    pub account: [u8; ADDRESS_BYTES],
    /// The key that is proved.
    pub public_key: PublicKey,
    /// Chain id of the network.
    pub chain_id: u64,
    /// Address of the registry contract.
    pub registry: [u8; ADDRESS_BYTES],
}

/// Header, 32-byte account and key: the whole message of the reference, the beginning of ours.
pub(super) fn reference_form(epoch: Epoch, account: &[u8; 32], public_key: &PublicKey) -> Vec<u8> {
    let mut out = header(IntentType::ProofOfPossession, epoch, 120);
    out.extend(account);
    out.extend(public_key.to_bytes());
    out
}

pub(super) fn pad_address(address: &[u8; ADDRESS_BYTES]) -> [u8; 32] {
    let mut out = [0; 32];
    out[PADDING_BYTES..].copy_from_slice(address);
    out
}

pub(super) fn read_address(reader: &mut Reader<'_>, field: &'static str) -> Result<[u8; ADDRESS_BYTES], DecodeError> {
    for _ in 0..PADDING_BYTES {
        reader.expect(field, 0)?;
    }
    reader.array()
}

impl Message for ProofOfPossession {
    const INTENT: IntentType = IntentType::ProofOfPossession;

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = reference_form(self.epoch, &pad_address(&self.account), &self.public_key);
        out.extend(self.chain_id.to_le_bytes());
        out.extend(pad_address(&self.registry));
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let epoch = read_header(&mut reader, Self::INTENT)?;
        let account = read_address(&mut reader, "account padding")?;
        let public_key = PublicKey::from_bytes(reader.take(PUBLIC_KEY_BYTES)?)?;
        let chain_id = reader.u64()?;
        let registry = read_address(&mut reader, "registry padding")?;
        reader.finish()?;
        Ok(Self { epoch, account, public_key, chain_id, registry })
    }
}

impl SignedMessage<ProofOfPossession> {
    /// Checks that it states exactly `expected` and is signed by the key inside it.
    ///
    /// # Errors
    /// As [`SignedMessage::verify`].
    pub fn verify_possession(&self, expected: &ProofOfPossession) -> Result<Verified<ProofOfPossession>, MessageError> {
        self.verify(&expected.public_key, expected)
    }
}
