//! Shards by stake, their moves, and votes: the contracts' arithmetic against plain rules written down once more.

use alloy::primitives::{Bytes, U256};
use alloy::providers::DynProvider;
use sha2::{Digest, Sha256};

use super::bindings::Economics;
use super::network::Deployment;
use crate::support::chains;

/// Random numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 += 1;
        let digest = Sha256::digest(self.0.to_le_bytes());
        u64::from_le_bytes(digest[..8].try_into().expect("eight bytes")) % bound
    }
}

/// D'Hondt with the cap, from the first seat to the last, with exact fractions of 64 bits.
fn plain(stakes: &[u128], shards: usize) -> Vec<usize> {
    let nodes = stakes.len();
    let cap = if nodes >= 20 { (shards / 10).max(1) } else { (2 * shards).div_ceil(nodes) };
    let mut seats = vec![0; nodes];
    for _ in 0..shards {
        let quotient = |i: usize| (U256::from(stakes[i]) << 64) / U256::from(seats[i] + 1);
        let open = (0..nodes).filter(|i| seats[*i] < cap);
        let best = open.reduce(|best, i| if quotient(i) > quotient(best) { i } else { best }).expect("enough room");
        seats[best] += 1;
    }
    seats
}

/// Stakes of one of several kinds.
fn stakes(random: &mut Random, nodes: usize) -> Vec<u128> {
    let kind = random.below(5);
    (0..nodes)
        .map(|i| match kind {
            0 => 10_u128.pow(24),
            1 => u128::from(random.below(1_000_000)) + 1,
            2 => 10_u128.pow(18) << random.below(8),
            3 if i == 0 => 10_u128.pow(27),
            3 => 10_u128.pow(18) + u128::from(random.below(1_000)),
            _ => u128::from(random.below(u64::MAX)) << random.below(32) | 1,
        })
        .collect()
}

fn words(values: impl IntoIterator<Item = usize>) -> Vec<U256> {
    values.into_iter().map(U256::from).collect()
}

async fn economics(net: &Deployment) -> Economics::EconomicsInstance<DynProvider> {
    Economics::deploy(net.owner.clone()).await.expect("deployed")
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_those_of_the_plain_rule() {
    for chain in chains().await {
        let rules = economics(&Deployment::new(&chain, 4).await).await;
        let mut random = Random(1);
        for case in 0..120 {
            let nodes = 1 + usize::try_from(random.below(60)).unwrap();
            let shards = 4 + usize::try_from(random.below(400)).unwrap();
            let stakes = stakes(&mut random, nodes);
            let got = rules.apportion(stakes.iter().map(|s| U256::from(*s)).collect(), U256::from(shards));
            let got = got.call().await.unwrap();
            let expected = words(plain(&stakes, shards));
            assert_eq!(got, expected, "case {case} on {}: {shards} shards, {stakes:?}", chain.name);
        }
        for (nodes, shards) in [(1, 4), (3, 1000), (19, 1000), (20, 1000), (150, 1000), (150, 7)] {
            let stakes = stakes(&mut random, nodes);
            let got = rules.apportion(stakes.iter().map(|s| U256::from(*s)).collect(), U256::from(shards));
            assert_eq!(got.call().await.unwrap(), words(plain(&stakes, shards)), "{nodes} nodes, {shards} shards");
        }
    }
}

/// `shards` of them dealt out at random; every member has at least one.
fn weights(random: &mut Random, members: usize, shards: usize) -> Vec<usize> {
    let mut weights = vec![1; members];
    for _ in members..shards {
        weights[usize::try_from(random.below(members as u64)).expect("below a length")] += 1;
    }
    weights
}

#[tokio::test(flavor = "multi_thread")]
async fn only_shards_that_must_move_do() {
    for chain in chains().await {
        let rules = economics(&Deployment::new(&chain, 4).await).await;
        let mut random = Random(2);
        for case in 0..60 {
            let shards = 30 + usize::try_from(random.below(100)).unwrap();
            let members = |random: &mut Random| -> Vec<usize> { (1..30).filter(|_| random.below(2) == 0).collect() };
            let (before, after) = (members(&mut random), members(&mut random));
            if before.is_empty() || after.is_empty() {
                continue;
            }
            let held: Vec<usize> =
                (0..shards).map(|_| usize::try_from(random.below(before.len() as u64)).unwrap()).collect();
            let wanted = weights(&mut random, after.len(), shards);
            let bytes: Bytes = held.iter().flat_map(|m| u16::try_from(*m).unwrap().to_be_bytes()).collect();
            let call = rules.r#move(words(before.clone()), bytes, words(after.clone()), words(wanted.clone()));
            let owners = call.call().await.unwrap();
            let owners: Vec<usize> =
                owners.chunks(2).map(|pair| usize::from(u16::from_be_bytes([pair[0], pair[1]]))).collect();

            let count = |member| owners.iter().filter(|owner| **owner == member).count();
            assert!((0..after.len()).all(|m| count(m) == wanted[m]), "case {case} on {}: {owners:?}", chain.name);
            let moved = (0..shards).filter(|s| before[held[*s]] != after[owners[*s]]).count();
            let had = |node: usize| held.iter().filter(|owner| before[**owner] == node).count();
            let least: usize = after.iter().zip(&wanted).map(|(node, wanted)| wanted.saturating_sub(had(*node))).sum();
            assert_eq!(moved, least, "case {case} on {}", chain.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_are_counted_as_the_rule_says() {
    for chain in chains().await {
        let rules = economics(&Deployment::new(&chain, 4).await).await;
        let mut random = Random(3);
        for case in 0..60 {
            let voters = 1 + usize::try_from(random.below(40)).unwrap();
            let votes: Vec<(u64, u64)> =
                (0..voters).map(|_| (random.below(10) * random.below(1 << 50), 1 + random.below(100))).collect();
            let total: u64 = votes.iter().map(|(_, weight)| weight).sum();
            let quorum = (2 * total + 3) / 3;
            let weight = |keep: &dyn Fn(u64) -> bool| -> u64 {
                votes.iter().filter(|(value, _)| keep(*value)).map(|(_, weight)| weight).sum()
            };
            let values = || votes.iter().map(|(value, _)| *value);
            let low = values().filter(|v| weight(&|value| value <= *v) >= quorum).min().expect("the highest");
            let high = values().filter(|v| weight(&|value| value >= *v) >= quorum).max().expect("the lowest");
            let ballots = votes.iter().map(|(value, weight)| (U256::from(*value) << 16) | U256::from(*weight));
            let got = rules.percentiles(ballots.collect(), U256::from(quorum)).call().await.unwrap();
            assert_eq!((got.low, got.high), (U256::from(low), U256::from(high)), "case {case} on {}", chain.name);
        }
    }
}
