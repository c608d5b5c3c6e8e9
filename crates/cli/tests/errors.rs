//! Bad input: each with a clear coded error, and nothing lost or half kept.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use support::{FLOE, Network, failure, http, http_raw, noise, parse, text};

const UNKNOWN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn bad_input_is_refused_with_a_code() {
    let network = Network::start(4, 10, &[]);
    let gateway = network.gateway();

    let cases: &[(&[&str], i32, &str)] = &[
        (&["read", UNKNOWN], 3, "CLIENT-NOT-FOUND"),
        (&["read", "not-base64!"], 2, "CLI-BAD-BLOB-ID"),
        (
            &["read", "80933454844107220818679263525457079202452443330232294317323003948654058939192"],
            2,
            "OCPSL5aZBEkvKTbyO96C3dctIcax6AZ8NJacCk227rI",
        ),
        (&["store", "/no/such/file", "--epochs", "1"], 3, "CLI-NO-FILE"),
        (&["store", "/", "--epochs", "1"], 2, "CLI-IS-FOLDER"),
        (&["store", "/dev/null", "--epochs", "1000"], 2, "CLI-TOO-MANY-EPOCHS"),
        (&["blob-id", "/dev/null", "--n-shards", "3"], 2, "4"),
        (&["info", "--config", "/no/such/config"], 2, "CONFIG-IO"),
    ];
    for (args, exit, needle) in cases {
        let (code, message) = failure(&network.floe(args));
        assert_eq!(code, *exit, "{args:?}: {message}");
        assert!(message.contains(needle), "{args:?}: {message}");
    }

    // The limit at 10 shards is 1 834 952 bytes; the message names it.
    let large = network.file(&vec![0u8; 1_834_953]);
    let (code, message) = failure(&network.floe(&["store", text(&large), "--epochs", "1"]));
    assert_eq!(code, 2);
    assert!(message.contains("1834952"), "{message}");
    let put = http("PUT", &format!("{gateway}/v1/blobs"), &[], &vec![0u8; 1_834_953]);
    assert_eq!(put.status, 413, "{}", String::from_utf8_lossy(&put.body));
    assert!(String::from_utf8_lossy(&put.body).contains("1834952"));
    let largest = vec![9u8; 1_834_952];
    let id = network.store(&largest);
    assert_eq!(network.read(&id), largest, "the limit itself is fine");

    for (path, status) in [
        (format!("/v1/blobs/{UNKNOWN}"), 404),
        ("/v1/blobs/not-base64!".into(), 400),
        (format!("/v1/blobs/{id}?nonsense=1"), 400),
    ] {
        let got = http("GET", &format!("{gateway}{path}"), &[], &[]);
        assert_eq!(got.status, status, "{path}: {}", String::from_utf8_lossy(&got.body));
    }
    assert_eq!(http("PUT", &format!("{gateway}/v1/blobs?epochs=x"), &[], b"a").status, 400);

    output_that_nobody_takes_is_no_drama(&network, &id);
    reading_needs_no_key(&network, &id, &largest);
    a_body_shorter_than_declared_stores_nothing(&network);
    nodes_refuse_what_does_not_belong_to_them(&network, &id);
}

