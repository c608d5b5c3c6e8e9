//! Requests of one node to another.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Why another node gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("its address cannot be used: {0}")]
    Address(#[from] http::Error),
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] hyper_util::client::legacy::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer broke off or is too long: {0}")]
    Body(String),
    #[error("it did not answer within {0:?}")]
    Timeout(Duration),
}

/// A pooled client. What it returns is untrusted.
pub(crate) struct Peers {
    client: Client<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

impl Peers {
    pub(crate) fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(timeout));
        connector.set_nodelay(true);
        Self { client: Client::builder(TokioExecutor::new()).build(connector), timeout }
    }

    /// The body of a successful answer, of at most `bytes_max` bytes.
    pub(crate) async fn get(&self, address: &str, path: &str, bytes_max: usize) -> Result<Bytes, PeerError> {
        let request = Request::get(uri(address, path)).body(Full::default())?;
        self.exchange(request, bytes_max).await
    }

    /// The same, for something that is sent.
    pub(crate) async fn post(
        &self,
        address: &str,
        path: &str,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Bytes, PeerError> {
        let request = Request::post(uri(address, path)).body(Full::new(body))?;
        self.exchange(request, bytes_max).await
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Bytes, PeerError> {
        let answer = async {
            let response = self.client.request(request).await?;
            if response.status() != StatusCode::OK {
                return Err(PeerError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), bytes_max).collect().await;
            body.map(http_body_util::Collected::to_bytes).map_err(|error| PeerError::Body(error.to_string()))
        };
        tokio::time::timeout(self.timeout, answer).await.unwrap_or(Err(PeerError::Timeout(self.timeout)))
    }
}

fn uri(address: &str, path: &str) -> String {
    format!("{}{path}", address.trim_end_matches('/'))
}
