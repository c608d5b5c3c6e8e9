//! What the owner of blobs and storage does, on a network of real processes whose epochs last seconds.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Network, failure, id_of, noise, text};

const PATIENCE: Duration = Duration::from_secs(120);

fn amount(value: &Value) -> u128 {
    value.as_str().unwrap_or_else(|| panic!("no amount: {value}")).parse().unwrap()
}

/// Stores noise for some epochs; the blob ID and the object ID.
fn store(network: &Network, seed: u64, more: &[&str]) -> (String, String) {
    let file = network.file(&noise(20_000, seed));
    let result = network.json(&[&["store", text(&file)], more].concat());
    let stored = &result[0]["blobStoreResult"];
    let object = stored["newlyCreated"]["blobObject"]["id"].as_str().unwrap().to_owned();
    (id_of(stored), object)
}

#[test]
fn a_blob_is_extended_shared_funded_and_renews_itself() {
    let network = Network::start(5, 10, &["--epoch-duration", "6s"]);
    let (blob, object) = store(&network, 1, &["--epochs", "12", "--permanent"]);
    let listed = network.json(&["list-blobs"]);
    let of = |listed: &Value| listed.as_array().unwrap().iter().find(|o| o["id"] == object.as_str()).cloned();
    let known = of(&listed).expect("it is listed");
    let end = known["storage"]["endEpoch"].as_u64().unwrap();
    assert_eq!((&known["blobId"], known["deletable"].as_bool()), (&blob.as_str().into(), Some(false)));
    assert!(known["certifiedEpoch"].is_u64());

    let extended = network.json(&["extend", &blob, "--epochs", "2"]);
    assert_eq!((extended["epochsExtended"].as_u64(), extended["endEpoch"].as_u64()), (Some(2), Some(end + 2)));
    assert!(amount(&extended["cost"]) > 0);
    let until = (end + 3).to_string();
    assert_eq!(network.json(&["extend", "--blob-obj-id", &object, "--end-epoch", &until])["epochsExtended"], 1);
    let (code, error) = failure(&network.floe(&["extend", &object, "--end-epoch", &until]));
    assert!(code == 2 && error.contains("CLI-LONG-ENOUGH"), "{code} {error}");
    let (code, error) = failure(&network.floe(&["extend", &object, "--epochs", "500"]));
    assert!(code == 1 && error.contains("EpochsAheadOutOfRange") && error.contains("info epoch"), "{code} {error}");
    assert_eq!(failure(&network.floe(&["extend", &object])).0, 2, "for how long?");

    // A blob for a few epochs, with money of its own.
    let (_, short) = store(&network, 2, &["--epochs", "3", "--permanent"]);
    let shared = network.json(&["share", &short, "--amount", "0.01", "--reward", "0.0001", "--renewal-epochs", "2"]);
    assert_eq!((shared["sharedBlobObjectId"].as_str(), &shared["balance"]), (Some(short.as_str()), &"10000".into()));
    assert!(!network.json(&["list-blobs"]).as_array().unwrap().iter().any(|o| o["id"] == short.as_str()));
    let (code, error) = failure(&network.floe(&["fund", &short, "--withdraw", "0.001"]));
    assert!(code == 1 && error.contains("ERC721InsufficientApproval"), "{code} {error}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Nodes renew it for the reward.
        if amount(&network.json(&["fund", &short])["balance"]) < 10_000 {
            break;
        }
        assert!(Instant::now() < deadline, "it was not renewed");
        std::thread::sleep(Duration::from_millis(300));
    }
    let more = network.json(&["fund", &short, "--amount", "0.5"]);
    assert_eq!(
        (&more["amount"], &more["reward"], &more["renewalEpochs"]),
        (&"500000".into(), &"100".into(), &2.into())
    );
    let human = String::from_utf8(network.floe(&["fund", &short]).stdout).unwrap();
    assert!(human.contains("Enough:") && human.contains("0.0001 TUSD"), "{human}");

    // The wallet's own fund comes back; what is far from its end is not renewed.
    network.json(&["fund", &object, "--amount", "1"]);
    let (code, error) = failure(&network.floe(&["renew", &object]));
    assert!(code == 1 && error.contains("RenewalNotDue"), "{code} {error}");
    assert_eq!(network.json(&["fund", &object, "--withdraw", "0.4"])["balance"], "600000");
    assert!(network.json(&["renew", "--all", "--min-reward", "1000"])["renewed"].as_array().unwrap().is_empty());

    let (code, error) = failure(&network.floe(&["burn", &object]));
    assert!(code == 2 && error.contains("CLI-NOT-CONFIRMED"), "{code} {error}");
    let burned = network.json(&["burn", &object, "--yes"]);
    assert_eq!(burned["burned"][0]["objectId"], object.as_str());
    assert!(of(&network.json(&["list-blobs", "--include-expired"])).is_none());
    let (code, error) = failure(&network.floe(&["share", &object]));
    assert!(code == 3 && error.contains("CLI-NO-OBJECT"), "{code} {error}");
}

