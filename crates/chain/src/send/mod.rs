//! Transactions: priced, numbered, sent, and followed until they are done.
//!
//! One account's transactions are ordered by nonce. The wallet keeps the next free one; it is taken and the
//! transaction handed to the endpoint under one lock, so that the endpoint sees them in order, while any number wait
//! for their blocks. What comes while the lock is held goes to the endpoint together, in one message: some endpoints
//! (the embedded chain among them) answer only when the block is made. Whatever makes the number doubtful (another
//! program with the same account, an endpoint that lost its memory) drops it, and it is asked for again.

mod answer;
mod fees;
mod gas;
mod outbox;
mod pending;
mod receipts;

use std::{sync::Arc, time::Duration};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    eips::eip2718::Encodable2718 as _,
    primitives::{B256, Bytes, Signature, TxKind, U64, U256},
};
use serde_json::{Value, json};

use self::{
    answer::Answer,
    fees::{FeeCache, Fees},
    gas::GasBook,
    outbox::Outbox,
    receipts::Receipts,
};
use crate::{
    Address, ChainError, TxHash, Wallet, revert,
    rpc::{Failure, Receipt, Rpc},
};

/// Gas is estimated on the state before the transaction; others may come first and make it dearer.
const GAS_MARGIN_PERCENT: u64 = 25;
const GAS_MARGIN: u64 = 10_000;
/// How often a transaction may be displaced before that is an error.
const DISPLACED_TRIES_MAX: u32 = 8;

/// Name of the failure of a transaction that used all its gas.
const OUT_OF_GAS: &str = "OutOfGas";

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
    gas: GasBook,
    outbox: Outbox,
    receipts: Receipts,
}

/// A signed transaction.
#[derive(Debug)]
struct Signed {
    hash: B256,
    raw: Bytes,
    nonce: u64,
    gas: u64,
    fees: Fees,
}

impl Sender {
    pub(crate) fn new(rpc: Rpc, wallet: Wallet, chain_id: u64, confirmations: u64, poll: Duration) -> Arc<Self> {
        let (fees, gas, outbox, receipts) = Default::default();
        Arc::new(Self { rpc, wallet, chain_id, confirmations, poll, fees, gas, outbox, receipts })
    }

    pub(crate) fn address(&self) -> Address {
        self.wallet.address()
    }

    /// Sends and waits until it is done. What was displaced by another program's transaction did not happen, so it is
    /// sent again; so is what ran out of the gas that calls of its kind have needed so far.
    pub(crate) async fn send(self: &Arc<Self>, call: &Call) -> Result<Mined, ChainError> {
        let mut tries = 0;
        loop {
            let known = self.gas.known(call);
            let gas = match known {
                Some(gas) => gas,
                None => self.estimate(call).await?,
            };
            let outcome = match self.submit(call, gas).await {
                Ok((signed, _under_way)) => self.follow(call, signed).await,
                Err(error) => Err(error),
            };
            tries += 1;
            match outcome {
                Ok(mined) => {
                    if known.is_none() {
                        self.gas.succeeded(call, gas);
                    }
                    return Ok(mined);
                }
                Err(ChainError::Displaced { tx, nonce }) if tries < DISPLACED_TRIES_MAX => {
                    tracing::info!(%tx, nonce, "displaced by another transaction: sending again");
                }
                Err(error) => {
                    self.gas.failed(call);
                    let short_of_gas = matches!(&error, ChainError::Reverted { name, .. } if name == OUT_OF_GAS);
                    if known.is_none() || !short_of_gas {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Gas needed, with the margin.
    async fn estimate(&self, call: &Call) -> Result<u64, ChainError> {
        let gas = self.simulate(call).await?;
        Ok(gas.saturating_add(gas / 100 * GAS_MARGIN_PERCENT).saturating_add(GAS_MARGIN))
    }

    /// Gas needed on the state before the transaction. This is where most reverts show, before anything was paid.
    pub(crate) async fn simulate(&self, call: &Call) -> Result<u64, ChainError> {
        let method = "eth_estimateGas";
        let params = json!([call.request(self.address()), "pending"]);
        match self.rpc.patiently::<U64>(method, params).await {
            Ok(gas) => Ok(gas.to::<u64>()),
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

    /// Most that is offered for a unit of gas now, in wei.
    pub(crate) async fn max_fee(&self) -> Result<u128, ChainError> {
        self.fees.current(&self.rpc).await.map(|fees| fees.max_fee)
    }

    pub(crate) async fn native_balance(&self) -> Result<u128, ChainError> {
        let params = json!([self.address().evm(), "latest"]);
        self.rpc.get::<U256>("eth_getBalance", params).await.map(revert::clamp)
    }

    /// Signs a hash that is no transaction's, such as that of an EIP-712 message.
    pub(crate) fn sign_hash(&self, hash: &B256) -> Result<Signature, ChainError> {
        self.wallet.sign(hash)
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
