//! Blobs that their owner deletes, what becomes of their data and their storage, and uploads that are continued.

use floe_chain::ControlPlane as _;
use floe_protocol::{Epoch, ObjectId};
use serde_json::Value;

use super::{
    eventually,
    support::{Network, failure, http, id_of, kill, noise, text},
};

fn store(network: &Network, bytes: &[u8], options: &[&str]) -> Value {
    let file = network.file(bytes);
    network.json(&[&["store", text(&file), "--epochs", "20"], options].concat())[0]["blobStoreResult"].clone()
}

fn object_of(result: &Value) -> ObjectId {
    result["newlyCreated"]["blobObject"]["id"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_deleted_blob_is_gone_and_its_storage_is_used_again() {
    let network = Network::start(4, 10, &["--epoch-duration", "5s"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = runtime.block_on(network.chain("client"));
    let bytes = noise(50_000, 1);
    let stored = store(&network, &bytes, &[]);
    assert_eq!(stored["newlyCreated"]["blobObject"]["deletable"], true, "the default");
    let (id, object) = (id_of(&stored), object_of(&stored));
    assert_eq!(network.read(&id), bytes);
    let by_http = http("GET", &format!("{}/v1/blobs/{id}", network.gateway()), &[], &[]);
    assert_eq!((by_http.status, by_http.body), (200, bytes.clone()));
    let status = network.json(&["blob-status", "--blob-id", &id]);
    assert_eq!(status["status"]["deletable"]["deletableCounts"]["count_deletable_certified"], 1, "{status}");
    let again = store(&network, &bytes, &[]);
    assert_eq!(again["alreadyCertified"]["object"], stored["newlyCreated"]["blobObject"]["id"]);

    runtime.block_on(chain.delete_blob(object)).unwrap();
    let message = eventually("a deleted blob is not served", || {
        let output = network.floe(&["read", &id]);
        (!output.status.success()).then(|| failure(&output))
    });
    assert_eq!(message.0, 3, "{}", message.1);
    let metadata = format!("{}/v1/blobs/{id}/metadata/status", network.node_url(0));
    eventually("its data leaves the disk with the epoch", || {
        let answer = http("GET", &metadata, &[], &[]).json();
        (answer["success"]["data"] == "nonexistent").then_some(())
    });

    let bought = store(&network, &noise(50_000, 2), &["--ignore-resources"]);
    assert!(bought["newlyCreated"]["resourceOperation"].get("registerFromScratch").is_some(), "{bought}");
    // What is left of the storage is for some epochs less.
    let file = network.file(&noise(50_000, 3));
    let reused = network.json(&["store", text(&file), "--epochs", "5", "--permanent"])[0]["blobStoreResult"].clone();
    assert!(reused["newlyCreated"]["resourceOperation"].get("reuseStorage").is_some(), "{reused}");
    assert_eq!(
        reused["newlyCreated"]["blobObject"]["storage"]["endEpoch"],
        stored["newlyCreated"]["blobObject"]["storage"]["endEpoch"]
    );
    let id = id_of(&reused).parse().unwrap();
    let until = runtime.block_on(chain.available_until(&id)).unwrap();
    assert!(until > Some(Epoch(5)), "{until:?}");
}

#[test]
fn a_store_that_broke_off_is_continued_by_the_next_process() {
    let network = Network::start(4, 10, &[]);
    let pids = network.node_pids();
    kill(&pids[..2]);
    for permanent in [true, false] {
        let kind: &[&str] = if permanent { &["--permanent"] } else { &[] };
        let bytes = noise(30_000, u64::from(permanent));
        let file = network.file(&bytes);
        let args = [&["store", text(&file), "--epochs", "3"], kind].concat();
        let (code, message) = failure(&network.floe(&args));
        assert_eq!(code, 4, "{message}");
        network.restart_node(0);
        network.restart_node(1);
        let result = network.json(&args)[0]["blobStoreResult"].clone();
        assert!(result["newlyCreated"]["resourceOperation"].get("reuseRegistration").is_some(), "{result}");
        assert_eq!(result["newlyCreated"]["cost"], 0);
        assert_eq!(network.read(&id_of(&result)), bytes);
        kill(&network.node_pids()[..2]);
    }
}

#[test]
fn the_gateway_gives_a_registration_to_whom_it_is_told() {
    let network = Network::start(4, 10, &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = runtime.block_on(network.chain("client"));
    let owner = chain.signer_address().unwrap();
    let url = format!("{}/v1/blobs?epochs=2&deletable=true&send_object_to={owner}", network.gateway());
    let result = http("PUT", &url, &[], b"for somebody else").json();
    let object = runtime.block_on(chain.blob_object(object_of(&result))).unwrap().unwrap();
    assert_eq!((object.owner, object.deletable, object.certified_epoch), (owner, true, Some(Epoch(1))));
    runtime.block_on(chain.delete_blob(object.object_id)).unwrap();
}
