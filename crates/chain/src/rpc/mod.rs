//! JSON-RPC requests: several endpoints in turn, timeouts, retries, and answers read leniently enough for any EVM chain.
//!
//! The endpoints are asked in the order in which they are configured. One that is down, is overloaded, serves another
//! chain or is far behind the others is passed over, for longer each time, and the next one is asked at once.

mod answers;
mod endpoint;
mod health;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use alloy::{
    primitives::{Bytes, U64},
    rpc::{client::RpcClient, json_rpc::RpcRecv},
    sol_types::SolCall,
};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::health::Rank;
pub use self::health::{EndpointState, EndpointStatus};
pub(crate) use self::{
    answers::{Failure, Header, Receipt, block_tag, quantity},
    endpoint::{Endpoint, Request, origin_of},
};
use crate::{Address, ChainError, revert};

/// Longest wait for the answer to one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The same where another endpoint can be asked instead.
const HURRIED_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a number that any endpoint knows by heart.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a call goes on trying while no endpoint answers.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// First and longest pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often the latest blocks of the endpoints are compared, on this machine and elsewhere.
const HEADS_INTERVAL_LOCAL: Duration = Duration::from_millis(500);
const HEADS_INTERVAL: Duration = Duration::from_secs(5);

/// The endpoints of one chain. Clones share connections and what is known of the endpoints.
#[derive(Clone)]
pub(crate) struct Rpc {
    inner: Arc<Inner>,
}

struct Inner {
    /// In the order of preference; never empty.
    endpoints: Vec<Endpoint>,
    lag_blocks_max: u64,
    /// The chain that all must serve, once it is known.
    chain_id: OnceLock<u64>,
    heads_compared: Mutex<Option<Instant>>,
}

