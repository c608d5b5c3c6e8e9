//! Confirmations, blob status, epochs, expiry, restarts and reorganisations.

mod support;

use floe_protocol::api::{BlobStatus, ErrorReason};
use floe_protocol::{Epoch, NodeId, bls};
use floe_redstuff::EncodedBlob;
use support::chain::Handle;
use support::{DEADLINE, Net, Running, config, eventually, http as web, upload};

async fn one_node() -> (Net, Running) {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    (net, node)
}

async fn status(node: &Running, blob: &EncodedBlob) -> BlobStatus {
    let path = format!("/v1/blobs/{}/status", blob.metadata.blob_id());
    let answer = web::get(node.address, &path).await;
    assert_eq!(answer.status, 200);
    serde_json::from_value(answer.data()).expect("a status")
}

async fn confirm(node: &Running, blob: &EncodedBlob, query: &str) -> support::http::Answer {
    web::get(node.address, &format!("/v1/blobs/{}/confirmation/permanent{query}", blob.metadata.blob_id())).await
}

async fn stored(net: &Net, node: &Running, content: &[u8], end: u32) -> EncodedBlob {
    let blob = net.encode(content);
    net.chain.register(&blob.metadata, end);
    let path = format!("/v1/blobs/{}/upload", blob.metadata.blob_id());
    let answer = web::put(node.address, &path, upload::body(&blob, &net.pairs(0, &blob))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    blob
}

#[tokio::test]
async fn reasons_for_no_confirmation() {
    let (net, node) = one_node().await;
    let blob = net.encode(b"unconfirmed");
    let unregistered = confirm(&node, &blob, "").await;
    assert_eq!((unregistered.status, unregistered.reason()), (400, Some(ErrorReason::NotRegistered)));
    // Nothing is buffered, so a long poll gives up at once.
    let start = std::time::Instant::now();
    let polled = confirm(&node, &blob, "?wait_for_registration=true").await;
    assert_eq!(polled.reason(), Some(ErrorReason::NotRegistered));
    assert!(start.elapsed().as_secs() < 4);

    net.chain.register(&blob.metadata, 5);
    eventually("slivers are what is missing", || async {
        confirm(&node, &blob, "").await.reason() == Some(ErrorReason::MissingSlivers)
    })
    .await;
    let object = format!("0x{:064x}", 1);
    let stored = stored(&net, &node, b"confirmed", 5).await;
    let id = stored.metadata.blob_id();
    let deletable = web::get(node.address, &format!("/v1/blobs/{id}/confirmation/deletable/{object}")).await;
    assert_eq!((deletable.status, deletable.reason()), (400, Some(ErrorReason::NotRegistered)));
    let malformed = web::get(node.address, &format!("/v1/blobs/{id}/confirmation/deletable/zz")).await;
    assert_eq!(malformed.status, 400);
    assert_eq!(confirm(&node, &stored, "").await.status, 200);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_poll_ends_with_the_registration() {
    let (net, node) = one_node().await;
    let blob = net.encode(b"polled");
    let id = *blob.metadata.blob_id();
    let put = async |path: String, bytes: Vec<u8>| {
        assert_eq!(web::put(node.address, &format!("{path}?pending=true"), bytes).await.status, 202);
    };
    put(format!("/v1/blobs/{id}/metadata"), blob.metadata.metadata().to_bcs()).await;
    for pair in net.pairs(0, &blob) {
        let slivers = &blob.pairs[usize::from(pair.get())];
        put(format!("/v1/blobs/{id}/slivers/{pair}/primary"), slivers.primary.to_bcs()).await;
        put(format!("/v1/blobs/{id}/slivers/{pair}/secondary"), slivers.secondary.to_bcs()).await;
    }
    let short = confirm(&node, &blob, "?wait_for_registration=true&wait_millis=1").await;
    assert_eq!(short.reason(), Some(ErrorReason::NotRegistered));
    let address = node.address;
    let poll = tokio::spawn(async move {
        web::get(address, &format!("/v1/blobs/{id}/confirmation/permanent?wait_for_registration=true")).await
    });
    tokio::task::yield_now().await;
    net.chain.register(&blob.metadata, 5);
    let answer = poll.await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.data()["signed"]["serializedMessage"].is_string());
    node.stop().await.unwrap();
}

#[tokio::test]
async fn status_through_the_life_of_a_blob() {
    let (net, node) = one_node().await;
    let blob = net.encode(b"lives and dies");
    let id = *blob.metadata.blob_id();
    assert_eq!(status(&node, &blob).await, BlobStatus::Nonexistent);
    stored(&net, &node, b"lives and dies", 3).await;
    let BlobStatus::Permanent { end_epoch, is_certified, initial_certified_epoch, status_event, .. } =
        status(&node, &blob).await
    else {
        panic!("registered")
    };
    assert_eq!((end_epoch, is_certified, initial_certified_epoch), (Epoch(3), false, None));
    net.chain.certify(&id, 3);
    eventually("certified", || async {
        matches!(status(&node, &blob).await, BlobStatus::Permanent { is_certified: true, status_event: event, .. }
            if event != status_event)
    })
    .await;
    net.chain.new_epoch(2);
    eventually("epoch 2", || async { web::get(node.address, "/v1/health").await.data()["epoch"] == 2 }).await;
    assert!(matches!(status(&node, &blob).await, BlobStatus::Permanent { .. }));
    let metadata = format!("/v1/blobs/{id}/metadata");
    assert_eq!(web::get(node.address, &metadata).await.status, 200);
    net.chain.new_epoch(3);
    eventually("epoch 3", || async { web::get(node.address, "/v1/health").await.data()["epoch"] == 3 }).await;
    assert_eq!(status(&node, &blob).await, BlobStatus::Nonexistent);
    assert_eq!(web::get(node.address, &metadata).await.reason(), Some(ErrorReason::MetadataNotFound));
    assert_eq!(confirm(&node, &blob, "").await.reason(), Some(ErrorReason::NotRegistered));
    eventually("its data is deleted", || async { node.store.usage().unwrap().records == 0 }).await;
    // A new registration begins a new life.
    stored(&net, &node, b"lives and dies", 9).await;
    assert!(matches!(status(&node, &blob).await, BlobStatus::Permanent { is_certified: false, .. }));
    node.stop().await.unwrap();
}

#[tokio::test]
async fn an_invalid_blob_is_deleted_and_refused() {
    let (net, node) = one_node().await;
    let blob = stored(&net, &node, b"encoded wrongly", 5).await;
    net.chain.invalidate(blob.metadata.blob_id());
    eventually("invalid", || async { matches!(status(&node, &blob).await, BlobStatus::Invalid { .. }) }).await;
    eventually("its data is deleted", || async { node.store.usage().unwrap().records == 0 }).await;
    let path = format!("/v1/blobs/{}/upload", blob.metadata.blob_id());
    let refused = web::put(node.address, &path, upload::body(&blob, &net.pairs(0, &blob))).await;
    assert_eq!(refused.reason(), Some(ErrorReason::InvalidBlob));
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_confirmation_names_the_current_epoch() {
    let (net, node) = one_node().await;
    let blob = stored(&net, &node, b"epochs", 9).await;
    net.chain.new_epoch(2);
    eventually("epoch 2", || async { web::get(node.address, "/v1/health").await.data()["epoch"] == 2 }).await;
    // Nothing is signed until the node is done with the change.
    eventually("it signs again", || async { confirm(&node, &blob, "").await.status == 200 }).await;
    let answer = confirm(&node, &blob, "").await.data();
    let signed: floe_protocol::api::Confirmation = serde_json::from_value(answer).unwrap();
    assert_eq!(signed.into_signed().decode().unwrap().epoch, Epoch(2));
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_restart_keeps_everything_even_without_the_chain() {
    let (mut net, node) = one_node().await;
    let blob = stored(&net, &node, b"remembered", 5).await;
    net.chain.certify(blob.metadata.blob_id(), 5);
    eventually("certified", || async {
        matches!(status(&node, &blob).await, BlobStatus::Permanent { is_certified: true, .. })
    })
    .await;
    let before = web::get(node.address, "/v1/health").await.data()["eventProgress"].clone();
    node.stop().await.unwrap();
    net.chain.take_down();
    let node = net.start_raw(0, config()).await;
    assert_eq!(confirm(&node, &blob, "").await.status, 200);
    let ready = web::get(node.address, "/readyz").await;
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(web::get(node.address, "/healthz").await.status, 200);
    assert_eq!(web::get(node.address, "/v1/health").await.data()["eventProgress"], before);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_reorganisation_takes_registrations_back() {
    let (net, node) = one_node().await;
    let kept = stored(&net, &node, b"kept", 5).await;
    let fork = net.chain.emit(floe_chain::EventKind::NodeUrlChanged {
        node_id: NodeId::from_number(2),
        url: "http://elsewhere".to_owned(),
    });
    let lost = stored(&net, &node, b"lost", 5).await;
    net.chain.reorganise(fork);
    eventually("the registration is gone", || async { status(&node, &lost).await == BlobStatus::Nonexistent }).await;
    assert_eq!(confirm(&node, &lost, "").await.reason(), Some(ErrorReason::NotRegistered));
    assert_eq!(confirm(&node, &kept, "").await.status, 200);
    net.chain.register(&lost.metadata, 6);
    eventually("it comes again", || async { confirm(&node, &lost, "").await.status == 200 }).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn the_keeper_tells_the_contract_that_an_epoch_is_over() {
    let (net, node) = one_node().await;
    eventually("the epoch is reported", || async { net.chain.advances.load(std::sync::atomic::Ordering::Relaxed) > 0 })
        .await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_member_that_gained_no_shards_reports_at_once_in_each_epoch() {
    let (net, node) = one_node().await;
    for epoch in [2, 3] {
        net.chain.new_epoch(epoch);
        let synced = || async { net.chain.synced.load(std::sync::atomic::Ordering::Relaxed) == epoch };
        eventually("the shards are reported", synced).await;
    }
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_with_the_wrong_key_does_not_run() {
    let mut net = Net::new(&[4, 3, 3]).await;
    net.seats[0].secret = bls::SecretKey::generate(&[99; 32]);
    let node = net.start_raw(0, config()).await;
    let ended = tokio::time::timeout(DEADLINE, node.task).await.expect("ends").unwrap();
    assert_eq!(ended.expect_err("a failure").code(), "NODE-0005");
}

#[tokio::test]
async fn health_in_numbers() {
    let (net, node) = one_node().await;
    let health = web::get(node.address, "/v1/health?detailed=true").await.data();
    assert_eq!(health["nodeStatus"], "Active");
    assert_eq!(health["shardSummary"]["owned"], 4);
    assert_eq!(health["shardDetail"]["owned"][3], serde_json::json!({"shard": 3, "status": "ready"}));
    assert_eq!(health["publicKey"], serde_json::to_value(net.seats[0].secret.public_key()).unwrap());
    assert!(web::get(node.address, "/v1/health").await.data().get("shardDetail").is_none());
    let page = web::get(node.address, "/v1/api").await;
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    let mut cors = web::request(node.address, http::Method::GET, "/v1/health", "");
    cors.headers_mut().insert("origin", "https://example.org".parse().unwrap());
    assert_eq!(web::send(node.address, cors).await.headers["access-control-allow-origin"], "*");
    let _ = Handle(net.chain.clone());
    node.stop().await.unwrap();
}
