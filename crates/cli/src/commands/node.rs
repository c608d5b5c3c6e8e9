//! `floe node`

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

use floe_chain::{ControlPlane, EvmChain, Wallet, deploy};
use floe_config::{NodeFile, load_node, write_secret};
use floe_node::NodeKeys;
use floe_protocol::{NodeId, bls};
use floe_store::{RealDisk, Store, StoreOptions};
use tokio_util::sync::CancellationToken;

use super::{chain::bind, node_upkeep, shutdown_signal};
use crate::{
    args::{Global, KeyType, NodeAction, NodeArgs},
    error::CliError,
    memory,
    output::Output,
    password::open_wallet,
};

pub(crate) async fn run(global: &Global, args: NodeArgs) -> Result<(), CliError> {
    match args.action {
        NodeAction::Run { managed } => {
            let Some(config) = &global.config else {
                return Err(CliError::usage("CLI-NO-CONFIG", "name the configuration of the node with --config FILE"));
            };
            serve(global, config, managed).await
        }
        NodeAction::KeyGen { key_type, out } => key_gen(global, key_type, &out),
        upkeep => node_upkeep::run(global, upkeep).await,
    }
}

async fn serve(global: &Global, config: &Path, managed: bool) -> Result<(), CliError> {
    memory::keep_freed(memory::SLIVER_BYTES);
    let file = load_node(config)?;
    if file.node_id == 0 {
        let message = format!("{}: this node has no number yet", config.display());
        let advice = "Register it: floe register-node --node-config FILE --name NAME --public-url URL";
        return Err(CliError { advice: Some(advice), ..CliError::usage("NODE-NOT-REGISTERED", message) });
    }
    let shutdown = shutdown_signal()?;
    if managed {
        cancel_with_stdin(shutdown.clone());
    }
    let keys = NodeKeys {
        protocol: protocol_key(&file.protocol_key_file)?,
        next_protocol: file.next_protocol_key_file.as_deref().map(protocol_key).transpose()?,
    };
    let account = open_wallet(global, &file.account_key_file).await?;
    let listener = match bind(&file.listen).await {
        Err(error) if managed && error.code == "CLI-PORT-TAKEN" => bind("127.0.0.1:0").await?,
        bound => bound?,
    };
    let url = match &file.public_url {
        Some(url) => url.clone(),
        None => format!("http://{}", listener.local_addr()?),
    };
    fs::create_dir_all(&file.data_dir)?;
    let disk = RealDisk::new(&file.data_dir).map_err(|e| store_error(&file, &e))?;
    let (store, _) =
        Store::open_or_rebuild(Arc::new(disk), StoreOptions::default()).map_err(|e| store_error(&file, &e))?;
    let node_id = NodeId::from_number(file.node_id);
    let chain = EvmChain::connect(file.chain.clone(), Some(account.clone())).await?;
    announce(&chain, &account, node_id, &url).await?;
    announce_key(&chain, node_id, &keys).await?;
    if managed {
        // The parent may be gone already; then standard input is closed too, and this process ends in order.
        let _ = writeln!(io::stdout(), "{url}");
    }
    let chain: Arc<dyn ControlPlane> = Arc::new(chain);
    floe_node::run(file.node, node_id, keys, chain, store, listener, shutdown)
        .await
        .map_err(|e| CliError::new(e.code(), 1, e.to_string()))
}

/// Makes the registry name the URL under which this node is reached now.
async fn announce(chain: &EvmChain, account: &Wallet, id: NodeId, url: &str) -> Result<(), CliError> {
    let committee = chain.committee().await?;
    if committee.members().iter().any(|m| m.node_id == id && m.address != url) {
        let config = chain.config();
        deploy::set_node_url(&config.rpc_url, &config.contracts, account, id, url).await?;
    }
    Ok(())
}

/// Makes sure that the registry knows the node by one of these keys, and that it knows the next one.
async fn announce_key(chain: &EvmChain, id: NodeId, keys: &NodeKeys) -> Result<(), CliError> {
    let Some(known) = chain.node(id).await? else {
        return Err(CliError::usage("NODE-UNKNOWN", format!("the chain knows no node {id}: register it first")));
    };
    let is = |key: &bls::SecretKey, known: &[u8]| key.public_key().to_bytes()[..] == *known;
    let next = keys.next_protocol.as_ref();
    // The registry has the next committee's key as soon as that is selected; until then the old one signs.
    let seated = chain.committee().await.ok().and_then(|committee| {
        let member = committee.members().iter().find(|member| member.node_id == id)?;
        Some(member.public_key.to_bytes())
    });
    let mine = |known: &[u8]| is(&keys.protocol, known) || next.is_some_and(|next| is(next, known));
    if !mine(&known.public_key) && !seated.is_some_and(|seated| mine(&seated)) {
        let message = format!("the chain knows node {id} by another key than those that are configured");
        let advice = "Name the key file that the node was registered with; after a rotation, the next one as well.";
        return Err(CliError { advice: Some(advice), ..CliError::usage("NODE-WRONG-KEY", message) });
    }
    let Some(next) = next else { return Ok(()) };
    if is(next, &known.public_key) || known.next_public_key.as_deref().is_some_and(|known| is(next, known)) {
        return Ok(());
    }
    chain.announce_key(id, next).await?;
    tracing::info!(node = %id, "the next key is announced: it counts from the next committee on that is selected");
    Ok(())
}

pub(super) fn protocol_key(path: &Path) -> Result<bls::SecretKey, CliError> {
    let bad = |why: String| CliError::usage("NODE-BAD-KEY", format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    bls::SecretKey::from_key_file(text.trim()).map_err(|e| bad(e.to_string()))
}

fn store_error(file: &NodeFile, error: &floe_store::StoreError) -> CliError {
    CliError::new(error.code(), 1, format!("{}: {error}", file.data_dir.display()))
}

/// A parent process holds our standard input open while it lives.
fn cancel_with_stdin(shutdown: CancellationToken) {
    std::thread::spawn(move || {
        let mut buffer = [0u8; 64];
        while matches!(std::io::stdin().read(&mut buffer), Ok(1..)) {}
        shutdown.cancel();
    });
}

fn key_gen(global: &Global, key_type: KeyType, out: &Path) -> Result<(), CliError> {
    if out.exists() {
        return Err(CliError::usage("CLI-KEY-EXISTS", format!("{} exists: it is not overwritten", out.display())));
    }
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| CliError::new("CLI-RANDOM", 1, e.to_string()))?;
    // Below the group orders of both curves, and not zero.
    bytes[0] &= 0x3f;
    bytes[31] |= 1;
    let bad = |e: &dyn std::fmt::Display| CliError::new("CLI-RANDOM", 1, e.to_string());
    let text = match key_type {
        KeyType::Account => Wallet::from_bytes(&bytes).map_err(|e| bad(&e))?.to_key_hex(),
        KeyType::Protocol => bls::SecretKey::from_bytes(&bytes).map_err(|e| bad(&e))?.to_key_file(),
    };
    write_secret(out, &text)?;
    let report = serde_json::json!({"out": out});
    Output::new(global).result(&report, || format!("Success: a new key is in {}", out.display()))
}
