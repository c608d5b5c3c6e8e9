//! A storage node of Floe: it keeps the slivers of its shards, serves them over HTTP, and signs that it holds them.
//!
//! [`run`] is the whole interface: given keys, a view of the chain, a store and a listening socket, it serves until it is
//! told to stop.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use floe_node::{NodeConfig, NodeKeys};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example(
//! #     node_id: floe_protocol::NodeId,
//! #     protocol: floe_protocol::bls::SecretKey,
//! #     chain: Arc<dyn floe_chain::ControlPlane>,
//! #     store: floe_store::Store,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9185").await?;
//! let shutdown = CancellationToken::new(); // cancel it on SIGTERM
//! floe_node::run(NodeConfig::default(), node_id, NodeKeys { protocol, next_protocol: None }, chain, store, listener, shutdown).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - A confirmation is signed only for a blob that is registered on chain, whose metadata and slivers were checked against
//!   the blob id, and which is durable in the store.
//! - Its view of the chain is derived from events alone and moves in the same store transaction as the event cursor: a
//!   restart continues exactly where it was. A reorganisation is undone event by event.
//! - A blob is no longer served from the start of its end epoch on; its data is deleted some time later.
//! - Memory, connections and requests have named ceilings ([`Limits`]); beyond them it answers 503 and `Retry-After`.
//!   A streamed upload of any length passes through a few MiB of memory.
//! - A full disk is answered 507 and ends when there is space. A failed fsync ends the node ([`NodeError::StoreStopped`]):
//!   a restart recovers what is durable.
//!
//! # Where things are
//!
//! `api` is the HTTP interface, one file for each group of routes; `server` the accept loop; `ledger` the event-derived
//! state (its `rules` are pure); `shelf` the data of blobs, durable or pending; `symbols` what is cut out of it; `events`,
//! `committee`, `keeper`, `renewer`, `expiry` and `heal` (with `condemn`, for what cannot be healed) are the background
//! tasks.

mod api;
mod body;
mod committee;
mod condemn;
mod config;
mod error;
mod events;
mod expiry;
mod gates;
mod heal;
mod keeper;
mod keyring;
mod ledger;
mod node;
mod peers;
mod pending;
mod places;
mod renewer;
mod server;
mod shelf;
mod signals;
mod store_upload;
mod symbols;
mod sync;
mod trees;
mod view;
mod whole_upload;

use std::sync::Arc;

use floe_chain::ControlPlane;
use floe_protocol::{NodeId, bls};
use floe_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use config::{HealConfig, Limits, NodeConfig, PendingLimits, RenewalConfig, Timing};
pub use error::NodeError;

use node::Node;
use signals::Signals;

/// The secrets of a node.
pub struct NodeKeys {
    /// Signs confirmations. Its public half is registered on chain, with a proof of possession, on one network only.
    pub protocol: bls::SecretKey,
    /// The key that takes its place, from the first epoch on whose committee knows the node by it.
    pub next_protocol: Option<bls::SecretKey>,
}

impl std::fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeKeys(hidden)")
    }
}

/// Serves until `shutdown` is cancelled and open requests have finished (or the drain deadline has passed).
///
/// Works without the chain as long as it has to: what was registered when it was last seen is served.
///
/// # Errors
/// [`NodeError`], each with a code: the store cannot be used or has stopped, or it belongs to another network.
pub async fn run(
    config: NodeConfig,
    node_id: NodeId,
    keys: NodeKeys,
    chain: Arc<dyn ControlPlane>,
    store: Store,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), NodeError> {
    let stop = shutdown.child_token();
    let opened = {
        let (config, stop) = (config.clone(), stop.clone());
        tokio::task::spawn_blocking(move || Node::open(config, node_id, keys, chain, store, stop)).await
    };
    let node = Arc::new(opened.map_err(|panic| NodeError::State { reason: panic.to_string() })??);
    let mut tasks = background_tasks(&node);
    let router = api::router(node.clone());
    tracing::info!(name = %config.name, node = %node_id, "storage node serves");
    let server = tokio::spawn({
        let (config, stop) = (config.clone(), stop.clone());
        async move { server::serve(listener, router, &config, stop).await }
    });

    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        () = node.store_failure() => Err(NodeError::StoreStopped),
        failed = first_failure(&mut tasks) => Err(failed),
    };
    match &outcome {
        Ok(()) => tracing::info!(name = %config.name, "storage node shuts down"),
        Err(error) => tracing::error!(%error, code = error.code(), name = %config.name, "storage node ends"),
    }
    stop.cancel();
    // Requests that are open may still need events (a registration they wait for), so the tasks end last.
    if let Err(panic) = server.await {
        tracing::error!(error = %panic, "the server task panicked");
    }
    tasks.shutdown().await;
    outcome
}

/// Every background task; those that give a result only end when the node cannot go on.
fn background_tasks(node: &Arc<Node>) -> JoinSet<Result<(), NodeError>> {
    let signals = Arc::new(Signals::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(events::follow(node.clone(), signals.clone()));
    tasks.spawn(committee::keep_current(node.clone(), signals.clone()));
    let (there, ringing) = (node.clone(), signals.clone());
    tasks.spawn(async move {
        expiry::sweep_ended(there, ringing).await;
        Ok(())
    });
    let there = node.clone();
    tasks.spawn(async move {
        keeper::keep(there).await;
        Ok(())
    });
    let there = node.clone();
    tasks.spawn(async move {
        renewer::renew(there).await;
        Ok(())
    });
    let (there, ringing) = (node.clone(), signals.clone());
    tasks.spawn(async move {
        sync::report(there, ringing).await;
        Ok(())
    });
    if node.config.heal.enabled {
        let there = node.clone();
        tasks.spawn(async move {
            heal::heal(there, signals).await;
            Ok(())
        });
    }
    tasks
}

/// The first task that failed. Tasks that are done without a failure do not end the node.
async fn first_failure(tasks: &mut JoinSet<Result<(), NodeError>>) -> NodeError {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(panic)) => return NodeError::State { reason: panic.to_string() },
            None => std::future::pending::<()>().await,
        }
    }
}
