//! The first start: keys, contracts, nodes, committee, money.

use std::{net::SocketAddr, time::Duration};

use floe_chain::{
    Address, ChainConfig, ControlPlane as _, EvmChain, Wallet,
    deploy::{self, NewNode, NodeVotes},
};
use floe_protocol::{NodeId, bls};

use super::{ChainEntry, DevnetError, DevnetInfo, DevnetOptions, Layout, NodeEntry};
use floe_config::write_secret;

const DEFAULT_NODES: u16 = 10;
const DEFAULT_SHARDS: u16 = 100;
const DEFAULT_EPOCH: Duration = Duration::from_secs(24 * 60 * 60);
const MIN_SHARDS: u16 = 4;
/// Most candidates for a committee.
const MAX_NODES: u16 = 150;
/// Prices in the six-decimal test stablecoin, per MiB of encoded length.
const STORAGE_PRICE: u128 = 100;
const WRITE_PRICE: u128 = 200;
const MAX_EPOCHS_AHEAD: u32 = 53;
/// FLOE for each node, as much as for any other, so that shards stay where they are: a million of 18 decimals.
const NODE_STAKE: u128 = 1_000_000 * 10u128.pow(18);
/// Native coin for the fees of each node: 10 coins of 18 decimals.
const NODE_COINS: u128 = 10 * 10u128.pow(18);
/// FLOE for the client to stake: too little to move shards of nodes that hold as many as each other.
const CLIENT_FLOE: u128 = 50_000 * 10u128.pow(18);
/// Test money for the client and for the gateway: a million coins of six decimals.
const TEST_MONEY: u128 = 1_000_000 * 10u128.pow(6);

/// The numbers of a network.
#[derive(Debug)]
pub(super) struct Plan {
    nodes: u16,
    shards: u16,
    epoch: Duration,
}

impl Plan {
    /// Takes what was asked for, what the folder has, or the defaults; refuses contradictions.
    pub(super) fn new(options: &DevnetOptions, known: Option<&DevnetInfo>) -> Result<Self, DevnetError> {
        if let Some(info) = known {
            let epoch = options.epoch_duration.map(|d| d.as_secs());
            let checks = [
                ("nodes:", info.nodes.len() as u64, options.nodes.map(u64::from)),
                ("shards:", u64::from(info.n_shards), options.shards.map(u64::from)),
                ("epochs of seconds:", info.epoch_duration_secs, epoch),
            ];
            for (what, have, wanted) in checks {
                if let Some(wanted) = wanted.filter(|w| *w != have) {
                    return Err(DevnetError::OtherNetwork { dir: options.dir.clone(), what, have, wanted });
                }
            }
        }
        let plan = Self {
            nodes: options.nodes.unwrap_or(DEFAULT_NODES),
            shards: options.shards.unwrap_or(DEFAULT_SHARDS),
            epoch: options.epoch_duration.unwrap_or(DEFAULT_EPOCH),
        };
        if plan.shards < MIN_SHARDS {
            return Err(DevnetError::BadPlan(format!("{} shards are too few: the code needs at least 4", plan.shards)));
        }
        if plan.nodes == 0 || plan.nodes > plan.shards || plan.nodes > MAX_NODES {
            let limit = plan.shards.min(MAX_NODES);
            return Err(DevnetError::BadPlan(format!("{} nodes: there can be 1 to {limit} here", plan.nodes)));
        }
        if plan.epoch < Duration::from_secs(1) {
            return Err(DevnetError::BadPlan("an epoch lasts at least one second".into()));
        }
        Ok(plan)
    }
}

