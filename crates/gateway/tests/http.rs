//! The gateway over real HTTP, before a network in one process.
#![allow(clippy::unwrap_used)]

#[path = "../../client/tests/support/mod.rs"]
mod support;

use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use floe_client::{ClientConfig, FloeClient};
use floe_gateway::GatewayConfig;
use floe_protocol::api::{BlobStoreResult, CertifiedBy, ErrorBody, ErrorReason};
use floe_redstuff::BlobId;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use support::{Behaviour, TestNetwork, bytes, quick};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

struct Setup {
    network: TestNetwork,
    address: std::net::SocketAddr,
    http: Client<HttpConnector, Full<Bytes>>,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn stored(&self) -> BlobStoreResult {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.body);
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The reason of an error body, whose code must be the status.
    fn reason(&self) -> ErrorReason {
        assert_eq!(self.header(header::CONTENT_TYPE), Some("application/json"));
        let body: ErrorBody = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body.code(), self.status.as_u16());
        assert!(String::from_utf8_lossy(&self.body).contains("daemon.walrus.space"));
        body.reason().unwrap()
    }
}

impl Setup {
    async fn new() -> Self {
        Self::with(GatewayConfig::default()).await
    }

    async fn with(config: GatewayConfig) -> Self {
        Self::with_client(config, |_| {}).await
    }

    async fn with_client(config: GatewayConfig, change: impl FnOnce(&mut ClientConfig)) -> Self {
        let network = TestNetwork::ten().await;
        let mut client = quick();
        change(&mut client);
        let client = FloeClient::new(client, network.chain.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = floe_gateway::serve(config, client, listener, shutdown.clone());
        let server = tokio::spawn(async move { serving.await.unwrap() });
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { network, address, http, shutdown, server }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.http.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    async fn put(&self, query: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::PUT, &format!("/v1/blobs{query}"), &[], body).await
    }

    /// Writes bytes as they are, then nothing more if `ends` says so, and reads until the other side closes.
    async fn raw(&self, request: &[u8], ends: bool) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        if ends {
            stream.shutdown().await.unwrap();
        }
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_is_got() {
    let setup = Setup::new().await;
    for (size, seed) in [(0, 1), (1, 1), (1000, 1), (1_500_000, 1)] {
        let blob = bytes(size, seed);
        let BlobStoreResult::NewlyCreated(new) = setup.put("?epochs=2", blob.clone()).await.stored() else { panic!() };
        assert_eq!(new.blob_object.size, size as u64);
        assert_eq!(new.blob_object.storage.end_epoch.get(), 7);
        let id = new.blob_object.blob_id;
        let answer = setup.get(&format!("/v1/blobs/{id}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body, blob);
        assert_eq!(answer.header(header::CONTENT_LENGTH), Some(size.to_string().as_str()));
        assert_eq!(answer.header(header::ETAG), Some(id.to_string().as_str()));
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("public, max-age=31536000, immutable"));
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), Some("nosniff"));
        assert_eq!(answer.header(header::ACCEPT_RANGES), Some("bytes"));
        assert_eq!(answer.header(header::CONTENT_TYPE), None);
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));

        let head = setup.send(Method::HEAD, &format!("/v1/blobs/{id}"), &[], "").await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        assert_eq!(head.header(header::CONTENT_LENGTH), Some(size.to_string().as_str()));
        assert_eq!(head.header(header::ETAG), Some(id.to_string().as_str()));
    }
}

