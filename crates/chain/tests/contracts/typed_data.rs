//! EIP-712 structures of intents and of the payment token, hashed by hand, and their signatures.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::signers::{SignerSync, local::PrivateKeySigner};

use super::bindings::Intents;

/// Hash of an EIP-712 structure whose members are words.
fn structure(type_text: &str, words: &[B256]) -> B256 {
    let type_hash = keccak256(type_text);
    let data: Vec<u8> = [type_hash].iter().chain(words).flat_map(|word| word.0).collect();
    keccak256(data)
}

/// What is signed of a structure in a domain.
pub(super) fn typed(separator: B256, structure: B256) -> B256 {
    keccak256([&[0x19, 1], separator.as_slice(), structure.as_slice()].concat())
}

/// Domain of a contract with a name, version 1.
pub(super) fn domain(name: &str, chain_id: u64, contract: Address) -> B256 {
    let words = [keccak256(name), keccak256("1"), U256::from(chain_id).into(), contract.into_word()];
    structure("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)", &words)
}

const TERMS: &str = "Terms(address owner,address relayer,uint256 budget,uint256 maxFee,uint256 validAfter,uint256 \
                     validBefore,bytes32 salt)";

fn terms_hash(terms: &Intents::Terms) -> B256 {
    let words = [
        terms.owner.into_word(),
        terms.relayer.into_word(),
        terms.budget.into(),
        terms.maxFee.into(),
        terms.validAfter.into(),
        terms.validBefore.into(),
        terms.salt,
    ];
    structure(TERMS, &words)
}

pub(super) fn reserve_hash(intent: &Intents::ReserveStorage) -> B256 {
    let numbers = [intent.size, u64::from(intent.start), u64::from(intent.end)].map(|n| B256::from(U256::from(n)));
    let words = [&numbers[..], &[terms_hash(&intent.terms)]].concat();
    structure(&format!("ReserveStorage(uint64 size,uint32 start,uint32 end,Terms terms){TERMS}"), &words)
}

pub(super) fn register_hash(intent: &Intents::RegisterBlob) -> B256 {
    const BLOB: &str = "NewBlob(bytes32 blobId,bytes32 rootHash,uint64 size,uint8 encodingType,bool deletable)";
    let blob = &intent.blob;
    let numbers = [blob.size, blob.encodingType.into(), blob.deletable.into()].map(|n: u64| B256::from(U256::from(n)));
    let blob = structure(BLOB, &[&[blob.blobId, blob.rootHash], &numbers[..]].concat());
    let words = [blob, U256::from(intent.epochs).into(), terms_hash(&intent.terms)];
    structure(&format!("RegisterBlob(NewBlob blob,uint32 epochs,Terms terms){BLOB}{TERMS}"), &words)
}

pub(super) fn extend_hash(intent: &Intents::ExtendBlob) -> B256 {
    let words = [intent.objectId.into(), U256::from(intent.epochs).into(), terms_hash(&intent.terms)];
    structure(&format!("ExtendBlob(uint256 objectId,uint32 epochs,Terms terms){TERMS}"), &words)
}

pub(super) fn fund_hash(intent: &Intents::FundBlob) -> B256 {
    let words = [intent.objectId.into(), U256::from(intent.amount).into(), terms_hash(&intent.terms)];
    structure(&format!("FundBlob(uint256 objectId,uint128 amount,Terms terms){TERMS}"), &words)
}

/// The token's authorization of an intent's budget to a payee, with the intent's id as its nonce.
pub(super) fn authorization(terms: &Intents::Terms, to: Address, id: B256) -> B256 {
    let words = [
        terms.owner.into_word(),
        to.into_word(),
        terms.budget.into(),
        terms.validAfter.into(),
        terms.validBefore.into(),
        id,
    ];
    let text = "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 \
                validBefore,bytes32 nonce)";
    structure(text, &words)
}

/// That an authorization is never to be used.
pub(super) fn cancellation(authorizer: Address, nonce: B256) -> B256 {
    structure("CancelAuthorization(address authorizer,bytes32 nonce)", &[authorizer.into_word(), nonce])
}

/// The token's permit of an intent's budget to a spender.
pub(super) fn permit(terms: &Intents::Terms, spender: Address, nonce: U256) -> B256 {
    let words =
        [terms.owner.into_word(), spender.into_word(), terms.budget.into(), nonce.into(), terms.validBefore.into()];
    structure("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)", &words)
}

pub(super) fn sign(key: &PrivateKeySigner, hash: &B256) -> Bytes {
    key.sign_hash_sync(hash).expect("a key signs").as_bytes().to_vec().into()
}
