//! The requests that one storage node answers, each checked before it is believed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use floe_protocol::{
    Member,
    api::{BlobStatus, Confirmation, Success},
    message::{BatchConfirmation, Persistence, SignedMessage, StorageConfirmation},
};
use floe_redstuff::{Axis, BlobId, EncodingParams, PairIndex, Sliver, VerifiedMetadata};
use http::{Request, header};
use http_body_util::{BodyExt, Full};

use crate::{
    config::{ReadConfig, scaled},
    http::{CallError, Caller},
};

/// Bytes of serialized metadata for each pair of slivers, and beside them.
const METADATA_BYTES_PER_PAIR: usize = 66;
const METADATA_OVERHEAD_BYTES_MAX: usize = 64;
/// Bytes of a serialized sliver beside its data, at most.
pub(crate) const SLIVER_FRAMING_BYTES_MAX: usize = 16;
/// Longest JSON answer that is read.
const JSON_BYTES_MAX: usize = 64 << 10;

/// Asks nodes.
#[derive(Clone)]
pub(crate) struct Nodes {
    pub(crate) caller: Caller,
    pub(crate) read: Arc<ReadConfig>,
}

impl Nodes {
    /// Metadata whose hashes give `id`.
    pub(crate) async fn metadata(
        &self,
        member: &Member,
        id: &BlobId,
        params: EncodingParams,
    ) -> Result<VerifiedMetadata, CallError> {
        let max = METADATA_BYTES_PER_PAIR * usize::from(params.n_shards()) + METADATA_OVERHEAD_BYTES_MAX;
        let uri = uri(member, id, "metadata")?;
        let bytes = self.caller.get(uri, max, self.timeout(max)).await?;
        VerifiedMetadata::from_bcs_with_id(&bytes, id, params).map_err(wrong)
    }

    /// The sliver of `pair` on `axis`. It has the shape that follows from the metadata; its data is not verified.
    pub(crate) async fn sliver(
        &self,
        member: &Member,
        metadata: &VerifiedMetadata,
        axis: Axis,
        pair: PairIndex,
    ) -> Result<Sliver, CallError> {
        let index = pair.sliver(axis, metadata.params());
        let (head, tail) = metadata.sliver_frame(axis, index);
        let length = metadata.sliver_bytes(axis);
        let path = format!("slivers/{}/{axis}", pair.get());
        let uri = uri(member, metadata.blob_id(), &path)?;
        let data = self.caller.get_framed(uri, (&head, length, &tail), self.timeout(length)).await?;
        Ok(Sliver { axis, index, symbol_size: metadata.symbol_size(), data })
    }

    /// The slivers of several pairs on `axis`, in one answer, as [`sliver`](Self::sliver) gives each.
    pub(crate) async fn slivers(
        &self,
        member: &Member,
        metadata: &VerifiedMetadata,
        axis: Axis,
        pairs: &[PairIndex],
    ) -> Result<Vec<Sliver>, CallError> {
        let length = metadata.sliver_bytes(axis);
        let max = pairs.len() * (length + SLIVER_FRAMING_BYTES_MAX);
        let query: String = pairs.iter().map(|pair| format!("&pair={pair}")).collect();
        let uri = uri(member, metadata.blob_id(), &format!("slivers?type={axis}{query}"))?;
        let bytes = self.caller.get(uri, max, self.timeout(max)).await?;
        let mut rest = bytes.as_slice();
        let mut slivers = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let index = pair.sliver(axis, metadata.params());
            let (head, tail) = metadata.sliver_frame(axis, index);
            let framed = rest.strip_prefix(head.as_slice()).and_then(|rest| rest.split_at_checked(length));
            let framed = framed.and_then(|(data, rest)| Some((data, rest.strip_prefix(&tail)?)));
            let (data, behind) = framed.ok_or_else(|| wrong(format!("not the {axis} sliver of pair {pair}")))?;
            slivers.push(Sliver { axis, index, symbol_size: metadata.symbol_size(), data: data.to_vec() });
            rest = behind;
        }
        match rest.is_empty() {
            true => Ok(slivers),
            false => Err(wrong(format!("{} bytes behind the slivers", rest.len()))),
        }
    }

    /// What the node says of the blob's life.
    pub(crate) async fn status(&self, member: &Member, id: &BlobId) -> Result<BlobStatus, CallError> {
        let uri = uri(member, id, "status")?;
        let bytes = self.caller.get(uri, JSON_BYTES_MAX, self.timeout(JSON_BYTES_MAX)).await?;
        let answer: Success<BlobStatus> = serde_json::from_slice(&bytes).map_err(wrong)?;
        Ok(answer.into_data())
    }

    /// The signed confirmation of a node that has all its slivers.
    pub(crate) async fn confirmation(
        &self,
        member: &Member,
        id: &BlobId,
        persistence: Persistence,
    ) -> Result<SignedMessage<StorageConfirmation>, CallError> {
        let uri = match persistence {
            Persistence::Permanent => uri(member, id, "confirmation/permanent")?,
            Persistence::Deletable(object) => uri(member, id, &format!("confirmation/deletable/{object}"))?,
        };
        let bytes = self.caller.get(uri, JSON_BYTES_MAX, self.timeout(JSON_BYTES_MAX)).await?;
        parse_confirmation(&bytes)
    }

    /// The signature of a node that holds all of a list.
    pub(crate) async fn batch_confirmation(
        &self,
        member: &Member,
        list: Bytes,
    ) -> Result<SignedMessage<BatchConfirmation>, CallError> {
        let bytes = self.post(member, "v1/confirmations", list).await?;
        let answer: Success<SignedMessage<BatchConfirmation>> = serde_json::from_slice(&bytes).map_err(wrong)?;
        Ok(answer.into_data())
    }

    /// The JSON answer to some bytes.
    async fn post(&self, member: &Member, path: &str, body: Bytes) -> Result<Vec<u8>, CallError> {
        let base = member.address.trim_end_matches('/');
        let limit = self.timeout(body.len() + JSON_BYTES_MAX);
        let request = Request::post(format!("{base}/{path}"))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(body).map_err(|never| match never {}).boxed_unsync())
            .map_err(|error| CallError::Address(error.to_string()))?;
        let exchange = async {
            let response = self.caller.transport.send(request).await?;
            self.caller.accept(response, JSON_BYTES_MAX).await
        };
        tokio::time::timeout(limit, exchange).await.unwrap_or(Err(CallError::Timeout(limit)))
    }

    pub(crate) fn timeout(&self, bytes: usize) -> Duration {
        scaled(self.read.request_timeout, bytes as u64, self.read.bytes_per_second_min)
    }
}

/// The confirmation in a success answer, not yet verified.
pub(crate) fn parse_confirmation(bytes: &[u8]) -> Result<SignedMessage<StorageConfirmation>, CallError> {
    let answer: Success<Confirmation> = serde_json::from_slice(bytes).map_err(wrong)?;
    Ok(answer.into_data().into_signed())
}

/// The URI of something of a blob at a member.
pub(crate) fn uri(member: &Member, id: &BlobId, rest: &str) -> Result<http::Uri, CallError> {
    let base = member.address.trim_end_matches('/');
    format!("{base}/v1/blobs/{id}/{rest}").parse().map_err(|error| CallError::Address(format!("{base}: {error}")))
}

pub(crate) fn wrong(error: impl std::fmt::Display) -> CallError {
    CallError::Wrong(error.to_string())
}
