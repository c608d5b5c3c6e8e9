//! A long sliver as an answer: read from the disk as it is sent, so that memory does not depend on the size of the blob.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use floe_redstuff::BlobId;
use floe_store::{SliverReader, StoreError};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::node::Node;

type Reading = JoinHandle<(SliverReader, Result<Option<Bytes>, StoreError>)>;

/// One piece is read while the one before it is sent. An answer whose sliver turns out to be damaged breaks off before its
/// end: no peer takes it for the sliver.
pub(crate) struct SliverBody {
    node: Arc<Node>,
    blob: BlobId,
    reading: Option<Reading>,
    /// Bytes that are still to be sent.
    left: u64,
    _permit: OwnedSemaphorePermit,
}

impl SliverBody {
    /// Bytes read at a time. A sliver that is no longer is better read at once.
    pub(crate) const PIECE_BYTES: u32 = 256 << 10;
    /// Memory that an answer takes.
    pub(crate) const MEMORY_BYTES: u64 = 2 * Self::PIECE_BYTES as u64;

    /// `permit` covers [`MEMORY_BYTES`](Self::MEMORY_BYTES).
    pub(crate) fn new(node: Arc<Node>, blob: BlobId, reader: SliverReader, permit: OwnedSemaphorePermit) -> Self {
        let left = reader.length().into();
        let mut body = Self { node, blob, reading: None, left, _permit: permit };
        body.read_on(reader);
        body
    }

    fn read_on(&mut self, mut reader: SliverReader) {
        let (node, blob) = (self.node.clone(), self.blob);
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let piece = node.shelf.next_piece(&blob, &mut reader);
            (reader, piece)
        }));
    }
}

impl Body for SliverBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(reading) = self.reading.as_mut() else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        self.node.check_store();
        let piece = match read {
            Ok((reader, Ok(Some(piece)))) => {
                self.left -= piece.len() as u64;
                if self.left > 0 {
                    self.read_on(reader);
                }
                Ok(Frame::data(piece))
            }
            Ok((_, Ok(None))) => return Poll::Ready(None),
            Ok((_, Err(error))) => Err(std::io::Error::other(error)),
            Err(error) => Err(std::io::Error::other(error)),
        };
        Poll::Ready(Some(piece))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
