//! HTTP as the client uses it: any connector, bounded bodies, deadlines on every wait.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use floe_protocol::Epoch;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector},
    },
    rt::{TokioExecutor, TokioTimer},
};

use crate::config::ConnectionConfig;

/// An error of a body or connection, as hyper gives it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body, sent or received.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Longest error body that is looked at.
const ERROR_BODY_BYTES_MAX: usize = 16 << 10;

/// Carries one HTTP exchange. Over sockets it is [`HyperTransport`]; a simulator hands in its own.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends the request and returns when the head of the answer is there.
    ///
    /// # Errors
    /// [`TransportError`] if there is no connection or it broke.
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, TransportError>;
}

/// The connection could not be made, or it broke.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// Nothing was sent.
    #[error("no connection: {0}")]
    Connect(String),
    /// It broke on the way.
    #[error("connection broke: {0}")]
    Broken(String),
}

/// HTTP/1.1 with pooled connections over any hyper connector.
pub struct HyperTransport<C> {
    client: Client<C, Body>,
}

impl HyperTransport<HttpConnector> {
    /// Over TCP.
    pub fn tcp(config: &ConnectionConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(config.connect_timeout));
        connector.set_nodelay(true);
        Self::new(connector, config)
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> HyperTransport<C> {
    /// Over a connector of the caller's.
    pub fn new(connector: C, config: &ConnectionConfig) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.pool_idle_timeout)
            .pool_max_idle_per_host(config.pool_idle_per_node_max)
            .build(connector);
        Self { client }
    }
}

#[async_trait]
impl<C: Connect + Clone + Send + Sync + 'static> Transport for HyperTransport<C> {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        match self.client.request(request).await {
            Ok(response) => Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync())),
            Err(error) if error.is_connect() => Err(TransportError::Connect(root_of(&error))),
            Err(error) => Err(TransportError::Broken(root_of(&error))),
        }
    }
}

/// The innermost cause of an error: what a person can act on, without the layers around it.
pub(crate) fn root_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

/// Why one request to one node did not give what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{0}")]
    Transport(#[from] TransportError),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("answered {status}{}: {message}", Reason(.reason))]
    Refused { status: StatusCode, reason: Option<String>, message: String },
    #[error("answer of more than {max} bytes")]
    TooLong { max: usize },
    /// The bytes are not what they must be: the node lies, or its answer was corrupted on the way.
    #[error("wrong answer: {0}")]
    Wrong(String),
    #[error("bad address: {0}")]
    Address(String),
    /// This side failed.
    #[error("{0}")]
    Local(String),
    /// It has not noticed the current epoch yet.
    #[error("confirmed for epoch {got}, but it is epoch {expected}")]
    Lagging { got: Epoch, expected: Epoch },
}

struct Reason<'a>(&'a Option<String>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl CallError {
    /// Whether asking the same node again can help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Timeout(_) | Self::Lagging { .. } => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS || self.is_not_registered()
            }
            Self::TooLong { .. } | Self::Wrong(_) | Self::Address(_) | Self::Local(_) => false,
        }
    }

    /// Whether the node has not seen the registration of the blob.
    pub(crate) fn is_not_registered(&self) -> bool {
        matches!(self, Self::Refused { reason: Some(reason), .. } if reason == "NOT_REGISTERED")
    }

    /// Whether the node gave bytes that nobody who follows the protocol gives.
    pub(crate) fn is_lie(&self) -> bool {
        matches!(self, Self::Wrong(_) | Self::TooLong { .. })
    }

    /// Whether the node itself seems to be gone, and not only the thing asked for.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Transport(_) | Self::Timeout(_))
    }
}

/// Sends requests and reads bounded answers.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) idle_timeout: Duration,
    /// Bytes of all answers so far, heads not counted.
    received: Arc<AtomicU64>,
}

impl Caller {
    pub(crate) fn new(transport: Arc<dyn Transport>, idle_timeout: Duration) -> Self {
        Self { transport, idle_timeout, received: Arc::default() }
    }

    pub(crate) fn received_bytes(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The body of a 200 answer, at most `max` bytes; the whole exchange within `timeout`.
    pub(crate) async fn get(&self, uri: http::Uri, max: usize, timeout: Duration) -> Result<Vec<u8>, CallError> {
        self.exchange(uri, timeout, |response| self.accept(response, max)).await
    }

    /// What lies between `head` and `tail` in the body of a 200 answer: exactly `length` bytes, not moved once they are
    /// received. Bytes that must be these are no reason to look for others.
    pub(crate) async fn get_framed(
        &self,
        uri: http::Uri,
        (head, length, tail): (&[u8], usize, &[u8]),
        timeout: Duration,
    ) -> Result<Vec<u8>, CallError> {
        self.exchange(uri, timeout, async |response| {
            let response = self.success(response).await?;
            let max = head.len() + length + tail.len();
            let mut parts = Framed { head, data: Vec::with_capacity(length), length, tail, at: 0 };
            self.frames(response, max, |bytes| parts.push(bytes)).await?;
            parts.finish()
        })
        .await
    }

    async fn exchange<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        uri: http::Uri,
        timeout: Duration,
        receive: impl FnOnce(Response<Body>) -> F,
    ) -> Result<T, CallError> {
        let request = Request::get(uri).body(empty()).map_err(|error| CallError::Address(error.to_string()))?;
        let exchange = async {
            let response = within(self.idle_timeout, self.transport.send(request)).await??;
            receive(response).await
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(CallError::Timeout(timeout)),
        }
    }

