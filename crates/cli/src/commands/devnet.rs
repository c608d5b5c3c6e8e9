//! `floe devnet`

use std::time::{Duration, Instant};

use floe_client::{ReadOptions, StoreOptions};
use floe_testbed::devnet::{self, Devnet, DevnetEvent, DevnetOptions};

use super::shutdown_signal;
use crate::{
    args::{DevnetAction, DevnetArgs, Global},
    error::CliError,
    memory,
    output::{Output, say},
};

/// What the self-check stores; it is the same each time, so it is stored once.
const SELF_CHECK: &[u8] = b"Floe is working.\n";

pub(crate) async fn run(global: &Global, args: DevnetArgs) -> Result<(), CliError> {
    if let Some(DevnetAction::RestartNode { name, dir }) = args.action {
        let pid = devnet::ask_running(dir.as_deref(), &name).await?;
        let report = serde_json::json!({"name": name, "pid": pid});
        return Output::new(global).result(&report, || format!("Success: {name} runs again, process {pid}"));
    }
    memory::keep_freed(memory::SLIVER_BYTES);
    let shutdown = shutdown_signal()?;
    let options = DevnetOptions {
        dir: args.dir.unwrap_or_else(devnet::default_dir),
        nodes: args.nodes,
        shards: args.shards,
        epoch_duration: args.epoch_duration,
        gateway_port: args.gateway_port,
        relay_port: args.relay_port,
        chain_port: args.chain_port,
        binary: std::env::current_exe()?,
    };
    let report = |event| print_event(global, &event);
    let began = Instant::now();
    let network = tokio::select! {
        network = Devnet::start(options, report) => network?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let checked = self_check(&network).await;
    let id = match checked {
        Ok(id) => id,
        Err(error) => {
            network.stop().await?;
            return Err(error);
        }
    };
    let printed = Output::new(global).result(network.info(), || welcome(&network, &id, began.elapsed()));
    if let Err(error) = printed {
        network.stop().await?;
        return Err(error);
    }
    network.run(shutdown, report).await?;
    Ok(())
}

/// Stores a small blob and reads it back: what is printed as ready is ready.
async fn self_check(network: &Devnet) -> Result<String, CliError> {
    let client = network.client();
    let options = StoreOptions::epochs(1);
    let stored = client.store(SELF_CHECK, options).await?;
    let Some(&id) = stored.blob_id() else {
        return Err(CliError::new("DEVNET-SELF-CHECK", 5, "the self-check blob was not stored"));
    };
    let read = client.read(&id, ReadOptions::default()).await?;
    if read[..] != *SELF_CHECK {
        return Err(CliError::new("DEVNET-SELF-CHECK", 5, "the self-check blob came back with other bytes"));
    }
    Ok(id.to_string())
}

fn print_event(global: &Global, event: &DevnetEvent) {
    match event {
        DevnetEvent::Step(text) if !global.quiet => say!("{text} …"),
        DevnetEvent::Step(_) => {}
        DevnetEvent::NodeDied { name, how } => {
            say!("Warning: {name} died ({how}); bring it back with: floe devnet restart-node {name}");
        }
        DevnetEvent::NodeRestarted { name, pid } => say!("{name} runs again, process {pid}"),
    }
}

fn welcome(network: &Devnet, id: &str, took: Duration) -> String {
    let took = took.as_secs_f64();
    let info = network.info();
    let nodes = info.nodes.len();
    format!(
        "Floe devnet is ready after {took:.1} s: {nodes} nodes, {shards} shards, self-check blob stored and read back.

  folder    {dir}
  chain     {chain}   (chain id {chain_id})
  gateway   {gateway}
  relay     {relay}
  details   {description}

Try, in another shell:
  floe store README.md --epochs 5
  floe read {id}
  curl -T README.md \"{gateway}/v1/blobs?epochs=5\"
  curl {gateway}/v1/blobs/{id}
  floe info
  floe stake --node 1 --amount 1000    # and later: floe stake list, floe claim --all
  floe fund OBJECT_ID --amount 1       # a blob that holds money renews itself
  kill -9 {pids}       # a third of the network may go: blobs are still read and stored
  floe devnet restart-node {last}

Ctrl-C ends everything; started again with the same folder, the network has all blobs.",
        shards = info.n_shards,
        dir = info.dir.display(),
        chain = info.chain.url,
        chain_id = info.chain.chain_id,
        gateway = info.gateway_url,
        relay = info.relay_url,
        description = network.layout().description().display(),
        pids = info
            .nodes
            .iter()
            .take((nodes.saturating_sub(1)) / 3)
            .map(|n| n.pid.to_string())
            .collect::<Vec<_>>()
            .join(" "),
        last = info.nodes.first().map_or("node-0", |n| n.name.as_str()),
    )
}
