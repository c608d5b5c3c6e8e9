use std::time::{SystemTime, UNIX_EPOCH};

/// Block time: the wall clock, plus what `evm_increaseTime` and `evm_setNextBlockTimestamp` added.
///
/// The offset is written with the next block, so a restart keeps it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// Seconds ahead of the wall clock.
    pub(crate) offset_secs: u64,
    /// Exact time of the next block.
    pub(crate) next: Option<u64>,
}

impl Clock {
    /// The time a block made now would have; never before `parent`.
    pub(crate) fn now(&self, parent: u64) -> u64 {
        self.next.unwrap_or_else(|| wall_secs().saturating_add(self.offset_secs)).max(parent)
    }

    /// After a block with this time: later ones go on from there.
    pub(crate) fn passed(&mut self, timestamp: u64) {
        if self.next.take_if(|next| *next <= timestamp).is_some() {
            self.offset_secs = timestamp.saturating_sub(wall_secs());
        }
    }
}

pub(crate) fn wall_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
