//! Two implementations of one work, timed in turns, so that whatever else the machine does meets both.

use std::time::{Duration, Instant};

use serde::Serialize;

/// No further turn begins once a work has taken this long.
const WORK_MAX: Duration = Duration::from_secs(30);
/// Works that take less are done several times in a row and counted as one.
const SAMPLE_MIN: Duration = Duration::from_millis(2);
/// How many times at most.
const REPEATS_MAX: u32 = 100;
/// Works on this many bytes and more are not tried before they are timed.
const TRIED_BELOW_BYTES: u64 = 1 << 28;
/// The system counts processor time in ticks of some milliseconds: less than this says nothing.
const PROCESSOR_MS_MIN: f64 = 20.0;

/// What was measured of one implementation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Timing {
    /// Median, in milliseconds.
    pub(super) median_ms: f64,
    /// Median of the processor time of all threads, in milliseconds: what counts where the machine has other work, too.
    /// `None` where the system does not tell, or too little to be told.
    pub(super) processor_ms: Option<f64>,
    /// Blob bytes by the median, in MB/s (10^6).
    pub(super) mb_per_s: f64,
    /// Most memory that the process held meanwhile, inputs included; `None` where the system does not tell.
    pub(super) peak_bytes: Option<u64>,
    /// Number of runs.
    pub(super) runs: usize,
}

/// One work, measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Work {
    pub(super) work: &'static str,
    pub(super) floe: Timing,
    pub(super) plain: Option<Timing>,
    /// How many times faster than plain: the ratio of the medians.
    pub(super) ratio: Option<f64>,
    /// How many times less processor time than plain.
    pub(super) processor_ratio: Option<f64>,
    /// Something simpler that the work is held against, where there is such a thing.
    pub(super) floor: Option<Floor>,
}

/// What cannot be done without.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Floor {
    /// What it is.
    pub(super) what: &'static str,
    pub(super) timing: Timing,
    /// Speed of the work in parts of the floor's.
    pub(super) reached: f64,
}

#[derive(Default)]
struct Runs {
    seconds: Vec<f64>,
    processor: Vec<f64>,
    peak: Option<u64>,
}

impl Runs {
    /// Times a work done `repeats` times, each on its own input; gives one result. Inputs are made, and results given
    /// up, off the clock.
    fn time<I, T>(&mut self, repeats: u32, prepare: impl Fn() -> I, run: impl Fn(I) -> T) -> T {
        let mut total = Duration::ZERO;
        let mut once = |input: I| {
            let start = Instant::now();
            let result = run(input);
            total += start.elapsed();
            result
        };
        reset_peak();
        for _ in 1..repeats {
            drop(once(prepare()));
        }
        let input = prepare();
        let processor = processor_seconds();
        let result = once(input);
        let processor = processor_seconds().zip(processor).map(|(end, start)| end - start);
        self.seconds.push(total.as_secs_f64() / f64::from(repeats.max(1)));
        self.processor.extend(processor);
        self.peak = self.peak.max(peak());
        result
    }

    #[allow(clippy::cast_precision_loss)] // three digits are shown
    fn timing(self, bytes: u64) -> Timing {
        let runs = self.seconds.len();
        let seconds = median(self.seconds).unwrap_or(f64::NAN);
        Timing {
            median_ms: seconds * 1e3,
            processor_ms: median(self.processor).map(|seconds| seconds * 1e3).filter(|ms| *ms >= PROCESSOR_MS_MIN),
            mb_per_s: bytes as f64 / 1e6 / seconds,
            peak_bytes: self.peak,
            runs,
        }
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some((values[middle - 1] + values[middle]) / 2.0),
        _ => Some(values[middle]),
    }
}

/// Two ways to do a work. `prepare` makes an input that `floe` uses up.
pub(super) struct Contest<'f, P, A, B> {
    pub(super) work: &'static str,
    pub(super) prepare: P,
    pub(super) floe: A,
    pub(super) plain: Option<B>,
    /// Its name, and itself.
    pub(super) floor: Option<(&'static str, &'f dyn Fn())>,
}

/// Times all in turns, at most `runs` times each; the fingerprints make results comparable.
///
/// # Errors
/// They differ.
pub(super) fn compare<I, A, B, F: PartialEq>(
    contest: Contest<'_, impl Fn() -> I, impl Fn(I) -> A, impl Fn() -> B>,
    (bytes, runs): (u64, usize),
    fingerprint: (impl Fn(A) -> F, impl Fn(B) -> F),
) -> Result<Work, String> {
    let Contest { work, prepare, floe, plain, floor } = contest;
    let (mut ours, mut theirs, mut least) = (Runs::default(), Runs::default(), Runs::default());
    let start = Instant::now();
    // First runs that do not count: tables, pages, and how often to repeat.
    let mut repeats = [1; 3];
    if bytes < TRIED_BELOW_BYTES {
        let tried = [
            trial(|| drop(floe(prepare()))),
            plain.as_ref().map_or(Duration::MAX, |plain| trial(|| drop(plain()))),
            floor.as_ref().map_or(Duration::MAX, |(_, floor)| trial(floor)),
        ];
        repeats = tried.map(sample_repeats);
    }
    let mut expected = None;
    for _ in 0..runs.max(1) {
        let got = fingerprint.0(ours.time(repeats[0], &prepare, &floe));
        if expected.as_ref().is_some_and(|expected| *expected != got) {
            return Err(format!("{work}: two runs gave different bytes"));
        }
        if let Some(plain) = &plain
            && fingerprint.1(theirs.time(repeats[1], || (), |()| plain())) != got
        {
            return Err(format!("{work}: the bytes differ from those of the plain code"));
        }
        if let Some((_, floor)) = &floor {
            least.time(repeats[2], || (), |()| floor());
        }
        expected = Some(got);
        if start.elapsed() > WORK_MAX {
            break;
        }
    }
    let floe = ours.timing(bytes);
    let plain = plain.is_some().then(|| theirs.timing(bytes));
    let ratio = plain.as_ref().map(|plain| plain.median_ms / floe.median_ms);
    let processor_ratio = plain.as_ref().and_then(|plain| Some(plain.processor_ms? / floe.processor_ms?));
    let floor = floor.map(|(what, _)| {
        let timing = least.timing(bytes);
        let reached = timing.median_ms / floe.median_ms;
        Floor { what, timing, reached }
    });
    Ok(Work { work, floe, plain, ratio, processor_ratio, floor })
}

/// How long something takes, the shorter of two times.
fn trial(run: impl Fn()) -> Duration {
    let once = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let first = once();
    if first < SAMPLE_MIN { first.min(once()) } else { first }
}

/// How often to repeat what takes this long.
fn sample_repeats(took: Duration) -> u32 {
    let repeats = SAMPLE_MIN.as_nanos() / took.as_nanos().max(1);
    u32::try_from(repeats).unwrap_or(REPEATS_MAX).clamp(1, REPEATS_MAX)
}

/// Processor time of all threads that run now (Linux).
fn processor_seconds() -> Option<f64> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += text.split_whitespace().next()?.parse::<f64>().ok()?;
    }
    Some(nanoseconds / 1e9)
}

/// Lets the system forget the peak so far, where it can (Linux).
fn reset_peak() {
    // Without the right to do so the peak is that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}
