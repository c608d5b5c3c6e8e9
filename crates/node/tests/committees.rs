//! A change of the committee under a running node: other keys, other shards.

mod support;

use floe_node::NodeError;
use floe_protocol::message::StorageConfirmation;
use floe_protocol::{Committee, Epoch, Persistence, SignedMessage, bls};
use floe_redstuff::{Axis, EncodedBlob, ShardIndex};
use std::sync::atomic::Ordering;
use support::{Net, Running, config, eventually, http as web, upload};

async fn stored(net: &Net, node: &Running, content: &[u8]) -> EncodedBlob {
    let blob = net.encode(content);
    net.chain.register(&blob.metadata, 9);
    let path = format!("/v1/blobs/{}/upload", blob.metadata.blob_id());
    let answer = web::put(node.address, &path, upload::body(&blob, &net.pairs(0, &blob))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    blob
}

/// Whether the node confirms the blob in this epoch, with this key.
async fn confirms(node: &Running, blob: &EncodedBlob, epoch: Epoch, key: &bls::PublicKey) -> bool {
    let blob_id = *blob.metadata.blob_id();
    let answer = web::get(node.address, &format!("/v1/blobs/{blob_id}/confirmation/permanent")).await;
    if answer.status != 200 {
        return false;
    }
    let signed = serde_json::from_value(answer.data()["signed"].clone());
    let signed: SignedMessage<StorageConfirmation> = signed.expect("a confirmation");
    let expected = StorageConfirmation { epoch, blob_id, persistence: Persistence::Permanent };
    signed.verify(key, &expected).is_ok()
}

#[tokio::test]
async fn each_epoch_is_signed_for_with_its_key() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let next = || bls::SecretKey::generate(&[99; 32]);
    let node = net.start_with_next(0, config(), Some(next())).await;
    let address = node.address;
    eventually("the node is ready", || async move { web::get(address, "/readyz").await.status == 200 }).await;
    let blob = stored(&net, &node, b"two keys").await;
    let old = net.seats[0].secret.public_key();
    assert!(confirms(&node, &blob, Epoch(1), &old).await);
    net.chain.new_epoch(2);
    eventually("the old key goes on", || confirms(&node, &blob, Epoch(2), &old)).await;

    let mut members = net.committee.members().to_vec();
    members[0].public_key = next().public_key();
    net.chain.next_epoch_with(Committee::new(Epoch(3), net.params, members.clone()).unwrap());
    let new = next().public_key();
    eventually("the next key takes over", || confirms(&node, &blob, Epoch(3), &new)).await;
    node.stop().await.unwrap();

    // With the old key alone the node does not go on.
    let lost = net.start_raw(0, config()).await;
    let ended = tokio::time::timeout(support::DEADLINE, lost.task).await.unwrap().unwrap();
    assert!(matches!(ended, Err(NodeError::WrongKey { epoch: Epoch(3), .. })), "{ended:?}");
}

#[tokio::test]
async fn shards_that_moved_are_served_by_who_has_them_and_confirmed_by_nobody() {
    let mut net = Net::new(&[4, 3, 3]).await;
    let node = net.start(0, config()).await;
    let blob = stored(&net, &node, b"where it was").await;
    let id = *blob.metadata.blob_id();
    // Shard 3 goes to the second node, and this one gets shard 9.
    let mut members = net.committee.members().to_vec();
    members[0].shards = [0, 1, 2, 9].map(ShardIndex::new).to_vec();
    members[1].shards = [3, 4, 5, 6].map(ShardIndex::new).to_vec();
    members[2].shards = [7, 8].map(ShardIndex::new).to_vec();
    net.chain.next_epoch_with(Committee::new(Epoch(2), net.params, members).unwrap());
    let health = async || web::get(node.address, "/v1/health").await.data();
    eventually("the new committee is there", || async {
        let health = health().await;
        health["epoch"] == 2 && health["shardSummary"]["readOnly"] == 1
    })
    .await;

    let status = async |shard: u16| {
        let pair = ShardIndex::new(shard).pair(&id, net.params);
        web::get(node.address, &format!("/v1/blobs/{id}/slivers/{pair}/{}", Axis::Primary)).await.status
    };
    assert_eq!((status(0).await, status(3).await), (200, 200), "its own, and the one that it had");
    assert_eq!((status(9).await, status(5).await), (404, 400), "the one that it lacks, and one of others");
    let key = net.seats[0].secret.public_key();
    assert!(!confirms(&node, &blob, Epoch(2), &key).await, "it does not hold all that is its own");
    net.chain.new_epoch(3);
    eventually("what it had before is forgotten", || async { health().await["shardSummary"]["readOnly"] == 0 }).await;
    assert_eq!(status(3).await, 400);
    assert_ne!(net.chain.synced.load(Ordering::Relaxed), 2, "nothing was reported for the epoch with the new shard");
    node.stop().await.unwrap();
}
