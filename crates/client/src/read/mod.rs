//! Reading: is it there, what does it look like, who has it, is it right.

mod budget;
mod fetch;
mod files;
mod fill;
pub(crate) mod metadata;
mod part;
mod plan;
mod promised;
pub(crate) mod promises;
mod range;
mod rebuild;
mod rows;
mod several;
mod status;
mod stream;

use std::{collections::BTreeSet, fs::File, io::Write, sync::Arc};

use bytes::Bytes;
use floe_protocol::api::BlobStatus;
use floe_redstuff::{Axis, BlobId, SliverIndex, VerifiedMetadata, VerifiedSliver, check_default, check_strict, decode};
use tokio::time::Instant;

use crate::{
    FloeClient,
    compute::{compute_unless, is_brief},
    config::{Consistency, Progress, ReadOptions, scaled, watched},
    error::ClientError,
    failures::Failures,
    view::View,
};
pub use range::RangeStream;
pub(crate) use rows::RebuiltRows;
pub use stream::BlobStream;

use budget::Budget;
use fetch::{Gather, Order};
use files::Files;
use fill::Fill;

/// The largest blob that is gathered and decoded in memory even though it goes to a file or a stream.
const WHOLE_BYTES_MAX: u64 = 4 << 20;
/// How often it is held then: as slivers, and decoded; with room for its verification.
const WHOLE_COPIES: u64 = 4;

/// What a read of a blob takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadNeeds {
    /// Length of the blob in bytes.
    pub length_bytes: u64,
    /// About how much memory a stream of it takes at most.
    pub memory_bytes: u64,
}

impl FloeClient {
    /// The bytes of a certified blob, verified.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`NotCertified`](ClientError::NotCertified), [`Expired`](ClientError::Expired) or
    /// [`Invalid`](ClientError::Invalid) if nothing is promised for this id; [`Gone`](ClientError::Gone) if it was deleted
    /// meanwhile;
    /// [`Unavailable`](ClientError::Unavailable) if too few shards answer;
    /// [`Inconsistent`](ClientError::Inconsistent) if the writer encoded it wrongly. Never wrong bytes.
    pub async fn read(&self, id: &BlobId, options: ReadOptions) -> Result<Bytes, ClientError> {
        let progress = watched(&options.progress);
        progress.phase("metadata", None);
        let (view, metadata) = self.locate(id).await?;
        progress.phase("download", Some(download_bytes(&metadata)));
        match self.gather(view, &metadata, progress.clone()).whole(options.consistency).await {
            Ok(blob) => Ok(Bytes::from(blob)),
            Err(error) => Err(self.explained(id, error).await),
        }
    }

    /// As [`read`](Self::read), into a file, in bounded memory ([`ReadConfig::memory_ceiling_bytes`]
    /// (crate::ReadConfig::memory_ceiling_bytes)). Gives the length of the blob.
    ///
    /// The file must be empty, and open for reading and writing. It has no more than the blob when this returns, and is
    /// worth nothing after an error.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`ClientError::Target`] or [`ClientError::Spool`] if a file cannot be written or read.
    pub async fn read_to(&self, id: &BlobId, file: File, options: ReadOptions) -> Result<u64, ClientError> {
        let progress = watched(&options.progress);
        progress.phase("metadata", None);
        let (view, metadata) = self.locate(id).await?;
        progress.phase("download", Some(download_bytes(&metadata)));
        let gather = self.gather(view, &metadata, progress.clone());
        match self.gather_to(&gather, file, options.consistency).await {
            Ok(()) => Ok(metadata.unencoded_length()),
            Err(error) => Err(self.explained(id, error).await),
        }
    }