impl Rpc {
    /// Checks the addresses; connects on the first request.
    pub(crate) fn new<'a>(urls: impl IntoIterator<Item = &'a str>, lag_blocks_max: u64) -> Result<Self, ChainError> {
        let endpoints = urls.into_iter().map(Endpoint::new).collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(ChainError::InvalidUrl { detail: "none given".to_owned() });
        }
        let (chain_id, heads_compared) = Default::default();
        Ok(Self { inner: Arc::new(Inner { endpoints, lag_blocks_max, chain_id, heads_compared }) })
    }

    /// One endpoint.
    pub(crate) fn single(url: &str) -> Result<Self, ChainError> {
        Self::new([url], 0)
    }

    /// Whether all are on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.inner.endpoints.iter().all(Endpoint::is_local)
    }

    /// Whether there are several.
    pub(crate) fn is_several(&self) -> bool {
        self.inner.endpoints.len() > 1
    }

    /// Beyond how many blocks an endpoint is late.
    pub(crate) fn lag_blocks_max(&self) -> u64 {
        self.inner.lag_blocks_max
    }

    pub(crate) fn statuses(&self) -> Vec<EndpointStatus> {
        let status = |endpoint: &Endpoint| EndpointStatus {
            endpoint: endpoint.origin().to_owned(),
            state: endpoint.health().state(),
        };
        self.inner.endpoints.iter().map(status).collect()
    }

    /// The connection that announces new blocks, if the endpoint that is asked first has one.
    pub(crate) async fn announcer(&self) -> Option<Result<RpcClient, Failure>> {
        let first = self.in_turn().into_iter().next()?;
        if first.announces() { Some(first.client().await) } else { None }
    }

    /// Those to ask, one after the other.
    pub(crate) fn in_turn(&self) -> Vec<Endpoint> {
        let endpoints = &self.inner.endpoints;
        if let [only] = &endpoints[..] {
            return vec![only.clone()];
        }
        let mut ranked: Vec<_> = endpoints.iter().map(|endpoint| (endpoint.health().rank(), endpoint)).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        if ranked.first().is_some_and(|(best, _)| *best <= Rank::Late) {
            ranked.retain(|(rank, _)| *rank <= Rank::Late);
        }
        ranked.into_iter().map(|(_, endpoint)| endpoint.clone()).collect()
    }

    /// How long to wait for an endpoint.
    fn patience(&self, endpoint: &Endpoint) -> Duration {
        let another = |other: &Endpoint| !other.is(endpoint) && other.health().rank() == Rank::Usable;
        if self.inner.endpoints.iter().any(another) { HURRIED_TIMEOUT } else { REQUEST_TIMEOUT }
    }

    /// Makes sure that an endpoint serves the right chain. Not known before somebody asked for it.
    async fn verify(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        let Some(&expected) = self.inner.chain_id.get() else { return Ok(()) };
        if endpoint.is_verified() {
            return Ok(());
        }
        let question = ("eth_chainId", json!([]));
        let got = endpoint.clone().request::<U64>(question, self.patience(endpoint)).await?.to::<u64>();
        if got != expected {
            return Err(Failure::WrongChain { got, expected });
        }
        endpoint.set_verified(true);
        Ok(())
    }

    /// Asks one endpoint, and notes how it does.
    async fn at<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        endpoint: &Endpoint,
        ask: impl FnOnce(Endpoint, Duration) -> F,
    ) -> Result<T, Failure> {
        // The only one there is may be trusted to stay what it is; whoever needs to know asks it again.
        let verified = if self.is_several() { self.verify(endpoint).await } else { Ok(()) };
        let outcome = match verified {
            Ok(()) => ask(endpoint.clone(), self.patience(endpoint)).await,
            Err(failure) => Err(failure),
        };
        match &outcome {
            Err(failure) if failure.is_of_the_endpoint() => self.note_failure(endpoint, failure),
            _ => {
                if endpoint.health().answered() && self.is_several() {
                    tracing::info!(endpoint = endpoint.origin(), "the chain's endpoint answers again");
                }
            }
        }
        outcome
    }

    fn note_failure(&self, endpoint: &Endpoint, failure: &Failure) {
        if endpoint.health().failed(failure, Instant::now()) && self.is_several() {
            tracing::warn!(endpoint = endpoint.origin(), ?failure, "passing over an endpoint of the chain for a while");
        }
    }

    /// Asks one endpoint after the other until one gives an answer. The failure is the one that is best worth a retry.
    async fn in_turns<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        mut ask: impl FnMut(Endpoint, Duration) -> F,
    ) -> Result<T, Failure> {
        self.compare_heads_if_due();
        let mut worst: Option<Failure> = None;
        for endpoint in self.in_turn() {
            match self.at(&endpoint, &mut ask).await {
                Err(failure) if failure.is_of_the_endpoint() => {
                    if worst.as_ref().is_none_or(|worst| !worst.is_transient()) {
                        worst = Some(failure);
                    }
                }
                outcome => return outcome,
            }
        }
        Err(worst.unwrap_or_else(|| Failure::Transport("no endpoint".to_owned())))
    }

    /// One try, of one endpoint after the other.
    pub(crate) async fn once<R: RpcRecv>(&self, method: &'static str, params: Value) -> Result<R, Failure> {
        self.in_turns(|endpoint, patience| endpoint.request((method, params.clone()), patience)).await
    }

    /// Several requests, all answered by one machine. One try, of one endpoint after the other.
    pub(crate) async fn once_batch<A: RpcRecv, B: RpcRecv>(
        &self,
        first: &Request,
        others: &[Request],
    ) -> Result<(A, Vec<B>), Failure> {
        self.in_turns(|endpoint, patience| endpoint.batch(first.clone(), others.to_vec(), patience)).await
    }

    /// As [`once`](Self::once), of one endpoint alone.
    pub(crate) async fn once_at<R: RpcRecv>(&self, endpoint: &Endpoint, request: Request) -> Result<R, Failure> {
        self.at(endpoint, |endpoint, patience| endpoint.request(request, patience)).await
    }

    /// As [`once_batch`](Self::once_batch), of one endpoint alone.
    pub(crate) async fn once_batch_at<A: RpcRecv, B: RpcRecv>(
        &self,
        endpoint: &Endpoint,
        first: Request,
        others: Vec<Request>,
    ) -> Result<(A, Vec<B>), Failure> {
        self.at(endpoint, |endpoint, patience| endpoint.batch(first, others, patience)).await
    }

    /// The same method for several parameters in one message to one endpoint; an outcome for each.
    pub(crate) async fn once_each_at<R: RpcRecv>(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        params: &[Value],
    ) -> Result<Vec<Result<R, Failure>>, Failure> {
        self.at(endpoint, |endpoint, patience| endpoint.each(method, params, patience)).await
    }

    /// The endpoint to ask for things that belong together.
    pub(crate) async fn source(&self) -> Result<Endpoint, Failure> {
        self.compare_heads_if_due();
        let mut worst: Option<Failure> = None;
        for endpoint in self.in_turn() {
            match self.at(&endpoint, |_, _| std::future::ready(Ok(()))).await {
                Ok(()) => return Ok(endpoint),
                Err(failure) if worst.as_ref().is_none_or(|worst| !worst.is_transient()) => worst = Some(failure),
                Err(_) => {}
            }
        }
        Err(worst.unwrap_or_else(|| Failure::Transport("no endpoint".to_owned())))
    }

    /// Another endpoint that answers, if there is one, and whether it is late.
    pub(crate) async fn second(&self, first: &Endpoint) -> Option<(Endpoint, bool)> {
        for wanted in [Rank::Usable, Rank::Late] {
            for endpoint in &self.inner.endpoints {
                let rank = endpoint.health().rank();
                if rank == wanted && !endpoint.is(first) && self.verify_noted(endpoint).await {
                    return Some((endpoint.clone(), rank == Rank::Late));
                }
            }
        }
        None
    }

    /// Whether an endpoint serves the right chain, as far as one can see.
    async fn verify_noted(&self, endpoint: &Endpoint) -> bool {
        let verified = self.verify(endpoint).await;
        if let Err(failure) = &verified {
            self.note_failure(endpoint, failure);
        }
        verified.is_ok()
    }

    /// All that are not passed over.
    pub(crate) fn all_usable(&self) -> Vec<Endpoint> {
        let usable = |endpoint: &&Endpoint| endpoint.health().rank() == Rank::Usable;
        self.inner.endpoints.iter().filter(usable).cloned().collect()
    }

    /// All there are.
    pub(crate) fn all(&self) -> Vec<Endpoint> {
        self.inner.endpoints.clone()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.inner.endpoints.len()
    }

    /// Asks an endpoint for its chain once more.
    pub(crate) async fn verify_again(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        endpoint.set_verified(false);
        let verified = self.verify(endpoint).await;
        if let Err(failure) = &verified {
            self.note_failure(endpoint, failure);
        }
        verified
    }

    /// An endpoint stands still or is far behind: it is passed over until it has caught up.
    pub(crate) fn pass_over_late(&self, endpoint: &Endpoint, head: u64, others: u64) {
        if endpoint.health().is_late(head) {
            let (endpoint, behind) = (endpoint.origin(), others.saturating_sub(head));
            tracing::warn!(endpoint, head, behind, "an endpoint of the chain is late: going on without it");
        }
    }

    fn compare_heads_if_due(&self) {
        if !self.is_several() {
            return;
        }
        let interval = if self.is_local() { HEADS_INTERVAL_LOCAL } else { HEADS_INTERVAL };
        {
            let mut compared = self.inner.heads_compared.lock().unwrap_or_else(PoisonError::into_inner);
            if compared.is_some_and(|at| at.elapsed() < interval) {
                return;
            }
            *compared = Some(Instant::now());
        }
        let rpc = self.clone();
        tokio::spawn(async move { rpc.compare_heads().await });
    }

    /// Asks all for their latest block, also those that failed and had their rest, and notes which are late. Where there are three or more, one alone cannot make
    /// the others look late: the second highest counts.
    pub(crate) async fn compare_heads(&self) {
        let asked = self.inner.endpoints.iter().filter(|endpoint| endpoint.health().is_rested(Instant::now()));
        let heads = join_all(asked.map(|endpoint| async move {
            let head = self.at(endpoint, |endpoint, patience| {
                endpoint.request::<U64>(("eth_blockNumber", json!([])), patience.min(HEAD_TIMEOUT))
            });
            head.await.ok().map(|head| (endpoint, head.to::<u64>()))
        }));
        let heads: Vec<_> = heads.await.into_iter().flatten().collect();
        let mut numbers: Vec<u64> = heads.iter().map(|(_, head)| *head).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let reference = if numbers.len() < 3 { numbers.first() } else { numbers.get(1) };
        let Some(&others) = reference else { return };
        for (endpoint, head) in heads {
            if others.saturating_sub(head) > self.inner.lag_blocks_max {
                self.pass_over_late(endpoint, head, others);
            } else if endpoint.health().has_head(head, others) {
                tracing::info!(endpoint = endpoint.origin(), head, "an endpoint of the chain has caught up");
            }
        }
    }

    /// All endpoints by name.
    fn origins(&self) -> String {
        let origins: Vec<&str> = self.inner.endpoints.iter().map(Endpoint::origin).collect();
        origins.join(", ")
    }

    pub(crate) fn error(&self, method: &'static str, failure: Failure) -> ChainError {
        match failure {
            Failure::Transport(detail) => ChainError::Unreachable { endpoint: self.origins(), method, detail },
            Failure::Refused(payload) => {
                ChainError::Rpc { method, rpc_code: payload.code, message: payload.message.into_owned() }
            }
            Failure::Unreadable(detail) => ChainError::BadAnswer { method, detail },
            Failure::WrongChain { got, expected } => ChainError::WrongChain { got, expected },
        }
    }

    /// A request that changes nothing, tried until [`PATIENCE`] is over.
    pub(crate) async fn patiently<R: RpcRecv>(&self, method: &'static str, params: Value) -> Result<R, Failure> {
        retry(PATIENCE, || self.once(method, params.clone())).await
    }

    /// As [`patiently`](Self::patiently), with the error for callers.
    pub(crate) async fn get<R: RpcRecv>(&self, method: &'static str, params: Value) -> Result<R, ChainError> {
        self.patiently(method, params).await.map_err(|failure| self.error(method, failure))
    }

    /// The chain id, which must be the expected one. From here on all endpoints must serve it.
    pub(crate) async fn expect_chain(&self, expected: Option<u64>) -> Result<u64, ChainError> {
        if let Some(expected) = expected {
            let _ = self.inner.chain_id.set(expected);
        }
        let got = self.get::<U64>("eth_chainId", json!([])).await?.to::<u64>();
        let expected = *self.inner.chain_id.get_or_init(|| got);
        if got == expected { Ok(got) } else { Err(ChainError::WrongChain { got, expected }) }
    }

    /// Calls a view function at the latest block.
    pub(crate) async fn call<C: SolCall>(
        &self,
        what: &'static str,
        contract: Address,
        call: &C,
    ) -> Result<C::Return, ChainError> {
        let params = json!([{ "to": contract.evm(), "data": Bytes::from(call.abi_encode()) }, "latest"]);
        let data: Bytes =
            Box::pin(self.patiently("eth_call", params)).await.map_err(|failure| match failure.revert_data() {
                Some(data) => {
                    let reverted = revert::decode(&data);
                    ChainError::Reverted { name: reverted.name, detail: reverted.detail }
                }
                None => self.error("eth_call", failure),
            })?;
        C::abi_decode_returns(&data).map_err(|e| ChainError::BadAnswer { method: what, detail: e.to_string() })
    }
}

/// Tries again after transient failures, until the time is over.
pub(crate) async fn retry<T, F: Future<Output = Result<T, Failure>>>(
    patience: Duration,
    mut request: impl FnMut() -> F,
) -> Result<T, Failure> {
    let deadline = Instant::now() + patience;
    let mut pause = Backoff::default();
    loop {
        match request().await {
            Err(failure) if failure.is_transient() && Instant::now() < deadline => pause.wait().await,
            outcome => return outcome,
        }
    }
}

/// Growing pauses between tries.
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(RETRY_PAUSE)
    }
}

impl Backoff {
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(RETRY_PAUSE_MAX);
    }
}
