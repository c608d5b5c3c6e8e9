//! Setting a network up: contracts, nodes, the first committee, and test money.
//!
//! Each function stands alone and is one or a few transactions; it returns when they are in a block.
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

use std::sync::Arc;

use alloy::{
    primitives::{Bytes, U256},
    sol_types::{SolCall, SolConstructor},
};
use floe_protocol::{
    Epoch, NodeId, bls,
    message::{Message as _, ProofOfPossession},
};
use floe_redstuff::ShardIndex;

use crate::{
    Address, ChainError, ContractAddresses, EventKind, Wallet,
    bindings::{Blobs, Committee, FloeToken, TestStablecoin},
    evm::convert::words,
    follow,
    rpc::Rpc,
    send::{Call, Mined, Sender},
};

/// The rules and prices of a new network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        }
    }
}

/// Creates the contracts of a new network, with test money as its payment token. All FLOE goes to the wallet, which
/// also becomes the owner that may [`launch`].
///
/// # Errors
/// As any transaction: [`ChainError::InsufficientFunds`], [`ChainError::Reverted`] (a rule is out of range),
/// [`ChainError::Unreachable`] and others.
pub async fn deploy(rpc_url: &str, wallet: &Wallet, options: &DeployOptions) -> Result<ContractAddresses, ChainError> {
    let setup = Setup::new(rpc_url, wallet).await?;
    let owner = wallet.address().evm();
    let floe = FloeToken::constructorCall { holder: owner };
    let (floe_token, first_block) = setup.create(&FloeToken::BYTECODE, &floe).await?;
    let (payment_token, _) = setup.create(&TestStablecoin::BYTECODE, &TestStablecoin::constructorCall {}).await?;
    let rules = Committee::constructorCall {
        owner_: owner,
        nShards_: options.n_shards,
        epochDuration_: options.epoch_duration_secs,
    };
    let (committee, _) = setup.create(&Committee::BYTECODE, &rules).await?;
    let prices = Blobs::constructorCall {
        committee_: committee.evm(),
        paymentToken_: payment_token.evm(),
        storagePrice_: U256::from(options.storage_price),
        writePrice_: U256::from(options.write_price),
        maxEpochsAhead_: options.max_epochs_ahead,
    };
    let (blobs, _) = setup.create(&Blobs::BYTECODE, &prices).await?;
    Ok(ContractAddresses { committee, blobs, payment_token, floe_token, first_block })
}

/// Registers a storage node for an account, which pays the gas. The proof that the BLS key is known is made here.
///
/// # Errors
/// [`ChainError::Reverted`] if the account or the key has a node already, or a text is empty or too long.
pub async fn register_node(
    rpc_url: &str,
    contracts: &ContractAddresses,
    account: &Wallet,
    key: &bls::SecretKey,
    name: &str,
    url: &str,
) -> Result<NodeId, ChainError> {
    let setup = Setup::new(rpc_url, account).await?;
    let epoch = setup.rpc.call("currentEpoch", contracts.committee, &Committee::currentEpochCall {}).await?;
    let public_key = key.public_key();
    let proof = ProofOfPossession {
        epoch: Epoch(epoch),
        account: *account.address().as_bytes(),
        public_key,
        chain_id: setup.chain_id,
        registry: *contracts.committee.as_bytes(),
    };
    let call = Committee::registerNodeCall {
        name: name.to_owned(),
        url: url.to_owned(),
        publicKey: words(&public_key.to_eip2537()),
        proofOfPossession: words(&proof.sign(key).signature().to_eip2537()),
    };
    let mined = setup.call(contracts.committee, &call).await?;
    for log in &mined.receipt.logs {
        let event = follow::decode(log, contracts)?;
        if let Some(EventKind::NodeRegistered { node_id, .. }) = event.map(|event| event.kind) {
            return Ok(node_id);
        }
    }
    Err(ChainError::BadAnswer { method: "registerNode", detail: "no event in the receipt".to_owned() })
}

/// Announces that a node answers elsewhere. Only the node's account may.
///
/// # Errors
/// [`ChainError::Reverted`] for another account, an unknown node, or an address that is empty or too long.
pub async fn set_node_url(
    rpc_url: &str,
    contracts: &ContractAddresses,
    account: &Wallet,
    node: NodeId,
    url: &str,
) -> Result<(), ChainError> {
    let setup = Setup::new(rpc_url, account).await?;
    let call = Committee::setNodeUrlCall { nodeId: U256::from_be_bytes(*node.as_bytes()), url: url.to_owned() };
    setup.call(contracts.committee, &call).await.map(drop)
}

