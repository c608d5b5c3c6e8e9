//! The stock TypeScript `StorageNodeClient` against one of our nodes.
//!
//! Runs where `FLOE_STOCK_CLIENT` names a folder in which `npm install @mysten/walrus@1.2.13` was done; elsewhere it says
//! so and passes.

mod support;

use std::process::Stdio;
use std::str::FromStr;

use floe_redstuff::BlobId;
use support::{DEADLINE, Net, config, eventually, http as web};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn the_stock_client_stores_and_reads() {
    let Some(modules) = std::env::var_os("FLOE_STOCK_CLIENT") else {
        eprintln!("skipped: FLOE_STOCK_CLIENT is not set");
        return;
    };
    let mut net = Net::new(&[10]).await;
    let node = net.start(0, config()).await;
    let key = serde_json::to_value(net.seats[0].secret.public_key()).unwrap();
    let mut script = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stock_client.mjs"))
        .arg(modules)
        .args([&format!("http://{}", node.address), "10", key.as_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node is installed");
    let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("in time").unwrap();
    let id =
        BlobId::from_str(line.as_deref().and_then(|line| line.strip_prefix("register ")).expect("a blob id")).unwrap();
    let content: Vec<u8> = (0..3001u32).map(|i| u8::try_from(i * 7 % 256).unwrap()).collect();
    let blob = net.encode(&content);
    assert_eq!(*blob.metadata.blob_id(), id, "both encoders give one id");
    net.chain.register(&blob.metadata, 5);
    eventually("the registration is seen", || async {
        web::get(node.address, &format!("/v1/blobs/{id}/status")).await.data() != "nonexistent"
    })
    .await;
    script.stdin.take().unwrap().write_all(b"go\n").await.unwrap();
    let line = tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("in time").unwrap();
    assert_eq!(line.as_deref(), Some("done"));
    assert!(script.wait().await.unwrap().success());
    node.stop().await.unwrap();
}
