//! What options take: numbers of epochs, durations, times, ids.

use std::{str::FromStr, time::Duration};

use floe_protocol::{BlobId, NodeId, ObjectId};

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

/// A time: RFC 3339 (`2027-03-20T15:00:00Z`), or `2027-03-20 15:00:00` and `2027-03-20` in UTC. In seconds since 1970.
pub(super) fn parse_time(text: &str) -> Result<u64, String> {
    let bad = || format!("{text} is not a time: write 2027-03-20T15:00:00Z or 2027-03-20");
    let (date, rest) = text.split_at_checked(10).ok_or_else(bad)?;
    let time = rest.strip_prefix(['T', 't', ' ']).or_else(|| rest.is_empty().then_some("00:00:00")).ok_or_else(bad)?;
    let (clock, zone) = time.split_at_checked(8).ok_or_else(bad)?;
    let [year, month, day] = numbers(date, '-').ok_or_else(bad)?;
    let [hour, minute, second] = numbers(clock, ':').ok_or_else(bad)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return Err(bad());
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    u64::try_from(seconds - offset(zone).ok_or_else(bad)?).map_err(|_| format!("{text} is before 1970"))
}

/// Three numbers of fixed width between separators.
fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Seconds east of Greenwich: nothing, `Z`, or `+01:00`. A fraction of a second before it does not matter.
fn offset(zone: &str) -> Option<i64> {
    let zone = zone.strip_prefix('.').map_or(zone, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    if matches!(zone, "" | "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let [hours, minutes, _] = numbers(&format!("{}:00", zone.get(1..)?), ':')?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01 in the Gregorian calendar: years begin in March, so that the leap day is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// An amount of a token, exactly as it was typed; how many decimals the token has is known later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    digits: u128,
    decimals: u8,
}

impl Amount {
    /// In the smallest unit of a token.
    pub(crate) fn units(self, decimals: u8) -> Result<u128, String> {
        let missing = decimals.checked_sub(self.decimals);
        let missing = missing.ok_or_else(|| format!("this token has {decimals} decimals, not {}", self.decimals))?;
        let scale = 10u128.checked_pow(missing.into());
        scale.and_then(|scale| self.digits.checked_mul(scale)).ok_or_else(|| "the amount is out of range".to_owned())
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let part = part.trim_end_matches('0');
        let digits = format!("{whole}{part}");
        let bad = || format!("{text} is not an amount: write whole tokens, such as 1000 or 0.25");
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let decimals = u8::try_from(part.len()).map_err(|_| bad())?;
        Ok(Self { digits: digits.parse().map_err(|_| format!("{text} is out of range"))?, decimals })
    }
}

/// A part of a whole, as `5%`, `0.5%` or in basis points (`50`).
pub(super) fn parse_basis_points(text: &str) -> Result<u16, String> {
    let bad = || format!("{text} is not a part: write 5%, 0.25% or a number of basis points, at most 100% or 10000");
    let points = basis_points(text).and_then(|points| u16::try_from(points).ok());
    points.filter(|points| *points <= 10_000).ok_or_else(bad)
}

/// A rate that may be more than a whole, in the same form.
pub(super) fn parse_rate(text: &str) -> Result<u32, String> {
    let bad =
        || format!("{text} is not a rate: write 10%, 0.25% or a number of basis points, at most 10000% or 1000000");
    let points = basis_points(text).and_then(|points| u32::try_from(points).ok());
    points.filter(|points| *points <= 1_000_000).ok_or_else(bad)
}

fn basis_points(text: &str) -> Option<u128> {
    match text.strip_suffix('%') {
        Some(percent) => percent.parse::<Amount>().ok()?.units(2).ok(),
        None => text.parse().ok(),
    }
}

/// The id of a node: its number, or `0x` and hex digits.
pub(super) fn parse_node_id(text: &str) -> Result<NodeId, String> {
    match text.parse() {
        Ok(number) => Ok(NodeId::from_number(number)),
        Err(_) if text.starts_with("0x") => text.parse::<NodeId>().map_err(|e| e.to_string()),
        Err(_) => Err(format!("{text} is not a node: write its number (`floe committee` shows it)")),
    }
}

/// The id of a registration: its number, or `0x` and hex digits.
pub(super) fn parse_object_id(text: &str) -> Result<ObjectId, String> {
    match text.parse() {
        Ok(number) => Ok(ObjectId::from_number(number)),
        Err(_) if text.starts_with("0x") => text.parse::<ObjectId>().map_err(|e| e.to_string()),
        Err(_) => Err(format!("{text} is not an object ID: write its number (`floe list-blobs` shows it)")),
    }
}

/// A blob, or one registration of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobRef {
    Blob(BlobId),
    Object(ObjectId),
}

/// A blob ID of 43 characters, or an object ID.
pub(super) fn parse_blob_ref(text: &str) -> Result<BlobRef, String> {
    if text.len() == 43 && !text.starts_with("0x") {
        return text.parse::<BlobId>().map(BlobRef::Blob).map_err(|e| e.to_string());
    }
    let bad = |_| format!("{text} is neither a blob ID (43 characters) nor an object ID (a number, or 0x…)");
    parse_object_id(text).map(BlobRef::Object).map_err(bad)
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

    #[test]
    fn times() {
        assert_eq!(parse_time("1970-01-01"), Ok(0));
        assert_eq!(parse_time("2024-03-20T15:00:00Z"), Ok(1_710_946_800));
        assert_eq!(parse_time("2024-03-20 15:00:00"), Ok(1_710_946_800));
        assert_eq!(parse_time("2024-03-20T15:00:00.5+01:30"), Ok(1_710_941_400));
        assert_eq!(parse_time("2000-02-29"), Ok(951_782_400));
        for bad in ["", "2024", "2024-13-01", "2024-03-20T25:00:00Z", "2024-03-20X15:00:00", "1969-12-31", "äääääää"]
        {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_are_exact() {
        let units = |text: &str, decimals| text.parse::<Amount>().and_then(|amount| amount.units(decimals));
        assert_eq!(units("1000", 18), Ok(1000 * 10u128.pow(18)));
        assert_eq!(units("0.000001", 6), Ok(1));
        assert_eq!(units("1.2500000", 2), Ok(125));
        assert_eq!(units("0", 6), Ok(0));
        for bad in ["", ".5", "1e3", "-1", "1.2.3", "1,5", "0.0000001", "999999999999999999999999999999999999999"] {
            assert!(units(bad, 6).is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_of_a_whole() {
        assert_eq!(parse_basis_points("5%"), Ok(500));
        assert_eq!(parse_basis_points("0.25%"), Ok(25));
        assert_eq!(parse_basis_points("50"), Ok(50));
        for bad in ["101%", "10001", "0.001%", "", "%", "-1"] {
            assert!(parse_basis_points(bad).is_err(), "{bad}");
        }
        assert_eq!((parse_rate("250.5%"), parse_rate("1000000")), (Ok(25_050), Ok(1_000_000)));
        for bad in ["10000.01%", "1000001", "-5%", ""] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids() {
        assert_eq!(parse_node_id("7"), Ok(NodeId::from_number(7)));
        assert_eq!(parse_node_id("0x07"), Ok(NodeId::from_number(7)));
        assert_eq!(parse_object_id("12"), Ok(ObjectId::from_number(12)));
        assert!(parse_node_id("node-7").is_err());
        let blob = "aO3DCvJe-1spgyze6G_HxQh0gqtOYmxK9VKPcmt4cQA";
        assert_eq!(parse_blob_ref(blob), Ok(BlobRef::Blob(blob.parse().unwrap())));
        assert_eq!(parse_blob_ref("12"), Ok(BlobRef::Object(ObjectId::from_number(12))));
        assert!(parse_blob_ref("nonsense").is_err());
    }
}
