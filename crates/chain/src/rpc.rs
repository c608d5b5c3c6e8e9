//! JSON-RPC requests: one endpoint, timeouts, retries, and answers read leniently enough for any EVM chain.

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use alloy::{
    primitives::{B256, Bytes, U64, U256},
    rpc::{
        client::{ClientBuilder, RpcClient, WsConnect},
        json_rpc::{ErrorPayload, RpcError, RpcRecv},
        types::Log,
    },
    sol_types::SolCall,
    transports::{TransportErrorKind, utils::guess_local_url},
};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};

use crate::{Address, ChainError, revert};

/// Longest wait for the answer to one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call goes on trying while the endpoint does not answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// First and longest pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

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

/// Why one request failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No usable answer came: try again.
    Transport(String),
    /// The endpoint answered with an error.
    Refused(ErrorPayload),
    /// The answer is not what was asked for.
    Unreadable(String),
}

impl Failure {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            Self::Refused(payload) => payload.is_retry_err(),
            Self::Unreadable(_) => false,
        }
    }

    /// Data of a revert, if it is one. Empty data is a revert without a reason.
    pub(crate) fn revert_data(&self) -> Option<Bytes> {
        let Self::Refused(payload) = self else { return None };
        let reverted = payload.message.to_lowercase().contains("revert") || payload.code == 3;
        payload.as_revert_data().or_else(|| reverted.then(Bytes::new))
    }
}

/// A header, as far as it matters here.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    #[serde(deserialize_with = "quantity")]
    pub(crate) number: u64,
    pub(crate) hash: B256,
    #[serde(deserialize_with = "quantity")]
    pub(crate) timestamp: u64,
    #[serde(default)]
    pub(crate) base_fee_per_gas: Option<U256>,
}

/// A receipt, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    #[serde(default)]
    pub(crate) status: Option<U64>,
    #[serde(deserialize_with = "quantity")]
    pub(crate) block_number: u64,
    #[serde(deserialize_with = "quantity")]
    pub(crate) gas_used: u64,
    #[serde(default)]
    pub(crate) contract_address: Option<alloy::primitives::Address>,
    #[serde(default)]
    pub(crate) logs: Vec<Log>,
}

impl Receipt {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_none_or(|status| !status.is_zero())
    }
}

pub(crate) fn quantity<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    U64::deserialize(deserializer).map(|number| number.to())
}

/// Hex form of a block number in a request.
pub(crate) fn block_tag(number: u64) -> String {
    format!("{number:#x}")
}

/// One endpoint. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Rpc {
    inner: Arc<Inner>,
}

struct Inner {
    url: Url,
    origin: String,
    /// The connection; a WebSocket that broke is replaced on the next request.
    client: Mutex<Option<RpcClient>>,
}

