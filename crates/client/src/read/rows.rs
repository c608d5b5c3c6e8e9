//! Parts of the rows of a blob, from whoever gives them soonest.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use floe_redstuff::{Axis, BlobId, SliverIndex};
use tokio::time::Instant;

use super::{
    fetch::Gather,
    part::Part,
    range::{Piece, to_usize},
    rebuild::{blame, rebuild},
};
use crate::{
    config::{Consistency, scaled},
    error::ClientError,
    http::CallError,
    node::wrong,
    scores::Standing,
    symbols::{symbol_bytes, verified},
};

/// How fast a node takes a row in to prove the first symbols of it, at the least.
const PROVING_BYTES_PER_SECOND: u64 = 64 << 20;
/// How often a blob is held while it is decoded as a whole, when a row can be had in no other way.
const WHOLE_COPIES: u64 = 2;
/// Rebuilt rows that are kept, in bytes, at least one: who reads on in the row finds it.
const REBUILT_BYTES_MAX: usize = 64 << 20;

/// Rows that were rebuilt last, of all blobs.
#[derive(Debug, Default)]
pub(crate) struct RebuiltRows {
    rows: Mutex<VecDeque<((BlobId, SliverIndex), Bytes)>>,
}

impl RebuiltRows {
    fn get(&self, blob: &BlobId, row: SliverIndex) -> Option<Bytes> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().find(|(of, _)| *of == (*blob, row)).map(|(_, bytes)| bytes.clone())
    }

    fn keep(&self, blob: &BlobId, row: SliverIndex, bytes: Bytes) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.push_back(((*blob, row), bytes));
        while rows.len() > 1 && rows.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > REBUILT_BYTES_MAX {
            rows.pop_front();
        }
    }
}

/// Reads parts of the rows of one blob.
pub(super) struct Rows {
    gather: Gather,
    rebuilt: Arc<RebuiltRows>,
    /// One row is rebuilt at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Rows {
    pub(super) fn new(gather: Gather, rebuilt: Arc<RebuiltRows>) -> Self {
        Self { gather, rebuilt, turn: tokio::sync::Mutex::default() }
    }

    /// From the row's holder, or out of the rebuilt row when the holder does not answer, or not soon.
    pub(super) async fn read(self: Arc<Self>, part: Part) -> Piece {
        let Gather { view, metadata, scores, .. } = &self.gather;
        if let Some(row) = self.rebuilt.get(metadata.blob_id(), part.row) {
            return Ok(row.slice(part.bytes));
        }
        let holder = view.member_of(part.row.pair(Axis::Primary, metadata.params()), metadata.blob_id());
        let direct = self.by_holder(holder, &part);
        if scores.rank(view.member(holder).node_id, Instant::now()).0 >= Standing::Silent {
            return match self.by_others(&part).await {
                // There is nothing to lose.
                Err(error @ ClientError::Unavailable { .. }) => direct.await.map_err(|_| error),
                result => result,
            };
        }
        tokio::pin!(direct);
        match tokio::time::timeout(self.patience(&part), &mut direct).await {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(_)) => return self.by_others(&part).await,
            Err(_) => scores.blame(view.member(holder).node_id, Standing::Slow, Instant::now()),
        }
        let others = self.by_others(&part);
        tokio::pin!(others);
        tokio::select! {
            direct = &mut direct => match direct {
                Ok(bytes) => Ok(bytes),
                Err(_) => others.await,
            },
            result = &mut others => match result {
                Err(error @ ClientError::Unavailable { .. }) => direct.await.map_err(|_| error),
                result => result,
            },
        }
    }

    /// How long the holder may take before others are asked as well, which costs a whole row.
    fn patience(&self, part: &Part) -> Duration {
        let row = self.gather.metadata.sliver_bytes(Axis::Primary);
        let answer = if part.columns.is_some() { part.bytes.len() } else { row };
        scaled(self.gather.usual_time(answer as u64), row as u64, PROVING_BYTES_PER_SECOND)
    }

    /// Asked again only while the holder says that it is busy.
    async fn by_holder(&self, holder: usize, part: &Part) -> Result<Bytes, CallError> {
        let Gather { nodes, view, scores, .. } = &self.gather;
        let member = view.member(holder);
        let mut tries = 0;
        loop {
            let started = Instant::now();
            let error = match self.ask_holder(holder, part).await {
                Ok(bytes) => {
                    scores.answered(member.node_id, started.elapsed());
                    return Ok(bytes);
                }
                Err(error) => error,
            };
            blame(&self.gather, holder, "symbols", &error);
            tries += 1;
            if !error.is_transient() || error.is_silence() || tries >= nodes.read.attempts_max {
                return Err(error);
            }
            tokio::time::sleep(nodes.read.backoff_min * 2u32.saturating_pow(tries - 1)).await;
        }
    }

    async fn ask_holder(&self, holder: usize, part: &Part) -> Result<Bytes, CallError> {
        let Gather { nodes, metadata, view, .. } = &self.gather;
        let member = view.member(holder);
        let Part { row, bytes, columns } = part.clone();
        let Some(columns) = columns else {
            let pair = row.pair(Axis::Primary, metadata.params());
            let sliver = nodes.sliver(member, metadata, Axis::Primary, pair).await?;
            let metadata = metadata.clone();
            let row = verified(move || sliver.verify(&metadata).map_err(wrong)).await?;
            return Ok(Bytes::from(row.into_inner().data).slice(bytes));
        };
        let first = usize::from(columns.start) * symbol_bytes(metadata);
        let symbols = nodes.row_symbols(member, metadata, row, columns).await?;
        Ok(Bytes::from(symbols).slice(bytes.start - first..bytes.end - first))
    }

    /// Out of the rebuilt row; out of the whole blob if that cannot be had either and the blob fits the memory of a read.
    async fn by_others(&self, part: &Part) -> Piece {
        let metadata = &self.gather.metadata;
        let _turn = self.turn.lock().await;
        if let Some(row) = self.rebuilt.get(metadata.blob_id(), part.row) {
            return Ok(row.slice(part.bytes.clone()));
        }
        let config = &self.gather.nodes.read;
        let row_bytes = metadata.sliver_bytes(Axis::Primary) as u64;
        let deadline = Instant::now() + scaled(config.deadline_base, row_bytes, config.bytes_per_second_min);
        let row = match rebuild(&Gather { deadline, ..self.gather.clone() }, part.row).await {
            Ok(row) => Bytes::from(row.into_inner().data),
            Err(ClientError::Unavailable { .. })
                if metadata.unencoded_length() <= config.memory_ceiling_bytes / WHOLE_COPIES =>
            {
                let blob = self.gather.whole(Consistency::Default).await?;
                let start = to_usize(u64::from(part.row.get()) * row_bytes);
                let end = blob.len().min(start + to_usize(row_bytes));
                // A slice would keep all of the blob.
                Bytes::copy_from_slice(&blob[start..end])
            }
            Err(error) => return Err(error),
        };
        self.rebuilt.keep(metadata.blob_id(), part.row, row.clone());
        Ok(row.slice(part.bytes.clone()))
    }
}
