//! Follows the chain: every event becomes durable state together with the cursor, then its effects happen.

use std::sync::Arc;
use std::time::Duration;

use floe_chain::{ChainError, ChainEvent, EventCursor, EventItem, EventStream};
use floe_protocol::BlobId;
use futures::StreamExt;

use crate::error::NodeError;
use crate::ledger::{Effects, LedgerError, RolledBack, SKIP_BLOCKS_MIN, Standing};
use crate::node::Node;
use crate::signals::Signals;

/// Events that share one transaction of the store, at most.
const BATCH_EVENTS_MAX: usize = 256;
/// The pause after failures grows up to this many times of the first one.
const BACKOFF_FACTOR_MAX: u32 = 32;

/// A pause that doubles with each failure in a row.
pub(crate) struct Backoff {
    first: Duration,
    factor: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration) -> Self {
        Self { first, factor: 1 }
    }

    pub(crate) fn reset(&mut self) {
        self.factor = 1;
    }

    pub(crate) async fn pause(&mut self) {
        let pause = self.first * self.factor;
        self.factor = (self.factor * 2).min(BACKOFF_FACTOR_MAX);
        tokio::time::sleep(pause).await;
    }
}

/// Runs until the state cannot be moved forward any more.
pub(crate) async fn follow(node: Arc<Node>, signals: Arc<Signals>) -> Result<(), NodeError> {
    let mut backoff = Backoff::new(node.config.timing.chain_retry());
    loop {
        let cursor = in_background(&node, |node| node.ledger.progress()).await?.cursor;
        match node.chain.events(cursor).await {
            Ok(stream) => {
                if let Err(error) = consume(&node, &signals, stream, &mut backoff).await? {
                    tracing::warn!(%error, code = error.code(), "the event stream broke off; it is opened again");
                }
            }
            Err(error) => tracing::warn!(%error, code = error.code(), "cannot read chain events; trying again"),
        }
        backoff.pause().await;
    }
}

/// Takes the stream to its end; the inner error is the chain's, the outer one the node's own.
async fn consume(
    node: &Arc<Node>,
    signals: &Signals,
    stream: EventStream,
    backoff: &mut Backoff,
) -> Result<Result<(), ChainError>, NodeError> {
    let mut chunks = stream.ready_chunks(BATCH_EVENTS_MAX);
    // The block that the durable cursor has reached at least.
    let mut reached = 0;
    while let Some(chunk) = chunks.next().await {
        let mut events = Vec::new();
        for item in chunk {
            match item {
                Ok(EventItem::Event(event)) => {
                    reached = event.cursor.block;
                    events.push(event);
                }
                Ok(EventItem::CaughtUp(cursor)) => {
                    apply(node, signals, std::mem::take(&mut events)).await?;
                    if cursor.block >= reached + SKIP_BLOCKS_MIN {
                        in_background(node, move |node| node.ledger.skip_to(&cursor)).await?;
                        reached = cursor.block;
                    }
                    node.set_caught_up();
                }
                Ok(EventItem::Rollback(cursor)) => {
                    reached = 0;
                    apply(node, signals, std::mem::take(&mut events)).await?;
                    if rollback(node, signals, cursor).await? == RolledBack::StartOver {
                        return Ok(Ok(()));
                    }
                }
                Err(error) => {
                    apply(node, signals, events).await?;
                    return Ok(Err(error));
                }
            }
        }
        apply(node, signals, events).await?;
        backoff.reset();
    }
    Ok(Ok(()))
}

async fn apply(node: &Arc<Node>, signals: &Signals, events: Vec<ChainEvent>) -> Result<(), NodeError> {
    if events.is_empty() {
        return Ok(());
    }
    let settled = in_background(node, move |node| {
        let effects = node.ledger.apply(&events)?;
        let heal = settle(node, &effects);
        Ok((effects, heal))
    });
    let (effects, heal) = settled.await?;
    if effects.epoch_changed {
        tracing::info!(epoch = %node.ledger.epoch(), "a new epoch has begun");
        signals.epoch_changed.notify_one();
        signals.sync_due.notify_one();
    }
    if effects.epoch_changed || effects.members_changed {
        signals.committee_changed.notify_one();
    }
    if heal {
        signals.slivers_missing.notify_one();
    }
    Ok(())
}

/// What follows from events once they are durable. A failure here is not one of the state: each of these is made up for
/// later (by the next confirmation, the next certificate, the next sweep). True if slivers are missing.
fn settle(node: &Node, effects: &Effects) -> bool {
    let report = |what: &str, blob: &BlobId, outcome: Result<(), LedgerError>| {
        if let Err(error) = outcome {
            tracing::warn!(%blob, %error, "{what} failed");
        }
    };
    for blob in &effects.registered {
        report("storing buffered data", blob, node.shelf.flush(blob).map_err(LedgerError::from));
    }
    for blob in &effects.invalidated {
        node.shelf.forget(blob);
        report("deleting an invalid blob", blob, node.ledger.delete_unless_registered(blob).map(|_| ()));
    }
    let mut missing = false;
    for blob in &effects.certified {
        report("looking for missing slivers", blob, note_missing(node, blob).map(|found| missing |= found));
    }
    missing
}

fn note_missing(node: &Node, blob: &BlobId) -> Result<bool, LedgerError> {
    let Some(view) = node.view_if_any() else { return mark(node, blob) };
    let registered = matches!(node.ledger.standing(blob)?, Standing::Registered { certified: true, .. });
    if !registered || node.shelf.missing(blob, &view.own_pairs(blob))?.is_empty() {
        return Ok(false);
    }
    mark(node, blob)
}

fn mark(node: &Node, blob: &BlobId) -> Result<bool, LedgerError> {
    node.ledger.mark_missing(blob, true)?;
    Ok(true)
}

async fn rollback(node: &Arc<Node>, signals: &Signals, to: EventCursor) -> Result<RolledBack, NodeError> {
    let outcome = in_background(node, move |node| node.ledger.rollback(&to)).await?;
    match outcome {
        RolledBack::Undone(events) => {
            tracing::warn!(events, block = to.block, "the chain was reorganised; events were taken back");
        }
        RolledBack::StartOver => {
            tracing::warn!(block = to.block, "the chain was reorganised deeply; events are read from the first");
        }
    }
    signals.committee_changed.notify_one();
    Ok(outcome)
}

/// Blocking work that must succeed for the node to go on: a full disk is waited out, anything else ends the node.
async fn in_background<T: Send + 'static>(
    node: &Arc<Node>,
    work: impl Fn(&Node) -> Result<T, LedgerError> + Send + Sync + 'static,
) -> Result<T, NodeError> {
    let work = Arc::new(work);
    let mut backoff = Backoff::new(node.config.timing.chain_retry());
    loop {
        let (node_there, work_there) = (node.clone(), work.clone());
        let outcome = tokio::task::spawn_blocking(move || work_there(&node_there)).await;
        node.check_store();
        match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(LedgerError::Store(error))) if error.is_retryable() => {
                tracing::warn!(%error, code = error.code(), "chain events wait for the disk");
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(panic) => return Err(NodeError::State { reason: panic.to_string() }),
        }
        backoff.pause().await;
    }
}
