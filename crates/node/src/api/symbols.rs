//! Symbols that other nodes rebuild slivers from: with proofs (2.6) and without (2.7).

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use axum::extract::{Path, Query, State};
use bytes::Bytes;
use floe_protocol::api::{ErrorReason, ErrorStatus};
use floe_redstuff::{
    Axis, BlobId, DecodingSymbol, DecodingSymbols, EitherDecodingSymbol, EncodingParams, GeneralRecoverySymbol,
    PairIndex, SliverIndex, SliverSymbols, SymbolId, VerifiedMetadata,
};

use super::error::ApiError;
use super::{Answer, Shared, blob_id, octets, slivers};
use crate::ledger::Standing;
use crate::node::Node;
use crate::view::CommitteeView;

type Pairs = Query<Vec<(String, String)>>;

/// Bytes of a recovery symbol besides the symbol: tags, lengths, a proof of up to 16 hashes.
const SYMBOL_FRAMING_BYTES: u64 = 16 + 17 * 33;

/// Which symbols are asked for.
#[derive(Debug, PartialEq, Eq)]
enum Filter {
    Ids(BTreeSet<SymbolId>),
    Target(Axis, SliverIndex),
}

pub(super) async fn recovery(State(node): Shared, Path(blob): Path<String>, Query(query): Pairs) -> Answer {
    let blob = blob_id(&blob)?;
    let view = node.view()?;
    let (filter, proof_axis) = parse_recovery(&query)?;
    let ids = symbol_ids(filter, &view, &blob)?;
    let _slot = node.gates.symbols.enter().await?;
    let size = registered_size(&node, blob).await?;
    let each = symbol_bytes(view.params(), size) + SYMBOL_FRAMING_BYTES;
    let permit = node.gates.response_bytes.reserve(each.saturating_mul(ids.len() as u64)).await?;
    let bytes = node
        .blocking(move |node| {
            let metadata = metadata(node, &blob, view.params())?;
            let mut source = Source { node, view: &view, metadata: &metadata, expanded: None };
            let symbols = source.recovery_symbols(&ids, proof_axis)?;
            Ok(GeneralRecoverySymbol::list_to_bcs(&symbols))
        })
        .await?;
    Ok(octets(Bytes::from(bytes), permit))
}

pub(super) async fn decoding(State(node): Shared, Path(blob): Path<String>, Query(query): Pairs) -> Answer {
    let blob = blob_id(&blob)?;
    let view = node.view()?;
    let (axis, targets) = parse_decoding(&query, view.params())?;
    let _slot = node.gates.symbols.enter().await?;
    let size = registered_size(&node, blob).await?;
    let shards = view.own_shards().len() as u64;
    let each = (symbol_bytes(view.params(), size) + 8).saturating_mul(shards);
    let permit = node.gates.response_bytes.reserve(each.saturating_mul(targets.len() as u64)).await?;
    let bytes = node.blocking(move |node| decoding_symbols(node, &view, &blob, axis, &targets)).await?;
    Ok(octets(Bytes::from(bytes.to_bcs()), permit))
}

async fn registered_size(node: &std::sync::Arc<Node>, blob: BlobId) -> Result<u64, ApiError> {
    match node.blocking(move |node| Ok(node.ledger.standing(&blob)?)).await? {
        Standing::Registered { size, .. } => Ok(size),
        Standing::Unknown | Standing::Invalid => Err(slivers::not_found()),
    }
}

fn symbol_bytes(params: EncodingParams, blob_size: u64) -> u64 {
    params.symbol_size(blob_size).map_or(0, |size| u64::from(size.get()))
}

fn metadata(node: &Node, blob: &BlobId, params: EncodingParams) -> Result<VerifiedMetadata, ApiError> {
    node.shelf.metadata(blob, params)?.ok_or_else(slivers::not_found)
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::text(format!("cannot read query parameter {name}={text:?}")))
}

