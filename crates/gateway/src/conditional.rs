//! `ETag`, `If-None-Match` and `If-Range`. The tag is the blob id, unquoted as the reference sends it; both forms are
//! understood in requests.

/// Whether a list of entity tags in `If-None-Match` names the blob.
pub(crate) fn is_match(header: &str, tag: &str) -> bool {
    header.split(',').map(str::trim).any(|item| item == "*" || bare(item) == tag)
}

/// Whether `If-Range` names the blob; a date never does, as there is none to compare with.
pub(crate) fn is_same(header: &str, tag: &str) -> bool {
    let item = header.trim();
    !item.starts_with("W/") && bare(item) == tag
}

fn bare(item: &str) -> &str {
    let item = item.strip_prefix("W/").unwrap_or(item);
    item.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_or_not() {
        for header in ["abc", "\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*", " abc "] {
            assert!(is_match(header, "abc"), "{header}");
        }
        for header in ["", "\"ab\"", "\"abc", "abcd", "x,y"] {
            assert!(!is_match(header, "abc"), "{header}");
        }
        assert!(is_same("\"abc\"", "abc") && is_same("abc", "abc"));
        assert!(!is_same("W/\"abc\"", "abc") && !is_same("*", "abc"));
        assert!(!is_same("Wed, 21 Oct 2015 07:28:00 GMT", "abc"));
    }
}
