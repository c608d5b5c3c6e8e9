//! Parts of the rows of a blob, from whoever gives them soonest.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use floe_redstuff::{Axis, BlobId, SliverIndex};
use tokio::time::Instant;

use super::{
    fetch::{Gather, Order},
    files::Files,
    fill::Fill,
    part::Part,
    range::Piece,
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
    /// Those that are read from.
    rows: Range<u16>,
    /// They, decoded with the whole blob once one of them can be had in no other way. One row is made at a time.
    decoded: tokio::sync::Mutex<Option<Arc<Files>>>,
}

impl Rows {
    pub(super) fn new(gather: Gather, rebuilt: Arc<RebuiltRows>, rows: Range<u16>) -> Self {
        Self { gather, rebuilt, rows, decoded: tokio::sync::Mutex::default() }
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

    /// Out of the rebuilt row; out of what all slivers that can be had decode to, in a file, if it cannot be rebuilt.
    async fn by_others(&self, part: &Part) -> Piece {
        let metadata = &self.gather.metadata;
        let mut decoded = self.decoded.lock().await;
        if let Some(row) = self.rebuilt.get(metadata.blob_id(), part.row) {
            return Ok(row.slice(part.bytes.clone()));
        }
        let row = match decoded.as_ref() {
            Some(files) => self.decoded_row(files, part.row).await?,
            None => match self.rebuild(part.row).await {
                Ok(row) => row,
                Err(ClientError::Unavailable { .. }) => {
                    let files = decoded.insert(self.decode().await?);
                    self.decoded_row(files, part.row).await?
                }
                Err(error) => return Err(error),
            },
        };
        self.rebuilt.keep(metadata.blob_id(), part.row, row.clone());
        Ok(row.slice(part.bytes.clone()))
    }

    async fn rebuild(&self, row: SliverIndex) -> Piece {
        let config = &self.gather.nodes.read;
        let row_bytes = self.gather.metadata.sliver_bytes(Axis::Primary) as u64;
        let deadline = Instant::now() + scaled(config.deadline_base, row_bytes, config.bytes_per_second_min);
        let row = rebuild(&Gather { deadline, ..self.gather.clone() }, row).await?;
        Ok(Bytes::from(row.into_inner().data))
    }

    /// All rows of the range, each checked against its hash.
    async fn decode(&self) -> Result<Arc<Files>, ClientError> {
        let Gather { nodes, metadata, .. } = &self.gather;
        let files = Arc::new(Files::temporary(nodes.read.spool_dir.clone(), metadata, None)?);
        let gather = Gather { deadline: self.gather.full_deadline(), ..self.gather.clone() };
        let fill = Fill {
            gather: &gather,
            files: files.clone(),
            consistency: Consistency::Default,
            rows: self.rows.clone(),
            order: Order::Turns,
        };
        fill.run(Vec::new()).await?;
        Ok(files)
    }

    /// What the blob has of a row that was decoded.
    async fn decoded_row(&self, files: &Arc<Files>, row: SliverIndex) -> Piece {
        let metadata = &self.gather.metadata;
        let row_bytes = metadata.sliver_bytes(Axis::Primary) as u64;
        let start = u64::from(row.get()) * row_bytes;
        files.clone().read(start, row_bytes.min(metadata.unencoded_length() - start)).await
    }
}
