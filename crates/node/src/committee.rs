//! Keeps the node's view of the committee current.

use std::sync::Arc;

use floe_chain::ChainError;
use floe_protocol::{Committee, Epoch};

use crate::error::NodeError;
use crate::events::Backoff;
use crate::keyring::{Keyring, Which};
use crate::node::Node;
use crate::signals::Signals;
use crate::view::CommitteeView;

/// Reads the committee at the start, and again whenever an event may have changed it.
pub(crate) async fn keep_current(node: Arc<Node>, signals: Arc<Signals>) -> Result<(), NodeError> {
    let mut backoff = Backoff::new(node.config.timing.chain_retry());
    loop {
        match committees(&node).await {
            Ok((committee, previous)) => {
                let epoch = committee.epoch();
                take_over(&node, committee, previous.as_ref()).await?;
                if epoch < node.ledger.epoch() {
                    // The endpoint that answered is behind the events: nothing is signed until it is not.
                    backoff.pause().await;
                    continue;
                }
                backoff.reset();
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

/// The current committee and the one before it, as long as the chain has that.
async fn committees(node: &Node) -> Result<(Committee, Option<Committee>), ChainError> {
    let committee = node.chain.committee().await?;
    let previous = node.chain.committee_of(Epoch(committee.epoch().0.saturating_sub(1))).await?;
    Ok((committee, previous))
}

async fn take_over(node: &Arc<Node>, committee: Committee, previous: Option<&Committee>) -> Result<(), NodeError> {
    if let Some(known) = node.view_if_any()
        && known.params() != committee.params()
    {
        return Err(NodeError::WrongNetwork {
            stored: known.params().n_shards(),
            chain: committee.params().n_shards(),
        });
    }
    let view = CommitteeView::new(committee, previous, &node.identity.node_id);
    match view.own_index().and_then(|index| view.committee().member(index)) {
        Some(member) => {
            let (epoch, shards) = (view.committee().epoch(), member.shards.len());
            let Some(key) = node.identity.keys.which(&member.public_key) else {
                return Err(NodeError::WrongKey { node: node.identity.node_id, epoch });
            };
            let members = view.committee().members().len();
            tracing::info!(%epoch, shards, members, ?key, "committee read");
            if node.view_if_any().as_ref().and_then(|known| known.own_key()) != Some(&member.public_key) {
                say_which_key(&node.identity.keys, key, epoch);
            }
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

/// Once for each change of the key, and at the start.
fn say_which_key(keys: &Keyring, key: Which, epoch: Epoch) {
    match (key, keys.next()) {
        (Which::Current, None) => {}
        (Which::Current, Some(_)) => tracing::info!(
            %epoch,
            "signs with its current key; the next one takes over in the first epoch whose committee knows this node by it"
        ),
        (Which::Next, _) => tracing::warn!(
            %epoch,
            "signs with its next key from this epoch on: make that file the protocol key file; the old key counts no more"
        ),
    }
}
