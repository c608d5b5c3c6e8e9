//! Sequences of random operations.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::driver::Driver;
use super::operations::{self, Kind, Op};
use super::{setting, world};

/// How often a failing sequence is tried again with less in it.
const TRIES: usize = 400;

/// From how many sequences on each kind of operation goes through in one of them at least.
const MANY: u32 = 100;

/// What sequences came to.
#[derive(Default)]
struct Totals {
    epochs: u32,
    done: usize,
    refused: usize,
    /// how often each kind of operation went through
    kinds: BTreeMap<Kind, usize>,
}

impl Totals {
    fn add(&mut self, driver: &Driver) {
        self.epochs += driver.model.epoch();
        self.done += driver.tally.0;
        self.refused += driver.tally.1;
        for (kind, count) in &driver.done {
            *self.kinds.entry(*kind).or_default() += count;
        }
    }
}

/// What is wrong after these operations, if anything.
fn run(start: &Driver, ops: &[Op]) -> Result<Box<Driver>, String> {
    let mut driver = Box::new(start.clone());
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        for op in ops {
            driver.step(*op);
        }
        driver.audit();
        driver
    }));
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

/// Leaves out what a failing sequence fails without, in ever smaller pieces.
fn shrunk(start: &Driver, mut ops: Vec<Op>, mut failure: String) -> (Vec<Op>, String) {
    let (mut piece, mut tries) = (ops.len().div_ceil(2), 0);
    while piece != 0 && tries < TRIES {
        let mut at = 0;
        while at < ops.len() && tries < TRIES {
            let fewer: Vec<_> = ops.iter().take(at).chain(ops.iter().skip(at + piece)).copied().collect();
            tries += 1;
            match run(start, &fewer) {
                Err(still) => (ops, failure) = (fewer, still),
                Ok(_) => at += piece,
            }
        }
        piece /= 2;
    }
    (ops, failure)
}

/// Tries the sequence of a seed; gives how far it came, or what is wrong with the smallest that fails.
fn sequence(start: &Driver, seed: u32, count: usize) -> Result<Box<Driver>, String> {
    let ops = operations::operations(seed.into(), count);
    run(start, &ops).map_err(|failure| {
        let (ops, failure) = shrunk(start, ops, failure);
        format!("FLOE_MODEL_SEED={seed} FLOE_MODEL_SEQUENCES=1, {} operations: {ops:?}\n{failure}", ops.len())
    })
}

#[test]
fn the_contracts_do_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let start = runtime.block_on(world::launched(10, &[1; 4]));
    let (first, sequences) = (setting("FLOE_MODEL_SEED", 0), setting("FLOE_MODEL_SEQUENCES", 200));
    let length = setting("FLOE_MODEL_OPERATIONS", 200) as usize;
    // Failures are caught and shrunk; only the last word counts.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, totals, failures) = (AtomicU32::new(0), Mutex::new(Totals::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = first + next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + sequences || !failures.lock().unwrap().is_empty() {
                        return;
                    }
                    match sequence(&start, seed, length) {
                        Ok(driver) => totals.lock().unwrap().add(&driver),
                        Err(failure) => failures.lock().unwrap().push(failure),
                    }
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let Totals { epochs, done, refused, kinds } = totals.into_inner().unwrap();
    println!("{sequences} sequences over {epochs} epochs: {done} transactions went through, {refused} were refused");
    println!("{kinds:?}");
    let never: Vec<_> = operations::kinds().filter(|kind| !kinds.contains_key(kind)).collect();
    assert!(sequences < MANY || never.is_empty(), "never went through: {never:?}");
    assert!(done > refused && refused > 0, "{done} went through, {refused} were refused");
}
