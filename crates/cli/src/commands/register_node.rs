//! `floe register-node`

use std::path::{Path, PathBuf};

use floe_chain::deploy::{NewNode, NodeVotes};
use floe_config::{NodeFile, load_node, set_keys, write_toml};
use floe_protocol::{NodeId, bls};
use serde_json::json;

use super::{node::protocol_key, node_upkeep::existing};
use crate::{
    args::{Global, RegisterNodeArgs},
    error::CliError,
    network,
    password::open_wallet,
    session::{Session, node_number},
};

pub(crate) async fn run(global: &Global, args: RegisterNodeArgs) -> Result<(), CliError> {
    let path = &args.node_config;
    let is_new = !path.exists();
    let file = if is_new { new_file(global, &args)? } else { load_node(path)? };
    let key = protocol_key(args.protocol_key_file.as_ref().unwrap_or(&file.protocol_key_file))?;
    let account = open_wallet(global, args.account_key_file.as_ref().unwrap_or(&file.account_key_file)).await?;
    let session = Session::with(global, file.chain.clone(), Some(account.clone())).await?;
    let known = session.chain.node_of(account.address()).await?;
    let node = match known {
        Some(node) => same_key(&session, node, &key).await?,
        None => register(&session, &key, &args).await?,
    };
    // An earlier try may have ended between the registration and this.
    let number = node.to_number().unwrap_or(0);
    match is_new {
        true => write_toml(path, &NodeFile { node_id: number, ..file })?,
        false => set_keys(path, &keys(number, &args)?)?,
    }
    let value = json!({
        "nodeId": node.to_string(),
        "account": account.address(),
        "publicKey": key.public_key(),
        "config": path.display().to_string(),
        "alreadyRegistered": known.is_some(),
    });
    session.output.result(&value, || {
        let (number, path) = (node_number(node), path.display());
        let head = match known {
            Some(_) => format!("Success: it was registered before, as node {number}"),
            None => format!("Success: registered as node {number}"),
        };
        format!(
            "{head}\n  configuration: {path}\n  run it:        floe node run --config {path}\n  stake with it: floe stake \
             --node {number} --amount FLOE"
        )
    })
}

async fn register(session: &Session, key: &bls::SecretKey, args: &RegisterNodeArgs) -> Result<NodeId, CliError> {
    let payment = session.payment();
    let price = |typed: Option<crate::args::Amount>, now: u128| typed.map_or(Ok(now), |typed| payment.units(typed));
    let new = NewNode {
        name: args.name.clone(),
        url: args.public_url.clone(),
        network_key: Vec::new(),
        metadata: args.metadata.clone(),
        commission_bps: args.commission,
        votes: NodeVotes {
            capacity_bytes: args.capacity.0,
            storage_price: price(args.storage_price, session.info.storage_price)?,
            write_price: price(args.write_price, session.info.write_price)?,
        },
    };
    Ok(session.chain.register_node(key, &new).await?)
}

/// The account has a node: it is this one if it has the same key.
async fn same_key(session: &Session, node: NodeId, key: &bls::SecretKey) -> Result<NodeId, CliError> {
    let known = existing(session, node).await?;
    if bls::PublicKey::from_bytes(&known.public_key).is_ok_and(|known| known == key.public_key()) {
        return Ok(node);
    }
    let message = format!("the account {} runs node {} with another key", known.account, node_number(node));
    let advice = "An account runs one node: use another account, or `floe node rotate-key` for another key.";
    Err(CliError { advice: Some(advice), ..CliError::usage("CLI-OTHER-KEY", message) })
}

/// What the registration decides of a file that was there before.
fn keys(number: u64, args: &RegisterNodeArgs) -> Result<Vec<(&'static str, String)>, CliError> {
    let text = |value: &str| serde_json::to_string(value).map_err(|e| CliError::new("CLI-JSON", 1, e.to_string()));
    let absolute = |path: &Path| std::path::absolute(path).map(|path| path.display().to_string());
    let mut keys = vec![("node_id", number.to_string()), ("public_url", text(&args.public_url)?)];
    if let Some(listen) = &args.listen {
        keys.push(("listen", text(listen)?));
    }
    let paths = [
        ("protocol_key_file", &args.protocol_key_file),
        ("account_key_file", &args.account_key_file),
        ("data_dir", &args.data_dir),
    ];
    for (key, path) in paths {
        if let Some(path) = path {
            keys.push((key, text(&absolute(path)?)?));
        }
    }
    Ok(keys)
}

/// A file for a node of the network that clients use.
fn new_file(global: &Global, args: &RegisterNodeArgs) -> Result<NodeFile, CliError> {
    let folder = std::path::absolute(&args.node_config)?.parent().map(Path::to_owned).unwrap_or_default();
    let beside = |named: &Option<PathBuf>, name: &str| match named {
        Some(path) => std::path::absolute(path),
        None => Ok(folder.join(name)),
    };
    let name = args.name.clone();
    Ok(NodeFile {
        node_id: 0,
        listen: args.listen.clone().unwrap_or_else(|| "0.0.0.0:9185".to_owned()),
        public_url: Some(args.public_url.clone()),
        data_dir: beside(&args.data_dir, "data")?,
        protocol_key_file: beside(&args.protocol_key_file, "protocol.key")?,
        next_protocol_key_file: None,
        account_key_file: beside(&args.account_key_file, "account.key")?,
        node: floe_node::NodeConfig { name, ..Default::default() },
        chain: network::client_file(global)?.chain,
    })
}
