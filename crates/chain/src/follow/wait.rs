//! Pauses at the head of the chain: short after something happened, longer when nothing does, and ended at once by an
//! endpoint that announces new blocks.

use std::{collections::VecDeque, time::Duration};

use alloy::{
    primitives::B256,
    providers::{Provider as _, RootProvider},
    pubsub::Subscription,
    rpc::client::RpcClient,
};
use serde::Deserialize;
use tokio::sync::broadcast::error::TryRecvError;

use crate::rpc::{Failure, Rpc, quantity};

/// The shortest pause is this part of the longest.
const QUICK_PART: u32 = 8;
/// Longest pause where blocks are announced: an announcement may get lost with its connection.
const ANNOUNCED_PAUSE: Duration = Duration::from_secs(2);

/// A block as it is announced.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Announced {
    #[serde(deserialize_with = "quantity")]
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) parent_hash: B256,
}

pub(super) struct Waiter {
    rpc: Rpc,
    longest: Duration,
    pause: Duration,
    /// Announcements, and the connection they come on.
    heads: Option<(Subscription<Announced>, RootProvider)>,
}

impl Waiter {
    pub(super) fn new(rpc: Rpc, poll: Duration) -> Self {
        Self { rpc, longest: poll, pause: poll / QUICK_PART, heads: None }
    }

    /// Something happened: more may follow soon.
    pub(super) fn moved(&mut self) {
        self.pause = self.longest / QUICK_PART;
    }

    /// Waits until it is time to look again. Gives the blocks that were announced meanwhile, if all of them are known.
    pub(super) async fn wait(&mut self) -> VecDeque<Announced> {
        let mut announced = VecDeque::new();
        if self.heads.is_none() {
            if let Some(client) = self.rpc.announcer().await {
                self.heads = subscribe(client).await;
            }
            // Blocks before the subscription were not announced: look once more before trusting it.
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 3 / 2).min(self.longest);
            return announced;
        }
        if let Some((heads, _)) = &mut self.heads {
            match tokio::time::timeout(ANNOUNCED_PAUSE, heads.recv()).await {
                Ok(Ok(head)) => {
                    announced.push_back(head);
                    loop {
                        match heads.try_recv() {
                            Ok(head) => announced.push_back(head),
                            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                            Err(TryRecvError::Lagged(_)) => announced.clear(),
                        }
                    }
                }
                // The connection is gone, or many announcements were missed.
                Ok(Err(_)) => self.heads = None,
                Err(_) => {}
            }
        }
        announced
    }
}

async fn subscribe(client: Result<RpcClient, Failure>) -> Option<(Subscription<Announced>, RootProvider)> {
    let provider = RootProvider::new(client.ok()?);
    let subscribing = async { provider.subscribe::<_, Announced>(("newHeads",)).await };
    match tokio::time::timeout(ANNOUNCED_PAUSE, subscribing).await {
        Ok(Ok(heads)) => Some((heads, provider)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the endpoint does not announce blocks");
            None
        }
        Err(_) => None,
    }
}
