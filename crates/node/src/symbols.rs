//! Makes symbols out of slivers on disk, with proofs and without. Everything here blocks.
//!
//! A proof needs the hashes of all `n` symbols of its sliver, so the first symbol of a sliver costs reading and expanding
//! it. Its tree is kept ([`crate::trees`]): from then on a symbol that is part of the sliver as it is stored costs one small
//! read and one hash.

use std::collections::{BTreeMap, BTreeSet};

use floe_protocol::api::ErrorReason;
use floe_redstuff::merkle::{self, MerkleTree};
use floe_redstuff::{
    Axis, BlobId, DecodingSymbol, DecodingSymbols, EitherDecodingSymbol, EncodingParams, GeneralRecoverySymbol,
    PairIndex, SliverIndex, SliverSymbols, SymbolId, VerifiedMetadata,
};

use crate::api::error::ApiError;
use crate::node::Node;
use crate::view::CommitteeView;

/// Which symbols, and over which sliver their proofs must be; either of the two where it is not said.
pub(crate) struct Wanted {
    pub(crate) ids: Vec<SymbolId>,
    pub(crate) proof_axis: Option<Axis>,
}

impl Wanted {
    fn axes(&self) -> impl Iterator<Item = Axis> {
        let wanted = self.proof_axis;
        Axis::ALL.into_iter().filter(move |axis| wanted.is_none_or(|wanted| wanted == *axis))
    }
}

pub(crate) fn out_of_range(index: SliverIndex, params: EncodingParams) -> ApiError {
    let message = format!("sliver index {index} is not below the number of shards {}", params.n_shards());
    ApiError::new(ErrorReason::IndexOutOfRange, message)
}

/// Makes symbols of one blob.
pub(crate) struct Source<'a> {
    pub(crate) node: &'a Node,
    pub(crate) view: &'a CommitteeView,
    pub(crate) metadata: &'a VerifiedMetadata,
    /// The sliver expanded last. Symbols are made sliver by sliver, so that one is enough.
    expanded: Option<(Axis, PairIndex, SliverSymbols)>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(node: &'a Node, view: &'a CommitteeView, metadata: &'a VerifiedMetadata) -> Self {
        Self { node, view, metadata, expanded: None }
    }

    /// Memory that making these symbols takes beside the answer: that of one expansion, or none.
    pub(crate) fn working_bytes(&self, wanted: &Wanted) -> u64 {
        let is_expanded = |axis: Axis| wanted.ids.iter().any(|id| self.needs_expansion(axis, *id));
        let expansion = |axis: Axis| {
            let symbols = usize::from(self.view.params().n_shards()) * usize::from(self.metadata.symbol_size().get());
            (self.metadata.sliver_bytes(axis) + 2 * symbols) as u64
        };
        wanted.axes().filter(|axis| is_expanded(*axis)).map(expansion).max().unwrap_or(0)
    }

    fn needs_expansion(&self, axis: Axis, id: SymbolId) -> bool {
        let (pair, target) = self.place(axis, id);
        let blob = self.metadata.blob_id();
        self.view.serves(pair, blob)
            && (self.metadata.symbol_in_sliver(axis, target).is_none()
                || self.node.shelf.trees.get(&(*blob, pair, axis)).is_none())
    }

    /// What can be produced, from a primary sliver where that is possible, else from a secondary one; or only from
    /// the one asked for. If nothing can be produced, the error of the last symbol.
    pub(crate) fn recovery_symbols(&mut self, wanted: &Wanted) -> Result<Vec<GeneralRecoverySymbol>, ApiError> {
        let mut found = BTreeMap::new();
        let mut failed: BTreeMap<SymbolId, ApiError> = BTreeMap::new();
        for axis in wanted.axes() {
            let mut open: Vec<SymbolId> = wanted.ids.iter().filter(|id| !found.contains_key(*id)).copied().collect();
            open.sort_unstable_by_key(|id| id.sliver(axis));
            for id in open {
                match self.symbol_from(axis, id) {
                    Ok(symbol) => {
                        found.insert(id, symbol);
                    }
                    Err(error) if error.reason() == Some(ErrorReason::SymbolNotPresentAtShards) => {
                        failed.entry(id).or_insert(error);
                    }
                    Err(error) => {
                        failed.insert(id, error);
                    }
                }
            }
        }
        match failed.pop_last() {
            Some((_, error)) if found.is_empty() => Err(error),
            _ => Ok(found.into_values().collect()),
        }
    }

    /// The pair whose sliver of this axis holds the symbol, and the symbol's position on that sliver.
    fn place(&self, axis: Axis, id: SymbolId) -> (PairIndex, SliverIndex) {
        (id.sliver(axis).pair(axis, self.view.params()), id.sliver(axis.orthogonal()))
    }

    fn symbol_from(&mut self, axis: Axis, id: SymbolId) -> Result<GeneralRecoverySymbol, ApiError> {
        let (pair, target) = self.place(axis, id);
        if !self.view.serves(pair, self.metadata.blob_id()) {
            let message = format!("symbol {id} is in no {axis} sliver of this node's shards");
            return Err(ApiError::new(ErrorReason::SymbolNotPresentAtShards, message));
        }
        if let Some(symbol) = self.symbol_at_hand(axis, id)? {
            return Ok(symbol);
        }
        let params = self.view.params();
        self.expanded(axis, pair)?.general_recovery_symbol(target).ok_or_else(|| out_of_range(target, params))
    }

    /// The symbol without expanding its sliver: the tree is known, and what was read has the hash that it had.
    fn symbol_at_hand(&self, axis: Axis, id: SymbolId) -> Result<Option<GeneralRecoverySymbol>, ApiError> {
        let (pair, target) = self.place(axis, id);
        let Some(tree) = self.node.shelf.trees.get(&(*self.metadata.blob_id(), pair, axis)) else { return Ok(None) };
        let Some(data) = self.node.shelf.symbol_unverified(self.metadata, pair, axis, target)? else { return Ok(None) };
        Ok(proven(axis, id, data, &tree))
    }

    fn expanded(&mut self, axis: Axis, pair: PairIndex) -> Result<&SliverSymbols, ApiError> {
        let known = self.expanded.as_ref().is_some_and(|(known, of, _)| (*known, *of) == (axis, pair));
        if !known {
            // Its memory goes before the next one's comes.
            self.expanded = None;
            let blob = self.metadata.blob_id();
            let sliver = self.node.shelf.sliver(blob, pair, axis, self.view.params())?;
            let sliver = sliver.ok_or_else(ApiError::sliver_not_found)?;
            let symbols = self.node.compute(|| sliver.symbols(self.metadata)).map_err(|error| {
                tracing::error!(%blob, %pair, %axis, %error, "a stored sliver does not match its metadata");
                ApiError::internal()
            })?;
            self.node.shelf.trees.keep((*blob, pair, axis), symbols.tree().clone());
            self.expanded = Some((axis, pair, symbols));
        }
        self.expanded.as_ref().map(|(_, _, symbols)| symbols).ok_or_else(ApiError::internal)
    }
}

