//! The nodes that answer in an epoch, and which shards each of them holds.

use std::{collections::HashSet, sync::Arc};

use floe_redstuff::{BlobId, EncodingParams, PairIndex, ShardIndex};
use thiserror::Error;

use crate::{Epoch, NodeId, bls, threshold};

/// A storage node in a committee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its identity; members are ordered by it.
    pub node_id: NodeId,
    /// The key that its confirmations are signed with. Whoever builds a committee has checked its proof of
    /// possession (the registry contract does).
    pub public_key: bls::PublicKey,
    /// Base URL of its API, such as `http://127.0.0.1:9185`. Chosen by the node: not to be trusted.
    pub address: String,
    /// What the node calls itself. Not to be trusted either.
    pub name: String,
    /// The shards it holds; never empty.
    pub shards: Vec<ShardIndex>,
}

/// Why a list of members is no committee.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommitteeError {
    /// Members are not in strictly ascending order of node id.
    #[error("member {position} is out of order: members ascend by node id, each once")]
    Unordered {
        /// Position of the first offender.
        position: usize,
    },
    /// A member without shards.
    #[error("member {node_id} holds no shard")]
    NoShards {
        /// The member.
        node_id: NodeId,
    },
    /// A key that two members share.
    #[error("member {node_id} has the public key of another member")]
    DuplicateKey {
        /// The second of them.
        node_id: NodeId,
    },
    /// A shard number that does not exist.
    #[error("shard {shard} does not exist: there are {n_shards}")]
    UnknownShard {
        /// The number.
        shard: ShardIndex,
        /// How many there are.
        n_shards: u16,
    },
    /// A shard with two owners, or listed twice.
    #[error("shard {shard} is assigned twice")]
    ShardAssignedTwice {
        /// The shard.
        shard: ShardIndex,
    },
    /// A shard that nobody holds.
    #[error("{missing} of {n_shards} shards are not assigned")]
    ShardsMissing {
        /// How many are not.
        missing: usize,
        /// How many there are.
        n_shards: u16,
    },
}

/// A validated committee: members ascend by node id, keys are distinct, every shard has exactly one owner and every
/// member at least one shard. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committee {
    epoch: Epoch,
    params: EncodingParams,
    seats: Arc<Seats>,
}

#[derive(Debug, PartialEq, Eq)]
struct Seats {
    members: Vec<Member>,
    /// Member index of each shard.
    owners: Vec<u16>,
}

impl Committee {
    /// Validates the members. Their own order of shards is kept.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(epoch: Epoch, params: EncodingParams, members: Vec<Member>) -> Result<Self, CommitteeError> {
        if let Some(before) = members.windows(2).position(|pair| pair[0].node_id >= pair[1].node_id) {
            return Err(CommitteeError::Unordered { position: before + 1 });
        }
        let mut keys = HashSet::with_capacity(members.len());
        for member in &members {
            if !keys.insert(member.public_key) {
                return Err(CommitteeError::DuplicateKey { node_id: member.node_id });
            }
        }
        let owners = assign_owners(params.n_shards(), &members)?;
        Ok(Self { epoch, params, seats: Arc::new(Seats { members, owners }) })
    }

    /// The same members and shards in another epoch.
    #[must_use]
    pub fn with_epoch(&self, epoch: Epoch) -> Self {
        Self { epoch, ..self.clone() }
    }

    /// The epoch it serves.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Parameters of the code for this number of shards.
    #[must_use]
    pub fn params(&self) -> EncodingParams {
        self.params
    }

    /// Total number of shards, `n`.
    #[must_use]
    pub fn n_shards(&self) -> u16 {
        self.params.n_shards()
    }

    /// All members, ascending by node id. A member's position here is its signer index.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.seats.members
    }

    /// The member at a signer index.
    #[must_use]
    pub fn member(&self, index: usize) -> Option<&Member> {
        self.seats.members.get(index)
    }

    /// Position of a node among the members.
    #[must_use]
    pub fn index_of(&self, node_id: &NodeId) -> Option<usize> {
        self.seats.members.binary_search_by(|member| member.node_id.cmp(node_id)).ok()
    }

    /// The position of the member that holds a shard; `None` for a shard number that does not exist.
    #[must_use]
    pub fn member_of_shard(&self, shard: ShardIndex) -> Option<usize> {
        self.seats.owners.get(usize::from(shard.get())).map(|&owner| usize::from(owner))
    }

    /// The pairs of a blob that belong to a member, ascending; empty for a member that does not exist.
    #[must_use]
    pub fn pairs_of_member(&self, index: usize, blob_id: &BlobId) -> Vec<PairIndex> {
        let shards = self.member(index).map_or(&[][..], |m| &m.shards);
        let mut pairs: Vec<_> = shards.iter().map(|shard| shard.pair(blob_id, self.params)).collect();
        pairs.sort_unstable();
        pairs
    }

    /// Number of shards that a member holds; 0 for a member that does not exist.
    #[must_use]
    pub fn weight(&self, member: usize) -> u16 {
        // Each shard is held once and there are at most 65,535, so the count fits.
        self.member(member).map_or(0, |m| u16::try_from(m.shards.len()).unwrap_or(u16::MAX))
    }

    /// `3w >= 2n + 1`: enough weight for a verifier of certificates.
    #[must_use]
    pub fn is_quorum(&self, weight: u32) -> bool {
        threshold::is_quorum(self.n_shards(), weight)
    }

    /// `3w >= n + 1`: enough weight for a verifier of invalid-blob certificates.
    #[must_use]
    pub fn is_one_honest(&self, weight: u32) -> bool {
        threshold::is_one_honest(self.n_shards(), weight)
    }

    /// `w >= n - f`: enough confirmations to stop collecting.
    #[must_use]
    pub fn enough_confirmations(&self, weight: u32) -> bool {
        threshold::enough_confirmations(self.n_shards(), weight)
    }

    /// The weight that [`is_one_honest`](Self::is_one_honest) asks for.
    #[must_use]
    pub fn one_honest_needed(&self) -> u32 {
        threshold::one_honest_needed(self.n_shards())
    }

    /// `n - f`: the weight that [`enough_confirmations`](Self::enough_confirmations) asks for.
    #[must_use]
    pub fn confirmations_needed(&self) -> u32 {
        threshold::confirmations_needed(self.n_shards())
    }

    /// `w > f`: an honest node is behind it.
    #[must_use]
    pub fn above_f(&self, weight: u32) -> bool {
        threshold::above_f(self.n_shards(), weight)
    }

    /// `w > 2f`: decides statuses and "not found".
    #[must_use]
    pub fn is_read_quorum(&self, weight: u32) -> bool {
        threshold::is_read_quorum(self.n_shards(), weight)
    }
}

