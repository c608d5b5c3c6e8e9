//! Intents: signing them for an account without native coin, and carrying them out for others.

use std::time::{Duration, SystemTime};

use alloy::{
    primitives::{B256, FixedBytes, U256},
    rpc::types::Log,
    sol_types::{Eip712Domain, SolEvent as _},
};
use floe_protocol::{Certificate, ObjectId};
use serde_json::json;

use super::{EvmChain, Inner, convert};
use crate::{
    Address, ChainError, ChainEvent, EventKind, ExecutedIntent, Intent, IntentDomain, IntentId, IntentOutcome,
    Registered, SignedIntent, TxHash, Wallet,
    bindings::{Blobs, Intents, TestStablecoin},
    follow,
    intent::{self, TokenDomain},
    rpc::{Header, Receipt},
    send::{Mined, TOKEN},
};

/// What is known of the payment token's signatures.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenSignatures {
    domain: TokenDomain,
    /// Whether it has authorizations (ERC-3009).
    authorizes: bool,
}

impl EvmChain {
    /// Where intents of this network are valid.
    #[must_use]
    pub fn intent_domain(&self) -> IntentDomain {
        IntentDomain { chain_id: self.inner.chain_id, contract: self.inner.config.contracts.intents }
    }

    /// Signs an intent as its owner: by the token's authorization where it has them, else by a permit.
    ///
    /// # Errors
    /// As reads; [`ChainError::InvalidArgument`] if the wallet is not the owner.
    pub async fn sign_intent(&self, wallet: &Wallet, intent: Intent) -> Result<SignedIntent, ChainError> {
        let owner = intent.terms.owner;
        if wallet.address() != owner {
            let detail = format!("the intent belongs to {owner}, the wallet is {}", wallet.address());
            return Err(ChainError::InvalidArgument { detail });
        }
        let token = self.inner.token_signatures().await?;
        let domain = self.intent_domain();
        if token.authorizes {
            return intent.authorize(wallet, domain, token.domain);
        }
        let call = TestStablecoin::noncesCall { owner: owner.evm() };
        let nonce = self.inner.rpc.call("nonces", self.inner.config.contracts.payment_token, &call).await?;
        intent.permit(wallet, domain, token.domain, nonce)
    }

    /// Whether the signature is that of the owner's key. `None`: only a contract can tell.
    ///
    /// # Errors
    /// As reads.
    pub async fn is_intent_signed(&self, signed: &SignedIntent) -> Result<Option<bool>, ChainError> {
        let token = self.inner.token_signatures().await?;
        Ok(signed.is_signed_by_owner(token.domain))
    }

    /// Whether an intent was carried out, or can no longer be because its owner has cancelled it.
    ///
    /// # Errors
    /// As reads.
    pub async fn is_intent_used(&self, owner: Address, id: IntentId) -> Result<bool, ChainError> {
        let call = Intents::isUsedCall { owner: owner.evm(), intentId: FixedBytes(*id.as_bytes()) };
        self.inner.rpc.call("isUsed", self.inner.config.contracts.intents, &call).await
    }

    /// Gas of carrying an intent out now and keeping a fee; the refusal if it would be refused. Nothing is sent.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] with the contract's or the token's reason, [`ChainError::InsufficientFunds`] and others.
    pub async fn simulate_intent(&self, signed: &SignedIntent, fee: u128) -> Result<u64, ChainError> {
        let outcome = self.inner.sender()?.simulate(&intent::call(signed, fee)).await;
        // It is the owner who pays in tokens, not the account that sends.
        outcome.map_err(|error| match error {
            ChainError::InsufficientFunds { asset, needed, available, .. } if asset == TOKEN => {
                ChainError::InsufficientFunds { asset, account: signed.intent.terms.owner, needed, available }
            }
            error => error,
        })
    }

    /// Carries an intent out at the expense of the wallet, which keeps the fee.
    ///
    /// # Errors
    /// As any transaction.
    pub async fn submit_intent(&self, signed: &SignedIntent, fee: u128) -> Result<ExecutedIntent, ChainError> {
        let Mined { tx, receipt } = self.inner.send(&intent::call(signed, fee)).await?;
        let executed = self.inner.executed(tx, &receipt).await?;
        executed.into_iter().find(|executed| executed.id == signed.id()).ok_or_else(|| ChainError::BadAnswer {
            method: "eth_getTransactionReceipt",
            detail: "no event of the intent in the receipt".to_owned(),
        })
    }

    /// The intents that a transaction has carried out: none also while it is in no block.
    ///
    /// # Errors
    /// As reads.
    pub async fn executed_intents(&self, tx: TxHash) -> Result<Vec<ExecutedIntent>, ChainError> {
        let params = json!([B256::from(*tx.as_bytes())]);
        let receipt: Option<Receipt> = self.inner.rpc.get("eth_getTransactionReceipt", params).await?;
        match receipt {
            Some(receipt) if receipt.succeeded() => self.inner.executed(tx, &receipt).await,
            _ => Ok(Vec::new()),
        }
    }

    /// Looks for an intent among all that were carried out.
    ///
    /// # Errors
    /// As reads.
    pub async fn find_intent(&self, id: IntentId) -> Result<Option<ExecutedIntent>, ChainError> {
        let topics = json!([Intents::IntentExecuted::SIGNATURE_HASH, B256::from(*id.as_bytes())]);
        let tx = self.inner.latest_log(self.inner.config.contracts.intents, &topics).await?;
        let Some(tx) = tx else { return Ok(None) };
        Ok(self.executed_intents(tx).await?.into_iter().find(|executed| executed.id == id))
    }

