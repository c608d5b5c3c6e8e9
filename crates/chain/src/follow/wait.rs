//! Pauses at the head of the chain: short after something happened, longer when nothing does, and ended at once by an
//! endpoint that announces new blocks.

use std::time::Duration;

use alloy::{
    providers::{Provider as _, RootProvider},
    pubsub::Subscription,
};
use serde::de::IgnoredAny;

use crate::rpc::Rpc;

/// The shortest pause is this part of the longest.
const QUICK_PART: u32 = 8;
/// Longest pause where blocks are announced: an announcement may get lost with its connection.
const ANNOUNCED_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Waiter {
    rpc: Rpc,
    longest: Duration,
    pause: Duration,
    /// Announcements, and the connection they come on.
    heads: Option<(Subscription<IgnoredAny>, RootProvider)>,
}

impl Waiter {
    pub(super) fn new(rpc: Rpc, poll: Duration) -> Self {
        Self { rpc, longest: poll, pause: poll / QUICK_PART, heads: None }
    }

    /// Something happened: more may follow soon.
    pub(super) fn moved(&mut self) {
        self.pause = self.longest / QUICK_PART;
    }

    pub(super) async fn wait(&mut self) {
        if !self.rpc.announces() {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 3 / 2).min(self.longest);
            return;
        }
        if self.heads.is_none() {
            self.heads = self.subscribe().await;
            // Blocks before the subscription were not announced: look once more before trusting it.
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 3 / 2).min(self.longest);
            return;
        }
        if let Some((heads, _)) = &mut self.heads {
            match tokio::time::timeout(ANNOUNCED_PAUSE, heads.recv()).await {
                // One look serves for all that were announced meanwhile.
                Ok(Ok(_)) => while heads.try_recv().is_ok() {},
                // The connection is gone, or many announcements were missed.
                Ok(Err(_)) => self.heads = None,
                Err(_) => {}
            }
        }
    }

    async fn subscribe(&self) -> Option<(Subscription<IgnoredAny>, RootProvider)> {
        let provider = RootProvider::new(self.rpc.client().await.ok()?);
        let subscribing = async { provider.subscribe::<_, IgnoredAny>(("newHeads",)).await };
        match tokio::time::timeout(ANNOUNCED_PAUSE, subscribing).await {
            Ok(Ok(heads)) => Some((heads, provider)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the endpoint does not announce blocks");
                None
            }
            Err(_) => None,
        }
    }
}
