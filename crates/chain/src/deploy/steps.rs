//! A deployment, one transaction after the other.
//!
//! What was done is on the chain, so nothing has to be remembered but how it began. The first transaction creates the
//! deployer, which names the plan that it is for; it is found again among the contracts that the account has created
//! since. Each further one creates one contract and says which, so that one that was sent before an interruption and
//! one that is sent after it do not both happen.

use std::time::Duration;

use alloy::primitives::{B256, Bytes, U64, U256, keccak256};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{
    DeployOptions, Setup,
    plan::{self, Plan},
};
use crate::{
    Address, ChainError, ContractAddresses, TxHash, Wallet,
    bindings::{Deployer, FloeToken},
    rpc::Header,
    send::{Call, Mined},
};

/// How long transactions of before an interruption are waited for.
const SETTLE: Duration = Duration::from_secs(60);
const SETTLE_PAUSE: Duration = Duration::from_millis(500);

/// How a deployment began: with it, it can be gone on with. It never changes; keep it before the first step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployRecord {
    /// The chain.
    pub chain_id: u64,
    /// Who deploys.
    pub account: Address,
    /// The account's nonce when it began.
    pub first_nonce: u64,
    /// The latest block when it began.
    pub first_block: u64,
    /// The rules of the network.
    pub options: DeployOptions,
    /// Stands for all of the above and the code of the contracts, as 64 hex digits.
    pub plan: String,
}

/// A transaction of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployStep {
    /// How many steps there were before.
    pub index: usize,
    /// What was created.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// By which transaction.
    pub tx: TxHash,
    /// What it took.
    pub gas_used: u64,
    /// What was paid for it, in wei; 0 where the endpoint does not say.
    pub cost_wei: u128,
}

/// What a deployment has to reckon with at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// What the chain asks for gas, in wei.
    pub gas_price_wei: u128,
    /// What the account holds, in wei.
    pub balance_wei: u128,
}

/// A deployment under way.
pub struct Deployment {
    setup: Setup,
    record: DeployRecord,
    plan_id: B256,
    deployer: Option<Address>,
    /// The block of the last creation, if it happened here.
    last_block: Option<u64>,
}

impl Deployment {
    /// Prepares a deployment, and sends nothing yet.
    ///
    /// # Errors
    /// [`ChainError::InvalidArgument`] if the payment token is none, or [`ChainError::Unreachable`] and others.
    pub async fn begin(rpc_url: &str, wallet: &Wallet, options: &DeployOptions) -> Result<Self, ChainError> {
        let setup = Setup::new(rpc_url, wallet).await?;
        if let Some(token) = options.payment_token {
            let no_token = |detail| ChainError::InvalidArgument { detail: format!("payment token {token}: {detail}") };
            let decimals = setup.rpc.call("decimals", token, &FloeToken::decimalsCall {}).await;
            let decimals = decimals.map_err(|error| no_token(error.to_string()))?;
            if decimals != 6 && decimals != 18 {
                return Err(no_token(format!("it has {decimals} decimals, expected 6 or 18")));
            }
        }
        let first_nonce = setup.count("latest").await?;
        let latest: Header = setup.rpc.get("eth_getBlockByNumber", json!(["latest", false])).await?;
        let mut record = DeployRecord {
            chain_id: setup.chain_id,
            account: wallet.address(),
            first_nonce,
            first_block: latest.number,
            options: *options,
            plan: String::new(),
        };
        let plan_id = plan_id(&record);
        record.plan = hex::encode(plan_id);
        Ok(Self { setup, record, plan_id, deployer: None, last_block: None })
    }

    /// Goes on with a deployment.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`], or [`ChainError::InvalidArgument`] if it was begun by another account or by other
    /// software.
    pub async fn resume(rpc_url: &str, wallet: &Wallet, record: DeployRecord) -> Result<Self, ChainError> {
        let setup = Setup::new(rpc_url, wallet).await?;
        if setup.chain_id != record.chain_id {
            return Err(ChainError::WrongChain { got: setup.chain_id, expected: record.chain_id });
        }
        if wallet.address() != record.account {
            let detail = format!("the deployment was begun by {}, not by {}", record.account, wallet.address());
            return Err(ChainError::InvalidArgument { detail });
        }
        let plan_id = plan_id(&record);
        if record.plan != hex::encode(plan_id) {
            let detail = "the deployment was begun by another version of this software: go on with that one".to_owned();
            return Err(ChainError::InvalidArgument { detail });
        }
        Ok(Self { setup, record, plan_id, deployer: None, last_block: None })
    }

    /// How it began.
    #[must_use]
    pub fn record(&self) -> &DeployRecord {
        &self.record
    }

