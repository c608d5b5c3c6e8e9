//! The part of one node: sent until it confirms, or until trying again makes no sense.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use floe_protocol::{
    Epoch, Member,
    message::{SignedMessage, StorageConfirmation},
};
use http::{Request, header};
use http_body_util::BodyExt;
use tokio::{sync::watch, time::Instant};

use super::{
    body::{Activity, UploadBody, body_bytes},
    slivers::Slivers,
};
use crate::{
    Inner,
    config::{Progress, StoreConfig, scaled},
    failures::Failures,
    http::CallError,
    node::{Nodes, parse_confirmation, uri},
    view::View,
};

/// Longest answer to an upload that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// One blob on its way to all members.
pub(super) struct Upload {
    nodes: Nodes,
    config: StoreConfig,
    slivers: Slivers,
    metadata: Bytes,
    epoch: Epoch,
    ask_first: bool,
    /// Holds something from the registration on.
    registered: watch::Receiver<Option<Instant>>,
    progress: Arc<dyn Progress>,
}

impl Upload {
    pub(super) fn new(
        inner: &Inner,
        slivers: &Slivers,
        epoch: Epoch,
        ask_first: bool,
        registered: watch::Receiver<Option<Instant>>,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self {
            nodes: inner.nodes.clone(),
            config: inner.config.store.clone(),
            metadata: Bytes::from(slivers.metadata().metadata().to_bcs()),
            slivers: slivers.clone(),
            epoch,
            ask_first,
            registered,
            progress,
        }
    }

    /// Length of what is sent to the member.
    pub(super) fn body_bytes(&self, view: &View, member: usize) -> u64 {
        body_bytes(self.slivers.metadata(), view.committee.weight(member))
    }

    /// Sends until the member confirms. Each failed try is noted.
    pub(super) async fn to_member(
        &self,
        view: &View,
        index: usize,
        failures: &Failures,
    ) -> Result<SignedMessage<StorageConfirmation>, CallError> {
        let mut ask_first = self.ask_first;
        let mut registered = self.registered.clone();
        let mut tries = 0;
        loop {
            let was_early = registered.borrow().is_none();
            let error = match self.once(view, index, ask_first, tries == 0).await {
                Ok(signed) => match signed.decode() {
                    Ok(message) if message.epoch < self.epoch => {
                        ask_first = true;
                        CallError::Lagging { got: message.epoch, expected: self.epoch }
                    }
                    _ => return Ok(signed),
                },
                Err(error) => error,
            };
            tracing::debug!(node = %view.member(index).name, tries, %error, "upload failed");
            if was_early && error.is_not_registered() {
                // The chain is slower than the node's patience: sent again when the registration is there. If it never
                // comes, nobody waits for this any more.
                if registered.wait_for(Option::is_some).await.is_err() {
                    return Err(error);
                }
                continue;
            }
            failures.note(index, error.to_string());
            tries += 1;
            // Slivers that cannot be read will not be readable next time.
            if !error.is_transient() || tries >= self.config.attempts_max || self.slivers.failure().is_some() {
                return Err(error);
            }
            let pause = self.config.backoff_min * 2u32.saturating_pow(tries - 1);
            tokio::time::sleep(pause.min(self.config.backoff_max)).await;
        }
    }

    async fn once(
        &self,
        view: &View,
        index: usize,
        ask_first: bool,
        is_watched: bool,
    ) -> Result<SignedMessage<StorageConfirmation>, CallError> {
        let member = view.member(index);
        if ask_first {
            let id = self.slivers.metadata().blob_id();
            match self.nodes.confirmation(member, id).await {
                // It lacks something: it gets all.
                Err(CallError::Refused { status, .. }) if status.is_client_error() => {}
                answer => return answer,
            }
        }
        self.send(view, index, member, is_watched).await
    }

    /// One upload. It is given up when it moves no byte for too long, or when the answer takes too long after the last one.
    async fn send(
        &self,
        view: &View,
        index: usize,
        member: &Member,
        is_watched: bool,
    ) -> Result<SignedMessage<StorageConfirmation>, CallError> {
        let id = self.slivers.metadata().blob_id();
        let pairs = view.committee.pairs_of_member(index, id);
        let activity = Activity::new();
        let body = UploadBody::new(
            self.slivers.clone(),
            &self.metadata,
            pairs,
            activity.clone(),
            is_watched.then(|| self.progress.clone()),
        )
        .map_err(|error| CallError::Local(error.to_string()))?;
        let length = http_body::Body::size_hint(&body).exact().unwrap_or(0);
        let wait = self.config.registration_wait.as_millis();
        let path = format!("upload?persistence=permanent&wait_millis={wait}");
        let request = Request::put(uri(member, id, &path)?)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, length)
            .body(body.boxed_unsync())
            .map_err(|error| CallError::Address(error.to_string()))?;
        // The node verifies and makes durable what it got before it answers.
        let limit = scaled(self.config.stall_timeout, length, self.config.encoded_bytes_per_second_min);
        let response = until_stalled(self.nodes.caller.transport.send(request), &activity, limit).await??;
        let bytes = self.nodes.caller.accept(response, ANSWER_BYTES_MAX).await?;
        parse_confirmation(&bytes)
    }
}

/// Waits for `future` as long as the body has moved within `limit`.
async fn until_stalled<T>(
    future: impl Future<Output = T>,
    activity: &Activity,
    limit: Duration,
) -> Result<T, CallError> {
    tokio::pin!(future);
    loop {
        let stalled_at = activity.last() + limit;
        if stalled_at <= Instant::now() {
            return Err(CallError::Timeout(limit));
        }
        if let Ok(output) = tokio::time::timeout_at(stalled_at, &mut future).await {
            return Ok(output);
        }
    }
}
