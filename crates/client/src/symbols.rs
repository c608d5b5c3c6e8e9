//! Single symbols of one row, from the node that holds the row and from those that hold columns.

use std::{collections::HashSet, ops::Range};

use floe_protocol::Member;
use floe_redstuff::{
    Axis, DecodingSymbol, DecodingSymbols, GeneralRecoverySymbol, SliverIndex, VerifiedMetadata, VerifiedSymbol,
};
use rayon::prelude::*;

use crate::{
    compute::compute,
    http::CallError,
    node::{Nodes, uri, wrong},
};

/// Bytes of a serialized symbol beside its data, at most, without a proof.
const SYMBOL_FRAMING_BYTES: usize = 16;
/// Bytes of one hash in a proof.
const PROOF_HASH_BYTES: usize = 33;
/// Bytes of an answer beside its symbols.
const LIST_FRAMING_BYTES: usize = 32;

/// Bytes of a symbol with its proof, at most.
pub(crate) fn proven_symbol_bytes(metadata: &VerifiedMetadata) -> usize {
    let hashes = usize::BITS - usize::from(metadata.params().n_shards()).leading_zeros();
    symbol_bytes(metadata) + SYMBOL_FRAMING_BYTES + PROOF_HASH_BYTES * usize::try_from(hashes).unwrap_or(0)
}

pub(crate) fn symbol_bytes(metadata: &VerifiedMetadata) -> usize {
    usize::from(metadata.symbol_size().get())
}

impl Nodes {
    /// The bytes of some neighbouring symbols of a row, from the member that holds it, each proven to be part of it.
    pub(crate) async fn row_symbols(
        &self,
        member: &Member,
        metadata: &VerifiedMetadata,
        row: SliverIndex,
        columns: Range<u16>,
    ) -> Result<Vec<u8>, CallError> {
        let axis = Axis::Primary;
        let ids: String = columns.clone().map(|column| format!("&id={row}-{column}")).collect();
        let max = LIST_FRAMING_BYTES + columns.len() * proven_symbol_bytes(metadata);
        let bytes = self.symbols(member, metadata, &format!("recoverySymbols?proofAxis={axis}{ids}"), max).await?;
        let metadata = metadata.clone();
        verified(move || {
            let symbols = GeneralRecoverySymbol::list_from_bcs(&bytes, columns.len()).map_err(wrong)?;
            drop(bytes);
            let verify = |symbol: GeneralRecoverySymbol| symbol.verify(&metadata, row, axis).map_err(wrong);
            let symbols: Vec<VerifiedSymbol> = symbols.into_par_iter().map(verify).collect::<Result<_, _>>()?;
            if !symbols.iter().map(|symbol| symbol.position().get()).eq(columns.clone()) {
                return Err(CallError::Wrong(format!("not the symbols {columns:?} that were asked for")));
            }
            Ok(symbols.iter().flat_map(VerifiedSymbol::data).copied().collect())
        })
        .await
    }

    /// What the columns of a member hold of a systematic row. Nothing of it is verified but that it has its places.
    pub(crate) async fn crossing_symbols(
        &self,
        member: &Member,
        metadata: &VerifiedMetadata,
        row: SliverIndex,
    ) -> Result<Vec<DecodingSymbol>, CallError> {
        let axis = Axis::Primary;
        let max = LIST_FRAMING_BYTES + member.shards.len() * (symbol_bytes(metadata) + SYMBOL_FRAMING_BYTES);
        let what = format!("decodingSymbols?targetSlivers={row}&targetType={axis}");
        let bytes = self.symbols(member, metadata, &what, max).await?;
        let columns = columns_of(member, metadata);
        let size = symbol_bytes(metadata);
        verified(move || {
            let symbols = DecodingSymbols::from_bcs(&bytes, columns.len()).map_err(wrong)?.0.remove(&row);
            let symbols = symbols.unwrap_or_default().into_iter().map(|symbol| {
                let is_sound = symbol.axis == axis
                    && symbol.symbol.data.len() == size
                    && columns.contains(&symbol.symbol.index.get());
                is_sound.then_some(symbol.symbol).ok_or_else(|| CallError::Wrong("not a symbol of the row".into()))
            });
            symbols.collect()
        })
        .await
    }

    /// The same symbols, each proven to be part of its column.
    pub(crate) async fn proven_crossing_symbols(
        &self,
        member: &Member,
        metadata: &VerifiedMetadata,
        row: SliverIndex,
    ) -> Result<Vec<VerifiedSymbol>, CallError> {
        let (axis, proof_axis) = (Axis::Primary, Axis::Secondary);
        let max = LIST_FRAMING_BYTES + member.shards.len() * proven_symbol_bytes(metadata);
        let what = format!("recoverySymbols?targetSliver={row}&targetType={axis}&proofAxis={proof_axis}");
        let bytes = self.symbols(member, metadata, &what, max).await?;
        let (metadata, count) = (metadata.clone(), member.shards.len());
        verified(move || {
            let symbols = GeneralRecoverySymbol::list_from_bcs(&bytes, count).map_err(wrong)?;
            symbols.into_par_iter().map(|symbol| symbol.verify(&metadata, row, axis).map_err(wrong)).collect()
        })
        .await
    }

    async fn symbols(
        &self,
        member: &Member,
        metadata: &VerifiedMetadata,
        what: &str,
        max: usize,
    ) -> Result<Vec<u8>, CallError> {
        let uri = uri(member, metadata.blob_id(), what)?;
        self.caller.get(uri, max, self.timeout(max)).await
    }
}

/// Columns of the blob that a member holds.
pub(crate) fn columns_of(member: &Member, metadata: &VerifiedMetadata) -> HashSet<u16> {
    let params = metadata.params();
    let column = |shard: &floe_redstuff::ShardIndex| shard.pair(metadata.blob_id(), params).secondary(params).get();
    member.shards.iter().map(column).collect()
}

/// Checks what came, off the threads that wait for the network.
pub(crate) async fn verified<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CallError> + Send + 'static,
) -> Result<T, CallError> {
    compute(work).await.map_err(|error| CallError::Local(error.to_string()))?
}
