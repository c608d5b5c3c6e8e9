//! A file goes in, is certified, and comes back: by the command line and by HTTP.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use support::{Network, http, id_of, noise, text};

/// The ID of the 14 bytes "Hello, Walrus!" at 10 shards is not in the specification; at 100 it is.
const HELLO_100: &str = "12qs1WYzcF2J-KuYI55Qh1NHiGpPiXzurCa0MrfLJsQ";

#[test]
fn files_of_all_sizes_come_back() {
    let network = Network::start(10, 100, &[]);

    for (seed, len) in [0usize, 1, 4556, 4557, 1 << 20, 7_654_321].into_iter().enumerate() {
        let bytes = noise(len, seed as u64);
        let id = network.store(&bytes);
        assert_eq!(network.read(&id), bytes, "{len} bytes by the command line");

        let got = http("GET", &format!("{}/v1/blobs/{id}", network.gateway()), &[], &[]);
        assert_eq!(got.status, 200);
        assert_eq!(got.body, bytes, "{len} bytes by HTTP");

        let out = network.path("out");
        let report = network.json(&["read", &id, "-o", text(&out)]);
        assert_eq!(report["blobId"], id.as_str());
        assert_eq!(std::fs::read(&out).unwrap(), bytes);

        let offline = network.file(&bytes);
        let report = network.json(&["blob-id", text(&offline), "--n-shards", "100"]);
        assert_eq!(report["blobId"], id.as_str());
        assert_eq!(report["unencodedLength"], len);
    }

    assert_eq!(network.store(b"Hello, Walrus!"), HELLO_100, "the same ID as everywhere else");
    the_gateway_serves_what_browsers_ask(&network);
    storing_twice_pays_once(&network);
    standard_input_is_a_file(&network);
    the_network_describes_itself(&network);
}

fn the_gateway_serves_what_browsers_ask(network: &Network) {
    let bytes = noise(300_000, 77);
    let put = http("PUT", &format!("{}/v1/blobs?epochs=3", network.gateway()), &[], &bytes);
    assert_eq!(put.status, 200, "{}", String::from_utf8_lossy(&put.body));
    let result = put.json();
    assert_eq!(result["newlyCreated"]["blobObject"]["size"], bytes.len());
    assert_eq!(result["newlyCreated"]["blobObject"]["deletable"], true, "the default");
    let id = id_of(&result);
    assert_eq!(network.read(&id), bytes);
    let url = format!("{}/v1/blobs/{id}", network.gateway());

    let head = http("HEAD", &url, &[], &[]);
    assert_eq!((head.status, head.header("content-length")), (200, Some("300000")));
    assert!(head.body.is_empty());
    let tag = head.header("etag").unwrap().to_owned();
    assert!(tag.contains(&id));
    assert!(head.header("cache-control").unwrap().contains("immutable"));
    assert_eq!(http("GET", &url, &[("If-None-Match", &tag)], &[]).status, 304);

    for (range, expected, shown) in [
        ("bytes=0-0", &bytes[..1], "bytes 0-0/300000"),
        ("bytes=1000-200999", &bytes[1000..201_000], "bytes 1000-200999/300000"),
        ("bytes=299990-", &bytes[299_990..], "bytes 299990-299999/300000"),
        ("bytes=-5", &bytes[299_995..], "bytes 299995-299999/300000"),
    ] {
        let part = http("GET", &url, &[("Range", range)], &[]);
        assert_eq!((part.status, part.header("content-range")), (206, Some(shown)), "{range}");
        assert!(part.body == expected, "{range}");
    }
    assert_eq!(http("GET", &url, &[("Range", "bytes=300000-")], &[]).status, 416);
}

fn storing_twice_pays_once(network: &Network) {
    let path = network.file(&noise(1000, 5));
    let store = |epochs: &str| network.json(&["store", text(&path), "--epochs", epochs])[0]["blobStoreResult"].clone();
    let first = store("2");
    assert!(first["newlyCreated"]["cost"].as_u64().unwrap() > 0);
    let second = store("2");
    assert_eq!(id_of(&second), id_of(&first));
    assert!(second.get("alreadyCertified").is_some(), "{second}");
    assert!(store("4").get("newlyCreated").is_some(), "a longer time has to be paid");
}

fn standard_input_is_a_file(network: &Network) {
    use std::{io::Write, process::Stdio};
    let mut child = network
        .command(&["store", "-", "--epochs", "1", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(network.read(&id_of(&result[0]["blobStoreResult"])), b"from a pipe");
}

fn the_network_describes_itself(network: &Network) {
    let info = network.json(&["info"]);
    assert_eq!(info["storageInfo"]["nShards"], 100);
    assert_eq!(info["storageInfo"]["nNodes"], 10);
    assert_eq!(info["sizeInfo"]["maxBlobSize"], 149_286_452);
    assert_eq!(info["epochInfo"]["currentEpoch"], 1);
    assert_eq!(network.json(&["info", "bft"])["maxFaultyShards"], 33);
    let id = network.store(b"status");
    let status = network.json(&["blob-status", "--blob-id", &id]);
    assert_eq!(status["status"]["permanent"]["isCertified"], true);
    assert_eq!(status["status"]["permanent"]["endEpoch"], 6);
}
