//! The committee as one node sees it, and what follows from it: which shards and sliver pairs are its own.

use floe_protocol::{Committee, CommitteeError, Epoch, Member, NodeId, bls};
use floe_redstuff::{BlobId, EncodingParams, PairIndex, ShardIndex};
use serde::{Deserialize, Serialize};

/// A committee and this node's place in it. Immutable: an epoch change makes a new one.
#[derive(Clone, Debug)]
pub(crate) struct CommitteeView {
    committee: Committee,
    own: Option<usize>,
    /// Shards that this node had in the committee before and has no more. Until others hold them it serves what it has.
    retained: Vec<ShardIndex>,
}

impl CommitteeView {
    pub(crate) fn new(committee: Committee, previous: Option<&Committee>, node: &NodeId) -> Self {
        let own = committee.index_of(node);
        let mut view = Self { committee, own, retained: Vec::new() };
        let held = previous.and_then(|previous| previous.member(previous.index_of(node)?));
        let lost =
            held.map_or(&[][..], |member| &member.shards).iter().filter(|shard| !view.own_shards().contains(shard));
        view.retained = lost.copied().collect();
        view
    }

    pub(crate) fn committee(&self) -> &Committee {
        &self.committee
    }

    pub(crate) fn params(&self) -> EncodingParams {
        self.committee.params()
    }

    /// This node's index among the members, if it is one.
    pub(crate) fn own_index(&self) -> Option<usize> {
        self.own
    }

    /// The key by which the committee knows this node, if it is a member.
    pub(crate) fn own_key(&self) -> Option<&bls::PublicKey> {
        self.own.and_then(|index| self.committee.member(index)).map(|member| &member.public_key)
    }

    /// The shards of this node; none if it is not a member.
    pub(crate) fn own_shards(&self) -> &[ShardIndex] {
        self.own.and_then(|index| self.committee.member(index)).map_or(&[], |member| &member.shards)
    }

    /// Whether the pair of this blob belongs to one of the node's shards.
    pub(crate) fn owns(&self, pair: PairIndex, blob: &BlobId) -> bool {
        self.own.is_some() && self.committee.member_of_shard(pair.shard(blob, self.params())) == self.own
    }

    /// Whether the node may hold the pair of this blob: it is its own, or was in the committee before.
    pub(crate) fn serves(&self, pair: PairIndex, blob: &BlobId) -> bool {
        self.owns(pair, blob) || self.retained.contains(&pair.shard(blob, self.params()))
    }

    /// Shards that the node serves though they are others' now.
    pub(crate) fn retained(&self) -> &[ShardIndex] {
        &self.retained
    }

    /// The pairs that this node has to hold of a blob, ascending.
    pub(crate) fn own_pairs(&self, blob: &BlobId) -> Vec<PairIndex> {
        let params = self.params();
        let mut pairs: Vec<_> = self.own_shards().iter().map(|shard| shard.pair(blob, params)).collect();
        pairs.sort_unstable();
        pairs
    }

    /// Bytes for the store, so that a restart does not need the chain to serve.
    pub(crate) fn to_stored(&self) -> Vec<u8> {
        let members = self.committee.members().iter().map(|member| StoredMember {
            node_id: *member.node_id.as_bytes(),
            public_key: member.public_key.to_bytes().to_vec(),
            address: member.address.clone(),
            name: member.name.clone(),
            shards: member.shards.iter().map(|shard| shard.get()).collect(),
        });
        let stored = StoredCommittee {
            epoch: self.committee.epoch().0,
            n_shards: self.committee.n_shards(),
            members: members.collect(),
            retained: self.retained.iter().map(|shard| shard.get()).collect(),
        };
        bcs::to_bytes(&stored).expect("integers, strings and byte lists always serialize")
    }

    /// The committee of an earlier run; `None` for bytes that this version did not write.
    pub(crate) fn from_stored(bytes: &[u8], node: &NodeId) -> Option<Self> {
        let stored: StoredCommittee = bcs::from_bytes(bytes).ok()?;
        let params = EncodingParams::new(stored.n_shards).ok()?;
        let retained = stored.retained.into_iter().map(ShardIndex::new).collect();
        let committee: Result<Committee, CommitteeError> = stored
            .members
            .into_iter()
            .map(StoredMember::into_member)
            .collect::<Option<Vec<_>>>()
            .map(|members| Committee::new(Epoch(stored.epoch), params, members))?;
        committee.ok().map(|committee| Self { retained, ..Self::new(committee, None, node) })
    }
}

#[derive(Serialize, Deserialize)]
struct StoredCommittee {
    epoch: u32,
    n_shards: u16,
    members: Vec<StoredMember>,
    retained: Vec<u16>,
}

#[derive(Serialize, Deserialize)]
struct StoredMember {
    node_id: [u8; 32],
    public_key: Vec<u8>,
    address: String,
    name: String,
    shards: Vec<u16>,
}

impl StoredMember {
    fn into_member(self) -> Option<Member> {
        Some(Member {
            node_id: NodeId::from_bytes(self.node_id),
            public_key: bls::PublicKey::from_bytes(&self.public_key).ok()?,
            address: self.address,
            name: self.name,
            shards: self.shards.into_iter().map(ShardIndex::new).collect(),
        })
    }
}
