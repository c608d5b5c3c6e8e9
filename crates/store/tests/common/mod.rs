//! A model of the store, and a workload that is checked against it.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use floe_store::sim::{Retention, SimDisk};
use floe_store::{Batch, Disk, ItemKey, SliverAxis, SliverKey, Store, StoreError, StoreOptions};

/// What a reader of the store can see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub items: BTreeMap<ItemKey, Vec<u8>>,
    pub state: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// One step of a workload.
#[derive(Clone, Debug)]
pub enum Step {
    Put { blob: u8, pairs: u16, size: usize, version: u8 },
    Stream { blob: u8, pairs: u16, size: usize, version: u8 },
    Abandon { blob: u8, pairs: u16, size: usize },
    State { key: u8, value: Option<u8> },
    Delete { blob: u8 },
    CollectGarbage,
    Scrub,
    Reopen,
}

pub fn options() -> StoreOptions {
    StoreOptions {
        segment_bytes: 6 * 1024,
        write_buffer_bytes: 2 * 1024,
        index_cache_bytes: 1024 * 1024,
        open_segments_max: 3,
        // Some batches of the workload stay in memory, some bring the index up to date, some are too large to wait.
        index_lag_operations: 8,
        salt: Some(7),
        ..StoreOptions::default()
    }
}

/// Rounds of a randomised test: more with `FLOE_TEST_SCALE=20`, for long runs.
pub fn scaled(rounds: u64) -> u64 {
    let scale = std::env::var("FLOE_TEST_SCALE").ok().and_then(|scale| scale.parse().ok());
    rounds * scale.unwrap_or(1)
}

/// The seed of a randomised test: `FLOE_TEST_SEED`, or the same every time.
pub fn seed(default: u64) -> u64 {
    std::env::var("FLOE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(default)
}

pub fn blob_id(blob: u8) -> [u8; 32] {
    [blob; 32]
}

pub fn sliver_key(blob: u8, pair: u16, axis: SliverAxis) -> SliverKey {
    SliverKey { blob: blob_id(blob), pair, axis }
}

/// Bytes that tell items and versions apart.
pub fn payload(blob: u8, item: u16, version: u8, size: usize) -> Vec<u8> {
    let seed = u32::from(blob) << 24 | u32::from(version) << 16 | u32::from(item);
    let mut x = seed.wrapping_mul(0x9e37_79b9) | 1;
    (0..size)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x.to_le_bytes()[0]
        })
        .collect()
}

/// The items that a put of this step has.
pub fn items(blob: u8, pairs: u16, size: usize, version: u8) -> Vec<(ItemKey, Vec<u8>)> {
    let mut items = vec![(ItemKey::Metadata(blob_id(blob)), payload(blob, 9999, version, size / 2 + 10))];
    for pair in 0..pairs {
        for (axis, tag) in [(SliverAxis::Primary, 0), (SliverAxis::Secondary, 1000)] {
            let key = sliver_key(blob, pair, axis);
            items.push((ItemKey::Sliver(key), payload(blob, pair + tag, version, size + usize::from(pair))));
        }
    }
    items
}

impl Model {
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::Put { blob, pairs, size, version } | Step::Stream { blob, pairs, size, version } => {
                self.items.extend(items(*blob, *pairs, *size, *version));
                self.state.insert(vec![b'b', *blob], vec![*version]);
            }
            Step::State { key, value: Some(value) } => {
                self.state.insert(vec![b's', *key], vec![*value; 3]);
            }
            Step::State { key, value: None } => {
                self.state.remove(&vec![b's', *key]);
            }
            Step::Delete { blob } => self.items.retain(|key, _| match key {
                ItemKey::Metadata(id) => *id != blob_id(*blob),
                ItemKey::Sliver(key) => key.blob != blob_id(*blob),
            }),
            Step::Abandon { .. } | Step::CollectGarbage | Step::Scrub | Step::Reopen => {}
        }
    }
}

/// Runs a step; `Reopen` is the caller's.
pub fn run(store: &Store, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::Put { blob, pairs, size, version } => {
            let mut batch = Batch::new().state(vec![b'b', *blob], Some(vec![*version]));
            for (key, bytes) in items(*blob, *pairs, *size, *version) {
                batch = match key {
                    ItemKey::Metadata(id) => batch.metadata(id, bytes),
                    ItemKey::Sliver(key) => batch.sliver(key, bytes),
                };
            }
            store.put(batch)
        }
        Step::Stream { blob, pairs, size, version } => {
            let mut writer = store.begin()?;
            for (key, bytes) in items(*blob, *pairs, *size, *version) {
                match key {
                    ItemKey::Metadata(id) => writer.metadata(id, &bytes)?,
                    ItemKey::Sliver(key) => writer.sliver(key, &bytes)?,
                }
            }
            writer.state(vec![b'b', *blob], Some(vec![*version]))?;
            writer.commit()
        }
        Step::Abandon { blob, pairs, size } => {
            let mut writer = store.begin()?;
            for (key, bytes) in items(*blob, *pairs, *size, 99) {
                if let ItemKey::Sliver(key) = key {
                    writer.sliver(key, &bytes)?;
                }
            }
            Ok(())
        }
        Step::State { key, value } => {
            store.put(Batch::new().state(vec![b's', *key], value.map(|value| vec![value; 3])))
        }
        Step::Delete { blob } => store.delete_blob(&blob_id(*blob)).map(|_| ()),
        Step::CollectGarbage => store.collect_garbage().map(|_| ()),
        Step::Scrub => store.scrub(|_| ControlFlow::Continue(())).map(|_| ()),
        Step::Reopen => Ok(()),
    }
}

