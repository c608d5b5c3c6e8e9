//! What is printed: results on stdout, everything else on stderr.

use std::io::{self, Write};

use serde::Serialize;

use crate::{args::Global, error::CliError};

/// Prints a line on stderr. That nobody can read it (a closed pipe, a full disk) is no reason to end a network.
macro_rules! say {
    ($($arg:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($arg)*);
    }};
}
pub(crate) use say;

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let colour = io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none();
        Self { json: global.json, colour }
    }

    /// Prints `value` as JSON, or the text made by `human`.
    pub(crate) fn result<T: Serialize>(&self, value: &T, human: impl FnOnce() -> String) -> Result<(), CliError> {
        let text = match self.json {
            true => serde_json::to_string_pretty(value).map_err(|e| CliError::new("CLI-JSON", 1, e.to_string()))?,
            false => human(),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.trim_end())?;
        Ok(out.flush()?)
    }

    pub(crate) fn error(&self, error: &CliError) {
        let (start, end) = if self.colour { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        say!("{start}Error:{end} {} [{}]", error.message, error.code);
        if let Some(advice) = error.advice {
            say!("  {advice}");
        }
    }
}

/// A number of bytes in binary units with three significant digits: `1023 B`, `1.00 KiB`, `13.6 GiB`.
#[allow(clippy::cast_precision_loss)] // three digits are shown
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    for unit in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        value /= 1024.0;
        // 1023.6 KiB would print as 1024 KiB, which is 1.00 MiB.
        if value < 1023.5 || unit == "EiB" {
            let digits = if value < 9.995 {
                2
            } else if value < 99.95 {
                1
            } else {
                0
            };
            return format!("{value:.digits$} {unit}");
        }
    }
    unreachable!("the last unit is always taken")
}

/// An amount of a token with `decimals` digits after the point, trailing zeros left out.
pub(crate) fn amount(units: u128, decimals: u8, symbol: &str) -> String {
    let scale = 10u128.checked_pow(decimals.into()).unwrap_or(1);
    let (whole, part) = (units / scale, units % scale);
    let part = format!("{part:0width$}", width = usize::from(decimals));
    match part.trim_end_matches('0') {
        "" => format!("{whole} {symbol}"),
        digits => format!("{whole}.{digits} {symbol}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (101_376, "99.0 KiB"),
            (102_400, "100 KiB"),
            (1_047_552, "1023 KiB"),
            (1_048_570, "1.00 MiB"),
            (14_599_533_452, "13.6 GiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn amounts() {
        assert_eq!(amount(1_500_000, 6, "USD"), "1.5 USD");
        assert_eq!(amount(7, 6, "USD"), "0.000007 USD");
        assert_eq!(amount(2, 0, "X"), "2 X");
    }
}
