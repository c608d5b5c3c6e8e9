//! What the system's allocator does with memory that is freed.

use std::hint::black_box;

/// Slivers up to this size are received into memory that earlier ones had.
pub(crate) const SLIVER_BYTES: usize = 16 << 20;

/// Lets it keep memory for what comes next, about twice so many bytes for each of its heaps: pages that are given back and
/// taken again cost more than what is done with them.
///
/// glibc learns from a large piece that is freed: pieces up to that size, 32 MiB at most, come from a heap from then on, and
/// the free end of a heap is kept up to twice that size. The piece itself is not touched. Other allocators ignore it.
pub(crate) fn keep_freed(bytes: usize) {
    drop(black_box(vec![0_u8; bytes]));
}
