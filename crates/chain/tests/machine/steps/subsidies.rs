//! Operations on the pot, and gifts to nodes themselves.

use alloy::primitives::{Address, U256};

use crate::bindings::{Staking, Subsidies};
use crate::machine::driver::Driver;
use crate::machine::operations::Draw;

impl Driver {
    pub(super) fn fund_pot(&mut self, draw: &mut Draw) {
        let (by, amount) = (self.user(draw), u128::from(draw.below(200_000)));
        self.fund_pot_with(by, amount);
    }

    pub(crate) fn fund_pot_with(&mut self, by: Address, amount: u128) {
        let call = Subsidies::fundCall { amount: U256::from(amount) };
        self.act(by, self.model.at.subsidies, call, |model| model.fund_pot(by, amount));
    }

    pub(super) fn process(&mut self, draw: &mut Draw) {
        let by = self.user(draw);
        self.act(by, self.model.at.subsidies, Subsidies::processCall {}, |model| model.process());
    }

    pub(super) fn add_commissions(&mut self, draw: &mut Draw) {
        let by = self.user(draw);
        let gifts: Vec<_> = (0..draw.below(4)).map(|_| (self.node(draw), u128::from(draw.below(30_000)))).collect();
        let nodeIds: Vec<_> = gifts.iter().map(|(node, _)| U256::from(*node)).collect();
        let mut amounts: Vec<_> = gifts.iter().map(|(_, amount)| U256::from(*amount)).collect();
        if draw.percent(5) {
            amounts.push(U256::ONE);
        }
        let (at, lengths) = (self.model.at.staking, (nodeIds.len(), amounts.len()));
        let call = Staking::addCommissionsCall { nodeIds, amounts };
        self.act(by, at, call, |model| model.give_commissions(by, &gifts, lengths));
    }
}