/// Several large bodies at once, with memory for one at a time and for none of their slivers.
#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_share_little_memory() {
    let mut config = GatewayConfig { memory_bytes_max: 2 << 20, ..GatewayConfig::default() };
    config.store.spool_threshold_bytes = 1000;
    let setup = Setup::with_client(config, |client| client.store.memory_ceiling_bytes = 500_000).await;
    let blobs: Vec<_> = (0..6).map(|seed| bytes(1_500_000, seed)).collect();
    let answers = futures::future::join_all(blobs.iter().map(|blob| setup.put("?epochs=2", blob.clone()))).await;
    for (blob, answer) in blobs.iter().zip(answers) {
        let BlobStoreResult::NewlyCreated(new) = answer.stored() else { panic!() };
        assert_eq!(setup.get(&format!("/v1/blobs/{}", new.blob_object.blob_id)).await.body, blob);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_of_a_store() {
    let setup = Setup::new().await;
    let BlobStoreResult::NewlyCreated(new) = setup.put("", "default").await.stored() else { panic!() };
    assert_eq!(new.blob_object.storage.end_epoch.get(), 6, "one epoch");
    assert!(new.blob_object.deletable, "as in the reference");
    let object = new.blob_object.id;
    assert_eq!(setup.get(&format!("/v1/blobs/{}", new.blob_object.blob_id)).await.body, "default");
    let BlobStoreResult::AlreadyCertified(again) = setup.put("?reuse_resources=true", "default").await.stored() else {
        panic!()
    };
    assert_eq!(again.certified_by, CertifiedBy::Object(object));
    let forced = setup.put("?force=true&deletable=true", "default").await;
    assert!(matches!(forced.stored(), BlobStoreResult::NewlyCreated(_)));

    let permanent = "?epochs=1&permanent=true&reuse_resources=true&encoding_type=RS2";
    let BlobStoreResult::NewlyCreated(new) = setup.put(permanent, "default").await.stored() else { panic!() };
    assert!(!new.blob_object.deletable);
    let BlobStoreResult::AlreadyCertified(again) = setup.put("?permanent=true", "default").await.stored() else {
        panic!()
    };
    assert!(matches!(again.certified_by, CertifiedBy::Event(_)));

    let given = "0x00000000000000000000000000000000000000aa";
    let answer = setup.put(&format!("?send_object_to={given}"), "for somebody else").await;
    let BlobStoreResult::NewlyCreated(new) = answer.stored() else { panic!() };
    let owner = setup.network.chain.registration(&new.blob_object.blob_id).unwrap().owner;
    assert_eq!(owner, given.parse().unwrap());

    for bad in [
        "?epoch=1",
        "?epochs=1&epochs=2",
        "?epochs=-1",
        "?epochs=x",
        "?force=1",
        "?encoding_type=RS1",
        "?share=true&send_object_to=0x1",
        "?send_object_to=0x1",
    ] {
        let answer = setup.put(bad, "x").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(answer.header(header::CONTENT_TYPE).unwrap().starts_with("text/plain"), "{bad}");
    }
    assert_eq!(setup.put("?permanent=true&deletable=true", "x").await.reason(), ErrorReason::InvalidBlobPersistence);
    assert_eq!(setup.put("?share=true", "x").await.reason(), ErrorReason::MalformedRequest);
    for epochs in ["0", "54"] {
        let answer = setup.put(&format!("?epochs={epochs}"), "x").await;
        assert_eq!(answer.reason(), ErrorReason::MalformedRequest);
    }
    assert_eq!(setup.network.chain.registrations(), 4, "nothing else was paid for");
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges() {
    let setup = Setup::new().await;
    let blob = bytes(2800, 3);
    let id = setup.network.stored(&blob).await;
    let path = format!("/v1/blobs/{id}");
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=100-1899", 100, 1900),
        ("bytes=2000-", 2000, 2800),
        ("bytes=-5", 2795, 2800),
        ("bytes=2790-9999", 2790, 2800),
    ] {
        let answer = setup.send(Method::GET, &path, &[("range", range)], "").await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(answer.body, blob[from..to], "{range}");
        let content_range = format!("bytes {from}-{}/2800", to - 1);
        assert_eq!(answer.header(header::CONTENT_RANGE), Some(content_range.as_str()));
        assert_eq!(answer.header(header::CONTENT_LENGTH), Some((to - from).to_string().as_str()));
    }
    for range in ["bytes=2800-", "bytes=5-4", "bytes=0-1,5-6", "bytes=-0", "lines=1-2"] {
        let answer = setup.send(Method::GET, &path, &[("range", range)], "").await;
        assert_eq!(answer.reason(), ErrorReason::InvalidByteRange, "{range}");
        assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(answer.header(header::CONTENT_RANGE), Some("bytes */2800"));
    }
    let tag = id.to_string();
    for (if_range, status) in [(tag.as_str(), 206), ("\"other\"", 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)] {
        let headers = [("range", "bytes=0-0"), ("if-range", if_range)];
        assert_eq!(setup.send(Method::GET, &path, &headers, "").await.status.as_u16(), status, "{if_range}");
    }

    let answer = setup.get(&format!("{path}/byte-range?start=10&length=1500")).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &blob[10..1510]));
    assert_eq!(answer.header(header::ETAG), Some(format!("{id}-10-1500").as_str()));
    for query in
        ["start=0&length=0", "start=2800&length=1", "start=0&length=2801", "start=18446744073709551615&length=1"]
    {
        let answer = setup.get(&format!("{path}/byte-range?{query}")).await;
        assert_eq!(
            (answer.status, answer.reason()),
            (StatusCode::BAD_REQUEST, ErrorReason::InvalidByteRange),
            "{query}"
        );
    }
    for query in ["", "start=0", "start=a&length=1", "start=0&length=1&end=2"] {
        assert_eq!(setup.get(&format!("{path}/byte-range?{query}")).await.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_over_many_rows_comes_piece_by_piece() {
    let setup = Setup::new().await;
    let blob = bytes(1_800_000, 4);
    let id = setup.network.stored(&blob).await;
    let path = format!("/v1/blobs/{id}");
    for bad in [None, Some(Behaviour::FlippedBit), Some(Behaviour::Refusing)] {
        setup.network.behave(0..3, bad.unwrap_or(Behaviour::Honest));
        let answer = setup.send(Method::GET, &path, &[("range", "bytes=5-1700000")], "").await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
        assert!(answer.body == blob[5..=1_700_000], "{bad:?}");
    }
    setup.network.behave(0..10, Behaviour::Refusing);
    let answer = setup.send(Method::GET, &path, &[("range", "bytes=5-9")], "").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "an error before the first piece is an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_and_content_types() {
    let setup = Setup::new().await;
    let id = setup.network.stored(b"cached").await;
    let path = format!("/v1/blobs/{id}");
    let before = setup.network.sliver_requests();
    for tag in [format!("{id}"), format!("\"{id}\""), format!("W/\"{id}\""), "*".to_owned(), format!("\"x\", \"{id}\"")]
    {
        let answer = setup.send(Method::GET, &path, &[("if-none-match", &tag)], "").await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0), "{tag}");
        assert_eq!(answer.header(header::ETAG), Some(id.to_string().as_str()));
    }
    assert_eq!(setup.network.sliver_requests(), before, "nothing was fetched for that");
    let other = setup.send(Method::GET, &path, &[("if-none-match", "\"other\"")], "").await;
    assert_eq!(other.status, StatusCode::OK);

    for (headers, expected) in [
        (vec![("accept", "image/png")], Some("image/png")),
        (vec![("accept", "*/*")], None),
        (vec![("accept", "image/*"), ("content-type", "text/css")], Some("text/css")),
        (vec![("content-type", "text/css")], Some("text/css")),
    ] {
        let answer = setup.send(Method::GET, &path, &headers, "").await;
        assert_eq!(answer.header(header::CONTENT_TYPE), expected, "{headers:?}");
    }
    let preflight = [("origin", "https://example.org"), ("access-control-request-method", "PUT")];
    let answer = setup.send(Method::OPTIONS, "/v1/blobs", &preflight, "").await;
    assert_eq!(answer.header(header::ACCESS_CONTROL_MAX_AGE), Some("86400"));
    assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_and_unknown_blobs() {
    let setup = Setup::new().await;
    let unknown = BlobId::from_bytes([3; 32]);
    let answer = setup.get(&format!("/v1/blobs/{unknown}")).await;
    assert_eq!((answer.status, answer.reason()), (StatusCode::NOT_FOUND, ErrorReason::BlobNotFound));
    let head = setup.send(Method::HEAD, &format!("/v1/blobs/{unknown}"), &[], "").await;
    assert_eq!(head.status, StatusCode::NOT_FOUND);

    let id = setup.network.stored(b"x").await;
    for path in ["/v1/blobs/short".to_owned(), format!("/v1/blobs/{id}A"), format!("/v1/blobs/{id}?strict=true")] {
        let answer = setup.get(&path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.header(header::CONTENT_TYPE).unwrap().starts_with("text/plain"), "{path}");
    }
    let both = setup.get(&format!("/v1/blobs/{id}?strict_consistency_check=true&skip_consistency_check=true")).await;
    assert_eq!(both.reason(), ErrorReason::InvalidConsistencyCheck);
    for check in ["strict_consistency_check", "skip_consistency_check"] {
        assert_eq!(setup.get(&format!("/v1/blobs/{id}?{check}=true")).await.body, "x");
    }
    assert_eq!(setup.get("/v1/nothing").await.status, StatusCode::NOT_FOUND);
    assert_eq!(setup.send(Method::DELETE, "/v1/blobs", &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);

    for _ in 0..3 {
        setup.network.chain.next_epoch();
    }
    let expired = setup.get(&format!("/v1/blobs/{id}")).await;
    assert_eq!(expired.reason(), ErrorReason::BlobNotFound);
    assert!(String::from_utf8_lossy(&expired.body).contains("expired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_nodes() {
    let setup = Setup::new().await;
    // All four rows hold bytes of it: rows behind the end of a blob are known without any node.
    let id = setup.network.stored(&[7; 56]).await;
    setup.network.behave(0..7, Behaviour::Refusing);
    let answer = setup.get(&format!("/v1/blobs/{id}")).await;
    assert_eq!((answer.status, answer.reason()), (StatusCode::SERVICE_UNAVAILABLE, ErrorReason::BlobUnavailable));
    assert!(String::from_utf8_lossy(&answer.body).contains("only 3 of 4 needed shards answered"));
    let answer = setup.put("", "not stored").await;
    assert_eq!((answer.status, answer.reason()), (StatusCode::GATEWAY_TIMEOUT, ErrorReason::InsufficientConfirmations));
    setup.network.chain.set_down(true);
    let answer = setup.put("", "not stored").await;
    assert_eq!((answer.status, answer.reason()), (StatusCode::SERVICE_UNAVAILABLE, ErrorReason::Unavailable));
    assert_eq!(setup.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_long_or_too_short() {
    let mut config = GatewayConfig::default();
    config.store.blob_bytes_max = Some(100_000);
    config.store.spool_threshold_bytes = 1000;
    let setup = Setup::with(config).await;
    let answer = setup.put("", vec![0; 100_001]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.contains("SIZE_EXCEEDED") && text.contains("100000 bytes") && text.contains("1834952"), "{text}");

    let chunked = "PUT /v1/blobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let endless = format!("{chunked}{}", format!("10000\r\n{}\r\n", "a".repeat(0x10000)).repeat(2));
    let text = setup.raw(endless.as_bytes(), true).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");

    // Half closed after too few bytes: whatever is answered, nothing is stored.
    for short in [
        "PUT /v1/blobs HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc".to_owned(),
        format!("{chunked}3\r\nabc\r\n"),
    ] {
        let text = setup.raw(short.as_bytes(), true).await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 400"), "{text}");
    }
    assert_eq!(setup.network.chain.registrations(), 0);
    let exact = format!("{chunked}3\r\nabc\r\n0\r\n\r\n");
    assert!(setup.raw(exact.as_bytes(), false).await.starts_with("HTTP/1.1 200"));
    let BlobStoreResult::NewlyCreated(new) = setup.put("", bytes(100_000, 1)).await.stored() else { panic!() };
    assert_eq!(new.blob_object.size, 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_said_and_passes() {
    let mut config = GatewayConfig { wait_secs_max: 1, ..GatewayConfig::default() };
    config.store.concurrent_max = 1;
    config.store.waiting_max = 0;
    let setup = Setup::with(config).await;
    setup.network.behave(0..10, Behaviour::Slow(Duration::from_millis(500)));
    let answers = futures::future::join_all((0..3).map(|n| setup.put("", vec![n; 10]))).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(StatusCode::OK), count(StatusCode::TOO_MANY_REQUESTS)), (1, 2));
    let refused = answers.iter().find(|answer| answer.status != StatusCode::OK).unwrap();
    assert!(String::from_utf8_lossy(&refused.body).contains("too many requests"));
    setup.network.behave(0..10, Behaviour::Honest);
    setup.put("", "later").await.stored();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_status() {
    let setup = Setup::new().await;
    for path in ["/status", "/healthz", "/readyz"] {
        let answer = setup.get(path).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"OK"[..]), "{path}");
    }
    let page = setup.get("/v1/api").await;
    assert!(page.header(header::CONTENT_TYPE).unwrap().starts_with("text/html"));
    assert!(String::from_utf8_lossy(&page.body).contains("/v1/blobs"));
    let id = setup.network.stored(b"x").await;
    let status = setup.get(&format!("/v1/blobs/{id}/status")).await;
    let json: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(json["success"]["data"]["permanent"]["isCertified"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_end_lets_stores_finish() {
    let Setup { network, address, http, shutdown, server } = Setup::new().await;
    network.behave(0..10, Behaviour::Slow(Duration::from_millis(400)));
    let request = Request::put(format!("http://{address}/v1/blobs")).body(Full::new(Bytes::from("last"))).unwrap();
    let store = tokio::spawn(http.request(request));
    while network.chain.registrations() == 0 {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    assert_eq!(store.await.unwrap().unwrap().status(), StatusCode::OK);
    tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
