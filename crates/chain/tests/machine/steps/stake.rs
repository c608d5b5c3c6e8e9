//! Operations on stake, and of nodes.

use alloy::primitives::{Address, U256};

use crate::bindings::{Nodes, Staking};
use crate::machine::driver::Driver;
use crate::machine::model::governance::Decision;
use crate::machine::model::nodes::Votes;
use crate::machine::model::stake::{LEAST, Position};
use crate::machine::operations::Draw;
use crate::machine::world::FLOE;
use crate::signing;
use crate::support::CHAIN_ID;

impl Driver {
    fn amount(draw: &mut Draw) -> u128 {
        match draw.below(20) {
            0 => draw.pick(&[0, LEAST - 1]),
            1..=8 => u128::from(1 + draw.below(3_000)) * FLOE,
            9..=12 => draw.pick(&[LEAST, 100 * FLOE, 1_000 * FLOE]),
            13 => 10_u128.pow(27),
            _ => LEAST + u128::from(draw.below(u64::MAX)) * 50,
        }
    }

    /// A position that the filter lets pass, if there is one, and mostly its owner.
    fn position(&self, draw: &mut Draw, fits: impl Fn(&Position) -> bool) -> (u64, Address) {
        let all = &self.model.stakes.positions;
        let mut ids: Vec<_> = all.iter().filter(|(_, position)| fits(position)).map(|(id, _)| *id).collect();
        if ids.is_empty() || draw.percent(8) {
            ids = all.keys().copied().collect();
        }
        let id = super::one_of(draw, &ids);
        (id, self.mostly(draw, all.get(&id).map(|position| position.owner)))
    }

    pub(super) fn stake(&mut self, draw: &mut Draw) {
        let (by, nodeId, amount) = (self.user(draw), self.node(draw), Self::amount(draw));
        let call = Staking::stakeCall { nodeId: U256::from(nodeId), amount: U256::from(amount).to() };
        self.act(by, self.model.at.staking, call, |model| model.stake(by, nodeId, amount));
    }

    /// A part of a position: often all of it, or what leaves no legal rest.
    fn part(&self, draw: &mut Draw, id: u64) -> u128 {
        let principal = self.model.stakes.positions.get(&id).map_or(LEAST, |position| position.principal);
        match draw.below(10) {
            0..=3 => principal,
            4 => draw.pick(&[0, LEAST - 1, principal - LEAST + 1, principal + 1]),
            5 => LEAST,
            6 => principal - LEAST,
            _ => LEAST + principal / 100 * u128::from(draw.below(99)),
        }
    }

    pub(super) fn unstake(&mut self, draw: &mut Draw) {
        let (id, by) = self.position(draw, |position| position.withdraw.is_none());
        let amount = self.part(draw, id);
        let call = Staking::unstakeCall { positionId: U256::from(id), amount: U256::from(amount).to() };
        self.act(by, self.model.at.staking, call, |model| model.unstake(by, id, amount));
    }

    pub(super) fn withdraw(&mut self, draw: &mut Draw) {
        let epoch = self.model.epoch();
        let due = draw.percent(80);
        let (id, by) = self.position(draw, |p| p.withdraw.is_some_and(|at| !due || at <= epoch));
        let call = Staking::withdrawCall { positionId: U256::from(id) };
        self.act(by, self.model.at.staking, call, |model| model.withdraw(by, id));
    }

    pub(super) fn claim(&mut self, draw: &mut Draw) {
        let epoch = self.model.epoch();
        let (id, by) = self.position(draw, |position| position.activation < epoch);
        let call = Staking::claimCall { positionId: U256::from(id) };
        self.act(by, self.model.at.staking, call, |model| model.claim(by, id));
    }

    pub(super) fn split(&mut self, draw: &mut Draw) {
        let (id, by) = self.position(draw, |position| position.principal >= 2 * LEAST);
        let amount = self.part(draw, id);
        let call = Staking::splitCall { positionId: U256::from(id), amount: U256::from(amount).to() };
        self.act(by, self.model.at.staking, call, |model| model.split(by, id, amount));
    }

