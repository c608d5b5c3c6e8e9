//! Steps of the clock, and of the governance.

use alloy::primitives::{Address, U256};

use crate::bindings::{Epochs, Governance, Staking};
use crate::machine::driver::Driver;
use crate::machine::model::clock::Phase;
use crate::machine::model::governance::Decision;
use crate::machine::model::subsidies::{MOST_USAGE_BPS, Rates};
use crate::machine::operations::Draw;
use crate::machine::world::{FLOE, HOUR};

impl Driver {
    /// Lets the time pass, mostly, until the step out of a phase is due.
    pub(super) fn wait_for(&mut self, draw: &mut Draw, phase: Phase) {
        let left = self.model.due_at().saturating_sub(self.model.now);
        if self.model.clock.phase == phase && left != 0 && draw.percent(60) {
            self.pass(left);
        }
    }

    pub(super) fn select(&mut self, draw: &mut Draw) {
        let by = self.user(draw);
        self.act(by, self.model.at.epochs, Epochs::selectNextCall {}, |model| model.select_next());
    }

    pub(super) fn begin(&mut self, draw: &mut Draw) {
        let by = self.user(draw);
        let begun = self.act(by, self.model.at.epochs, Epochs::beginNextCall {}, |model| model.begin_next());
        if begun.is_some() {
            self.audit();
        }
    }

    pub(super) fn end_sync(&mut self, draw: &mut Draw) {
        let by = self.user(draw);
        self.act(by, self.model.at.epochs, Epochs::endSyncCall {}, |model| model.end_sync());
    }

    pub(super) fn report(&mut self, draw: &mut Draw) {
        let by = if draw.percent(95) { draw.pick(&self.operators) } else { self.user(draw) };
        let epoch = if draw.percent(93) { self.model.epoch() } else { self.model.epoch() + 1 - draw.small(3) };
        self.report_as(by, epoch);
    }

    fn report_as(&mut self, by: Address, epoch: u32) {
        let call = Epochs::epochSyncDoneCall { epoch };
        self.act(by, self.model.at.epochs, call, |model| model.report(by, epoch));
    }

    /// Whatever has to be done until another epoch has begun; mostly until its change is complete.
    pub(super) fn next_epoch(&mut self, draw: &mut Draw) {
        self.sync(draw);
        if self.model.clock.phase == Phase::Done {
            self.pass(HOUR / 2);
            self.select(draw);
            // Others act between the selection and the next epoch.
            if draw.percent(25) {
                return;
            }
        }
        if self.model.clock.phase == Phase::Selected {
            self.pass(HOUR / 2);
            self.begin(draw);
        }
        if draw.percent(80) {
            self.sync(draw);
        }
    }

    fn sync(&mut self, draw: &mut Draw) {
        if self.model.clock.phase != Phase::Sync {
            return;
        }
        let epoch = self.model.epoch();
        if draw.percent(85) {
            let members = self.model.committees[&epoch].members.clone();
            for account in members.iter().map(|member| self.model.nodes[&member.node].account).collect::<Vec<_>>() {
                if self.model.clock.phase == Phase::Sync {
                    self.report_as(account, epoch);
                }
            }
        } else {
            self.pass(HOUR);
            self.end_sync(draw);
        }
    }

    /// Something to decide on: often what was voted on before.
    fn decision(&self, draw: &mut Draw) -> Decision {
        let known: Vec<_> = self.model.proposals.values().map(|proposal| proposal.decision).collect();
        if !known.is_empty() && draw.percent(60) {
            return draw.pick(&known);
        }
        match draw.below(5) {
            4 => Decision::Rates(Rates {
                usage_bps: draw.pick(&[0, 1, 10_000, 80_000, MOST_USAGE_BPS, MOST_USAGE_BPS + 1]),
                per_node: draw.below(2_000),
                per_shard: draw.below(300),
            }),
            0 => Decision::Threshold(draw.pick(&[0, 5 * FLOE, 200 * FLOE, 900 * FLOE])),
            1 => Decision::Auditor(draw.pick(&self.users)),
            _ => self.guilty(draw),
        }
    }

    fn guilty(&self, draw: &mut Draw) -> Decision {
        let bps = draw.pick(&[0, 1, 500, 2_500, 3_333, 5_000, 9_999, 10_000, 10_001]);
        Decision::Slash { node: self.node(draw), bps }
    }

    pub(super) fn vote(&mut self, draw: &mut Draw) {
        let (node, decision) = (self.node(draw), self.decision(draw));
        let by = self.mostly(draw, self.model.nodes.get(&node).map(|node| node.authority));
        self.vote_as(by, node, decision);
    }

    fn vote_as(&mut self, by: Address, node: u64, decision: Decision) {
        let target = self.model.target(decision);
        let call = Governance::voteCall { nodeId: U256::from(node), target, data: decision.data() };
        let id = self.model.proposal_id(decision);
        let voted = self.act(by, self.model.at.governance, call, |model| model.vote(by, node, decision));
        if voted.is_some() {
            let (expected, at) = (self.model.proposals[&id].clone(), self.model.at.governance);
            let kept = self.evm.view(at, &Governance::proposalOfCall { proposalId: id });
            let (ready, expiry) = expected.window.unwrap_or((0, 0));
            let same = (kept.epoch, kept.weight, kept.readyEpoch, kept.expiryEpoch)
                == (expected.epoch, expected.weight, ready, expiry);
            self.require(same, || format!("{kept:?}, not {expected:?}"));
        }
    }

    /// All members vote until there is a quorum, and somebody executes it.
    pub(super) fn decide(&mut self, draw: &mut Draw) {
        let decision = if draw.percent(60) { self.guilty(draw) } else { self.decision(draw) };
        self.vote_by_all(decision);
        self.execute_as(draw, decision);
    }

    /// All members vote until there is a quorum.
    pub(crate) fn vote_by_all(&mut self, decision: Decision) {
        let members = self.model.committees[&self.model.epoch()].members.clone();
        for member in members {
            let id = self.model.proposal_id(decision);
            let approved = |proposal: &crate::machine::model::governance::Proposal| proposal.window.is_some();
            if !self.model.proposals.get(&id).is_some_and(approved) {
                self.vote_as(self.model.nodes[&member.node].authority, member.node, decision);
            }
        }
    }

    pub(super) fn execute(&mut self, draw: &mut Draw) {
        let epoch = self.model.epoch();
        let ready = |(from, to): (u32, u32)| from <= epoch && epoch < to;
        let due: Vec<_> = self.model.proposals.values().filter(|p| p.window.is_some_and(ready)).collect();
        let due: Vec<_> = due.into_iter().map(|proposal| proposal.decision).collect();
        let decision = if due.is_empty() || draw.percent(30) { self.decision(draw) } else { draw.pick(&due) };
        self.execute_as(draw, decision);
    }

    pub(super) fn execute_as(&mut self, draw: &mut Draw, decision: Decision) {
        let by = self.user(draw);
        let call = Governance::executeCall { target: self.model.target(decision), data: decision.data() };
        self.act(by, self.model.at.governance, call, |model| model.execute(decision));
    }

    pub(super) fn lower_reward(&mut self, draw: &mut Draw) {
        let auditor = Some(self.model.stakes.auditor).filter(|auditor| *auditor != Address::ZERO);
        let (by, node) = (self.mostly(draw, auditor), self.node(draw));
        let bps = draw.pick(&[0, 1, 2_000, 7_777, 9_999, 10_000]);
        let call = Staking::lowerRewardCall { nodeId: U256::from(node), bps };
        self.act(by, self.model.at.staking, call, |model| model.lower_reward(by, node, bps));
    }
}