impl Rpc {
    /// Checks the address; connects on the first request.
    pub(crate) fn new(url: &str) -> Result<Self, ChainError> {
        let url = Url::parse(url).map_err(|e| ChainError::InvalidUrl { detail: e.to_string() })?;
        if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") || url.host_str().is_none() {
            return Err(ChainError::InvalidUrl { detail: format!("scheme {}", url.scheme()) });
        }
        Ok(Self { inner: Arc::new(Inner { origin: origin(&url), url, client: Mutex::default() }) })
    }

    /// Whether the endpoint is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        guess_local_url(self.inner.url.as_str())
    }

    /// Whether the endpoint can announce new blocks.
    pub(crate) fn announces(&self) -> bool {
        self.inner.url.scheme().starts_with("ws")
    }

    /// The connection, made if there is none.
    pub(crate) async fn client(&self) -> Result<RpcClient, Failure> {
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
            .build()
            .map_err(|e| Failure::Unreadable(e.to_string()))?;
        let local = self.is_local();
        Ok(ClientBuilder::default().transport(alloy::transports::http::Http::with_client(http, url), local))
    }

    /// One try.
    pub(crate) async fn once<R: RpcRecv>(&self, method: &'static str, params: Value) -> Result<R, Failure> {
        let client = self.client().await?;
        // Boxed, as every call above holds it: many side by side would not fit on a stack.
        let request = Box::pin(async move { client.request::<_, R>(method, params).await });
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, request).await;
        self.settle(answer).await
    }

    /// Several requests in one message, so that one machine behind the endpoint answers all of them.
    pub(crate) async fn once_batch<A: RpcRecv, B: RpcRecv, const N: usize>(
        &self,
        first: (&'static str, Value),
        others: [(&'static str, Value); N],
    ) -> Result<(A, [B; N]), Failure> {
        let client = self.client().await?;
        let all = async {
            let mut batch = client.new_batch();
            let first = batch.add_call::<_, A>(first.0, &first.1)?;
            let mut waiters = Vec::with_capacity(N);
            for (method, params) in &others {
                waiters.push(batch.add_call::<_, B>(*method, params)?);
            }
            batch.send().await?;
            let first = first.await?;
            let mut answers = Vec::with_capacity(N);
            for waiter in waiters {
                answers.push(waiter.await?);
            }
            let answers = <[B; N]>::try_from(answers).map_err(|_| RpcError::NullResp)?;
            Ok((first, answers))
        };
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, Box::pin(all)).await;
        self.settle(answer).await
    }

    /// The same method for several parameters in one message; an outcome for each. One try.
    pub(crate) async fn once_each<R: RpcRecv>(
        &self,
        method: &'static str,
        params: &[Value],
    ) -> Result<Vec<Result<R, Failure>>, Failure> {
        let client = self.client().await?;
        let all = async {
            let mut batch = client.new_batch();
            let waiters = params.iter().map(|params| batch.add_call::<_, R>(method, params));
            let waiters = waiters.collect::<Result<Vec<_>, _>>()?;
            batch.send().await?;
            Ok(futures::future::join_all(waiters).await)
        };
        let answers = self.settle(tokio::time::timeout(REQUEST_TIMEOUT, Box::pin(all)).await).await?;
        Ok(answers.into_iter().map(|answer| answer.map_err(|error| self.classify(error))).collect())
    }

    async fn settle<T>(
        &self,
        answer: Result<Result<T, RpcError<TransportErrorKind>>, tokio::time::error::Elapsed>,
    ) -> Result<T, Failure> {
        let failure = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => self.classify(error),
            Err(_) => Failure::Transport(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs())),
        };
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

    pub(crate) fn error(&self, method: &'static str, failure: Failure) -> ChainError {
        match failure {
            Failure::Transport(detail) => {
                ChainError::Unreachable { endpoint: self.inner.origin.clone(), method, detail }
            }
            Failure::Refused(payload) => {
                ChainError::Rpc { method, rpc_code: payload.code, message: payload.message.into_owned() }
            }
            Failure::Unreadable(detail) => ChainError::BadAnswer { method, detail },
        }
    }

    /// A request that changes nothing, tried until [`PATIENCE`] is over.
    pub(crate) async fn patiently<R: RpcRecv>(&self, method: &'static str, params: Value) -> Result<R, Failure> {
        retry(PATIENCE, || self.once(method, params.clone())).await
    }

    /// As [`patiently`](Self::patiently), with the error for callers.
    pub(crate) async fn get<R: RpcRecv>(&self, method: &'static str, params: Value) -> Result<R, ChainError> {
        self.patiently(method, params).await.map_err(|failure| self.error(method, failure))
    }

    pub(crate) async fn chain_id(&self) -> Result<u64, ChainError> {
        self.get::<U64>("eth_chainId", json!([])).await.map(|id| id.to())
    }

    /// The chain id, if it is the expected one.
    pub(crate) async fn expect_chain(&self, expected: Option<u64>) -> Result<u64, ChainError> {
        let got = self.chain_id().await?;
        match expected {
            Some(expected) if got != expected => Err(ChainError::WrongChain { got, expected }),
            _ => Ok(got),
        }
    }

    /// Calls a view function at the latest block.
    pub(crate) async fn call<C: SolCall>(
        &self,
        what: &'static str,
        contract: Address,
        call: &C,
    ) -> Result<C::Return, ChainError> {
        let params = json!([{ "to": contract.evm(), "data": Bytes::from(call.abi_encode()) }, "latest"]);
        let data: Bytes =
            Box::pin(self.patiently("eth_call", params)).await.map_err(|failure| match failure.revert_data() {
                Some(data) => {
                    let reverted = revert::decode(&data);
                    ChainError::Reverted { name: reverted.name, detail: reverted.detail }
                }
                None => self.error("eth_call", failure),
            })?;
        C::abi_decode_returns(&data).map_err(|e| ChainError::BadAnswer { method: what, detail: e.to_string() })
    }
}

/// Tries again after transient failures, until the time is over.
pub(crate) async fn retry<T, F: Future<Output = Result<T, Failure>>>(
    patience: Duration,
    mut request: impl FnMut() -> F,
) -> Result<T, Failure> {
    let deadline = Instant::now() + patience;
    let mut pause = Backoff::default();
    loop {
        match request().await {
            Err(failure) if failure.is_transient() && Instant::now() < deadline => pause.wait().await,
            outcome => return outcome,
        }
    }
}

/// Growing pauses between tries.
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(RETRY_PAUSE)
    }
}

impl Backoff {
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(RETRY_PAUSE_MAX);
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
