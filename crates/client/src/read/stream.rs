//! A blob in order, piece by piece, in bounded memory.
//!
//! As long as all rows come, they are handed on as they are verified, and no more than a window of them is in memory. Once
//! one does not come, the rest of the blob goes through a file ([`Fill`]): the slivers that it takes are fetched, those
//! of rows that have already left included; rows that lie there are handed on in order, and what is missing follows once
//! it is decoded and checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use floe_redstuff::{Axis, BlobId, VerifiedSliver};
use futures::Stream;
use tokio::{
    sync::mpsc::{self, Sender, UnboundedReceiver},
    task::JoinHandle,
    time::Instant,
};

use super::{
    budget::Budget,
    fetch::{Gather, Order, Run},
    files::Files,
    fill::Fill,
};
use crate::{
    FloeClient,
    config::{Consistency, ReadOptions, watched},
    error::ClientError,
};

/// Grain in which rows are read back from a file.
const PIECE_BYTES: u64 = 1 << 20;

type Piece = Result<Bytes, ClientError>;

/// A blob on its way, in order. Dropping it ends the read.
#[derive(Debug)]
pub struct BlobStream {
    length: u64,
    /// Bytes that have not been handed out.
    left: u64,
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Piece>,
    task: JoinHandle<()>,
}

impl BlobStream {
    /// Length of the blob in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl Stream for BlobStream {
    type Item = Piece;

    /// The pieces are together exactly the blob unless one is an error, which is the last then.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let piece = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(self.pieces.poll_recv(cx)),
        };
        match &piece {
            Some(Ok(bytes)) => self.left -= bytes.len() as u64,
            Some(Err(_)) => self.left = 0,
            None if self.left > 0 => {
                let missing = std::mem::take(&mut self.left);
                let message = format!("the read ended {missing} bytes before the end of the blob");
                return Poll::Ready(Some(Err(ClientError::Internal(message))));
            }
            None => {}
        }
        Poll::Ready(piece)
    }
}

impl Drop for BlobStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FloeClient {
    /// As [`read`](Self::read), in order and piece by piece, in bounded memory
    /// ([`ReadConfig::memory_ceiling_bytes`](crate::ReadConfig::memory_ceiling_bytes)). When this returns, the first piece is
    /// there.
    ///
    /// Every piece is verified before it is handed on. Whether what must be decoded is consistent is known only then, so
    /// the stream may end with an error after good pieces: a blob is whole only if all pieces came. With
    /// [`Consistency::Strict`] the whole blob is checked before the first piece.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`ClientError::Target`] or [`ClientError::Spool`] if a temporary file cannot be written or
    /// read. The pieces may end with the same errors.
    pub async fn read_stream(&self, id: &BlobId, options: ReadOptions) -> Result<BlobStream, ClientError> {
        let progress = watched(&options.progress);
        progress.phase("metadata", None);
        let (view, metadata) = self.locate(id).await?;
        progress.phase("download", Some(super::download_bytes(&metadata)));
        let length = metadata.unencoded_length();
        let ceiling = Budget::to_stream(&metadata, &self.inner.config.read);
        let gather = Gather { ceiling, ..self.gather(view, &metadata, progress) };
        let is_whole = length <= self.whole_bytes_max();
        let (out, pieces) = mpsc::channel(1);
        let (client, blob) = (self.clone(), *id);
        let task = tokio::spawn(async move {
            let result = match is_whole {
                true => whole(&gather, options.consistency, &out).await,
                false => Rows::new(&gather, &out).run(options.consistency).await,
            };
            if let Err(Stop::Failed(error)) = result {
                // Nobody to tell if it fails.
                let _ = out.send(Err(client.explained(&blob, error).await)).await;
            }
        });
        let mut stream = BlobStream { length, left: length, first: None, pieces, task };
        stream.first = stream.pieces.recv().await.transpose()?;
        Ok(stream)
    }
}

/// Why a stream ends early.
enum Stop {
    /// Nobody takes pieces any more.
    Unwanted,
    Failed(ClientError),
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Failed(error)
    }
}

async fn whole(gather: &Gather, consistency: Consistency, out: &Sender<Piece>) -> Result<(), Stop> {
    let blob = gather.whole(consistency).await?;
    if blob.is_empty() {
        return Ok(());
    }
    out.send(Ok(blob.into())).await.map_err(|_| Stop::Unwanted)
}

/// The rows of a blob on their way out.
struct Rows<'s> {
    gather: &'s Gather,
    out: &'s Sender<Piece>,
    row_bytes: u64,
    /// Rows that hold something of the blob.
    count: u16,
    /// The row that leaves next.
    next: u16,
}

