//! The way of a transaction to the endpoint: numbered, signed, handed over.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy::primitives::B256;
use serde_json::{Value, json};
use tokio::{sync::oneshot, time::Instant};

use super::{Call, Sender, Signed, answer, answer::Answer, fees::Fees};
use crate::{
    ChainError,
    rpc::{Backoff, Endpoint, Failure, PATIENCE, retry},
    wallet::{Order, UnderWay},
};

/// How a transaction is handed over.
pub(super) const SEND_RAW: &str = "eth_sendRawTransaction";
/// How long an endpoint is asked whether it has a transaction, before that is thought possible.
const KNOWN_PATIENCE: Duration = Duration::from_secs(5);
/// Rounds of finding a free nonce before giving up; each loss means that another program won one.
const NONCE_ROUNDS_MAX: u32 = 64;
/// Transactions handed over in one message at most.
const TOGETHER_MAX: usize = 64;
/// How long to wait for others where several are under way at once: what they share (a block, and all that everyone does
/// for each block) costs more than this time. One that is alone never waits.
const LINGER: Duration = Duration::from_millis(15);

type Outcome = Result<(Signed, UnderWay), ChainError>;

/// A transaction that waits for its nonce.
#[derive(Debug)]
struct Letter {
    call: Call,
    gas: u64,
    fees: Fees,
    done: oneshot::Sender<Outcome>,
}

/// Transactions that wait for their nonces, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<VecDeque<Letter>>,
    /// How many were taken together last.
    last_count: AtomicUsize,
}

impl Outbox {
    fn push(&self, letter: Letter) {
        self.lock().push_back(letter);
    }

    /// The next ones, without those that nobody waits for any more.
    fn take(&self) -> Vec<Letter> {
        let mut waiting = self.lock();
        waiting.retain(|letter| !letter.done.is_closed());
        let count = waiting.len().min(TOGETHER_MAX);
        if count > 0 {
            self.last_count.store(count, Ordering::Relaxed);
        }
        waiting.drain(..count).collect()
    }

    /// Whether several are on the way at once, so that more are likely to come soon.
    fn is_busy(&self) -> bool {
        let waiting = self.lock().len();
        (1..TOGETHER_MAX).contains(&waiting) && self.last_count.load(Ordering::Relaxed) > 1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Letter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer_of(failure: &Failure) -> Answer {
    match failure {
        Failure::Refused(payload) => answer::of(&payload.message),
        _ => Answer::Other,
    }
}

impl Sender {
    /// Takes the next nonce and hands the transaction to the endpoint, together with others that wait for it.
    pub(super) async fn submit(self: &Arc<Self>, call: &Call, gas: u64) -> Outcome {
        let fees = self.fees.current(&self.rpc).await?;
        let (done, handed_over) = oneshot::channel();
        self.outbox.push(Letter { call: call.clone(), gas, fees, done });
        // A task of its own: it may carry the transactions of others, which go on if this one is given up. Each letter
        // has one; those that come late find the outbox empty.
        let sender = self.clone();
        tokio::spawn(async move { sender.empty_outbox().await });
        handed_over.await.unwrap_or_else(|_| {
            let (method, detail) = (SEND_RAW, "the task that sends was ended".to_owned());
            Err(self.rpc.error(method, Failure::Transport(detail)))
        })
    }

    async fn empty_outbox(&self) {
        let queue = self.wallet.nonce_queue(self.chain_id);
        let mut order = queue.lock().await;
        if self.outbox.is_busy() {
            tokio::time::sleep(LINGER).await;
        }
        let mut letters = self.outbox.take();
        let mut last_taken = None;
        if letters.len() > 1 {
            (letters, last_taken) = self.hand_over_together(&mut order, letters).await;
        }
        for letter in letters {
            let outcome = self.hand_over(&mut order, &letter.call, letter.gas, letter.fees).await;
            if outcome.is_err()
                && let Some(last_taken) = last_taken
            {
                // Its nonce is missing now, and those behind it wait for it.
                self.fill_gap(last_taken).await;
            }
            // Nobody waits any more if this fails; the transaction is on its way all the same.
            let _ = letter.done.send(outcome);
        }
    }

    /// Hands all over in one message, with nonces in order. Gives back those that were not taken, and the last nonce of
    /// those that were.
    async fn hand_over_together(&self, order: &mut Order, letters: Vec<Letter>) -> (Vec<Letter>, Option<u64>) {
        let first = match order.take() {
            Some(nonce) => nonce,
            None => match self.transaction_count("pending").await {
                Ok(nonce) => nonce,
                Err(_) => return (letters, None),
            },
        };
        let numbered = (first..).zip(&letters);
        let signed: Result<Vec<_>, _> =
            numbered.map(|(nonce, letter)| self.sign(&letter.call, nonce, letter.gas, letter.fees)).collect();
        let Ok(signed) = signed else { return (letters, None) };
        let raw: Vec<_> = signed.iter().map(|signed| json!([signed.raw])).collect();
        let Ok(endpoint) = self.rpc.source().await else { return (letters, None) };
        let answers = match self.rpc.once_each_at::<B256>(&endpoint, SEND_RAW, &raw).await {
            Ok(answers) => answers,
            Err(failure) => {
                tracing::debug!(count = letters.len(), ?failure, "transactions not taken together");
                raw.iter().map(|_| Err(Failure::Transport(String::new()))).collect()
            }
        };
        // No other than those that were taken: what is refused here may be sent again with another nonce.
        let taken = raw.into_iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(raw, _)| raw);
        self.spread(Some(&endpoint), taken.collect());
        let deadline = Instant::now() + PATIENCE;
        let (mut left, mut last_taken) = (Vec::new(), None);
        for ((letter, signed), outcome) in letters.into_iter().zip(signed).zip(answers) {
            let outcome = match outcome {
                // The endpoint may have it. Asked alone, it says so.
                Err(failure) if failure.is_transient() => self.broadcast(&signed, deadline, true).await,
                Err(Failure::Refused(payload)) if answer::of(&payload.message) == Answer::Known => Ok(()),
                outcome => outcome.map(drop),
            };
            match outcome {
                Ok(()) => {
                    order.expect_next(signed.nonce.saturating_add(1));
                    last_taken = Some(signed.nonce);
                    let _ = letter.done.send(Ok((signed, order.begin())));
                }
                // It may be there: sent with another nonce, it could happen twice.
                Err(failure) if failure.is_transient() => {
                    let _ = letter.done.send(Err(self.rpc.error(SEND_RAW, failure)));
                }
                Err(failure) => {
                    tracing::debug!(nonce = signed.nonce, ?failure, "transaction not taken");
                    left.push(letter);
                }
            }
        }
        if !left.is_empty() {
            // What was not taken left gaps before what was.
            order.take();
        }
        (left, last_taken)
    }

    /// Finds a free nonce for one transaction and hands it over.
    async fn hand_over(&self, order: &mut Order, call: &Call, gas: u64, mut fees: Fees) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let mut at_least = 0;
        let mut pause = Backoff::default();
        for _ in 0..NONCE_ROUNDS_MAX {
            // Taken: if the endpoint does not answer, nobody relies on it.
            let nonce = match order.take() {
                Some(nonce) => nonce,
                None => self.transaction_count("pending").await?.max(at_least),
            };
            let signed = self.sign(call, nonce, gas, fees)?;
            match self.broadcast(&signed, deadline, false).await {
                Ok(()) => {
                    order.expect_next(nonce.saturating_add(1));
                    return Ok((signed, order.begin()));
                }
                Err(failure) => {
                    let answer = answer_of(&failure);
                    tracing::debug!(nonce, ?answer, ?failure, "transaction not taken");
                    match answer {
                        Answer::NonceTaken => at_least = nonce.saturating_add(1),
                        // The endpoint has not seen an earlier one yet, or has forgotten it.
                        Answer::NonceTooHigh => {
                            at_least = 0;
                            pause.wait().await;
                        }
                        Answer::FeeTooLow => fees = self.fees.raised(&self.rpc, fees).await?,
                        Answer::Known | Answer::InsufficientFunds | Answer::Other => {
                            let gas_cost = fees.max_cost(gas);
                            return Err(self.refusal(SEND_RAW, failure, call, gas_cost).await);
                        }
                    }
                }
            }
        }
        Err(ChainError::Rpc {
            method: SEND_RAW,
            rpc_code: 0,
            message: format!("no free nonce found in {NONCE_ROUNDS_MAX} tries"),
        })
    }

