//! The TypeScript storage-node client and the WebAssembly encoder of the reference against our nodes. Needs node, and
//! `npm install` in `tests/tools`, which `FLOE_TEST_TOOLS` names.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::{path::PathBuf, process::Command};

use floe_chain::{ControlPlane, EvmChain, RegisterBlob, Wallet};
use floe_protocol::{ConfirmationCollector, Persistence, SignedMessage, StorageConfirmation};
use floe_redstuff::{EncodingParams, EncodingType, compute_metadata};
use support::{Network, noise, text};

fn tools() -> PathBuf {
    std::env::var_os("FLOE_TEST_TOOLS").expect("FLOE_TEST_TOOLS names the folder tests/tools").into()
}

fn node(args: &[&str]) -> Vec<u8> {
    let output = Command::new("node").arg(tools().join("storage-node.mjs")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
#[ignore = "needs node and tests/tools: set FLOE_TEST_TOOLS"]
fn ids_equal_those_of_the_reference_encoder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blob");
    for n in [4u16, 7, 10, 100, 301, 1000] {
        let params = EncodingParams::new(n).unwrap();
        for (seed, len) in [0usize, 1, 777, 100_003, 1 << 20].into_iter().enumerate() {
            let blob = noise(len, seed as u64 + u64::from(n));
            if len as u64 > params.max_blob_size() {
                continue;
            }
            std::fs::write(&path, &blob).unwrap();
            let theirs: serde_json::Value =
                serde_json::from_slice(&node(&["id", &n.to_string(), text(&path)])).unwrap();
            let ours = compute_metadata(params, &blob).unwrap();
            assert_eq!(theirs["blobId"], ours.blob_id().to_string(), "{len} bytes at {n} shards");
            assert_eq!(theirs["rootHash"], hex::encode(ours.root_hash()));
        }
    }
}

#[test]
#[ignore = "needs node and tests/tools: set FLOE_TEST_TOOLS"]
fn a_blob_sent_by_the_typescript_client_is_certified_and_read() {
    let network = Network::start(4, 10, &[]);
    let description = network.dir.join("devnet.json");
    let blob = noise(123_457, 42);
    let path = network.file(&blob);
    let params = EncodingParams::new(10).unwrap();
    let metadata = compute_metadata(params, &blob).unwrap();
    let id = *metadata.blob_id();

    node(&["errors", text(&description), &id.to_string()]);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = floe_config::load_client(&network.dir.join("client.toml")).unwrap();
        let wallet = Wallet::from_key_file(config.wallet_key_file.unwrap()).unwrap();
        let chain = EvmChain::connect(config.chain, Some(wallet)).await.unwrap();
        let request = RegisterBlob {
            blob_id: id,
            root_hash: *metadata.root_hash(),
            size: blob.len() as u64,
            encoding_type: EncodingType::Rs2,
            epochs_ahead: 3,
            deletable: false,
            owner: None,
        };
        let registered = chain.register_blobs(&[request]).await.unwrap().remove(0);

        let sent: serde_json::Value =
            serde_json::from_slice(&node(&["upload", text(&description), text(&path)])).unwrap();
        assert_eq!(sent["blobId"], id.to_string());

        let committee = chain.committee().await.unwrap();
        let expected =
            StorageConfirmation { epoch: committee.epoch(), blob_id: id, persistence: Persistence::Permanent };
        let mut collector = ConfirmationCollector::new(&committee, expected);
        for (member, signed) in sent["confirmations"].as_array().unwrap().iter().enumerate() {
            let signed: SignedMessage<StorageConfirmation> = serde_json::from_value(signed.clone()).unwrap();
            collector.add(member, signed).unwrap();
        }
        assert!(collector.is_complete());
        let certificate = collector.certificate().unwrap();
        chain.certify_blob(registered.object.object_id, &certificate).await.unwrap();
    });

    assert_eq!(network.read(&id.to_string()), blob, "read by our client");
    let back = node(&["read", text(&description), &id.to_string()]);
    assert!(back == blob, "read by theirs");
}
