//! How results are shown.

use std::{fmt::Write as _, time::Duration};

/// How much was done in which time.
pub(crate) struct Rate {
    pub(crate) count: usize,
    pub(crate) took: Duration,
    pub(crate) processor: Duration,
}

/// Latencies with as many writers at once; times in milliseconds.
pub(crate) struct Row {
    pub(crate) writers: usize,
    pub(crate) count: usize,
    pub(crate) median: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    time: Duration,
}

impl Row {
    pub(crate) fn new(writers: usize, time: Duration, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let percentile = |percent: usize| {
            let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
        };
        Self { writers, count: times.len(), median: percentile(50), p95: percentile(95), p99: percentile(99), time }
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 / self.time.as_secs_f64()
    }
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

pub(crate) fn rate(work: &str, goal: &str, Rate { count, took, processor }: &Rate) {
    let (per_second, each) = (*count as f64 / took.as_secs_f64(), processor.as_secs_f64() * 1000.0 / *count as f64);
    println!("| {work} | {goal} | {per_second:.0} | {each:.2} |");
}

/// Processor time of this process so far, of all threads: chain and writers together.
pub(crate) fn processor_time() -> Duration {
    // Fields 14 and 15, in hundredths of a second; the name before them may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// Latency over the number of writers, both by powers of ten.
pub(crate) fn svg(rows: &[Row]) -> String {
    let highest = rows.iter().map(|row| row.p99).fold(1.0, f64::max).log10().ceil();
    let most = rows.iter().map(|row| row.writers as f64).fold(1.0, f64::max).log10();
    let x = |writers: usize| LEFT + (WIDTH - LEFT - RIGHT) * (writers as f64).log10() / most;
    let y = |ms: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ms.max(1.0).log10() / highest;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">From blob id to finality, milliseconds, by writers at once</text>\n"
    );
    let mut ms = 1.0;
    while ms <= 10_f64.powf(highest) {
        let at = y(ms);
        let (right, label) = (WIDTH - RIGHT, LEFT - 8.0);
        let _ = writeln!(out, "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(out, "<text x=\"{label}\" y=\"{:.1}\" text-anchor=\"end\">{ms}</text>", at + 4.0);
        ms *= 10.0;
    }
    for row in rows {
        let (at, under) = (x(row.writers), HEIGHT - BOTTOM + 18.0);
        let _ = writeln!(out, "<text x=\"{at:.1}\" y=\"{under}\" text-anchor=\"middle\">{}</text>", row.writers);
    }
    let series = [("median", "#1f77b4"), ("95th percentile", "#ff7f0e"), ("99th percentile", "#d62728")];
    for (index, (name, colour)) in series.into_iter().enumerate() {
        let value = |row: &Row| [row.median, row.p95, row.p99][index];
        let points: Vec<_> = rows.iter().map(|row| format!("{:.1},{:.1}", x(row.writers), y(value(row)))).collect();
        let line = points.join(" ");
        let _ = writeln!(out, "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        for point in &points {
            if let Some((cx, cy)) = point.split_once(',') {
                let _ = writeln!(out, "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3\" fill=\"{colour}\"/>");
            }
        }
        let (at, under) = (LEFT + 140.0 * index as f64, HEIGHT - 10.0);
        let _ = writeln!(out, "<text x=\"{at}\" y=\"{under}\" fill=\"{colour}\">{name}</text>");
    }
    out.push_str("</svg>\n");
    out
}
