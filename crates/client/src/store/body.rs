//! The body of one upload: metadata and the sliver pairs of one node, made as they are sent.
//!
//! Slivers in memory are not copied, unless in short pieces: frames point into the blob and what the code added to it, which
//! all uploads share. Spooled ones are read piece by piece, one piece ahead of what is sent.

use std::{
    collections::VecDeque,
    io,
    ops::Range,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use floe_protocol::upload::{self, UploadError};
use floe_redstuff::{Axis, PairIndex, VerifiedMetadata};
use http_body::{Frame, SizeHint};
use tokio::{task::JoinSet, time::Instant};

use super::{
    slivers::Slivers,
    spool::{Spooled, Symbols},
};
use crate::{config::Progress, http::BoxError};

/// Longest frame: what moves is noticed at this grain.
const FRAME_BYTES_MAX: usize = 256 << 10;
/// What is no longer than this is copied into one frame with its neighbours: a frame of its own costs more, as each is
/// written, sent and received by itself.
const COPIED_BYTES_MAX: usize = 16 << 10;
/// A frame of copies is closed once it has this length.
const COPIES_BYTES: usize = 64 << 10;

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
    slivers: Slivers,
    pairs: VecDeque<PairIndex>,
    parts: VecDeque<Part>,
    /// What comes behind the parts: framing, and short data.
    copied: Vec<u8>,
    /// The next part, if it is being read; at most one.
    reading: JoinSet<io::Result<Bytes>>,
    remaining: u64,
    activity: Arc<Activity>,
    progress: Option<Arc<dyn Progress>>,
}

/// What becomes one frame.
enum Part {
    Ready(Bytes),
    Spooled(Arc<Spooled>, Symbols),
}

impl UploadBody {
    /// A body with these pairs, which must ascend. `metadata` is BCS, without the id.
    pub(super) fn new(
        slivers: Slivers,
        metadata: &Bytes,
        pairs: Vec<PairIndex>,
        activity: Arc<Activity>,
        progress: Option<Arc<dyn Progress>>,
    ) -> Result<Self, UploadError> {
        let count = u16::try_from(pairs.len()).unwrap_or(u16::MAX);
        let mut body = Self {
            remaining: body_bytes(slivers.metadata(), count),
            slivers,
            pairs: pairs.into(),
            parts: VecDeque::new(),
            copied: upload::header(count, metadata.len())?.to_vec(),
            reading: JoinSet::new(),
            activity,
            progress,
        };
        body.push(metadata, 0..metadata.len());
        Ok(body)
    }

    /// Adds data that is in memory.
    fn push(&mut self, bytes: &Bytes, range: Range<usize>) {
        if range.len() > COPIED_BYTES_MAX {
            self.close();
            self.parts.extend(frames(bytes.slice(range)).map(Part::Ready));
            return;
        }
        self.copied.extend_from_slice(&bytes[range]);
        if self.copied.len() >= COPIES_BYTES {
            self.close();
        }
    }

    /// Makes a part of what was copied.
    fn close(&mut self) {
        if !self.copied.is_empty() {
            self.parts.push_back(Part::Ready(Bytes::from(std::mem::take(&mut self.copied))));
        }
    }

    /// The next parts: pairs as long as they are short.
    fn prepare(&mut self) -> Result<(), UploadError> {
        while self.parts.is_empty()
            && let Some(pair) = self.pairs.pop_front()
        {
            self.add(pair)?;
        }
        if self.pairs.is_empty() {
            self.close();
        }
        Ok(())
    }

    /// Adds a pair: framing as BCS has it, and the data of its slivers.
    fn add(&mut self, pair: PairIndex) -> Result<(), UploadError> {
        let metadata = self.slivers.metadata().clone();
        for axis in Axis::ALL {
            let index = pair.sliver(axis, metadata.params());
            let (head, tail) = metadata.sliver_frame(axis, index);
            let length = head.len() + metadata.sliver_bytes(axis) + tail.len();
            match axis {
                Axis::Primary => self.copied.extend_from_slice(&upload::primary_prefix(pair, length)?),
                Axis::Secondary => self.copied.extend_from_slice(&upload::secondary_prefix(length)?),
            }
            self.copied.extend_from_slice(&head);
            match &self.slivers {
                Slivers::Memory(held) => {
                    let held = held.clone();
                    held.pieces(axis, index).for_each(|(bytes, range)| self.push(bytes, range));
                }
                Slivers::Spooled(spooled) => {
                    let spooled = spooled.clone();
                    self.close();
                    let pieces = spooled.pieces(axis, index);
                    self.parts.extend(pieces.map(|symbols| Part::Spooled(spooled.clone(), symbols)));
                }
            }
            self.copied.extend_from_slice(&tail);
        }
        Ok(())
    }

    /// Starts to read the next part, if that must be read.
    fn read_ahead(&mut self) {
        if self.reading.is_empty() {
            match self.parts.pop_front() {
                Some(Part::Spooled(spooled, symbols)) => {
                    self.reading.spawn(spooled.read(symbols));
                }
                Some(ready) => self.parts.push_front(ready),
                None => {}
            }
        }
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BoxError>> {
        if self.parts.is_empty() && self.reading.is_empty() {
            self.prepare()?;
        }
        self.read_ahead();
        if let Some(read) = ready!(self.reading.poll_join_next(context)) {
            return Poll::Ready(Ok(Some(read??)));
        }
        match self.parts.pop_front() {
            Some(Part::Ready(bytes)) => Poll::Ready(Ok(Some(bytes))),
            // Such a part is being read if it is the next one.
            Some(Part::Spooled(..)) | None => Poll::Ready(Ok(None)),
        }
    }
}

impl http_body::Body for UploadBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(bytes) = ready!(self.poll_bytes(context))? else {
            return Poll::Ready(None);
        };
        self.read_ahead();
        self.activity.touch();
        self.remaining = self.remaining.saturating_sub(bytes.len() as u64);
        if let Some(progress) = &self.progress {
            progress.advance(bytes.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() && self.pairs.is_empty() && self.reading.is_empty() && self.copied.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// Length of a body with that many pairs.
pub(super) fn body_bytes(metadata: &VerifiedMetadata, pairs: u16) -> u64 {
    upload::body_bytes(metadata.params(), metadata.symbol_size(), pairs)
}

/// The same bytes in frames that are not too long.
fn frames(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let frame = bytes.split_to(bytes.len().min(FRAME_BYTES_MAX));
        (!frame.is_empty()).then_some(frame)
    })
}