    /// Hands over one signed transaction. It has the same hash every time and everywhere, so asking again is harmless,
    /// also another endpoint. Once one of them may have it, what another one says against it proves nothing.
    async fn broadcast(&self, signed: &Signed, deadline: Instant, mut may_be_there: bool) -> Result<(), Failure> {
        let mut pause = Backoff::default();
        loop {
            let mut failure = None;
            for endpoint in self.rpc.in_turn() {
                let request = (SEND_RAW, json!([signed.raw]));
                let refused = match self.rpc.once_at::<B256>(&endpoint, request).await {
                    Ok(_) => {
                        self.spread(Some(&endpoint), vec![json!([signed.raw])]);
                        return Ok(());
                    }
                    Err(refused) => refused,
                };
                if refused.is_of_the_endpoint() {
                    may_be_there |= matches!(refused, Failure::Transport(_));
                    if failure.as_ref().is_none_or(|failure: &Failure| !failure.is_transient()) {
                        failure = Some(refused);
                    }
                    continue;
                }
                return match answer_of(&refused) {
                    Answer::Known => Ok(()),
                    // Another number would be a second transaction. Whoever follows this one sees what became of it.
                    Answer::NonceTaken | Answer::NonceTooHigh | Answer::FeeTooLow if may_be_there => Ok(()),
                    _ if may_be_there && self.may_be_known(signed.hash).await => Ok(()),
                    _ => Err(refused),
                };
            }
            let failure = failure.unwrap_or_else(|| Failure::Transport("no endpoint".to_owned()));
            if !failure.is_transient() || Instant::now() >= deadline {
                return Err(failure);
            }
            pause.wait().await;
        }
    }

    /// Gives the same bytes to the other endpoints as well: one of them may be the last to remain. Nobody waits for it.
    pub(super) fn spread(&self, taken_by: Option<&Endpoint>, raw: Vec<Value>) {
        if !self.rpc.is_several() || raw.is_empty() {
            return;
        }
        for endpoint in self.rpc.all_usable() {
            if taken_by.is_some_and(|by| endpoint.is(by)) {
                continue;
            }
            let (rpc, raw) = (self.rpc.clone(), raw.clone());
            tokio::spawn(async move {
                let sent = rpc.once_each_at::<B256>(&endpoint, SEND_RAW, &raw).await;
                // Mostly "already known": endpoints tell each other.
                tracing::trace!(endpoint = endpoint.origin(), ?sent, "transactions spread");
            });
        }
    }

    /// Whether a transaction that may have been handed over is anywhere: an endpoint has it, or does not answer.
    async fn may_be_known(&self, hash: B256) -> bool {
        for endpoint in self.rpc.all() {
            let request = ("eth_getTransactionByHash", json!([hash]));
            let ask = || self.rpc.once_at::<Option<Value>>(&endpoint, request.clone());
            if !matches!(retry(KNOWN_PATIENCE, ask).await, Ok(None)) {
                return true;
            }
        }
        false
    }
}