/// The symbol with its proof, unless its bytes are not those that the tree is over.
fn proven(axis: Axis, id: SymbolId, data: Vec<u8>, tree: &MerkleTree) -> Option<GeneralRecoverySymbol> {
    let target_index = id.sliver(axis.orthogonal());
    let position = usize::from(target_index.get());
    if tree.leaf_hash(position)? != &merkle::leaf(&data) {
        return None;
    }
    let symbol = DecodingSymbol { index: id.sliver(axis), data };
    Some(GeneralRecoverySymbol {
        symbol: EitherDecodingSymbol { axis: axis.orthogonal(), symbol },
        target_index,
        proof: tree.proof(position)?,
    })
}

/// Symbols of systematic slivers are parts of the slivers that cross them: no code is run, and nothing is verified. Whoever
/// asks for symbols without proofs checks what they make together.
pub(crate) fn decoding_symbols(
    node: &Node,
    view: &CommitteeView,
    blob: &BlobId,
    axis: Axis,
    targets: &BTreeSet<SliverIndex>,
) -> Result<DecodingSymbols, ApiError> {
    let mut symbols: BTreeMap<SliverIndex, Vec<EitherDecodingSymbol>> = BTreeMap::new();
    let Some(metadata) = node.shelf.metadata(blob, view.params())? else { return Ok(DecodingSymbols(symbols)) };
    let crossing = axis.orthogonal();
    for pair in view.own_pairs(blob) {
        let index = pair.sliver(crossing, view.params());
        for target in targets {
            let Some(data) = node.shelf.symbol_unverified(&metadata, pair, crossing, *target)? else { continue };
            let symbol = DecodingSymbol { index, data };
            symbols.entry(*target).or_default().push(EitherDecodingSymbol { axis, symbol });
        }
    }
    Ok(DecodingSymbols(symbols))
}
