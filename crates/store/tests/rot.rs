//! Bit rot, truncation and swapped bytes: detected before a byte is given out, set aside, repaired by writing again.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::*;
use floe_store::sim::{Retention, SimDisk};
use floe_store::{Disk, Store, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const INDEX: &str = "index.redb";

fn filled() -> (SimDisk, Model) {
    let disk = SimDisk::new(11);
    let outcome = run_until_error(&disk, &canonical(), &options());
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    (disk, outcome.acknowledged)
}

fn segments(disk: &SimDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.starts_with("segment-")).collect()
}

/// Reads everything; each item must be right, missing, or refused as corrupt. Returns how many were refused.
fn read_all(store: &Store, model: &Model, context: &str) -> usize {
    let mut refused = 0;
    for (key, expected) in &model.items {
        let read = match key {
            floe_store::ItemKey::Metadata(blob) => store.metadata(blob),
            floe_store::ItemKey::Sliver(key) => store.sliver(key),
        };
        match read {
            Ok(Some(bytes)) => assert_eq!(bytes, expected.as_slice(), "{context}: wrong bytes for {key:?}"),
            Ok(None) => panic!("{context}: {key:?} vanished without a report"),
            Err(StoreError::Corrupt { .. }) => refused += 1,
            Err(error) => panic!("{context}: {error}"),
        }
    }
    refused
}

#[test]
fn flips_in_segments_are_detected_and_set_aside() {
    let (disk, model) = filled();
    let mut random = StdRng::seed_from_u64(seed(1));
    let names = segments(&disk);
    let mut hits = 0;
    for round in 0..scaled(150) {
        let image = disk.crash(Retention::All, round);
        // Half of the rounds: a running store; half: a stopped one.
        let running = (round % 2 == 0).then(|| open(&image, options()).unwrap());
        let name = &names[random.random_range(0..names.len())];
        let (mut at, bit) = (0, random.random_range(0..8));
        image.rot(name, |bytes| {
            at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << bit;
        });
        let context = format!("round {round}: bit {bit} of byte {at} of {name}");
        let store = running.unwrap_or_else(|| open(&image, options()).unwrap_or_else(|e| panic!("{context}: {e}")));
        let before = image.read_file(name).unwrap();
        let refused = if round % 3 == 0 {
            let report = store.scrub(|_| ControlFlow::Continue(())).unwrap();
            assert!(report.complete);
            report.set_aside.len()
        } else {
            read_all(&store, &model, &context)
        };
        assert!(refused <= 1, "{context}: one flip, {refused} records refused");
        assert_eq!(store.quarantined().unwrap().len(), refused, "{context}");
        assert_eq!(image.read_file(name).unwrap(), before, "{context}: the bad record stays where it is");
        hits += refused;
        // Reading on gives only right bytes; garbage collection keeps the evidence; a new put repairs.
        let seen = visible(&store).unwrap();
        assert!(seen.items.iter().all(|(key, bytes)| model.items.get(key) == Some(bytes)), "{context}");
        assert_eq!(seen.items.len() + refused, model.items.len(), "{context}");
        store.collect_garbage().unwrap();
        if refused > 0 {
            assert!(image.names().contains(name), "{context}: the segment of a bad record stays");
        }
        for step in [
            Step::Put { blob: 1, pairs: 2, size: 350, version: 2 },
            Step::Put { blob: 5, pairs: 1, size: 100, version: 1 },
            Step::Put { blob: 2, pairs: 2, size: 800, version: 3 },
            Step::Put { blob: 6, pairs: 1, size: 64, version: 1 },
        ] {
            run(&store, &step).unwrap();
        }
        assert_eq!(visible(&store).unwrap(), model, "{context}: repaired by writing again");
    }
    assert!(hits > 30, "most flips hit something live ({hits})");
}

