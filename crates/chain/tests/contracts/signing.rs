//! Messages, keys and certificates, made without the code under test.

use alloy::primitives::{Address, B256, Bytes, U256};
use blst::min_pk::{AggregateSignature, PublicKey, SecretKey, Signature};
use sha2::{Digest, Sha256};

const TAG: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";
const FIELD_BYTES: usize = 48;

/// A key that follows from `seed`.
pub(super) fn secret_key(seed: &str) -> SecretKey {
    SecretKey::key_gen(&Sha256::digest(seed), &[]).expect("32 bytes are enough")
}

pub(super) fn sign(key: &SecretKey, message: &[u8]) -> Signature {
    key.sign(message, TAG, &[])
}

/// The sum of the signatures of `keys` over `message`.
pub(super) fn aggregate(keys: &[&SecretKey], message: &[u8]) -> Signature {
    let signatures: Vec<_> = keys.iter().map(|key| sign(key, message)).collect();
    let signatures: Vec<_> = signatures.iter().collect();
    AggregateSignature::aggregate(&signatures, false).expect("at least one signature").to_signature()
}

/// A point of G1 as the precompiles take it.
pub(super) fn g1(key: &PublicKey) -> [B256; 4] {
    words(key.serialize().chunks(FIELD_BYTES))
}

/// A point of G2 as the precompiles take it. blst writes the second coefficient of each coordinate first.
pub(super) fn g2(signature: &Signature) -> [B256; 8] {
    let bytes = signature.serialize();
    let field: Vec<_> = bytes.chunks(FIELD_BYTES).collect();
    words([field[1], field[0], field[3], field[2]].into_iter())
}

fn words<'a, const N: usize>(fields: impl Iterator<Item = &'a [u8]>) -> [B256; N] {
    let padded: Vec<u8> = fields.flat_map(|field| [&[0; 16], field].concat()).collect();
    let mut words = padded.chunks(32).map(B256::from_slice);
    std::array::from_fn(|_| words.next().expect("two words for each field element"))
}

/// The signers' bitmap, as short as it can be.
pub(super) fn bitmap(signers: &[usize]) -> Bytes {
    let mut bits = Vec::new();
    for &member in signers {
        if bits.len() <= member / 8 {
            bits.resize(member / 8 + 1, 0);
        }
        bits[member / 8] |= 1_u8 << (member % 8);
    }
    bits.into()
}

fn header(intent: u8, epoch: u32) -> Vec<u8> {
    [&[intent, 0, 3], epoch.to_le_bytes().as_slice()].concat()
}

/// "I hold my slivers of this permanent blob."
pub(super) fn confirmation(epoch: u32, blob_id: B256) -> Vec<u8> {
    [header(1, epoch), blob_id.to_vec(), vec![0]].concat()
}

/// "I hold my slivers of this blob", for a permanent registration or for one that can be deleted.
pub(super) fn confirmation_of(epoch: u32, blob_id: B256, object: Option<U256>) -> Vec<u8> {
    let Some(object) = object else { return confirmation(epoch, blob_id) };
    [header(1, epoch), blob_id.to_vec(), vec![1], object.to_be_bytes::<32>().to_vec()].concat()
}

/// "I hold my slivers of all these": blob ids, and the object where it can be deleted.
pub(super) fn batch_confirmation(epoch: u32, chain_id: u64, blobs: Address, list: &[(B256, Option<U256>)]) -> Vec<u8> {
    let entries: Vec<u8> =
        list.iter().flat_map(|(id, object)| [id.0, object.unwrap_or_default().to_be_bytes::<32>()].concat()).collect();
    let root = blake2b(&entries);
    [header(0x80, epoch), chain_id.to_le_bytes().to_vec(), blobs.into_word().to_vec(), root.to_vec()].concat()
}

/// "This blob is inconsistently encoded."
pub(super) fn invalid(epoch: u32, blob_id: B256) -> Vec<u8> {
    [header(2, epoch), blob_id.to_vec()].concat()
}

/// What a proof of possession commits to.
pub(super) struct Possession {
    pub(super) epoch: u32,
    pub(super) account: Address,
    pub(super) chain_id: u64,
    pub(super) registry: Address,
}

impl Possession {
    pub(super) fn message(&self, key: &PublicKey) -> Vec<u8> {
        [
            header(0, self.epoch),
            self.account.into_word().to_vec(),
            key.compress().to_vec(),
            self.chain_id.to_le_bytes().to_vec(),
            self.registry.into_word().to_vec(),
        ]
        .concat()
    }

    pub(super) fn prove(&self, key: &SecretKey) -> [B256; 8] {
        g2(&sign(key, &self.message(&key.sk_to_pk())))
    }
}

/// The id of an RS2 blob with this root and size.
pub(super) fn blob_id(root: B256, size: u64) -> B256 {
    let preimage = [&[1], size.to_le_bytes().as_slice(), root.as_slice()].concat();
    blake2b(&preimage)
}

pub(super) fn blake2b(data: &[u8]) -> B256 {
    B256::from_slice(blake2b_simd::Params::new().hash_length(32).hash(data).as_bytes())
}
