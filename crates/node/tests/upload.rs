//! The streamed upload: what is confirmed is registered, checked and durable; everything else leaves nothing behind.

mod support;

use std::time::Duration;

use bytes::Bytes;
use floe_protocol::api::{Confirmation, ErrorReason, Success};
use floe_protocol::{Epoch, Persistence, StorageConfirmation};
use floe_redstuff::{Axis, EncodedBlob, PairIndex};
use floe_store::sim::{FaultPlan, Retention};
use http_body_util::{BodyExt, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::http::Answer;
use support::{DEADLINE, Net, Running, config, eventually, http as web, upload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn path(blob: &EncodedBlob) -> String {
    format!("/v1/blobs/{}/upload?persistence=permanent&wait_millis=0", blob.metadata.blob_id())
}

async fn one_node() -> (Net, Running) {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    (net, node)
}

/// The confirmation in the answer, checked against the node's key.
fn check_confirmation(net: &Net, node: usize, blob: &EncodedBlob, answer: &Answer, epoch: u32) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer: Success<Confirmation> = serde_json::from_slice(&answer.body).expect("a confirmation");
    let blob_id = *blob.metadata.blob_id();
    let expected = StorageConfirmation { epoch: Epoch(epoch), blob_id, persistence: Persistence::Permanent };
    let signed = answer.into_data().into_signed();
    signed.verify(&net.seats[node].secret.public_key(), &expected).expect("signed by the node");
}

async fn confirmation(node: &Running, blob: &EncodedBlob) -> Answer {
    web::get(node.address, &format!("/v1/blobs/{}/confirmation/permanent", blob.metadata.blob_id())).await
}

async fn nothing_kept(net: &Net, node: &Running, blob: &EncodedBlob) {
    assert_eq!(confirmation(node, blob).await.reason(), Some(ErrorReason::MissingSlivers));
    for pair in net.pairs(0, blob) {
        for axis in Axis::ALL {
            let status = format!("/v1/blobs/{}/slivers/{pair}/{axis}/status", blob.metadata.blob_id());
            assert_eq!(web::get(node.address, &status).await.data(), "nonexistent");
        }
    }
}

async fn registered(net: &Net, node: &Running, blob: &EncodedBlob) {
    net.chain.register(&blob.metadata, 5);
    let path = format!("/v1/blobs/{}/status", blob.metadata.blob_id());
    eventually("the registration is seen", || async { web::get(node.address, &path).await.data() != "nonexistent" })
        .await;
}

#[tokio::test]
async fn an_upload_is_confirmed_served_and_survives_a_power_cut() {
    let (mut net, node) = one_node().await;
    for (blob, size) in [(net.encode(&[]), 0), (net.encode(&[9]), 1), (net.encode(&vec![3; 100_000]), 100_000)] {
        registered(&net, &node, &blob).await;
        let answer = web::put(node.address, &path(&blob), upload::body(&blob, &net.pairs(0, &blob))).await;
        check_confirmation(&net, 0, &blob, &answer, 1);
        check_confirmation(&net, 0, &blob, &confirmation(&node, &blob).await, 1);
        assert_eq!(blob.metadata.unencoded_length(), size);
    }
    // The power goes right after the confirmation, and takes along every write that was not synced.
    let blob = net.encode(b"durable");
    registered(&net, &node, &blob).await;
    let answer = web::put(node.address, &path(&blob), upload::body(&blob, &net.pairs(0, &blob))).await;
    check_confirmation(&net, 0, &blob, &answer, 1);
    let after_power_cut = net.seats[0].disk.crash(Retention::None, 1);
    node.stop().await.unwrap();
    net.seats[0].disk = after_power_cut;
    let node = net.start(0, config()).await;
    check_confirmation(&net, 0, &blob, &confirmation(&node, &blob).await, 1);
    for pair in net.pairs(0, &blob) {
        let got =
            web::get(node.address, &format!("/v1/blobs/{}/slivers/{pair}/primary", blob.metadata.blob_id())).await;
        assert_eq!(&got.body[..], blob.pairs[usize::from(pair.get())].primary.to_bcs());
    }
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_upload_is_accepted_and_stores_nothing() {
    let (net, node) = one_node().await;
    let blob = net.encode(&[5; 5000]);
    registered(&net, &node, &blob).await;
    let body = upload::body(&blob, &net.pairs(0, &blob));
    check_confirmation(&net, 0, &blob, &web::put(node.address, &path(&blob), body.clone()).await, 1);
    let before = node.store.usage().unwrap().records;
    check_confirmation(&net, 0, &blob, &web::put(node.address, &path(&blob), body).await, 1);
    assert_eq!(node.store.usage().unwrap().records, before);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_put_one_by_one_need_not_be_sent_again() {
    let (net, node) = one_node().await;
    let blob = net.encode(b"half and half");
    registered(&net, &node, &blob).await;
    let pairs = net.pairs(0, &blob);
    let id = blob.metadata.blob_id();
    web::put(node.address, &format!("/v1/blobs/{id}/metadata"), blob.metadata.metadata().to_bcs()).await;
    for axis in Axis::ALL {
        let bytes = blob.pairs[usize::from(pairs[0].get())].sliver(axis).to_bcs();
        let put = web::put(node.address, &format!("/v1/blobs/{id}/slivers/{}/{axis}", pairs[0]), bytes).await;
        assert_eq!(put.status, 201);
    }
    let answer = web::put(node.address, &path(&blob), upload::body(&blob, &pairs[1..])).await;
    check_confirmation(&net, 0, &blob, &answer, 1);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn an_upload_waits_for_its_registration() {
    let (net, node) = one_node().await;
    let blob = net.encode(b"the chain is slow");
    let body = upload::body(&blob, &net.pairs(0, &blob));
    let waiting = format!("/v1/blobs/{}/upload?wait_millis=5000", blob.metadata.blob_id());
    let upload = tokio::spawn({
        let (address, body) = (node.address, body.clone());
        async move { web::put(address, &waiting, body).await }
    });
    let unregistered = web::put(node.address, &path(&blob), body).await;
    assert_eq!((unregistered.status, unregistered.reason()), (400, Some(ErrorReason::NotRegistered)));
    assert!(!upload.is_finished());
    net.chain.register(&blob.metadata, 5);
    check_confirmation(&net, 0, &blob, &upload.await.unwrap(), 1);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn wrong_uploads_leave_nothing_behind() {
    let (net, node) = one_node().await;
    let (blob, other) = (net.encode(&[1; 3000]), net.encode(&[2; 3000]));
    registered(&net, &node, &blob).await;
    let pairs = net.pairs(0, &blob);
    let good = upload::body(&blob, &pairs);
    let slivers_of = |blob: &EncodedBlob, pair: &PairIndex| {
        let pair = &blob.pairs[usize::from(pair.get())];
        ((*pair.primary).clone(), (*pair.secondary).clone())
    };
    let metadata = blob.metadata.metadata().to_bcs();
    let mut one_wrong: Vec<_> = pairs.iter().map(|pair| slivers_of(&blob, pair)).collect();
    one_wrong[3].1 = slivers_of(&other, &pairs[3]).1;
    let mut swapped: Vec<_> = pairs.iter().map(|pair| slivers_of(&blob, pair)).collect();
    swapped.swap(0, 1);
    let mut foreign = pairs.clone();
    foreign.push(net.foreign_pair(0, &blob));
    foreign.sort_unstable();
    let mut bad_magic = good.clone();
    bad_magic[0] = b'X';
    let mut descending = pairs.clone();
    descending.reverse();
    let mut over_long = good.clone();
    over_long.push(0);
    let mut long_length = good.clone();
    let at = 12 + metadata.len() + 2;
    long_length[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());

    for (name, body, reason) in [
        ("a sliver of another blob", upload::assemble(&metadata, &pairs, one_wrong), ErrorReason::InvalidSliver),
        ("slivers under each other's pairs", upload::assemble(&metadata, &pairs, swapped), ErrorReason::InvalidSliver),
        ("a pair of another node", upload::body(&blob, &foreign), ErrorReason::ShardNotAssigned),
        ("a pair too few", upload::body(&blob, &pairs[1..]), ErrorReason::MissingSlivers),
        ("metadata of another blob", upload::body(&other, &net.pairs(0, &other)), ErrorReason::InvalidMetadata),
        ("cut short", good[..good.len() - 1].to_vec(), ErrorReason::MalformedUpload),
        ("cut in the metadata", good[..40].to_vec(), ErrorReason::MalformedUpload),
        ("empty", Vec::new(), ErrorReason::MalformedUpload),
        ("over-long", over_long, ErrorReason::MalformedUpload),
        ("another format", bad_magic, ErrorReason::MalformedUpload),
        ("pairs out of order", upload::body(&blob, &descending), ErrorReason::MalformedUpload),
        ("a sliver of 4 GiB", long_length, ErrorReason::MalformedUpload),
    ] {
        let answer = web::put(node.address, &path(&blob), body).await;
        assert_eq!((answer.status, answer.reason()), (400, Some(reason)), "{name}: {answer:?}");
        nothing_kept(&net, &node, &blob).await;
    }
    let answer = web::put(node.address, &path(&blob), good).await;
    check_confirmation(&net, 0, &blob, &answer, 1);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_shorter_than_declared_leaves_nothing_behind() {
    let (net, node) = one_node().await;
    let blob = net.encode(&[1; 3000]);
    registered(&net, &node, &blob).await;
    let body = upload::body(&blob, &net.pairs(0, &blob));
    let mut socket = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let head = format!("PUT {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", path(&blob), body.len());
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&body[..body.len() - 10]).await.unwrap();
    drop(socket);
    eventually("the slot is free again", || async {
        nothing_kept(&net, &node, &blob).await;
        true
    })
    .await;
    check_confirmation(&net, 0, &blob, &web::put(node.address, &path(&blob), body).await, 1);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn an_upload_in_many_small_chunks() {
    let (net, node) = one_node().await;
    let blob = net.encode(&[8; 2000]);
    registered(&net, &node, &blob).await;
    let body = upload::body(&blob, &net.pairs(0, &blob));
    let frames: Vec<_> = body
        .chunks(7)
        .map(|chunk| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::copy_from_slice(chunk))))
        .collect();
    let request = http::Request::put(format!("http://{}{}", node.address, path(&blob)))
        .body(StreamBody::new(futures::stream::iter(frames)))
        .unwrap();
    let client: Client<_, StreamBody<_>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    check_confirmation(&net, 0, &blob, &Answer { status, headers, body }, 1);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_507_until_there_is_space() {
    let (net, node) = one_node().await;
    let blob = net.encode(&vec![1; 100_000]);
    registered(&net, &node, &blob).await;
    let body = upload::body(&blob, &net.pairs(0, &blob));
    let disk = &net.seats[0].disk;
    disk.set_faults(FaultPlan { space_bytes: Some(disk.used_bytes()), ..FaultPlan::default() });
    let full = web::put(node.address, &path(&blob), body.clone()).await;
    assert_eq!((full.status, full.reason()), (507, Some(ErrorReason::StorageFull)), "{full:?}");
    assert!(full.headers.contains_key("retry-after"));
    nothing_kept(&net, &node, &blob).await;
    assert_eq!(web::get(node.address, "/readyz").await.status, 200);
    disk.set_faults(FaultPlan::default());
    check_confirmation(&net, 0, &blob, &web::put(node.address, &path(&blob), body).await, 1);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_failed_fsync_confirms_nothing_and_ends_the_node() {
    let (net, node) = one_node().await;
    let blob = net.encode(&vec![1; 10_000]);
    registered(&net, &node, &blob).await;
    let disk = &net.seats[0].disk;
    disk.set_faults(FaultPlan { fail_sync_at: Some(disk.syncs() + 1), ..FaultPlan::default() });
    let answer = web::put(node.address, &path(&blob), upload::body(&blob, &net.pairs(0, &blob))).await;
    assert_eq!((answer.status, answer.reason()), (500, Some(ErrorReason::InternalError)));
    let ended = tokio::time::timeout(DEADLINE, node.task).await.expect("ends").unwrap();
    assert_eq!(ended.expect_err("a failure").code(), "NODE-0002");
}

#[tokio::test]
async fn uploads_beyond_the_ceiling_are_told_to_come_back() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let mut config = config();
    config.limits.uploads_max = 1;
    config.timing.queue_wait_ms = 10;
    let node = net.start(0, config).await;
    let blob = net.encode(b"waits");
    let body = upload::body(&blob, &net.pairs(0, &blob));
    let mut socket = tokio::net::TcpStream::connect(node.address).await.unwrap();
    let head = format!("PUT {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", path(&blob), body.len());
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&body[..5]).await.unwrap();
    eventually("the second upload is turned away", || async {
        let answer = web::put(node.address, &path(&blob), body.clone()).await;
        answer.status == 503 && answer.reason() == Some(ErrorReason::Unavailable)
    })
    .await;
    socket.write_all(&body[5..]).await.unwrap();
    let mut answer = vec![0; 12];
    tokio::time::timeout(Duration::from_secs(10), socket.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    node.stop().await.unwrap();
}
