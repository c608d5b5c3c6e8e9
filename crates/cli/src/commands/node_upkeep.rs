//! `floe node show`, `update`, `commission` and the like: what an operator does for a registered node.

use std::path::Path;

use floe_chain::NodeInfo;
use floe_config::{load_node, set_keys};
use floe_protocol::NodeId;
use serde_json::{Value, json};

use super::{
    committee::{node_json, percent},
    node::protocol_key,
};
use crate::{
    args::{Global, NodeAction},
    error::{CliError, EXIT_NOT_FOUND},
    output::size,
    session::{FLOE, Session, node_number, units},
};

pub(crate) async fn run(global: &Global, action: NodeAction) -> Result<(), CliError> {
    match action {
        NodeAction::Run { .. } | NodeAction::KeyGen { .. } => Ok(()),
        NodeAction::Show { node } => {
            let (session, node) = match node {
                Some(node) => (Session::open(global).await?, node),
                None => Session::of_node(global, None).await?,
            };
            let info = existing(&session, node).await?;
            session.output.result(&node_json(&session, &info), || describe(&session, &info))
        }
        NodeAction::Update { name, url, metadata } => {
            let (session, node) = Session::of_node(global, None).await?;
            let mut description = existing(&session, node).await?.description;
            description.name = name.unwrap_or(description.name);
            description.url = url.unwrap_or(description.url);
            description.metadata = metadata.unwrap_or(description.metadata);
            let tx = session.chain.describe_node(node, &description).await?;
            let value = json!({
                "nodeId": node.to_string(), "name": description.name, "networkAddress": description.url,
                "metadata": description.metadata, "txDigest": tx});
            done(&session, &value, node, &format!("is {} at {}", description.name, description.url))
        }
        NodeAction::Commission { part } => {
            let (session, node) = Session::of_node(global, None).await?;
            let epoch = session.chain.set_next_commission(node, part).await?;
            let value = json!({"nodeId": node.to_string(), "commissionRate": part, "epoch": epoch});
            done(&session, &value, node, &format!("takes {} from epoch {epoch} on", percent(part.into())))
        }
        NodeAction::CollectCommission { node } => {
            let (session, node) = Session::of_node(global, node).await?;
            let paid = session.chain.collect_commission(node).await?;
            let value = json!({"nodeId": node.to_string(), "amount": units(paid.amount), "txDigest": paid.tx});
            done(&session, &value, node, &format!("paid {}", session.payment().show(paid.amount)))
        }
        NodeAction::SetCommissionReceiver(args) => {
            let (session, node) = Session::of_node(global, args.node).await?;
            let tx = session.chain.set_commission_receiver(node, args.address).await?;
            let value = json!({"nodeId": node.to_string(), "commissionReceiver": args.address, "txDigest": tx});
            done(&session, &value, node, &format!("pays its commission to {}", args.address))
        }
        NodeAction::SetGovernanceAuthority(args) => {
            let (session, node) = Session::of_node(global, args.node).await?;
            let tx = session.chain.set_governance_authority(node, args.address).await?;
            let value = json!({"nodeId": node.to_string(), "governanceAuthority": args.address, "txDigest": tx});
            done(&session, &value, node, &format!("is spoken for in the governance by {}", args.address))
        }
        NodeAction::RotateKey { next_key_file } => rotate_key(global, &next_key_file).await,
    }
}

/// The configuration names the key before the chain does: a node that starts in between announces it itself.
async fn rotate_key(global: &Global, path: &Path) -> Result<(), CliError> {
    let key = protocol_key(path)?;
    let (session, node) = Session::of_node(global, None).await?;
    let config = global.config.as_deref().filter(|config| load_node(config).is_ok());
    if let Some(config) = config {
        let path = std::path::absolute(path)?.display().to_string();
        let quoted = serde_json::to_string(&path).map_err(|e| CliError::new("CLI-JSON", 1, e.to_string()))?;
        set_keys(config, &[("next_protocol_key_file", quoted)])?;
    }
    let tx = session.chain.announce_key(node, &key).await?;
    let value = json!({
        "nodeId": node.to_string(),
        "nextEpochPublicKey": key.public_key(),
        "config": config.map(|config| config.display().to_string()),
        "txDigest": tx,
    });
    let what = match config {
        Some(_) => "has the new key in its configuration",
        None => "has to have the new key in its configuration (next_protocol_key_file)",
    };
    let when = "restart it in this epoch: it signs with the new key from the next committee on that it is selected for";
    done(&session, &value, node, &format!("{what}; {when}"))
}

fn done(session: &Session, value: &Value, node: NodeId, what: &str) -> Result<(), CliError> {
    session.output.result(value, || format!("Success: node {} {what}", node_number(node)))
}

/// A node by its id.
pub(super) async fn existing(session: &Session, node: NodeId) -> Result<NodeInfo, CliError> {
    let message = || format!("there is no node {}: `floe committee --all` shows all of them", node_number(node));
    let found = session.chain.node(node).await?;
    found.ok_or_else(|| CliError::new("CLI-NO-NODE", EXIT_NOT_FOUND, message()))
}

fn describe(session: &Session, node: &NodeInfo) -> String {
    let (pool, payment) = (&node.pool, session.payment());
    let next = pool
        .next_commission
        .map_or(String::new(), |(bps, epoch)| format!(", {} from epoch {epoch} on", percent(bps.into())));
    let rotates = if node.next_public_key.is_some() { "yes, with the next committee" } else { "no" };
    format!(
        "Node {} ({}) at {}\n  shards:      {}\n  stake:       {}, in the next epoch {}\n  candidate:   {}\n  \
         commission:  {}{next}; {} to collect\n  votes:       {} and {} per MiB, {} of room\n  new key:     {rotates}\n  \
         account:     {}\n  commission to {}\n  governance by {}",
        node_number(node.node_id),
        node.description.name,
        node.description.url,
        pool.n_shards,
        FLOE.show(pool.stake),
        FLOE.show(pool.stake_next),
        if pool.is_candidate { "yes" } else { "no" },
        percent(pool.commission_bps.into()),
        payment.show(pool.commission),
        payment.show(node.votes.storage_price),
        payment.show(node.votes.write_price),
        size(node.votes.capacity_bytes),
        node.account,
        node.commission_receiver,
        node.governance_authority,
    )
}
