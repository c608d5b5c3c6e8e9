//! Requests over a real socket, one connection each.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use floe_protocol::api::{ErrorBody, ErrorReason};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The payload of a success, whose status is repeated in the envelope.
    pub fn data(&self) -> Value {
        let json = self.json();
        assert_eq!(json["success"]["code"], self.status, "{json}");
        json["success"]["data"].clone()
    }

    /// The reason of an error, and that its form is the documented one.
    pub fn reason(&self) -> Option<ErrorReason> {
        let json = self.json();
        let body: ErrorBody = serde_json::from_value(json).expect("an error body");
        assert_eq!(body.code(), self.status);
        body.reason()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    try_send(address, request).await.expect("an answer")
}

pub async fn try_send(
    _: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let response = client.request(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, headers, body })
    };
    tokio::time::timeout(Duration::from_secs(30), exchange).await.expect("within the deadline")
}

pub fn request(address: SocketAddr, method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .body(Full::new(body.into()))
        .expect("valid")
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, request(address, Method::GET, path, Bytes::new())).await
}

pub async fn put(address: SocketAddr, path: &str, body: impl Into<Bytes>) -> Answer {
    send(address, request(address, Method::PUT, path, body)).await
}

pub async fn post(address: SocketAddr, path: &str, body: impl Into<Bytes>) -> Answer {
    send(address, request(address, Method::POST, path, body)).await
}
