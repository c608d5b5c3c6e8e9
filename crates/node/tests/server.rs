//! The accept loop: deadlines, ceilings and the graceful end.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use support::{DEADLINE, Net, config, eventually, http as web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Reads until the server closes, within the deadline.
async fn closed(mut socket: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut answer)).await.expect("the server closes");
    drop(read);
    answer
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("accepted")
}

#[tokio::test]
async fn silent_and_dripping_heads_are_cut() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let mut config = config();
    config.timing.header_timeout_ms = 100;
    let node = net.start(0, config).await;
    let silent = connect(node.address).await;
    assert!(closed(silent).await.is_empty());
    let mut preface = connect(node.address).await;
    preface.write_all(b"PRI * HTTP").await.unwrap();
    assert!(closed(preface).await.is_empty());
    let mut half = connect(node.address).await;
    half.write_all(b"GET /v1/health HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    let answer = closed(half).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(web::get(node.address, "/healthz").await.status, 200);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let mut config = config();
    config.timing.body_idle_timeout_ms = 100;
    let node = net.start(0, config).await;
    let blob = net.encode(b"drip");
    let mut socket = connect(node.address).await;
    let head = format!(
        "PUT /v1/blobs/{}/metadata HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        blob.metadata.blob_id()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = closed(socket).await;
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    node.stop().await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_ceiling_wait_their_turn() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let mut config = config();
    config.limits.connections_max = 2;
    config.timing.header_timeout_ms = 200;
    let node = net.start(0, config).await;
    let idle = [connect(node.address).await, connect(node.address).await];
    // The idle ones lose their place after the header timeout.
    let start = Instant::now();
    assert_eq!(web::get(node.address, "/healthz").await.status, 200);
    assert!(start.elapsed() < DEADLINE);
    drop(idle);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn too_long_heads_are_refused() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    let mut socket = connect(node.address).await;
    let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(1 << 20));
    let _ = socket.write_all(head.as_bytes()).await;
    let answer = closed(socket).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(web::get(node.address, "/healthz").await.status, 200);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_lets_open_requests_finish_and_takes_no_new_ones() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    let blob = net.encode(b"in flight");
    net.chain.register(&blob.metadata, 9);
    let body = support::upload::body(&blob, &net.pairs(0, &blob));
    let mut socket = connect(node.address).await;
    let path = format!("/v1/blobs/{}/upload", blob.metadata.blob_id());
    let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&body[..100]).await.unwrap();
    // Whatever was sent has been taken up once another request was served after it.
    assert_eq!(web::get(node.address, "/readyz").await.status, 200);
    node.stop.cancel();
    eventually("no new connections", || async { TcpStream::connect(node.address).await.is_err() }).await;
    assert!(!node.task.is_finished());
    socket.write_all(&body[100..]).await.unwrap();
    let answer = closed(socket).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    tokio::time::timeout(DEADLINE, node.task).await.expect("ends").unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let mut config = config();
    config.timing.drain_timeout_ms = 50;
    let node = net.start(0, config).await;
    let mut socket = connect(node.address).await;
    let blob = net.encode(b"x");
    let path = format!("/v1/blobs/{}/upload", blob.metadata.blob_id());
    let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nF");
    socket.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(web::get(node.address, "/readyz").await.status, 200);
    let start = Instant::now();
    node.stop().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
}
