//! The rows of a small blob: each node gives all that it has of them in one answer.
//!
//! What does not come this way, or is not right, is left to the plan, which asks for slivers one by one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use floe_protocol::limits::SEVERAL_SLIVERS_BYTES_MAX;
use floe_redstuff::{Axis, PairIndex, VerifiedSliver, verify_slivers};
use tokio::{task::JoinSet, time::Instant};

use super::fetch::Gather;
use crate::{
    compute::{compute_unless, is_brief},
    node::SLIVER_FRAMING_BYTES_MAX,
    scores::Standing,
};

impl Gather {
    /// Rows that come at once; none where one answer would be too long, as with any but small blobs. `known` are there.
    pub(super) async fn several_rows(&self, known: &[VerifiedSliver]) -> Vec<VerifiedSliver> {
        let axis = Axis::Primary;
        let asks = self.rows_by_member(known);
        let longest = asks.values().map(Vec::len).max().unwrap_or(0);
        let row_bytes = self.metadata.sliver_bytes(axis).saturating_add(SLIVER_FRAMING_BYTES_MAX);
        // For a single sliver there is nothing to be gained.
        if longest < 2 || row_bytes.saturating_mul(longest) > SEVERAL_SLIVERS_BYTES_MAX {
            return Vec::new();
        }
        let mut waiting: BTreeSet<usize> = asks.keys().copied().collect();
        let mut running = JoinSet::new();
        for (index, pairs) in asks {
            let (nodes, member, metadata) =
                (self.nodes.clone(), self.view.member(index).clone(), self.metadata.clone());
            running.spawn(async move { (index, nodes.slivers(&member, &metadata, axis, &pairs).await) });
        }
        let started = Instant::now();
        let (mut slivers, mut took): (Vec<_>, Vec<Duration>) = (Vec::new(), Vec::new());
        loop {
            let overdue = started + self.hedge_delay(&took, axis);
            match tokio::time::timeout_at(overdue.min(self.deadline), running.join_next()).await {
                Ok(Some(Ok((index, answer)))) => {
                    waiting.remove(&index);
                    let member = self.view.member(index);
                    match answer {
                        Ok(some) => {
                            took.push(started.elapsed());
                            self.scores.answered(member.node_id, started.elapsed());
                            slivers.extend(some);
                        }
                        Err(error) => {
                            tracing::debug!(node = %member.name, %error, "slivers not received at once");
                        }
                    }
                }
                Ok(Some(Err(_))) => {}
                Ok(None) => break,
                Err(_) => {
                    let now = Instant::now();
                    waiting.iter().for_each(|&member| {
                        self.scores.blame(self.view.member(member).node_id, Standing::Slow, now);
                    });
                    break;
                }
            }
        }
        let metadata = self.metadata.clone();
        let brief = is_brief(metadata.params(), metadata.unencoded_length());
        let verified = compute_unless(brief, move || verify_slivers(&metadata, slivers)).await.unwrap_or_default();
        let rows: Vec<VerifiedSliver> = verified.into_iter().filter_map(Result::ok).collect();
        self.progress.advance(rows.iter().map(|row| row.data.len() as u64).sum());
        rows
    }

    /// The rows to ask of each member against whom nothing is known.
    fn rows_by_member(&self, known: &[VerifiedSliver]) -> BTreeMap<usize, Vec<PairIndex>> {
        let known: BTreeSet<PairIndex> = known.iter().map(VerifiedSliver::pair_index).collect();
        let now = Instant::now();
        let mut asks: BTreeMap<usize, Vec<PairIndex>> = BTreeMap::new();
        for pair in (0..self.metadata.params().primary_source_symbols()).map(PairIndex::new) {
            let member = self.view.member_of(pair, self.metadata.blob_id());
            if !known.contains(&pair) && self.rank(member, now).0 == Standing::Good {
                asks.entry(member).or_default().push(pair);
            }
        }
        asks
    }
}
