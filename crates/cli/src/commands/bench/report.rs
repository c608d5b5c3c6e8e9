//! What `floe bench code` prints.

use std::fmt::Write;

use serde::Serialize;

use super::timing::{Floor, Work};

/// The whole result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) n_shards: u16,
    pub(super) blob_bytes: u64,
    pub(super) symbol_bytes: u16,
    pub(super) threads: usize,
    /// Vector instructions in use.
    pub(super) simd: &'static str,
    /// Sliver pairs that are verified and rebuilt.
    pub(super) pairs: usize,
    pub(super) works: Vec<Work>,
}

impl Report {
    #[allow(clippy::cast_precision_loss)] // three digits are shown
    pub(super) fn table(&self) -> String {
        let Self { n_shards, blob_bytes, symbol_bytes, threads, simd, .. } = self;
        let mut text = format!(
            "{n_shards} shards, {blob_bytes} bytes, symbols of {symbol_bytes}, {threads} threads, {simd}\n\
             {:<34}{:>12}{:>10}{:>12}{:>9}{:>12}{:>11}\n",
            "", "median", "MB/s", "plain", "ratio", "cpu ratio", "peak MiB"
        );
        for Work { work, floe, plain, ratio, processor_ratio, floor } in &self.works {
            let plain = plain.as_ref().map_or("-".into(), |plain| format!("{:.2} ms", plain.median_ms));
            let times = |ratio: &Option<f64>| ratio.map_or("-".into(), |ratio| format!("{ratio:.2}x"));
            let (ratio, processor) = (times(ratio), times(processor_ratio));
            let peak = floe.peak_bytes.map_or("-".into(), |bytes| format!("{:.0}", bytes as f64 / 1_048_576.0));
            let median = format!("{:.2} ms", floe.median_ms);
            // Writing into a string cannot fail.
            let _ = writeln!(
                text,
                "{work:<34}{median:>12}{:>10.1}{plain:>12}{ratio:>9}{processor:>12}{peak:>11}",
                floe.mb_per_s
            );
            if let Some(Floor { what, timing, reached }) = floor {
                let (median, percent) = (format!("{:.2} ms", timing.median_ms), reached * 100.0);
                let _ = writeln!(
                    text,
                    "  {what:<32}{median:>12}{:>10.1}  of which {percent:.0} % reached",
                    timing.mb_per_s
                );
            }
        }
        text
    }
}