/// Reads `id`s or `targetSliver` with `targetType`, and `proofAxis`.
fn parse_recovery(query: &[(String, String)]) -> Result<(Filter, Option<Axis>), ApiError> {
    let (mut ids, mut target, mut target_axis, mut proof_axis) = (BTreeSet::new(), None, None, None);
    for (name, value) in query {
        match name.as_str() {
            "id" => {
                ids.insert(number::<SymbolId>(name, value)?);
            }
            "targetSliver" => target = Some(SliverIndex::new(number(name, value)?)),
            "targetType" => target_axis = Some(number::<Axis>(name, value)?),
            "proofAxis" => proof_axis = Some(number::<Axis>(name, value)?),
            _ => {}
        }
    }
    let filter = match (ids.is_empty(), target, target_axis) {
        (false, None, None) => Filter::Ids(ids),
        (true, Some(target), Some(axis)) => Filter::Target(axis, target),
        (true, None, None) => {
            return Err(ApiError::new(ErrorReason::NoSymbolsSpecified, "name symbols by id, or a target sliver"));
        }
        _ => {
            let message = "give either ids, or targetSliver together with targetType";
            return Err(ApiError::new(ErrorReason::InvalidFilter, message));
        }
    };
    Ok((filter, proof_axis))
}

fn out_of_range(index: SliverIndex, params: EncodingParams) -> ApiError {
    let message = format!("sliver index {index} is not below the number of shards {}", params.n_shards());
    ApiError::new(ErrorReason::IndexOutOfRange, message)
}

/// The symbols behind a filter. More than one for each shard of the network make no sense for one sliver.
fn symbol_ids(filter: Filter, view: &CommitteeView, blob: &BlobId) -> Result<Vec<SymbolId>, ApiError> {
    let params = view.params();
    let in_range = |index: SliverIndex| {
        if params.contains(index.get()) { Ok(index) } else { Err(out_of_range(index, params)) }
    };
    match filter {
        Filter::Ids(ids) => {
            if ids.len() > usize::from(params.n_shards()) {
                let message = format!("{} symbols asked for, at most {} at a time", ids.len(), params.n_shards());
                return Err(ApiError::new(ErrorReason::InvalidFilter, message));
            }
            for id in &ids {
                in_range(id.primary)?;
                in_range(id.secondary)?;
            }
            Ok(ids.into_iter().collect())
        }
        Filter::Target(axis, target) => {
            in_range(target)?;
            let crossing = view.own_pairs(blob).into_iter().map(|pair| match axis {
                Axis::Primary => SymbolId { primary: target, secondary: pair.secondary(params) },
                Axis::Secondary => SymbolId { primary: pair.primary(), secondary: target },
            });
            Ok(crossing.collect())
        }
    }
}

/// Makes symbols out of the slivers on disk; each sliver is expanded once.
struct Source<'a> {
    node: &'a Node,
    view: &'a CommitteeView,
    metadata: &'a VerifiedMetadata,
    /// The sliver in use. Symbols are made sliver by sliver, so that one is enough.
    expanded: Option<(Axis, PairIndex, SliverSymbols)>,
}

