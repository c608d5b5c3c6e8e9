//! The event stream: follows the chain's head at the configured depth and notices when history changed.
//!
//! One step asks for the block that is deep enough, makes sure that the block it stands on is still part of the
//! chain, and fetches the logs in between. State changes only at the end of a step, so a step that fails or is
//! dropped is simply taken again.
//!
//! To find the common ancestor after a reorganisation, the hashes of the blocks that ended a step or had events are
//! kept. The newest of them that is still part of the chain may lie before the true ancestor, but nothing was
//! delivered in between, so for whoever reads the events it is the same place.
//!
//! All questions of a step go to one endpoint; where there are several, another one must agree with what it says before
//! anything is delivered or taken back.

mod agree;
mod decode;
mod history;
mod wait;

use std::{collections::VecDeque, time::Duration};

use alloy::{primitives::B256, rpc::types::Log};
use futures::stream;
use serde_json::json;

pub(crate) use self::decode::{certified_topics, decode, transfer_topic};
use self::{
    agree::{Agreed, Doubt},
    decode::decode_logs,
    history::History,
    wait::{Announced, Waiter},
};
use crate::{
    ChainConfig, ChainError, ContractAddresses, EventCursor, EventItem, EventStream,
    rpc::{Backoff, Endpoint, Failure, Header, Request, Rpc, block_tag, retry},
};

/// Most blocks whose logs are asked for at once; halved as long as the endpoint finds it too many.
const RANGE_BLOCKS_MAX: u64 = 2_000;
/// How long a request is repeated before the step it belongs to is given up and begun again, where there is one endpoint.
const STEP_PATIENCE: Duration = Duration::from_secs(2);
/// How far to go back when none of the known blocks is part of the chain any more.
const BLIND_ROLLBACK_BLOCKS: u64 = 256;

/// What to follow.
pub(crate) struct Follow {
    pub(crate) rpc: Rpc,
    pub(crate) contracts: ContractAddresses,
    pub(crate) confirmations: u64,
    pub(crate) poll: Duration,
}

impl Follow {
    pub(crate) fn new(rpc: Rpc, config: &ChainConfig) -> Self {
        let poll = config.poll_interval(rpc.is_local());
        Self { contracts: config.contracts, confirmations: config.confirmations, poll, rpc }
    }

    pub(crate) fn events(self, after: EventCursor) -> EventStream {
        Box::pin(stream::unfold(Follower::new(self, after), |mut follower| async {
            follower.next().await.map(|item| (item, follower))
        }))
    }
}

/// Endpoints have troubles of their own, and words of their own for them; only a method they do not have stays away.
fn may_pass(error: &ChainError) -> bool {
    const METHOD_NOT_FOUND: i64 = -32601;
    match error {
        ChainError::Unreachable { .. } => true,
        ChainError::Rpc { rpc_code, .. } => *rpc_code != METHOD_NOT_FOUND,
        _ => false,
    }
}

/// The outcome of a step.
enum Step {
    /// Something changed: take the next step at once.
    Moved,
    /// Nothing more for now.
    AtHead,
    /// The endpoint contradicts itself, or is behind: look again later.
    Unsettled(&'static str),
}

struct Follower {
    follow: Follow,
    /// Who is asked in this step.
    source: Option<Endpoint>,
    doubt: Doubt,
    /// Everything up to here was put into `ready`.
    position: EventCursor,
    history: History,
    ready: VecDeque<EventItem>,
    announced: Option<EventCursor>,
    range: u64,
    waiter: Waiter,
    /// Blocks that were announced and not looked at yet.
    heads: VecDeque<Announced>,
    /// The position is the block that was announced last, so there is nothing to look for.
    at_announced: bool,
    /// Steps in a row that failed.
    failed_steps: usize,
    ended: bool,
}

impl Follower {
    fn new(follow: Follow, after: EventCursor) -> Self {
        let waiter = Waiter::new(follow.rpc.clone(), follow.poll);
        let doubt = Doubt::new(follow.rpc.clone(), follow.poll);
        let mut history = History::default();
        if after.has_hash() {
            history.push(after.block, B256::from(after.block_hash));
        }
        Self {
            follow,
            source: None,
            doubt,
            position: after,
            history,
            ready: VecDeque::new(),
            announced: None,
            range: RANGE_BLOCKS_MAX,
            waiter,
            heads: VecDeque::new(),
            at_announced: false,
            failed_steps: 0,
            ended: false,
        }
    }

