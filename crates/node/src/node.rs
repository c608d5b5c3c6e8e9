//! One storage node: everything that its requests and background tasks share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use floe_chain::ControlPlane;
use floe_protocol::{Message, NodeId, SignedMessage};
use floe_redstuff::EncodingParams;
use floe_store::{Batch, Store, StoreError};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::NodeKeys;
use crate::api::error::ApiError;
use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::gates::Gates;
use crate::keyring::Keyring;
use crate::ledger::{COMMITTEE_KEY, Ledger, LedgerError};
use crate::places::Places;
use crate::shelf::Shelf;
use crate::view::CommitteeView;

/// Who the node is. Never logged.
pub(crate) struct Identity {
    pub(crate) node_id: NodeId,
    pub(crate) keys: Keyring,
}

/// Where the node is in its life.
pub(crate) struct Lifecycle {
    pub(crate) started: Instant,
    caught_up: AtomicBool,
    store_failed: CancellationToken,
    /// Ends the background tasks.
    pub(crate) shutdown: CancellationToken,
}

/// Shared by all requests and tasks of one node.
pub(crate) struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) identity: Identity,
    pub(crate) chain: Arc<dyn ControlPlane>,
    pub(crate) ledger: Ledger,
    pub(crate) shelf: Shelf,
    pub(crate) gates: Gates,
    pub(crate) life: Lifecycle,
    view: RwLock<Option<Arc<CommitteeView>>>,
    cpu: rayon::ThreadPool,
    places: Places,
}

impl Node {
    pub(crate) fn open(
        config: NodeConfig,
        node_id: NodeId,
        keys: NodeKeys,
        chain: Arc<dyn ControlPlane>,
        store: Store,
        shutdown: CancellationToken,
    ) -> Result<Self, NodeError> {
        let cpu = rayon::ThreadPoolBuilder::new()
            .num_threads(config.limits.cpu_threads_max)
            .thread_name(|index| format!("node-cpu-{index}"))
            .build()
            .map_err(NodeError::Threads)?;
        let view = store.state(COMMITTEE_KEY)?.and_then(|bytes| CommitteeView::from_stored(&bytes, &node_id));
        Ok(Self {
            identity: Identity { node_id, keys: Keyring::new(keys) },
            ledger: Ledger::open(store.clone())?,
            shelf: Shelf::new(store, config.pending.clone(), config.limits.symbol_tree_bytes_max),
            gates: Gates::new(&config.limits, config.timing.queue_wait()),
            life: Lifecycle {
                started: Instant::now(),
                caught_up: AtomicBool::new(false),
                store_failed: CancellationToken::new(),
                shutdown,
            },
            view: RwLock::new(view.map(Arc::new)),
            config,
            chain,
            places: Places::new(cpu.current_num_threads()),
            cpu,
        })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shelf.store
    }

    /// The committee as last seen; `None` until it was read for the first time.
    pub(crate) fn view_if_any(&self) -> Option<Arc<CommitteeView>> {
        self.view.read().clone()
    }

    /// The committee as last seen; 503 until then.
    pub(crate) fn view(&self) -> Result<Arc<CommitteeView>, ApiError> {
        self.view_if_any().ok_or_else(|| ApiError::unavailable("the node has not read the committee yet"))
    }

    /// The committee in whose name this node signs now; 503 while it and the events are of different epochs.
    pub(crate) fn signing_view(&self) -> Result<Arc<CommitteeView>, ApiError> {
        let view = self.view()?;
        if view.committee().epoch() != self.ledger.epoch() {
            return Err(ApiError::unavailable("the epoch is changing"));
        }
        Ok(view)
    }

    /// Signs a statement of this node's as a member of the committee. Blocking.
    pub(crate) fn sign<T: Message>(&self, view: &CommitteeView, message: &T) -> Result<SignedMessage<T>, ApiError> {
        let key = view.own_key().and_then(|key| self.identity.keys.of(key));
        let key = key.ok_or_else(|| ApiError::unavailable("this node has no key in the committee of this epoch"))?;
        Ok(self.compute_here(|| message.sign(key)))
    }

    pub(crate) fn params(&self) -> Result<EncodingParams, ApiError> {
        Ok(self.view()?.params())
    }

    /// Takes over a committee read from the chain and keeps it for the next start.
    pub(crate) fn set_view(&self, view: CommitteeView) -> Result<(), StoreError> {
        let stored = view.to_stored();
        if self.store().state(COMMITTEE_KEY)?.as_ref() != Some(&stored) {
            self.store().put(Batch::new().state(COMMITTEE_KEY, Some(stored)))?;
        }
        *self.view.write() = Some(Arc::new(view));
        Ok(())
    }

    /// Runs blocking work (disk, waiting for the thread pool) off the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let node = self.clone();
        match tokio::task::spawn_blocking(move || work(&node)).await {
            Ok(outcome) => {
                self.check_store();
                outcome
            }
            Err(error) => {
                tracing::error!(%error, "a request panicked");
                Err(ApiError::internal())
            }
        }
    }

    /// Runs heavy computation on the node's own threads; the calling thread must be one that may block.
    pub(crate) fn compute<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.cpu.install(work)
    }

    /// Runs brief computation on the calling thread, which must be one that may block: as many at once as the node has
    /// threads for it.
    pub(crate) fn compute_here<T>(&self, work: impl FnOnce() -> T) -> T {
        let _place = self.places.take();
        work()
    }

    /// Ends the node if its store has stopped.
    pub(crate) fn check_store(&self) {
        if self.store().is_failed() && !self.life.store_failed.is_cancelled() {
            tracing::error!(code = "NODE-0002", "the store has stopped after a failed write; the node ends");
            self.life.store_failed.cancel();
        }
    }

    pub(crate) async fn store_failure(&self) {
        self.life.store_failed.cancelled().await;
    }

    pub(crate) fn set_caught_up(&self) {
        if !self.life.caught_up.swap(true, Ordering::Relaxed) {
            tracing::info!(epoch = %self.ledger.epoch(), "caught up with the chain");
        }
    }

    /// Whether the node can do its work: it knows the committee, has seen the chain's present, and its store runs.
    pub(crate) fn is_ready(&self) -> Result<(), &'static str> {
        if self.store().is_failed() {
            return Err("the store has stopped");
        }
        if self.life.shutdown.is_cancelled() {
            return Err("shutting down");
        }
        if self.view_if_any().is_none() {
            return Err("the committee is not known yet");
        }
        if !self.life.caught_up.load(Ordering::Relaxed) {
            return Err("chain events are still being followed up");
        }
        Ok(())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Full { .. } = error {
            tracing::warn!(%error, code = error.code(), "a write was refused");
            return Self::storage_full();
        }
        tracing::error!(%error, code = error.code(), "the store refused an operation");
        Self::internal()
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Store(error) => error.into(),
            LedgerError::BadRecord(error) => {
                tracing::error!(%error, "the chain state of this node is damaged");
                Self::internal()
            }
        }
    }
}
