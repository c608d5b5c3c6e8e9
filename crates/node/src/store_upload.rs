//! The blocking half of a streamed upload: check a batch, append it, and in the end commit once.

use floe_protocol::api::ErrorReason;
use floe_protocol::upload::SliverFrame;
use floe_redstuff::{SliverView, VerifiedMetadata, verify_views};
use floe_store::Writer;
use tokio::sync::mpsc;

use crate::api::error::ApiError;
use crate::node::Node;
use crate::shelf::{Place, sliver_key};

/// Slivers with this many symbols when expanded, and of this many bytes, are checked faster than a thread pool wakes up.
const BRIEF_SYMBOLS_MAX: usize = 8 * 1024;
const BRIEF_BYTES_MAX: usize = 64 << 10;

/// What the receiving half asks for.
pub(crate) enum Step {
    /// Check these and append them.
    Batch(Vec<SliverFrame>),
    /// All slivers have come: make them durable.
    Commit,
}

/// Everything is appended unsynced and invisible until the commit.
pub(crate) struct StoreUpload<'a> {
    pub(crate) node: &'a Node,
    pub(crate) metadata: &'a VerifiedMetadata,
}

impl StoreUpload<'_> {
    /// Runs until the commit, the first wrong sliver, or the end of the other half without a commit: then nothing
    /// of the upload is kept.
    pub(crate) fn run(&self, mut inbox: mpsc::Receiver<Step>) -> Result<(), ApiError> {
        let mut writer = self.begin()?;
        while let Some(step) = inbox.blocking_recv() {
            match step {
                Step::Batch(batch) => {
                    self.verify(&batch)?;
                    self.append(&mut writer, batch)?;
                }
                Step::Commit => return self.commit(writer),
            }
        }
        Ok(())
    }

    /// A batch that begins with the metadata, if that is not durable yet.
    pub(crate) fn begin(&self) -> Result<Writer, ApiError> {
        let blob = self.metadata.blob_id();
        let mut writer = self.node.store().begin()?;
        if self.node.shelf.metadata_place(blob)? != Place::Durable {
            writer.metadata(*blob.as_bytes(), &self.metadata.to_bcs_with_id())?;
        }
        Ok(writer)
    }

    /// Adds slivers that were verified.
    pub(crate) fn append(&self, writer: &mut Writer, slivers: Vec<SliverFrame>) -> Result<(), ApiError> {
        let blob = self.metadata.blob_id();
        for sliver in slivers {
            writer.sliver(sliver_key(blob, sliver.pair, sliver.axis), &sliver.bytes)?;
        }
        Ok(())
    }

    /// Makes everything durable.
    pub(crate) fn commit(&self, writer: Writer) -> Result<(), ApiError> {
        writer.commit()?;
        self.node.shelf.remember(self.metadata);
        self.node.shelf.forget_buffered(self.metadata.blob_id());
        self.still_registered()
    }

    /// Checks slivers against the metadata.
    pub(crate) fn verify(&self, batch: &[SliverFrame]) -> Result<(), ApiError> {
        let params = self.metadata.params();
        let wrong = |error: String| ApiError::new(ErrorReason::InvalidSliver, error);
        let slivers: Vec<SliverView<'_>> = batch
            .iter()
            .map(|frame| frame.view(params).map_err(|error| wrong(error.to_string())))
            .collect::<Result<_, _>>()?;
        let symbols = slivers.len() * usize::from(params.n_shards());
        let bytes: usize = batch.iter().map(|frame| frame.bytes.len()).sum();
        let work = || verify_views(self.metadata, &slivers);
        let brief = symbols <= BRIEF_SYMBOLS_MAX && bytes <= BRIEF_BYTES_MAX;
        let outcomes = if brief { self.node.compute_here(work) } else { self.node.compute(work) };
        outcomes.into_iter().find_map(Result::err).map_or(Ok(()), |error| Err(wrong(error.to_string())))
    }

    /// The blob may have ended while its data arrived; then the sweep has passed and would not come back for it.
    fn still_registered(&self) -> Result<(), ApiError> {
        let blob = self.metadata.blob_id();
        if self.node.ledger.standing(blob)?.is_registered() {
            return Ok(());
        }
        self.node.ledger.delete_unless_registered(blob)?;
        Err(ApiError::not_registered())
    }
}
