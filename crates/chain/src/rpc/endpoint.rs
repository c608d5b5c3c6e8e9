//! One endpoint: its connection, and how its answers are read.

use std::{
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::{
    rpc::{
        client::{ClientBuilder, RpcClient, WsConnect},
        json_rpc::{RpcError, RpcRecv},
    },
    transports::{TransportErrorKind, utils::guess_local_url},
};
use reqwest::Url;
use serde_json::Value;
use tokio::{sync::Mutex, time::error::Elapsed};

use super::{REQUEST_TIMEOUT, RETRY_PAUSE, answers::Failure, health::Health};
use crate::ChainError;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections kept for later requests: endpoints count them.
const IDLE_CONNECTIONS_MAX: usize = 4;

/// A request: the method and its parameters.
pub(crate) type Request = (&'static str, Value);

/// Scheme, host and port of an endpoint: what may be shown of it.
pub(crate) fn origin_of(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => origin(&url),
        Err(_) => "(not an address)".to_owned(),
    }
}

fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// One endpoint. Clones share the connection and what is known of it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    inner: Arc<Inner>,
}

struct Inner {
    url: Url,
    origin: String,
    /// The connection; a WebSocket that broke is replaced on the next request.
    client: Mutex<Option<RpcClient>>,
    /// It was seen to serve the right chain since it last went away.
    verified: AtomicBool,
    health: std::sync::Mutex<Health>,
}

