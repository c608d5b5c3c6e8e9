//! Transactions: priced, numbered, sent, and followed until they are done.
//!
//! One account's transactions are ordered by nonce. The wallet keeps the next free one; it is taken and the
//! transaction handed to the endpoint under one lock, so that the endpoint sees them in order, while any number wait
//! for their blocks. Whatever makes the number doubtful (another program with the same account, an endpoint that lost
//! its memory) drops it, and it is asked for again.

mod answer;
mod fees;
mod pending;

use std::time::Duration;

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    eips::eip2718::Encodable2718 as _,
    primitives::{B256, Bytes, TxKind, U64, U256},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::{
    answer::Answer,
    fees::{FeeCache, Fees},
};
use crate::{
    Address, ChainError, TxHash, Wallet, revert,
    rpc::{Backoff, Failure, PATIENCE, Receipt, Rpc},
    wallet::UnderWay,
};

/// Gas is estimated on the state before the transaction; others may come first and make it dearer.
const GAS_MARGIN_PERCENT: u64 = 25;
const GAS_MARGIN: u64 = 10_000;
/// Rounds of finding a free nonce before giving up; each loss means that another program won one.
const NONCE_ROUNDS_MAX: u32 = 64;
/// How often a transaction may be displaced before that is an error.
const DISPLACED_TRIES_MAX: u32 = 8;

/// Stands for the payment token in [`ChainError::InsufficientFunds`] until its symbol is looked up.
pub(crate) const TOKEN: &str = "the payment token";

/// What a transaction does.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// `None`: creates a contract.
    pub(crate) to: Option<Address>,
    pub(crate) data: Bytes,
    pub(crate) value: u128,
}

impl Call {
    pub(crate) fn contract(to: Address, call: &impl alloy::sol_types::SolCall) -> Self {
        Self { to: Some(to), data: call.abi_encode().into(), value: 0 }
    }

    fn request(&self, from: Address) -> Value {
        let mut request = json!({ "from": from.evm(), "data": self.data, "value": U256::from(self.value) });
        if let (Some(to), Some(fields)) = (self.to, request.as_object_mut()) {
            fields.insert("to".to_owned(), json!(to.evm()));
        }
        request
    }
}

/// A transaction in a block, successful and deep enough.
#[derive(Debug, Clone)]
pub(crate) struct Mined {
    pub(crate) tx: TxHash,
    pub(crate) receipt: Receipt,
}

/// Sends for one wallet on one chain.
pub(crate) struct Sender {
    rpc: Rpc,
    wallet: Wallet,
    chain_id: u64,
    confirmations: u64,
    poll: Duration,
    fees: FeeCache,
}

/// A signed transaction.
struct Signed {
    hash: B256,
    raw: Bytes,
    nonce: u64,
    gas: u64,
    fees: Fees,
}

impl Sender {
    pub(crate) fn new(rpc: Rpc, wallet: Wallet, chain_id: u64, confirmations: u64, poll: Duration) -> Self {
        Self { rpc, wallet, chain_id, confirmations, poll, fees: FeeCache::default() }
    }

    pub(crate) fn address(&self) -> Address {
        self.wallet.address()
    }

    /// Sends and waits until it is done. What was displaced by another program's transaction did not happen, so it is
    /// sent again.
    pub(crate) async fn send(&self, call: &Call) -> Result<Mined, ChainError> {
        let mut tries = 0;
        loop {
            let gas = self.estimate(call).await?;
            let (signed, _under_way) = self.submit(call, gas).await?;
            tries += 1;
            match self.follow(call, signed).await {
                Err(ChainError::Displaced { tx, nonce }) if tries < DISPLACED_TRIES_MAX => {
                    tracing::info!(%tx, nonce, "displaced by another transaction: sending again");
                }
                outcome => return outcome,
            }
        }
    }

    /// Gas needed, with the margin. This is where most reverts show, before anything was paid.
    async fn estimate(&self, call: &Call) -> Result<u64, ChainError> {
        let method = "eth_estimateGas";
        let params = json!([call.request(self.address()), "pending"]);
        match self.rpc.patiently::<U64>(method, params).await {
            Ok(gas) => {
                let gas = gas.to::<u64>();
                Ok(gas.saturating_add(gas / 100 * GAS_MARGIN_PERCENT).saturating_add(GAS_MARGIN))
            }
            Err(failure) => Err(self.refusal(method, failure, call, 0).await),
        }
    }

    /// The error behind a refused transaction.
    async fn refusal(&self, method: &'static str, failure: Failure, call: &Call, gas_cost: u128) -> ChainError {
        if let Failure::Refused(payload) = &failure
            && answer::of(&payload.message) == Answer::InsufficientFunds
            && let Ok(available) = self.native_balance().await
        {
            return ChainError::InsufficientFunds {
                asset: "the native coin".to_owned(),
                account: self.address(),
                needed: call.value.saturating_add(gas_cost),
                available,
            };
        }
        match failure.revert_data() {
            Some(data) => self.reverted(&data),
            None => self.rpc.error(method, failure),
        }
    }