fn output_that_nobody_takes_is_no_drama(network: &Network, id: &str) {
    for args in [&["read", id][..], &["info"], &["completions", "bash"]] {
        let mut child = network
            .command(args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
    let folder = network.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let nowhere = folder.join("none/out");
    for (out, exit) in [(&folder, 2), (&nowhere, 1)] {
        let (code, message) = failure(&network.floe(&["read", id, "-o", text(out)]));
        assert_eq!(code, exit, "{message}");
        assert!(message.contains(text(out)) && !message.contains(".floe-"), "{message}");
    }
}

fn reading_needs_no_key(network: &Network, id: &str, bytes: &[u8]) {
    let config = std::fs::read_to_string(network.dir.join("client.toml")).unwrap();
    let config = config.replace("keys/client.key", "/no/such/key");
    let path = network.file(config.as_bytes());
    let read = network.floe(&["read", id, "--config", text(&path)]);
    assert!(read.status.success() && read.stdout == bytes, "{}", String::from_utf8_lossy(&read.stderr));
    let (_, message) = failure(&network.floe(&["store", "/dev/null", "--epochs", "1", "--config", text(&path)]));
    assert!(message.contains("CHAIN-KEY-FILE"), "{message}");
}

fn a_body_shorter_than_declared_stores_nothing(network: &Network) {
    let bytes = noise(5000, 31);
    let url = format!("{}/v1/blobs?epochs=1", network.gateway());
    let answer = http_raw("PUT", &url, "Content-Length: 6000\r\n", &bytes, true);
    // The server may answer with an error or close the connection; in no case is it a success.
    if let Some(answer) = parse(&answer) {
        assert!(answer.status >= 400, "{}", answer.status);
    }
    let path = network.file(&bytes);
    let id = network.json(&["blob-id", text(&path), "--n-shards", "10"])["blobId"].as_str().unwrap().to_owned();
    let status = network.json(&["blob-status", "--blob-id", &id]);
    assert_eq!(status["status"], "nonexistent");
}

fn nodes_refuse_what_does_not_belong_to_them(network: &Network, id: &str) {
    let info = network.info();
    let node = &info["nodes"][0];
    let base = format!("{}/v1/blobs", node["address"].as_str().unwrap());
    let reason = |answer: &support::Answer| answer.json()["error"]["details"][0]["reason"].as_str().unwrap().to_owned();

    let unregistered = http("PUT", &format!("{base}/{UNKNOWN}/metadata"), &[], &[0, 1, 0]);
    assert_eq!(unregistered.status, 400);
    let answer = http("GET", &format!("{base}/{UNKNOWN}/confirmation/permanent"), &[], &[]);
    assert_eq!((answer.status, reason(&answer).as_str()), (400, "NOT_REGISTERED"));
    let foreign = (0..10)
        .map(|pair| http("GET", &format!("{base}/{id}/slivers/{pair}/primary"), &[], &[]))
        .filter(|answer| answer.status == 400)
        .collect::<Vec<_>>();
    assert_eq!(foreign.len(), 10 - node["shards"].as_array().unwrap().len());
    assert!(foreign.iter().all(|answer| reason(answer) == "SHARD_NOT_ASSIGNED"));
    let out_of_range = http("GET", &format!("{base}/{id}/slivers/10/primary"), &[], &[]);
    assert_eq!(reason(&out_of_range), "INDEX_OUT_OF_RANGE");
}

#[test]
fn a_blob_expires_at_the_start_of_its_end_epoch() {
    let network = Network::start(4, 10, &["--epoch-duration", "6s"]);
    let path = network.file(b"short-lived");
    let result = network.json(&["store", text(&path), "--epochs", "1", "--permanent"]);
    let id = support::id_of(&result[0]["blobStoreResult"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let message = loop {
        let output = network.floe(&["read", &id]);
        if !output.status.success() {
            let (code, message) = failure(&output);
            assert_eq!(code, 3, "{message}");
            break message;
        }
        assert_eq!(output.stdout, b"short-lived");
        assert!(std::time::Instant::now() < deadline, "the blob never expires");
    };
    assert!(message.contains("CLIENT-EXPIRED"), "{message}");
    assert_eq!(http("GET", &format!("{}/v1/blobs/{id}", network.gateway()), &[], &[]).status, 404);
}

#[test]
fn without_a_network_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(FLOE)
        .args(["read", UNKNOWN])
        .env("XDG_DATA_HOME", home.path())
        .env_remove("FLOE_CONFIG")
        .output()
        .unwrap();
    let (code, message) = failure(&output);
    assert_eq!(code, 4);
    assert!(message.contains("floe devnet") && message.contains("CLI-NO-NETWORK"), "{message}");
}

#[test]
fn taken_ports_are_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let home = tempfile::tempdir().unwrap();
    for flag in ["--chain-port", "--gateway-port"] {
        let output = std::process::Command::new(FLOE)
            .args(["devnet", "--nodes", "1", "--shards", "4", flag, &port, "--dir", text(&home.path().join("net"))])
            .env("XDG_DATA_HOME", home.path())
            .output()
            .unwrap();
        let (code, message) = failure(&output);
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(&port) && message.contains(flag), "{message}");
    }
}