/// Names the first committee and begins epoch 1. The owner may once.
///
/// Each node comes with its shards; every shard of the network must be there exactly once. Any order will do.
///
/// # Errors
/// [`ChainError::InvalidArgument`] for a shard that is missing, there twice or out of range, [`ChainError::Reverted`]
/// otherwise.
pub async fn launch(
    rpc_url: &str,
    contracts: &ContractAddresses,
    owner: &Wallet,
    nodes: &[(NodeId, Vec<ShardIndex>)],
) -> Result<(), ChainError> {
    let setup = Setup::new(rpc_url, owner).await?;
    let n_shards = setup.rpc.call("nShards", contracts.committee, &Committee::nShardsCall {}).await?;
    let mut seats: Vec<&(NodeId, Vec<ShardIndex>)> = nodes.iter().collect();
    seats.sort_by_key(|(id, _)| *id);
    let call = Committee::launchCall {
        nodeIds: seats.iter().map(|(id, _)| U256::from_be_bytes(*id.as_bytes())).collect(),
        shardOwners: shard_owners(n_shards, &seats)?.into(),
    };
    setup.call(contracts.committee, &call).await.map(drop)
}

/// For each shard the position of its owner, two bytes big-endian.
fn shard_owners(n_shards: u16, seats: &[&(NodeId, Vec<ShardIndex>)]) -> Result<Vec<u8>, ChainError> {
    let invalid = |detail: String| ChainError::InvalidArgument { detail };
    let mut owners: Vec<Option<u16>> = vec![None; usize::from(n_shards)];
    for (position, (_, shards)) in seats.iter().enumerate() {
        let position = u16::try_from(position).map_err(|_| invalid(format!("{} nodes are too many", seats.len())))?;
        for shard in shards {
            let owner = owners
                .get_mut(usize::from(shard.get()))
                .ok_or_else(|| invalid(format!("shard {shard} does not exist: there are {n_shards}")))?;
            if owner.replace(position).is_some() {
                return Err(invalid(format!("shard {shard} is given out twice")));
            }
        }
    }
    let mut bytes = Vec::with_capacity(2 * owners.len());
    for (shard, owner) in owners.into_iter().enumerate() {
        let owner = owner.ok_or_else(|| invalid(format!("shard {shard} belongs to no node")))?;
        bytes.extend(owner.to_be_bytes());
    }
    Ok(bytes)
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
        let rpc = Rpc::new(rpc_url)?;
        let chain_id = rpc.chain_id().await?;
        let poll = std::time::Duration::from_millis(if rpc.is_local() { 50 } else { 1000 });
        let sender = Sender::new(rpc.clone(), wallet.clone(), chain_id, 0, poll);
        Ok(Self { rpc, chain_id, sender })
    }

    async fn call(&self, to: Address, call: &impl SolCall) -> Result<Mined, ChainError> {
        self.sender.send(&Call::contract(to, call)).await
    }

    /// Creates a contract; its address and the block it is in.
    async fn create(&self, code: &[u8], arguments: &impl SolConstructor) -> Result<(Address, u64), ChainError> {
        let data = [code, &arguments.abi_encode()].concat().into();
        let mined = self.sender.send(&Call { to: None, data, value: 0 }).await?;
        let created = mined.receipt.contract_address.ok_or_else(|| ChainError::BadAnswer {
            method: "eth_getTransactionReceipt",
            detail: "no address of the created contract".to_owned(),
        })?;
        Ok((Address::from_evm(created), mined.receipt.block_number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(shards: &[&[u16]]) -> Vec<(NodeId, Vec<ShardIndex>)> {
        let nodes = (1..).zip(shards);
        nodes.map(|(n, s)| (NodeId::from_number(n), s.iter().map(|i| ShardIndex::new(*i)).collect())).collect()
    }

    fn owners(n_shards: u16, shards: &[&[u16]]) -> Result<Vec<u8>, ChainError> {
        let seats = seats(shards);
        shard_owners(n_shards, &seats.iter().collect::<Vec<_>>())
    }

    #[test]
    fn shards_are_written_in_their_order() {
        assert_eq!(owners(4, &[&[3, 0], &[1, 2]]).unwrap(), [0, 0, 0, 1, 0, 1, 0, 0]);
    }

    #[test]
    fn missing_doubled_and_foreign_shards_are_refused() {
        for shards in [&[&[0, 1][..], &[3]], &[&[0, 1], &[1, 2]], &[&[0, 1], &[2, 4]]] {
            assert!(matches!(owners(4, shards), Err(ChainError::InvalidArgument { .. })));
        }
    }
}
