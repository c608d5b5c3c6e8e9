//! After a change of epochs each member tells the contract that it holds all of its shards.

use std::sync::Arc;

use floe_chain::ChainError;
use floe_protocol::{Epoch, NodeId};
use floe_redstuff::ShardIndex;

use crate::events::Backoff;
use crate::node::Node;
use crate::signals::Signals;

/// Runs for as long as the node has an account to send from.
pub(crate) async fn report(node: Arc<Node>, signals: Arc<Signals>) {
    let mut backoff = Backoff::new(node.config.timing.chain_retry());
    loop {
        match report_once(&node).await {
            Ok(()) => {
                backoff.reset();
                signals.sync_due.notified().await;
            }
            Err(error @ ChainError::NoWallet) => {
                tracing::info!(%error, "this node cannot report that it holds its shards");
                return;
            }
            Err(error) => {
                tracing::debug!(%error, code = error.code(), "could not report; trying again");
                backoff.pause().await;
            }
        }
    }
}

async fn report_once(node: &Node) -> Result<(), ChainError> {
    let epoch = node.chain.network().await?.epoch;
    // The first committee has nothing to take over.
    if epoch <= Epoch(1) {
        return Ok(());
    }
    let (Some(held), Some(due)) =
        (shards_in(node, Epoch(epoch.0.saturating_sub(1))).await?, shards_in(node, epoch).await?)
    else {
        return Ok(());
    };
    let gained = due.iter().filter(|shard| !held.contains(shard)).count();
    if due.is_empty() {
        return Ok(());
    }
    if gained != 0 {
        tracing::warn!(
            %epoch, gained, shards = due.len(),
            "this node has new shards and does not hold them: it reports nothing, and the change of epoch ends without it"
        );
        return Ok(());
    }
    if node.chain.report_synced(epoch).await? {
        tracing::info!(%epoch, shards = due.len(), "told the contract that all shards are here");
    }
    Ok(())
}

/// The shards of this node in an epoch; `None` if the chain no longer has that committee.
async fn shards_in(node: &Node, epoch: Epoch) -> Result<Option<Vec<ShardIndex>>, ChainError> {
    let own: NodeId = node.identity.node_id;
    let committee = node.chain.committee_of(epoch).await?;
    Ok(committee.map(|committee| {
        let member = committee.index_of(&own).and_then(|index| committee.member(index));
        member.map(|member| member.shards.clone()).unwrap_or_default()
    }))
}
