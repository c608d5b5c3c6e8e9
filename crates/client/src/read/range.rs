//! Ranges: only what holds them is fetched.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use floe_redstuff::{Axis, BlobId, VerifiedSliver};

use super::{decode_checked, fetch::Gathered};
use crate::{
    FloeClient,
    compute::compute,
    config::{Consistency, Unwatched},
    error::ClientError,
};

impl FloeClient {
    /// `len` bytes of a certified blob from `start` on. Where the nodes that hold them answer, only the primary slivers
    /// that cover the range are fetched; otherwise the blob is decoded from others.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`ClientError::RangeOutOfBounds`].
    pub async fn read_range(&self, id: &BlobId, start: u64, len: u64) -> Result<Bytes, ClientError> {
        let (view, metadata) = self.locate(id).await?;
        let size = metadata.unencoded_length();
        let end = start.saturating_add(len);
        if end > size {
            return Err(ClientError::RangeOutOfBounds { blob_id: *id, start, end, size });
        }
        if len == 0 {
            return Ok(Bytes::new());
        }
        let row_bytes = metadata.sliver_bytes(Axis::Primary) as u64;
        let rows = metadata
            .primaries_of_range(start, len)
            .ok_or_else(|| ClientError::Internal(format!("no rows hold bytes {start}..{end}")))?;
        let wanted: BTreeSet<u16> = rows.clone().collect();
        let gather = self.gather(view, &metadata, Arc::new(Unwatched));
        let Gathered { slivers, is_done } = gather.run(Axis::Primary, wanted.clone()).await;
        let has_rows = wanted.iter().all(|&row| slivers.iter().any(|sliver| sliver.index.get() == row));
        if is_done && has_rows {
            return Ok(rows_range(slivers, rows.start, row_bytes, start, end));
        }
        let (axis, slivers) =
            if is_done { (Axis::Primary, slivers) } else { gather.secondary_after(slivers.len()).await? };
        let blob = compute(move || decode_checked(&metadata, axis, slivers, Consistency::Default)).await??;
        Ok(Bytes::from(blob).slice(to_usize(start)..to_usize(end)))
    }
}

/// Bytes `start..end` of the blob out of its rows from `first` on; one row is not copied.
fn rows_range(slivers: Vec<VerifiedSliver>, first: u16, row_bytes: u64, start: u64, end: u64) -> Bytes {
    let base = u64::from(first) * row_bytes;
    let (from, to) = (to_usize(start - base), to_usize(end - base));
    let mut rows: Vec<_> = slivers.into_iter().map(VerifiedSliver::into_inner).collect();
    rows.sort_by_key(|row| row.index);
    if end - base <= row_bytes {
        let row = rows.into_iter().find(|row| row.index.get() == first);
        return row.map_or_else(Bytes::new, |row| Bytes::from(row.data).slice(from..to));
    }
    let mut out = Vec::with_capacity(to - from);
    let mut at = 0;
    for row in rows.iter().filter(|row| row.index.get() >= first) {
        let lo = from.saturating_sub(at).min(row.data.len());
        let hi = to.saturating_sub(at).min(row.data.len());
        out.extend_from_slice(&row.data[lo..hi]);
        at += row.data.len();
    }
    Bytes::from(out)
}

/// A length of bytes that are in memory.
fn to_usize(length: u64) -> usize {
    usize::try_from(length).expect("it is in memory")
}
