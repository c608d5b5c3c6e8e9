//! Symbols that other nodes rebuild slivers from: with proofs (2.6) and without (2.7).

use std::collections::BTreeSet;
use std::str::FromStr;

use axum::extract::{Path, Query, State};
use bytes::Bytes;
use floe_protocol::api::{ErrorReason, ErrorStatus};
use floe_redstuff::{Axis, BlobId, EncodingParams, GeneralRecoverySymbol, SliverIndex, SymbolId, VerifiedMetadata};

use super::error::ApiError;
use super::{Answer, Shared, blob_id, octets};
use crate::gates::ByteBudget;
use crate::ledger::Standing;
use crate::node::Node;
use crate::symbols::{Source, Wanted, decoding_symbols, out_of_range};
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
    let wanted = Wanted { ids: symbol_ids(filter, &view, &blob)?, proof_axis };
    let _slot = node.gates.symbols.enter().await?;
    let size = registered_size(&node, blob).await?;
    let each = symbol_bytes(view.params(), size) + SYMBOL_FRAMING_BYTES;
    let answer_bytes = each.saturating_mul(wanted.ids.len() as u64);
    let (metadata, wanted, working_bytes) = {
        let view = view.clone();
        node.blocking(move |node| {
            let metadata = metadata(node, &blob, view.params())?;
            let working_bytes = Source::new(node, &view, &metadata).working_bytes(&wanted);
            Ok((metadata, wanted, working_bytes))
        })
        .await?
    };
    let mut permit = node.gates.response_bytes.reserve(answer_bytes.saturating_add(working_bytes)).await?;
    let bytes = node
        .blocking(move |node| {
            let symbols = Source::new(node, &view, &metadata).recovery_symbols(&wanted)?;
            Ok(GeneralRecoverySymbol::list_to_bcs(&symbols))
        })
        .await?;
    ByteBudget::keep(&mut permit, bytes.len() as u64);
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
        Standing::Unknown | Standing::Invalid => Err(ApiError::sliver_not_found()),
    }
}

fn symbol_bytes(params: EncodingParams, blob_size: u64) -> u64 {
    params.symbol_size(blob_size).map_or(0, |size| u64::from(size.get()))
}

fn metadata(node: &Node, blob: &BlobId, params: EncodingParams) -> Result<VerifiedMetadata, ApiError> {
    node.shelf.metadata(blob, params)?.ok_or_else(ApiError::sliver_not_found)
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
