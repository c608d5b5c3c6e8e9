//! A real folder and a real process: killed with SIGKILL again and again, each time everything it acknowledged is there.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::*;
use floe_store::{RealDisk, Store, StoreError, StoreOptions};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const CHILD: &str = "FLOE_STORE_KILL_CHILD";
const ROUNDS: u32 = 20;

fn options() -> StoreOptions {
    StoreOptions { segment_bytes: 256 * 1024, ..StoreOptions::default() }
}

/// The blob of a number: blob ids carry it, so that any number of them exist.
fn step_of(number: u32) -> (u8, Step) {
    let blob = u8::try_from(number % 200).unwrap();
    let version = u8::try_from(number / 200 % 200).unwrap();
    if number % 7 == 6 {
        (blob, Step::Delete { blob: u8::try_from((number - 3) % 200).unwrap() })
    } else {
        (blob, Step::Stream { blob, pairs: 2, size: 20_000, version })
    }
}

/// Writes until it is killed, telling each acknowledged number on its output.
fn child(folder: &Path, first: u32) {
    let store = Store::open(Arc::new(RealDisk::new(folder).unwrap()), options()).unwrap();
    let mut out = std::io::stdout().lock();
    for number in first.. {
        run(&store, &step_of(number).1).unwrap();
        writeln!(out, "acknowledged {number}").unwrap();
        out.flush().unwrap();
        if number % 20 == 19 {
            store.collect_garbage().unwrap();
        }
    }
}

#[test]
fn kill_and_audit() {
    if let Ok(arguments) = std::env::var(CHILD) {
        let (first, folder) = arguments.split_once(' ').unwrap();
        child(Path::new(folder), first.parse().unwrap());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(5);
    let mut model = Model::default();
    let mut next = 0;
    for round in 0..ROUNDS {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill_and_audit", "--nocapture"])
            .env(CHILD, format!("{next} {}", folder.path().display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // Kill behind a random acknowledgement: at whatever the process does next.
        let target = random.random_range(0..12);
        let mut acknowledged = 0;
        let mut last = None;
        while acknowledged <= target {
            let line = lines.next().expect("the child writes until it is killed").unwrap();
            if let Some(number) = line.strip_prefix("acknowledged ") {
                last = Some(number.parse::<u32>().unwrap());
                acknowledged += 1;
            }
        }
        process.kill().unwrap();
        process.wait().unwrap();
        // Acknowledgements that were under way count too.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("acknowledged ").and_then(|number| number.parse().ok()) {
                last = Some(number);
            }
        }
        let last = last.unwrap();
        (next..=last).for_each(|number| model.apply(&step_of(number).1));
        next = last + 1;
        let mut with_next = model.clone();
        with_next.apply(&step_of(next).1);
        let store = Store::open(Arc::new(RealDisk::new(folder.path()).unwrap()), options()).unwrap();
        let seen = visible(&store).unwrap();
        let outcome = Outcome { acknowledged: model.clone(), in_flight: Some(with_next), error: None };
        outcome.check(&seen, &format!("round {round}, {last} acknowledged"));
        // What was in flight and landed is part of the model from here on.
        if seen != model {
            model = seen;
            next += 1;
        }
    }
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = RealDisk::new(folder.path().join("deep/er")).unwrap();
    let Err(error) = RealDisk::new(folder.path().join("deep/er")) else { panic!("opened twice") };
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(first);
    RealDisk::new(folder.path().join("deep/er")).unwrap();
}

#[test]
fn the_same_workload_on_a_real_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let reopen = || Store::open(Arc::new(RealDisk::new(folder.path()).unwrap()), common::options()).unwrap();
    let mut store = reopen();
    for step in canonical() {
        if matches!(step, Step::Reopen) {
            drop(store);
            store = reopen();
        } else {
            run(&store, &step).unwrap();
        }
        model.apply(&step);
        assert_eq!(visible(&store).unwrap(), model, "after {step:?}");
    }
}
