//! Intents as the contract has them, and their hashes.

use alloy::{
    primitives::{self, B256, FixedBytes, U256},
    sol_types::{Eip712Domain, SolStruct as _},
};

use super::{Intent, IntentAction, IntentDomain, IntentTerms, OwnerSignature, SignedIntent};
use crate::{RegisterBlob, bindings::Intents, send::Call};

/// Name and version of the contract's domain.
const DOMAIN_NAME: &str = "Floe Intents";
const DOMAIN_VERSION: &str = "1";

/// An intent of one kind, as the contract takes it.
enum Typed {
    Reserve(Intents::ReserveStorage),
    Register(Intents::RegisterBlob),
    Extend(Intents::ExtendBlob),
    Fund(Intents::FundBlob),
}

impl From<&Intent> for Typed {
    fn from(intent: &Intent) -> Self {
        let terms = terms(&intent.terms);
        match &intent.action {
            IntentAction::Reserve { size, start, end } => {
                Self::Reserve(Intents::ReserveStorage { size: *size, start: start.0, end: end.0, terms })
            }
            IntentAction::Register(blob) => {
                Self::Register(Intents::RegisterBlob { blob: new_blob(blob), epochs: blob.epochs_ahead, terms })
            }
            IntentAction::Extend { object, epochs } => Self::Extend(Intents::ExtendBlob {
                objectId: U256::from_be_bytes(*object.as_bytes()),
                epochs: *epochs,
                terms,
            }),
            IntentAction::Fund { object, amount } => Self::Fund(Intents::FundBlob {
                objectId: U256::from_be_bytes(*object.as_bytes()),
                amount: *amount,
                terms,
            }),
        }
    }
}

fn terms(terms: &IntentTerms) -> Intents::Terms {
    Intents::Terms {
        owner: terms.owner.evm(),
        relayer: terms.relayer.map_or(primitives::Address::ZERO, |relayer| relayer.evm()),
        budget: U256::from(terms.budget),
        maxFee: U256::from(terms.max_fee),
        validAfter: U256::from(terms.valid_after),
        validBefore: U256::from(terms.valid_before),
        salt: FixedBytes(terms.salt),
    }
}

fn new_blob(blob: &RegisterBlob) -> Intents::NewBlob {
    Intents::NewBlob {
        blobId: FixedBytes(*blob.blob_id.as_bytes()),
        rootHash: FixedBytes(blob.root_hash),
        size: blob.size,
        encodingType: blob.encoding_type.number(),
        deletable: blob.deletable,
    }
}

/// What an owner signs who signs the intent itself.
pub(super) fn signing_hash(intent: &Intent, domain: &IntentDomain) -> B256 {
    let domain = Eip712Domain {
        name: Some(DOMAIN_NAME.into()),
        version: Some(DOMAIN_VERSION.into()),
        chain_id: Some(U256::from(domain.chain_id)),
        verifying_contract: Some(domain.contract.evm()),
        salt: None,
    };
    match Typed::from(intent) {
        Typed::Reserve(typed) => typed.eip712_signing_hash(&domain),
        Typed::Register(typed) => typed.eip712_signing_hash(&domain),
        Typed::Extend(typed) => typed.eip712_signing_hash(&domain),
        Typed::Fund(typed) => typed.eip712_signing_hash(&domain),
    }
}

/// The call that carries an intent out and keeps a fee.
pub(crate) fn call(signed: &SignedIntent, fee: u128) -> Call {
    let to = signed.domain.contract;
    let (payment, fee) = (payment(&signed.owner_signature), U256::from(fee));
    match Typed::from(&signed.intent) {
        Typed::Reserve(intent) => Call::contract(to, &Intents::reserveCall { intent, payment, fee }),
        Typed::Register(intent) => Call::contract(to, &Intents::registerCall { intent, payment, fee }),
        Typed::Extend(intent) => Call::contract(to, &Intents::extendCall { intent, payment, fee }),
        Typed::Fund(intent) => Call::contract(to, &Intents::fundCall { intent, payment, fee }),
    }
}

fn payment(signature: &OwnerSignature) -> Intents::Payment {
    let (scheme, signature, permit) = match signature {
        OwnerSignature::Authorization { signature } => (0, signature, &Vec::new()),
        OwnerSignature::ContractAuthorization { signature } => (1, signature, &Vec::new()),
        OwnerSignature::Allowance { signature, permit } => (2, signature, permit),
    };
    Intents::Payment { scheme, signature: signature.clone().into(), permit: permit.clone().into() }
}
