//! The accept loop: bounded connections, time for heads, answers that must move, an orderly end.

mod write_timeout;

use std::{sync::Arc, time::Duration};

use floe_client::FloeClient;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{ConnectionLimits, GatewayConfig, router_with_tasks};
use write_timeout::WriteTimeout;

/// Pause after an accept that failed for lack of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Requests at once on one HTTP/2 connection.
const HTTP2_STREAMS_MAX: u32 = 64;
/// Idle HTTP/2 connections are probed.
const HTTP2_PROBE: Duration = Duration::from_secs(20);

/// Why a gateway ended.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The listener cannot be used.
    #[error("the gateway cannot listen: {0}")]
    Listen(#[from] std::io::Error),
}

impl GatewayError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen(_) => "GATEWAY-LISTEN",
        }
    }
}

/// Serves until `shutdown` is cancelled, then lets requests under way finish for as long as the configuration says, and
/// uploads in the background with them.
///
/// # Errors
/// [`GatewayError::Listen`] if the listener is of no use.
pub async fn serve(
    config: GatewayConfig,
    client: FloeClient,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), GatewayError> {
    let address = listener.local_addr()?;
    let limits = config.connections.clone();
    let tasks = TaskTracker::new();
    let router = router_with_tasks(client.clone(), config, tasks.clone());
    let places = Arc::new(Semaphore::new(limits.open_max));
    let connections = TaskTracker::new();
    tracing::info!(%address, "the gateway serves");
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, place)) = accepted else { continue };
        let service = TowerToHyperService::new(router.clone());
        let connection = serve_connection(stream, service, limits.clone(), shutdown.clone());
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    tasks.close();
    let limit = Duration::from_secs(limits.shutdown_secs_max);
    let deadline = tokio::time::Instant::now() + limit;
    let ended = tokio::time::timeout_at(deadline, async {
        connections.wait().await;
        tasks.wait().await;
    });
    if ended.await.is_err() {
        tracing::warn!(open = connections.len(), stores = tasks.len(), "requests under way were cut off");
    }
    client.drain(deadline.duration_since(tokio::time::Instant::now())).await;
    Ok(())
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    service: TowerToHyperService<axum::Router>,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let stream = WriteTimeout::new(stream, Duration::from_secs(limits.write_idle_secs_max));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Without a timer hyper ignores the time limits.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(limits.header_secs_max));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .keep_alive_interval(HTTP2_PROBE)
        .keep_alive_timeout(HTTP2_PROBE);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(error = &*error, "a connection ended badly");
    }
}
