//! How much weight is enough, as functions of the number of shards `n` and of a weight `w` in shards.
//!
//! `f = floor((n - 1) / 3)` shards may be faulty (spec/messages.md section 5.1).

/// The number of faulty shards that a network of `n` tolerates.
#[must_use]
pub const fn max_faulty(n: u16) -> u16 {
    n.saturating_sub(1) / 3
}

/// What a verifier demands of a certificate: `3w >= 2n + 1`, the same as `w >= n - f`.
#[must_use]
pub const fn is_quorum(n: u16, weight: u32) -> bool {
    3 * weight as u64 > 2 * n as u64
}

/// What a verifier demands of an invalid-blob certificate: `3w >= n + 1`, so one signer is honest.
///
/// It is `w >= f + 1` unless `n` is a multiple of 3, then `w >= f + 2`.
#[must_use]
pub const fn is_one_honest(n: u16, weight: u32) -> bool {
    3 * weight as u64 > n as u64
}

/// The least weight for which [`is_one_honest`] holds.
#[must_use]
pub const fn one_honest_needed(n: u16) -> u32 {
    n as u32 / 3 + 1
}

/// Enough confirmations to certify, counted by whoever collects them: `w >= n - f`.
#[must_use]
pub const fn enough_confirmations(n: u16, weight: u32) -> bool {
    weight >= confirmations_needed(n)
}

/// The least weight for which [`enough_confirmations`] holds: `n - f`.
#[must_use]
pub const fn confirmations_needed(n: u16) -> u32 {
    (n - max_faulty(n)) as u32
}

/// More than a faulty third: `w > f`. An answer with that weight behind it has an honest node behind it.
#[must_use]
pub const fn above_f(n: u16, weight: u32) -> bool {
    weight > max_faulty(n) as u32
}

/// More than two faulty thirds: `w > 2f`. Decides reads: statuses and "not found".
#[must_use]
pub const fn is_read_quorum(n: u16, weight: u32) -> bool {
    weight > 2 * max_faulty(n) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::int_plus_one, reason = "the rules as the spec writes them")]
    fn rules_agree_for_every_n_below_2000() {
        for n in 1..2000u16 {
            let f = u32::from(max_faulty(n));
            let total = u32::from(n);
            assert!(3 * f < total && 3 * (f + 1) >= total, "n = {n}");
            for w in 0..=total {
                assert_eq!(is_quorum(n, w), 3 * w >= 2 * total + 1, "n = {n}, w = {w}");
                assert_eq!(is_quorum(n, w), w >= total - f, "n = {n}, w = {w}");
                assert_eq!(is_quorum(n, w), enough_confirmations(n, w));
                let one_honest_from = if n % 3 == 0 { f + 2 } else { f + 1 };
                assert_eq!(is_one_honest(n, w), w >= one_honest_from, "n = {n}, w = {w}");
                assert_eq!(is_one_honest(n, w), 3 * w >= total + 1);
                assert_eq!(above_f(n, w), w >= f + 1);
                assert_eq!(is_read_quorum(n, w), w >= 2 * f + 1);
            }
            assert!(is_one_honest(n, one_honest_needed(n)) && !is_one_honest(n, one_honest_needed(n) - 1));
            assert!(enough_confirmations(n, confirmations_needed(n)));
            assert!(!enough_confirmations(n, confirmations_needed(n) - 1));
        }
    }

    #[test]
    fn quorums_meet_in_an_honest_node() {
        for n in 4..2000u16 {
            let needed = confirmations_needed(n);
            let overlap = 2 * needed - u32::from(n);
            assert!(above_f(n, overlap), "n = {n}");
        }
    }

    #[test]
    fn largest_values_do_not_overflow() {
        assert!(is_quorum(u16::MAX, u32::MAX));
        assert!(is_one_honest(u16::MAX, u32::MAX));
        assert_eq!(max_faulty(0), 0);
    }
}
