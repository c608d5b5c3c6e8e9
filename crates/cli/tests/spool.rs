//! Files that do not fit into the memory that a store may take: spooled, noticed when they change, nothing left behind.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::{
    path::Path,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use support::{FLOE, Network, failure, http, id_of, noise, signal, text};

/// 3.1 MB, an odd number of bytes.
const SIZE: usize = 3_100_001;

#[test]
fn large_files_are_spooled() {
    let network = Network::start(4, 31, &[]);
    let blob = noise(SIZE, 41);
    let file = network.file(&blob);
    let expected = network.json(&["blob-id", text(&file)])["blobId"].as_str().unwrap().to_owned();
    let small = network.json(&["blob-id", text(&file), "--memory", "1KiB"]);
    assert_eq!(small["blobId"], expected.as_str());

    let dir = network.path("spool");
    std::fs::create_dir(&dir).unwrap();
    let dir = text(&dir);
    let options = ["store", text(&file), "--epochs", "2", "--memory", "1MiB", "--spool-dir"];
    let result = network.json(&[&options[..], &[dir]].concat());
    assert_eq!(id_of(&result[0]["blobStoreResult"]), expected);
    assert!(network.read(&expected) == blob);

    // The spool is needed with so little memory, and not with the default.
    let (code, message) = failure(&network.floe(&[&options[..], &["/no/such/folder", "--force"]].concat()));
    assert!(code == 1 && message.contains("CLIENT-SPOOL") && message.contains("/no/such/folder"), "{message}");
    network.json(&["store", text(&file), "--epochs", "2", "--force", "--spool-dir", "/no/such/folder"]);

    the_configuration_sets_it_too(&network, &file);
    a_full_disk_stores_nothing(&network, dir);
    a_file_that_changes_is_not_certified(&network, dir);
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0, "files were left in the spool folder");
}

fn the_configuration_sets_it_too(network: &Network, file: &Path) {
    let config = std::fs::read_to_string(network.dir.join("client.toml")).unwrap();
    let config = config.replace("keys/client.key", text(&network.dir.join("keys/client.key")));
    let config = network.file(format!("memory = \"1MiB\"\nspool_dir = \"/no/such/folder\"\n{config}").as_bytes());
    let store = |options: &[&str]| -> Output {
        network.floe(&[&["store", text(file), "--epochs", "2", "--force", "--config", text(&config)], options].concat())
    };
    let (_, message) = failure(&store(&[]));
    assert!(message.contains("CLIENT-SPOOL") && message.contains("/no/such/folder"), "{message}");
    assert!(store(&["--memory", "100MiB"]).status.success(), "the flag has the last word");
    // Standard input goes to the same folder.
    let mut command = network.command(&["store", "-", "--epochs", "1", "--dry-run", "--config", text(&config)]);
    let (_, message) = failure(&command.stdin(Stdio::null()).output().unwrap());
    assert!(message.contains("CLI-SPOOL") && message.contains("/no/such/folder"), "{message}");
}

/// A limit on the size of files stands for a disk without room.
fn a_full_disk_stores_nothing(network: &Network, dir: &str) {
    let file = network.file(&noise(SIZE, 42));
    let mut command = network.command(&[]);
    let shell = format!(
        "trap '' XFSZ; ulimit -f 2000; exec {FLOE} store {} --epochs 2 --memory 1MiB --spool-dir {dir}",
        text(&file)
    );
    let environment: Vec<_> = command.get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
    command = std::process::Command::new("sh");
    for (key, value) in environment {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    let (code, message) = failure(&command.arg("-c").arg(shell).output().unwrap());
    assert!(code == 1 && message.contains("CLIENT-SPOOL") && message.contains(dir), "{message}");
    let id = network.json(&["blob-id", text(&file)])["blobId"].as_str().unwrap().to_owned();
    assert_eq!(network.json(&["blob-status", "--blob-id", &id])["status"], "nonexistent");
}

/// While all nodes hold their breath the file is changed: whatever is read of it then belongs to another blob.
fn a_file_that_changes_is_not_certified(network: &Network, dir: &str) {
    for seed in [43, 44] {
        let shrinks = seed == 43;
        let file = network.file(&noise(14_000_000, seed));
        let id = network.json(&["blob-id", text(&file)])["blobId"].as_str().unwrap().to_owned();
        let pids = network.node_pids();
        signal("STOP", &pids);
        let before = block_number(network);
        let store = network
            .command(&["store", text(&file), "--permanent", "--epochs", "2", "--memory", "1MiB", "--spool-dir", dir])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Once it is registered it is encoded, and most of it is still to be sent.
        let deadline = Instant::now() + Duration::from_secs(60);
        while block_number(network) == before {
            assert!(Instant::now() < deadline, "nothing was registered");
            std::thread::sleep(Duration::from_millis(10));
        }
        match shrinks {
            true => std::fs::File::options().write(true).open(&file).unwrap().set_len(1_000_000).unwrap(),
            false => std::fs::write(&file, noise(14_000_000, 45)).unwrap(),
        }
        signal("CONT", &pids);
        let (code, message) = failure(&store.wait_with_output().unwrap());
        assert_eq!(code, 1, "{message}");
        assert!(message.contains("CLI-FILE-CHANGED") && message.contains(text(&file)), "{message}");
        assert!(!shrinks || message.contains("now it has 1000000"), "{message}");
        let status = network.json(&["blob-status", "--blob-id", &id]);
        assert_eq!(status["status"]["permanent"]["isCertified"], false, "{status}");
    }
}

fn block_number(network: &Network) -> String {
    let url = network.info()["chain"]["url"].as_str().unwrap().to_owned();
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
    let answer = http("POST", &url, &[("Content-Type", "application/json")], call);
    answer.json()["result"].as_str().unwrap().to_owned()
}
