//! HTTP on the listening socket: POST carries requests, GET becomes a WebSocket.

use super::{Rpc, RpcError, respond, socket};
use crate::{
    DevChainError, ServeOptions,
    limits::{CROWDED_LOOK_MS, REQUEST_BYTES_MAX, REQUEST_TIMEOUT_SECS, SHUTDOWN_GRACE_SECS, SOCKET_PING_SECS},
};
use axum::{
    Router,
    body::Body,
    extract::{Extension, Request, State, WebSocketUpgrade},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{AcquireError, Notify, OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower_http::cors::CorsLayer;

/// Counts a connection, also after it has become a WebSocket.
type Permit = Arc<OwnedSemaphorePermit>;

#[derive(Clone)]
struct App {
    rpc: Rpc,
    closing: CancellationToken,
}

/// Serves until `shutdown`, then lets requests in progress finish and closes subscriptions.
pub(crate) async fn serve(
    rpc: Rpc,
    listener: TcpListener,
    options: &ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), DevChainError> {
    let closing = CancellationToken::new();
    let app = App { rpc, closing: closing.clone() };
    let router = Router::new()
        .route("/", post(handle).get(upgrade))
        .layer(CorsLayer::permissive().allow_private_network(true))
        .with_state(app);
    let connections_max = u32::try_from(options.connections_max).unwrap_or(u32::MAX);
    let slots = Arc::new(Semaphore::new(connections_max as usize));
    let crowded = Arc::new(Notify::new());
    tokio::pin!(shutdown);
    loop {
        // No connection is accepted beyond the limit: further ones wait in the backlog of the socket. Those that are
        // kept for later requests make room for them.
        let permit = tokio::select! {
            () = &mut shutdown => break,
            permit = slot(&slots, &crowded) => permit.map_err(|e| DevChainError::Serve(std::io::Error::other(e)))?,
        };
        let stream = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or the peer has already gone: neither ends the server.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        tokio::spawn(connection(stream, router.clone(), Arc::new(permit), crowded.clone(), closing.clone()));
    }
    drop(listener);
    closing.cancel();
    let drained = slots.acquire_many(connections_max);
    if tokio::time::timeout(Duration::from_secs(SHUTDOWN_GRACE_SECS), drained).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    Ok(())
}

/// A place for one more connection.
async fn slot(slots: &Arc<Semaphore>, crowded: &Notify) -> Result<OwnedSemaphorePermit, AcquireError> {
    loop {
        if slots.available_permits() == 0 {
            crowded.notify_waiters();
        }
        let free = slots.clone().acquire_owned();
        if let Ok(permit) = tokio::time::timeout(Duration::from_millis(CROWDED_LOOK_MS), free).await {
            return permit;
        }
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    permit: Permit,
    crowded: Arc<Notify>,
    closing: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(permit.clone())));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(REQUEST_TIMEOUT_SECS))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        // After the request in progress, if there is one.
        () = async { tokio::select! { () = crowded.notified() => {}, () = closing.cancelled() => {} } } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
    drop(permit);
}

async fn handle(State(app): State<App>, request: Request) -> Response {
    let body = axum::body::to_bytes(request.into_body(), REQUEST_BYTES_MAX);
    let Ok(body) = tokio::time::timeout(Duration::from_secs(REQUEST_TIMEOUT_SECS), body).await else {
        return failure(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
    };
    let Ok(body) = body else {
        return failure(StatusCode::PAYLOAD_TOO_LARGE, &format!("content length too large: limit {REQUEST_BYTES_MAX}"));
    };
    let answer = match std::str::from_utf8(&body) {
        Ok(text) => app.rpc.answer(text).await,
        Err(_) => Some(respond(None, Err(RpcError::parse()))),
    };
    reply(StatusCode::OK, answer.unwrap_or_default())
}

fn failure(status: StatusCode, message: &str) -> Response {
    reply(status, respond(None, Err(RpcError::invalid_request(message))))
}

fn reply(status: StatusCode, json: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(json)).into_response()
}

async fn upgrade(
    State(app): State<App>,
    Extension(permit): Extension<Permit>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return (StatusCode::METHOD_NOT_ALLOWED, "JSON-RPC: POST a request, or open a WebSocket\n").into_response();
    };
    let upgrade = upgrade.max_message_size(REQUEST_BYTES_MAX).max_frame_size(REQUEST_BYTES_MAX);
    let ping = Duration::from_secs(SOCKET_PING_SECS);
    upgrade.on_upgrade(move |socket| async move {
        socket::run(app.rpc, socket, ping, app.closing).await;
        drop(permit);
    })
}
