//! Requests to a relay. All of them may be repeated: a relay does the same thing once.

use std::time::Duration;

use floe_chain::{ChainError, SignedIntent};
use reqwest::{Method, StatusCode, Url};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{
    CertificateAnswer, CertificateRequest, IntentAnswer, RelayTerms,
    api::{ErrorAnswer, ErrorFields},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for an answer: the relay waits for a block.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a request goes on trying while the relay does not answer or is busy.
const PATIENCE: Duration = Duration::from_secs(15);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A relay's address, and a connection to it.
#[derive(Debug)]
pub(super) struct RelayHttp {
    base: Url,
    client: reqwest::Client,
}

/// Why a try was in vain.
enum Failure {
    /// Try again.
    Transient(ChainError),
    Final(ChainError),
}

impl RelayHttp {
    pub(super) fn new(url: &str) -> Result<Self, ChainError> {
        let invalid = |detail: String| ChainError::InvalidUrl { detail: format!("relay: {detail}") };
        let mut base = Url::parse(url).map_err(|e| invalid(e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(invalid(format!("scheme {}", base.scheme())));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|e| invalid(e.to_string()))?;
        Ok(Self { base, client })
    }

    pub(super) async fn terms(&self) -> Result<RelayTerms, ChainError> {
        self.request(Method::GET, "v1/relay", None::<&()>).await
    }

    pub(super) async fn submit(&self, signed: &SignedIntent) -> Result<IntentAnswer, ChainError> {
        self.request(Method::POST, "v1/intents", Some(signed)).await
    }

    pub(super) async fn certify(&self, request: &CertificateRequest) -> Result<CertificateAnswer, ChainError> {
        self.request(Method::POST, "v1/certificates", Some(request)).await
    }

    pub(super) fn refusal(&self, code: &str, message: String) -> ChainError {
        ChainError::Relay { relay: self.origin(), relay_code: code.to_owned(), message }
    }

    /// What may be shown of the address.
    fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ChainError> {
        let url = self.base.join(path).map_err(|e| ChainError::InvalidUrl { detail: format!("relay: {e}") })?;
        let begun = Instant::now();
        let mut pause = RETRY_PAUSE;
        loop {
            let mut request = self.client.request(method.clone(), url.clone());
            if let Some(body) = body {
                request = request.json(body);
            }
            match self.once(request).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Transient(_)) if begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                }
                Err(Failure::Transient(error) | Failure::Final(error)) => return Err(error),
            }
        }
    }

    async fn once<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failure> {
        let unreachable = |error: reqwest::Error| {
            let detail = chain_of(&error.without_url());
            Failure::Transient(ChainError::RelayUnreachable { relay: self.origin(), detail })
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(Failure::Final(self.refusal("RELAY-BAD-ANSWER", "its answer is too long".to_owned())));
            }
        }
        if status.is_success() {
            let unreadable = |e: serde_json::Error| self.refusal("RELAY-BAD-ANSWER", e.to_string());
            return serde_json::from_slice(&bytes).map_err(|e| Failure::Final(unreadable(e)));
        }
        let error = match serde_json::from_slice::<ErrorAnswer>(&bytes) {
            Ok(ErrorAnswer { error: ErrorFields { revert: Some(revert), .. } }) => {
                ChainError::Reverted { name: revert.name, detail: revert.detail }
            }
            Ok(ErrorAnswer { error }) => self.refusal(&error.code, error.message),
            Err(_) => self.refusal("RELAY-BAD-ANSWER", format!("HTTP status {status}")),
        };
        let is_transient = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        Err(if is_transient { Failure::Transient(error) } else { Failure::Final(error) })
    }
}

/// An error and what caused it, on one line: the outermost text of connection errors says little.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