impl<'s> Rows<'s> {
    fn new(gather: &'s Gather, out: &'s Sender<Piece>) -> Self {
        let metadata = &gather.metadata;
        let rows = metadata.primaries_of_range(0, metadata.unencoded_length());
        let row_bytes = metadata.sliver_bytes(Axis::Primary) as u64;
        Self { gather, out, row_bytes, count: rows.map_or(0, |rows| rows.end), next: 0 }
    }

    async fn run(mut self, consistency: Consistency) -> Result<(), Stop> {
        let given = match consistency {
            Consistency::Strict => Vec::new(),
            Consistency::Default | Consistency::Skip => self.direct().await?,
        };
        if self.next == self.count {
            return Ok(());
        }
        self.through_file(consistency, given).await
    }

    /// Hands on rows as they are verified, until all have left or one is lost. Gives back those that were ahead of it.
    async fn direct(&mut self) -> Result<Vec<VerifiedSliver>, Stop> {
        let mut run = Run::of_rows(self.gather, self.count);
        let mut ahead: BTreeMap<u16, VerifiedSliver> = BTreeMap::new();
        let mut limit = self.gather.patience();
        if run.plan.is_widened() {
            // Some node is known not to answer.
            return Ok(Vec::new());
        }
        while self.next < self.count && !run.has_lost(self.next) {
            let is_ready = ahead.contains_key(&self.next);
            tokio::select! {
                place = self.out.reserve(), if is_ready => {
                    let place = place.map_err(|_| Stop::Unwanted)?;
                    if let Some(row) = ahead.remove(&self.next) {
                        place.send(Ok(self.cut(row)));
                    }
                    self.next += 1;
                    run.advance(self.next);
                    limit = self.gather.patience();
                }
                row = run.step(run.lost_at(self.next).map_or(limit, |lost| lost.min(limit))) => match row {
                    Some(row) => {
                        ahead.insert(row.index.get(), row);
                    }
                    // The one who takes the pieces may take the time.
                    None if is_ready => limit = self.gather.patience(),
                    None if Instant::now() >= limit => break,
                    None => {}
                },
            }
        }
        Ok(ahead.into_values().collect())
    }

    /// The bytes of the blob in a row.
    fn cut(&self, row: VerifiedSliver) -> Bytes {
        let start = u64::from(row.index.get()) * self.row_bytes;
        let inside = self.gather.metadata.unencoded_length() - start;
        let mut bytes = Bytes::from(row.into_inner().data);
        bytes.truncate(usize::try_from(inside).unwrap_or(usize::MAX));
        bytes
    }

    async fn through_file(&mut self, consistency: Consistency, given: Vec<VerifiedSliver>) -> Result<(), Stop> {
        let (tell, ready) = mpsc::unbounded_channel();
        let is_strict = consistency == Consistency::Strict;
        let spool_dir = self.gather.nodes.read.spool_dir.clone();
        let files = Files::temporary(spool_dir, &self.gather.metadata, (!is_strict).then(|| tell.clone()))?;
        let files = Arc::new(files);
        let gather = Gather { deadline: self.gather.full_deadline(), ..self.gather.clone() };
        let (first, count) = (self.next, self.count);
        let rows = first..self.gather.metadata.params().primary_source_symbols();
        let order = Order::Rows(first);
        let fill = Fill { gather: &gather, files: files.clone(), consistency, rows, order };
        let fill = async {
            fill.run(given).await?;
            // All of them, those told of already included: they are right now whoever was asked.
            (first..count).for_each(|row| tell.send(row).unwrap_or_default());
            Ok(())
        };
        tokio::try_join!(fill, self.hand_on(&files, ready)).map(|_| ())
    }

    /// Hands on rows that lie in the file, in order, as they are told of.
    async fn hand_on(&mut self, files: &Arc<Files>, mut ready: UnboundedReceiver<u16>) -> Result<(), Stop> {
        let mut there = BTreeSet::new();
        while self.next < self.count {
            if !there.remove(&self.next) {
                match ready.recv().await {
                    Some(row) => there.insert(row),
                    None => break,
                };
                continue;
            }
            let start = u64::from(self.next) * self.row_bytes;
            let end = (start + self.row_bytes).min(self.gather.metadata.unencoded_length());
            let mut at = start;
            while at < end {
                let length = PIECE_BYTES.min(end - at);
                let place = self.out.reserve().await.map_err(|_| Stop::Unwanted)?;
                place.send(Ok(files.clone().read(at, length).await?));
                at += length;
            }
            self.next += 1;
        }
        Ok(())
    }
}
