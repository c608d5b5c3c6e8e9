//! What a second endpoint says of the same blocks. Nothing is delivered that it contradicts.
//!
//! Endpoints see a new block, and a reorganisation, at different moments. So a contradiction, or a second endpoint that
//! is behind, is waited out within bounds before anything is said about it. While the second one is behind and moves,
//! events are delivered as far as it goes. One that stands still or is far behind is not waited for any longer, but what
//! it has must be the same all the while.

use std::{fmt::Write as _, time::Duration};

use alloy::rpc::types::Log;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    ChainError,
    rpc::{Endpoint, Failure, Header, Request, Rpc, block_tag},
};

/// How long a contradiction or a late endpoint is waited out: this, or this many poll intervals.
const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_POLLS: u32 = 10;

/// The outcome of a comparison.
pub(super) enum Agreed {
    /// Up to this block nothing contradicts. The endpoint is the one that was compared with, if there is one.
    UpTo(Header, Option<Endpoint>),
    /// Look again later.
    NotYet(&'static str),
}

/// An endpoint that does not have the block yet.
struct Late {
    endpoint: Endpoint,
    head: u64,
    /// Since when it has stood still.
    still: Instant,
    /// Since when it has been too far behind.
    far: Option<Instant>,
}

/// Keeps count of what two endpoints do not agree about.
pub(super) struct Doubt {
    rpc: Rpc,
    patience: Duration,
    contradicted: Option<Instant>,
    reported: bool,
    late: Option<Late>,
    alone: bool,
}

impl Doubt {
    pub(super) fn new(rpc: Rpc, poll: Duration) -> Self {
        let patience = PATIENCE.max(poll * PATIENCE_POLLS);
        Self { rpc, patience, contradicted: None, reported: false, late: None, alone: false }
    }

    /// Compares a block of one endpoint with that of another one.
    pub(super) async fn compare(&mut self, source: &Endpoint, target: Header) -> Result<Agreed, ChainError> {
        if !self.rpc.is_several() {
            return Ok(Agreed::UpTo(target, None));
        }
        let Some((second, late)) = self.rpc.second(source).await else {
            return Ok(self.alone(source, target));
        };
        match self.rpc.once_at::<Option<Header>>(&second, block(block_tag(target.number))).await {
            Ok(Some(theirs)) if theirs.hash == target.hash => {
                (self.late, self.alone) = (None, false);
                Ok(Agreed::UpTo(target, Some(second)))
            }
            Ok(Some(theirs)) => {
                let detail = format!("hashes {} and {}", target.hash, theirs.hash);
                self.contradiction(source, &second, target.number, detail)
            }
            // Some say that a block is missing by an error.
            Ok(None) | Err(Failure::Refused(_)) => self.behind(source, target, second, late).await,
            Err(_) => Ok(Agreed::NotYet("a second endpoint fails")),
        }
    }

    /// The second endpoint does not have the block: what it has must be the same, however far behind it is.
    async fn behind(
        &mut self,
        source: &Endpoint,
        target: Header,
        second: Endpoint,
        late: bool,
    ) -> Result<Agreed, ChainError> {
        let Ok(theirs) = self.rpc.once_at::<Header>(&second, block("latest".to_owned())).await else {
            return Ok(Agreed::NotYet("a second endpoint fails"));
        };
        if theirs.number >= target.number {
            return Ok(Agreed::NotYet("a second endpoint has only just got the block"));
        }
        let ours = match self.rpc.once_at::<Option<Header>>(source, block(block_tag(theirs.number))).await {
            Ok(Some(ours)) => ours,
            Ok(None) => return Ok(Agreed::NotYet("a block below the latest is missing")),
            Err(failure) => return Err(self.rpc.error("eth_getBlockByNumber", failure)),
        };
        if ours.hash != theirs.hash {
            let detail = format!("hashes {} and {}", ours.hash, theirs.hash);
            return self.contradiction(source, &second, theirs.number, detail);
        }
        if late {
            return Ok(self.alone(source, target));
        }
        if self.has_waited_for(&second, theirs.number, target.number) {
            self.rpc.pass_over_late(&second, theirs.number, target.number);
            self.late = None;
            return Ok(Agreed::NotYet("a second endpoint is late"));
        }
        Ok(Agreed::UpTo(ours, Some(second)))
    }

    /// Nobody has the block but one.
    fn alone(&mut self, source: &Endpoint, target: Header) -> Agreed {
        if !std::mem::replace(&mut self.alone, true) {
            tracing::warn!(
                endpoint = source.origin(),
                "no other endpoint of the chain can be asked: this one is believed"
            );
        }
        Agreed::UpTo(target, None)
    }

    /// Whether an endpoint has stood still, or been too far behind, for too long.
    fn has_waited_for(&mut self, second: &Endpoint, head: u64, target: u64) -> bool {
        let now = Instant::now();
        let far = target - head > self.rpc.lag_blocks_max();
        let late = match &mut self.late {
            Some(late) if late.endpoint.is(second) => late,
            late => late.insert(Late { endpoint: second.clone(), head, still: now, far: None }),
        };
        if late.head != head {
            (late.head, late.still) = (head, now);
        }
        late.far = far.then(|| late.far.unwrap_or(now));
        late.still.elapsed() > self.patience || late.far.is_some_and(|since| since.elapsed() > self.patience)
    }

    /// Compares the logs of a range of blocks. `None`: they are the same.
    pub(super) fn compare_logs(
        &mut self,
        [source, second]: [&Endpoint; 2],
        [ours, theirs]: [&[Log]; 2],
        to: u64,
    ) -> Result<Option<&'static str>, ChainError> {
        let different = ours.iter().zip(theirs).find(|(ours, theirs)| !is_same(ours, theirs));
        if different.is_none() && ours.len() == theirs.len() {
            return Ok(None);
        }
        let mut detail = format!("{} and {} logs up to it", ours.len(), theirs.len());
        if let Some((ours, _)) = different {
            let _ = write!(detail, ", not the same in block {}", ours.block_number.unwrap_or_default());
        }
        match self.contradiction(source, second, to, detail)? {
            Agreed::NotYet(why) => Ok(Some(why)),
            Agreed::UpTo(..) => Ok(None),
        }
    }

    fn contradiction(
        &mut self,
        source: &Endpoint,
        second: &Endpoint,
        block: u64,
        detail: String,
    ) -> Result<Agreed, ChainError> {
        let since = *self.contradicted.get_or_insert_with(Instant::now);
        if self.reported || since.elapsed() <= self.patience {
            return Ok(Agreed::NotYet("two endpoints disagree"));
        }
        self.reported = true;
        let [endpoint_a, endpoint_b] = [source, second].map(|endpoint| endpoint.origin().to_owned());
        Err(ChainError::EndpointsDisagree { endpoint_a, endpoint_b, block, detail })
    }

    /// Everything that was compared was the same.
    pub(super) fn settle(&mut self) {
        self.contradicted = None;
        if std::mem::take(&mut self.reported) {
            tracing::info!("the endpoints of the chain agree again");
        }
    }
}

fn block(tag: String) -> Request {
    ("eth_getBlockByNumber", json!([tag, false]))
}

/// Some fields are filled by some endpoints only; these are what a log is.
fn is_same(ours: &Log, theirs: &Log) -> bool {
    let place = |log: &Log| (log.block_number, log.block_hash, log.log_index, log.transaction_hash);
    ours.inner == theirs.inner && place(ours) == place(theirs)
}