    pub(super) fn join(&mut self, draw: &mut Draw) {
        let kind = |p: &Position| (p.owner, p.node, p.activation, p.withdraw);
        let all = &self.model.stakes.positions;
        let paired = |p: &Position| all.values().filter(|other| kind(other) == kind(p)).count() > 1;
        let (id, by) = self.position(draw, paired);
        let first = all.get(&id).map(kind);
        let partners: Vec<_> = all.iter().filter(|(other, p)| **other != id && first == Some(kind(p))).collect();
        let partners: Vec<_> = partners.into_iter().map(|(other, _)| *other).collect();
        let other =
            if partners.is_empty() || draw.percent(8) { self.position(draw, |_| true).0 } else { draw.pick(&partners) };
        let call = Staking::joinCall { positionId: U256::from(id), otherId: U256::from(other) };
        self.act(by, self.model.at.staking, call, |model| model.join(by, id, other));
    }

    /// Nodes that are no candidates, and have so much.
    fn idle_with(&self, least: u128) -> Vec<u64> {
        let next = self.model.next_open();
        let pools = self.model.stakes.pools.iter();
        pools.filter(|(_, pool)| !pool.active && pool.stake_at(next) >= least).map(|(node, _)| *node).collect()
    }

    /// Some epochs after everyone has voted for it, anyone can be a candidate.
    fn lower_threshold(&mut self, draw: &mut Draw) {
        let (anyone, epoch) = (Decision::Threshold(0), self.model.epoch());
        let proposal = self.model.proposals.get(&self.model.proposal_id(anyone));
        match proposal.and_then(|proposal| proposal.window).filter(|(_, expiry)| epoch < *expiry) {
            Some((ready, _)) if ready <= epoch => self.execute_as(draw, anyone),
            Some(_) => {}
            None => self.vote_by_all(anyone),
        }
    }

    pub(super) fn join_active_set(&mut self, draw: &mut Draw) {
        let by = self.user(draw);
        let mut ready = self.idle_with(self.model.stakes.least());
        if ready.is_empty() && !self.idle_with(LEAST).is_empty() {
            self.lower_threshold(draw);
            ready = self.idle_with(self.model.stakes.least());
        }
        let node = if ready.is_empty() || draw.percent(10) { self.node(draw) } else { draw.pick(&ready) };
        let call = Staking::joinActiveSetCall { nodeId: U256::from(node) };
        self.act(by, self.model.at.staking, call, |model| model.join_active_set(node));
    }

    fn account_of(&self, draw: &mut Draw, node: u64) -> Address {
        self.mostly(draw, self.model.nodes.get(&node).map(|node| node.account))
    }

    pub(super) fn set_commission(&mut self, draw: &mut Draw) {
        let node = self.node(draw);
        let (by, bps) = (self.account_of(draw, node), draw.pick(&[0, 1, 500, 3_333, 10_000, 10_001]));
        let call = Staking::setNextCommissionCall { nodeId: U256::from(node), bps };
        self.act(by, self.model.at.staking, call, |model| model.set_commission(by, node, bps));
    }

    pub(super) fn collect_commission(&mut self, draw: &mut Draw) {
        let node = self.node(draw);
        let by = self.mostly(draw, self.model.nodes.get(&node).map(|node| node.receiver));
        let call = Staking::collectCommissionCall { nodeId: U256::from(node) };
        self.act(by, self.model.at.staking, call, |model| model.collect_commission(by, node));
    }

