//! Nodes: who speaks for them, what they vote for, which key they sign with.

use alloy::primitives::{Address, Bytes};

use super::{Model, Ruling, WHOLE, refuse, wide};
use crate::bindings::{Nodes, Staking};
use crate::signing;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Votes {
    pub(crate) capacity: u64,
    pub(crate) storage_price: u128,
    pub(crate) write_price: u128,
}

impl Votes {
    pub(crate) fn encoded(&self) -> Nodes::Votes {
        Nodes::Votes {
            capacity: self.capacity,
            storagePrice: wide(self.storage_price).to(),
            writePrice: wide(self.write_price).to(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) account: Address,
    pub(crate) receiver: Address,
    pub(crate) authority: Address,
    pub(crate) votes: Votes,
    pub(crate) key: u32,
    pub(crate) next_key: Option<u32>,
}

/// A key of the tests, compressed.
pub(crate) fn public_key(number: u32) -> Bytes {
    signing::secret_key(&format!("key {number}")).sk_to_pk().compress().to_vec().into()
}

impl Model {
    pub(crate) fn node_of(&self, account: Address) -> Option<u64> {
        self.nodes.iter().find(|(_, node)| node.account == account).map(|(id, _)| *id)
    }

    pub(crate) fn register_node(
        &mut self,
        by: Address,
        name: &str,
        key: u32,
        proven: bool,
        commission_bps: u16,
        votes: Votes,
    ) -> Ruling<u64> {
        if name.is_empty() {
            return refuse(Nodes::TextLengthOutOfRange { field: "name".into(), got: wide(0_u8), max: wide(64_u8) });
        }
        if let Some(node) = self.node_of(by) {
            return refuse(Nodes::AccountHasNode { account: by, nodeId: wide(node) });
        }
        let id = self.nodes.len() as u64 + 1;
        self.claim_key(by, id, key, proven)?;
        if commission_bps > WHOLE {
            return refuse(Staking::BpsTooMany { got: wide(commission_bps), max: wide(WHOLE) });
        }
        self.nodes.insert(id, Node { account: by, receiver: by, authority: by, votes, key, next_key: None });
        self.open_pool(id, commission_bps);
        let event = Nodes::NodeRegistered {
            nodeId: wide(id),
            account: by,
            name: name.to_owned(),
            url: name.to_owned(),
            publicKey: public_key(key),
        };
        self.events.tell(self.at.nodes, event);
        self.events.tell(self.at.nodes, Nodes::NodeVoted { nodeId: wide(id), votes: votes.encoded() });
        Ok(id)
    }

    fn claim_key(&mut self, by: Address, node: u64, key: u32, proven: bool) -> Ruling<()> {
        if !proven {
            return refuse(Nodes::KeyWithoutProof { account: by, epoch: self.epoch() });
        }
        if let Some(holder) = self.keys.get(&key) {
            return refuse(Nodes::KeyTaken { nodeId: wide(*holder) });
        }
        self.keys.insert(key, node);
        Ok(())
    }

    pub(crate) fn set_next_key(&mut self, by: Address, node: u64, key: u32, proven: bool) -> Ruling<()> {
        let account = self.node(node)?.account;
        self.only(by, account)?;
        self.claim_key(by, node, key, proven)?;
        self.nodes.get_mut(&node).expect("known").next_key = Some(key);
        self.events.tell(self.at.nodes, Nodes::NodeKeyAnnounced { nodeId: wide(node), publicKey: public_key(key) });
        Ok(())
    }

    pub(crate) fn vote_terms(&mut self, by: Address, node: u64, votes: Votes) -> Ruling<()> {
        let account = self.node(node)?.account;
        self.only(by, account)?;
        self.nodes.get_mut(&node).expect("known").votes = votes;
        self.events.tell(self.at.nodes, Nodes::NodeVoted { nodeId: wide(node), votes: votes.encoded() });
        Ok(())
    }

    pub(crate) fn set_receiver(&mut self, by: Address, node: u64, receiver: Address) -> Ruling<()> {
        if receiver == Address::ZERO {
            return refuse(Nodes::ZeroAddress {});
        }
        let now = self.node(node)?.receiver;
        self.only(by, now)?;
        self.nodes.get_mut(&node).expect("known").receiver = receiver;
        self.events.tell(self.at.nodes, Nodes::CommissionReceiverChanged { nodeId: wide(node), receiver });
        Ok(())
    }

    pub(crate) fn set_authority(&mut self, by: Address, node: u64, authority: Address) -> Ruling<()> {
        if authority == Address::ZERO {
            return refuse(Nodes::ZeroAddress {});
        }
        let now = self.node(node)?.authority;
        self.only(by, now)?;
        self.nodes.get_mut(&node).expect("known").authority = authority;
        self.events.tell(self.at.nodes, Nodes::GovernanceAuthorityChanged { nodeId: wide(node), authority });
        Ok(())
    }

    pub(crate) fn node(&self, id: u64) -> Ruling<&Node> {
        match self.nodes.get(&id) {
            Some(node) => Ok(node),
            None => refuse(Nodes::UnknownNode { nodeId: wide(id) }),
        }
    }
}
