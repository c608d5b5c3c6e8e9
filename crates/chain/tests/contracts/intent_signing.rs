//! Owners of intents and their signatures.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::{DynProvider, Provider};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;

use super::bindings::{Intents, SmartAccount};
use super::network::{Deployment, account, mined, new_blob};
use super::typed_data::{authorization, permit, sign, typed};

/// How long the intents of the tests are valid.
pub(super) const VALID_SECS: u64 = 600;

pub(super) const AUTHORIZATION: u8 = 0;
pub(super) const CONTRACT_AUTHORIZATION: u8 = 1;
pub(super) const ALLOWANCE: u8 = 2;

/// Somebody with money in the payment token and no native coin.
pub(super) struct Owner {
    pub(super) key: PrivateKeySigner,
    /// The key's account, or a contract that the key speaks for.
    pub(super) address: Address,
}

impl Owner {
    /// An account with a key that follows from `seed`, and some money.
    pub(super) async fn new(net: &Deployment, seed: &str, money: u64) -> Self {
        let key = account(seed);
        let owner = Self { address: key.address(), key };
        mined(net.money.mint(owner.address, U256::from(money)).send().await).await;
        owner
    }

    /// An account that is a contract.
    pub(super) async fn contract(net: &Deployment, seed: &str, money: u64) -> Self {
        let key = account(seed);
        let wallet = SmartAccount::deploy(net.owner.clone(), key.address()).await.expect("deployed");
        mined(net.money.mint(*wallet.address(), U256::from(money)).send().await).await;
        Self { address: *wallet.address(), key }
    }

    /// Terms that `relayer` may use for some time, unlike any others.
    pub(super) async fn terms(&self, net: &Deployment, budget: u64, max_fee: u64) -> Intents::Terms {
        static SALT: AtomicU64 = AtomicU64::new(1);
        Intents::Terms {
            owner: self.address,
            relayer: net.owner_address,
            budget: U256::from(budget),
            maxFee: U256::from(max_fee),
            validAfter: U256::ZERO,
            validBefore: U256::from(now(&net.owner).await + VALID_SECS),
            salt: B256::from(U256::from(SALT.fetch_add(1, Ordering::Relaxed))),
        }
    }

    /// A registration of a blob whose root follows from `seed`, for two epochs.
    pub(super) async fn register(
        &self,
        net: &Deployment,
        seed: u8,
        budget: u64,
        max_fee: u64,
    ) -> Intents::RegisterBlob {
        let blob = new_blob(seed, 1000, false);
        let blob = Intents::NewBlob {
            blobId: blob.blobId,
            rootHash: blob.rootHash,
            size: blob.size,
            encodingType: blob.encodingType,
            deletable: blob.deletable,
        };
        Intents::RegisterBlob { blob, epochs: 2, terms: self.terms(net, budget, max_fee).await }
    }

    /// The token's authorization of an intent's budget, with the intent's id as its nonce.
    pub(super) async fn authorization(&self, net: &Deployment, terms: &Intents::Terms, id: B256) -> Bytes {
        self.authorization_to(net, *net.intents.address(), terms, id).await
    }

    /// The same for another payee.
    pub(super) async fn authorization_to(
        &self,
        net: &Deployment,
        to: Address,
        terms: &Intents::Terms,
        id: B256,
    ) -> Bytes {
        let separator = net.money.DOMAIN_SEPARATOR().call().await.expect("a view");
        sign(&self.key, &typed(separator, authorization(terms, to, id)))
    }

    /// One signature, by a key.
    pub(super) async fn authorize(&self, net: &Deployment, terms: &Intents::Terms, id: B256) -> Intents::Payment {
        let signature = self.authorization(net, terms, id).await;
        Intents::Payment { scheme: AUTHORIZATION, signature, permit: Bytes::new() }
    }

    /// A signature of the intent, and one of a permit.
    pub(super) async fn permit(&self, net: &Deployment, terms: &Intents::Terms, id: B256) -> Intents::Payment {
        let nonce = net.money.nonces(terms.owner).call().await.expect("a view");
        let separator = net.money.DOMAIN_SEPARATOR().call().await.expect("a view");
        let permit = sign(&self.key, &typed(separator, permit(terms, *net.intents.address(), nonce)));
        Intents::Payment { scheme: ALLOWANCE, signature: sign(&self.key, &id), permit }
    }

    pub(super) async fn balance(&self, net: &Deployment) -> U256 {
        net.money.balanceOf(self.address).call().await.expect("a view")
    }
}

/// Time of the latest block, or this machine's if that is later, as the next block's may be.
pub(super) async fn now(provider: &DynProvider) -> u64 {
    let block = provider.get_block_by_number(Default::default()).await.expect("an answer").expect("a block");
    let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    block.header.timestamp.max(here)
}

/// r, s and v of a signature.
pub(super) fn parts(signature: &Bytes) -> (u8, B256, B256) {
    (signature[64], B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]))
}

/// A call's data.
pub(super) fn approve_data(spender: Address, amount: U256) -> Bytes {
    [&keccak256("approve(address,uint256)")[..4], &(spender, amount).abi_encode()].concat().into()
}
