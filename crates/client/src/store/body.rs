//! The body of one upload: metadata and the sliver pairs of one node, made as they are sent.
//!
//! The bytes of slivers are not copied: each frame points into the encoded blob, which all uploads share.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use floe_protocol::upload::{self, UploadError};
use floe_redstuff::{Axis, EncodedBlob, PairIndex, Sliver};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::{config::Progress, http::BoxError};

/// Longest frame: what moves is noticed at this grain.
const FRAME_BYTES_MAX: usize = 256 << 10;

/// When a body last moved.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    last_millis: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), last_millis: AtomicU64::new(0) })
    }

    /// The moment when a frame was taken last.
    pub(super) fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last_millis.load(Ordering::Relaxed))
    }

    fn touch(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(millis, Ordering::Relaxed);
    }
}

/// A body that is made frame by frame.
pub(super) struct UploadBody {
    encoded: Arc<EncodedBlob>,
    pairs: VecDeque<PairIndex>,
    ready: VecDeque<Bytes>,
    remaining: u64,
    activity: Arc<Activity>,
    progress: Option<Arc<dyn Progress>>,
}

impl UploadBody {
    /// A body with these pairs, which must ascend. `metadata` is BCS, without the id.
    pub(super) fn new(
        encoded: Arc<EncodedBlob>,
        metadata: &Bytes,
        pairs: Vec<PairIndex>,
        activity: Arc<Activity>,
        progress: Option<Arc<dyn Progress>>,
    ) -> Result<Self, UploadError> {
        let count = u16::try_from(pairs.len()).unwrap_or(u16::MAX);
        let header = upload::header(count, metadata.len())?;
        Ok(Self {
            remaining: body_bytes(&encoded, count),
            encoded,
            pairs: pairs.into(),
            ready: VecDeque::from([Bytes::copy_from_slice(&header), metadata.clone()]),
            activity,
            progress,
        })
    }

    fn prepare(&mut self, index: PairIndex) -> Result<(), UploadError> {
        let mut framing = Vec::new();
        for axis in Axis::ALL {
            let slice = SliverBytes { encoded: self.encoded.clone(), index, axis };
            let sliver = slice.sliver();
            let length = sliver.bcs_len();
            match axis {
                Axis::Primary => framing.extend_from_slice(&upload::primary_prefix(index, length)?),
                Axis::Secondary => framing.extend_from_slice(&upload::secondary_prefix(length)?),
            }
            put_uleb(&mut framing, sliver.data.len());
            let suffix = [sliver.symbol_size.get().to_le_bytes(), sliver.index.get().to_le_bytes()];
            self.ready.push_back(Bytes::from(std::mem::take(&mut framing)));
            let mut data = Bytes::from_owner(slice);
            while data.len() > FRAME_BYTES_MAX {
                self.ready.push_back(data.split_to(FRAME_BYTES_MAX));
            }
            self.ready.push_back(data);
            framing.extend_from_slice(suffix.as_flattened());
        }
        self.ready.push_back(Bytes::from(framing));
        Ok(())
    }
}

impl http_body::Body for UploadBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ready.is_empty()
            && let Some(pair) = self.pairs.pop_front()
        {
            self.prepare(pair)?;
        }
        let Some(bytes) = self.ready.pop_front() else {
            return Poll::Ready(None);
        };
        self.activity.touch();
        self.remaining = self.remaining.saturating_sub(bytes.len() as u64);
        if let Some(progress) = &self.progress {
            progress.advance(bytes.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.pairs.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// Length of a body with that many pairs.
pub(super) fn body_bytes(encoded: &EncodedBlob, pairs: u16) -> u64 {
    let metadata = &encoded.metadata;
    upload::body_bytes(metadata.params(), metadata.symbol_size(), pairs)
}

/// A length as BCS writes it.
fn put_uleb(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).expect("7 bits") | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).expect("7 bits"));
}

/// The symbols of one sliver of a shared blob.
struct SliverBytes {
    encoded: Arc<EncodedBlob>,
    index: PairIndex,
    axis: Axis,
}

impl SliverBytes {
    fn sliver(&self) -> &Sliver {
        self.encoded.pairs[usize::from(self.index.get())].sliver(self.axis)
    }
}

impl AsRef<[u8]> for SliverBytes {
    fn as_ref(&self) -> &[u8] {
        &self.sliver().data
    }
}
