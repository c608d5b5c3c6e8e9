//! The clock, the committees, and the steps that anyone may take.

use alloy::primitives::U256;
use floe_protocol::{Committee, Epoch, Member, NodeId, bls::PublicKey};
use floe_redstuff::ShardIndex;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Inner, convert};
use crate::{
    ChainError, EpochPhase, EpochStep,
    bindings::{Committee as CommitteeContract, Epochs, Nodes},
    send::Call,
};

/// Nodes whose entries are asked for at once.
const NODES_AT_ONCE: usize = 16;
/// Bytes of a compressed key.
const KEY_BYTES: usize = 48;

/// The clock at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) epoch: Epoch,
    pub(super) started_at: u64,
    pub(super) phase: EpochPhase,
    pub(super) next_step_at: u64,
}

impl Inner {
    /// All of one moment: asked for again if an epoch began in between.
    pub(super) async fn clock(&self) -> Result<Clock, ChainError> {
        let epochs = self.config.contracts.epochs;
        loop {
            let before = self.epoch().await?;
            let started_at = self.rpc.call("epochStart", epochs, &Epochs::epochStartCall {}).await?;
            let now = self.rpc.call("clock", epochs, &Epochs::clockCall {}).await?;
            if before == Epoch(now.epoch) {
                let phase = match now.phase {
                    0 => EpochPhase::Genesis,
                    1 => EpochPhase::Sync,
                    2 => EpochPhase::Done,
                    3 => EpochPhase::Selected,
                    other => return Err(ChainError::BadAnswer { method: "clock", detail: format!("phase {other}") }),
                };
                return Ok(Clock { epoch: before, started_at, phase, next_step_at: now.dueAt });
            }
        }
    }

    pub(super) async fn epoch(&self) -> Result<Epoch, ChainError> {
        let call = Epochs::currentEpochCall {};
        self.rpc.call("currentEpoch", self.config.contracts.epochs, &call).await.map(Epoch)
    }

    pub(super) async fn committee(&self) -> Result<Committee, ChainError> {
        loop {
            let epoch = self.epoch().await?;
            if epoch == Epoch(0) {
                return Err(bad_committee("the network was not launched yet"));
            }
            // Nothing is there if two epochs began since.
            if let Some(committee) = self.committee_of(epoch).await? {
                return Ok(committee);
            }
        }
    }

    pub(super) async fn committee_of(&self, epoch: Epoch) -> Result<Option<Committee>, ChainError> {
        let params = self.constants().await?.params;
        let call = CommitteeContract::membersCall { epoch: epoch.0 };
        let seats = match self.rpc.call("members", self.config.contracts.committee, &call).await {
            Ok(seats) => seats,
            Err(ChainError::Reverted { name, .. }) if name == "NoCommittee" => return Ok(None),
            Err(error) => return Err(error),
        };
        let shards = shards_of(&seats)?;
        let keys = seats.publicKeys.chunks_exact(KEY_BYTES);
        if keys.len() != shards.len() {
            return Err(bad_committee(format!("{} members have {} keys", shards.len(), keys.len())));
        }
        let keys: Vec<Vec<u8>> = keys.map(<[u8]>::to_vec).collect();
        let entries = seats.nodeIds.into_iter().zip(shards).zip(keys);
        let members = stream::iter(entries.map(|((id, shards), key)| self.member(id, shards, key)))
            .buffered(NODES_AT_ONCE)
            .try_collect()
            .await?;
        Committee::new(epoch, params, members).map(Some).map_err(|e| bad_committee(e.to_string()))
    }

    async fn member(&self, id: U256, shards: Vec<ShardIndex>, key: Vec<u8>) -> Result<Member, ChainError> {
        let node_id = NodeId::from_number(convert::number("node id", id)?);
        let public_key = PublicKey::from_bytes(&key)
            .map_err(|e| bad_committee(format!("the key of node {id} is not valid: {e}")))?;
        let node = self.rpc.call("node", self.config.contracts.nodes, &Nodes::nodeCall { nodeId: id }).await?;
        let Nodes::Description { name, url: address, .. } = node.description;
        Ok(Member { node_id, public_key, address, name, shards })
    }

    pub(super) async fn advance_epoch_if_due(&self) -> Result<Option<EpochStep>, ChainError> {
        self.sender()?;
        let epochs = self.config.contracts.epochs;
        let (step, call) = match self.clock().await?.phase {
            EpochPhase::Genesis => return Ok(None),
            EpochPhase::Sync => (EpochStep::SyncEnded, Call::contract(epochs, &Epochs::endSyncCall {})),
            EpochPhase::Done => (EpochStep::CommitteeSelected, Call::contract(epochs, &Epochs::selectNextCall {})),
            EpochPhase::Selected => (EpochStep::EpochBegun, Call::contract(epochs, &Epochs::beginNextCall {})),
        };
        match self.send(&call).await {
            Ok(_) => Ok(Some(step)),
            Err(ChainError::Reverted { name, .. }) if name == "TooEarly" || name == "WrongPhase" => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn report_synced(&self, epoch: Epoch) -> Result<bool, ChainError> {
        let call = Call::contract(self.config.contracts.epochs, &Epochs::epochSyncDoneCall { epoch: epoch.0 });
        match self.send(&call).await {
            Ok(_) => Ok(true),
            Err(ChainError::Reverted { name, .. })
                if ["AlreadySynced", "NotMember", "WrongEpoch"].contains(&name.as_str()) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// The shards of each member.
fn shards_of(seats: &CommitteeContract::membersReturn) -> Result<Vec<Vec<ShardIndex>>, ChainError> {
    let owners = seats.shardOwners.chunks_exact(2).map(|pair| match pair {
        [high, low] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => usize::MAX,
    });
    let mut shards = vec![Vec::new(); seats.nodeIds.len()];
    for (shard, owner) in owners.enumerate() {
        let shard = u16::try_from(shard).map_err(|_| bad_committee("too many shards"))?;
        let held = shards.get_mut(owner).ok_or_else(|| bad_committee("a shard belongs to no member"))?;
        held.push(ShardIndex::new(shard));
    }
    for (member, (held, weight)) in shards.iter().zip(&seats.weights).enumerate() {
        if held.len() != usize::from(*weight) {
            let detail = format!("member {member} has weight {weight}, but {} shards", held.len());
            return Err(bad_committee(detail));
        }
    }
    Ok(shards)
}

fn bad_committee(detail: impl Into<String>) -> ChainError {
    ChainError::BadCommittee { detail: detail.into() }
}
