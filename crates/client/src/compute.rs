//! Work for processors is done on the rayon pool, so that no task that waits for the network is held up; but for what is
//! done before another thread would have woken up.

use floe_redstuff::EncodingParams;

use crate::error::ClientError;

/// A blob with this many symbols and bytes is coded in well under a millisecond.
const BRIEF_SYMBOLS_MAX: u32 = 16 * 1024;
const BRIEF_BYTES_MAX: u64 = 64 << 10;

/// Whether a blob of this size is encoded, decoded and checked where one is.
pub(crate) fn is_brief(params: EncodingParams, size: u64) -> bool {
    let n = u32::from(params.n_shards());
    n * n <= BRIEF_SYMBOLS_MAX && size <= BRIEF_BYTES_MAX
}

/// Runs brief work here and now, other work as [`compute`] does.
pub(crate) async fn compute_unless<T: Send + 'static>(
    brief: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ClientError> {
    if brief { Ok(work()) } else { compute(work).await }
}

/// Runs `work` on the rayon pool and waits for it without blocking.
pub(crate) async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ClientError> {
    let (done, result) = tokio::sync::oneshot::channel();
    rayon::spawn(move || {
        // Nobody waits any more if the receiver is gone: the result is dropped.
        let _ = done.send(work());
    });
    result.await.map_err(|_| ClientError::Internal("a computation did not finish".into()))
}
