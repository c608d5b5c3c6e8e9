//! Keeps the node's view of the committee current.

use std::sync::Arc;

use floe_chain::ChainError;
use floe_protocol::Committee;

use crate::error::NodeError;
use crate::events::Backoff;
use crate::node::Node;
use crate::signals::Signals;
use crate::view::CommitteeView;

/// Reads the committee at the start, and again whenever an event may have changed it.
pub(crate) async fn keep_current(node: Arc<Node>, signals: Arc<Signals>) -> Result<(), NodeError> {
    let mut backoff = Backoff::new(node.config.timing.chain_retry());
    loop {
        match node.chain.committee().await {
            Ok(committee) => {
                backoff.reset();
                take_over(&node, committee).await?;
                signals.committee_changed.notified().await;
            }
            // Before the launch there is no committee: the first epoch will ring.
            Err(error @ ChainError::BadCommittee { .. }) => {
                tracing::info!(%error, "no committee yet");
                tokio::select! {
                    () = signals.committee_changed.notified() => {}
                    () = backoff.pause() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, code = error.code(), "cannot read the committee; trying again");
                backoff.pause().await;
            }
        }
    }
}

async fn take_over(node: &Arc<Node>, committee: Committee) -> Result<(), NodeError> {
    if let Some(known) = node.view_if_any()
        && known.params() != committee.params()
    {
        return Err(NodeError::WrongNetwork {
            stored: known.params().n_shards(),
            chain: committee.params().n_shards(),
        });
    }
    let view = CommitteeView::new(committee, &node.identity.node_id);
    match view.own_index().and_then(|index| view.committee().member(index)) {
        Some(member) if member.public_key != node.identity.public => {
            return Err(NodeError::WrongKey { node: node.identity.node_id });
        }
        Some(member) => {
            let (epoch, shards) = (view.committee().epoch(), member.shards.len());
            tracing::info!(%epoch, shards, members = view.committee().members().len(), "committee read");
        }
        None => tracing::warn!("this node is not a member of the committee; it holds no shards"),
    }
    let kept = {
        let node = node.clone();
        tokio::task::spawn_blocking(move || node.set_view(view)).await
    };
    node.check_store();
    match kept {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, code = error.code(), "the committee could not be kept for a restart"),
        Err(panic) => return Err(NodeError::State { reason: panic.to_string() }),
    }
    Ok(())
}
