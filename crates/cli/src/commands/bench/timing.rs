//! Two implementations of one work, timed in turns, so that whatever else the machine does meets both.

use std::time::{Duration, Instant};

use serde::Serialize;

/// No further turn begins once a work has taken this long.
const WORK_MAX: Duration = Duration::from_secs(30);
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
}

#[derive(Default)]
struct Runs {
    seconds: Vec<f64>,
    processor: Vec<f64>,
    peak: Option<u64>,
}

impl Runs {
    fn time<T>(&mut self, run: impl FnOnce() -> T) -> T {
        reset_peak();
        let (start, processor) = (Instant::now(), processor_seconds());
        let result = run();
        self.seconds.push(start.elapsed().as_secs_f64());
        self.processor.extend(processor_seconds().zip(processor).map(|(end, start)| end - start));
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

/// Times `floe` and `plain` in turns, at most `runs` times each; `prepare` makes an input that `floe` uses up, and
/// `fingerprint` makes the results comparable.
///
/// # Errors
/// They differ.
pub(super) fn compare<I, A, B, F: PartialEq>(
    work: &'static str,
    (bytes, runs): (u64, usize),
    (prepare, floe): (impl Fn() -> I, impl Fn(I) -> A),
    plain: Option<impl Fn() -> B>,
    fingerprint: (impl Fn(A) -> F, impl Fn(B) -> F),
) -> Result<Work, String> {
    let (mut ours, mut theirs) = (Runs::default(), Runs::default());
    let start = Instant::now();
    // A first run that does not count: tables, pages.
    let mut expected = None;
    if bytes < 1 << 28 {
        expected = Some(fingerprint.0(floe(prepare())));
    }
    for _ in 0..runs.max(1) {
        let input = prepare();
        let got = fingerprint.0(ours.time(|| floe(input)));
        if expected.as_ref().is_some_and(|expected| *expected != got) {
            return Err(format!("{work}: two runs gave different bytes"));
        }
        if let Some(plain) = &plain
            && fingerprint.1(theirs.time(plain)) != got
        {
            return Err(format!("{work}: the bytes differ from those of the plain code"));
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
    Ok(Work { work, floe, plain, ratio, processor_ratio })
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
