//! Sizes as people write them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A number of bytes, written as `512MiB`, `1GiB`, or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "String")]
pub struct ByteSize(pub u64);

/// What stands in a file: a text, or a number of bytes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Bytes(u64),
    Text(String),
}

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &text[digits.len()..];
        let shift = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, shift)) => *shift,
            None if unit.is_empty() => 0,
            None => return Err(format!("unknown unit {unit}: use KiB, MiB, GiB or TiB")),
        };
        let count: u64 = digits.parse().map_err(|_| format!("{text} is not a size: write 64KiB, 32MiB or 1GiB"))?;
        count.checked_mul(1 << shift).map(Self).ok_or_else(|| format!("{text} is out of range"))
    }
}

impl TryFrom<Text> for ByteSize {
    type Error = String;

    fn try_from(text: Text) -> Result<Self, String> {
        match text {
            Text::Bytes(bytes) => Ok(Self(bytes)),
            Text::Text(text) => text.parse(),
        }
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

/// In the largest unit that gives a whole number.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, shift) =
            UNITS.iter().find(|(_, shift)| self.0 != 0 && self.0.trailing_zeros() >= *shift).unwrap_or(&("B", 0));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in
            [("0B", 0), ("1000B", 1000), ("64KiB", 64 << 10), ("1025KiB", 1025 << 10), ("13GiB", 13 << 30)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        assert_eq!("77".parse(), Ok(ByteSize(77)));
        for bad in ["", "GiB", "1GB", "-1", "1.5GiB", "99999999999GiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }
}
