//! Request bodies under limits (length, silence, average rate), and answers that count as memory until they are sent.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use floe_protocol::api::ErrorReason;
use http::{HeaderMap, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::api::error::ApiError;
use crate::config::NodeConfig;
use crate::gates::ByteBudget;

/// Ceilings of one request body.
#[derive(Clone, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) bytes_max: u64,
    pub(crate) idle: Duration,
    pub(crate) bytes_per_second_min: u64,
    pub(crate) refused_bytes_max: u64,
}

impl BodyLimits {
    pub(crate) fn new(config: &NodeConfig, bytes_max: u64) -> Self {
        Self {
            bytes_max,
            idle: config.timing.body_idle_timeout(),
            bytes_per_second_min: config.limits.body_bytes_per_second_min,
            refused_bytes_max: config.limits.refused_body_bytes_max,
        }
    }
}

/// Reads a request body chunk by chunk. Dropped before the end, it goes on reading for a bounded while in the
/// background: a peer that is still sending then sees the answer instead of a connection reset.
pub(crate) struct BodyReader {
    body: Option<Body>,
    limits: BodyLimits,
    started: Instant,
    received: u64,
}

impl BodyReader {
    /// Refuses at once a body whose declared length is over the limit.
    pub(crate) fn new(body: Body, limits: BodyLimits) -> Result<Self, ApiError> {
        let declared = body.size_hint().lower();
        let bytes_max = limits.bytes_max;
        let reader = Self { body: Some(body), limits, started: Instant::now(), received: 0 };
        if declared > bytes_max { Err(ApiError::too_large(bytes_max)) } else { Ok(reader) }
    }

    /// The most that can come, if the sender said.
    pub(crate) fn length_max(&self) -> Option<u64> {
        self.body.as_ref().and_then(|body| body.size_hint().upper())
    }

    /// The next bytes, or `None` at the end of the body.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            let Some(body) = self.body.as_mut() else { return Ok(None) };
            let frame = match tokio::time::timeout(self.limits.idle, body.frame()).await {
                Err(_) => {
                    self.body = None;
                    return Err(ApiError::body_timeout("the request body stopped arriving"));
                }
                Ok(None) => {
                    self.body = None;
                    return Ok(None);
                }
                Ok(Some(Err(error))) => {
                    self.body = None;
                    tracing::debug!(%error, received = self.received, "request body broke off");
                    return Err(ApiError::text("the request body broke off"));
                }
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            self.received = self.received.saturating_add(data.len() as u64);
            if self.received > self.limits.bytes_max {
                return Err(ApiError::too_large(self.limits.bytes_max));
            }
            self.check_rate()?;
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }

    /// Time that the node itself spent (waiting for a registration, for memory) must not count against the peer.
    pub(crate) fn forgive(&mut self, pause: Duration) {
        self.started += pause;
    }

    fn check_rate(&mut self) -> Result<(), ApiError> {
        let elapsed = self.started.elapsed();
        if elapsed > self.limits.idle
            && self.received < elapsed.as_secs().saturating_mul(self.limits.bytes_per_second_min)
        {
            self.body = None;
            return Err(ApiError::body_timeout("the request body arrives too slowly"));
        }
        Ok(())
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take() else { return };
        if body.is_end_stream() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let limits = self.limits.clone();
        runtime.spawn(async move {
            let mut left = limits.refused_bytes_max;
            let _ = tokio::time::timeout(limits.idle, async {
                while let Some(Ok(frame)) = body.frame().await {
                    let got = frame.data_ref().map_or(0, |data| data.len() as u64);
                    if got >= left {
                        break;
                    }
                    left -= got;
                }
            })
            .await;
        });
    }
}

/// A whole body in memory, with the reservation that covers it.
pub(crate) async fn read_whole(
    body: Body,
    limits: BodyLimits,
    budget: &ByteBudget,
) -> Result<(Bytes, OwnedSemaphorePermit), ApiError> {
    let bytes_max = limits.bytes_max;
    let most = body.size_hint().upper().unwrap_or(bytes_max).min(bytes_max);
    let mut reader = BodyReader::new(body, limits)?;
    let permit = budget.reserve(most).await?;
    let Some(first) = reader.next().await? else { return Ok((Bytes::new(), permit)) };
    let Some(second) = reader.next().await? else { return Ok((first, permit)) };
    let mut whole = BytesMut::with_capacity(first.len() + second.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(chunk) = reader.next().await? {
        whole.extend_from_slice(&chunk);
    }
    Ok((whole.freeze(), permit))
}

/// A present content type must be `application/octet-stream`; parameters are ignored.
pub(crate) fn require_octet_stream(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/octet-stream") {
        Ok(())
    } else {
        Err(ApiError::new(ErrorReason::InvalidContentType, "the content type must be application/octet-stream"))
    }
}

/// Slices handed to the connection at a time, so that a slow reader holds little outside the budget.
const SLICE_BYTES: usize = 256 << 10;

/// An answer whose bytes count against the response budget until the last slice was handed to the connection.
pub(crate) struct BudgetedBody {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl BudgetedBody {
    pub(crate) fn new(bytes: Bytes, permit: OwnedSemaphorePermit) -> Self {
        Self { bytes, _permit: permit }
    }
}

impl http_body::Body for BudgetedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let take = self.bytes.len().min(SLICE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(take)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

mod sliver;

pub(crate) use sliver::SliverBody;

#[cfg(test)]
mod tests;