#[test]
fn every_byte_of_a_live_record_is_covered() {
    let disk = SimDisk::new(2);
    let store = open(&disk, options()).unwrap();
    run(&store, &Step::Put { blob: 1, pairs: 0, size: 100, version: 1 }).unwrap();
    drop(store);
    let name = &segments(&disk)[0];
    // One record: 88 bytes of header, 60 of payload, padding.
    for at in 128..128 + 88 + 60 {
        let image = disk.crash(Retention::All, 0);
        image.rot(name, |bytes| bytes[at] ^= 0x10);
        let store = open(&image, options()).unwrap();
        assert!(matches!(store.metadata(&blob_id(1)), Err(StoreError::Corrupt { .. })), "byte {at}");
        assert_eq!(store.metadata(&blob_id(1)).unwrap(), None, "byte {at}: set aside");
    }
}

/// Power goes while the index is behind the log, and then the log rots: one flip takes one record, which is set aside, or the
/// store says that it cannot go on without a rebuild. Only what the last batch had may be gone, as if it had not been whole.
#[test]
fn flips_in_the_part_of_the_log_that_the_index_has_not() {
    let options = || floe_store::StoreOptions { index_lag_operations: 4096, ..options() };
    let disk = SimDisk::new(14);
    let store = open(&disk, options()).unwrap();
    let (mut before, mut model) = (Model::default(), Model::default());
    for step in [
        Step::Put { blob: 1, pairs: 2, size: 300, version: 1 },
        Step::State { key: 1, value: Some(1) },
        Step::Stream { blob: 2, pairs: 3, size: 900, version: 1 },
        Step::Abandon { blob: 3, pairs: 3, size: 700 },
        Step::Put { blob: 1, pairs: 2, size: 350, version: 2 },
        Step::State { key: 1, value: None },
        Step::Put { blob: 5, pairs: 1, size: 100, version: 1 },
    ] {
        run(&store, &step).unwrap();
        before.clone_from(&model);
        model.apply(&step);
    }
    let crashed = disk.crash(Retention::None, 0);
    assert_eq!(visible(&open(&crashed.crash(Retention::All, 0), options()).unwrap()).unwrap(), model);
    let (mut refused, mut rebuilds, mut last_lost) = (0, 0, 0);
    for name in segments(&crashed) {
        for at in (0..crashed.read_file(&name).unwrap().len()).step_by(11) {
            let image = crashed.crash(Retention::All, 0);
            image.rot(&name, |bytes| bytes[at] ^= 0x20);
            let context = format!("byte {at} of {name}");
            let handle: Arc<dyn Disk> = Arc::new(image.clone());
            let (store, report) =
                Store::open_or_rebuild(handle, options()).unwrap_or_else(|error| panic!("{context}: {error}"));
            let mut seen = visible(&store).unwrap();
            if report.is_some() {
                // What was never acknowledged may show up, and state is gone.
                seen.items.retain(|key, _| model.items.contains_key(key));
                seen.state.clone_from(&model.state);
                rebuilds += 1;
            }
            if seen == before {
                last_lost += 1;
                continue;
            }
            assert_eq!(seen.state, model.state, "{context}");
            let bad: Vec<_> = store.quarantined().unwrap().iter().map(|bad| bad.item).collect();
            refused += usize::from(!bad.is_empty());
            let old = |key| bad.contains(key) && report.is_some();
            for (key, bytes) in &model.items {
                let got = seen.items.get(key);
                assert!(got == Some(bytes) || got.is_none() && bad.contains(key) || old(key), "{context}: {key:?}");
            }
            assert!(seen.items.keys().all(|key| model.items.contains_key(key)), "{context}");
        }
    }
    drop(store);
    assert!(
        refused > 100 && rebuilds > 10 && last_lost > 10,
        "{refused} refused, {rebuilds} rebuilds, {last_lost} lost"
    );
}

type Damage = Box<dyn Fn(&SimDisk, &str)>;

