//! Everything is killed at a random moment; what was reported as certified is read back.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use support::{Network, id_of, noise};

/// Moments of the power cut, in milliseconds after the writers began.
const MOMENTS_MS: [u64; 4] = [60, 350, 900, 2000];
const WRITERS: u64 = 3;

#[test]
fn what_was_certified_survives_a_power_cut() {
    let mut network = Network::start(4, 10, &[]);
    let mut certified: Vec<(String, Vec<u8>)> = Vec::new();
    for (round, moment) in MOMENTS_MS.into_iter().enumerate() {
        certified.extend(store_until_cut(&network, round as u64, Duration::from_millis(moment)));
        network = network.power_cut_and_restart(4, 10);
        for (id, bytes) in &certified {
            assert!(network.read(id) == *bytes, "{id} was certified before cut {round}");
        }
    }
    let again = noise(70_000, 999);
    let id = network.store(&again);
    assert_eq!(network.read(&id), again, "the network goes on");
    assert!(!certified.is_empty(), "at least one blob was certified before a cut");
}

/// Stores a file; gives its ID if the command says that it is certified. The cut ends the command too.
fn store_unless(network: &Network, path: &Path, cut: &AtomicBool) -> Option<String> {
    let mut child = network
        .command(&["store", path.to_str().unwrap(), "--epochs", "5", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if cut.load(Ordering::Relaxed) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // What was printed before the cut was reported, whatever became of the command.
    let output = child.wait_with_output().unwrap();
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(id_of(&result[0]["blobStoreResult"]))
}

/// Writers store blob after blob; after `moment` every process is killed (the caller restarts them). Gives the blobs
/// whose certification was reported.
fn store_until_cut(network: &Network, round: u64, moment: Duration) -> Vec<(String, Vec<u8>)> {
    let stop = AtomicBool::new(false);
    let mut pids = network.node_pids();
    pids.push(u32::try_from(network.info()["pid"].as_u64().unwrap()).unwrap());
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut done = Vec::new();
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let bytes = noise(20_000 + 10_000 * number, round * 1000 + writer * 100 + number as u64);
                        let path = network.file(&bytes);
                        if let Some(id) = store_unless(network, &path, stop) {
                            done.push((id, bytes));
                        }
                    }
                    done
                })
            })
            .collect();
        // Not a wait for a state: the moment of the cut.
        std::thread::sleep(moment);
        support::kill(&pids);
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().flat_map(|w| w.join().unwrap()).collect()
    })
}
