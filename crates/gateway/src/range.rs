//! The `Range` header: one range, in any of its three forms (RFC 9110 section 14).

use std::ops::Range;

/// Why a range is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RangeError {
    #[error("\"{0}\" is not a single byte range; bytes=A-B, bytes=A- and bytes=-N are")]
    Form(String),
    #[error("\"{header}\" is outside the blob of {size} bytes")]
    Outside { header: String, size: u64 },
}

/// The bytes that the header asks for: never empty, and inside the blob. An end beyond the blob is cut.
pub(crate) fn parse(header: &str, size: u64) -> Result<Range<u64>, RangeError> {
    let form = || RangeError::Form(header.chars().take(100).collect());
    let outside = || RangeError::Outside { header: header.chars().take(100).collect(), size };
    let (unit, spec) = header.split_once('=').ok_or_else(form)?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Err(form());
    }
    let (first, last) = spec.trim().split_once('-').ok_or_else(form)?;
    let (first, last) = (number(first), number(last));
    let range = match (first, last) {
        (Number::Is(first), Number::Is(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Number::Is(first), Number::Absent) => first..size,
        (Number::Absent, Number::Is(count)) => size.saturating_sub(count)..size,
        _ => return Err(form()),
    };
    if range.is_empty() {
        return Err(outside());
    }
    Ok(range)
}

enum Number {
    Absent,
    Is(u64),
    Bad,
}

fn number(text: &str) -> Number {
    let text = text.trim();
    if text.is_empty() {
        return Number::Absent;
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Number::Bad;
    }
    // More digits than 64 bits hold: beyond any blob.
    Number::Is(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        assert_eq!(parse("bytes=0-0", 10), Ok(0..1));
        assert_eq!(parse("bytes=2-5", 10), Ok(2..6));
        assert_eq!(parse("bytes=2-", 10), Ok(2..10));
        assert_eq!(parse("bytes=-3", 10), Ok(7..10));
        assert_eq!(parse(" Bytes = 2 - 5 ", 10), Ok(2..6));
        assert_eq!(parse("bytes=8-99999999999999999999999", 10), Ok(8..10), "cut at the end");
        assert_eq!(parse("bytes=-99", 10), Ok(0..10), "all of it");
    }

    #[test]
    fn what_is_not_served() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "lines=1-2",
            "bytes=0-1,3-4",
            "bytes=--1",
            "bytes=+1-2",
        ] {
            assert!(matches!(parse(text, 10), Err(RangeError::Form(_))), "{text}");
        }
        for (text, size) in [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
        {
            assert!(matches!(parse(text, size), Err(RangeError::Outside { .. })), "{text}");
        }
    }
}
