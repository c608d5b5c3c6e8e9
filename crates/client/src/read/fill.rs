//! A read into a file: rows go to their place as they come, others to a spool, and what is missing is decoded.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use floe_redstuff::{
    Axis, DecodeOptions, DecodeRowsError, SliverIndex, SourceError, VerifiedMetadata, VerifiedSliver,
    compute_metadata_from, decode_rows,
};
use tokio::{task::JoinHandle, time::Instant};

use super::{
    fetch::{Gather, Order, Run},
    files::{Files, Place, Space, WholeBlob},
};
use crate::{compute::compute, config::Consistency, error::ClientError};

/// A file that is being filled with the rows of a blob.
pub(super) struct Fill<'g> {
    pub(super) gather: &'g Gather,
    pub(super) files: Arc<Files>,
    pub(super) consistency: Consistency,
    /// Rows that are wanted; others are not checked.
    pub(super) rows: Range<u16>,
    pub(super) order: Order,
}

/// Slivers of one axis that lie in the files.
struct Held {
    axis: Axis,
    indices: Vec<SliverIndex>,
    /// Those that lie in the spool, by number.
    spooled: Vec<SliverIndex>,
    /// How many were given or came from nodes.
    answered: usize,
    is_done: bool,
}

/// Tells a decoding that nobody waits for it any more.
struct CancelOnDrop(Arc<Files>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Fill<'_> {
    /// Fills the file; `given` slivers need not be fetched. When this returns, the file has all rows that are wanted, and the
    /// length of the blob.
    pub(super) async fn run(self, given: Vec<VerifiedSliver>) -> Result<(), ClientError> {
        let _cancel = CancelOnDrop(self.files.clone());
        let primary = self.collect(Axis::Primary, given).await?;
        let held = match primary.is_done {
            true => primary,
            false => self.secondary_after(primary.answered).await?,
        };
        self.gather.progress.phase("decode", None);
        let (metadata, files) = (self.gather.metadata.clone(), self.files.clone());
        let (rows, consistency, ceiling) = (self.rows, self.consistency, self.gather.ceiling);
        compute(move || {
            let options = DecodeOptions { rows, is_checked: consistency == Consistency::Default, ceiling };
            complete(&metadata, &held, &options, &files)?;
            files.finish(metadata.unencoded_length())?;
            match consistency {
                Consistency::Strict => check_whole(&metadata, &files, ceiling),
                Consistency::Default | Consistency::Skip => Ok(()),
            }
        })
        .await?
    }

    /// Secondary slivers instead of primary ones, where that may help.
    async fn secondary_after(&self, answered: usize) -> Result<Held, ClientError> {
        if self.gather.secondary_may_do() && Instant::now() < self.gather.deadline {
            let held = self.collect(Axis::Secondary, Vec::new()).await?;
            if held.is_done {
                return Ok(held);
            }
        }
        Err(self.gather.unavailable(answered))
    }

    /// Gathers slivers of one axis, each written while the next ones are on their way.
    async fn collect(&self, axis: Axis, mut given: Vec<VerifiedSliver>) -> Result<Held, ClientError> {
        let systematic = self.gather.metadata.params().primary_source_symbols();
        let mut held = Held { axis, indices: Vec::new(), spooled: Vec::new(), answered: 0, is_done: false };
        let mut run = Run::new(self.gather, axis, BTreeSet::new(), self.order);
        if axis == Axis::Primary {
            run.plan.prefer_rows(systematic);
        }
        let known = self.gather.known(axis);
        let known_count = known.len();
        given.extend(known);
        run.give(&given);
        let mut given = given.into_iter();
        let mut writing: Option<JoinHandle<Result<(), ClientError>>> = None;
        loop {
            let sliver = match given.next() {
                Some(sliver) => sliver,
                None => match run.next().await {
                    Some(sliver) => sliver,
                    None if run.wait_for_rows() => continue,
                    None => break,
                },
            };
            held.indices.push(sliver.index);
            let place = match axis == Axis::Primary && sliver.index.get() < systematic {
                true => Place::Row,
                false => {
                    held.spooled.push(sliver.index);
                    Place::Spool(held.spooled.len() as u64 - 1)
                }
            };
            written(writing.take()).await?;
            let files = self.files.clone();
            writing = Some(tokio::task::spawn_blocking(move || files.put(&sliver, place)));
        }
        written(writing).await?;
        held.answered = held.indices.len() - known_count;
        held.is_done = run.is_done();
        Ok(held)
    }
}

async fn written(writing: Option<JoinHandle<Result<(), ClientError>>>) -> Result<(), ClientError> {
    match writing {
        None => Ok(()),
        Some(task) => task.await.map_err(|error| ClientError::Internal(error.to_string()))?,
    }
}

/// Decodes the rows that are not held.
fn complete(
    metadata: &VerifiedMetadata,
    held: &Held,
    options: &DecodeOptions,
    files: &Files,
) -> Result<(), ClientError> {
    let space = Space {
        files,
        slots: held.spooled.iter().copied().zip(0..).collect(),
        sliver_bytes: metadata.sliver_bytes(held.axis) as u64,
    };
    decode_rows(metadata, held.axis, &held.indices, options, &space).map_err(|error| match error {
        DecodeRowsError::Slivers(error) => ClientError::Internal(error.to_string()),
        DecodeRowsError::Inconsistent(error) => inconsistent(metadata, error.to_string()),
        DecodeRowsError::Space(error) => error,
    })
}

/// The strict check: the whole file is encoded again.
fn check_whole(metadata: &VerifiedMetadata, files: &Files, ceiling: usize) -> Result<(), ClientError> {
    let blob = WholeBlob { files, length: metadata.unencoded_length() };
    let again = compute_metadata_from(metadata.params(), &blob, ceiling).map_err(|error| match error {
        SourceError::TooLarge(error) => ClientError::Internal(error.to_string()),
        SourceError::Read(error) => error,
    })?;
    match again.blob_id() == metadata.blob_id() {
        true => Ok(()),
        false => Err(inconsistent(metadata, format!("its bytes are those of {}", again.blob_id()))),
    }
}

fn inconsistent(metadata: &VerifiedMetadata, detail: String) -> ClientError {
    ClientError::Inconsistent { blob_id: *metadata.blob_id(), detail }
}
