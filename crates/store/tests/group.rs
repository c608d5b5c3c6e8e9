//! Many writers at once: each acknowledged batch is durable, and they share fsyncs.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::{io, thread};

use common::*;
use floe_store::sim::{Retention, SimDisk};
use floe_store::{Batch, Disk, DiskFile, OpenMode, SliverAxis, SliverKey, Store, StoreOptions};

/// A disk whose fsync gives others time to queue up.
#[derive(Debug)]
struct SlowSync(SimDisk);

#[derive(Debug)]
struct SlowFile(Arc<dyn DiskFile>);

impl Disk for SlowSync {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SlowFile(self.0.open(name, mode)?)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn unlink(&self, name: &str) -> io::Result<()> {
        self.0.unlink(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.0.sync_dir()
    }
}

impl DiskFile for SlowFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        thread::sleep(std::time::Duration::from_millis(2));
        self.0.sync_data()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

const THREADS: u8 = 8;
const PUTS: u8 = 12;

#[test]
fn concurrent_writers_share_fsyncs() {
    let sim = SimDisk::new(9);
    let options = || StoreOptions { index_lag_operations: 0, ..options() };
    let store = Store::open(Arc::new(SlowSync(sim.clone())), options()).unwrap();
    let before = sim.syncs();
    let barrier = Arc::new(Barrier::new(usize::from(THREADS)));
    let handles: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (store, barrier, sim) = (store.clone(), barrier.clone(), sim.clone());
            thread::spawn(move || {
                barrier.wait();
                for put in 0..PUTS {
                    let blob = thread * PUTS + put;
                    let _announced = store.announce();
                    run(&store, &Step::Put { blob, pairs: 1, size: 120, version: 1 }).unwrap();
                    // Acknowledged: a power cut now keeps it.
                    if put % 6 == 0 {
                        let image = sim.crash(Retention::None, 0);
                        let recovered = open(&image, options()).unwrap();
                        assert!(recovered.metadata(&blob_id(blob)).unwrap().is_some(), "blob {blob}");
                    }
                }
            })
        })
        .collect();
    handles.into_iter().for_each(|handle| handle.join().unwrap());
    let batches = u64::from(THREADS) * u64::from(PUTS);
    let syncs = sim.syncs() - before;
    // One at a time it would be at least two fsyncs for each batch.
    assert!(syncs < batches * 3 / 2, "{syncs} fsyncs for {batches} batches");
    assert_eq!(store.usage().unwrap().records, batches * 3);
}

