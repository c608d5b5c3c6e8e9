//! HTTP for applications: store with `PUT`, read with `GET`, in the shapes of Walrus's publisher and aggregator.
//!
//! ```text
//! curl -T file "http://127.0.0.1:31415/v1/blobs?epochs=5"
//! curl "http://127.0.0.1:31415/v1/blobs/BLOB_ID" -o file
//! curl -r 0-999 "http://127.0.0.1:31415/v1/blobs/BLOB_ID"
//! ```
//!
//! | Route | |
//! |---|---|
//! | `PUT /v1/blobs?epochs=N&permanent=&force=` | stores the body, answers when it is certified |
//! | `GET`, `HEAD /v1/blobs/{blob_id}` | the blob, or one range of it (`Range: bytes=a-b`, `a-`, `-n`) |
//! | `GET`, `HEAD /v1/blobs/{blob_id}/byte-range?start=&length=` | a range with status 200 |
//! | `GET /v1/blobs/{blob_id}/status` | what the nodes say of it |
//! | `GET /v1/api` | a page about all this |
//! | `GET /status`, `/healthz`, `/readyz` | `OK`; ready when the chain answers |
//!
//! # What is promised
//!
//! - A blob that was answered with 200 is certified on chain. A body that ends early is an error, and nothing is stored.
//! - Bytes that are served are verified against the blob id; answers may be cached for good (`immutable`), and
//!   `If-None-Match` is answered with 304.
//! - Memory, places and connections have ceilings ([`GatewayConfig`]); beyond them requests wait briefly, then get 429.
//!   Large bodies, and the slivers of those that do not fit into memory, lie in unnamed temporary files: up to 3.5 times
//!   the blob.
//! - A blob is sent while it is read, each row once it is verified. If a node fails meanwhile, the rest is decoded in
//!   temporary files (up to twice the blob) and sent then. A blob that cannot be completed, or that proves to be
//!   inconsistent, is broken off before its end and logged; with `strict_consistency_check` all of it is checked before
//!   the first byte.
//!
//! # Limits
//!
//! Blobs are permanent: deletion comes with a later version of the contracts. The gateway stores at the expense of its own account:
//! do not expose `PUT` to the world without something in front of it.

mod admit;
mod aggregate;
mod conditional;
mod config;
mod error;
mod pages;
mod publish;
mod range;
mod serve;
mod spool;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, put},
};
use floe_client::FloeClient;
use tokio_util::task::TaskTracker;
use tower_http::cors::{Any, CorsLayer};

pub use config::{ConnectionLimits, GatewayConfig, ReadLimits, StoreLimits};
pub use serve::{GatewayError, serve};

/// How long browsers keep the answer to a preflight request.
const CORS_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Gateway {
    client: FloeClient,
    config: GatewayConfig,
    reads: admit::Gate,
    writes: admit::Gate,
    memory: admit::Memory,
    /// Stores under way.
    tasks: TaskTracker,
}

/// All routes, to be served by [`serve`] or as part of another server.
pub fn router(client: FloeClient, config: GatewayConfig) -> Router {
    router_with_tasks(client, config, TaskTracker::new())
}

pub(crate) fn router_with_tasks(client: FloeClient, config: GatewayConfig, tasks: TaskTracker) -> Router {
    let wait = config.wait_max();
    let gateway = Gateway {
        reads: admit::Gate::for_reads(config.read.concurrent_max, config.read.waiting_max, wait),
        writes: admit::Gate::for_writes(config.store.concurrent_max, config.store.waiting_max, wait),
        memory: admit::Memory::new(config.memory_bytes_max, wait),
        client,
        config,
        tasks,
    };
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(Any)
        .expose_headers(Any)
        .max_age(CORS_MAX_AGE);
    Router::new()
        .route("/v1/blobs", put(publish::put_blob))
        .route("/v1/blobs/{blob_id}", get(aggregate::get_blob))
        .route("/v1/blobs/{blob_id}/byte-range", get(aggregate::get_byte_range))
        .route("/v1/blobs/{blob_id}/status", get(aggregate::get_status))
        .route("/v1/api", get(pages::api))
        .route("/status", get(pages::ok))
        .route("/healthz", get(pages::ok))
        .route("/readyz", get(pages::ready))
        // Bodies are bounded by the spool, which knows the limit of the network.
        .layer(DefaultBodyLimit::disable())
        .layer(cors)
        .with_state(Arc::new(gateway))
}
