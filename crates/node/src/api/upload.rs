//! The streamed upload: metadata and every sliver of this node in one request, answered with the confirmation.
//!
//! The body is taken apart as it arrives. Slivers are gathered into batches of a few MiB, checked on the node's
//! threads and appended to the store while the next batch arrives; one durable commit ends it. Nothing of an upload
//! that breaks off, holds a wrong sliver, or lacks one, becomes visible. A small body is taken in as a whole instead
//! ([`WholeUpload`]).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use floe_protocol::api::ErrorReason;
use floe_protocol::api::query::{Confirms, UploadQuery};
use floe_protocol::limits;
use floe_protocol::upload::{Frame, SliverFrame, UploadError, UploadReader};
use floe_redstuff::{Axis, BlobId, BlobMetadata, PairIndex, VerifiedMetadata};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::confirmation::{Said, said, say};
use super::error::ApiError;
use super::{Answer, Shared, blob_id};
use crate::body::{BodyLimits, BodyReader};
use crate::ledger::Standing;
use crate::node::Node;
use crate::store_upload::{Step, StoreUpload};
use crate::view::CommitteeView;
use crate::whole_upload::{Metadata, Outcome, WholeUpload};

/// Slivers are checked and appended together once this many bytes of them have arrived.
const BATCH_BYTES: usize = 4 << 20;
/// A body up to this length is taken in as a whole.
const WHOLE_BYTES_MAX: u64 = 1 << 20;
/// Batches between the body and the disk: one arriving, one waiting, one being checked, and room to work.
const BATCHES_IN_MEMORY: u64 = 4;
/// A longer one does not wait: the next begins to arrive when it is being checked.
const WAITING_BYTES_MAX: usize = 2 * BATCH_BYTES;

pub(super) async fn put(
    State(node): Shared,
    Path(blob): Path<String>,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> Answer {
    let blob = blob_id(&blob)?;
    let view = node.view()?;
    let pairs = u16::try_from(view.own_shards().len()).unwrap_or(u16::MAX);
    let limit = limits::upload_body_bytes_max(view.params(), pairs);
    let body = BodyReader::new(body, BodyLimits::new(&node.config, limit))?;
    let _slot = node.gates.uploads.enter().await?;
    let _announced = node.shelf.store.announce();
    let wait = node.config.timing.registration_wait(query.wait_millis);
    let small = body.length_max().filter(|length| *length <= WHOLE_BYTES_MAX);
    let mut upload = Receiving { node: &node, view: &view, blob, body, reader: UploadReader::new(view.params()) };
    if let Some(length) = small {
        return upload.whole(length, wait, query.persistence.0).await.map(said);
    }
    upload.run(wait).await?;
    node.blocking(move |node| say(node, &blob, query.persistence.0)).await.map(said)
}

/// One upload on its way in.
struct Receiving<'a> {
    node: &'a Arc<Node>,
    view: &'a Arc<CommitteeView>,
    blob: BlobId,
    body: BodyReader,
    reader: UploadReader,
}