    /// Another account receives the commission, or votes.
    pub(super) fn set_speaker(&mut self, draw: &mut Draw, receiver: bool) {
        let (node, at) = (self.node(draw), self.model.at.nodes);
        let known = self.model.nodes.get(&node);
        let by = self.mostly(draw, known.map(|node| if receiver { node.receiver } else { node.authority }));
        let to = if draw.percent(90) { self.user(draw) } else { Address::ZERO };
        let nodeId = U256::from(node);
        if receiver {
            let call = Nodes::setCommissionReceiverCall { nodeId, receiver: to };
            self.act(by, at, call, |model| model.set_receiver(by, node, to));
        } else {
            let call = Nodes::setGovernanceAuthorityCall { nodeId, authority: to };
            self.act(by, at, call, |model| model.set_authority(by, node, to));
        }
    }

    fn votes(draw: &mut Draw) -> Votes {
        Votes {
            capacity: draw.pick(&[0, 1 << 22, 1 << 23, 1 << 24, 3 << 24, 1 << 30, u64::MAX]),
            storage_price: draw.pick(&[0, 1, 100, 450, 500, 600, 2_000, 1_000_000]),
            write_price: draw.pick(&[0, 2, 1_000, 2_000, 2_500, 9_000]),
        }
    }

    pub(super) fn vote_terms(&mut self, draw: &mut Draw) {
        let node = self.node(draw);
        let (by, votes) = (self.account_of(draw, node), Self::votes(draw));
        let call = Nodes::voteCall { nodeId: U256::from(node), terms: votes.encoded() };
        self.act(by, self.model.at.nodes, call, |model| model.vote_terms(by, node, votes));
    }

    /// A key that was not claimed, mostly; and a proof that it is known, mostly.
    fn fresh_key(&self, draw: &mut Draw) -> (u32, bool) {
        let used = u32::try_from(self.model.keys.len()).expect("few");
        (if draw.percent(85) { used } else { draw.small(used) }, draw.percent(88))
    }

    fn proof(
        &mut self,
        by: Address,
        key: u32,
        proven: bool,
    ) -> ([alloy::primitives::B256; 4], [alloy::primitives::B256; 8]) {
        let secret = self.key(key);
        // A proof of another epoch is none.
        let epoch = self.model.epoch() + u32::from(!proven);
        let registry = self.model.at.nodes;
        let proof = signing::Possession { epoch, account: by, chain_id: CHAIN_ID, registry }.prove(&secret);
        (signing::g1(&secret.sk_to_pk()), proof)
    }

    pub(super) fn next_key(&mut self, draw: &mut Draw) {
        let node = self.node(draw);
        let by = self.account_of(draw, node);
        let (key, proven) = self.fresh_key(draw);
        let (publicKey, proofOfPossession) = self.proof(by, key, proven);
        let call = Nodes::setNextKeyCall { nodeId: U256::from(node), publicKey, proofOfPossession };
        self.act(by, self.model.at.nodes, call, |model| model.set_next_key(by, node, key, proven));
    }

    pub(super) fn register_node(&mut self, draw: &mut Draw) {
        let spare: Vec<_> =
            self.operators.iter().filter(|account| self.model.node_of(**account).is_none()).copied().collect();
        let by = if spare.is_empty() || draw.percent(15) { draw.pick(&self.operators) } else { draw.pick(&spare) };
        let (key, proven) = self.fresh_key(draw);
        let name = if draw.percent(95) { "newcomer" } else { "" };
        let bps = draw.pick(&[0, 700, 10_000, 10_001]);
        let votes = Self::votes(draw);
        self.register_node_as(by, name, key, proven, bps, votes);
    }

    pub(crate) fn register_node_as(&mut self, by: Address, name: &str, key: u32, proven: bool, bps: u16, votes: Votes) {
        let (publicKey, proofOfPossession) = self.proof(by, key, proven);
        let description = Nodes::Description {
            name: name.to_owned(),
            url: if name.is_empty() { "somewhere".to_owned() } else { name.to_owned() },
            networkKey: Vec::new().into(),
            metadata: String::new(),
        };
        let terms = votes.encoded();
        let call = Nodes::registerNodeCall { description, publicKey, proofOfPossession, commissionBps: bps, terms };
        self.act(by, self.model.at.nodes, call, |model| model.register_node(by, name, key, proven, bps, votes));
    }
}
