//! An EVM chain in one process: instant blocks, durable, standard JSON-RPC.
//!
//! It is **one trusted sequencer**, for development and small private networks. Whoever runs the process decides what is in
//! a block and could rewrite all of it; nobody checks it, there is no consensus, no peer and no proof of state. Networks that need
//! more point their clients at a real chain: the interface is the same.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use floe_devchain::{ChainOptions, DevChain};
//!
//! let chain = DevChain::open(ChainOptions { dir: Some("chain".into()), ..ChainOptions::default() })?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8545").await?;
//! chain.serve(listener, async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - **A receipt that was given is never lost.** A block, its receipts and the state after it are one transaction of the database
//!   (redb), synced before any reader sees it; `kill -9` and power loss at any moment leave all of it or nothing.
//!   `eth_sendRawTransaction` answers after that, so its hash is a promise as well, except for a transaction that waits for a lower nonce:
//!   the pool is memory only.
//! - **Blocks are made when there are transactions**, at once. Those that arrive while a block is being synced share the next
//!   one and its sync.
//! - **Opening takes the same time after any history**, also after a crash: nothing is replayed, and each commit carries what
//!   redb needs to open without reading the whole file.
//! - **A full disk refuses transactions and loses nothing**; with room again the chain goes on by itself. A failed fsync stops it.
//! - One process per directory: a second one gets [`DevChainError::InUse`].
//! - Block timestamps follow the wall clock and never go backwards; several blocks may share a second.
//!
//! # What differs from a real chain
//!
//! - The base fee is constant ([`limits::BASE_FEE_WEI`]), tips are optional and go to the zero address; order is that of arrival.
//! - Every block is final: `latest`, `safe` and `finalized` are one block.
//! - The state root of a header is `keccak256(parent's root, changes of the block)`, a commitment without proofs; there is no
//!   `eth_getProof`, no tracing, no blob transactions (type 3), and no system contracts (EIP-2935, EIP-4788).
//! - State is kept for the latest block and the [`limits::STATE_HISTORY_BLOCKS`] before it; older ones give [`DevChainError::StateNotKept`].
//! - `eth_call` and `eth_estimateGas` on `latest` run as in the next block, with the time of now, since the latest block may be hours old.
//! - `evm_mine`, `evm_increaseTime` and `evm_setNextBlockTimestamp` exist unless [`ServeOptions::time_control`] is off.
//!
//! # Limits
//!
//! All in [`limits`]: bodies, batches, connections, subscriptions, filters, pool, log ranges.
//!
//! # Code map
//!
//! `database` opening, and again after a full disk · `db` tables and reading · `diff` what a block changed or overwrote · `state` the EVM's view · `evm` execution · `ahead` pairings on other cores · `block` headers and receipts ·
//! `write` the one durable step · `pool` waiting transactions · `chain` the sealing thread · `rpc` methods and transports. Feature `test-faults` adds
//! `DevChain::reorg` for tests of clients; it is never on in a production build.

mod accounts;
mod ahead;
mod block;
mod chain;
mod clock;
mod convert;
mod database;
mod db;
mod diff;
mod error;
mod evm;
pub mod limits;
mod options;
mod pool;
#[cfg(feature = "test-faults")]
mod reorg;
mod rpc;
mod state;
mod write;

pub use accounts::{DEV_BALANCE_ETHER, dev_accounts};
pub use error::DevChainError;
pub use options::{ChainOptions, Hardfork, ServeOptions};

use alloy::primitives::B256;
use chain::Core;
use std::{sync::Arc, thread::JoinHandle};
use tokio::net::TcpListener;

/// A running chain. Clones share it; when the last one is dropped, sealing ends and the directory is free again.
#[derive(Clone)]
pub struct DevChain(Arc<Running>);

struct Running {
    core: Arc<Core>,
    sealer: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.core.stop();
        if let Some(sealer) = self.sealer.take()
            && sealer.join().is_err()
        {
            tracing::error!("the sealing thread has panicked");
        }
    }
}

impl std::fmt::Debug for DevChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevChain").field("rules", &self.0.core.rules).finish_non_exhaustive()
    }
}

impl DevChain {
    /// Opens the chain in `options.dir`, or makes a new one there, or one in memory.
    ///
    /// A directory that already holds a chain keeps its genesis: `options.funded` then has no effect.
    ///
    /// # Errors
    ///
    /// [`DevChainError::InUse`], a directory that cannot be used, or one that holds another chain.
    pub fn open(options: ChainOptions) -> Result<Self, DevChainError> {
        let core = Arc::new(Core::open(&options)?);
        let sealing = core.clone();
        let sealer =
            std::thread::Builder::new().name("devchain-sealer".into()).spawn(move || sealing.seal_until_stopped());
        let sealer = sealer.map_err(DevChainError::Serve)?;
        Ok(Self(Arc::new(Running { core, sealer: Some(sealer) })))
    }

    /// Serves JSON-RPC over HTTP (POST) and WebSocket (GET) on `/` until `shutdown` completes.
    ///
    /// Then requests in progress finish, subscriptions are closed, and the directory is released unless a clone is left.
    ///
    /// # Errors
    ///
    /// Only a failure of the server itself; errors of single connections are logged.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), DevChainError> {
        self.serve_with(listener, ServeOptions::default(), shutdown).await
    }

    /// As [`DevChain::serve`], with options.
    ///
    /// # Errors
    ///
    /// As [`DevChain::serve`].
    pub async fn serve_with(
        self,
        listener: TcpListener,
        options: ServeOptions,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), DevChainError> {
        let rpc = rpc::Rpc::new(self.0.core.clone(), &options);
        rpc::http::serve(rpc, listener, &options, shutdown).await
    }

    /// Number and hash of the latest durable block.
    ///
    /// # Errors
    ///
    /// [`DevChainError::Storage`] if the database fails.
    pub fn head(&self) -> Result<(u64, B256), DevChainError> {
        let snapshot = self.0.core.snapshot()?;
        let number = snapshot.head()?;
        Ok((number, snapshot.known_header(number)?.hash))
    }

    #[cfg(feature = "test-faults")]
    pub(crate) fn core(&self) -> &Core {
        &self.0.core
    }
}
