//! Renewals: which blobs hold money to renew themselves, and which of those are due.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{primitives::U64, sol_types::SolEvent as _};
use floe_protocol::{Epoch, ObjectId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::{Inner, read::Search};
use crate::{BlobFund, BlobObject, ChainError, DueRenewal, STORAGE_UNIT_BYTES, bindings::Blobs};

/// Blobs that are asked for at once.
const BLOBS_AT_ONCE: usize = 16;
/// Blocks that are looked at again, in case that they were replaced by others.
const REORGANISED_BLOCKS_MAX: u64 = 64;

/// Blobs with money in their funds, as far as the chain was searched.
#[derive(Default)]
pub(super) struct Funded {
    searched_to: Option<u64>,
    /// First epoch in which each was not paid for when it was last looked at. It can only have grown since.
    ends: BTreeMap<ObjectId, Epoch>,
}

impl Inner {
    /// Blobs that can be renewed now, the highest reward first. The first call searches the whole chain, later ones what
    /// is new; only what has changed or is near its end is looked at.
    pub(super) async fn due_renewals(&self) -> Result<Vec<DueRenewal>, ChainError> {
        let mut funded = self.funded.lock().await;
        let info = self.network().await?;
        let window =
            self.rpc.call("RENEWAL_WINDOW", self.config.contracts.blobs, &Blobs::RENEWAL_WINDOWCall {}).await?;
        let mut due = Vec::new();
        let near = |end: Epoch| end.0 <= info.epoch.0.saturating_add(window);
        let mut look_at = self.newly_funded(&mut funded).await?;
        look_at.extend(funded.ends.iter().filter(|(_, end)| near(**end)).map(|(id, _)| *id));
        let found = stream::iter(look_at.into_iter().map(|id| async move {
            let (object, fund) = tokio::try_join!(self.blob_object(id), self.fund(id))?;
            Ok::<_, ChainError>((id, object, fund))
        }));
        let found: Vec<(ObjectId, Option<BlobObject>, BlobFund)> = found.buffered(BLOBS_AT_ONCE).try_collect().await?;
        for (id, object, fund) in found {
            let Some(object) = object.filter(|object| object.end_epoch > info.epoch && fund.balance != 0) else {
                funded.ends.remove(&id);
                continue;
            };
            funded.ends.insert(id, object.end_epoch);
            let units = self.encoded_length(object.size).await?.div_ceil(STORAGE_UNIT_BYTES);
            let needed = info.storage_price.saturating_mul(units.into()).saturating_add(fund.reward);
            if near(object.end_epoch) && object.certified_epoch.is_some() && fund.balance >= needed {
                due.push(DueRenewal { object_id: id, end_epoch: object.end_epoch, reward: fund.reward });
            }
        }
        due.sort_by_key(|renewal| std::cmp::Reverse(renewal.reward));
        Ok(due)
    }

    /// Blobs whose funds have changed since the last look.
    async fn newly_funded(&self, funded: &mut Funded) -> Result<BTreeSet<ObjectId>, ChainError> {
        let head: U64 = self.rpc.get("eth_blockNumber", json!([])).await?;
        let from = funded.searched_to.map_or(0, |block| block.saturating_sub(REORGANISED_BLOCKS_MAX));
        let topics = json!([Blobs::FundChanged::SIGNATURE_HASH]);
        let logs = self.search_from(from, &[self.config.contracts.blobs], &topics, Search::All).await?;
        funded.searched_to = Some(head.to());
        Ok(logs.iter().filter_map(|log| log.topics().get(1)).map(|id| ObjectId::from_bytes(id.0)).collect())
    }
}
