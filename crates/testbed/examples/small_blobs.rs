//! Stores and reads small blobs on a running devnet from one process: what an application that uses the SDK sees, and in
//! which phase the time goes.
//!
//! ```text
//! floe devnet --dir /tmp/net        # in another terminal
//! cargo run --release -p floe-testbed --example small_blobs -- /tmp/net [WRITERS] [SECONDS] [BYTES]
//! ```

use std::{
    collections::BTreeMap,
    error::Error,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use floe_chain::{ChainConfig, EvmChain, Wallet};
use floe_client::{ClientConfig, FloeClient, Progress, ReadOptions, StoreOptions};
use floe_testbed::devnet::DevnetInfo;

type Failure = Box<dyn Error + Send + Sync>;

/// When each phase of one store began.
struct Phases(Mutex<Vec<(String, Instant)>>);

impl Progress for Phases {
    fn phase(&self, name: &str, _total: Option<u64>) {
        self.0.lock().expect("no panics").push((name.to_owned(), Instant::now()));
    }

    fn advance(&self, _n: u64) {}
}

#[derive(Default)]
struct Samples {
    stores: Vec<Duration>,
    reads: Vec<Duration>,
    phases: BTreeMap<String, Vec<Duration>>,
}

impl Samples {
    fn add(&mut self, other: Self) {
        self.stores.extend(other.stores);
        self.reads.extend(other.reads);
        for (name, times) in other.phases {
            self.phases.entry(name).or_default().extend(times);
        }
    }
}

fn at(samples: &mut [Duration], percent: usize) -> f64 {
    samples.sort_unstable();
    samples.get(samples.len() * percent / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

async fn store_and_read(client: FloeClient, bytes: usize, end: Instant) -> Result<Samples, Failure> {
    let mut samples = Samples::default();
    while Instant::now() < end {
        let mut blob = vec![0; bytes];
        getrandom::fill(&mut blob)?;
        let phases = Arc::new(Phases(Mutex::default()));
        let options = StoreOptions { progress: Some(phases.clone()), ..StoreOptions::epochs(2) };
        let begun = Instant::now();
        let stored = client.store(blob.clone(), options).await?;
        let done = Instant::now();
        samples.stores.push(done - begun);
        let mut marks = std::mem::take(&mut *phases.0.lock().expect("no panics"));
        marks.push((String::new(), done));
        for pair in marks.windows(2) {
            if let [(name, from), (_, to)] = pair {
                samples.phases.entry(name.clone()).or_default().push(*to - *from);
            }
        }
        let id = *stored.blob_id().ok_or("no blob id")?;
        let begun = Instant::now();
        if client.read(&id, ReadOptions::default()).await? != blob {
            return Err("the blob came back changed".into());
        }
        samples.reads.push(begun.elapsed());
    }
    Ok(samples)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("the folder of a running devnet is needed")?);
    let mut number = |default: u64| args.next().map_or(Ok(default), |text| text.parse());
    let (writers, seconds, bytes) = (number(1)?, number(5)?, number(16 << 10)?);
    let info: DevnetInfo = serde_json::from_slice(&std::fs::read(dir.join("devnet.json"))?)?;
    let wallet = Wallet::from_key_file(dir.join("keys/client.key"))?;
    let chain = EvmChain::connect(ChainConfig::new(info.chain.url, info.contracts), Some(wallet)).await?;
    let client = FloeClient::new(ClientConfig::default(), Arc::new(chain));

    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let bytes = usize::try_from(bytes)?;
    let tasks: Vec<_> = (0..writers).map(|_| tokio::spawn(store_and_read(client.clone(), bytes, end))).collect();
    let mut all = Samples::default();
    for task in tasks {
        all.add(task.await??);
    }
    let rate = all.stores.len() as f64 / begun.elapsed().as_secs_f64();
    println!("{writers} writers, {bytes} bytes: {rate:.0} stores (each read back) per second");
    println!("store  {:7.1} ms at the median, {:.1} ms at 99 %", at(&mut all.stores, 50), at(&mut all.stores, 99));
    for (name, times) in &mut all.phases {
        println!("       {:7.1} ms from {name}", at(times, 50));
    }
    println!("read   {:7.1} ms at the median, {:.1} ms at 99 %", at(&mut all.reads, 50), at(&mut all.reads, 99));
    client.drain(Duration::from_secs(10)).await;
    Ok(())
}
