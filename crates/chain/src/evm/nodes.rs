//! Nodes: how they enter the registry, present themselves, vote on terms and are paid.

use alloy::primitives::U256;
use floe_protocol::{Epoch, NodeId, bls};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{EvmChain, Inner, convert};
use crate::{
    Address, ChainError, NodeDescription, NodeInfo, NodePool, Paid, TxHash,
    bindings::{Epochs, Nodes, StakePools, Staking},
    deploy::{self, NewNode, NodeVotes},
    send::Call,
};

/// Nodes that are asked for at once.
const NODES_AT_ONCE: usize = 8;

impl EvmChain {
    /// Registers a storage node for the wallet's account. The proof that the BLS key is known is made here.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `AccountHasNode`, `KeyTaken`, or `TextLengthOutOfRange`.
    pub async fn register_node(&self, key: &bls::SecretKey, node: &NewNode) -> Result<NodeId, ChainError> {
        let inner = &self.inner;
        let proof = inner.possession(key).await?;
        let call = deploy::registration(node, key, &proof)?;
        let nodes = inner.config.contracts.nodes;
        let mined = inner.send(&Call::contract(nodes, &call)).await?;
        let event: Nodes::NodeRegistered = convert::expect_event(&mined, nodes, "registerNode")?;
        convert::number("node id", event.nodeId).map(NodeId::from_number)
    }

    /// The node that an account runs.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn node_of(&self, account: Address) -> Result<Option<NodeId>, ChainError> {
        let call = Nodes::nodeOfAccountCall { account: account.evm() };
        let id = self.inner.rpc.call("nodeOfAccount", self.inner.config.contracts.nodes, &call).await?;
        let id = convert::number("node id", id)?;
        Ok((id != 0).then(|| NodeId::from_number(id)))
    }

    /// A registered node; `None` if there is none of this id.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn node(&self, node: NodeId) -> Result<Option<NodeInfo>, ChainError> {
        match self.inner.node(node).await {
            Ok(found) => Ok(Some(found)),
            Err(ChainError::Reverted { name, .. }) if name == "UnknownNode" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All registered nodes, in the order of their ids.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>, ChainError> {
        let contract = self.inner.config.contracts.nodes;
        let count = self.inner.rpc.call("nodeCount", contract, &Nodes::nodeCountCall {}).await?;
        let ids = 1..=convert::number("nodeCount", count)?;
        let nodes = stream::iter(ids.map(|id| self.inner.node(NodeId::from_number(id))));
        nodes.buffered(NODES_AT_ONCE).try_collect().await
    }

    /// Stake of a node in the current epoch or a later one, as far as it is known now.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] for an unknown node or an epoch that has passed.
    pub async fn stake_of(&self, node: NodeId, epoch: Epoch) -> Result<u128, ChainError> {
        self.inner.stake_of(node, epoch).await
    }

    /// Presents a node of the wallet's account otherwise.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownNode`, `Unauthorized`, or `TextLengthOutOfRange`.
    pub async fn describe_node(&self, node: NodeId, description: &NodeDescription) -> Result<TxHash, ChainError> {
        let call = Nodes::describeCall {
            nodeId: convert::node_number(node),
            description: Nodes::Description {
                name: description.name.clone(),
                url: description.url.clone(),
                networkKey: description.network_key.clone().into(),
                metadata: description.metadata.clone(),
            },
        };
        self.inner.send_to_nodes(&call).await
    }

    /// Announces the key that a node of the wallet's account will sign with, from the next committee on that it is
    /// selected for. The proof that the key is known is made here.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownNode`, `Unauthorized`, or `KeyTaken`.
    pub async fn announce_key(&self, node: NodeId, key: &bls::SecretKey) -> Result<TxHash, ChainError> {
        let proof = self.inner.possession(key).await?;
        let call = Nodes::setNextKeyCall {
            nodeId: convert::node_number(node),
            publicKey: convert::words(&key.public_key().to_eip2537()),
            proofOfPossession: convert::words(&proof.to_eip2537()),
        };
        self.inner.send_to_nodes(&call).await
    }

    /// Votes for the network's terms, as a node of the wallet's account. Votes count when the next committee is selected.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownNode` or `Unauthorized`; [`ChainError::InvalidArgument`].
    pub async fn vote_terms(&self, node: NodeId, votes: NodeVotes) -> Result<TxHash, ChainError> {
        let call = Nodes::voteCall { nodeId: convert::node_number(node), terms: votes.encoded()? };
        self.inner.send_to_nodes(&call).await
    }

    /// Names who collects a node's commission. Only who does so now may.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownNode`, `Unauthorized` or `ZeroAddress`.
    pub async fn set_commission_receiver(&self, node: NodeId, receiver: Address) -> Result<TxHash, ChainError> {
        let call = Nodes::setCommissionReceiverCall { nodeId: convert::node_number(node), receiver: receiver.evm() };
        self.inner.send_to_nodes(&call).await
    }

    /// Names who votes for a node in the governance. Only who does so now may.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownNode`, `Unauthorized` or `ZeroAddress`.
    pub async fn set_governance_authority(&self, node: NodeId, authority: Address) -> Result<TxHash, ChainError> {
        let call = Nodes::setGovernanceAuthorityCall { nodeId: convert::node_number(node), authority: authority.evm() };
        self.inner.send_to_nodes(&call).await
    }

    /// Announces another commission of a node of the wallet's account, in basis points of its pool's rewards. The epoch
    /// from which on it holds.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownPool`, `Unauthorized` or `BpsTooMany`.
    pub async fn set_next_commission(&self, node: NodeId, basis_points: u16) -> Result<Epoch, ChainError> {
        let staking = self.inner.config.contracts.staking;
        let call = Staking::setNextCommissionCall { nodeId: convert::node_number(node), bps: basis_points };
        let mined = self.inner.send(&Call::contract(staking, &call)).await?;
        let event: Staking::CommissionAnnounced = convert::expect_event(&mined, staking, "setNextCommission")?;
        Ok(Epoch(event.epoch))
    }

    /// Pays a node's commission to the wallet, which must be its receiver.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownPool`, `Unauthorized`, or `CommissionBlocked` before the next committee is
    /// selected.
    pub async fn collect_commission(&self, node: NodeId) -> Result<Paid, ChainError> {
        let staking = self.inner.config.contracts.staking;
        let call = Staking::collectCommissionCall { nodeId: convert::node_number(node) };
        let mined = self.inner.send(&Call::contract(staking, &call)).await?;
        let event: Staking::CommissionCollected = convert::expect_event(&mined, staking, "collectCommission")?;
        Ok(Paid { amount: convert::amount("commission", event.amount)?, tx: mined.tx })
    }
}

