//! Rebuilds a row of a blob out of the columns that cross it, when its holder does not give it.
//!
//! Why the row, and not the columns that are wanted: a row takes one symbol of each of `n - f` columns, together as much as
//! the row; a column takes `n - 2f` symbols and gives one of the row. And the row's hash is what every reader checks: a row
//! that has it is the same for all of them, however wrongly the blob was encoded.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use floe_protocol::Member;
use floe_redstuff::{
    Axis, Recovered, RecoveryError, SliverIndex, VerifiedSliver, recover_sliver, recover_sliver_unproven,
};
use tokio::{task::JoinSet, time::Instant};

use super::fetch::Gather;
use crate::{
    compute::compute,
    config::scaled,
    error::ClientError,
    http::CallError,
    scores::Standing,
    symbols::{columns_of, symbol_bytes},
};

/// A member is overtaken once it takes this many times the median of those that have answered.
const SLOW_FACTOR: u32 = 3;

/// The row, verified.
///
/// Symbols without proofs come first: nodes read them straight off their disks, and the row's hash tells whether all were
/// right. Only if it says no are they asked for again with proofs, which show who lied, or that the blob is inconsistent.
pub(super) async fn rebuild(gather: &Gather, row: SliverIndex) -> Result<VerifiedSliver, ClientError> {
    let axis = Axis::Primary;
    let metadata = &gather.metadata;
    let ask = |nodes: crate::node::Nodes, member: Member| {
        let metadata = metadata.clone();
        async move {
            let symbols = nodes.crossing_symbols(&member, &metadata, row).await?;
            Ok(symbols.into_iter().map(|symbol| (symbol.index.get(), symbol)).collect())
        }
    };
    let symbols = crossing(gather, ask).await?.into_values();
    let owned = metadata.clone();
    let error = match compute(move || recover_sliver_unproven(&owned, axis, row, symbols)).await? {
        Ok(sliver) => return Ok(sliver),
        Err(error @ RecoveryError::Unproven(_)) => error,
        Err(error) => return Err(ClientError::Internal(error.to_string())),
    };
    tracing::warn!(blob = %metadata.blob_id(), %row, %error, "asking for symbols of a row again, with proofs");

    let ask = |nodes: crate::node::Nodes, member: Member| {
        let metadata = metadata.clone();
        async move {
            let symbols = nodes.proven_crossing_symbols(&member, &metadata, row).await?;
            Ok(symbols.into_iter().map(|symbol| (symbol.position().get(), symbol)).collect())
        }
    };
    let symbols = crossing(gather, ask).await?.into_values();
    let owned = metadata.clone();
    match compute(move || recover_sliver(&owned, axis, row, symbols)).await? {
        Ok(Recovered::Sliver(sliver)) => Ok(sliver),
        Ok(Recovered::Inconsistent(_)) => Err(ClientError::Inconsistent {
            blob_id: *metadata.blob_id(),
            detail: format!("its columns do not make the {axis} sliver {row}"),
        }),
        Err(error) => Err(ClientError::Internal(error.to_string())),
    }
}

/// A request under way.
struct Flight {
    since: Instant,
    /// Symbols that it is to bring.
    symbols: usize,
    overtaken: bool,
}