#[test]
fn deletable_blobs_are_deleted_by_file_blob_or_object_and_the_rest_is_told() {
    let network = Network::start(4, 10, &[]);
    let file = network.file(&noise(20_000, 3));
    let save = |more: &[&str]| {
        let result = network.json(&[&["store", text(&file), "--epochs", "5"], more].concat());
        let object = &result[0]["blobStoreResult"]["newlyCreated"]["blobObject"];
        (object["blobId"].as_str().unwrap().to_owned(), object["id"].as_str().unwrap().to_owned())
    };
    let (blob, first) = save(&[]);
    let (_, second) = save(&["--force", "--ignore-resources"]);
    assert_ne!(first, second);
    let (code, error) = failure(&network.floe(&["delete", &blob]));
    assert!(code == 2 && error.contains("CLI-NOT-CONFIRMED") && error.contains("--yes"), "{code} {error}");

    let deleted = network.json(&["delete", &first, "--yes"]);
    assert_eq!(deleted[0]["deletedBlobs"][0]["id"], first.as_str());
    let counts = &deleted[0]["postDeletionStatus"]["deletable"]["deletableCounts"];
    assert_eq!(
        (counts["count_deletable_total"].as_u64(), counts["count_deletable_certified"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(network.read(&blob), noise(20_000, 3), "the other registration keeps it");
    let resources = network.json(&["resources"]);
    assert_eq!(resources["resources"].as_array().unwrap().len(), 1, "its storage came back: {resources}");

    let deleted = network.json(&["delete", "--file", text(&file), "--yes"]);
    assert_eq!(deleted[0]["blobIdentity"]["blobId"], blob.as_str());
    assert_eq!(
        (&deleted[0]["deletedBlobs"][0]["id"], &deleted[0]["postDeletionStatus"]),
        (&second.as_str().into(), &"nonexistent".into())
    );
    let (code, error) = failure(&network.floe(&["delete", &blob, "--yes"]));
    assert!(code == 3 && error.contains("CLI-NO-OBJECT"), "{code} {error}");

    let (permanent, object) = store(&network, 4, &["--epochs", "5", "--permanent"]);
    let (code, error) = failure(&network.floe(&["delete", &permanent, "--yes"]));
    assert!(code == 3 && error.contains("permanent"), "{code} {error}");
    let (code, error) = failure(&network.floe(&["delete", &object, "--yes"]));
    assert!(code == 1 && error.contains("NotDeletable"), "{code} {error}");
    let (_, kept) = store(&network, 5, &["--epochs", "5"]);
    let (code, error) = failure(&network.floe(&["share", &kept]));
    assert!(code == 1 && error.contains("--permanent"), "{code} {error}");
}

#[test]
fn storage_is_priced_reserved_split_and_fused() {
    let network = Network::start(4, 10, &[]);
    let price = network.json(&["price", "--size", "1MiB", "--epochs", "10"]);
    let parts = amount(&price["storageCost"]) + amount(&price["writeCost"]);
    assert_eq!((amount(&price["totalCost"]), price["epochs"].as_u64()), (parts, Some(10)));
    let file = network.file(&noise(1 << 20, 1));
    let of_file = network.json(&["price", text(&file), "--epochs", "10"]);
    assert_eq!(of_file, price);
    let dry = network.json(&["store", text(&file), "--epochs", "10", "--dry-run"]);
    assert_eq!(dry[0]["storageCost"].as_u64().unwrap() as u128, parts, "what a store costs");

    assert_eq!(network.json(&["resources"])["resources"], serde_json::json!([]));
    let bought = network.json(&["resources", "reserve", "--size", "10MiB", "--epochs", "20"]);
    let first = bought["resource"]["id"].as_str().unwrap();
    assert_eq!((&bought["cost"], bought["resource"]["endEpoch"].as_u64()), (&"20000".into(), Some(21)));
    let cut = network.json(&["resources", "split", first, "--epoch", "6"]);
    let later = cut["resources"][1]["id"].as_str().unwrap();
    assert_eq!(
        (cut["resources"][0]["endEpoch"].as_u64(), cut["resources"][1]["startEpoch"].as_u64()),
        (Some(6), Some(6))
    );
    let cut = network.json(&["resources", "split", later, "--size", "4MiB"]);
    let rest = cut["resources"][1]["id"].as_str().unwrap();
    assert_eq!(cut["resources"][1]["storageSize"].as_u64(), Some(6 << 20));
    let (code, error) = failure(&network.floe(&["resources", "fuse", first, rest]));
    assert!(code == 1 && error.contains("NotFusible"), "{code} {error}");
    network.json(&["resources", "fuse", later, rest]);
    let whole = network.json(&["resources", "fuse", first, later]);
    assert_eq!(
        (whole["resource"]["storageSize"].as_u64(), whole["resource"]["endEpoch"].as_u64()),
        (Some(10 << 20), Some(21))
    );
    assert_eq!(network.json(&["resources", "list"])["resources"].as_array().unwrap().len(), 1);
    let human = String::from_utf8(network.floe(&["resources"]).stdout).unwrap();
    assert!(human.contains("10.0 MiB") && human.contains("21"), "{human}");

    let to = "0x000000000000000000000000000000000000dEaD";
    network.json(&["resources", "transfer", first, to]);
    assert_eq!(network.json(&["resources", "list", "--owner", to])["resources"].as_array().unwrap().len(), 1);
    let (code, error) = failure(&network.floe(&["resources", "destroy", first, "--yes"]));
    assert!(code == 1 && error.contains("ERC721InsufficientApproval"), "{code} {error}");
    let (code, error) = failure(&network.floe(&["resources", "destroy", "99", "--yes"]));
    assert!(code == 3 && error.contains("CLI-NO-RESOURCE"), "{code} {error}");
}
