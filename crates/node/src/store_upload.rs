//! The blocking half of a streamed upload: check a batch, append it, and in the end commit once.

use floe_protocol::api::ErrorReason;
use floe_protocol::upload::SliverFrame;
use floe_redstuff::{SliverView, VerifiedMetadata, verify_views};
use tokio::sync::mpsc;

use crate::api::error::ApiError;
use crate::node::Node;
use crate::shelf::{Place, sliver_key};

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
        let blob = self.metadata.blob_id();
        let mut writer = self.node.store().begin()?;
        if self.node.shelf.metadata_place(blob)? != Place::Durable {
            writer.metadata(*blob.as_bytes(), &self.metadata.to_bcs_with_id())?;
        }
        while let Some(step) = inbox.blocking_recv() {
            match step {
                Step::Batch(batch) => {
                    self.verify(&batch)?;
                    for sliver in batch {
                        writer.sliver(sliver_key(blob, sliver.pair, sliver.axis), &sliver.bytes)?;
                    }
                }
                Step::Commit => {
                    writer.commit()?;
                    self.node.shelf.forget_buffered(blob);
                    return self.still_registered();
                }
            }
        }
        Ok(())
    }

    fn verify(&self, batch: &[SliverFrame]) -> Result<(), ApiError> {
        let params = self.metadata.params();
        let wrong = |error: String| ApiError::new(ErrorReason::InvalidSliver, error);
        let slivers: Vec<SliverView<'_>> = batch
            .iter()
            .map(|frame| frame.view(params).map_err(|error| wrong(error.to_string())))
            .collect::<Result<_, _>>()?;
        let outcomes = self.node.compute(|| verify_views(self.metadata, &slivers));
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
