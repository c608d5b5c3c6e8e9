//! A WebSocket connection: requests, answered as they finish, and subscriptions.

use super::{Request, Rpc, RpcError, RpcResult, json, logs, params::Params, random_id, respond};
use crate::{
    chain::{Core, Head},
    convert,
    limits::{SOCKET_REQUESTS_MAX, SOCKET_SUBSCRIPTIONS_MAX},
};
use alloy::{primitives::U64, rpc::types::Filter};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::{StreamExt, stream::FuturesUnordered};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

enum Topic {
    NewHeads,
    Logs(Box<Filter>),
}

/// The subscriptions of one connection and the block up to which they have been served.
///
/// Blocks are read from the database, so a slow reader falls behind instead of making anyone keep events for it.
struct Subscriptions {
    topics: BTreeMap<u64, Topic>,
    served: Head,
}

/// Serves one connection until it closes, falls silent, or the chain shuts down.
pub(super) async fn run(rpc: Rpc, mut socket: WebSocket, ping: Duration, closing: CancellationToken) {
    let mut head = rpc.0.core.follow();
    let mut subscriptions = Subscriptions { topics: BTreeMap::new(), served: *head.borrow_and_update() };
    let mut answers = FuturesUnordered::new();
    let mut pings = interval(ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = 0;
    loop {
        let out = tokio::select! {
            () = closing.cancelled() => {
                let frame = CloseFrame { code: close_code::AWAY, reason: "the chain is shutting down".into() };
                let _ = timeout(ping, socket.send(Message::Close(Some(frame)))).await;
                return;
            }
            received = socket.recv(), if answers.len() < SOCKET_REQUESTS_MAX => {
                silent = 0;
                let text = match received {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Binary(bytes))) => match axum::extract::ws::Utf8Bytes::try_from(bytes) {
                        Ok(text) => text,
                        Err(_) => continue,
                    },
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                if let Some(answer) = subscriptions.answer(&text) {
                    vec![answer]
                } else {
                    let rpc = rpc.clone();
                    answers.push(async move { rpc.answer(&text).await });
                    continue;
                }
            }
            Some(answer) = answers.next() => answer.into_iter().collect(),
            changed = head.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = *head.borrow_and_update();
                match subscriptions.notify(&rpc.0.core, now) {
                    Ok(events) => events,
                    Err(error) => {
                        tracing::error!(error = error.message, "a subscription ended");
                        return;
                    }
                }
            }
            _ = pings.tick() => {
                silent += 1;
                // The first tick comes at once; each answer to a ping resets the count.
                if silent > 3 || timeout(ping, socket.send(Message::Ping(Default::default()))).await.is_err() {
                    return;
                }
                continue;
            }
        };
        for text in out {
            if !matches!(timeout(ping, socket.send(Message::Text(text.into()))).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

#[derive(Serialize)]
struct Notification<'a, T: Serialize> {
    jsonrpc: &'static str,
    method: &'static str,
    params: Event<'a, T>,
}

#[derive(Serialize)]
struct Event<'a, T: Serialize> {
    subscription: U64,
    result: &'a T,
}

fn event<T: Serialize>(id: u64, result: &T) -> Result<String, RpcError> {
    let params = Event { subscription: U64::from(id), result };
    let notification = Notification { jsonrpc: "2.0", method: "eth_subscription", params };
    serde_json::to_string(&notification).map_err(|error| RpcError::new(-32603, error.to_string()))
}

impl Subscriptions {
    /// Answers `eth_subscribe` and `eth_unsubscribe`; `None` for anything else.
    fn answer(&mut self, text: &str) -> Option<String> {
        let request: Request<'_> = serde_json::from_str(text).ok()?;
        let result = match &*request.method {
            "eth_subscribe" => Params::new(request.params).and_then(|params| self.subscribe(&params)),
            "eth_unsubscribe" => Params::new(request.params).and_then(|params| {
                let id: U64 = params.required(0)?;
                json(self.topics.remove(&id.to()).is_some())
            }),
            _ => return None,
        };
        Some(respond(request.id, result))
    }

    fn subscribe(&mut self, params: &Params<'_>) -> RpcResult {
        if self.topics.len() >= SOCKET_SUBSCRIPTIONS_MAX {
            return Err(RpcError::limit(format!("too many subscriptions: {SOCKET_SUBSCRIPTIONS_MAX} are open")));
        }
        let topic = match params.required::<String>(0)?.as_str() {
            "newHeads" => Topic::NewHeads,
            "logs" => {
                let filter: Box<Filter> = params.optional(1)?.unwrap_or_default();
                logs::check(&filter)?;
                Topic::Logs(filter)
            }
            other => return Err(RpcError::invalid_params(format!("unsupported subscription {other}"))),
        };
        let id = random_id()?;
        self.topics.insert(id, topic);
        json(U64::from(id))
    }

    /// The notifications for all blocks since the last call.
    fn notify(&mut self, core: &Core, now: Head) -> Result<Vec<String>, RpcError> {
        let mut out = Vec::new();
        if self.topics.is_empty() {
            self.served = now;
            return Ok(out);
        }
        #[cfg(feature = "test-faults")]
        self.take_back(core, &mut out)?;
        let snapshot = core.snapshot()?;
        for number in self.served.number + 1..=now.number {
            // Absent only if blocks were taken back meanwhile; the next call deals with that.
            let Some(stored) = snapshot.header(number)? else { return Ok(out) };
            let wants_logs =
                |topic: &Topic| matches!(topic, Topic::Logs(f) if f.matches_bloom(stored.header.logs_bloom));
            let logs =
                if self.topics.values().any(wants_logs) { convert::block_logs(&snapshot, number)? } else { Vec::new() };
            for (id, topic) in &self.topics {
                match topic {
                    Topic::NewHeads => out.push(event(*id, &convert::header(&stored))?),
                    Topic::Logs(filter) => {
                        for log in logs.iter().filter(|log| filter.matches(&log.inner)) {
                            out.push(event(*id, log)?);
                        }
                    }
                }
            }
            self.served.number = number;
        }
        Ok(out)
    }

    /// Sends the logs of blocks that were taken back, marked as removed.
    #[cfg(feature = "test-faults")]
    fn take_back(&mut self, core: &Core, out: &mut Vec<String>) -> Result<(), RpcError> {
        let removed = core.removed.lock();
        for removed in removed.iter() {
            if removed.fork <= self.served.fork {
                continue;
            }
            let seen = removed.logs.iter().filter(|log| log.block_number <= Some(self.served.number));
            for log in seen {
                let log = alloy::rpc::types::Log { removed: true, ..log.clone() };
                for (id, topic) in &self.topics {
                    if matches!(topic, Topic::Logs(filter) if filter.matches(&log.inner)) {
                        out.push(event(*id, &log)?);
                    }
                }
            }
            self.served = Head { number: self.served.number.min(removed.base), fork: removed.fork };
        }
        Ok(())
    }
}
