//! One signature for many blobs, and what an upload confirms.

mod support;

use floe_protocol::api::ErrorReason;
use floe_protocol::message::{BatchConfirmation, StorageConfirmation};
use floe_protocol::{BatchDomain, BatchList, Epoch, ObjectId, Persistence, SignedMessage};
use floe_redstuff::EncodedBlob;
use support::http::Answer;
use support::{Net, Running, config, eventually, http as web, upload};

/// What the chain of these tests says.
const DOMAIN: BatchDomain = BatchDomain { chain_id: 1, contract: [0x5f; 20] };

async fn send(net: &Net, node: &Running, blob: &EncodedBlob, persistence: &str) -> Answer {
    let path = format!("/v1/blobs/{}/upload?persistence={persistence}", blob.metadata.blob_id());
    web::put(node.address, &path, upload::body(blob, &net.pairs(0, blob))).await
}

async fn ask(node: &Running, list: &BatchList) -> Answer {
    web::post(node.address, "/v1/confirmations", list.to_bytes()).await
}

fn object(number: u64) -> Persistence {
    Persistence::Deletable(ObjectId::from_number(number))
}

#[tokio::test]
async fn a_list_is_signed_as_a_whole_or_not_at_all() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    let [one, two, three] = [b"one".as_slice(), b"two", b"three"].map(|blob| net.encode(blob));
    net.chain.register(&one.metadata, 5);
    net.chain.register_deletable(&two.metadata, 7, 5);
    net.chain.register(&three.metadata, 5);
    for blob in [&one, &two] {
        let answer = send(&net, &node, blob, "none").await;
        assert_eq!((answer.status, answer.data()), (200, "stored".into()), "nothing is signed");
    }
    let (first, second) = (*one.metadata.blob_id(), *two.metadata.blob_id());
    let list = BatchList(vec![(first, Persistence::Permanent), (second, object(7))]);
    let answer = ask(&node, &list).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let signed: SignedMessage<BatchConfirmation> = serde_json::from_value(answer.data()).unwrap();
    let key = net.seats[0].secret.public_key();
    signed.verify(&key, &list.confirmation(Epoch(1), DOMAIN)).unwrap();

    let with = |entry| BatchList(list.0.iter().copied().chain([entry]).collect());
    let lacking = ask(&node, &with((*three.metadata.blob_id(), Persistence::Permanent))).await;
    assert_eq!(lacking.reason(), Some(ErrorReason::MissingSlivers));
    assert!(String::from_utf8_lossy(&lacking.body).contains(&three.metadata.blob_id().to_string()), "{lacking:?}");
    let other = ask(&node, &with((second, object(8)))).await;
    assert_eq!(other.reason(), Some(ErrorReason::NotRegistered), "another object of the same blob");
    let permanent = ask(&node, &with((second, Persistence::Permanent))).await;
    assert_eq!(permanent.reason(), Some(ErrorReason::NotRegistered));
    net.chain.invalidate(&first);
    eventually("the blob is invalid", || async {
        let answer = ask(&node, &list).await;
        answer.status == 400 && answer.reason() == Some(ErrorReason::InvalidBlob)
    })
    .await;

    for (body, status) in [(Vec::new(), 400), (vec![1; 63], 400), (vec![1; 64 * 1025], 413)] {
        let answer = web::post(node.address, "/v1/confirmations", body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_sender_need_not_know_its_object_yet() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    let blob = net.encode(b"on its way");
    // Somebody else has registered it for ever; that is not what is waited for.
    net.chain.register(&blob.metadata, 5);
    let early = send(&net, &node, &blob, "deletable&wait_millis=50").await;
    assert_eq!(early.reason(), Some(ErrorReason::NotRegistered));
    net.chain.register_deletable(&blob.metadata, 9, 5);
    net.chain.register_deletable(&blob.metadata, 12, 5);
    net.chain.register_deletable(&blob.metadata, 13, 1);
    let confirmed = async || {
        let answer = send(&net, &node, &blob, "deletable").await;
        let signed = answer.data()["signed"].clone();
        let signed: SignedMessage<StorageConfirmation> = serde_json::from_value(signed).unwrap();
        signed.verify_epoch(&net.seats[0].secret.public_key(), Epoch(1)).unwrap().persistence
    };
    eventually("the latest that has not ended", || async { confirmed().await == object(12) }).await;
    node.stop().await.unwrap();
}