    async fn gather_to(&self, gather: &Gather, file: File, consistency: Consistency) -> Result<(), ClientError> {
        if gather.metadata.unencoded_length() <= self.whole_bytes_max() {
            let blob = gather.whole(consistency).await?;
            return write_whole(file, blob).await;
        }
        let spool_dir = self.inner.config.read.spool_dir.clone();
        let files = Arc::new(Files::new(file, spool_dir, &gather.metadata, None));
        let rows = 0..gather.metadata.params().primary_source_symbols();
        let fill = Fill { gather, files, consistency, rows, order: Order::Turns };
        fill.run(Vec::new()).await
    }

    /// Blobs up to this size are read as a whole and decoded in memory: a file for each is more work than it saves.
    fn whole_bytes_max(&self) -> u64 {
        WHOLE_BYTES_MAX.min(self.inner.config.read.memory_ceiling_bytes / WHOLE_COPIES)
    }

    /// Size of a certified blob in bytes, from verified metadata.
    ///
    /// # Errors
    /// As [`read`](Self::read), short of fetching slivers.
    pub async fn size_of(&self, id: &BlobId) -> Result<u64, ClientError> {
        Ok(self.locate(id).await?.1.unencoded_length())
    }

    /// What it takes to read a certified blob by [`read_stream`](Self::read_stream).
    ///
    /// # Errors
    /// As [`size_of`](Self::size_of).
    pub async fn read_needs(&self, id: &BlobId) -> Result<ReadNeeds, ClientError> {
        let (_, metadata) = self.locate(id).await?;
        let (length, config) = (metadata.unencoded_length(), &self.inner.config.read);
        let memory = match length <= self.whole_bytes_max() {
            true => length * WHOLE_COPIES,
            false => Budget::to_stream(&metadata, config) as u64,
        };
        Ok(ReadNeeds { length_bytes: length, memory_bytes: memory })
    }

    /// What the nodes say of the blob's life: the furthest state that more than `f` shards vouch for.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`] if too few shards answer to decide.
    pub async fn status(&self, id: &BlobId) -> Result<BlobStatus, ClientError> {
        let view = self.inner.views.fresh_or_last().await?;
        status::ask(&self.inner.nodes, &view, id, self.inner.config.read.request_timeout).await
    }

    /// A blob that is promised, with its verified metadata and the committee to ask.
    async fn locate(&self, id: &BlobId) -> Result<(Arc<View>, VerifiedMetadata), ClientError> {
        let view = self.inner.views.fresh_or_last().await?;
        match self.promised_metadata(&view, id).await {
            Ok(metadata) => Ok((self.holders_of(view, id).await, metadata)),
            Err(error) => Err(self.explained(id, error).await),
        }
    }

    /// Asks chain and nodes at once. What the chain says comes first: nodes know no metadata of what does not exist.
    async fn promised_metadata(&self, view: &Arc<View>, id: &BlobId) -> Result<VerifiedMetadata, ClientError> {
        let promised = self.check_promised(view, id);
        let metadata = self.metadata(view, id);
        tokio::pin!(promised, metadata);
        tokio::select! {
            biased;
            verdict = &mut promised => {
                verdict?;
                metadata.await
            }
            result = &mut metadata => {
                promised.await?;
                result
            }
        }
    }

    async fn metadata(&self, view: &Arc<View>, id: &BlobId) -> Result<VerifiedMetadata, ClientError> {
        let inner = &self.inner;
        if let Some(metadata) = inner.metadata.get(id) {
            return Ok(metadata);
        }
        let deadline = Instant::now() + inner.config.read.request_timeout * 2;
        let metadata = metadata::fetch(&inner.nodes, &inner.scores, view, id, deadline).await?;
        inner.metadata.keep(&metadata, inner.config.read.cached_metadata_max);
        Ok(metadata)
    }

    fn gather(&self, view: Arc<View>, metadata: &VerifiedMetadata, progress: Arc<dyn Progress>) -> Gather {
        let config = &self.inner.config.read;
        let limit = scaled(config.deadline_base, metadata.unencoded_length(), config.bytes_per_second_min);
        Gather {
            nodes: self.inner.nodes.clone(),
            scores: self.inner.scores.clone(),
            view,
            metadata: metadata.clone(),
            failures: Failures::default(),
            progress,
            ceiling: config.ceiling(),
            deadline: Instant::now() + limit,
        }
    }
}