    /// How many steps it takes in all.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.plan(Address::from_bytes([0; 20])).len() + 1
    }

    /// How many steps are done.
    ///
    /// # Errors
    /// As any request.
    pub async fn done(&mut self) -> Result<usize, ChainError> {
        if self.deployer.is_none() {
            self.deployer = self.find_deployer().await?;
        }
        match self.deployer {
            Some(deployer) => Ok(self.created(deployer).await?.saturating_add(1)),
            None => Ok(0),
        }
    }

    /// The price of gas, and what there is to pay it with.
    ///
    /// # Errors
    /// As any request.
    pub async fn quote(&self) -> Result<Quote, ChainError> {
        let price = self.setup.rpc.get::<U256>("eth_gasPrice", json!([])).await?;
        let balance_wei = self.setup.sender.native_balance().await?;
        Ok(Quote { gas_price_wei: crate::revert::clamp(price), balance_wei })
    }

    /// The next transaction, in a block. `None`: everything is there.
    ///
    /// # Errors
    /// As any transaction. It may be taken again.
    pub async fn step(&mut self) -> Result<Option<DeployStep>, ChainError> {
        let deployer = match self.deployer {
            Some(deployer) => deployer,
            None => match self.find_deployer().await? {
                Some(found) => *self.deployer.insert(found),
                None => return self.create_deployer().await.map(Some),
            },
        };
        let plan = self.plan(deployer);
        loop {
            let created = self.created(deployer).await?;
            let Some(code) = plan.code(created) else { return Ok(None) };
            let call = Deployer::createCall { index: U256::from(created), code };
            match self.setup.call(deployer, &call).await {
                Ok(mined) => {
                    self.last_block = Some(mined.receipt.block_number);
                    let address = Address::from_evm(plan.address(created));
                    return Ok(Some(step(created + 1, plan.name(created), address, &mined)));
                }
                // One that was sent before an interruption was faster, or is about to be in a block.
                Err(ChainError::Reverted { name, .. }) if name == "NotNext" => tokio::time::sleep(SETTLE_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// The addresses of a network that is complete. Its events are looked for from the last creation on, if that
    /// happened here, else from the beginning of the deployment.
    ///
    /// # Errors
    /// [`ChainError::InvalidArgument`] if steps are missing.
    pub async fn contracts(&self) -> Result<ContractAddresses, ChainError> {
        let missing = || ChainError::InvalidArgument { detail: "the deployment is not complete".to_owned() };
        let deployer = self.deployer.ok_or_else(missing)?;
        let plan = self.plan(deployer);
        if self.created(deployer).await? < plan.len() {
            return Err(missing());
        }
        Ok(plan.addresses(self.last_block.unwrap_or(self.record.first_block)))
    }

    fn plan(&self, deployer: Address) -> Plan {
        Plan::new(deployer.evm(), self.record.account.evm(), &self.record.options)
    }

    async fn created(&self, deployer: Address) -> Result<usize, ChainError> {
        let created = self.setup.rpc.call("created", deployer, &Deployer::createdCall {}).await?;
        Ok(usize::try_from(created).unwrap_or(usize::MAX))
    }

    async fn create_deployer(&mut self) -> Result<DeployStep, ChainError> {
        let arguments = Deployer::constructorCall { owner_: self.record.account.evm(), plan_: self.plan_id };
        let data = plan::creation(&Deployer::BYTECODE, &arguments);
        let mined = self.setup.sender.send(&Call { to: None, data, value: 0 }).await?;
        let created = mined.receipt.contract_address.ok_or_else(|| ChainError::BadAnswer {
            method: "eth_getTransactionReceipt",
            detail: "no address of the created contract".to_owned(),
        })?;
        let deployer = *self.deployer.insert(Address::from_evm(created));
        Ok(step(0, "Deployer".to_owned(), deployer, &mined))
    }

    /// The deployer of this plan, if the account has created one. Of several, which only an interruption at the very
    /// beginning leaves, the one that was used.
    async fn find_deployer(&self) -> Result<Option<Address>, ChainError> {
        let deadline = Instant::now() + SETTLE;
        while self.setup.count("pending").await? > self.setup.count("latest").await? && Instant::now() < deadline {
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
        let mut unused = None;
        for nonce in self.record.first_nonce..self.setup.count("latest").await? {
            let candidate = Address::from_evm(self.record.account.evm().create(nonce));
            let code: Bytes = self.setup.rpc.get("eth_getCode", json!([candidate.evm(), "latest"])).await?;
            if code.is_empty() {
                continue;
            }
            match self.setup.rpc.call("plan", candidate, &Deployer::planCall {}).await {
                Ok(plan) if plan == self.plan_id => {
                    if self.created(candidate).await? > 0 {
                        return Ok(Some(candidate));
                    }
                    unused = Some(candidate);
                }
                // Another contract of the account's.
                Ok(_) | Err(ChainError::Reverted { .. } | ChainError::BadAnswer { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(unused)
    }
}

impl Setup {
    async fn count(&self, block: &str) -> Result<u64, ChainError> {
        let params = json!([self.sender.address().evm(), block]);
        self.rpc.get::<U64>("eth_getTransactionCount", params).await.map(|count| count.to())
    }
}

/// Not the same for any two deployments.
fn plan_id(record: &DeployRecord) -> B256 {
    let code = Plan::new(alloy::primitives::Address::ZERO, record.account.evm(), &record.options).digest();
    keccak256([code.as_slice(), &record.chain_id.to_be_bytes(), &record.first_nonce.to_be_bytes()].concat())
}

fn step(index: usize, name: String, address: Address, mined: &Mined) -> DeployStep {
    let (tx, gas_used) = (mined.tx, mined.receipt.gas_used);
    let price = mined.receipt.effective_gas_price.map_or(0, crate::revert::clamp);
    DeployStep { index, name, address, tx, gas_used, cost_wei: price.saturating_mul(gas_used.into()) }
}