/// The member index of every shard.
fn assign_owners(n_shards: u16, members: &[Member]) -> Result<Vec<u16>, CommitteeError> {
    let mut owners: Vec<Option<u16>> = vec![None; usize::from(n_shards)];
    for (index, member) in (0u16..).zip(members) {
        if member.shards.is_empty() {
            return Err(CommitteeError::NoShards { node_id: member.node_id });
        }
        for &shard in &member.shards {
            let owner =
                owners.get_mut(usize::from(shard.get())).ok_or(CommitteeError::UnknownShard { shard, n_shards })?;
            if owner.replace(index).is_some() {
                return Err(CommitteeError::ShardAssignedTwice { shard });
            }
        }
    }
    let assigned: Vec<u16> = owners.iter().copied().flatten().collect();
    if assigned.len() < owners.len() {
        return Err(CommitteeError::ShardsMissing { missing: owners.len() - assigned.len(), n_shards });
    }
    Ok(assigned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{committee, keys};

    fn change(edit: impl FnOnce(&mut Vec<Member>)) -> Result<Committee, CommitteeError> {
        let base = committee(Epoch(1), &[3, 2, 5]);
        let mut members = base.members().to_vec();
        edit(&mut members);
        Committee::new(Epoch(1), base.params(), members)
    }

    #[test]
    fn lookups_agree_with_the_members() {
        let committee = committee(Epoch(3), &[3, 2, 5]);
        assert_eq!(committee.n_shards(), 10);
        for (index, member) in committee.members().iter().enumerate() {
            assert_eq!(committee.index_of(&member.node_id), Some(index));
            assert_eq!(usize::from(committee.weight(index)), member.shards.len());
            for &shard in &member.shards {
                assert_eq!(committee.member_of_shard(shard), Some(index));
            }
        }
        assert_eq!(committee.member_of_shard(ShardIndex::new(10)), None);
        assert_eq!(committee.weight(3), 0);
        assert_eq!(committee.index_of(&NodeId::from_number(99)), None);
        let blob = BlobId::from_bytes([9; 32]);
        let mut pairs: Vec<_> =
            (0..3).flat_map(|member| committee.pairs_of_member(member, &blob)).map(PairIndex::get).collect();
        pairs.sort_unstable();
        assert_eq!(pairs, (0..10).collect::<Vec<_>>());
        assert_eq!(committee.with_epoch(Epoch(4)).epoch(), Epoch(4));
        assert_eq!(committee.with_epoch(Epoch(4)).members(), committee.members());
    }

    #[test]
    fn broken_rules_are_named() {
        assert!(change(|_| {}).is_ok());
        assert_eq!(change(|m| m.swap(0, 1)), Err(CommitteeError::Unordered { position: 1 }));
        assert_eq!(change(|m| m[2].node_id = m[1].node_id), Err(CommitteeError::Unordered { position: 2 }));
        assert_eq!(
            change(|m| m[1].public_key = keys(1)[0].public_key()),
            Err(CommitteeError::DuplicateKey { node_id: NodeId::from_number(2) })
        );
        assert_eq!(change(|m| m[1].shards.clear()), Err(CommitteeError::NoShards { node_id: NodeId::from_number(2) }));
        assert_eq!(
            change(|m| m[0].shards[0] = ShardIndex::new(10)),
            Err(CommitteeError::UnknownShard { shard: ShardIndex::new(10), n_shards: 10 })
        );
        assert_eq!(
            change(|m| m[1].shards.push(ShardIndex::new(0))),
            Err(CommitteeError::ShardAssignedTwice { shard: ShardIndex::new(0) })
        );
        assert_eq!(
            change(|m| {
                m[2].shards.pop();
                m[2].shards.pop();
            }),
            Err(CommitteeError::ShardsMissing { missing: 2, n_shards: 10 })
        );
        assert!(change(Vec::clear).is_err());
    }
}
