//! Setting a network up: contracts, nodes, the first committee, and test money.
//!
//! Each function stands alone and is one or a few transactions; it returns when they are in a block. A [`Deployment`]
//! is taken step by step, and can be gone on with after an interruption.
//!
//! ```no_run
//! use floe_chain::{Wallet, deploy::{self, DeployOptions}};
//!
//! # async fn example() -> Result<(), floe_chain::ChainError> {
//! let owner = Wallet::from_key_file("owner.key")?;
//! let contracts = deploy::deploy("http://127.0.0.1:8545", &owner, &DeployOptions::default()).await?;
//! deploy::mint_test_money("http://127.0.0.1:8545", &contracts, &owner, owner.address(), 1_000_000_000).await?;
//! # Ok(())
//! # }
//! ```

mod nodes;
mod plan;
mod steps;

use std::sync::Arc;

use alloy::{
    primitives::{Bytes, U256},
    sol_types::SolCall,
};
use serde::{Deserialize, Serialize};

pub use self::nodes::{NewNode, NodeVotes, register_node, set_node_url, stake};
pub(crate) use self::nodes::{possession, registration};
pub use self::steps::{DeployRecord, DeployStep, Deployment, Quote};
use crate::{
    Address, ChainError, ContractAddresses, Wallet,
    bindings::{Epochs, FloeToken, TestStablecoin},
    rpc::Rpc,
    send::{Call, Mined, Sender},
};

/// The rules and prices of a new network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployOptions {
    /// Number of shards of every blob; at least 4.
    pub n_shards: u16,
    /// How long an epoch lasts at least, in seconds.
    pub epoch_duration_secs: u64,
    /// Smallest units of the payment token per MiB of encoded length and epoch.
    pub storage_price: u128,
    /// Smallest units of the payment token per MiB of encoded length, once.
    pub write_price: u128,
    /// How many epochs can be paid for ahead at most.
    pub max_epochs_ahead: u32,
    /// The ERC-20 token that storage is paid in. `None`: test money, of which anyone can make any amount.
    pub payment_token: Option<Address>,
    /// How much of what is paid for storage is burned, in basis points.
    pub burn_basis_points: u16,
}

impl Default for DeployOptions {
    /// 100 shards, epochs of a day, and prices that one sees in a balance without running out of test money.
    fn default() -> Self {
        Self {
            n_shards: 100,
            epoch_duration_secs: 24 * 60 * 60,
            storage_price: 100,
            write_price: 200,
            max_epochs_ahead: 53,
            payment_token: None,
            burn_basis_points: 0,
        }
    }
}

/// Creates the contracts of a new network. All FLOE goes to the wallet, which is also the one that may [`launch`].
///
/// # Errors
/// As any transaction: [`ChainError::InsufficientFunds`], [`ChainError::Reverted`] (a rule is out of range),
/// [`ChainError::Unreachable`] and others.
pub async fn deploy(rpc_url: &str, wallet: &Wallet, options: &DeployOptions) -> Result<ContractAddresses, ChainError> {
    let mut deployment = Deployment::begin(rpc_url, wallet, options).await?;
    while deployment.step().await?.is_some() {}
    deployment.contracts().await
}

/// Selects the first committee from the stake of the registered nodes, and begins epoch 1. The wallet that deployed may
/// once.
///
/// # Errors
/// [`ChainError::Reverted`] for another account, a second time, or if no node has stake.
pub async fn launch(rpc_url: &str, contracts: &ContractAddresses, owner: &Wallet) -> Result<(), ChainError> {
    let setup = Setup::new(rpc_url, owner).await?;
    setup.call(contracts.epochs, &Epochs::launchCall {}).await.map(drop)
}

/// Creates test money, which anyone can, on a network whose payment token is the test coin.
///
/// # Errors
/// [`ChainError::Reverted`] if the payment token is another one.
pub async fn mint_test_money(
    rpc_url: &str,
    contracts: &ContractAddresses,
    payer: &Wallet,
    to: Address,
    amount: u128,
) -> Result<(), ChainError> {
    let setup = Setup::new(rpc_url, payer).await?;
    let call = TestStablecoin::mintCall { account: to.evm(), amount: U256::from(amount) };
    setup.call(contracts.payment_token, &call).await.map(drop)
}

/// Sends some of the wallet's FLOE.
///
/// # Errors
/// [`ChainError::InsufficientFunds`] with the amounts.
pub async fn send_floe(
    rpc_url: &str,
    contracts: &ContractAddresses,
    from: &Wallet,
    to: Address,
    amount: u128,
) -> Result<(), ChainError> {
    let setup = Setup::new(rpc_url, from).await?;
    let call = FloeToken::transferCall { to: to.evm(), value: U256::from(amount) };
    setup.call(contracts.floe_token, &call).await.map(drop)
}

/// Sends some of the chain's own coin, so that the receiver can pay for gas.
///
/// # Errors
/// [`ChainError::InsufficientFunds`] with the amounts.
pub async fn send_native(rpc_url: &str, from: &Wallet, to: Address, wei: u128) -> Result<(), ChainError> {
    let setup = Setup::new(rpc_url, from).await?;
    setup.sender.send(&Call { to: Some(to), data: Bytes::new(), value: wei }).await.map(drop)
}

/// A connection for a few transactions.
struct Setup {
    rpc: Rpc,
    chain_id: u64,
    sender: Arc<Sender>,
}

impl Setup {
    async fn new(rpc_url: &str, wallet: &Wallet) -> Result<Self, ChainError> {
        let rpc = Rpc::single(rpc_url)?;
        let chain_id = rpc.expect_chain(None).await?;
        let poll = std::time::Duration::from_millis(if rpc.is_local() { 50 } else { 1000 });
        let sender = Sender::new(rpc.clone(), wallet.clone(), chain_id, 0, poll);
        Ok(Self { rpc, chain_id, sender })
    }

    async fn call(&self, to: Address, call: &impl SolCall) -> Result<Mined, ChainError> {
        self.sender.send(&Call::contract(to, call)).await
    }
}
