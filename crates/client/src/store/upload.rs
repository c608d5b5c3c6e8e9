//! The part of one node: sent until it confirms, or until trying again makes no sense.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use floe_protocol::{
    Epoch, Member, Persistence,
    api::query::{Confirms, PersistenceText},
    message::{SignedMessage, StorageConfirmation},
};
use http::{Request, header};
use http_body_util::BodyExt;
use tokio::{sync::watch, time::Instant};

use super::{
    Registered,
    body::{Activity, UploadBody, body_bytes},
    collect::Collection,
    slivers::Slivers,
};
use crate::{
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
    deletable: bool,
    /// Holds something from the registration on.
    registered: watch::Receiver<Option<Registered>>,
    progress: Arc<dyn Progress>,
}

impl Upload {
    pub(super) fn new(collection: &Collection<'_>) -> Self {
        let inner = &collection.client.inner;
        Self {
            nodes: inner.nodes.clone(),
            config: inner.config.store.clone(),
            metadata: Bytes::from(collection.slivers.metadata().metadata().to_bcs()),
            slivers: collection.slivers.clone(),
            epoch: collection.view.epoch(),
            ask_first: collection.ask_first,
            deletable: collection.deletable,
            registered: collection.registered.clone(),
            progress: collection.progress.clone(),
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
            let early = registered.borrow().is_none();
            let error = match self.once(view, index, ask_first, tries == 0).await {
                Ok(signed) => match signed.decode() {
                    Ok(message) if message.epoch < self.epoch => {
                        ask_first = true;
                        CallError::Lagging { got: message.epoch, expected: self.epoch }
                    }
                    Ok(message) if early && self.deletable => {
                        let Some(wanted) = known(&mut registered).await else { return Ok(signed) };
                        if message.persistence == wanted.persistence {
                            return Ok(signed);
                        }
                        // Somebody else's registration came in between. The slivers are there.
                        ask_first = true;
                        continue;
                    }
                    _ => return Ok(signed),
                },
                Err(error) => error,
            };
            tracing::debug!(node = %view.member(index).name, tries, %error, "upload failed");
            if early && error.is_not_registered() {
                // The chain is slower than the node's patience: sent again when the registration is there. If it never
                // comes, nobody waits for this any more.
                if known(&mut registered).await.is_none() {
                    return Err(error);
                }
                continue;
            }
            failures.note(index, error.to_string());
            tries += 1;
            self.pause_or(error, tries).await?;
        }
    }

    /// What the answer is to confirm, as far as that is known.
    fn confirms(&self) -> Confirms {
        match &*self.registered.borrow() {
            Some(known) => known.persistence.into(),
            None if self.deletable => Confirms::LatestDeletable,
            None => Confirms::Permanent,
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
            let persistence = self.registered.borrow().map_or(Persistence::Permanent, |known| known.persistence);
            match self.nodes.confirmation(member, id, persistence).await {
                // It lacks something: it gets all.
                Err(CallError::Refused { status, .. }) if status.is_client_error() => {}
                answer => return answer,
            }
        }
        let answer = self.send(view, index, member, self.confirms(), is_watched).await?;
        parse_confirmation(&answer)
    }

    /// Sends until the member says that all is durable. Each failed try is noted. For what is confirmed later.
    pub(super) async fn deliver(&self, view: &View, index: usize, failures: &Failures) -> Result<(), CallError> {
        let member = view.member(index);
        let mut tries = 0;
        loop {
            let Err(error) = self.send(view, index, member, Confirms::Nothing, tries == 0).await else { return Ok(()) };
            tracing::debug!(node = %member.name, tries, %error, "upload failed");
            failures.note(index, error.to_string());
            tries += 1;
            self.pause_or(error, tries).await?;
        }
    }

    /// The pause before the next try, or the error if trying again makes no sense.
    async fn pause_or(&self, error: CallError, tries: u32) -> Result<(), CallError> {
        // Slivers that cannot be read will not be readable next time.
        if !error.is_transient() || tries >= self.config.attempts_max || self.slivers.failure().is_some() {
            return Err(error);
        }
        let pause = self.config.backoff_min * 2u32.saturating_pow(tries - 1);
        tokio::time::sleep(pause.min(self.config.backoff_max)).await;
        Ok(())
    }

    /// One upload. It is given up when it moves no byte for too long, or when the answer takes too long after the last one.
    async fn send(
        &self,
        view: &View,
        index: usize,
        member: &Member,
        confirms: Confirms,
        is_watched: bool,
    ) -> Result<Vec<u8>, CallError> {
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
        let path = format!("upload?persistence={}&wait_millis={wait}", PersistenceText(confirms));
        let request = Request::put(uri(member, id, &path)?)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, length)
            .body(body.boxed_unsync())
            .map_err(|error| CallError::Address(error.to_string()))?;
        // The node verifies and makes durable what it got before it answers.
        let limit = scaled(self.config.stall_timeout, length, self.config.encoded_bytes_per_second_min);
        let response = until_stalled(self.nodes.caller.transport.send(request), &activity, limit).await??;
        self.nodes.caller.accept(response, ANSWER_BYTES_MAX).await
    }
}

/// What is known of the registration, once it is there; `None` if it never will be.
async fn known(registered: &mut watch::Receiver<Option<Registered>>) -> Option<Registered> {
    registered.wait_for(Option::is_some).await.ok().and_then(|known| *known)
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
