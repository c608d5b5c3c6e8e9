use super::record::{Location, read_u64};

/// What a commit record says of the log before it, in the place of a blob id. A commit record that is missing between two
/// others, or that was damaged after it was durable, shows by that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommitLink {
    /// Where the commit record before this one ends; `None` in the first one and in those of earlier builds.
    pub(crate) previous: Option<Location>,
    /// Batches whose commit records end here or before were durable when this one was written.
    pub(crate) durable: Option<Location>,
}

impl CommitLink {
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (place, bytes) in [self.previous, self.durable].into_iter().zip(bytes.chunks_exact_mut(16)) {
            if let Some(place) = place {
                bytes[..8].copy_from_slice(&place.segment.to_le_bytes());
                bytes[8..].copy_from_slice(&place.offset.to_le_bytes());
            }
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        let place = |at| {
            let place = Location { segment: read_u64(bytes, at)?, offset: read_u64(bytes, at + 8)? };
            (place.segment > 0).then_some(place)
        };
        Self { previous: place(0), durable: place(16) }
    }
}
