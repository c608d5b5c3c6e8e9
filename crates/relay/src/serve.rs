//! The accept loop: bounded connections, time for heads, an orderly end.

use std::{sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Relay, http};

/// Pause after an accept that failed for lack of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Read buffer of a connection, and with it the longest head.
const BUFFER_BYTES_MAX: usize = 32 << 10;

/// Why a relay ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener cannot be used.
    #[error("the relay cannot listen: {0}")]
    Listen(#[from] std::io::Error),
}

impl ServeError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Listen(_) => "RELAY-LISTEN",
        }
    }
}

/// Serves until `shutdown` is cancelled, then lets requests under way finish for as long as the configuration says. What was
/// sent to the chain by then is done or not by the chain alone: asking again tells.
///
/// # Errors
/// [`ServeError::Listen`] if the listener is of no use.
pub async fn serve(relay: Relay, listener: TcpListener, shutdown: CancellationToken) -> Result<(), ServeError> {
    let (address, config) = (listener.local_addr()?, relay.config().clone());
    let router = http::router(relay.clone());
    let places = Arc::new(Semaphore::new(config.connections_max));
    let connections = TaskTracker::new();
    tracing::info!(%address, account = %relay.account(), "the relay serves");
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, place)) = accepted else { continue };
        let service = TowerToHyperService::new(router.clone());
        let connection = serve_connection(stream, service, config.header_timeout, shutdown.clone());
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    let ended = tokio::time::timeout(config.shutdown_timeout, async {
        connections.wait().await;
        relay.drain().await;
    });
    if ended.await.is_err() {
        tracing::warn!(open = connections.len(), "requests under way were cut off");
    }
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

/// HTTP/1.1 alone: its time limit for heads begins with the connection, so who sends nothing is given up. Answers are
/// short enough for a socket's buffer, so nobody can hold one up.
async fn serve_connection(
    stream: TcpStream,
    service: TowerToHyperService<axum::Router>,
    header_timeout: Duration,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let connection = http1::Builder::new()
        // Without a timer hyper ignores the time limit.
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
}
