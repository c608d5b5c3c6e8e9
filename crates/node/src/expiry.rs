//! Deletes what ended: expired blobs some time after the start of their end epoch, then the space itself.

use std::sync::Arc;
use std::time::Duration;

use crate::ledger::LedgerError;
use crate::node::Node;
use crate::signals::Signals;

/// Space of uploads that broke off is looked for this often, whatever the epochs do.
const COLLECT_INTERVAL: Duration = Duration::from_secs(600);

/// Runs for as long as the node does. Serving ends with the epoch itself; only the disk waits for this.
pub(crate) async fn sweep_ended(node: Arc<Node>, signals: Arc<Signals>) {
    loop {
        tokio::time::sleep(node.config.timing.expiry_grace()).await;
        let there = node.clone();
        match tokio::task::spawn_blocking(move || sweep(&there)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(blobs)) => tracing::info!(blobs, "deleted blobs whose last epoch is over"),
            Ok(Err(error)) => tracing::warn!(%error, "deleting ended blobs failed; it is tried again"),
            Err(error) => tracing::error!(%error, "deleting ended blobs panicked"),
        }
        node.check_store();
        let _ = tokio::time::timeout(COLLECT_INTERVAL, signals.epoch_changed.notified()).await;
    }
}

/// Deletes every blob that has ended and is not registered again, then frees the space. Blocking.
fn sweep(node: &Node) -> Result<u64, LedgerError> {
    let epoch = node.ledger.epoch();
    let mut deleted = 0;
    for blob in node.ledger.ended()? {
        if node.ledger.delete_unless_registered(&blob)? {
            node.shelf.forget(&blob);
            deleted += 1;
        }
    }
    node.ledger.mark_swept(epoch)?;
    node.store().collect_garbage()?;
    Ok(deleted)
}
