//! Errors that the disk signals: each call failing once, each fsync failing, the disk full at every point.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::*;
use floe_store::sim::{FaultPlan, Retention, SimDisk};
use floe_store::{Store, StoreError, StoreOptions};

fn operations() -> (u64, u64) {
    let disk = SimDisk::new(1);
    let outcome = run_until_error(&disk, &canonical(), &options());
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    (disk.operations(), disk.syncs())
}

/// Runs all steps, going on after errors as long as the store does; returns it, what must be visible, and the errors met.
///
/// Steps that fail must leave nothing, so the model does not take them; only the step during which the store stopped may
/// be there as a whole.
fn run_through(disk: &SimDisk, steps: &[Step]) -> (Option<Store>, Outcome, Vec<StoreError>) {
    let mut outcome = Outcome { acknowledged: Model::default(), in_flight: None, error: None };
    let mut errors = Vec::new();
    let mut store = open(disk, options()).map_err(|error| errors.push(error)).ok();
    for step in steps {
        if store.is_none() || matches!(step, Step::Reopen) {
            drop(store.take());
            store = open(disk, options()).map_err(|error| errors.push(error)).ok();
        }
        let Some(running) = &store else { continue };
        let mut next = outcome.acknowledged.clone();
        next.apply(step);
        match run(running, step) {
            Ok(()) => outcome.acknowledged = next,
            Err(error @ StoreError::Failed { .. }) => {
                assert!(running.is_failed());
                outcome.in_flight = Some(next);
                errors.push(error);
                break;
            }
            Err(error) => errors.push(error),
        }
    }
    (store, outcome, errors)
}

#[test]
fn every_call_fails_once() {
    let (total, _) = operations();
    for at in 1..=total {
        let disk = SimDisk::new(at);
        disk.set_faults(FaultPlan { fail_at: Some(at), ..FaultPlan::default() });
        let (store, outcome, errors) = run_through(&disk, &canonical());
        let context = format!("operation {at} of {total} fails ({errors:?})");
        disk.set_faults(FaultPlan::default());
        if let Some(store) = store.filter(|store| !store.is_failed()) {
            let seen = visible(&store).unwrap_or_else(|error| panic!("{context}: cannot read: {error}"));
            outcome.check(&seen, &format!("{context}: live"));
        }
        for retention in [Retention::None, Retention::Subset] {
            let image = disk.crash(retention, at);
            let store = open(&image, options()).unwrap_or_else(|error| panic!("{context}: cannot open: {error}"));
            outcome.check(&visible(&store).unwrap(), &format!("{context}: after a power cut keeping {retention:?}"));
        }
    }
}

#[test]
fn a_failed_fsync_stops_the_store() {
    let (_, syncs) = operations();
    let mut unnoticed = 0;
    for at in 1..=syncs {
        let disk = SimDisk::new(at);
        disk.set_faults(FaultPlan { fail_sync_at: Some(at), ..FaultPlan::default() });
        let outcome = run_until_error(&disk, &canonical(), &options());
        let context = format!("fsync {at} of {syncs} fails");
        match &outcome.error {
            Some(error) => assert!(matches!(error, StoreError::Failed { .. }), "{context}: {error:?}"),
            None => unnoticed += 1,
        }
        for retention in RETENTIONS {
            let context = format!("{context}, power cut keeping {retention:?}");
            let image = disk.crash(retention, at);
            let store = open(&image, options()).unwrap_or_else(|error| panic!("{context}: cannot open: {error}"));
            outcome.check(&visible(&store).unwrap(), &context);
        }
    }
    // The one by which the store takes the index to disk when it is dropped: nobody was promised that.
    assert_eq!(unnoticed, 1);
}

