//! Downloads larger than the memory that they may take, while nodes fail.
#![allow(clippy::unwrap_used)]

#[path = "../../client/tests/support/mod.rs"]
mod support;

use std::{net::SocketAddr, sync::Arc};

use floe_client::{ClientConfig, FloeClient};
use floe_gateway::GatewayConfig;
use floe_redstuff::BlobId;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use support::{Behaviour, TestNetwork, bytes, inconsistent, quick};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A gateway whose reads hold few rows at once.
async fn gateway(network: &TestNetwork, config: GatewayConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let read = floe_client::ReadConfig { memory_ceiling_bytes: 200_000, ..quick().read };
    let client = FloeClient::new(ClientConfig { read, ..quick() }, network.chain.clone());
    tokio::spawn(floe_gateway::serve(config, client, listener, CancellationToken::new()));
    address
}

/// The status, and the body as far as it came: in full or up to where it broke.
struct Download {
    status: u16,
    length: usize,
    body: axum::body::Body,
    received: Vec<u8>,
}

impl Download {
    async fn begin(http: &Client<HttpConnector, Empty<bytes::Bytes>>, address: SocketAddr, path: &str) -> Self {
        let response = http.get(format!("http://{address}/v1/blobs/{path}").parse().unwrap()).await.unwrap();
        let length = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
        Self {
            status: response.status().as_u16(),
            length,
            body: axum::body::Body::new(response.into_body()),
            received: Vec::new(),
        }
    }

    /// Takes one more piece; false at the end, however it came.
    async fn next(&mut self) -> bool {
        match self.body.frame().await {
            Some(Ok(frame)) => {
                self.received.extend_from_slice(&frame.into_data().unwrap_or_default());
                true
            }
            Some(Err(_)) | None => false,
        }
    }

    async fn rest(mut self) -> (usize, Vec<u8>) {
        while self.next().await {}
        (self.length, self.received)
    }
}

/// A client whose sockets hold little that it has not taken yet.
fn http() -> Client<HttpConnector, Empty<bytes::Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_recv_buffer_size(Some(64 << 10));
    Client::builder(TokioExecutor::new()).build(connector)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_may_go_while_a_blob_is_sent() {
    let network = TestNetwork::start(&[10; 10]).await;
    let blob = bytes(20_000_000, 1);
    let id = network.stored(&blob).await;
    let http = http();
    for how in [Behaviour::Refusing, Behaviour::FlippedBit, Behaviour::Silent] {
        network.behave(0..10, Behaviour::Honest);
        // One that holds nothing against any node yet.
        let address = gateway(&network, GatewayConfig::default()).await;
        let mut download = Download::begin(&http, address, &id.to_string()).await;
        assert_eq!((download.status, download.length), (200, blob.len()));
        while download.received.len() < 1_000_000 {
            assert!(download.next().await);
        }
        network.behave([2, 5, 7], how);
        let (_, received) = download.rest().await;
        assert!(received == blob, "{how:?}: {} bytes", received.len());
    }
    // All of them: what was sent is good, and nobody takes it for the whole.
    network.behave(0..10, Behaviour::Honest);
    let address = gateway(&network, GatewayConfig::default()).await;
    let mut download = Download::begin(&http, address, &id.to_string()).await;
    assert!(download.next().await);
    network.behave(0..10, Behaviour::Refusing);
    let (length, received) = download.rest().await;
    assert!(received.len() < length && received == blob[..received.len()], "{} bytes", received.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inconsistent_blob_is_never_completed() {
    let network = TestNetwork::ten().await;
    let encoded = inconsistent(network.params);
    let id: BlobId = network.plant(&encoded);
    network.behave([network.holder_of(&id, 1)], Behaviour::Refusing);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let read = floe_client::ReadConfig { memory_ceiling_bytes: 0, ..quick().read };
    let client = FloeClient::new(ClientConfig { read, ..quick() }, network.chain.clone());
    tokio::spawn(floe_gateway::serve(GatewayConfig::default(), client, listener, CancellationToken::new()));
    let http = http();
    let download = Download::begin(&http, address, &id.to_string()).await;
    assert_eq!(download.status, 200, "its first row is good");
    let (length, received) = download.rest().await;
    assert_eq!((length, received.as_slice()), (2800, &bytes(2800, 1)[..700]));
    let download = Download::begin(&http, address, &format!("{id}?strict_consistency_check=true")).await;
    assert_eq!(download.status, 500, "checked before the first byte");
}

/// Many at once wait for the memory that there is, and all come.
#[tokio::test(flavor = "multi_thread")]
async fn downloads_share_little_memory() {
    let network = Arc::new(TestNetwork::ten().await);
    let blob = bytes(1_500_000, 1);
    let id = network.stored(&blob).await;
    let config = GatewayConfig { memory_bytes_max: 3 << 20, ..GatewayConfig::default() };
    let address = gateway(&network, config).await;
    let http = http();
    let path = id.to_string();
    let downloads = (0..12).map(|_| async { Download::begin(&http, address, &path).await.rest().await });
    for (length, received) in futures::future::join_all(downloads).await {
        assert_eq!(length, blob.len());
        assert!(received == blob);
    }
}
