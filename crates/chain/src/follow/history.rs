//! Hashes of blocks that were passed, oldest first.

use std::collections::VecDeque;

use alloy::primitives::B256;

/// Blocks that are remembered. A reorganisation beyond all of them is answered by going back blindly.
const BLOCKS_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct History {
    /// Ascending block numbers.
    blocks: VecDeque<(u64, B256)>,
}

impl History {
    /// Adds a block that is at least as new as all others.
    pub(super) fn push(&mut self, block: u64, hash: B256) {
        if self.blocks.back().is_some_and(|(newest, _)| *newest >= block) {
            return;
        }
        if self.blocks.len() == BLOCKS_MAX {
            self.blocks.pop_front();
        }
        self.blocks.push_back((block, hash));
    }

    pub(super) fn get(&self, index: usize) -> Option<(u64, B256)> {
        self.blocks.get(index).copied()
    }

    /// How many of the remembered blocks are not newer than this one.
    pub(super) fn len_up_to(&self, block: u64) -> usize {
        self.blocks.partition_point(|(number, _)| *number <= block)
    }

    pub(super) fn newest_up_to(&self, block: u64) -> Option<(u64, B256)> {
        self.len_up_to(block).checked_sub(1).and_then(|index| self.get(index))
    }

    /// Forgets all but the oldest `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.blocks.truncate(len);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_in_order() {
        let mut history = History::default();
        for block in 0..5000_u64 {
            history.push(2 * block, B256::with_last_byte(1));
            history.push(2 * block, B256::with_last_byte(2));
        }
        assert_eq!(history.len_up_to(u64::MAX), BLOCKS_MAX);
        assert_eq!(history.newest_up_to(9001), Some((9000, B256::with_last_byte(1))));
        assert_eq!(history.newest_up_to(3), None);
        history.truncate(1);
        assert_eq!(history.newest_up_to(u64::MAX), history.get(0));
    }
}
