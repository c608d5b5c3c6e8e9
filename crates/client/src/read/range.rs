//! Ranges: only what holds them is fetched.
//!
//! A range is cut into pieces, each within one row of the blob. Where the symbols that hold a piece cost less than the whole
//! row, they are asked for alone, each with its proof; a row that does not come is rebuilt ([`super::rebuild`]). Pieces are
//! fetched some ahead and handed on in order, so that memory does not grow with the range.

use std::{
    collections::BTreeSet,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use floe_redstuff::{Axis, BlobId, VerifiedSliver};
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};

use super::{
    decode_checked,
    fetch::{Gather, Gathered},
    part::{REQUEST_WORTH_BYTES, ROW_BYTES_MAX, parts},
    rows::Rows,
};
use crate::{
    FloeClient,
    compute::compute,
    config::{Consistency, Unwatched},
    error::ClientError,
};

/// Pieces that are under way or wait for their turn, in bytes, at least two.
const AHEAD_BYTES: usize = 32 << 20;
/// A blob of small rows is decoded as a whole, up to this size, when a row does not come.
const WHOLE_BYTES_MAX: u64 = 4 << 20;

pub(super) type Piece = Result<Bytes, ClientError>;

/// A range on its way: verified pieces in order. An error is the last piece.
pub struct RangeStream {
    pieces: BoxStream<'static, Piece>,
}

impl Stream for RangeStream {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.pieces.poll_next_unpin(cx)
    }
}

impl std::fmt::Debug for RangeStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RangeStream").finish_non_exhaustive()
    }
}

impl FloeClient {
    /// `len` bytes of a certified blob from `start` on. Where the node that holds a row answers, only the symbols that cover
    /// the range are fetched; otherwise the row is rebuilt from others.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`ClientError::RangeOutOfBounds`].
    pub async fn read_range(&self, id: &BlobId, start: u64, len: u64) -> Result<Bytes, ClientError> {
        let mut pieces = self.read_range_stream(id, start, len).await?;
        let Some(first) = pieces.try_next().await? else { return Ok(Bytes::new()) };
        let len = to_usize(len);
        if first.len() == len {
            return Ok(first);
        }
        let mut all = BytesMut::with_capacity(len);
        all.extend_from_slice(&first);
        while let Some(piece) = pieces.try_next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// As [`read_range`](Self::read_range), piece by piece, in memory that does not depend on the range: some 40 MiB, and
    /// five rows of the blob where one must be rebuilt. Where a row cannot be rebuilt since more than `f` shards are silent,
    /// the rows of the range are decoded in the memory and on the disk that [`read_stream`](Self::read_stream) takes.
    ///
    /// # Errors
    /// As [`read_range`](Self::read_range); the last piece may be one, too.
    pub async fn read_range_stream(&self, id: &BlobId, start: u64, len: u64) -> Result<RangeStream, ClientError> {
        let (view, metadata) = self.locate(id).await?;
        let size = metadata.unencoded_length();
        let end = start.saturating_add(len);
        if end > size {
            return Err(ClientError::RangeOutOfBounds { blob_id: *id, start, end, size });
        }
        let range = start..end;
        let gather = self.gather(view, &metadata, Arc::new(Unwatched));
        let row_bytes = metadata.sliver_bytes(Axis::Primary);
        let pieces = if range.is_empty() {
            futures::stream::empty().boxed()
        } else if row_bytes <= REQUEST_WORTH_BYTES && size <= WHOLE_BYTES_MAX {
            futures::stream::once(small(gather, range)).boxed()
        } else {
            let ahead = AHEAD_BYTES / row_bytes.clamp(1, ROW_BYTES_MAX);
            let ahead = ahead.clamp(2, self.inner.config.read.concurrent_slivers_max.max(2));
            let touched = metadata.primaries_of_range(start, len).unwrap_or_default();
            let rows = Arc::new(Rows::new(gather, self.inner.rebuilt.clone(), touched));
            let parts = futures::stream::iter(parts(&metadata, range));
            parts.map(move |part| rows.clone().read(part)).buffered(ahead).boxed()
        };
        let (client, blob) = (self.clone(), *id);
        let explained = pieces.or_else(move |error| {
            let client = client.clone();
            async move { Err(client.explained(&blob, error).await) }
        });
        Ok(RangeStream { pieces: explained.boxed() })
    }
}

/// A range of a small blob of small rows: from its rows, or else from whatever decodes.
async fn small(gather: Gather, range: Range<u64>) -> Piece {
    let metadata = gather.metadata.clone();
    let row_bytes = metadata.sliver_bytes(Axis::Primary) as u64;
    let rows = metadata
        .primaries_of_range(range.start, range.end - range.start)
        .ok_or_else(|| ClientError::Internal(format!("no rows hold bytes {range:?}")))?;
    let wanted: BTreeSet<u16> = rows.clone().collect();
    let Gathered { slivers, answered, is_done } = gather.run(Axis::Primary, wanted.clone()).await;
    let has_rows = wanted.iter().all(|&row| slivers.iter().any(|sliver| sliver.index.get() == row));
    if is_done && has_rows {
        return Ok(rows_range(slivers, rows.start, row_bytes, range));
    }
    let (axis, slivers) = if is_done { (Axis::Primary, slivers) } else { gather.secondary_after(answered).await? };
    let blob = compute(move || decode_checked(&metadata, axis, slivers, Consistency::Default)).await??;
    Ok(Bytes::from(blob).slice(to_usize(range.start)..to_usize(range.end)))
}

/// These bytes of the blob out of its rows from `first` on; one row is not copied.
fn rows_range(slivers: Vec<VerifiedSliver>, first: u16, row_bytes: u64, range: Range<u64>) -> Bytes {
    let base = u64::from(first) * row_bytes;
    let (from, to) = (to_usize(range.start - base), to_usize(range.end - base));
    let mut rows: Vec<_> = slivers.into_iter().map(VerifiedSliver::into_inner).collect();
    rows.sort_by_key(|row| row.index);
    if range.end - base <= row_bytes {
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

/// A length of bytes that are in memory, or can be.
pub(super) fn to_usize(length: u64) -> usize {
    usize::try_from(length).expect("it is in memory")
}
