//! Work for processors is done on the rayon pool, so that no task that waits for the network is held up.

use crate::error::ClientError;

/// Runs `work` on the rayon pool and waits for it without blocking.
pub(crate) async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ClientError> {
    let (done, result) = tokio::sync::oneshot::channel();
    rayon::spawn(move || {
        // Nobody waits any more if the receiver is gone: the result is dropped.
        let _ = done.send(work());
    });
    result.await.map_err(|_| ClientError::Internal("a computation did not finish".into()))
}