#[test]
fn readers_deleters_and_collection_at_once() {
    let sim = SimDisk::new(10);
    let store = open(&sim, options()).unwrap();
    let running = Arc::new(AtomicU64::new(4));
    thread::scope(|scope| {
        for writer in 0..4u8 {
            let (store, running) = (store.clone(), running.clone());
            scope.spawn(move || {
                for round in 0..15u8 {
                    let blob = writer * 4 + round % 4;
                    run(&store, &Step::Stream { blob, pairs: 2, size: 700, version: 1 }).unwrap();
                    if round % 3 == 0 {
                        store.delete_blob(&blob_id(blob)).unwrap();
                    }
                }
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        let (collector, collecting) = (store.clone(), running.clone());
        scope.spawn(move || {
            while collecting.load(Ordering::SeqCst) > 0 {
                collector.collect_garbage().unwrap();
            }
        });
        let reader = store.clone();
        scope.spawn(move || {
            while running.load(Ordering::SeqCst) > 0 {
                for blob in 0..16u8 {
                    for (key, expected) in items(blob, 2, 700, 1) {
                        let read = match key {
                            floe_store::ItemKey::Metadata(id) => reader.metadata(&id).unwrap(),
                            floe_store::ItemKey::Sliver(key) => {
                                let part = reader.sliver_part_unverified(&key, 100..350).unwrap();
                                assert!(part.is_none_or(|part| part == expected[100..350]));
                                reader.sliver(&key).unwrap()
                            }
                        };
                        assert!(read.is_none_or(|bytes| bytes == expected.as_slice()));
                    }
                }
            }
        });
    });
    assert_eq!(store.quarantined().unwrap(), []);
    let seen = visible(&store).unwrap();
    drop(store);
    let image = sim.crash(Retention::None, 1);
    assert_eq!(visible(&open(&image, options()).unwrap()).unwrap(), seen);
}

#[test]
fn parts_of_slivers() {
    let store = open(&SimDisk::new(13), options()).unwrap();
    run(&store, &Step::Stream { blob: 1, pairs: 1, size: 700, version: 1 }).unwrap();
    let (key, bytes) = items(1, 1, 700, 1)
        .into_iter()
        .find_map(|(key, bytes)| match key {
            floe_store::ItemKey::Sliver(key) => Some((key, bytes)),
            floe_store::ItemKey::Metadata(_) => None,
        })
        .unwrap();
    let length = u32::try_from(bytes.len()).unwrap();
    let part = |key: &SliverKey, range: std::ops::Range<u32>| store.sliver_part_unverified(key, range).unwrap();
    assert_eq!(part(&key, 0..length).as_deref(), Some(&bytes[..]));
    assert_eq!(part(&key, 5..9).as_deref(), Some(&bytes[5..9]));
    assert_eq!(part(&key, length..length).as_deref(), Some(&[][..]));
    assert_eq!(part(&key, 0..length + 1), None, "longer than the sliver");
    assert_eq!(part(&SliverKey { pair: 7, ..key }, 0..1), None, "no such sliver");
    store.delete_blob(&blob_id(1)).unwrap();
    assert_eq!(part(&key, 0..1), None);
}

#[test]
fn collection_spares_what_a_slow_writer_has_not_committed_yet() {
    let sim = SimDisk::new(12);
    let store = open(&sim, options()).unwrap();
    let mut slow = store.begin().unwrap();
    let content = items(1, 4, 1500, 1);
    for (key, bytes) in &content {
        match key {
            floe_store::ItemKey::Metadata(id) => slow.metadata(*id, bytes).unwrap(),
            floe_store::ItemKey::Sliver(key) => slow.sliver(*key, bytes).unwrap(),
        }
        run(&store, &Step::Put { blob: 7, pairs: 1, size: 900, version: 1 }).unwrap();
        store.collect_garbage().unwrap();
    }
    assert_eq!(store.metadata(&blob_id(1)).unwrap(), None, "not visible before the commit");
    slow.commit().unwrap();
    store.collect_garbage().unwrap();
    let seen = visible(&store).unwrap();
    assert!(content.iter().all(|(key, bytes)| seen.items.get(key) == Some(bytes)));
    // What an abandoned writer left is freed once its segments are closed.
    run(&store, &Step::Abandon { blob: 3, pairs: 4, size: 1500 }).unwrap();
    store.put(Batch::new().state("x", None)).unwrap();
    let before = store.usage().unwrap().segment_bytes;
    run(&store, &Step::Put { blob: 8, pairs: 3, size: 1500, version: 1 }).unwrap();
    assert!(store.collect_garbage().unwrap().segments_removed > 0);
    assert!(store.usage().unwrap().segment_bytes < before + 12 * 1024);
}

/// A store whose blobs have all ended gives their space back, also where they never filled a segment.
#[test]
fn the_segment_that_takes_appends_is_collected_too() {
    let sim = SimDisk::new(13);
    let options = StoreOptions::default();
    let store = Store::open(Arc::new(sim.clone()), options.clone()).unwrap();
    let payload = vec![7u8; 200_000];
    for blob in 0..20u8 {
        let key = SliverKey { blob: [blob; 32], pair: 0, axis: SliverAxis::Primary };
        store.put(Batch::new().sliver(key, payload.clone())).unwrap();
    }
    let before = store.usage().unwrap().segment_bytes;
    for blob in 1..20u8 {
        store.delete_blob(&[blob; 32]).unwrap();
    }
    assert_eq!(store.collect_garbage().unwrap().segments_removed, 1);
    let after = store.usage().unwrap().segment_bytes;
    assert!(after < before / 10, "{after} of {before} bytes are left");
    // What is left is small: it is not worth another round.
    assert_eq!(store.collect_garbage().unwrap().segments_removed, 0);
    let kept = SliverKey { blob: [0; 32], pair: 0, axis: SliverAxis::Primary };
    assert_eq!(store.sliver(&kept).unwrap().as_deref(), Some(payload.as_slice()));
    drop(store);
    let store = Store::open(Arc::new(sim), options).unwrap();
    assert_eq!(store.sliver(&kept).unwrap().as_deref(), Some(payload.as_slice()));
    store.put(Batch::new().state("k", Some(vec![1]))).unwrap();
}
