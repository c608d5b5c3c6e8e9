//! A small upload, held in memory as a whole: one visit of a blocking thread checks it, makes it durable and signs.
//!
//! It is checked while its registration is still on the way; nothing is written before the blob is registered.

use std::collections::HashSet;

use floe_protocol::api::query::Confirms;
use floe_protocol::upload::SliverFrame;
use floe_redstuff::{Axis, BlobId, BlobMetadata, PairIndex, VerifiedMetadata};

use crate::api::error::ApiError;
use crate::api::{Said, say};
use crate::ledger::Standing;
use crate::node::Node;
use crate::store_upload::StoreUpload;

/// What came, and how far it was checked.
pub(crate) struct WholeUpload {
    pub(crate) blob: BlobId,
    pub(crate) confirms: Confirms,
    pub(crate) metadata: Metadata,
    pub(crate) slivers: Vec<SliverFrame>,
    /// Pairs that the sender announced.
    pub(crate) pairs: u16,
    /// Whether all slivers were verified.
    pub(crate) checked: bool,
}

/// The metadata of an upload.
pub(crate) enum Metadata {
    Received(BlobMetadata),
    Verified(VerifiedMetadata),
}

/// How an upload stands after a step.
pub(crate) enum Outcome {
    /// Durable, and confirmed as far as that was asked for.
    Durable(Box<Said>),
    /// Checked; it waits for the registration.
    Waits(WholeUpload),
}

impl WholeUpload {
    /// Goes as far as the state of the blob allows. Blocking.
    pub(crate) fn advance(mut self, node: &Node, may_wait: bool) -> Result<Outcome, ApiError> {
        let metadata = self.verified_metadata(node)?;
        match node.ledger.standing(&self.blob)? {
            Standing::Invalid => Err(ApiError::invalid_blob()),
            Standing::Unknown if !may_wait => Err(ApiError::not_registered()),
            Standing::Unknown => {
                self.check_all(node, &metadata)?;
                Ok(Outcome::Waits(self))
            }
            Standing::Registered { .. } => {
                self.store(node, &metadata)?;
                match say(node, &self.blob, self.confirms) {
                    // Somebody else has registered it; the sender's own registration is on its way.
                    Err(error) if error.is_not_registered() && may_wait => Ok(Outcome::Waits(self)),
                    said => Ok(Outcome::Durable(Box::new(said?))),
                }
            }
        }
    }

    fn verified_metadata(&mut self, node: &Node) -> Result<VerifiedMetadata, ApiError> {
        let params = node.params()?;
        let verified = match &self.metadata {
            Metadata::Verified(verified) => return Ok(verified.clone()),
            Metadata::Received(received) => node.compute_here(|| received.clone().verify(&self.blob, params)),
        };
        let verified = verified.map_err(|error| ApiError::invalid_metadata(&error))?;
        self.metadata = Metadata::Verified(verified.clone());
        Ok(verified)
    }

    fn check_all(&mut self, node: &Node, metadata: &VerifiedMetadata) -> Result<(), ApiError> {
        let view = node.view()?;
        if let Some(foreign) = self.slivers.iter().find(|sliver| !view.owns(sliver.pair, &self.blob)) {
            return Err(ApiError::not_assigned(foreign.pair, &self.blob, view.params()));
        }
        if !self.checked {
            StoreUpload { node, metadata }.verify(&self.slivers)?;
            self.checked = true;
        }
        Ok(())
    }

    /// Stores what is not durable yet.
    fn store(&mut self, node: &Node, metadata: &VerifiedMetadata) -> Result<(), ApiError> {
        let view = node.view()?;
        let lacking: HashSet<(PairIndex, Axis)> =
            node.shelf.missing(&self.blob, &view.own_pairs(&self.blob))?.into_iter().collect();
        let pairs_of =
            |slivers: &HashSet<(PairIndex, Axis)>| slivers.iter().map(|(pair, _)| *pair).collect::<HashSet<_>>().len();
        let lacking_pairs = pairs_of(&lacking);
        if lacking_pairs > usize::from(self.pairs) {
            return Err(ApiError::too_few_pairs(lacking_pairs - usize::from(self.pairs)));
        }
        let sent: HashSet<(PairIndex, Axis)> = self.slivers.iter().map(|sliver| (sliver.pair, sliver.axis)).collect();
        if let Some(foreign) = self.slivers.iter().find(|sliver| !view.owns(sliver.pair, &self.blob)) {
            return Err(ApiError::not_assigned(foreign.pair, &self.blob, view.params()));
        }
        let missing = pairs_of(&lacking.difference(&sent).copied().collect());
        if missing > 0 {
            return Err(ApiError::too_few_pairs(missing));
        }
        self.slivers.retain(|sliver| lacking.contains(&(sliver.pair, sliver.axis)));
        let upload = StoreUpload { node, metadata };
        if !self.checked {
            upload.verify(&self.slivers)?;
        }
        let mut writer = upload.begin()?;
        upload.append(&mut writer, std::mem::take(&mut self.slivers))?;
        upload.commit(writer)
    }
}
