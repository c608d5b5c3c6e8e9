//! Metadata and sliver routes, as the stock client uses them, and every reason that they give.

mod support;

use floe_protocol::api::ErrorReason;
use floe_redstuff::{Axis, EncodedBlob, PairIndex};
use http::{Method, header};
use support::{Net, Running, config, eventually, http as web};

fn metadata_path(blob: &EncodedBlob) -> String {
    format!("/v1/blobs/{}/metadata", blob.metadata.blob_id())
}

fn sliver_path(blob: &EncodedBlob, pair: PairIndex, axis: Axis) -> String {
    format!("/v1/blobs/{}/slivers/{pair}/{axis}", blob.metadata.blob_id())
}

fn sliver(blob: &EncodedBlob, pair: PairIndex, axis: Axis) -> Vec<u8> {
    blob.pairs[usize::from(pair.get())].sliver(axis).to_bcs()
}

async fn one_node() -> (Net, Running) {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    (net, node)
}

async fn registered(net: &Net, node: &Running, blob: &EncodedBlob) {
    net.chain.register(&blob.metadata, 5);
    let path = format!("/v1/blobs/{}/status", blob.metadata.blob_id());
    eventually("the registration is seen", || async { web::get(node.address, &path).await.data() != "nonexistent" })
        .await;
}

#[tokio::test]
async fn metadata_round_trip() {
    let (net, node) = one_node().await;
    let blob = net.encode(b"metadata");
    let path = metadata_path(&blob);
    let bytes = blob.metadata.metadata().to_bcs();
    let status = format!("{path}/status");

    assert_eq!(web::get(node.address, &path).await.reason(), Some(ErrorReason::MetadataNotFound));
    assert_eq!(web::get(node.address, &path).await.status, 404);
    assert_eq!(web::get(node.address, &status).await.data(), "nonexistent");
    let refused = web::put(node.address, &path, bytes.clone()).await;
    assert_eq!((refused.status, refused.reason()), (400, Some(ErrorReason::NotRegistered)));

    registered(&net, &node, &blob).await;
    let stored = web::put(node.address, &path, bytes.clone()).await;
    assert_eq!((stored.status, stored.data()), (201, "metadata successfully stored".into()));
    let again = web::put(node.address, &path, bytes).await;
    assert_eq!((again.status, again.data()), (200, "metadata already stored".into()));
    assert_eq!(web::get(node.address, &status).await.data(), "stored");
    let got = web::get(node.address, &path).await;
    assert_eq!(got.headers[header::CONTENT_TYPE], "application/octet-stream");
    assert_eq!(&got.body[..], blob.metadata.to_bcs_with_id());
    node.stop().await.unwrap();
}

