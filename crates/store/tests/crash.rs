//! Power cuts: after every operation of a workload, with none, all, a prefix or a random subset of what was not synced,
//! and once more during the recovery from that.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::*;
use floe_store::StoreOptions;
use floe_store::sim::{FaultPlan, Retention, SimDisk};

fn operations_of(steps: &[Step], options: &StoreOptions) -> u64 {
    let disk = SimDisk::new(1);
    let outcome = run_until_error(&disk, steps, options);
    assert!(outcome.error.is_none(), "the workload runs: {:?}", outcome.error);
    let store = open(&disk, options.clone()).unwrap();
    outcome.check(&visible(&store).unwrap(), "no fault");
    assert!(store.usage().unwrap().segments > 1, "the workload fills more than one segment");
    disk.operations()
}

fn cut_at(steps: &[Step], options: &StoreOptions, at: u64) -> (SimDisk, Outcome) {
    let disk = SimDisk::new(at);
    disk.set_faults(FaultPlan { power_off_at: Some(at), ..FaultPlan::default() });
    let outcome = run_until_error(&disk, steps, options);
    (disk, outcome)
}

#[test]
fn power_cut_after_every_operation() {
    cut_everywhere(&options());
}

#[test]
fn power_cut_while_the_index_goes_along_with_the_log() {
    cut_everywhere(&StoreOptions { index_lag_operations: 0, ..options() });
}

#[test]
fn power_cut_while_the_index_follows_only_where_it_must() {
    cut_everywhere(&StoreOptions { index_lag_operations: 4096, ..options() });
}

fn cut_everywhere(options: &StoreOptions) {
    let steps = canonical();
    let total = operations_of(&steps, options);
    let mut images = 0;
    for at in 1..=total {
        let (disk, outcome) = cut_at(&steps, options, at);
        for retention in RETENTIONS {
            let lag = options.index_lag_operations;
            let context = format!("lag {lag}, power cut at operation {at} of {total}, keeping {retention:?}");
            let image = disk.crash(retention, at * 31 + 7);
            let open =
                || open(&image, options.clone()).unwrap_or_else(|error| panic!("{context}: cannot open: {error}"));
            let store = open();
            let seen = visible(&store).unwrap_or_else(|error| panic!("{context}: cannot read: {error}"));
            outcome.check(&seen, &context);
            assert_eq!(store.quarantined().unwrap(), [], "{context}");
            drop(store);
            let again = open();
            assert_eq!(visible(&again).unwrap(), seen, "{context}: opening twice changes nothing");
            // It must also go on working.
            let step = Step::Put { blob: 200, pairs: 1, size: 200, version: 1 };
            run(&again, &step).unwrap_or_else(|error| panic!("{context}: cannot write: {error}"));
            let mut expected = seen.clone();
            expected.apply(&step);
            assert_eq!(visible(&again).unwrap(), expected, "{context}: after another put");
            images += 1;
        }
    }
    println!("{images} images of {total} operations");
}

/// The process dies, the machine lives on: what was written and not synced is still there for the next process. Then the power goes.
#[test]
fn killed_and_opened_again_then_power_cut() {
    let steps = canonical();
    let total = operations_of(&steps, &options());
    for at in 1..=total {
        let context = format!("killed at operation {at} of {total}");
        let (disk, outcome) = cut_at(&steps, &options(), at);
        disk.set_faults(FaultPlan::default());
        let store = open(&disk, options()).unwrap_or_else(|error| panic!("{context}: cannot open: {error}"));
        let seen = visible(&store).unwrap_or_else(|error| panic!("{context}: cannot read: {error}"));
        outcome.check(&seen, &context);
        let image = disk.crash(Retention::None, at);
        let store = open(&image, options()).unwrap_or_else(|error| panic!("{context}: cannot open again: {error}"));
        assert_eq!(visible(&store).unwrap(), seen, "{context}: what a reader has seen stays");
        assert_eq!(store.quarantined().unwrap(), [], "{context}");
    }
}

#[test]
fn power_cut_during_recovery() {
    let steps = canonical();
    let total = operations_of(&steps, &options());
    for at in (5..=total).step_by(13) {
        let (disk, outcome) = cut_at(&steps, &options(), at);
        for retention in [Retention::All, Retention::Subset] {
            let image = disk.crash(retention, at);
            let recovery = {
                let probe = image.crash(Retention::All, 0);
                open(&probe, options()).unwrap();
                probe.operations()
            };
            for second in (1..=recovery).step_by(3) {
                let context =
                    format!("cut at {at} keeping {retention:?}, then at {second} of {recovery} of the recovery");
                let disk = image.crash(Retention::All, second);
                disk.set_faults(FaultPlan { power_off_at: Some(second), ..FaultPlan::default() });
                let _ = open(&disk, options());
                let image = disk.crash(if second % 2 == 0 { Retention::Subset } else { Retention::Prefix }, second);
                let store = open(&image, options()).unwrap_or_else(|error| panic!("{context}: cannot open: {error}"));
                outcome.check(&visible(&store).unwrap(), &context);
            }
        }
    }
}