pub fn open(disk: &SimDisk, options: StoreOptions) -> Result<Store, StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::open(disk, options)
}

/// Everything that a reader can see, read through the public interface.
pub fn visible(store: &Store) -> Result<Model, StoreError> {
    let mut model = Model::default();
    for blob in store.blobs(None, usize::MAX)? {
        if let Some(bytes) = store.metadata(&blob)? {
            model.items.insert(ItemKey::Metadata(blob), bytes.to_vec());
        }
        for key in store.slivers_of(&blob)? {
            if let Some(bytes) = store.sliver(&key)? {
                model.items.insert(ItemKey::Sliver(key), bytes.to_vec());
            }
        }
    }
    model.state = store.state_range(&[])?.into_iter().collect();
    Ok(model)
}

/// What a run left: what was acknowledged, and what may be there besides.
pub struct Outcome {
    pub acknowledged: Model,
    pub in_flight: Option<Model>,
    pub error: Option<StoreError>,
}

impl Outcome {
    /// Panics unless the visible state is what was acknowledged, with or without the step in flight as a whole.
    pub fn check(&self, seen: &Model, context: &str) {
        let fits = *seen == self.acknowledged || self.in_flight.as_ref() == Some(seen);
        if !fits {
            let missing: Vec<_> =
                self.acknowledged.items.iter().filter(|(key, value)| seen.items.get(key) != Some(value)).collect();
            let extra: Vec<_> = seen.items.keys().filter(|key| !self.acknowledged.items.contains_key(key)).collect();
            panic!(
                "{context}: acknowledged but not visible: {:?}; not acknowledged but visible: {extra:?}; state {:?} vs {:?}",
                missing.iter().map(|(key, _)| key).collect::<Vec<_>>(),
                seen.state,
                self.acknowledged.state
            );
        }
    }
}

/// Opens the store on a disk and runs steps until one fails.
pub fn run_until_error(disk: &SimDisk, steps: &[Step], options: &StoreOptions) -> Outcome {
    let mut acknowledged = Model::default();
    let mut store = match open(disk, options.clone()) {
        Ok(store) => store,
        Err(error) => return Outcome { acknowledged, in_flight: None, error: Some(error) },
    };
    for step in steps {
        let mut next = acknowledged.clone();
        next.apply(step);
        let result = if matches!(step, Step::Reopen) {
            drop(store);
            match open(disk, options.clone()) {
                Ok(opened) => {
                    store = opened;
                    Ok(())
                }
                Err(error) => return Outcome { acknowledged, in_flight: None, error: Some(error) },
            }
        } else {
            run(&store, step)
        };
        match result {
            Ok(()) => acknowledged = next,
            Err(error) => return Outcome { acknowledged, in_flight: Some(next), error: Some(error) },
        }
    }
    Outcome { acknowledged, in_flight: None, error: None }
}

/// A workload that takes every path: small and streamed puts, new segments, replacements, deletions, abandoned writers,
/// collection, scrub, reopening.
pub fn canonical() -> Vec<Step> {
    vec![
        Step::Put { blob: 1, pairs: 2, size: 300, version: 1 },
        Step::State { key: 1, value: Some(1) },
        Step::Stream { blob: 2, pairs: 3, size: 900, version: 1 },
        Step::Abandon { blob: 3, pairs: 3, size: 700 },
        Step::Put { blob: 1, pairs: 2, size: 350, version: 2 },
        Step::Stream { blob: 4, pairs: 4, size: 1200, version: 1 },
        Step::Delete { blob: 2 },
        Step::CollectGarbage,
        Step::Reopen,
        Step::State { key: 1, value: None },
        Step::Put { blob: 5, pairs: 1, size: 100, version: 1 },
        Step::Scrub,
        Step::Stream { blob: 2, pairs: 2, size: 800, version: 3 },
        Step::Delete { blob: 4 },
        Step::CollectGarbage,
        Step::Put { blob: 6, pairs: 1, size: 64, version: 1 },
        Step::State { key: 2, value: Some(9) },
    ]
}

pub const RETENTIONS: [Retention; 4] = [Retention::None, Retention::All, Retention::Prefix, Retention::Subset];
