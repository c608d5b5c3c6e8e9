//! The accept loop: connection ceiling, deadlines, graceful end.

mod guard;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::NodeConfig;
use guard::GuardedStream;

/// Pause after a failed accept, which is usually a shortage of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);
const HTTP2_HEADER_BYTES_MAX: u32 = 32 << 10;
/// What a sender of an HTTP/2 body may have under way; bounds the memory of a connection.
const HTTP2_STREAM_WINDOW_BYTES: u32 = 512 << 10;
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// Read buffer of an HTTP/1 connection, and with it the longest head.
const HTTP1_BUFFER_BYTES_MAX: usize = 128 << 10;

/// Serves `router` until `shutdown`, then lets open requests finish within the drain deadline.
pub(crate) async fn serve(listener: TcpListener, router: Router, config: &NodeConfig, shutdown: CancellationToken) {
    let server = Arc::new(Connections::new(router, config));
    let slots = Arc::new(Semaphore::new(config.limits.connections_max));
    let tracker = TaskTracker::new();
    let hard_stop = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                let (server, shutdown, hard_stop) = (server.clone(), shutdown.clone(), hard_stop.clone());
                tracker.spawn(async move {
                    tokio::select! {
                        () = hard_stop.cancelled() => {}
                        () = server.serve_one(stream, shutdown) => {}
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections for the moment");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(config.timing.drain_timeout(), tracker.wait()).await.is_err() {
        tracing::warn!(open = tracker.len(), "connections still open at the drain deadline are cut");
        hard_stop.cancel();
        tracker.wait().await;
    }
}

/// Takes the slot first: a connection beyond the ceiling stays in the listen queue.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

struct Connections {
    http: auto::Builder<TokioExecutor>,
    router: Router,
    header_timeout: Duration,
    stall_max: Duration,
}

impl Connections {
    fn new(router: Router, config: &NodeConfig) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        // Without a timer on both builders hyper silently applies no deadline at all.
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(config.timing.header_timeout())
            .max_buf_size(HTTP1_BUFFER_BYTES_MAX);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(HTTP2_PING_INTERVAL)
            .keep_alive_timeout(HTTP2_PING_TIMEOUT)
            .max_concurrent_streams(config.limits.http2_streams_max)
            .max_header_list_size(HTTP2_HEADER_BYTES_MAX)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES);
        Self {
            http,
            router,
            header_timeout: config.timing.header_timeout(),
            stall_max: config.timing.body_idle_timeout(),
        }
    }

    async fn serve_one(&self, stream: TcpStream, shutdown: CancellationToken) {
        let io = TokioIo::new(GuardedStream::new(stream, self.header_timeout, self.stall_max));
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.http.serve_connection(io, service);
        tokio::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "connection ended early");
        }
    }
}