#[tokio::test]
async fn wrong_metadata() {
    let (net, node) = one_node().await;
    let (blob, other) = (net.encode(b"one"), net.encode(b"two"));
    registered(&net, &node, &blob).await;
    let path = metadata_path(&blob);
    let good = blob.metadata.metadata().to_bcs();
    let reason = async |bytes: Vec<u8>| {
        let answer = web::put(node.address, &path, bytes).await;
        assert_eq!(answer.status, 400);
        answer.reason()
    };
    assert_eq!(reason(other.metadata.metadata().to_bcs()).await, Some(ErrorReason::InvalidMetadata));
    assert_eq!(reason(good[..good.len() - 1].to_vec()).await, Some(ErrorReason::InvalidContentType));
    assert_eq!(reason(Vec::new()).await, Some(ErrorReason::InvalidContentType));
    let mut old_type = good.clone();
    old_type[1] = 0;
    assert_eq!(reason(old_type).await, Some(ErrorReason::UnsupportedEncodingType));
    let mut too_long = good.clone();
    too_long[2..10].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(reason(too_long).await, Some(ErrorReason::InvalidMetadata));

    let mut typed = web::request(node.address, Method::PUT, &path, good.clone());
    typed.headers_mut().insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
    assert_eq!(web::send(node.address, typed).await.reason(), Some(ErrorReason::InvalidContentType));

    net.chain.invalidate(blob.metadata.blob_id());
    eventually("the blob is invalid", || async {
        let answer = web::put(node.address, &path, good.clone()).await;
        answer.status == 400 && answer.reason() == Some(ErrorReason::InvalidBlob)
    })
    .await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn what_the_framework_refuses_is_plain_text() {
    let (net, node) = one_node().await;
    let blob = net.encode(b"x");
    for (method, path, status) in [
        (Method::GET, "/v1/blobs/not-an-id/metadata".to_owned(), 400),
        (Method::PUT, format!("{}?pending=maybe", metadata_path(&blob)), 400),
        (Method::PUT, format!("{}?other=1", metadata_path(&blob)), 400),
        (Method::GET, format!("/v1/blobs/{}/slivers/70000/primary", blob.metadata.blob_id()), 400),
        (Method::GET, format!("/v1/blobs/{}/slivers/0/tertiary", blob.metadata.blob_id()), 400),
        (Method::GET, "/v1/nothing".to_owned(), 404),
        (Method::DELETE, metadata_path(&blob), 405),
    ] {
        let answer = web::send(node.address, web::request(node.address, method, &path, "")).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err(), "{path}: {answer:?}");
    }
    let too_long = web::put(node.address, &metadata_path(&blob), vec![0; (2 << 20) + 1]).await;
    assert_eq!(too_long.status, 413);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn sliver_round_trip() {
    let (net, node) = one_node().await;
    let blob = net.encode(b"slivers");
    let pair = net.pairs(0, &blob)[1];
    registered(&net, &node, &blob).await;
    let primary = sliver_path(&blob, pair, Axis::Primary);
    let early = web::put(node.address, &primary, sliver(&blob, pair, Axis::Primary)).await;
    assert_eq!((early.status, early.reason()), (400, Some(ErrorReason::MetadataNotFound)));
    web::put(node.address, &metadata_path(&blob), blob.metadata.metadata().to_bcs()).await;
    for axis in Axis::ALL {
        let path = sliver_path(&blob, pair, axis);
        let status = format!("{path}/status");
        assert_eq!(web::get(node.address, &status).await.data(), "nonexistent");
        let missing = web::get(node.address, &path).await;
        assert_eq!((missing.status, missing.reason()), (404, Some(ErrorReason::SliverNotFound)));
        let stored = web::put(node.address, &path, sliver(&blob, pair, axis)).await;
        assert_eq!((stored.status, stored.data()), (201, "sliver stored successfully".into()));
        let again = web::put(node.address, &path, sliver(&blob, pair, axis)).await;
        assert_eq!((again.status, again.data()), (200, "sliver already stored".into()));
        assert_eq!(web::get(node.address, &status).await.data(), "stored");
        let got = web::get(node.address, &path).await;
        assert_eq!((got.status, &got.body[..]), (200, &sliver(&blob, pair, axis)[..]));
    }
    node.stop().await.unwrap();
}

#[tokio::test]
async fn wrong_slivers() {
    let (net, node) = one_node().await;
    let (blob, other) = (net.encode(b"one blob"), net.encode(b"two blob"));
    let (own, foreign) = (net.pairs(0, &blob), net.foreign_pair(0, &blob));
    let axis = Axis::Secondary;
    let put = async |pair, bytes: Vec<u8>| {
        let answer = web::put(node.address, &sliver_path(&blob, pair, axis), bytes).await;
        assert_eq!(answer.status, 400);
        answer.reason()
    };
    assert_eq!(put(own[0], sliver(&blob, own[0], axis)).await, Some(ErrorReason::NotRegistered));
    registered(&net, &node, &blob).await;
    web::put(node.address, &metadata_path(&blob), blob.metadata.metadata().to_bcs()).await;
    let beyond = PairIndex::new(10);
    assert_eq!(put(beyond, sliver(&blob, own[0], axis)).await, Some(ErrorReason::IndexOutOfRange));
    assert_eq!(put(own[0], sliver(&blob, own[1], axis)).await, Some(ErrorReason::SliverIndexMismatch));
    assert_eq!(put(foreign, sliver(&blob, foreign, axis)).await, Some(ErrorReason::ShardNotAssigned));
    assert_eq!(put(own[0], sliver(&other, own[0], axis)).await, Some(ErrorReason::InvalidSliver));
    assert_eq!(put(own[0], b"nonsense".to_vec()).await, Some(ErrorReason::InvalidContentType));
    let mut flipped = sliver(&blob, own[0], axis);
    flipped[1] ^= 1;
    assert_eq!(put(own[0], flipped).await, Some(ErrorReason::InvalidSliver));

    let get = async |pair| web::get(node.address, &sliver_path(&blob, pair, axis)).await.reason();
    assert_eq!(get(beyond).await, Some(ErrorReason::IndexOutOfRange));
    assert_eq!(get(foreign).await, Some(ErrorReason::ShardNotAssigned));
    let status = web::get(node.address, &format!("{}/status", sliver_path(&blob, foreign, axis))).await;
    assert_eq!(status.reason(), Some(ErrorReason::ShardNotAssigned));
    // ks * 65534 + 128 bytes are the most that a sliver can have.
    let huge = web::put(node.address, &sliver_path(&blob, own[0], axis), vec![0; 7 * 65_534 + 129]).await;
    assert_eq!(huge.status, 413);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn pending_data_waits_in_memory_for_the_registration() {
    let (net, node) = one_node().await;
    let blob = net.encode(b"early");
    let pair = net.pairs(0, &blob)[0];
    let (metadata, slivers) = (metadata_path(&blob), sliver_path(&blob, pair, Axis::Primary));
    let bytes = sliver(&blob, pair, Axis::Primary);

    let first = web::put(node.address, &format!("{slivers}?pending=true"), bytes.clone()).await;
    assert_eq!(first.reason(), Some(ErrorReason::MetadataNotFound));
    let buffered = web::put(node.address, &format!("{metadata}?pending=true"), blob.metadata.metadata().to_bcs()).await;
    assert_eq!((buffered.status, buffered.data()), (202, "metadata buffered pending registration".into()));
    let buffered = web::put(node.address, &format!("{slivers}?pending=true"), bytes.clone()).await;
    assert_eq!((buffered.status, buffered.data()), (202, "sliver buffered pending registration".into()));
    assert_eq!(web::get(node.address, &format!("{slivers}/status")).await.data(), "buffered");
    assert_eq!(web::get(node.address, &slivers).await.reason(), Some(ErrorReason::SliverNotFound));

    net.chain.register(&blob.metadata, 5);
    eventually("what was buffered becomes durable", || async {
        web::get(node.address, &format!("{slivers}/status")).await.data() == "stored"
    })
    .await;
    assert_eq!(&web::get(node.address, &slivers).await.body[..], bytes);
    let next = net.pairs(0, &blob)[1];
    let path = format!("{}?pending=true", sliver_path(&blob, next, Axis::Primary));
    assert_eq!(web::put(node.address, &path, sliver(&blob, next, Axis::Primary)).await.status, 202);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn the_pending_cache_is_bounded() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let mut config = config();
    config.pending.metadata_max = 1;
    config.pending.sliver_bytes_max = 100;
    let node = net.start(0, config).await;
    let (blob, other) = (net.encode(&[7; 1000]), net.encode(b"other"));
    let put = async |path: String, bytes: Vec<u8>| {
        web::put(node.address, &format!("{path}?pending=true"), bytes).await.reason()
    };
    web::put(node.address, &format!("{}?pending=true", metadata_path(&blob)), blob.metadata.metadata().to_bcs()).await;
    assert_eq!(put(metadata_path(&other), other.metadata.metadata().to_bcs()).await, Some(ErrorReason::CacheSaturated));
    let pair = net.pairs(0, &blob)[0];
    let large = put(sliver_path(&blob, pair, Axis::Primary), sliver(&blob, pair, Axis::Primary)).await;
    assert_eq!(large, Some(ErrorReason::SliverTooLarge));
    node.stop().await.unwrap();
}