#[test]
fn truncated_zeroed_swapped_and_lost_segments() {
    let (disk, model) = filled();
    let names = segments(&disk);
    let other = disk.read_file(&names[1]).unwrap();
    let damages: Vec<(&str, Damage)> = vec![
        ("cut in half", Box::new(|d, n| d.rot(n, |bytes| bytes.truncate(bytes.len() / 2)))),
        ("emptied", Box::new(|d, n| d.rot(n, Vec::clear))),
        ("zeroed extent", Box::new(|d, n| d.rot(n, |bytes| bytes[200..1200].fill(0)))),
        ("another segment's bytes", Box::new(move |d, n| d.rot(n, |bytes| *bytes = other.clone()))),
        ("records swapped", Box::new(|d, n| d.rot(n, |bytes| bytes[128..].rotate_left(256)))),
        ("gone", Box::new(|d, n| d.lose(n))),
    ];
    for (what, damage) in damages {
        for name in [&names[0], names.last().unwrap()] {
            let image = disk.crash(Retention::All, 0);
            damage(&image, name);
            let context = format!("{name}: {what}");
            let store = open(&image, options()).unwrap_or_else(|error| panic!("{context}: {error}"));
            read_all(&store, &model, &context);
            store.scrub(|_| ControlFlow::Continue(())).unwrap_or_else(|error| panic!("{context}: {error}"));
            store.collect_garbage().unwrap_or_else(|error| panic!("{context}: {error}"));
            let step = Step::Put { blob: 50, pairs: 1, size: 300, version: 1 };
            run(&store, &step).unwrap();
            let before = visible(&store).unwrap();
            drop(store);
            let store = open(&image, options()).unwrap_or_else(|error| panic!("{context}: again: {error}"));
            assert_eq!(visible(&store).unwrap(), before, "{context}: again");
        }
    }
}

/// Opens after rot in the index: right, or lost and rebuilt; never wrong.
fn check_index_rot(image: &SimDisk, model: &Model, context: &str) -> bool {
    let handle: Arc<dyn Disk> = Arc::new(image.clone());
    let (store, rebuilt) = match open(image, options()) {
        Ok(store) => (store, false),
        Err(StoreError::IndexLost { .. } | StoreError::Version { .. }) => {
            Store::rebuild_index(&handle, &options()).unwrap_or_else(|error| panic!("{context}: rebuild: {error}"));
            (open(image, options()).unwrap_or_else(|error| panic!("{context}: after rebuild: {error}")), true)
        }
        Err(error) => panic!("{context}: {error}"),
    };
    let seen = visible(&store).unwrap_or_else(|error| panic!("{context}: read: {error}"));
    for (key, bytes) in &model.items {
        assert_eq!(seen.items.get(key), Some(bytes), "{context}: rebuilt {rebuilt}: {key:?}");
    }
    if !rebuilt {
        assert_eq!(seen, *model, "{context}");
    }
    rebuilt
}

#[test]
fn flips_in_the_index_of_a_stopped_store() {
    let (disk, model) = filled();
    let len = disk.read_file(INDEX).unwrap().len();
    let mut random = StdRng::seed_from_u64(seed(2));
    let mut rebuilt = 0;
    // Every byte of redb's header, then bytes that are in use.
    let used: Vec<usize> = {
        let bytes = disk.read_file(INDEX).unwrap();
        (320..len).filter(|at| bytes[*at] != 0).collect()
    };
    let drawn: Vec<usize> = (0..scaled(300)).map(|_| used[random.random_range(0..used.len())]).collect();
    let offsets = (0..320).chain(drawn);
    for (round, at) in offsets.enumerate() {
        let image = disk.crash(Retention::All, 0);
        let bit = if round < 320 { round % 8 } else { random.random_range(0..8) };
        image.rot(INDEX, |bytes| bytes[at] ^= 1 << bit);
        rebuilt += usize::from(check_index_rot(&image, &model, &format!("bit {bit} of byte {at} of the index")));
    }
    println!("{rebuilt} flips needed a rebuild");
    assert!(rebuilt > 0);
}

#[test]
fn every_bit_of_the_byte_that_selects_the_index_commit() {
    let (disk, model) = filled();
    for bit in 0..8 {
        let image = disk.crash(Retention::All, 0);
        image.rot(INDEX, |bytes| bytes[9] ^= 1 << bit);
        check_index_rot(&image, &model, &format!("bit {bit} of the selecting byte"));
    }
}