impl Source<'_> {
    /// What can be produced, from a primary sliver where that is possible, else from a secondary one; or only from
    /// the one asked for. If nothing can be produced, the error of the last symbol.
    fn recovery_symbols(
        &mut self,
        ids: &[SymbolId],
        proof_axis: Option<Axis>,
    ) -> Result<Vec<GeneralRecoverySymbol>, ApiError> {
        let mut found = BTreeMap::new();
        let mut failed: BTreeMap<SymbolId, ApiError> = BTreeMap::new();
        for axis in Axis::ALL.into_iter().filter(|axis| proof_axis.is_none_or(|wanted| wanted == *axis)) {
            let mut open: Vec<SymbolId> = ids.iter().filter(|id| !found.contains_key(*id)).copied().collect();
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

    fn symbol_from(&mut self, axis: Axis, id: SymbolId) -> Result<GeneralRecoverySymbol, ApiError> {
        let params = self.view.params();
        let pair = id.sliver(axis).pair(axis, params);
        if !self.view.owns(pair, self.metadata.blob_id()) {
            let message = format!("symbol {id} is in no {axis} sliver of this node's shards");
            return Err(ApiError::new(ErrorReason::SymbolNotPresentAtShards, message));
        }
        let target = id.sliver(axis.orthogonal());
        self.expanded(axis, pair)?.general_recovery_symbol(target).ok_or_else(|| out_of_range(target, params))
    }

    fn expanded(&mut self, axis: Axis, pair: PairIndex) -> Result<&SliverSymbols, ApiError> {
        let known = self.expanded.as_ref().is_some_and(|(known, of, _)| (*known, *of) == (axis, pair));
        if !known {
            let blob = self.metadata.blob_id();
            let sliver = self.node.shelf.sliver(blob, pair, axis, self.view.params())?;
            let sliver = sliver.ok_or_else(slivers::not_found)?;
            let symbols = self.node.compute(|| sliver.symbols(self.metadata)).map_err(|error| {
                tracing::error!(%blob, %pair, %axis, %error, "a stored sliver does not match its metadata");
                ApiError::internal()
            })?;
            self.expanded = Some((axis, pair, symbols));
        }
        self.expanded.as_ref().map(|(_, _, symbols)| symbols).ok_or_else(ApiError::internal)
    }
}

fn parse_decoding(
    query: &[(String, String)],
    params: EncodingParams,
) -> Result<(Axis, BTreeSet<SliverIndex>), ApiError> {
    let (mut axis, mut targets) = (None, BTreeSet::new());
    for (name, value) in query {
        match name.as_str() {
            "targetSlivers" => {
                targets.insert(SliverIndex::new(number(name, value)?));
            }
            "targetType" => axis = Some(number::<Axis>(name, value)?),
            _ => {}
        }
    }
    let axis = axis.ok_or_else(|| ApiError::text("query parameter targetType is missing"))?;
    if targets.is_empty() {
        let message = "name at least one of targetSlivers";
        let reason = ErrorReason::NoTargetSliversSpecified;
        return Err(ApiError::with_status(ErrorStatus::FailedPrecondition, reason, message));
    }
    let systematic = params.slivers_to_decode(axis);
    if let Some(target) = targets.iter().find(|target| target.get() >= systematic) {
        let message = format!("{axis} sliver {target} is not systematic: indices below {systematic} are");
        return Err(ApiError::new(ErrorReason::RecoverySymbolOutOfRange, message));
    }
    Ok((axis, targets))
}

/// Systematic symbols are slices of the slivers on disk: no code is run.
fn decoding_symbols(
    node: &Node,
    view: &CommitteeView,
    blob: &BlobId,
    axis: Axis,
    targets: &BTreeSet<SliverIndex>,
) -> Result<DecodingSymbols, ApiError> {
    let params = view.params();
    let mut symbols: BTreeMap<SliverIndex, Vec<EitherDecodingSymbol>> = BTreeMap::new();
    for pair in view.own_pairs(blob) {
        let Some(sliver) = node.shelf.sliver(blob, pair, axis.orthogonal(), params)? else { continue };
        let size = usize::from(sliver.symbol_size.get());
        for target in targets {
            let Some(data) = sliver.data.chunks_exact(size).nth(usize::from(target.get())) else { continue };
            let symbol = DecodingSymbol { index: sliver.index, data: data.to_vec() };
            symbols.entry(*target).or_default().push(EitherDecodingSymbol { axis, symbol });
        }
    }
    Ok(DecodingSymbols(symbols))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn filters() {
        let ids = parse_recovery(&query(&[("proofAxis", "primary"), ("id", "3-4"), ("id", "1-2"), ("id", "3-4")]));
        let wanted = ["1-2", "3-4"].iter().map(|id| id.parse().expect("an id")).collect();
        assert_eq!(ids, Ok((Filter::Ids(wanted), Some(Axis::Primary))));
        let target = parse_recovery(&query(&[("targetSliver", "72"), ("targetType", "secondary")]));
        assert_eq!(target, Ok((Filter::Target(Axis::Secondary, SliverIndex::new(72)), None)));
    }

    #[test]
    fn wrong_filters() {
        let reason = |pairs: &[(&str, &str)]| parse_recovery(&query(pairs)).expect_err("wrong").reason();
        assert_eq!(reason(&[]), Some(ErrorReason::NoSymbolsSpecified));
        assert_eq!(reason(&[("targetSliver", "1")]), Some(ErrorReason::InvalidFilter));
        assert_eq!(reason(&[("targetType", "primary")]), Some(ErrorReason::InvalidFilter));
        let both = [("id", "1-2"), ("targetSliver", "1"), ("targetType", "primary")];
        assert_eq!(reason(&both), Some(ErrorReason::InvalidFilter));
        assert_eq!(reason(&[("id", "1")]), None);
    }
}