/// Makes a network on a fresh chain. Nothing of it counts until `devnet.json` is written.
pub(super) async fn create(layout: &Layout, plan: &Plan, chain: SocketAddr) -> Result<DevnetInfo, DevnetError> {
    let chain = ChainEntry::new(chain);
    std::fs::create_dir_all(layout.keys_dir())?;
    let accounts = floe_devchain::dev_accounts();
    let names = [("deployer", 0), ("client", 1), ("gateway", 2), ("relay", 3)];
    let [owner, client, gateway, relay] = names.map(|(name, index)| {
        let (secret, _) = accounts[index];
        write_secret(&layout.keys_dir().join(format!("{name}.key")), secret)?;
        Ok::<_, DevnetError>(Wallet::from_key_hex(secret)?)
    });
    let (owner, client, gateway) = (owner?, client?, gateway?);
    // It earns its fees, and has native coin from the start.
    relay?;

    let options = deploy::DeployOptions {
        n_shards: plan.shards,
        epoch_duration_secs: plan.epoch.as_secs(),
        storage_price: STORAGE_PRICE,
        write_price: WRITE_PRICE,
        max_epochs_ahead: MAX_EPOCHS_AHEAD,
        ..deploy::DeployOptions::default()
    };
    let contracts = deploy::deploy(&chain.url, &owner, &options).await?;
    for payer in [client.address(), gateway.address()] {
        deploy::mint_test_money(&chain.url, &contracts, &owner, payer, TEST_MONEY).await?;
    }
    deploy::send_floe(&chain.url, &contracts, &owner, client.address(), CLIENT_FLOE).await?;

    let mut nodes = Vec::with_capacity(plan.nodes.into());
    let mut ids = Vec::with_capacity(plan.nodes.into());
    for index in 0..plan.nodes {
        let name = format!("node-{index}");
        std::fs::create_dir_all(layout.node_dir(&name))?;
        let (account, protocol) = node_keys(layout, &name)?;
        fund(&chain.url, &owner, account.address()).await?;
        // The real address is set when the node starts; until then nobody can call it.
        let url = "http://127.0.0.1:0".to_owned();
        let votes = NodeVotes { storage_price: STORAGE_PRICE, write_price: WRITE_PRICE, ..NodeVotes::default() };
        let node = NewNode { name: name.clone(), url, votes, ..NewNode::default() };
        let node_id = deploy::register_node(&chain.url, &contracts, &account, &protocol, &node).await?;
        ids.push(node_id);
        nodes.push(entry(layout, name, node_id));
    }
    deploy::stake(&chain.url, &contracts, &owner, &ids, NODE_STAKE).await?;
    deploy::launch(&chain.url, &contracts, &owner).await?;
    let reader = EvmChain::connect(ChainConfig::new(&chain.url, contracts), None).await?;
    let committee = reader.committee().await?;
    for (entry, id) in nodes.iter_mut().zip(&ids) {
        let member = committee.index_of(id).and_then(|index| committee.member(index));
        entry.shards = member.map(|m| m.shards.iter().map(|shard| shard.get()).collect()).unwrap_or_default();
    }
    Ok(DevnetInfo {
        pid: std::process::id(),
        dir: layout.dir().to_owned(),
        n_shards: plan.shards,
        epoch_duration_secs: plan.epoch.as_secs(),
        chain,
        gateway_url: String::new(),
        relay_url: String::new(),
        contracts,
        client_config: layout.client_config(),
        nodes,
    })
}

async fn fund(rpc_url: &str, owner: &Wallet, to: Address) -> Result<(), DevnetError> {
    Ok(deploy::send_native(rpc_url, owner, to, NODE_COINS).await.map(|_| ())?)
}

fn node_keys(layout: &Layout, name: &str) -> Result<(Wallet, bls::SecretKey), DevnetError> {
    let dir = layout.node_dir(name);
    let account = Wallet::from_bytes(&random_scalar()?)?;
    write_secret(&dir.join("account.key"), &account.to_key_hex())?;
    let protocol = bls::SecretKey::from_bytes(&random_scalar()?)
        .map_err(|e| DevnetError::BadPlan(format!("no BLS key for {name}: {e}")))?;
    write_secret(&dir.join("protocol.key"), &protocol.to_key_file())?;
    Ok((account, protocol))
}

/// 32 random bytes below both curves' group orders, and not zero.
fn random_scalar() -> Result<[u8; 32], DevnetError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| DevnetError::BadPlan(format!("the system gives no randomness: {e}")))?;
    bytes[0] &= 0x3f;
    bytes[31] |= 1;
    Ok(bytes)
}

fn entry(layout: &Layout, name: String, node_id: NodeId) -> NodeEntry {
    let mut entry = NodeEntry {
        name,
        node_id: node_id.to_number().unwrap_or(0),
        pid: 0,
        address: String::new(),
        data_dir: Default::default(),
        config: Default::default(),
        log: Default::default(),
        shards: Vec::new(),
    };
    layout.place(&mut entry);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(nodes: u16, shards: u16) -> DevnetOptions {
        DevnetOptions {
            dir: "/nowhere".into(),
            nodes: Some(nodes),
            shards: Some(shards),
            epoch_duration: None,
            gateway_port: None,
            relay_port: None,
            chain_port: None,
            binary: "floe".into(),
        }
    }

    #[test]
    fn impossible_networks_are_refused() {
        for (nodes, shards) in [(0, 10), (5, 4), (2, 3), (151, 1000)] {
            assert_eq!(Plan::new(&options(nodes, shards), None).unwrap_err().code(), "DEVNET-BAD-PLAN");
        }
    }
}