impl Endpoint {
    /// Checks the address; connects on the first request.
    pub(super) fn new(url: &str) -> Result<Self, ChainError> {
        let url = Url::parse(url).map_err(|e| ChainError::InvalidUrl { detail: e.to_string() })?;
        if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") || url.host_str().is_none() {
            return Err(ChainError::InvalidUrl { detail: format!("scheme {}", url.scheme()) });
        }
        let (client, verified, health) = Default::default();
        Ok(Self { inner: Arc::new(Inner { origin: origin(&url), url, client, verified, health }) })
    }

    pub(crate) fn origin(&self) -> &str {
        &self.inner.origin
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Whether it is on this machine.
    pub(super) fn is_local(&self) -> bool {
        guess_local_url(self.inner.url.as_str())
    }

    /// Whether it can announce new blocks.
    pub(super) fn announces(&self) -> bool {
        self.inner.url.scheme().starts_with("ws")
    }

    pub(super) fn is_verified(&self) -> bool {
        self.inner.verified.load(Ordering::Acquire)
    }

    pub(super) fn set_verified(&self, verified: bool) {
        self.inner.verified.store(verified, Ordering::Release);
    }

    pub(super) fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        // Only hints: what a panic left behind is as good as any.
        self.inner.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The connection, made if there is none.
    pub(super) async fn client(&self) -> Result<RpcClient, Failure> {
        let mut slot = self.inner.client.lock().await;
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let client = Box::pin(self.connect()).await?;
        *slot = Some(client.clone());
        Ok(client)
    }

    async fn connect(&self) -> Result<RpcClient, Failure> {
        install_tls_provider();
        let url = self.inner.url.clone();
        if self.announces() {
            // One try: a lost connection then fails what waits on it, and the next request connects anew.
            let socket = WsConnect::new(url.as_str()).with_max_retries(1).with_retry_interval(RETRY_PAUSE);
            let connecting = ClientBuilder::default().ws(socket);
            return tokio::time::timeout(CONNECT_TIMEOUT, connecting)
                .await
                .map_err(|_| Failure::Transport("no connection in time".to_owned()))?
                .map_err(|e| self.classify(e));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build()
            .map_err(|e| Failure::Unreadable(e.to_string()))?;
        let local = self.is_local();
        Ok(ClientBuilder::default().transport(alloy::transports::http::Http::with_client(http, url), local))
    }

    /// One request, one try.
    pub(super) async fn request<R: RpcRecv>(self, request: Request, patience: Duration) -> Result<R, Failure> {
        let client = self.client().await?;
        // Boxed, as every call above holds it: many side by side would not fit on a stack.
        let asking = Box::pin(async move { client.request::<_, R>(request.0, request.1).await });
        let answer = tokio::time::timeout(patience, asking).await;
        self.settle(answer, patience).await
    }

    /// Several requests in one message, so that one machine behind the endpoint answers all of them.
    pub(super) async fn batch<A: RpcRecv, B: RpcRecv>(
        self,
        first: Request,
        others: Vec<Request>,
        patience: Duration,
    ) -> Result<(A, Vec<B>), Failure> {
        let client = self.client().await?;
        let all = async {
            let mut batch = client.new_batch();
            let first = batch.add_call::<_, A>(first.0, &first.1)?;
            let waiters = others.iter().map(|(method, params)| batch.add_call::<_, B>(*method, params));
            let waiters = waiters.collect::<Result<Vec<_>, _>>()?;
            batch.send().await?;
            let first = first.await?;
            let mut answers = Vec::with_capacity(waiters.len());
            for waiter in waiters {
                answers.push(waiter.await?);
            }
            Ok((first, answers))
        };
        let answer = tokio::time::timeout(patience, Box::pin(all)).await;
        self.settle(answer, patience).await
    }

    /// The same method for several parameters in one message; an outcome for each.
    pub(super) async fn each<R: RpcRecv>(
        self,
        method: &'static str,
        params: &[Value],
        patience: Duration,
    ) -> Result<Vec<Result<R, Failure>>, Failure> {
        let client = self.client().await?;
        let all = async {
            let mut batch = client.new_batch();
            let waiters = params.iter().map(|params| batch.add_call::<_, R>(method, params));
            let waiters = waiters.collect::<Result<Vec<_>, _>>()?;
            batch.send().await?;
            Ok(futures::future::join_all(waiters).await)
        };
        let answer = tokio::time::timeout(patience, Box::pin(all)).await;
        let answers = self.settle(answer, patience).await?;
        Ok(answers.into_iter().map(|answer| answer.map_err(|error| self.classify(error))).collect())
    }

    async fn settle<T>(
        &self,
        answer: Result<Result<T, RpcError<TransportErrorKind>>, Elapsed>,
        patience: Duration,
    ) -> Result<T, Failure> {
        let (failure, lost) = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => {
                let lost = matches!(&error, RpcError::Transport(kind) if kind.as_http_error().is_none());
                (self.classify(error), lost)
            }
            Err(_) => (Failure::Transport(format!("no answer within {} s", patience.as_secs())), true),
        };
        if lost {
            // What comes back may be another chain.
            self.set_verified(false);
        }
        if self.announces() && matches!(failure, Failure::Transport(_)) {
            *self.inner.client.lock().await = None;
        }
        Err(failure)
    }

    fn classify(&self, error: RpcError<TransportErrorKind>) -> Failure {
        match error {
            RpcError::ErrorResp(payload) => Failure::Refused(payload),
            RpcError::Transport(kind) => match kind.as_http_error().map(|http| http.status) {
                Some(status) if (400..500).contains(&status) && status != 429 && status != 408 => {
                    Failure::Unreadable(format!("HTTP status {status}"))
                }
                Some(status) => Failure::Transport(format!("HTTP status {status}")),
                None => Failure::Transport(self.redact(&chain_of(&kind))),
            },
            RpcError::NullResp => Failure::Unreadable("null".to_owned()),
            RpcError::DeserError { err, .. } => Failure::Unreadable(err.to_string()),
            other => Failure::Unreadable(self.redact(&other.to_string())),
        }
    }

    /// The address may carry a key: only its origin is shown.
    fn redact(&self, text: &str) -> String {
        let url = self.inner.url.as_str();
        text.replace(url, &self.inner.origin).replace(url.trim_end_matches('/'), &self.inner.origin)
    }
}

/// An error and what caused it, on one line: the outermost text of connection errors says little.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// TLS needs a process-wide choice of cryptography; a choice that is already made stays.
fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("a TLS crypto provider is installed already");
        }
    });
}
