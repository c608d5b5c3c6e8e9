//! `PUT /v1/blobs`: takes a body, stores it, answers when it is certified (http-api.md section 4).

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use floe_client::{Address, ClientError, FileSource, StoreOptions};
use floe_protocol::api::{BlobStoreResult, ErrorReason};
use floe_redstuff::{EncodingParams, EncodingType};
use serde::Deserialize;

use crate::{
    Gateway,
    error::ApiError,
    spool::{SpoolError, SpoolOptions, Spooled, spool},
};

/// Bytes that a store of any size needs besides what it is encoded in.
const STORE_OVERHEAD_BYTES: u64 = 1 << 20;

/// The query of section 4.1. Unknown and repeated parameters are refused by its form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreQuery {
    #[serde(default = "one")]
    epochs: u32,
    #[serde(default)]
    permanent: bool,
    /// The default anyway; it is there to exclude `permanent`.
    #[serde(default)]
    deletable: bool,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    reuse_resources: bool,
    send_object_to: Option<String>,
    #[serde(default)]
    share: bool,
    encoding_type: Option<String>,
}

fn one() -> u32 {
    1
}

impl StoreQuery {
    /// What is asked for, if it goes together.
    fn options(&self) -> Result<StoreOptions, ApiError> {
        if self.permanent && self.deletable {
            return Err(ApiError::new(
                ErrorReason::InvalidBlobPersistence,
                "a blob is either permanent or deletable: give one of the two",
            ));
        }
        if self.send_object_to.is_some() && self.share {
            let message = "send_object_to and share exclude each other";
            return Err(ApiError::Malformed(message.into()));
        }
        if self.share {
            return Err(ApiError::new(
                ErrorReason::MalformedRequest,
                "share is not supported by this gateway: give send_object_to, or share the registration afterwards",
            ));
        }
        let owner = self.send_object_to.as_deref().map(str::parse::<Address>).transpose();
        let owner = owner.map_err(|error| ApiError::Malformed(format!("send_object_to: {error}")))?;
        match self.encoding_type.as_deref().map(str::parse::<EncodingType>) {
            None | Some(Ok(_)) => {}
            Some(Err(error)) => return Err(ApiError::Malformed(error.to_string())),
        }
        Ok(StoreOptions {
            deletable: !self.permanent,
            force: self.force,
            reuse_resources: self.reuse_resources,
            owner,
            ..StoreOptions::epochs(self.epochs)
        })
    }
}

/// Stores the body.
pub(crate) async fn put_blob(
    State(gateway): State<Arc<Gateway>>,
    query: Result<Query<StoreQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|rejection| ApiError::Malformed(rejection.body_text()))?;
    let store_options = query.options()?;
    let place = gateway.writes.enter().await?;

    let params = params(&gateway).await?;
    let options = spool_options(&gateway, params);
    if declared_length(&headers).is_some_and(|length| length > options.bytes_max) {
        return Err(too_large(options.bytes_max, params));
    }
    let spooled = spool(body, &options).await.map_err(|error| spool_failed(error, params))?;
    let client = gateway.client.clone();
    let memory = client.memory_to_store(params, spooled.len()) + STORE_OVERHEAD_BYTES;
    let memory = gateway.memory.hold(memory).await?;
    // A task of its own: once paid for, a store is finished even if the one who asked is gone.
    let task = gateway.tasks.spawn(async move {
        let _held = (place, memory);
        match spooled {
            Spooled::Memory(blob) => client.store(blob, store_options).await,
            Spooled::File { file, .. } => {
                client.store_from(FileSource::new(file).map_err(ClientError::Source)?, store_options).await
            }
        }
    });
    let result = task.await.map_err(|error| ApiError::Internal(error.to_string()))??;
    match result {
        BlobStoreResult::NewlyCreated(_) | BlobStoreResult::AlreadyCertified(_) => Ok(Json(result).into_response()),
        other => Err(ApiError::Internal(format!("{other:?}"))),
    }
}

async fn params(gateway: &Gateway) -> Result<EncodingParams, ApiError> {
    let network = gateway.client.network().await?;
    EncodingParams::new(network.n_shards).map_err(|error| ApiError::Internal(error.to_string()))
}

fn spool_options(gateway: &Gateway, params: EncodingParams) -> SpoolOptions {
    let limits = &gateway.config.store;
    let max = params.max_blob_size();
    SpoolOptions {
        bytes_max: limits.blob_bytes_max.map_or(max, |limit| limit.min(max)),
        threshold_bytes: limits.spool_threshold_bytes,
        dir: limits.spool_dir.clone(),
        idle_max: std::time::Duration::from_secs(limits.body_idle_secs_max),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(max: u64, params: EncodingParams) -> ApiError {
    ApiError::TooLarge {
        message: format!(
            "the blob is too large: this gateway takes up to {max} bytes (the limit of the network with {} shards is {})",
            params.n_shards(),
            params.max_blob_size()
        ),
    }
}

fn spool_failed(error: SpoolError, params: EncodingParams) -> ApiError {
    match error {
        SpoolError::TooLarge { max } => too_large(max, params),
        SpoolError::Broken(_) | SpoolError::Idle(_) => {
            ApiError::new(ErrorReason::MalformedRequest, format!("{error}; nothing was stored"))
        }
        SpoolError::File(error) if error.kind() == std::io::ErrorKind::StorageFull => ApiError::disk_full(),
        SpoolError::File(error) => ApiError::Internal(format!("spooling a body: {error}")),
    }
}
