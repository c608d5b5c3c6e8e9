//! Working space that a thread keeps from one use to the next.
//!
//! What the code works in is a few hundred kilobytes, which the system gives in new pages and takes back each time:
//! filling those costs more than the work itself. So a thread keeps a few buffers.

use std::cell::RefCell;

/// Buffers that a thread keeps.
const BUFFERS_MAX: usize = 6;
/// Larger ones are given back: they are for blobs that take so long that pages no longer matter.
const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer with anything in it.
pub(crate) struct Scratch(Vec<u8>);

impl Scratch {
    /// One that the thread has kept, or a new one.
    pub(crate) fn new() -> Self {
        Self(KEPT.with_borrow_mut(Vec::pop).unwrap_or_default())
    }

    /// The first bytes of it, as many as asked for.
    pub(crate) fn first(&mut self, bytes: usize) -> &mut [u8] {
        if self.0.len() < bytes {
            // Nothing that is in it counts, so it need not be moved.
            self.0.clear();
            self.0.reserve_exact(bytes);
            self.0.resize(bytes, 0);
        }
        &mut self.0[..bytes]
    }

    /// As many bytes as were asked for before, or more.
    pub(crate) fn held(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        // A thread that ends has nothing to keep.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < BUFFERS_MAX && (1..=BUFFER_BYTES_MAX).contains(&buffer.capacity()) {
                kept.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_some_buffers_of_some_size() {
        let mut many: Vec<Scratch> = (0..2 * BUFFERS_MAX).map(|_| Scratch::new()).collect();
        for (i, scratch) in many.iter_mut().enumerate() {
            assert_eq!(scratch.first(1000 + i).len(), 1000 + i);
        }
        drop(many);
        assert_eq!(KEPT.with_borrow(Vec::len), BUFFERS_MAX);
        let mut kept = Scratch::new();
        let address = kept.first(1000).as_ptr();
        drop(kept);
        let mut again = Scratch::new();
        assert_eq!(again.first(1000).as_ptr(), address);
        again.first(BUFFER_BYTES_MAX + 1);
        drop(again);
        assert_eq!(KEPT.with_borrow(Vec::len), BUFFERS_MAX - 1);
    }
}