impl Inner {
    /// The proof that a key is known, for the wallet's account in this epoch.
    async fn possession(&self, key: &bls::SecretKey) -> Result<bls::Signature, ChainError> {
        let account = self.sender()?.address();
        let epoch = self.rpc.call("currentEpoch", self.config.contracts.epochs, &Epochs::currentEpochCall {}).await?;
        Ok(deploy::possession(key, account, Epoch(epoch), self.chain_id, self.config.contracts.nodes))
    }

    async fn send_to_nodes(&self, call: &impl alloy::sol_types::SolCall) -> Result<TxHash, ChainError> {
        self.send(&Call::contract(self.config.contracts.nodes, call)).await.map(|mined| mined.tx)
    }

    async fn stake_of(&self, node: NodeId, epoch: Epoch) -> Result<u128, ChainError> {
        let call = Staking::stakeOfCall { nodeId: convert::node_number(node), epoch: epoch.0 };
        let stake = self.rpc.call("stakeOf", self.config.contracts.staking, &call).await?;
        convert::amount("stakeOf", stake)
    }

    async fn node(&self, node: NodeId) -> Result<NodeInfo, ChainError> {
        let number = convert::node_number(node);
        let (nodes, staking) = (self.config.contracts.nodes, self.config.contracts.staking);
        let node_call = Nodes::nodeCall { nodeId: number };
        let accounts_call = Nodes::accountsCall { nodeId: number };
        let pool_call = Staking::poolOfCall { nodeId: number };
        let (entry, accounts) = tokio::try_join!(
            self.rpc.call("node", nodes, &node_call),
            self.rpc.call("accounts", nodes, &accounts_call),
        )?;
        let (pool, state) = tokio::try_join!(
            self.rpc.call("poolOf", staking, &pool_call),
            self.rpc.call("state", staking, &Staking::stateCall {}),
        )?;
        let Nodes::Description { name, url, networkKey, metadata } = entry.description;
        Ok(NodeInfo {
            node_id: node,
            account: Address::from_evm(accounts.account),
            commission_receiver: Address::from_evm(accounts.commissionReceiver),
            governance_authority: Address::from_evm(accounts.governanceAuthority),
            description: NodeDescription { name, url, network_key: networkKey.to_vec(), metadata },
            public_key: entry.publicKey.to_vec(),
            next_public_key: (!entry.nextKey.is_empty()).then(|| entry.nextKey.to_vec()),
            votes: NodeVotes {
                capacity_bytes: entry.votes.capacity,
                storage_price: entry.votes.storagePrice.to(),
                write_price: entry.votes.writePrice.to(),
            },
            pool: self.pool(number, &pool, Epoch(state.epoch)).await?,
        })
    }

    async fn pool(&self, number: U256, pool: &StakePools::Pool, now: Epoch) -> Result<NodePool, ChainError> {
        let next = self.stake_of(NodeId::from_bytes(number.to_be_bytes()), now.next()).await?;
        Ok(NodePool {
            stake: pool.balance.to(),
            stake_next: next,
            n_shards: pool.weight,
            is_candidate: pool.place != 0,
            commission_bps: pool.commissionBps,
            next_commission: (pool.commissionEpoch > now.0)
                .then_some((pool.nextCommissionBps, Epoch(pool.commissionEpoch))),
            commission: pool.commission.to(),
        })
    }
}
