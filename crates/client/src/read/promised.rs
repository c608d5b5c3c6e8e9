//! Whether the network answers for a blob, and why it does not any more.
//!
//! Permanent registrations are the chain's to tell. It keeps no list of the deletable ones of a blob, so for a blob that has
//! no other the nodes are asked, which follow each.

use std::{sync::Arc, time::Duration};

use floe_chain::{BlobObject, EventKind};
use floe_protocol::{Epoch, api::BlobStatus};
use floe_redstuff::BlobId;

use super::status;
use crate::{FloeClient, error::ClientError, view::View};

/// How long the nodes are asked about a blob of which the chain knows no permanent registration.
const ASK_NODES_LIMIT: Duration = Duration::from_secs(3);

impl FloeClient {
    /// Whether the network has promised to hold this blob now.
    pub(super) async fn check_promised(&self, view: &Arc<View>, id: &BlobId) -> Result<(), ClientError> {
        let expired = |end_epoch: Epoch| ClientError::Expired { blob_id: *id, end_epoch, current_epoch: view.epoch() };
        let promises = &self.inner.promises;
        if promises.get(id).is_some_and(|end| end > view.epoch()) {
            return Ok(());
        }
        let limit = self.inner.config.read.request_timeout;
        match self.inner.chain.available_until(id).await {
            Ok(Some(end)) if end > view.epoch() => {
                promises.keep(id, end);
                Ok(())
            }
            permanent @ Ok(_) => {
                let status = status::ask(&self.inner.nodes, view, id, ASK_NODES_LIMIT.min(limit)).await;
                match (permanent, status.map(|status| (status::verdict(id, &status), status))) {
                    // The nodes know it as certified, and the chain's answer says that nothing permanent is.
                    (
                        _,
                        Ok((Ok(()), BlobStatus::Deletable { .. } | BlobStatus::Permanent { is_certified: false, .. })),
                    ) => {
                        promises.keep(id, view.epoch().next());
                        Ok(())
                    }
                    (_, Ok((Err(reason @ ClientError::Invalid { .. }), _))) => Err(reason),
                    // Nodes learn of a certificate a moment after its writer; and too few may answer to decide.
                    (_, Ok((Err(ClientError::NotCertified { .. }), _)) | Err(_))
                        if self.is_certified_on_chain(view, id).await? =>
                    {
                        promises.keep(id, view.epoch().next());
                        Ok(())
                    }
                    (Ok(Some(end)), _) => Err(expired(end)),
                    (_, Ok((Err(reason), _))) => Err(reason),
                    // Certified in the eyes of the nodes: the chain's answer is not that far yet, or long past.
                    (_, Ok((Ok(()), _))) => Err(ClientError::NotCertified { blob_id: *id }),
                    (_, Err(_)) => Err(ClientError::NotFound { blob_id: *id }),
                }
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, blob = %id, "the chain does not answer: asking the nodes for the status");
                match status::ask(&self.inner.nodes, view, id, limit).await {
                    Ok(status) => status::verdict(id, &status),
                    Err(_) => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether some deletable registration of the blob has a certificate and has not ended.
    async fn is_certified_on_chain(&self, view: &View, id: &BlobId) -> Result<bool, ClientError> {
        let there = self.inner.chain.blob_registrations(id).await?;
        let certified = |object: &BlobObject| object.certified_epoch.is_some() && object.end_epoch > view.epoch();
        Ok(there.iter().any(|object| object.deletable && certified(object)))
    }

    /// Who has the slivers of a blob: while shards move, the committee before, if it has certified the blob
    /// (spec/protocol.md section 7.5).
    pub(super) async fn holders_of(&self, view: Arc<View>, id: &BlobId) -> Arc<View> {
        let Some(previous) = view.of_previous() else { return view };
        match self.certified_before(&view, id).await {
            true => {
                self.inner.views.say_moving(view.epoch());
                Arc::new(previous)
            }
            false => view,
        }
    }

    async fn certified_before(&self, view: &Arc<View>, id: &BlobId) -> bool {
        if let Ok(Some(event)) = self.inner.chain.certified_event(id).await {
            return matches!(
                event.kind,
                EventKind::BlobCertified { certified_epoch, .. } | EventKind::PooledBlobCertified { certified_epoch, .. }
                    if certified_epoch < view.epoch()
            );
        }
        let limit = ASK_NODES_LIMIT.min(self.inner.config.read.request_timeout);
        let certified = match status::ask(&self.inner.nodes, view, id, limit).await {
            Ok(
                BlobStatus::Permanent { initial_certified_epoch, .. }
                | BlobStatus::Deletable { initial_certified_epoch, .. },
            ) => initial_certified_epoch,
            _ => None,
        };
        certified.is_some_and(|epoch| epoch < view.epoch())
    }

    /// The reason behind an error of a read that had begun: nodes drop a blob when it ends, when it is deleted, and when it
    /// is found to be invalid.
    pub(super) async fn explained(&self, id: &BlobId, error: ClientError) -> ClientError {
        match error {
            ClientError::Unavailable { .. } => self.gone_meanwhile(id).await.unwrap_or(error),
            error => error,
        }
    }

    async fn gone_meanwhile(&self, id: &BlobId) -> Option<ClientError> {
        let view = self.inner.views.refresh().await.ok()?;
        if let Some(end_epoch) = self.inner.chain.available_until(id).await.ok()? {
            let current_epoch = view.epoch();
            return (end_epoch <= current_epoch).then_some(ClientError::Expired {
                blob_id: *id,
                end_epoch,
                current_epoch,
            });
        }
        let limit = ASK_NODES_LIMIT.min(self.inner.config.read.request_timeout);
        match status::ask(&self.inner.nodes, &view, id, limit).await.ok()? {
            BlobStatus::Nonexistent => Some(ClientError::Gone { blob_id: *id }),
            BlobStatus::Invalid { .. } => Some(ClientError::Invalid { blob_id: *id }),
            BlobStatus::Permanent { .. } | BlobStatus::Deletable { .. } => None,
        }
    }
}