    fn reverted(&self, data: &[u8]) -> ChainError {
        let reverted = revert::decode(data);
        match reverted.short_of {
            Some(short) => ChainError::InsufficientFunds {
                asset: TOKEN.to_owned(),
                account: self.address(),
                needed: short.needed,
                available: short.available,
            },
            None => ChainError::Reverted { name: reverted.name, detail: reverted.detail },
        }
    }

    pub(crate) async fn native_balance(&self) -> Result<u128, ChainError> {
        let params = json!([self.address().evm(), "latest"]);
        self.rpc.get::<U256>("eth_getBalance", params).await.map(revert::clamp)
    }

    /// Takes the next nonce and hands the transaction to the endpoint.
    async fn submit(&self, call: &Call, gas: u64) -> Result<(Signed, UnderWay), ChainError> {
        let deadline = Instant::now() + PATIENCE;
        let queue = self.wallet.nonce_queue(self.chain_id);
        let mut fees = self.fees.current(&self.rpc).await?;
        let mut order = queue.lock().await;
        let mut at_least = 0;
        let mut pause = Backoff::default();
        for _ in 0..NONCE_ROUNDS_MAX {
            // Taken: if this task is dropped before the endpoint has answered, nobody relies on it.
            let nonce = match order.take() {
                Some(nonce) => nonce,
                None => self.transaction_count("pending").await?.max(at_least),
            };
            let signed = self.sign(call, nonce, gas, fees)?;
            match self.broadcast(&signed, deadline).await {
                Ok(()) => {
                    order.expect_next(nonce.saturating_add(1));
                    return Ok((signed, order.begin()));
                }
                Err(failure) => {
                    let answer = match &failure {
                        Failure::Refused(payload) => answer::of(&payload.message),
                        _ => Answer::Other,
                    };
                    tracing::debug!(nonce, ?answer, ?failure, "transaction not taken");
                    match answer {
                        Answer::NonceTaken => at_least = nonce.saturating_add(1),
                        // The endpoint has not seen an earlier one yet, or has forgotten it.
                        Answer::NonceTooHigh => {
                            at_least = 0;
                            pause.wait().await;
                        }
                        Answer::FeeTooLow => fees = self.fees.raised(&self.rpc, fees).await?,
                        Answer::Known | Answer::InsufficientFunds | Answer::Other => {
                            let gas_cost = fees.max_cost(gas);
                            return Err(self.refusal("eth_sendRawTransaction", failure, call, gas_cost).await);
                        }
                    }
                }
            }
        }
        Err(ChainError::Rpc {
            method: "eth_sendRawTransaction",
            rpc_code: 0,
            message: format!("no free nonce found in {NONCE_ROUNDS_MAX} tries"),
        })
    }

    /// Hands over one signed transaction. It has the same hash every time, so asking again is harmless.
    async fn broadcast(&self, signed: &Signed, deadline: Instant) -> Result<(), Failure> {
        let mut pause = Backoff::default();
        let mut may_be_there = false;
        loop {
            let outcome = self.rpc.once::<B256>("eth_sendRawTransaction", json!([signed.raw])).await;
            let failure = match outcome {
                Ok(_) => return Ok(()),
                Err(failure) => failure,
            };
            match &failure {
                Failure::Refused(payload) => match answer::of(&payload.message) {
                    Answer::Known => return Ok(()),
                    Answer::NonceTaken if may_be_there && self.is_known(signed.hash).await => return Ok(()),
                    _ if !failure.is_transient() => return Err(failure),
                    _ => {}
                },
                Failure::Transport(_) => may_be_there = true,
                Failure::Unreadable(_) => return Err(failure),
            }
            if Instant::now() >= deadline {
                return Err(failure);
            }
            pause.wait().await;
        }
    }

    async fn is_known(&self, hash: B256) -> bool {
        let found = self.rpc.patiently::<Option<Value>>("eth_getTransactionByHash", json!([hash])).await;
        matches!(found, Ok(Some(_)))
    }

    async fn transaction_count(&self, block: &str) -> Result<u64, ChainError> {
        let params = json!([self.address().evm(), block]);
        self.rpc.get::<U64>("eth_getTransactionCount", params).await.map(|count| count.to())
    }

    fn sign(&self, call: &Call, nonce: u64, gas: u64, fees: Fees) -> Result<Signed, ChainError> {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: fees.max_fee,
            max_priority_fee_per_gas: fees.tip,
            to: call.to.map_or(TxKind::Create, |to| TxKind::Call(to.evm())),
            value: U256::from(call.value),
            access_list: Default::default(),
            input: call.data.clone(),
        };
        let signature = self.wallet.sign(&transaction.signature_hash())?;
        let transaction = transaction.into_signed(signature);
        Ok(Signed { hash: *transaction.hash(), raw: transaction.encoded_2718().into(), nonce, gas, fees })
    }
}
