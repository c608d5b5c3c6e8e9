//! Rebuilds slivers that this node should hold and does not: its uploads never came, or its disk lost them.
//!
//! For each missing sliver it asks other nodes, in random order, for the symbols in which their slivers cross it, checks
//! every proof, and stops when there are enough. Secondary slivers come first: they need fewer symbols, and with them
//! the other nodes can rebuild their primary ones.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use floe_protocol::{Member, limits};
use floe_redstuff::{
    Axis, BlobId, GeneralRecoverySymbol, InconsistencyProof, PairIndex, Recovered, SliverIndex, VerifiedMetadata,
    VerifiedSymbol, recover_sliver,
};
use futures::StreamExt;
use parking_lot::Mutex;
use rand::seq::SliceRandom;

use crate::api::error::ApiError;
use crate::condemn::condemn;
use crate::ledger::Standing;
use crate::node::Node;
use crate::peers::Peers;
use crate::shelf::Place;
use crate::signals::Signals;
use crate::view::CommitteeView;

/// Bytes of a recovery symbol besides its data, at most.
const SYMBOL_FRAMING_BYTES: usize = 16 + 17 * 33;

/// Why a blob is not whole yet.
#[derive(Debug, thiserror::Error)]
enum HealError {
    #[error("no node gave its metadata")]
    NoMetadata,
    #[error("{axis} sliver {index} needs {needed} symbols, other nodes gave {got}")]
    NotEnough { axis: Axis, index: SliverIndex, got: usize, needed: u16 },
    #[error("{axis} sliver {index} cannot be rebuilt: the blob was encoded wrongly")]
    Inconsistent { axis: Axis, index: SliverIndex, proof: Box<InconsistencyProof> },
    #[error("{axis} sliver {index} cannot be rebuilt: {reason}")]
    Unrecoverable { axis: Axis, index: SliverIndex, reason: String },
    #[error("this node could not do its part: {0:?}")]
    Own(ApiError),
}

impl From<ApiError> for HealError {
    fn from(error: ApiError) -> Self {
        Self::Own(error)
    }
}

/// Runs for as long as the node does.
pub(crate) async fn heal(node: Arc<Node>, signals: Arc<Signals>) {
    let config = node.config.heal.clone();
    let peers = Peers::new(Duration::from_millis(config.request_timeout_ms));
    loop {
        tokio::time::sleep(Duration::from_millis(config.delay_ms)).await;
        let blobs = node.blocking(patients).await.unwrap_or_default();
        for blob in blobs {
            match heal_blob(&node, &peers, blob).await {
                Ok(0) => {}
                Ok(slivers) => tracing::info!(%blob, slivers, "rebuilt missing slivers from other nodes"),
                Err(HealError::Inconsistent { axis, index, proof }) => {
                    tracing::warn!(%blob, %axis, %index, "a sliver cannot be rebuilt: the blob was encoded wrongly");
                    if let Err(error) = condemn(&node, &peers, blob, axis, &proof).await {
                        tracing::warn!(%blob, %error, "the blob could not be marked invalid; trying again");
                    }
                }
                Err(error) => tracing::warn!(%blob, %error, "cannot heal for the moment"),
            }
        }
        let _ = tokio::time::timeout(Duration::from_millis(config.retry_ms), signals.slivers_missing.notified()).await;
    }
}

/// Blobs that lack something: noted when they were certified, or found damaged since. Blocking.
fn patients(node: &Node) -> Result<Vec<BlobId>, ApiError> {
    for blob in node.shelf.take_damaged() {
        node.ledger.mark_missing(&blob, true)?;
    }
    Ok(node.ledger.missing()?)
}

/// Everything that one blob needs while it is healed.
struct Patient<'a> {
    node: &'a Arc<Node>,
    peers: &'a Peers,
    view: Arc<CommitteeView>,
    blob: BlobId,
    /// Members that gave something wrong for this blob.
    liars: Mutex<HashSet<usize>>,
}

/// Number of slivers rebuilt.
async fn heal_blob(node: &Arc<Node>, peers: &Peers, blob: BlobId) -> Result<usize, HealError> {
    let view = node.view()?;
    let pairs = view.own_pairs(&blob);
    let (whole, lacking) = node
        .blocking(move |node| {
            let Standing::Registered { certified: true, .. } = node.ledger.standing(&blob)? else {
                return Ok((true, Vec::new()));
            };
            let lacking = node.shelf.missing(&blob, &pairs)?;
            Ok((lacking.is_empty() && node.shelf.metadata_place(&blob)? == Place::Durable, lacking))
        })
        .await?;
    let mut rebuilt = 0;
    if !whole {
        let patient = Patient { node, peers, view, blob, liars: Mutex::default() };
        let metadata = patient.metadata().await?;
        for axis in [Axis::Secondary, Axis::Primary] {
            let wanted: Vec<PairIndex> = lacking.iter().filter(|(_, of)| *of == axis).map(|(pair, _)| *pair).collect();
            let mut outcomes = futures::stream::iter(wanted)
                .map(|pair| patient.rebuild(&metadata, axis, pair))
                .buffer_unordered(node.config.heal.requests_max.max(1));
            while let Some(outcome) = outcomes.next().await {
                outcome?;
                rebuilt += 1;
            }
        }
    }
    node.blocking(move |node| Ok(node.ledger.mark_missing(&blob, false)?)).await?;
    Ok(rebuilt)
}

