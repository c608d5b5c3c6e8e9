//! The SDK: stores blobs on a Floe network and reads them back.
//!
//! ```no_run
//! # async fn example(chain: std::sync::Arc<dyn floe_chain::ControlPlane>) -> Result<(), floe_client::ClientError> {
//! use floe_client::{ClientConfig, FloeClient, ReadOptions, StoreOptions};
//!
//! let client = FloeClient::new(ClientConfig::default(), chain);
//! let stored = client.store("some bytes", StoreOptions::epochs(5)).await?;
//! let id = stored.blob_id().expect("it was stored");
//! assert_eq!(client.read(id, ReadOptions::default()).await?, "some bytes");
//! # Ok(()) }
//! ```
//!
//! # What is promised
//!
//! - When [`store`](FloeClient::store) returns, the blob is certified on chain: nodes with `n - f` of the `n` shards have
//!   signed that they hold their part, so any `f` shards may vanish.
//! - [`read`](FloeClient::read) returns the bytes that the blob id commits to, or an error. Every sliver is checked against
//!   the metadata, and the metadata against the id; no node is believed. It succeeds with any `f` shards silent or
//!   lying, and mostly with more: `n - 2f` correct ones are enough.
//! - A node that lies is named in the log (`WARN`, with its name and address) and asked again only if all else fails.
//! - No wait is without a limit, and no answer is read beyond the size that it must have.
//!
//! # How it works
//!
//! Storing: [encode](floe_redstuff::encode), register on chain, send each node one streamed request with all its
//! slivers, collect confirmations until the quorum, certify on chain. A slow node delays nothing: it is served in the
//! background afterwards ([`drain`](FloeClient::drain) waits for that). Many small stores at once share certificates: each
//! node signs a list of what it holds. Reading: is it promised (chain), what does it look
//! like (metadata from any node), then the systematic primary slivers, which are the blob itself. A node that takes
//! longer than the others is overtaken by asking for other slivers; what is missing is decoded.
//! [Ranges](FloeClient::read_range) move only the symbols that hold them, each with its proof; a row that does not come is
//! rebuilt from symbols of others.
//!
//! # Limits
//!
//! A store takes at most about [`StoreConfig::memory_ceiling_bytes`] of memory. A blob that does not fit into that with what
//! its slivers have beyond it (3.5 times its size) needs room on disk instead, 2.5 times its size, and is best stored from a file
//! ([`store_file`](FloeClient::store_file)). [`read`](FloeClient::read) holds the blob about twice;
//! [`read_to`](FloeClient::read_to) and [`read_stream`](FloeClient::read_stream) take at most about
//! [`ReadConfig::memory_ceiling_bytes`], and up to twice the blob on disk where something must be decoded. Work for processors
//! runs on the global rayon pool. The functions must be called within a Tokio runtime.

mod compute;
mod config;
mod error;
mod failures;
mod http;
mod node;
mod read;
mod scores;
mod source;
mod store;
mod symbols;
mod view;

use std::sync::Arc;

pub use floe_chain::Address;
use floe_chain::{ControlPlane, NetworkInfo};
use floe_protocol::Committee;

pub use crate::{
    config::{
        ClientConfig, ConnectionConfig, Consistency, Progress, ReadConfig, ReadOptions, StoreConfig, StoreOptions,
    },
    error::{ClientError, NodeFailure},
    http::{Body, BoxError, HyperTransport, Transport, TransportError},
    read::{BlobStream, RangeStream, ReadNeeds},
    source::{FileSource, SourceChanged, WatchedSource},
    store::BlobInput,
};

/// A client of one network. Clones share connections, caches and background uploads.
#[derive(Clone)]
pub struct FloeClient {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    config: ClientConfig,
    chain: Arc<dyn ControlPlane>,
    views: view::ViewCache,
    nodes: node::Nodes,
    scores: Arc<scores::Scores>,
    metadata: read::metadata::MetadataCache,
    rebuilt: Arc<read::RebuiltRows>,
    promises: read::promises::Promises,
    registrations: store::OpenRegistrations,
    tails: store::Tails,
    together: store::Together,
}

impl FloeClient {
    /// A client over TCP. Nothing is asked of the network yet.
    pub fn new(config: ClientConfig, chain: Arc<dyn ControlPlane>) -> Self {
        let transport = Arc::new(HyperTransport::tcp(&config.connections));
        Self::with_transport(config, chain, transport)
    }

    /// A client over another transport, such as a simulated network.
    pub fn with_transport(config: ClientConfig, chain: Arc<dyn ControlPlane>, transport: Arc<dyn Transport>) -> Self {
        let caller = http::Caller::new(transport, config.connections.idle_timeout);
        let inner = Inner {
            views: view::ViewCache::new(chain.clone(), config.view_max_age),
            nodes: node::Nodes { caller, read: Arc::new(config.read.clone()) },
            scores: Arc::default(),
            metadata: read::metadata::MetadataCache::default(),
            rebuilt: Arc::default(),
            promises: read::promises::Promises::new(config.view_max_age),
            registrations: store::OpenRegistrations::default(),
            tails: store::Tails::new(config.store.tail_bytes_max),
            together: store::Together::default(),
            chain,
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The control plane that this client asks.
    pub fn chain(&self) -> &Arc<dyn ControlPlane> {
        &self.inner.chain
    }

    /// Bytes that nodes have sent to this client so far, in the bodies of their answers: slivers, symbols, metadata, and
    /// whatever was not used in the end.
    pub fn received_bytes(&self) -> u64 {
        self.inner.nodes.caller.received_bytes()
    }

    /// Rules, prices and the epoch, as of at most `view_max_age` ago.
    ///
    /// # Errors
    /// [`ClientError::Chain`].
    pub async fn network(&self) -> Result<NetworkInfo, ClientError> {
        Ok(self.inner.views.fresh().await?.info.clone())
    }

    /// The committee of the epoch, as of at most `view_max_age` ago.
    ///
    /// # Errors
    /// [`ClientError::Chain`].
    pub async fn committee(&self) -> Result<Committee, ClientError> {
        Ok(self.inner.views.fresh().await?.committee.clone())
    }
}

impl std::fmt::Debug for FloeClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FloeClient").finish_non_exhaustive()
    }
}
