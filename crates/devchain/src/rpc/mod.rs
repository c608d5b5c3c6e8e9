//! JSON-RPC: envelopes and batches here, the methods in [`methods`], transports in [`http`] and [`socket`].

mod call;
mod error;
mod fees;
mod filters;
pub(crate) mod http;
mod logs;
mod methods;
mod params;
mod send;
mod socket;

pub(crate) use error::RpcError;

use crate::{
    ServeOptions,
    chain::Core,
    limits::{BATCH_CONCURRENCY, BATCH_ENTRIES_MAX, BATCH_RESPONSE_BYTES_MAX},
};
use filters::Filters;
use futures::{StreamExt, stream::FuturesOrdered};
use params::Params;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::{borrow::Cow, sync::Arc};
use tokio::sync::Semaphore;

/// Answers requests of all connections.
#[derive(Clone)]
pub(crate) struct Rpc(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    filters: Filters,
    /// Executions and log scans at the same time; they run on threads of their own.
    heavy: Semaphore,
    time_control: bool,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Response<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Result(Box<RawValue>),
    Error(RpcError),
}

type RpcResult = Result<Box<RawValue>, RpcError>;

fn json<T: Serialize>(value: T) -> RpcResult {
    to_raw_value(&value).map_err(|error| RpcError::new(-32603, error.to_string()))
}

fn respond(id: Option<&RawValue>, result: RpcResult) -> String {
    let answer = match result {
        Ok(value) => Answer::Result(value),
        Err(error) => Answer::Error(error),
    };
    serde_json::to_string(&Response { jsonrpc: "2.0", id, answer }).expect("a response has only string keys")
}

fn too_large(request: &str) -> String {
    let id = serde_json::from_str::<Request<'_>>(request).ok().and_then(|request| request.id);
    respond(id, Err(RpcError::limit("batch response too large")))
}

/// Unguessable: whoever knows the id of a filter can drain it.
fn random_id() -> Result<u64, RpcError> {
    getrandom::u64().map_err(|error| RpcError::new(-32603, format!("no randomness: {error}")))
}

impl Rpc {
    pub(crate) fn new(core: Arc<Core>, options: &ServeOptions) -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self(Arc::new(Inner {
            core,
            filters: Filters::default(),
            heavy: Semaphore::new(threads * 2),
            time_control: options.time_control,
        }))
    }

    /// Answers a JSON text: one request or a batch. Nothing is answered to notifications.
    ///
    /// The entries of a batch run concurrently, so that transactions in it share a block.
    pub(crate) async fn answer(&self, text: &str) -> Option<String> {
        if !text.trim_start().starts_with('[') {
            return self.answer_one(text).await;
        }
        let entries: Vec<&RawValue> = match serde_json::from_str(text) {
            Ok(entries) => entries,
            Err(_) => return Some(respond(None, Err(RpcError::parse()))),
        };
        if entries.is_empty() {
            return Some(respond(None, Err(RpcError::invalid_request("empty batch"))));
        }
        if entries.len() > BATCH_ENTRIES_MAX {
            let message = format!("batch too large: {} entries, limit {BATCH_ENTRIES_MAX}", entries.len());
            return Some(respond(None, Err(RpcError::invalid_request(message))));
        }
        let mut waiting = entries.into_iter();
        let mut running = FuturesOrdered::new();
        let mut batch = String::from("[");
        let mut full = false;
        loop {
            while running.len() < BATCH_CONCURRENCY
                && let Some(entry) = waiting.next()
            {
                // What has not begun when the response is full is not done.
                running.push_back(async move {
                    let answer = if full { Some(too_large(entry.get())) } else { self.answer_one(entry.get()).await };
                    (answer, entry)
                });
            }
            let Some((answer, entry)) = running.next().await else { break };
            let Some(mut answer) = answer else { continue };
            if batch.len() + answer.len() > BATCH_RESPONSE_BYTES_MAX {
                full = true;
                answer = too_large(entry.get());
            }
            if batch.len() > 1 {
                batch.push(',');
            }
            batch.push_str(&answer);
        }
        batch.push(']');
        (batch.len() > 2).then_some(batch)
    }

    async fn answer_one(&self, text: &str) -> Option<String> {
        let request: Request<'_> = match serde_json::from_str(text) {
            Ok(request) => request,
            Err(error) if error.is_data() => {
                return Some(respond(None, Err(RpcError::invalid_request("invalid request"))));
            }
            Err(_) => return Some(respond(None, Err(RpcError::parse()))),
        };
        let result = match Params::new(request.params) {
            Ok(params) => self.dispatch(&request.method, &params).await,
            Err(error) => Err(error),
        };
        request.id.map(|id| respond(Some(id), result))
    }

    /// Runs work that may take long on a thread where it holds up nobody else.
    async fn heavy<T: Serialize + Send + 'static>(
        &self,
        work: impl FnOnce(&Core) -> Result<T, RpcError> + Send + 'static,
    ) -> RpcResult {
        let _permit = self.0.heavy.acquire().await.map_err(|_| RpcError::new(-32603, "shutting down"))?;
        let core = self.0.core.clone();
        let result = tokio::task::spawn_blocking(move || work(&core)).await;
        json(result.map_err(|error| RpcError::new(-32603, error.to_string()))??)
    }
}
