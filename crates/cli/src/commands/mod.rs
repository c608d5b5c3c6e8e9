//! The commands, one file each.

pub(crate) mod bench;
pub(crate) mod blob_id;
pub(crate) mod blob_status;
pub(crate) mod chain;
pub(crate) mod completions;
pub(crate) mod devnet;
pub(crate) mod gateway;
pub(crate) mod info;
pub(crate) mod input;
pub(crate) mod node;
pub(crate) mod read;
pub(crate) mod store;

use tokio_util::sync::CancellationToken;

/// Cancelled by Ctrl-C or SIGTERM.
pub(crate) fn shutdown_signal() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let token = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancel.cancel();
    });
    Ok(token)
}
