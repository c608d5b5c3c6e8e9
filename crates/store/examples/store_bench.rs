//! Durable puts and verified reads per second: `cargo run --release -p floe-store --example store_bench [FOLDER] [WRITERS]`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use floe_store::{Batch, RealDisk, SliverAxis, SliverKey, Store, StoreError, StoreOptions};

const TIME_PER_SIZE: Duration = Duration::from_secs(4);

fn key(writer: u8, number: u64) -> SliverKey {
    let mut blob = [writer; 32];
    blob[..8].copy_from_slice(&number.to_be_bytes());
    SliverKey { blob, pair: 0, axis: SliverAxis::Primary }
}

/// One writer: puts of one sliver until the time is over; returns the times of each.
fn write(store: &Store, writer: u8, size: usize) -> Result<Vec<Duration>, StoreError> {
    let bytes = bytes::Bytes::from((0..size).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect::<Vec<u8>>());
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < TIME_PER_SIZE {
        let begin = Instant::now();
        store.put(Batch::new().sliver(key(writer, times.len() as u64), bytes.clone()))?;
        times.push(begin.elapsed());
    }
    Ok(times)
}

fn run(folder: &str, size: usize, writers: u8) -> Result<(), StoreError> {
    let folder = format!("{folder}/{size}");
    let store = Store::open(Arc::new(RealDisk::new(&folder)?), StoreOptions::default())?;
    let start = Instant::now();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|writer| {
                let store = store.clone();
                scope.spawn(move || write(&store, writer, size))
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let elapsed = start.elapsed();
    let mut times = Vec::new();
    for result in results {
        times.extend(result?);
    }
    times.sort_unstable();
    let megabytes = times.len() as f64 * size as f64 / 1e6;
    let start = Instant::now();
    let mut read = 0.0;
    for number in 0..times.len() as u64 / u64::from(writers) {
        read += store.sliver(&key(0, number))?.map_or(0.0, |bytes| bytes.len() as f64 / 1e6);
    }
    println!(
        "{size:>8} bytes, {writers} writers: {:>7.1} MB/s durable, p50 {:?}, p99 {:?}; read and verify {:>7.1} MB/s; {:.2} × payload on disk",
        megabytes / elapsed.as_secs_f64(),
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        read / start.elapsed().as_secs_f64(),
        store.usage()?.segment_bytes as f64 / 1e6 / megabytes,
    );
    drop(store);
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

/// Many small slivers: how fast they go in, and how long opening takes with them.
fn many(folder: &str) -> Result<(), StoreError> {
    const BATCHES: u64 = 100;
    const BATCH: u16 = 1000;
    let folder = format!("{folder}/many");
    let store = Store::open(Arc::new(RealDisk::new(&folder)?), StoreOptions::default())?;
    let start = Instant::now();
    for number in 0..BATCHES {
        let mut writer = store.begin()?;
        for pair in 0..BATCH {
            writer.sliver(SliverKey { pair, ..key(0, number) }, &[1; 1024])?;
        }
        writer.commit()?;
    }
    let written = start.elapsed();
    drop(store);
    let start = Instant::now();
    let store = Store::open(Arc::new(RealDisk::new(&folder)?), StoreOptions::default())?;
    let usage = store.usage()?;
    println!(
        "{} slivers of 1 KiB in batches of {BATCH}: {written:?}; index {} MB; opened again in {:?}",
        usage.records,
        usage.index_bytes / 1_000_000,
        start.elapsed()
    );
    drop(store);
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

fn main() -> Result<(), StoreError> {
    let mut arguments = std::env::args().skip(1);
    let folder =
        arguments.next().unwrap_or_else(|| std::env::temp_dir().join("floe-store-bench").display().to_string());
    let writers = arguments.next().and_then(|writers| writers.parse().ok()).unwrap_or(1);
    for size in [4 << 20, 1 << 20, 64 << 10] {
        run(&folder, size, writers)?;
    }
    many(&folder)
}
