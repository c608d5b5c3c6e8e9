//! Stores and reads one blob on a network in one process, nodes in memory: what the client itself can do.
//!
//! `cargo run --release -p floe-client --example store_and_read -- 104857600 100 10` (bytes, shards, nodes)

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use floe_client::{ClientConfig, FloeClient, ReadOptions, StoreOptions};
use support::{TestNetwork, bytes};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut number = |default: u64| args.next().map_or(Ok(default), |text| text.parse());
    let (size, shards, nodes) = (number(100 << 20)?, number(100)?, number(10)?);
    let weights = (0..nodes).map(|n| u16::try_from(shards * (n + 1) / nodes - shards * n / nodes));
    let network = TestNetwork::start(&weights.collect::<Result<Vec<_>, _>>()?).await;
    let blob = bytes(usize::try_from(size)?, 1);
    for round in 0..3 {
        let client = FloeClient::new(ClientConfig::default(), network.chain.clone());
        let start = Instant::now();
        let result = client.store(blob.clone(), StoreOptions { force: true, ..StoreOptions::epochs(1) }).await?;
        let stored = start.elapsed();
        client.drain(std::time::Duration::from_secs(60)).await;
        let id = *result.blob_id().ok_or("no id")?;
        let start = Instant::now();
        let read = client.read(&id, ReadOptions::default()).await?;
        let took = start.elapsed();
        assert_eq!(read, blob);
        let rate = |time: std::time::Duration| size as f64 / 1e6 / time.as_secs_f64();
        println!("round {round}: store {stored:?} ({:.0} MB/s), read {took:?} ({:.0} MB/s)", rate(stored), rate(took));
    }
    Ok(())
}