impl Patient<'_> {
    /// The other members, shuffled so that the load of recoveries is spread.
    fn others(&self) -> Vec<(usize, &Member)> {
        let members = self.view.committee().members().iter().enumerate();
        let mut others: Vec<_> = members.filter(|(index, _)| Some(*index) != self.view.own_index()).collect();
        others.shuffle(&mut rand::rng());
        others
    }

    fn is_liar(&self, index: usize) -> bool {
        self.liars.lock().contains(&index)
    }

    fn accuse(&self, index: usize, member: &Member, what: &str) {
        if self.liars.lock().insert(index) {
            tracing::warn!(blob = %self.blob, node = %member.name, what, "another node gave something wrong");
        }
    }

    /// Durable metadata; fetched from another node if there is none.
    async fn metadata(&self) -> Result<VerifiedMetadata, HealError> {
        let (blob, params) = (self.blob, self.view.params());
        let known = self.node.blocking(move |node| Ok(node.shelf.metadata(&blob, params)?)).await?;
        if let Some(metadata) = known {
            return Ok(metadata);
        }
        let bytes_max = usize::try_from(limits::metadata_bytes(params)).unwrap_or(usize::MAX).saturating_add(64);
        for (index, member) in self.others() {
            let Ok(bytes) = self.get(member, "metadata", bytes_max).await else { continue };
            let kept = self
                .node
                .blocking(move |node| {
                    let Ok(metadata) = VerifiedMetadata::from_bcs_with_id(&bytes, &blob, params) else {
                        return Ok(None);
                    };
                    node.shelf.put_metadata(&metadata)?;
                    Ok(Some(metadata))
                })
                .await?;
            match kept {
                Some(metadata) => return Ok(metadata),
                None => self.accuse(index, member, "metadata"),
            }
        }
        Err(HealError::NoMetadata)
    }

    async fn get(&self, member: &Member, what: &str, bytes_max: usize) -> Result<bytes::Bytes, ()> {
        let path = format!("/v1/blobs/{}/{what}", self.blob);
        self.peers.get(&member.address, &path, bytes_max).await.map_err(|error| {
            tracing::debug!(blob = %self.blob, node = %member.name, %error, "no help from another node");
        })
    }

    /// Collects symbols until the sliver can be rebuilt, and stores it.
    async fn rebuild(&self, metadata: &VerifiedMetadata, axis: Axis, pair: PairIndex) -> Result<(), HealError> {
        let params = metadata.params();
        let index = pair.sliver(axis, params);
        let needed = params.symbols_per_sliver(axis);
        let mut positions = HashSet::new();
        let mut symbols = Vec::new();
        for (member_index, member) in self.others() {
            if positions.len() >= usize::from(needed) {
                break;
            }
            if self.is_liar(member_index) {
                continue;
            }
            for symbol in self.symbols_of(metadata, axis, index, member_index, member).await? {
                if positions.insert(symbol.position()) {
                    symbols.push(symbol);
                }
            }
        }
        if positions.len() < usize::from(needed) {
            return Err(HealError::NotEnough { axis, index, got: positions.len(), needed });
        }
        let (blob, metadata) = (self.blob, metadata.clone());
        let recovered = self
            .node
            .blocking(move |node| {
                let recovered = node.compute(|| recover_sliver(&metadata, axis, index, symbols));
                if let Ok(Recovered::Sliver(sliver)) = &recovered {
                    node.shelf.put_rebuilt(&blob, pair, sliver)?;
                }
                Ok(recovered)
            })
            .await?;
        match recovered {
            Ok(Recovered::Sliver(_)) => Ok(()),
            Ok(Recovered::Inconsistent(proof)) => Err(HealError::Inconsistent { axis, index, proof: Box::new(proof) }),
            Err(error) => Err(HealError::Unrecoverable { axis, index, reason: error.to_string() }),
        }
    }

    /// The verified symbols of one member; none if it cannot or will not help.
    async fn symbols_of(
        &self,
        metadata: &VerifiedMetadata,
        axis: Axis,
        index: SliverIndex,
        member_index: usize,
        member: &Member,
    ) -> Result<Vec<VerifiedSymbol>, HealError> {
        let shards = member.shards.len();
        let bytes_max = 16 + shards * (usize::from(metadata.symbol_size().get()) + SYMBOL_FRAMING_BYTES);
        let proof_axis = axis.orthogonal();
        let what = format!("recoverySymbols?targetSliver={index}&targetType={axis}&proofAxis={proof_axis}");
        let Ok(bytes) = self.get(member, &what, bytes_max).await else { return Ok(Vec::new()) };
        let metadata = metadata.clone();
        let verified = self
            .node
            .blocking(move |node| {
                let Ok(symbols) = GeneralRecoverySymbol::list_from_bcs(&bytes, shards) else { return Ok(None) };
                let verify = |symbol: GeneralRecoverySymbol| symbol.verify(&metadata, index, axis).ok();
                Ok(node.compute(|| symbols.into_iter().map(verify).collect::<Option<Vec<_>>>()))
            })
            .await?;
        Ok(verified.unwrap_or_else(|| {
            self.accuse(member_index, member, "recovery symbols");
            Vec::new()
        }))
    }
}
