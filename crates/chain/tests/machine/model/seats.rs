//! Committees: shards by stake, who keeps which, and what they vote for.

use alloy::primitives::U256;

use super::ledger::Terms;
use super::nodes::Votes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) node: u64,
    pub(crate) weight: u16,
    /// number of the key that it signs with
    pub(crate) key: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committee {
    /// by ascending number of the node
    pub(crate) members: Vec<Member>,
    /// for each shard the node that holds it
    pub(crate) owners: Vec<u64>,
}

impl Committee {
    pub(crate) fn seat(&self, node: u64) -> Option<(usize, u16)> {
        let member = self.members.iter().position(|member| member.node == node)?;
        Some((member, self.members[member].weight))
    }

    pub(crate) fn weight(&self, node: u64) -> u16 {
        self.seat(node).map_or(0, |(_, weight)| weight)
    }
}

/// D'Hondt's method: one shard after the other goes to the largest stake / (shards + 1) that has not reached the cap,
/// ties to the earlier node. Quotients have 64 fractional bits.
pub(crate) fn apportion(stakes: &[u128], shards: u16) -> Vec<u16> {
    let nodes = u16::try_from(stakes.len()).expect("a small network");
    let cap = if nodes < 20 { (2 * shards).div_ceil(nodes) } else { (shards / 10).max(1) };
    let mut seats = vec![0_u16; stakes.len()];
    for _ in 0..shards {
        let quotient = |i: usize| (U256::from(stakes[i]) << 64) / U256::from(seats[i] + 1);
        let open = (0..stakes.len()).filter(|i| seats[*i] < cap);
        let best = open.reduce(|best, i| if quotient(i) > quotient(best) { i } else { best });
        seats[best.expect("the caps leave room")] += 1;
    }
    seats
}

/// The first committee's shards in sequence; later each member keeps what it has as far as it is entitled to it, its last
/// ones being given up, and what is free goes, the last first, to newcomers and then to those that grow.
pub(crate) fn assign(before: Option<&Committee>, members: &[Member]) -> Vec<u64> {
    let Some(before) = before else {
        return members.iter().flat_map(|m| std::iter::repeat_n(m.node, m.weight.into())).collect();
    };
    let mut owners: Vec<Option<u64>> = vec![None; before.owners.len()];
    let held = |owners: &[Option<u64>], node| owners.iter().filter(|owner| **owner == Some(node)).count();
    for (shard, node) in before.owners.iter().enumerate() {
        let entitled = members.iter().find(|m| m.node == *node).map_or(0, |m| usize::from(m.weight));
        if held(&owners, *node) < entitled {
            owners[shard] = Some(*node);
        }
    }
    let (stay, come): (Vec<Member>, Vec<Member>) = members.iter().partition(|m| before.weight(m.node) != 0);
    for member in come.into_iter().chain(stay) {
        while held(&owners, member.node) < member.weight.into() {
            let free = owners.iter().rposition(Option::is_none).expect("the weights are all shards");
            owners[free] = Some(member.node);
        }
    }
    owners.into_iter().map(|owner| owner.expect("the weights are all shards")).collect()
}

/// The lowest prices that a quorum finds high enough, and the highest capacity that a quorum offers, where a member's own
/// counts as if all had as much for each shard.
pub(crate) fn terms(members: &[Member], votes: &[Votes], shards: u16, quorum: u16) -> Terms {
    let weight_of = |approves: &dyn Fn(usize) -> bool| {
        (0..members.len()).filter(|i| approves(*i)).map(|i| members[i].weight).sum::<u16>()
    };
    let lowest = |price: &dyn Fn(usize) -> u128| {
        let agreed = (0..members.len()).map(price).filter(|p| weight_of(&|i| price(i) <= *p) >= quorum);
        agreed.min().expect("all agree on the highest")
    };
    let offer = |i: usize| u128::from(votes[i].capacity) * u128::from(shards) / u128::from(members[i].weight);
    let offers = (0..members.len()).map(offer).filter(|c| weight_of(&|i| offer(i) >= *c) >= quorum);
    let capacity = offers.max().expect("all offer the lowest");
    Terms {
        capacity: u64::try_from(capacity).unwrap_or(u64::MAX),
        storage_price: lowest(&|i| votes[i].storage_price),
        write_price: lowest(&|i| votes[i].write_price),
    }
}