#[test]
fn flips_in_the_index_of_a_running_store() {
    let (disk, model) = filled();
    let used: Vec<usize> = {
        let bytes = disk.read_file(INDEX).unwrap();
        (0..bytes.len()).filter(|at| bytes[*at] != 0).collect()
    };
    let mut random = StdRng::seed_from_u64(seed(3));
    for round in 0..scaled(150) {
        let image = disk.crash(Retention::All, 0);
        // No cache: every page is read from the disk again.
        let store = open(&image, floe_store::StoreOptions { index_cache_bytes: 0, ..options() }).unwrap();
        let at = used[random.random_range(0..used.len())];
        image.rot(INDEX, |bytes| bytes[at] ^= 4);
        let context = format!("round {round}: byte {at} of the running index");
        for (key, expected) in &model.items {
            let read = match key {
                floe_store::ItemKey::Metadata(blob) => store.metadata(blob),
                floe_store::ItemKey::Sliver(key) => store.sliver(key),
            };
            match read {
                Ok(Some(bytes)) => assert_eq!(bytes, expected.as_slice(), "{context}"),
                Ok(None) => panic!("{context}: {key:?} vanished without a report"),
                Err(StoreError::IndexLost { .. } | StoreError::Failed { .. }) => {}
                Err(error) => panic!("{context}: {error}"),
            }
        }
        drop(store);
        check_index_rot(&image, &model, &context);
    }
}

#[test]
fn arbitrary_bytes_never_panic() {
    let (disk, _) = filled();
    let mut random = StdRng::seed_from_u64(seed(4));
    for _ in 0..scaled(60) {
        let image = disk.crash(Retention::All, 0);
        for name in image.names() {
            match random.random_range(0..5) {
                0 => image.rot(&name, |bytes| random.fill(bytes.as_mut_slice())),
                1 => image.rot(&name, |bytes| bytes.truncate(random.random_range(0..bytes.len().max(1)))),
                2 => image.rot(&name, |bytes| {
                    for _ in 0..50 {
                        let at = random.random_range(0..bytes.len().max(1));
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = random.random();
                        }
                    }
                }),
                _ => {}
            }
        }
        let handle: Arc<dyn Disk> = Arc::new(image.clone());
        if let Ok((store, _)) = Store::open_or_rebuild(handle, options()) {
            let _ = visible(&store);
            let _ = store.scrub(|_| ControlFlow::Continue(()));
            let _ = store.collect_garbage();
            let _ = run(&store, &Step::Put { blob: 9, pairs: 1, size: 50, version: 1 });
        }
    }
}

#[test]
fn a_lost_index_is_rebuilt_from_the_segments() {
    let (disk, model) = filled();
    let image = disk.crash(Retention::All, 0);
    image.lose(INDEX);
    let Err(error) = open(&image, options()) else { panic!("opened without an index") };
    assert_eq!(error.code(), "STORE-0004");
    let handle: Arc<dyn Disk> = Arc::new(image.clone());
    let (store, report) = Store::open_or_rebuild(handle, options()).unwrap();
    assert_eq!(report.unwrap().records_damaged, 0);
    let seen = visible(&store).unwrap();
    for (key, bytes) in &model.items {
        assert_eq!(seen.items.get(key), Some(bytes), "{key:?}");
    }
    // What was deleted stays deleted, apart from batches that never were acknowledged.
    assert!(!seen.items.contains_key(&floe_store::ItemKey::Metadata(blob_id(4))), "a deleted blob came back");
    assert!(seen.state.is_empty(), "state is not in the segments");
    let usage = store.usage().unwrap();
    assert_eq!(usage.records, seen.items.len() as u64);
    run(&store, &Step::Put { blob: 60, pairs: 1, size: 50, version: 1 }).unwrap();
    drop(store);
    assert!(open(&image, options()).unwrap().metadata(&blob_id(60)).unwrap().is_some());
}