#[test]
fn a_stopped_store_stays_stopped() {
    let disk = SimDisk::new(3);
    let store = open(&disk, options()).unwrap();
    let step = |blob| Step::Put { blob, pairs: 1, size: 100, version: 1 };
    run(&store, &step(1)).unwrap();
    disk.set_faults(FaultPlan { fail_sync_at: Some(disk.syncs() + 1), ..FaultPlan::default() });
    assert!(matches!(run(&store, &step(2)), Err(StoreError::Failed { .. })));
    disk.set_faults(FaultPlan::default());
    assert!(store.is_failed());
    assert!(matches!(run(&store, &step(3)), Err(StoreError::Failed { .. })));
    assert!(matches!(store.metadata(&blob_id(1)), Err(StoreError::Failed { .. })));
    drop(store);
    let store = open(&disk, options()).unwrap();
    assert!(store.metadata(&blob_id(1)).unwrap().is_some());
    run(&store, &step(3)).unwrap();
}

#[test]
fn a_full_disk_keeps_nothing_half_and_goes_on_when_space_returns() {
    let steps = canonical();
    let needed = {
        let disk = SimDisk::new(1);
        assert!(run_until_error(&disk, &steps, &options()).error.is_none());
        disk.used_bytes()
    };
    let mut refused = 0;
    for space in (0..=needed).step_by(4096) {
        let disk = SimDisk::new(space);
        disk.set_faults(FaultPlan { space_bytes: Some(space), ..FaultPlan::default() });
        let (store, outcome, errors) = run_through(&disk, &steps);
        let model = outcome.acknowledged;
        let context = format!("{space} of {needed} bytes fit ({errors:?})");
        refused += usize::from(!errors.is_empty());
        assert!(errors.iter().all(|error| matches!(error, StoreError::Full { .. })), "{context}");
        let Some(store) = store else { continue };
        assert!(!store.is_failed(), "{context}");
        // Reads go on while the disk is full.
        let seen = visible(&store).unwrap_or_else(|error| panic!("{context}: cannot read: {error}"));
        assert_eq!(seen, model, "{context}: while full");
        let image = disk.crash(Retention::Subset, space);
        let reopened = open(&image, options()).unwrap_or_else(|error| panic!("{context}: cannot open: {error}"));
        assert_eq!(visible(&reopened).unwrap(), model, "{context}: after a power cut");
        // Space returns, without a restart.
        disk.set_faults(FaultPlan::default());
        let mut expected = model;
        for step in [Step::Put { blob: 77, pairs: 3, size: 900, version: 1 }, Step::CollectGarbage] {
            run(&store, &step).unwrap_or_else(|error| panic!("{context}: {step:?} with space again: {error}"));
            expected.apply(&step);
        }
        assert_eq!(visible(&store).unwrap(), expected, "{context}: with space again");
    }
    assert!(refused > 5, "the disk was full in some runs");
}

#[test]
fn the_configured_ceiling_acts_like_a_full_disk() {
    let disk = SimDisk::new(5);
    let options = StoreOptions { bytes_max: 8 * 1024, ..options() };
    let store = open(&disk, options).unwrap();
    let step = |blob| Step::Put { blob, pairs: 2, size: 1000, version: 1 };
    run(&store, &step(1)).unwrap();
    assert!(matches!(run(&store, &step(2)), Err(StoreError::Full { .. })));
    let mut model = Model::default();
    model.apply(&step(1));
    assert_eq!(visible(&store).unwrap(), model);
    // Deleting is possible at the ceiling, and frees.
    assert!(store.delete_blob(&blob_id(1)).unwrap());
    drop(store);
}

#[test]
fn limits_are_named() {
    let disk = SimDisk::new(6);
    let store = open(&disk, options()).unwrap();
    let mut writer = store.begin().unwrap();
    let long = vec![0; floe_store::STATE_KEY_BYTES_MAX + 1];
    let Err(StoreError::TooLarge { got, max, .. }) = writer.state(long, None) else { panic!("accepted") };
    assert_eq!((got, max), (1025, 1024));
    assert!(matches!(writer.commit(), Err(StoreError::TooLarge { .. })), "a broken writer does not commit");
}
