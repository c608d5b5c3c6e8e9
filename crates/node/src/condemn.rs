//! A blob that is proven to be encoded wrongly is marked so on chain, so that nobody answers for it and all readers agree.
//!
//! Whoever finds the proof while healing shows it to the others. Each checks it on its own and signs; the signatures of more
//! than a third of the shards, one of which is honest, make the certificate.

use std::sync::Arc;

use bytes::Bytes;
use floe_chain::ChainError;
use floe_protocol::api::Success;
use floe_protocol::certificate::Collector;
use floe_protocol::{Certificate, CollectError, InvalidBlobId, Member, SignedMessage};
use floe_redstuff::{Axis, BlobId, InconsistencyProof};
use futures::StreamExt;

use crate::api::error::ApiError;
use crate::node::Node;
use crate::peers::Peers;
use crate::view::CommitteeView;

/// Longest answer to a proof that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Nodes that are shown the proof at once.
const ASKED_AT_ONCE: usize = 8;

/// Why a blob is not marked yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CondemnError {
    #[error("only {weight} of {needed} needed shards attested it")]
    NotEnough { weight: u32, needed: u32 },
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("this node could not do its part: {0:?}")]
    Own(ApiError),
}

impl From<ApiError> for CondemnError {
    fn from(error: ApiError) -> Self {
        Self::Own(error)
    }
}

/// Shows the proof to the committee, and hands in what it says.
pub(crate) async fn condemn(
    node: &Arc<Node>,
    peers: &Peers,
    blob: BlobId,
    axis: Axis,
    proof: &InconsistencyProof,
) -> Result<(), CondemnError> {
    let view = node.signing_view()?;
    let certificate = attested(node, peers, &view, blob, axis, proof.to_bcs().into()).await?;
    match node.chain.invalidate_blob(&blob, &certificate).await? {
        Some(tx) => tracing::warn!(%blob, %tx, "the blob is marked invalid on chain: its writer encoded it wrongly"),
        None => tracing::info!(%blob, "the blob was marked invalid already"),
    }
    Ok(())
}

async fn attested(
    node: &Arc<Node>,
    peers: &Peers,
    view: &Arc<CommitteeView>,
    blob: BlobId,
    axis: Axis,
    proof: Bytes,
) -> Result<Certificate, CondemnError> {
    let committee = view.committee();
    let statement = InvalidBlobId { epoch: committee.epoch(), blob_id: blob };
    let mut collector = Collector::new(committee, statement);
    if let Some(own) = view.own_index() {
        let view = view.clone();
        let signed = node.blocking(move |node| node.sign(&view, &statement)).await?;
        add(&mut collector, own, signed);
    }
    let mut asked = Vec::new();
    for (index, member) in committee.members().iter().enumerate() {
        if Some(index) != view.own_index() {
            let proof = proof.clone();
            asked.push(async move { (index, attestation(peers, member, &blob, axis, proof).await) });
        }
    }
    let mut answers = futures::stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
    loop {
        while collector.is_complete() {
            match collector.certificate() {
                Ok(certificate) => return Ok(certificate),
                Err(CollectError::BadSignatures { members }) => {
                    tracing::warn!(%blob, ?members, "members gave bad signatures over an attestation");
                }
                Err(error) => {
                    tracing::error!(%blob, %error, "attestations do not make a certificate");
                    return Err(ApiError::internal().into());
                }
            }
        }
        match answers.next().await {
            Some((index, Some(signed))) => add(&mut collector, index, signed),
            Some((_, None)) => {}
            None => {
                let needed = collector.weight_needed();
                return Err(CondemnError::NotEnough { weight: collector.weight(), needed });
            }
        }
    }
}

fn add(collector: &mut Collector<InvalidBlobId>, member: usize, signed: SignedMessage<InvalidBlobId>) {
    if let Err(error) = collector.add(member, signed) {
        tracing::debug!(member, %error, "an attestation is not counted");
    }
}

/// What a member says to a proof; `None` if it does not agree or does not answer.
async fn attestation(
    peers: &Peers,
    member: &Member,
    blob: &BlobId,
    axis: Axis,
    proof: Bytes,
) -> Option<SignedMessage<InvalidBlobId>> {
    let path = format!("/v1/blobs/{blob}/inconsistencyProof/{axis}");
    let answer = peers.post(&member.address, &path, proof, ANSWER_BYTES_MAX).await;
    let answer =
        answer.inspect_err(|error| tracing::debug!(%blob, node = %member.name, %error, "no attestation")).ok()?;
    serde_json::from_slice::<Success<SignedMessage<InvalidBlobId>>>(&answer).ok().map(Success::into_data)
}