impl Receiving<'_> {
    /// A body of at most `length` bytes: everything is received and checked before the registration is waited for.
    async fn whole(mut self, length: u64, wait: Duration, confirms: Confirms) -> Result<Said, ApiError> {
        // The body, and the slivers made of it.
        let _memory = self.node.gates.request_bytes.reserve(2 * length).await?;
        let Some(Frame::Metadata(metadata)) = self.next_frame().await? else { return Err(no_metadata()) };
        let mut slivers = Vec::new();
        while let Some(frame) = self.next_frame().await? {
            if let Frame::Sliver(sliver) = frame {
                slivers.push(sliver);
            }
        }
        self.reader.finish().map_err(|error| malformed(&error))?;
        let pairs = self.reader.pairs().unwrap_or_default();
        let metadata = Metadata::Received(metadata);
        let mut upload = WholeUpload { blob: self.blob, confirms, metadata, slivers, pairs, checked: false };
        let deadline = Instant::now() + wait;
        loop {
            let ticket = self.node.ledger.queue(self.blob);
            let may_wait = Instant::now() < deadline;
            upload = match self.node.blocking(move |node| upload.advance(node, may_wait)).await? {
                Outcome::Durable(said) => return Ok(*said),
                Outcome::Waits(upload) => upload,
            };
            if !ticket.wait(deadline.saturating_duration_since(Instant::now())).await {
                return Err(ApiError::not_registered());
            }
        }
    }

    async fn run(&mut self, wait: Duration) -> Result<(), ApiError> {
        let metadata = self.metadata().await?;
        let paused = Instant::now();
        self.await_registration(wait).await?;
        let lacking = self.lacking().await?;
        let permit = self.reserve(&metadata).await?;
        self.body.forgive(paused.elapsed());
        let mut sink = Sink::open(self.node, metadata, permit);
        let outcome = self.pass_on(&mut sink, lacking).await;
        // A sink that failed closes its channel; its own error says more than that.
        sink.close(outcome).await
    }

    /// The metadata, checked against the blob id, before anything else is read.
    async fn metadata(&mut self) -> Result<VerifiedMetadata, ApiError> {
        let metadata = match self.next_frame().await? {
            Some(Frame::Metadata(metadata)) => metadata,
            Some(Frame::Sliver(_)) | None => return Err(no_metadata()),
        };
        let (blob, params) = (self.blob, self.view.params());
        self.node
            .blocking(move |node| {
                let verify = |metadata: BlobMetadata| metadata.verify(&blob, params);
                node.compute(|| verify(metadata)).map_err(|error| ApiError::invalid_metadata(&error))
            })
            .await
    }

    /// Nothing is stored before the blob is registered. A short wait spares the client a second attempt.
    async fn await_registration(&mut self, wait: Duration) -> Result<(), ApiError> {
        let deadline = Instant::now() + wait;
        loop {
            let ticket = self.node.ledger.queue(self.blob);
            let blob = self.blob;
            match self.node.blocking(move |node| Ok(node.ledger.standing(&blob)?)).await? {
                Standing::Registered { .. } => return Ok(()),
                Standing::Invalid => return Err(ApiError::invalid_blob()),
                Standing::Unknown => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !ticket.wait(left).await {
                return Err(ApiError::not_registered());
            }
        }
    }

    /// Slivers of this node that are not durable yet. Refuses early an upload that cannot hold them all.
    async fn lacking(&mut self) -> Result<HashSet<(PairIndex, Axis)>, ApiError> {
        let (blob, pairs) = (self.blob, self.view.own_pairs(&self.blob));
        let lacking = self.node.blocking(move |node| Ok(node.shelf.missing(&blob, &pairs)?)).await?;
        let lacking_pairs = lacking.iter().map(|(pair, _)| *pair).collect::<HashSet<_>>().len();
        let sent = self.reader.pairs().unwrap_or_default();
        if lacking_pairs > usize::from(sent) {
            return Err(ApiError::too_few_pairs(lacking_pairs - usize::from(sent)));
        }
        Ok(lacking.into_iter().collect())
    }

    /// Memory for this upload, whatever its length.
    async fn reserve(&mut self, metadata: &VerifiedMetadata) -> Result<OwnedSemaphorePermit, ApiError> {
        let largest = metadata.sliver_bytes(Axis::Primary) as u64;
        let all = largest.saturating_mul(2 * u64::from(self.reader.pairs().unwrap_or_default()));
        let batch = largest.max(BATCH_BYTES as u64);
        self.node.gates.request_bytes.reserve(BATCHES_IN_MEMORY * batch.min(all)).await
    }

    /// Hands every sliver that is lacking to the sink.
    async fn pass_on(&mut self, sink: &mut Sink, mut lacking: HashSet<(PairIndex, Axis)>) -> Result<(), ApiError> {
        while let Some(frame) = self.next_frame().await? {
            let Frame::Sliver(sliver) = frame else { continue };
            if lacking.remove(&(sliver.pair, sliver.axis)) {
                sink.take(sliver).await?;
            } else if !self.view.owns(sliver.pair, &self.blob) {
                return Err(ApiError::not_assigned(sliver.pair, &self.blob, self.view.params()));
            }
        }
        self.reader.finish().map_err(|error| malformed(&error))?;
        if !lacking.is_empty() {
            return Err(ApiError::too_few_pairs(lacking.iter().map(|(pair, _)| *pair).collect::<HashSet<_>>().len()));
        }
        sink.flush().await
    }

    /// The next part; `None` at the end of the body.
    async fn next_frame(&mut self) -> Result<Option<Frame>, ApiError> {
        loop {
            if let Some(frame) = self.reader.next_frame().map_err(|error| malformed(&error))? {
                return Ok(Some(frame));
            }
            let Some(chunk) = self.body.next().await? else { return Ok(None) };
            self.reader.push(chunk).map_err(|error| malformed(&error))?;
        }
    }
}

/// Where slivers go: a thread that checks and appends them.
struct Sink {
    steps: mpsc::Sender<Step>,
    worker: JoinHandle<Result<(), ApiError>>,
    batch: Vec<SliverFrame>,
    batch_bytes: usize,
}

impl Sink {
    fn open(node: &Arc<Node>, metadata: VerifiedMetadata, permit: OwnedSemaphorePermit) -> Self {
        let (steps, inbox) = mpsc::channel(1);
        let node = node.clone();
        let worker = tokio::task::spawn_blocking(move || {
            let outcome = StoreUpload { node: &node, metadata: &metadata }.run(inbox);
            node.check_store();
            drop(permit);
            outcome
        });
        Self { steps, worker, batch: Vec::new(), batch_bytes: 0 }
    }

    async fn take(&mut self, sliver: SliverFrame) -> Result<(), ApiError> {
        self.batch_bytes += sliver.bytes.len();
        self.batch.push(sliver);
        if self.batch_bytes >= BATCH_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ApiError> {
        let bytes = std::mem::take(&mut self.batch_bytes);
        let batch = std::mem::take(&mut self.batch);
        self.send(Step::Batch(batch)).await?;
        if bytes > WAITING_BYTES_MAX {
            // There is room again as soon as it is taken.
            self.steps.reserve().await.map_err(|_| ApiError::internal())?;
        }
        Ok(())
    }

    async fn send(&self, step: Step) -> Result<(), ApiError> {
        self.steps.send(step).await.map_err(|_| ApiError::internal())
    }

    /// Commits if everything was passed on, else gives up. The worker's own error comes first.
    async fn close(self, outcome: Result<(), ApiError>) -> Result<(), ApiError> {
        let outcome = match outcome {
            Ok(()) => self.send(Step::Commit).await,
            failed => failed,
        };
        drop(self.steps);
        match self.worker.await {
            Ok(Ok(())) => outcome,
            Ok(Err(failed)) => Err(failed),
            Err(error) => {
                tracing::error!(%error, "an upload panicked");
                Err(ApiError::internal())
            }
        }
    }
}

/// A body that is no upload, or holds no metadata that could be.
fn malformed(error: &UploadError) -> ApiError {
    let reason = match error {
        UploadError::BadMetadata(_) => ErrorReason::InvalidMetadata,
        UploadError::BadSliver { .. } => ErrorReason::InvalidSliver,
        _ => ErrorReason::MalformedUpload,
    };
    ApiError::new(reason, error.to_string())
}

fn no_metadata() -> ApiError {
    malformed(&UploadError::Truncated { missing_pairs: 0 })
}
