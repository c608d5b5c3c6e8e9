//! Two implementations of one work, timed in turns, so that whatever else the machine does meets both.

use std::time::{Duration, Instant};

use serde::Serialize;

/// No further turn begins once a work has taken this long.
const WORK_MAX: Duration = Duration::from_secs(30);

/// What was measured of one implementation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Timing {
    /// Median, in milliseconds.
    pub(super) median_ms: f64,
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
}

#[derive(Default)]
struct Runs {
    seconds: Vec<f64>,
    peak: Option<u64>,
}

impl Runs {
    fn time<T>(&mut self, run: impl FnOnce() -> T) -> T {
        reset_peak();
        let start = Instant::now();
        let result = run();
        self.seconds.push(start.elapsed().as_secs_f64());
        self.peak = self.peak.max(peak());
        result
    }

    #[allow(clippy::cast_precision_loss)] // three digits are shown
    fn timing(mut self, bytes: u64) -> Timing {
        self.seconds.sort_by(f64::total_cmp);
        let middle = self.seconds.len() / 2;
        let median = match self.seconds.len() % 2 {
            0 => (self.seconds[middle - 1] + self.seconds[middle]) / 2.0,
            _ => self.seconds[middle],
        };
        let mb_per_s = bytes as f64 / 1e6 / median;
        Timing { median_ms: median * 1e3, mb_per_s, peak_bytes: self.peak, runs: self.seconds.len() }
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
    Ok(Work { work, floe, plain, ratio })
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
