//! Random workloads against a model: live, reopened, and after a power cut at a random operation.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::*;
use floe_store::StoreOptions;
use floe_store::sim::{FaultPlan, Retention, SimDisk};
use proptest::prelude::*;

fn step() -> impl Strategy<Value = Step> {
    let blob = 0u8..6;
    prop_oneof![
        4 => (blob.clone(), 0u16..3, 0usize..1500, 0u8..9)
            .prop_map(|(blob, pairs, size, version)| Step::Put { blob, pairs, size, version }),
        4 => (blob.clone(), 0u16..4, 0usize..3000, 0u8..9)
            .prop_map(|(blob, pairs, size, version)| Step::Stream { blob, pairs, size, version }),
        1 => (blob.clone(), 1u16..3, 0usize..2000).prop_map(|(blob, pairs, size)| Step::Abandon { blob, pairs, size }),
        2 => (0u8..3, proptest::option::of(any::<u8>())).prop_map(|(key, value)| Step::State { key, value }),
        3 => blob.prop_map(|blob| Step::Delete { blob }),
        2 => Just(Step::CollectGarbage),
        1 => Just(Step::Scrub),
        1 => Just(Step::Reopen),
    ]
}

fn retention() -> impl Strategy<Value = Retention> {
    proptest::sample::select(RETENTIONS.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: u32::try_from(scaled(96)).unwrap(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_workload_matches_the_model(steps in proptest::collection::vec(step(), 1..25), percent in 10u8..90) {
        let disk = SimDisk::new(1);
        let options = StoreOptions { collect_dead_percent: percent, ..options() };
        let outcome = run_until_error(&disk, &steps, &options);
        prop_assert!(outcome.error.is_none(), "{:?}", outcome.error);
        let store = open(&disk, options.clone()).unwrap();
        prop_assert_eq!(&visible(&store).unwrap(), &outcome.acknowledged);
        let usage = store.usage().unwrap();
        prop_assert_eq!(usage.records, outcome.acknowledged.items.len() as u64);
        // 88 bytes of header and up to 7 of padding for each record.
        let payload: u64 = outcome.acknowledged.items.values().map(|bytes| bytes.len() as u64).sum();
        prop_assert!(usage.live_bytes >= payload + 88 * usage.records);
        prop_assert!(usage.live_bytes <= payload + 95 * usage.records);
        let files: u64 = disk.names().iter().filter(|name| name.starts_with("segment-"))
            .map(|name| disk.read_file(name).unwrap().len().next_multiple_of(8) as u64).sum();
        prop_assert_eq!(usage.segment_bytes, files);
        // A rebuild gives the same items (abandoned ones besides).
        drop(store);
        let handle: std::sync::Arc<dyn floe_store::Disk> = std::sync::Arc::new(disk.clone());
        floe_store::Store::rebuild_index(&handle, &options).unwrap();
        let seen = visible(&open(&disk, options).unwrap()).unwrap();
        let abandons = steps.iter().any(|step| matches!(step, Step::Abandon { .. }));
        for (key, bytes) in &outcome.acknowledged.items {
            prop_assert!(abandons || seen.items.get(key) == Some(bytes), "{:?} after a rebuild", key);
        }
        prop_assert!(abandons || seen.items.len() == outcome.acknowledged.items.len());
    }

    #[test]
    fn a_power_cut_at_a_random_operation_loses_nothing(
        steps in proptest::collection::vec(step(), 1..20),
        at in 1u64..600,
        keep in retention(),
        seed in any::<u64>(),
    ) {
        let disk = SimDisk::new(seed);
        disk.set_faults(FaultPlan { power_off_at: Some(at), ..FaultPlan::default() });
        let outcome = run_until_error(&disk, &steps, &options());
        let image = disk.crash(keep, seed);
        let store = open(&image, options()).unwrap();
        outcome.check(&visible(&store).unwrap(), &format!("cut at {at} keeping {keep:?}"));
    }
}