    /// The body if the answer is a success, the error in it otherwise.
    pub(crate) async fn accept(&self, response: Response<Body>, max: usize) -> Result<Vec<u8>, CallError> {
        let response = self.success(response).await?;
        self.body(response, max).await
    }

    /// The answer if it is a success, the error in it otherwise.
    async fn success(&self, response: Response<Body>) -> Result<Response<Body>, CallError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response, ERROR_BODY_BYTES_MAX).await.unwrap_or_default();
        Err(refusal(status, &body))
    }

    async fn body(&self, response: Response<Body>, max: usize) -> Result<Vec<u8>, CallError> {
        let mut bytes = Vec::with_capacity(declared_length(&response).unwrap_or(0).min(max));
        self.frames(response, max, |data| {
            bytes.extend_from_slice(data);
            Ok(())
        })
        .await?;
        Ok(bytes)
    }

    /// Hands out what comes, at most `max` bytes.
    async fn frames(
        &self,
        response: Response<Body>,
        max: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        if declared_length(&response).is_some_and(|length| length > max) {
            return Err(CallError::TooLong { max });
        }
        let mut left = max;
        let mut body = response.into_body();
        while let Some(frame) = within(self.idle_timeout, body.frame()).await? {
            let frame = frame.map_err(|error| TransportError::Broken(root_of(&*error)))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            self.received.fetch_add(data.len() as u64, Ordering::Relaxed);
            left = left.checked_sub(data.len()).ok_or(CallError::TooLong { max })?;
            take(&data)?;
        }
        Ok(())
    }
}

fn declared_length(response: &Response<Body>) -> Option<usize> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body of which all but `length` bytes in the middle is known.
struct Framed<'f> {
    head: &'f [u8],
    data: Vec<u8>,
    length: usize,
    tail: &'f [u8],
    /// Bytes of head and tail that have come.
    at: usize,
}

impl Framed<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        let bytes = self.expect(bytes, self.head.len())?;
        let (data, rest) = bytes.split_at(bytes.len().min(self.length - self.data.len()));
        self.data.extend_from_slice(data);
        let rest = self.expect(rest, self.head.len() + self.tail.len())?;
        match rest.is_empty() {
            true => Ok(()),
            false => Err(self.wrong()),
        }
    }

    /// Takes bytes of head and tail, up to the `end`-th, off the front.
    fn expect<'b>(&mut self, bytes: &'b [u8], end: usize) -> Result<&'b [u8], CallError> {
        let (frame, rest) = bytes.split_at(bytes.len().min(end.saturating_sub(self.at)));
        let known = self.head.iter().chain(self.tail).skip(self.at);
        if !frame.iter().eq(known.take(frame.len())) {
            return Err(self.wrong());
        }
        self.at += frame.len();
        Ok(rest)
    }

    fn finish(self) -> Result<Vec<u8>, CallError> {
        match self.data.len() == self.length && self.at == self.head.len() + self.tail.len() {
            true => Ok(self.data),
            false => Err(self.wrong()),
        }
    }

    fn wrong(&self) -> CallError {
        let length = self.length;
        CallError::Wrong(format!("not {length} bytes between {:02x?} and {:02x?}", self.head, self.tail))
    }
}

/// A refusal, with the reason and message of an error body where there is one (http-api.md section 1.2).
fn refusal(status: StatusCode, body: &[u8]) -> CallError {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let error = json.as_ref().and_then(|value| value.get("error"));
    let text = |value: Option<&serde_json::Value>| value?.as_str().map(printable);
    let reason = text(error.and_then(|error| error.pointer("/details/0/reason")));
    let message =
        text(error.and_then(|error| error.get("message"))).unwrap_or_else(|| printable(&String::from_utf8_lossy(body)));
    CallError::Refused { status, reason, message }
}

/// Text of a stranger made fit for a log line: short, and without control characters.
fn printable(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Result<T, CallError> {
    tokio::time::timeout(limit, future).await.map_err(|_| CallError::Timeout(limit))
}

/// A body of no bytes.
pub(crate) fn empty() -> Body {
    http_body_util::Empty::new().map_err(|never: std::convert::Infallible| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(chunks: &[&[u8]]) -> Result<Vec<u8>, CallError> {
        let mut parts = Framed { head: &[9, 8], data: Vec::new(), length: 3, tail: &[7, 6], at: 0 };
        chunks.iter().try_for_each(|chunk| parts.push(chunk))?;
        parts.finish()
    }

    #[test]
    fn what_lies_between_head_and_tail() {
        let body = [9, 8, 1, 2, 3, 7, 6];
        for first in 0..=body.len() {
            for second in first..=body.len() {
                let chunks = [&body[..first], &body[first..second], &body[second..]];
                assert_eq!(framed(&chunks).unwrap(), [1, 2, 3]);
            }
        }
        for bad in [&body[..6], &[9, 8, 1, 2, 3, 7, 6, 0], &[9, 9, 1, 2, 3, 7, 6], &[9, 8, 1, 2, 3, 7, 7], &[]] {
            for middle in 0..=bad.len() {
                let error = framed(&[&bad[..middle], &bad[middle..]]).unwrap_err();
                assert!(error.is_lie(), "{bad:?}: {error}");
            }
        }
    }
}
