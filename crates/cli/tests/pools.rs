//! Pools and the blobs in them, on a network of real processes.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Network, failure, http, id_of, noise, text};

const PATIENCE: Duration = Duration::from_secs(120);

/// Stores noise with these options; the blob ID and the registration.
fn store(network: &Network, seed: u64, more: &[&str]) -> (String, Value) {
    let file = network.file(&noise(20_000, seed));
    let result = network.json(&[&["store", text(&file)], more].concat());
    let stored = &result[0]["blobStoreResult"];
    (id_of(stored), stored["newlyCreated"].clone())
}

#[test]
fn blobs_are_stored_in_a_pool_and_last_as_long_as_it_does() {
    let network = Network::start(4, 10, &["--epoch-duration", "10s"]);
    let made = network.json(&["pool", "create", "--size", "20MiB", "--epochs", "3"]);
    let end = made["pool"]["endEpoch"].as_u64().unwrap();
    let expected = json!({"id": 1, "owner": made["pool"]["owner"], "poolSize": 20 << 20, "used": 0, "blobs": 0,
        "endEpoch": end});
    assert_eq!((&made["pool"], made["cost"].as_str()), (&expected, Some("6000")));

    let (permanent, first) = store(&network, 1, &["--pool", "1", "--permanent"]);
    assert_eq!(first["blobObject"]["storage"]["endEpoch"], end);
    assert!(first["resourceOperation"].get("reuseStorage").is_some(), "{first}");
    let (deletable, second) = store(&network, 2, &["--pool", "1"]);
    let object = second["blobObject"]["id"].as_str().unwrap();
    for (id, seed) in [(&permanent, 1), (&deletable, 2)] {
        assert_eq!(network.read(id), noise(20_000, seed));
    }
    let (third, fourth) = (network.file(&noise(500, 3)), network.file(&noise(700, 4)));
    let both = network.json(&["store", text(&third), text(&fourth), "--pool", "1", "--permanent"]);
    assert_eq!(network.read(&id_of(&both[1]["blobStoreResult"])), noise(700, 4), "of two files at once");
    let again = network.json(&["store", text(&fourth), "--pool", "1", "--permanent"]);
    assert!(again[0]["blobStoreResult"].get("alreadyCertified").is_some(), "{again}");

    let shown = network.json(&["pool", "show", "1"]);
    let ids: Vec<_> = shown["blobs"].as_array().unwrap().iter().map(|blob| blob["blobId"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), &ids[..2]), (4, &[permanent.as_str(), &deletable][..]), "{shown}");
    let extended = network.json(&["pool", "extend", "1", "--epochs", "20"]);
    assert_eq!((extended["endEpoch"].as_u64(), extended["cost"].as_str()), (Some(end + 20), Some("40000")));
    let (code, error) = failure(&network.floe(&["extend", object, "--epochs", "1"]));
    assert!(code == 2 && error.contains("pool"), "{code} {error}");

    let (code, error) = failure(&network.floe(&["extend", &permanent, "--epochs", "1"]));
    assert!(code == 3 && error.contains("CLI-NO-OBJECT"), "{code} {error}");

    let deleted = network.json(&["delete", &deletable, "--yes"]);
    assert_eq!(deleted[0]["deletedBlobs"][0]["id"], object);
    assert_eq!(deleted[0]["postDeletionStatus"], "nonexistent");
    let human = String::from_utf8(network.floe(&["pool", "show", "1"]).stdout).unwrap();
    assert!(human.contains("3 blobs") && !human.contains(&deletable) && human.contains(&permanent), "{human}");

    // Past the end that the pool had first, the nodes still have what is in it, and no longer what was deleted.
    let passed = (end + 1).to_string();
    network.json(&["epoch", "--wait", &passed]);
    assert_eq!(network.read(&permanent), noise(20_000, 1));
    let node = network.info()["nodes"][0]["address"].as_str().unwrap().to_owned();
    let url = format!("{node}/v1/blobs/{deletable}/metadata/status");
    let deadline = Instant::now() + PATIENCE;
    while http("GET", &url, &[], &[]).json()["success"]["data"] != "nonexistent" {
        assert!(Instant::now() < deadline, "what was deleted is still there");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn pools_are_resized_passed_on_and_given_up_and_refusals_say_what_to_do() {
    let network = Network::start(4, 10, &[]);
    let none = String::from_utf8(network.floe(&["pool"]).stdout).unwrap();
    assert!(none.contains("floe pool create"), "{none}");
    for args in [&["pool", "show", "7"][..], &["pool", "extend", "7", "--epochs", "1"], &["pool", "destroy", "7"]] {
        let (code, error) = failure(&network.floe(args));
        assert!(code == 3 && error.contains("CLI-NO-POOL"), "{code} {error}");
    }
    let (code, error) = failure(&network.floe(&["pool", "create", "--size", "1MiB", "--epochs", "5000"]));
    assert!(code == 2 && error.contains("CLI-TOO-MANY-EPOCHS"), "{code} {error}");

    network.json(&["pool", "create", "--size", "10MiB", "--epochs", "5"]);
    let larger = network.json(&["pool", "increase", "1", "--size", "2MiB"]);
    assert_eq!((larger["poolSize"].as_u64(), &larger["resource"]), (Some(12 << 20), &Value::Null));
    let smaller = network.json(&["pool", "shrink", "1", "--size", "11MiB"]);
    assert_eq!(smaller["poolSize"].as_u64(), Some(1 << 20));
    let resource = smaller["resource"].as_str().unwrap();
    let second = network.json(&["pool", "create", "--resource", resource]);
    assert_eq!((second["pool"]["id"].as_u64(), second["cost"].as_str()), (Some(2), Some("0")));
    let listed = network.json(&["pool", "list"]);
    let sizes: Vec<_> = listed["pools"].as_array().unwrap().iter().map(|pool| pool["poolSize"].as_u64()).collect();
    assert_eq!(sizes, [Some(1 << 20), Some(11 << 20)]);

    let large = network.file(&noise(1 << 20, 1));
    let (code, error) = failure(&network.floe(&["store", text(&large), "--pool", "1"]));
    assert!(code == 1 && error.contains("PoolFull") && error.contains("floe pool increase"), "{code} {error}");
    let (_, kept) = store(&network, 2, &["--pool", "1", "--permanent"]);
    let object = kept["blobObject"]["id"].as_str().unwrap();
    assert_eq!(network.json(&["pool", "refresh", object])["endEpoch"], kept["blobObject"]["storage"]["endEpoch"]);
    let (code, error) = failure(&network.floe(&["pool", "destroy", "1", "--yes"]));
    assert!(code == 1 && error.contains("PoolNotEmpty") && error.contains("pool show"), "{code} {error}");
    let (code, error) = failure(&network.floe(&["pool", "burn-expired", "1"]));
    assert!(code == 1 && error.contains("NotExpired"), "{code} {error}");
    let (code, error) = failure(&network.floe(&["pool", "destroy", "2"]));
    assert!(code == 2 && error.contains("CLI-NOT-CONFIRMED"), "{code} {error}");

    let gone = network.json(&["pool", "destroy", "2", "--yes"]);
    let left = network.json(&["resources"]);
    assert_eq!(left["resources"][0]["id"], gone["resource"]);
    let to = "0x000000000000000000000000000000000000dEaD";
    network.json(&["pool", "transfer", "1", to]);
    assert_eq!(network.json(&["pool"])["pools"], json!([]));
    assert_eq!(network.json(&["pool", "list", "--owner", to])["pools"][0]["blobs"], 1);
    let (code, error) = failure(&network.floe(&["store", text(&large), "--pool", "1"]));
    assert!(code == 1 && error.contains("ERC721InsufficientApproval"), "{code} {error}");
}
