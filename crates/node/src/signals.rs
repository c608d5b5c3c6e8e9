//! How the event loop tells the other background tasks that there is work.

use tokio::sync::Notify;

/// One bell for each background task.
#[derive(Default)]
pub(crate) struct Signals {
    pub(crate) epoch_changed: Notify,
    pub(crate) committee_changed: Notify,
    pub(crate) sync_due: Notify,
    pub(crate) slivers_missing: Notify,
}