impl Gather {
    /// The whole blob in memory.
    async fn whole(&self, consistency: Consistency) -> Result<Vec<u8>, ClientError> {
        let (axis, slivers) = self.any_axis().await?;
        self.progress.phase("decode", None);
        let metadata = self.metadata.clone();
        let brief = is_brief(metadata.params(), metadata.unencoded_length());
        compute_unless(brief, move || decode_checked(&metadata, axis, slivers, consistency)).await?
    }

    /// Slivers that decode: primary ones, or else secondary ones.
    async fn any_axis(&self) -> Result<(Axis, Vec<VerifiedSliver>), ClientError> {
        let primary = self.run(Axis::Primary, BTreeSet::new()).await;
        if primary.is_done {
            return Ok((Axis::Primary, primary.slivers));
        }
        self.secondary_after(primary.answered).await
    }

    /// Secondary slivers, when only `answered` shards gave their primary one.
    async fn secondary_after(&self, answered: usize) -> Result<(Axis, Vec<VerifiedSliver>), ClientError> {
        if self.secondary_may_do() && Instant::now() < self.deadline {
            let secondary = self.run(Axis::Secondary, BTreeSet::new()).await;
            if secondary.is_done {
                return Ok((Axis::Secondary, secondary.slivers));
            }
        }
        Err(self.unavailable(answered))
    }

    /// More secondary slivers are needed than primary ones, so they help only where nodes have lost one kind; with many
    /// nodes gone they are not tried.
    fn secondary_may_do(&self) -> bool {
        let gone: u32 = self.silent_members().iter().map(|&m| self.view.weight(m)).sum();
        let reachable = self.view.n_shards().saturating_sub(gone);
        reachable >= u32::from(self.metadata.params().slivers_to_decode(Axis::Secondary))
    }

    fn unavailable(&self, answered: usize) -> ClientError {
        ClientError::Unavailable {
            blob_id: *self.metadata.blob_id(),
            what: "slivers",
            answered_shards: u32::try_from(answered).unwrap_or(u32::MAX),
            needed_shards: u32::from(self.metadata.params().slivers_to_decode(Axis::Primary)),
            failures: self.failures.named(&self.view),
        }
    }
}

/// What a read fetches where nothing goes wrong.
fn download_bytes(metadata: &VerifiedMetadata) -> u64 {
    let rows = metadata.primaries_of_range(0, metadata.unencoded_length()).map_or(0, |rows| rows.end);
    metadata.sliver_bytes(Axis::Primary) as u64 * u64::from(rows)
}

async fn write_whole(mut file: File, blob: Vec<u8>) -> Result<(), ClientError> {
    let write = tokio::task::spawn_blocking(move || file.write_all(&blob));
    write.await.map_err(|error| ClientError::Internal(error.to_string()))?.map_err(ClientError::Target)
}

/// Decodes and checks. What is not right is not returned.
fn decode_checked(
    metadata: &VerifiedMetadata,
    axis: Axis,
    slivers: Vec<VerifiedSliver>,
    consistency: Consistency,
) -> Result<Vec<u8>, ClientError> {
    let systematic = metadata.params().primary_source_symbols();
    let used: Vec<SliverIndex> = slivers
        .iter()
        .map(|sliver| sliver.index)
        .filter(|index| axis == Axis::Primary && index.get() < systematic)
        .collect();
    let blob = decode(metadata, axis, &slivers).map_err(|error| ClientError::Internal(error.to_string()))?;
    drop(slivers);
    let checked = match consistency {
        Consistency::Skip => Ok(()),
        Consistency::Default => check_default(metadata, &blob, &used),
        Consistency::Strict => check_strict(metadata, &blob),
    };
    checked.map_err(|error| ClientError::Inconsistent { blob_id: *metadata.blob_id(), detail: error.to_string() })?;
    Ok(blob)
}
