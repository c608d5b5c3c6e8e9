//! Several files at once: one transaction registers them, one certificate certifies them.

use std::{collections::BTreeSet, path::PathBuf};

use floe_chain::ControlPlane as _;
use serde_json::Value;

use super::support::{Network, id_of, kill, noise, text};

fn files(network: &Network, count: u64, seed: u64) -> Vec<(PathBuf, Vec<u8>)> {
    let bytes = (0..count).map(|i| noise(usize::try_from(1 + 700 * i).unwrap(), seed + i));
    bytes.map(|bytes| (network.file(&bytes), bytes)).collect()
}

fn store(network: &Network, files: &[(PathBuf, Vec<u8>)], options: &[&str]) -> Vec<Value> {
    let mut args = vec!["store"];
    args.extend(files.iter().map(|(path, _)| text(path)));
    args.extend(options);
    let results = network.json(&args);
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), files.len());
    for (result, (path, _)) in results.iter().zip(files) {
        assert_eq!(result["path"], text(path), "results are in the order of the files");
    }
    results.iter().map(|result| result["blobStoreResult"].clone()).collect()
}

#[test]
fn several_files_share_their_transactions() {
    let network = Network::start(4, 10, &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = runtime.block_on(network.chain("client"));
    let some = files(&network, 5, 1);
    let results = store(&network, &some, &["--epochs", "3", "--permanent"]);
    let mut transactions = BTreeSet::new();
    for (result, (_, bytes)) in results.iter().zip(&some) {
        let id = id_of(result);
        assert_eq!(network.read(&id), *bytes);
        let event = runtime.block_on(chain.certified_event(&id.parse().unwrap())).unwrap().unwrap();
        transactions.insert(event.tx);
    }
    assert_eq!(transactions.len(), 1, "one certificate");

    // A third of the network is gone: nothing changes. Deletable ones name their objects in the list.
    let gone = network.shard_counts().iter().position(|shards| *shards == 3).unwrap();
    kill(&network.node_pids()[gone..=gone]);
    let more = files(&network, 6, 100);
    for (result, (_, bytes)) in store(&network, &more, &["--epochs", "3"]).iter().zip(&more) {
        assert_eq!(result["newlyCreated"]["blobObject"]["deletable"], true);
        assert!(result["newlyCreated"]["blobObject"]["certifiedEpoch"].is_number());
        assert_eq!(network.read(&id_of(result)), *bytes);
    }
    // What is there is not stored again, and the same file twice is one blob.
    let mixed = [some[1].clone(), more[0].clone(), files(&network, 1, 200)[0].clone(), some[1].clone()];
    let results = store(&network, &mixed, &["--epochs", "3", "--permanent"]);
    let kinds: Vec<bool> = results.iter().map(|result| result.get("newlyCreated").is_some()).collect();
    assert_eq!(kinds, [false, true, true, false]);
}

#[test]
fn one_bad_file_does_not_spoil_the_others() {
    let network = Network::start(4, 10, &[]);
    let good = files(&network, 3, 1);
    let output = network.floe(&[
        "store",
        text(&good[0].0),
        "/no/such/file",
        text(&good[1].0),
        text(&good[2].0),
        "--epochs",
        "2",
        "--json",
    ]);
    assert!(!output.status.success());
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(results[1]["blobStoreResult"]["error"]["failurePhase"], "CLI-NO-FILE");
    for (place, (_, bytes)) in [0, 2, 3].into_iter().zip(&good) {
        assert_eq!(network.read(&id_of(&results[place]["blobStoreResult"])), *bytes);
    }
}

#[test]
fn epochs_may_change_while_many_are_stored() {
    let network = Network::start(4, 10, &["--epoch-duration", "2s"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = runtime.block_on(network.chain("client"));
    let epoch = || runtime.block_on(chain.network()).unwrap().epoch;
    let first = epoch();
    let mut seed = 1000;
    while epoch().get() < first.get() + 3 {
        let some = files(&network, 12, seed);
        seed += 12;
        for (result, (_, bytes)) in store(&network, &some, &["--epochs", "20"]).iter().zip(&some).step_by(5) {
            assert_eq!(network.read(&id_of(result)), *bytes);
        }
    }
}
