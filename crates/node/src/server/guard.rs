//! A TCP stream that gives up on a peer who sends no first bytes or takes no answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Hyper looks at up to this many bytes to tell HTTP/2 from HTTP/1, and sets no deadline of its own for them.
const PREFACE_BYTES: usize = 24;

/// Wraps the stream of one connection. Header and body deadlines between requests are hyper's and ours; this one covers
/// what neither sees: a connection that stays silent from the start, and one that stops reading.
pub(crate) struct GuardedStream<S> {
    inner: S,
    first_bytes: Option<Pin<Box<Sleep>>>,
    received: usize,
    stall_max: Duration,
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> GuardedStream<S> {
    pub(crate) fn new(inner: S, first_bytes_within: Duration, stall_max: Duration) -> Self {
        let deadline = Instant::now() + first_bytes_within;
        Self { inner, first_bytes: Some(Box::pin(sleep_until(deadline))), received: 0, stall_max, stall: None }
    }

    /// Passes on the outcome of a write; starts the stall clock when it made no progress, stops it when it did.
    fn watch_write(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if outcome.is_ready() {
            self.stall = None;
            return outcome;
        }
        let stall_max = self.stall_max;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall_max)));
        match stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer stopped reading"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let outcome = Pin::new(&mut this.inner).poll_read(cx, buf);
        let Some(deadline) = this.first_bytes.as_mut() else { return outcome };
        this.received = this.received.saturating_add(buf.filled().len().saturating_sub(before));
        if this.received >= PREFACE_BYTES {
            this.first_bytes = None;
        } else if outcome.is_pending() && deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer sent no request")));
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GuardedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.watch_write(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.watch_write(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_silent_peer_is_given_up() {
        let (near, _far) = tokio::io::duplex(64);
        let mut near = GuardedStream::new(near, Duration::from_millis(20), Duration::from_millis(40));
        let error = near.read_u8().await.expect_err("silent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_sent_a_request_may_be_silent() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = GuardedStream::new(near, Duration::from_millis(20), Duration::from_millis(40));
        far.write_all(&[0; PREFACE_BYTES]).await.expect("room");
        let mut taken = [0; PREFACE_BYTES];
        near.read_exact(&mut taken).await.expect("there");
        assert!(tokio::time::timeout(Duration::from_millis(60), near.read_u8()).await.is_err());
    }

    #[tokio::test]
    async fn a_peer_that_stops_reading_is_given_up() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = GuardedStream::new(near, Duration::from_millis(20), Duration::from_millis(40));
        near.write_all(&[1; 4]).await.expect("room");
        far.read_u8().await.expect("there");
        near.write_all(&[1]).await.expect("room again");
        let error = near.write_all(&[1]).await.expect_err("stalled");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
