//! What options take: numbers of epochs, durations.

use std::time::Duration;

/// A number of epochs, or as many as the network allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epochs {
    Count(u32),
    Max,
}

impl std::str::FromStr for Epochs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "max" => Ok(Self::Max),
            _ => match text.parse() {
                Ok(0) => Err("at least one epoch is needed".into()),
                Ok(count) => Ok(Self::Count(count)),
                Err(_) => Err("a number of epochs, or max".into()),
            },
        }
    }
}

/// A duration such as `30s`, `10m`, `2h` or `1d`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds: u64 = match &text[digits.len()..] {
        "s" | "" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        unit => return Err(format!("unknown unit {unit}: use s, m, h or d")),
    };
    let count: u64 = digits.parse().map_err(|_| format!("{text} is not a duration: write 30s, 10m, 2h or 1d"))?;
    count
        .checked_mul(seconds)
        .filter(|s| *s > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in ["", "0s", "5y", "h", "-1s", "99999999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn epochs() {
        assert_eq!("max".parse(), Ok(Epochs::Max));
        assert_eq!("7".parse(), Ok(Epochs::Count(7)));
        assert!("0".parse::<Epochs>().is_err());
    }
}
