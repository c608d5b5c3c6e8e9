//! How many slivers a read may hold at once: below a ceiling on memory, and no more than it has use for.

use floe_redstuff::{Axis, VerifiedMetadata, verification_bytes};

use crate::config::ReadConfig;

/// Slivers that are written or handed on while others are in flight.
const SLIVERS_ASIDE: usize = 2;

/// Bytes on their way that keep the links of quick nodes busy. More only take memory that must be touched first.
const BUSY_BYTES: usize = 32 << 20;
/// Slivers on their way whatever they weigh, so that several nodes work.
const BUSY_SLIVERS: usize = 8;

/// How many slivers of so many bytes are asked for at once while nodes are quick.
pub(crate) fn quick_max(sliver_bytes: usize) -> usize {
    (BUSY_BYTES / sliver_bytes).max(BUSY_SLIVERS)
}

/// What a ceiling on memory allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Slivers on their way or waiting to be taken, in memory with all their bytes.
    pub(crate) in_flight_max: usize,
    /// Slivers that are verified at once.
    pub(crate) verifying_max: usize,
}

impl Budget {
    /// Three quarters of the ceiling are for slivers and one eighth for their verification; the rest is for connections
    /// and for what the allocator keeps. There is always room for one.
    pub(crate) fn new(metadata: &VerifiedMetadata, axis: Axis, ceiling: usize) -> Self {
        let sliver = metadata.sliver_bytes(axis);
        Self {
            in_flight_max: (ceiling / 4 * 3 / sliver).saturating_sub(SLIVERS_ASIDE).max(1),
            verifying_max: (ceiling / 8 / verification_bytes(metadata, axis)).clamp(1, rayon::current_num_threads()),
        }
    }
}

impl Budget {
    /// What a stream of the blob takes: no more than for as many rows as are asked for at the same time, at most.
    pub(crate) fn to_stream(metadata: &VerifiedMetadata, config: &ReadConfig) -> usize {
        let rows = config.concurrent_slivers_max + SLIVERS_ASIDE;
        config.ceiling().min(rows * metadata.sliver_bytes(Axis::Primary) / 3 * 4)
    }
}

#[cfg(test)]
mod tests {
    use floe_redstuff::{EncodingParams, compute_metadata};

    use super::*;

    #[test]
    fn there_is_always_room_for_one_and_no_more_than_fits() {
        let params = EncodingParams::new(10).unwrap();
        let metadata = compute_metadata(params, &[1; 2800]).unwrap();
        // Rows of 700 bytes, columns of 400.
        for (axis, sliver, rest) in [(Axis::Primary, 700, 300), (Axis::Secondary, 400, 600)] {
            let none = Budget::new(&metadata, axis, 0);
            assert_eq!(none, Budget { in_flight_max: 1, verifying_max: 1 });
            let some = Budget::new(&metadata, axis, 100_000);
            assert_eq!(some.in_flight_max, 75_000 / sliver - 2);
            assert!(some.verifying_max * rest <= 12_500);
        }
    }

    #[test]
    fn the_heavier_slivers_are_the_fewer_are_on_their_way() {
        assert_eq!(quick_max(1 << 10), 32 << 10);
        assert_eq!(quick_max(3 << 20), 10);
        assert_eq!(quick_max(40 << 20), BUSY_SLIVERS);
    }
}