/// Symbols at as many places as rebuild a row, from as few members as have them: the quickest first, slow ones overtaken.
async fn crossing<T, F>(
    gather: &Gather,
    ask: impl Fn(crate::node::Nodes, Member) -> F,
) -> Result<BTreeMap<u16, T>, ClientError>
where
    T: Send + 'static,
    F: Future<Output = Result<Vec<(u16, T)>, CallError>> + Send + 'static,
{
    let Gather { nodes, metadata, view, .. } = gather;
    let config = &nodes.read;
    let needed = usize::from(metadata.params().symbols_per_sliver(Axis::Primary));
    let weight = |member: usize| columns_of(view.member(member), metadata).len();
    let now = Instant::now();
    let mut order: Vec<usize> = (0..view.committee.members().len()).filter(|&member| weight(member) > 0).collect();
    order.sort_by_key(|&member| gather.scores.rank(view.member(member).node_id, now));
    let mut queue: VecDeque<(usize, u32)> = order.into_iter().map(|member| (member, 0)).collect();
    let mut flights: HashMap<usize, Flight> = HashMap::new();
    let mut running = JoinSet::new();
    let mut took: Vec<Duration> = Vec::new();
    let mut found = BTreeMap::new();

    while found.len() < needed {
        let active = || flights.values().filter(|flight| !flight.overtaken);
        let coming: usize = active().map(|flight| flight.symbols).sum();
        let has_room = active().count() < config.concurrent_slivers_max;
        if found.len() + coming < needed
            && has_room
            && let Some((member, tries)) = queue.pop_front()
        {
            let flight = Flight { since: Instant::now(), symbols: weight(member), overtaken: false };
            flights.insert(member, flight);
            let request = ask(nodes.clone(), view.member(member).clone());
            let pause = if tries == 0 { Duration::ZERO } else { config.backoff_min * 2u32.saturating_pow(tries - 1) };
            running.spawn(async move {
                tokio::time::sleep(pause).await;
                (member, tries, request.await)
            });
            continue;
        }
        if flights.is_empty() {
            break;
        }
        let delay = hedge_delay(gather, &took);
        let next = active().map(|flight| flight.since + delay).min().unwrap_or(gather.deadline);
        tokio::select! {
            biased;
            Some(joined) = running.join_next() => {
                let Ok((member, tries, outcome)) = joined else { break };
                let Some(flight) = flights.remove(&member) else { continue };
                match outcome {
                    Ok(symbols) => {
                        let time = flight.since.elapsed();
                        took.push(time);
                        gather.scores.answered(view.member(member).node_id, time);
                        found.extend(symbols);
                    }
                    Err(error) => {
                        blame(gather, member, "symbols of a row", &error);
                        if error.is_transient() && tries + 1 < config.attempts_max {
                            queue.push_back((member, tries + 1));
                        }
                    }
                }
            }
            () = tokio::time::sleep_until(next.min(gather.deadline)) => {
                let now = Instant::now();
                if now >= gather.deadline {
                    break;
                }
                for (&member, flight) in flights.iter_mut().filter(|(_, flight)| flight.since + delay <= now) {
                    if !std::mem::replace(&mut flight.overtaken, true) {
                        gather.scores.blame(view.member(member).node_id, Standing::Slow, now);
                    }
                }
            }
        }
    }
    if found.len() >= needed {
        return Ok(found);
    }
    for member in flights.into_keys() {
        gather.failures.note_if_none(member, "symbols of a row: no answer in time");
    }
    Err(ClientError::Unavailable {
        blob_id: *metadata.blob_id(),
        what: "symbols",
        answered_shards: u32::try_from(found.len()).unwrap_or(u32::MAX),
        needed_shards: u32::try_from(needed).unwrap_or(u32::MAX),
        failures: gather.failures.named(view),
    })
}

/// After how long a member is overtaken: as for slivers, by what its answer has in bytes.
fn hedge_delay(gather: &Gather, took: &[Duration]) -> Duration {
    let config = &gather.nodes.read;
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    match sorted.get(sorted.len() / 2).filter(|_| sorted.len() >= super::fetch::MEDIAN_SAMPLES_MIN) {
        Some(median) => (*median * SLOW_FACTOR).max(config.hedge_min),
        None => {
            let members = gather.view.committee.members().len().max(1);
            let each = symbol_bytes(&gather.metadata) * usize::from(gather.metadata.params().n_shards()) / members;
            gather.usual_time(each as u64)
        }
    }
}

impl Gather {
    /// How long an answer of so many bytes may take before someone else is asked as well.
    pub(super) fn usual_time(&self, bytes: u64) -> Duration {
        let config = &self.nodes.read;
        let speed = config.bytes_per_second_min.saturating_mul(super::fetch::USUAL_SPEED_FACTOR);
        scaled(config.hedge_first, bytes, speed)
    }
}

/// Tells scores and log what a member did not give.
pub(super) fn blame(gather: &Gather, index: usize, what: &str, error: &CallError) {
    let member = gather.view.member(index);
    let now = Instant::now();
    let blob = gather.metadata.blob_id();
    if error.is_lie() {
        tracing::warn!(node = %member.name, address = %member.address, %blob, %error, "a node gave wrong {what}; they are not used");
        gather.scores.blame(member.node_id, Standing::Liar, now);
    } else if error.is_silence() {
        gather.scores.blame(member.node_id, Standing::Silent, now);
    }
    tracing::debug!(node = %member.name, %blob, %error, "{what} not received");
    gather.failures.note(index, format!("{what}: {error}"));
}
