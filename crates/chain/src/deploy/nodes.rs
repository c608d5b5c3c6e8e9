//! Storage nodes: how they enter the registry, and stake.

use alloy::primitives::{U256, aliases::U96};
use floe_protocol::{
    Epoch, NodeId, bls,
    message::{Message as _, ProofOfPossession},
};

use super::Setup;
use crate::{
    Address, ChainError, ContractAddresses, EventKind, Wallet,
    bindings::{Epochs, FloeToken, Nodes, Staking},
    evm::convert::words,
    follow,
};

/// What a node would like the network's terms to be; amounts in the payment token's smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeVotes {
    /// Encoded bytes that this node alone can hold.
    pub capacity_bytes: u64,
    /// Price per MiB of encoded length and epoch.
    pub storage_price: u128,
    /// Price per MiB of encoded length, once.
    pub write_price: u128,
}

impl Default for NodeVotes {
    /// A tebibyte, and the prices of [`DeployOptions`](super::DeployOptions).
    fn default() -> Self {
        let prices = super::DeployOptions::default();
        Self { capacity_bytes: 1 << 40, storage_price: prices.storage_price, write_price: prices.write_price }
    }
}

impl NodeVotes {
    pub(crate) fn encoded(self) -> Result<Nodes::Votes, ChainError> {
        Ok(Nodes::Votes {
            capacity: self.capacity_bytes,
            storagePrice: narrow("storage price", self.storage_price)?,
            writePrice: narrow("write price", self.write_price)?,
        })
    }
}

/// How a node presents itself, and on which terms it works.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewNode {
    /// What people call it.
    pub name: String,
    /// Where it answers.
    pub url: String,
    /// The key of its transport; may be empty.
    pub network_key: Vec<u8>,
    /// A URI or a JSON text; may be empty.
    pub metadata: String,
    /// Its part of its pool's rewards, in basis points.
    pub commission_bps: u16,
    /// Its first votes.
    pub votes: NodeVotes,
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
    node: &NewNode,
) -> Result<NodeId, ChainError> {
    let setup = Setup::new(rpc_url, account).await?;
    let epoch = setup.rpc.call("currentEpoch", contracts.epochs, &Epochs::currentEpochCall {}).await?;
    let proof = possession(key, account.address(), Epoch(epoch), setup.chain_id, contracts.nodes);
    let call = registration(node, key, &proof)?;
    let mined = setup.call(contracts.nodes, &call).await?;
    for log in &mined.receipt.logs {
        let event = follow::decode(log, contracts)?;
        if let Some(EventKind::NodeRegistered { node_id, .. }) = event.map(|event| event.kind) {
            return Ok(node_id);
        }
    }
    Err(ChainError::BadAnswer { method: "registerNode", detail: "no event in the receipt".to_owned() })
}

/// The proof that a key is known, which names the account and the epoch.
pub(crate) fn possession(
    key: &bls::SecretKey,
    account: Address,
    epoch: Epoch,
    chain_id: u64,
    registry: Address,
) -> bls::Signature {
    let (account, registry) = (*account.as_bytes(), *registry.as_bytes());
    let proof = ProofOfPossession { epoch, account, public_key: key.public_key(), chain_id, registry };
    *proof.sign(key).signature()
}

/// The call that registers a node.
pub(crate) fn registration(
    node: &NewNode,
    key: &bls::SecretKey,
    proof: &bls::Signature,
) -> Result<Nodes::registerNodeCall, ChainError> {
    Ok(Nodes::registerNodeCall {
        description: Nodes::Description {
            name: node.name.clone(),
            url: node.url.clone(),
            networkKey: node.network_key.clone().into(),
            metadata: node.metadata.clone(),
        },
        publicKey: words(&key.public_key().to_eip2537()),
        proofOfPossession: words(&proof.to_eip2537()),
        commissionBps: node.commission_bps,
        terms: node.votes.encoded()?,
    })
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
    let call = Nodes::setNodeUrlCall { nodeId: U256::from_be_bytes(*node.as_bytes()), url: url.to_owned() };
    setup.call(contracts.nodes, &call).await.map(drop)
}

/// Stakes FLOE of the wallet with some nodes, as much with each. It counts from the next epoch on whose committee is not
/// selected yet.
///
/// # Errors
/// [`ChainError::InsufficientFunds`], or [`ChainError::Reverted`] for less than one FLOE or an unknown node.
pub async fn stake(
    rpc_url: &str,
    contracts: &ContractAddresses,
    from: &Wallet,
    nodes: &[NodeId],
    amount: u128,
) -> Result<(), ChainError> {
    let setup = Setup::new(rpc_url, from).await?;
    let approve = FloeToken::approveCall {
        spender: contracts.staking.evm(),
        value: U256::from(amount) * U256::from(nodes.len()),
    };
    setup.call(contracts.floe_token, &approve).await?;
    let amount = narrow("stake", amount)?;
    for node in nodes {
        let call = Staking::stakeCall { nodeId: U256::from_be_bytes(*node.as_bytes()), amount };
        setup.call(contracts.staking, &call).await?;
    }
    Ok(())
}

/// An amount as the contracts keep it, in 96 bits.
fn narrow(what: &str, amount: u128) -> Result<U96, ChainError> {
    U96::try_from(amount).map_err(|_| ChainError::InvalidArgument { detail: format!("{what}: {amount} is too much") })
}