    /// The transaction that registered a blob.
    ///
    /// # Errors
    /// As reads.
    pub async fn registration_tx(&self, object: ObjectId) -> Result<Option<TxHash>, ChainError> {
        let topics = json!([Blobs::BlobRegistered::SIGNATURE_HASH, null, B256::from(*object.as_bytes())]);
        self.inner.latest_log(self.inner.config.contracts.blobs, &topics).await
    }

    /// Gas of handing in a certificate now; the refusal if it would be refused. Nothing is sent.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] with the contract's reason, and others.
    pub async fn simulate_certify(&self, object: ObjectId, certificate: &Certificate) -> Result<u64, ChainError> {
        self.inner.sender()?.simulate(&self.inner.certify_call(object, certificate)?).await
    }

    /// The same for one certificate of many registrations.
    ///
    /// # Errors
    /// As [`simulate_certify`](Self::simulate_certify).
    pub async fn simulate_certify_batch(
        &self,
        objects: &[ObjectId],
        certificate: &Certificate,
    ) -> Result<u64, ChainError> {
        self.inner.sender()?.simulate(&self.inner.certify_batch_call(objects, certificate)?).await
    }

    /// Most that a unit of gas costs now, in the native coin's smallest unit.
    ///
    /// # Errors
    /// As reads; [`ChainError::NoWallet`] for a reader.
    pub async fn gas_price(&self) -> Result<u128, ChainError> {
        self.inner.sender()?.max_fee().await
    }

    /// The time that the next block will have at least, in seconds since 1970: the latest block's, or this machine's where
    /// no block came for long.
    ///
    /// # Errors
    /// As reads.
    pub async fn time(&self) -> Result<u64, ChainError> {
        let header: Header = self.inner.rpc.get("eth_getBlockByNumber", json!(["latest", false])).await?;
        let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        Ok(header.timestamp.max(here))
    }
}

impl Inner {
    async fn token_signatures(&self) -> Result<TokenSignatures, ChainError> {
        self.token_signatures.get_or_try_init(|| self.load_token_signatures()).await.copied()
    }

    async fn load_token_signatures(&self) -> Result<TokenSignatures, ChainError> {
        let token = self.config.contracts.payment_token;
        let state = TestStablecoin::authorizationStateCall { authorizer: token.evm(), nonce: B256::ZERO };
        let authorizes = match self.rpc.call("authorizationState", token, &state).await {
            Ok(_) => true,
            Err(ChainError::Reverted { .. } | ChainError::BadAnswer { .. }) => false,
            Err(error) => return Err(error),
        };
        let separator = self.rpc.call("DOMAIN_SEPARATOR", token, &TestStablecoin::DOMAIN_SEPARATORCall {}).await?;
        // Where the token says what the hash is of (ERC-5267), it has to be of this token on this chain.
        if let Ok(said) = self.rpc.call("eip712Domain", token, &TestStablecoin::eip712DomainCall {}).await {
            let domain = Eip712Domain {
                name: Some(said.name.into()),
                version: Some(said.version.into()),
                chain_id: Some(U256::from(self.chain_id)),
                verifying_contract: Some(token.evm()),
                salt: None,
            };
            if domain.separator() != separator {
                let detail = format!("the token {token} signs for another chain or contract");
                return Err(ChainError::BadAnswer { method: "eip712Domain", detail });
            }
        }
        Ok(TokenSignatures { domain: TokenDomain(separator), authorizes })
    }

    async fn executed(&self, tx: TxHash, receipt: &Receipt) -> Result<Vec<ExecutedIntent>, ChainError> {
        let contract = self.config.contracts.intents.evm();
        let mut executed = Vec::new();
        for event in receipt.logs.iter().filter(|log| log.address() == contract).filter_map(decode) {
            executed.push(self.executed_one(tx, receipt, event).await?);
        }
        Ok(executed)
    }

    async fn executed_one(
        &self,
        tx: TxHash,
        receipt: &Receipt,
        event: Intents::IntentExecuted,
    ) -> Result<ExecutedIntent, ChainError> {
        let subject = ObjectId::from_bytes(event.subject.to_be_bytes());
        let mut outcome = IntentOutcome::Other { subject };
        for log in &receipt.logs {
            match follow::decode(log, &self.config.contracts)?.map(|ChainEvent { kind, .. }| kind) {
                Some(EventKind::BlobRegistered { object, cost }) if object.object_id == subject => {
                    let encoded_length = self.encoded_length(object.size).await?;
                    outcome = IntentOutcome::Registered(Registered { object, cost, encoded_length, tx });
                }
                Some(EventKind::BlobExtended { object_id: object, end_epoch, cost, .. }) if object == subject => {
                    outcome = IntentOutcome::Extended { object, end_epoch, cost };
                }
                _ => {}
            }
        }
        Ok(ExecutedIntent {
            id: IntentId::from_bytes(event.intentId.0),
            owner: Address::from_evm(event.owner),
            relayer: Address::from_evm(event.relayer),
            fee: convert::amount("fee", event.fee)?,
            returned: convert::amount("returned", event.returned)?,
            outcome,
            tx,
        })
    }

    /// The transaction of the latest log with these topics.
    async fn latest_log(&self, contract: Address, topics: &serde_json::Value) -> Result<Option<TxHash>, ChainError> {
        let logs = self.search(contract, topics, super::read::Search::Latest).await?;
        let latest = logs.iter().max_by_key(|log| (log.block_number, log.log_index));
        Ok(latest.and_then(|log| log.transaction_hash).map(|hash| TxHash::from_bytes(hash.0)))
    }
}

fn decode(log: &Log) -> Option<Intents::IntentExecuted> {
    Intents::IntentExecuted::decode_log(&log.inner).ok().map(|decoded| decoded.data)
}