    async fn next(&mut self) -> Option<Result<EventItem, ChainError>> {
        let mut backoff = Backoff::default();
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if self.ended {
                return None;
            }
            let step = match self.heads.pop_front() {
                Some(head) => self.extend(head).await,
                None if self.at_announced => Ok(Step::AtHead),
                None => self.step().await,
            };
            match step {
                Ok(Step::Moved) => self.waiter.moved(),
                Ok(Step::AtHead) if self.announced != Some(self.position) => {
                    self.announced = Some(self.position);
                    return Some(Ok(EventItem::CaughtUp(self.position)));
                }
                Ok(Step::AtHead) => {
                    self.at_announced = false;
                    self.heads = self.waiter.wait().await;
                }
                Ok(Step::Unsettled(why)) => {
                    tracing::debug!(why, block = self.position.block, "the chain's endpoint is unsettled");
                    backoff.wait().await;
                }
                Err(error) if may_pass(&error) => {
                    // Another endpoint is asked at once.
                    self.failed_steps += 1;
                    if self.failed_steps == self.follow.rpc.count() {
                        tracing::warn!(%error, "no events for now: waiting for the chain");
                    }
                    if self.failed_steps >= self.follow.rpc.count() {
                        backoff.wait().await;
                    }
                }
                Err(error @ ChainError::EndpointsDisagree { .. }) => {
                    tracing::error!(%error, code = error.code(), "no events until the endpoints agree");
                    return Some(Err(error));
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// The contracts whose events are followed.
    fn emitters(&self) -> [alloy::primitives::Address; 4] {
        let ContractAddresses { nodes, epochs, blobs, pools, .. } = self.follow.contracts;
        [nodes, epochs, blobs, pools].map(|contract| contract.evm())
    }

    /// A step to a block that was announced, if it is the one behind the position: its logs are all that has to be asked
    /// for. Otherwise a usual step.
    async fn extend(&mut self, head: Announced) -> Result<Step, ChainError> {
        let here = EventCursor::end_of(self.position.block, self.position.block_hash);
        let follows = self.position == here
            && head.number == self.position.block + 1
            && head.parent_hash == B256::from(self.position.block_hash);
        if self.follow.confirmations > 0 || self.failed_steps > 0 || !follows || self.follow.rpc.is_several() {
            self.heads.clear();
            return self.step().await;
        }
        let filter = json!([{ "address": self.emitters(), "blockHash": head.hash }]);
        // Not every endpoint has the logs at once, or takes a hash: the usual step does without.
        let logs = self.follow.rpc.once::<Vec<Log>>("eth_getLogs", filter).await;
        let anchor = (head.number, head.hash);
        let events = match logs {
            Ok(logs) => decode_logs(logs, &self.follow.contracts, head.number..=head.number, &[anchor])?,
            Err(failure) => {
                tracing::debug!(?failure, "no logs by the hash of a block");
                None
            }
        };
        let Some(events) = events else {
            self.heads.clear();
            return self.step().await;
        };
        self.deliver(events, EventCursor::end_of(head.number, head.hash.0));
        self.at_announced = true;
        Ok(Step::Moved)
    }

    async fn step(&mut self) -> Result<Step, ChainError> {
        let rpc = &self.follow.rpc;
        let source = rpc.source().await.map_err(|failure| rpc.error("eth_chainId", failure))?;
        self.source = Some(source.clone());
        if self.failed_steps > 0 {
            // It was away, and may be another one now.
            if !self.is_same_chain().await? {
                return Ok(Step::Unsettled("an endpoint serves another chain"));
            }
            if self.failed_steps >= self.follow.rpc.count() {
                tracing::info!("the chain answers again");
            }
            self.failed_steps = 0;
        }
        let Some(latest) = self.header("latest".to_owned()).await? else {
            return Ok(Step::Unsettled("no latest block"));
        };
        let Some(depth) = latest.number.checked_sub(self.follow.confirmations) else {
            return Ok(Step::AtHead);
        };
        let target = if depth == latest.number { Some(latest) } else { self.header(block_tag(depth)).await? };
        let Some(target) = target else {
            return Ok(Step::Unsettled("a block below the latest is missing"));
        };
        let (target, second) = match self.doubt.compare(&source, target).await? {
            Agreed::UpTo(target, second) => (target, second),
            Agreed::NotYet(why) => return Ok(Step::Unsettled(why)),
        };
        if let Some(step) = self.check_history(&target).await? {
            self.doubt.settle();
            return Ok(step);
        }
        let from = self.next_block();
        if from > target.number {
            self.doubt.settle();
            return Ok(Step::AtHead);
        }
        self.fetch(from, target, second).await
    }

    /// The first block with events that were not delivered.
    fn next_block(&self) -> u64 {
        let block = match self.position.log_index {
            EventCursor::END_OF_BLOCK => self.position.block.saturating_add(1),
            _ => self.position.block,
        };
        block.max(self.follow.contracts.first_block)
    }

    /// Makes sure that what was delivered is still part of the chain; otherwise goes back.
    async fn check_history(&mut self, target: &Header) -> Result<Option<Step>, ChainError> {
        // The newest block that both sides know. It is behind the position when the endpoint is, or when the chain
        // has become shorter.
        let Some((block, hash)) = self.history.newest_up_to(target.number) else {
            let behind = self.position.block > target.number;
            return Ok(behind.then_some(Step::Unsettled("the endpoint is behind")));
        };
        if self.hash_at(block, target).await? != Some(hash) {
            return self.roll_back(target).await.map(Some);
        }
        let behind = self.position.block > target.number;
        Ok(behind.then_some(Step::Unsettled("the endpoint is behind")))
    }

    async fn hash_at(&self, block: u64, target: &Header) -> Result<Option<B256>, ChainError> {
        if block == target.number {
            return Ok(Some(target.hash));
        }
        Ok(self.header(block_tag(block)).await?.map(|header| header.hash))
    }

    /// Finds the newest known block that is still part of the chain. They are part of it up to some point, so halving
    /// finds it.
    async fn roll_back(&mut self, target: &Header) -> Result<Step, ChainError> {
        // Another chain has another history too, but that is no reorganisation.
        if !self.is_same_chain().await? {
            return Ok(Step::Unsettled("an endpoint serves another chain"));
        }
        let (mut good, mut bad) = (0, self.history.len_up_to(target.number));
        while good < bad {
            let middle = good + (bad - good) / 2;
            let Some((block, hash)) = self.history.get(middle) else { break };
            if self.hash_at(block, target).await? == Some(hash) {
                good = middle + 1;
            } else {
                bad = middle;
            }
        }
        let ancestor = match good.checked_sub(1).and_then(|index| self.history.get(index)) {
            Some((block, hash)) => EventCursor::end_of(block, hash.0),
            None => self.blind_rollback(target).await?,
        };
        let lost = self.position.block.saturating_sub(ancestor.block);
        if self.follow.confirmations == 0 {
            tracing::warn!(blocks = lost, to = ancestor.block, "the chain was reorganised: going back");
        } else {
            let depth = self.follow.confirmations;
            tracing::error!(
                blocks = lost,
                to = ancestor.block,
                depth,
                "reorganised deeper than the confirmation depth"
            );
        }
        self.history.truncate(good);
        if self.history.is_empty() && ancestor.has_hash() {
            self.history.push(ancestor.block, B256::from(ancestor.block_hash));
        }
        self.position = ancestor;
        self.announced = None;
        self.ready.push_back(EventItem::Rollback(ancestor));
        Ok(Step::Moved)
    }

    /// None of the known blocks is part of the chain, as after a restart with a cursor whose block is gone: a good deal
    /// further back than that.
    async fn blind_rollback(&self, target: &Header) -> Result<EventCursor, ChainError> {
        let oldest = self.history.get(0).map_or(self.position.block, |(block, _)| block);
        let block = oldest.min(target.number).saturating_sub(BLIND_ROLLBACK_BLOCKS);
        if block < self.follow.contracts.first_block || block == 0 {
            return Ok(EventCursor::default());
        }
        let hash = self.hash_at(block, target).await?;
        Ok(hash.map_or_else(EventCursor::default, |hash| EventCursor::end_of(block, hash.0)))
    }

    async fn fetch(&mut self, from: u64, target: Header, second: Option<Endpoint>) -> Result<Step, ChainError> {
        let to = target.number.min(from.saturating_add(self.range - 1));
        let end = if to == target.number { Some(target) } else { self.header(block_tag(to)).await? };
        let Some(end) = end else {
            return Ok(Step::Unsettled("a block below the latest is missing"));
        };
        // Both ends are asked for along with the logs. If they are what they were, the logs belong between them.
        let anchor = if self.position.has_hash() {
            (self.position.block, B256::from(self.position.block_hash))
        } else {
            (to, end.hash)
        };
        let mut logs = Vec::with_capacity(2);
        for endpoint in self.source.clone().into_iter().chain(second.clone()) {
            let (found, ends) = match self.logs_and_headers(&endpoint, from, to, [anchor.0, to]).await {
                Ok(answer) => answer,
                Err(failure) if failure.is_transient() => return Err(self.follow.rpc.error("eth_getLogs", failure)),
                Err(Failure::Refused(payload)) if to > from => {
                    self.range = (self.range / 2).min(to - from).max(1);
                    tracing::debug!(range = self.range, message = %payload.message, "asking for fewer blocks at once");
                    return Ok(Step::Unsettled("the endpoint refused the range"));
                }
                Err(failure) => return Err(self.follow.rpc.error("eth_getLogs", failure)),
            };
            if ends != [Some(anchor.1), Some(end.hash)] {
                return Ok(Step::Unsettled("history changed while it was read"));
            }
            logs.push(found);
        }
        if let ([ours, theirs], Some(source), Some(second)) = (&logs[..], &self.source, &second)
            && let Some(why) = self.doubt.compare_logs([source, second], [ours, theirs], to)?
        {
            return Ok(Step::Unsettled(why));
        }
        let anchors = [anchor, (to, end.hash)];
        let logs = logs.into_iter().next().unwrap_or_default();
        let Some(events) = decode_logs(logs, &self.follow.contracts, from..=to, &anchors)? else {
            return Ok(Step::Unsettled("logs of several histories"));
        };
        self.doubt.settle();
        self.deliver(events, EventCursor::end_of(to, end.hash.0));
        self.range = (self.range * 2).min(RANGE_BLOCKS_MAX);
        Ok(Step::Moved)
    }

    /// Logs of a range of blocks in their order, and the hashes of two blocks at the same moment.
    async fn logs_and_headers(
        &self,
        endpoint: &Endpoint,
        from: u64,
        to: u64,
        blocks: [u64; 2],
    ) -> Result<(Vec<Log>, [Option<B256>; 2]), Failure> {
        let filter = json!([{
            "address": self.emitters(),
            "fromBlock": block_tag(from),
            "toBlock": block_tag(to),
        }]);
        let headers = blocks.map(|block| ("eth_getBlockByNumber", json!([block_tag(block), false])));
        let batch = || {
            let logs = ("eth_getLogs", filter.clone());
            self.follow.rpc.once_batch_at::<Vec<Log>, Option<Header>>(endpoint, logs, headers.to_vec())
        };
        let (mut logs, headers) = retry(self.patience(), batch).await?;
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        let mut hashes = headers.into_iter().map(|header| header.map(|header| header.hash));
        Ok((logs, [hashes.next().flatten(), hashes.next().flatten()]))
    }

    fn deliver(&mut self, events: Vec<crate::ChainEvent>, end: EventCursor) {
        let seen = (self.position.block, self.position.log_index);
        for event in events {
            let EventCursor { block, log_index, block_hash } = event.cursor;
            if (block, log_index) > seen {
                self.history.push(block, B256::from(block_hash));
                self.ready.push_back(EventItem::Event(event));
            }
        }
        self.history.push(end.block, B256::from(end.block_hash));
        self.position = end;
    }

    async fn header(&self, tag: String) -> Result<Option<Header>, ChainError> {
        let request: Request = ("eth_getBlockByNumber", json!([tag, false]));
        let rpc = &self.follow.rpc;
        let ask = || async {
            match &self.source {
                Some(source) => rpc.once_at(source, request.clone()).await,
                None => rpc.once(request.0, request.1.clone()).await,
            }
        };
        retry(self.patience(), ask).await.map_err(|failure| rpc.error(request.0, failure))
    }

    /// Whether the endpoint still serves the right chain. The only one must.
    async fn is_same_chain(&self) -> Result<bool, ChainError> {
        let rpc = &self.follow.rpc;
        let Some(source) = &self.source else { return Ok(true) };
        match retry(self.patience(), || rpc.verify_again(source)).await {
            Ok(()) => Ok(true),
            Err(Failure::WrongChain { .. }) if rpc.is_several() => Ok(false),
            Err(failure) => Err(rpc.error("eth_chainId", failure)),
        }
    }

    /// How long to insist on an answer of the same endpoint.
    fn patience(&self) -> Duration {
        if self.follow.rpc.is_several() { Duration::ZERO } else { STEP_PATIENCE }
    }
}
