//! An owner's signatures.

use alloy::{
    primitives::{Address as EvmAddress, B256, Signature, U256, keccak256},
    sol,
    sol_types::SolStruct as _,
};

use super::{Intent, IntentDomain, IntentId, OwnerSignature, SignedIntent};
use crate::{Address, ChainError, Wallet};

sol! {
    /// ERC-3009.
    struct ReceiveWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// ERC-2612.
    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }
}

/// How a token tells its signatures from those of other contracts: the hash of its EIP-712 domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenDomain(pub(crate) B256);

impl TokenDomain {
    fn hash(self, structure: B256) -> B256 {
        keccak256([&[0x19, 0x01], self.0.as_slice(), structure.as_slice()].concat())
    }

    fn authorization(self, intent: &Intent, id: IntentId, contract: Address) -> B256 {
        let terms = &intent.terms;
        let authorization = ReceiveWithAuthorization {
            from: terms.owner.evm(),
            to: contract.evm(),
            value: U256::from(terms.budget),
            validAfter: U256::from(terms.valid_after),
            validBefore: U256::from(terms.valid_before),
            nonce: B256::from(*id.as_bytes()),
        };
        self.hash(authorization.eip712_hash_struct())
    }

    fn permit(self, intent: &Intent, contract: Address, nonce: U256) -> B256 {
        let terms = &intent.terms;
        let permit = Permit {
            owner: terms.owner.evm(),
            spender: contract.evm(),
            value: U256::from(terms.budget),
            nonce,
            deadline: U256::from(terms.valid_before),
        };
        self.hash(permit.eip712_hash_struct())
    }
}

impl Intent {
    /// One signature: the token's authorization with this intent as its nonce.
    pub(crate) fn authorize(
        self,
        wallet: &Wallet,
        domain: IntentDomain,
        token: TokenDomain,
    ) -> Result<SignedIntent, ChainError> {
        let id = self.id(&domain);
        let signature = signed(wallet, &token.authorization(&self, id, domain.contract))?;
        Ok(SignedIntent { domain, intent: self, owner_signature: OwnerSignature::Authorization { signature } })
    }

    /// Two signatures, for tokens without authorizations: the intent's, and a permit of the budget with the owner's next
    /// nonce.
    pub(crate) fn permit(
        self,
        wallet: &Wallet,
        domain: IntentDomain,
        token: TokenDomain,
        nonce: U256,
    ) -> Result<SignedIntent, ChainError> {
        let id = self.id(&domain);
        let signature = signed(wallet, &B256::from(*id.as_bytes()))?;
        let permit = signed(wallet, &token.permit(&self, domain.contract, nonce))?;
        Ok(SignedIntent { domain, intent: self, owner_signature: OwnerSignature::Allowance { signature, permit } })
    }
}

impl SignedIntent {
    /// Whether the signature is that of the owner's key. `None`: it is a contract's, which only the contract can tell.
    pub(crate) fn is_signed_by_owner(&self, token: TokenDomain) -> Option<bool> {
        let (hash, signature) = match &self.owner_signature {
            OwnerSignature::Authorization { signature } => {
                (token.authorization(&self.intent, self.id(), self.domain.contract), signature)
            }
            OwnerSignature::Allowance { signature, .. } => (B256::from(*self.id().as_bytes()), signature),
            OwnerSignature::ContractAuthorization { .. } => return None,
        };
        let owner = self.intent.terms.owner.evm();
        let is_owners = recover(&hash, signature).is_some_and(|signer| signer == owner);
        // An allowance may be a contract's as well.
        match &self.owner_signature {
            OwnerSignature::Allowance { .. } if !is_owners => None,
            _ => Some(is_owners),
        }
    }
}

fn recover(hash: &B256, signature: &[u8]) -> Option<EvmAddress> {
    Signature::try_from(signature).ok()?.recover_address_from_prehash(hash).ok()
}

/// r, s and v, as contracts take a signature.
fn signed(wallet: &Wallet, hash: &B256) -> Result<Vec<u8>, ChainError> {
    Ok(wallet.sign(hash)?.as_bytes().to_vec())
}
