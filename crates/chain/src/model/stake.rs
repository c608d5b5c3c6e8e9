//! Stake: what delegators have with nodes.

use floe_protocol::{Epoch, NodeId};

use crate::{Address, TxHash};

/// Stake of one owner with one node. Amounts are in the smallest units of FLOE and of the payment token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StakePosition {
    /// Its number.
    pub position: u64,
    /// Whose it is.
    pub owner: Address,
    /// With which node.
    pub node_id: NodeId,
    /// FLOE put in.
    pub principal: u128,
    /// FLOE that it is worth now; less than the principal once the node was slashed.
    pub value: u128,
    /// Rewards not yet paid, in the payment token.
    pub earned: u128,
    /// First epoch in which it counts.
    pub activation_epoch: Epoch,
    /// First epoch in which it no longer does, and in which it can be withdrawn; `None` while it stays.
    pub withdraw_epoch: Option<Epoch>,
}

/// Where a position is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StakeState {
    /// It counts from a later epoch on.
    Pending,
    /// It counts.
    Active,
    /// It leaves, and cannot be withdrawn yet.
    Leaving,
    /// It can be withdrawn.
    Withdrawable,
}

impl StakePosition {
    /// Where it is in an epoch.
    #[must_use]
    pub fn state(&self, now: Epoch) -> StakeState {
        match self.withdraw_epoch {
            Some(due) if due <= now => StakeState::Withdrawable,
            Some(_) => StakeState::Leaving,
            None if self.activation_epoch > now => StakeState::Pending,
            None => StakeState::Active,
        }
    }
}

/// Stake that was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staked {
    /// The new position.
    pub position: u64,
    /// With which node.
    pub node_id: NodeId,
    /// FLOE, in its smallest unit.
    pub amount: u128,
    /// First epoch in which it counts.
    pub activation_epoch: Epoch,
    /// The transaction.
    pub tx: TxHash,
}

/// Stake that leaves, or has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unstaked {
    /// The position that leaves; a new one where only a part was taken out.
    pub position: u64,
    /// With which node.
    pub node_id: NodeId,
    /// First epoch in which it can be withdrawn; `None` where it served in no committee and was paid back at once.
    pub withdraw_epoch: Option<Epoch>,
    /// FLOE that was paid back at once.
    pub paid: u128,
    /// Rewards that were paid at once, in the payment token.
    pub earned: u128,
    /// The transaction.
    pub tx: TxHash,
}

/// A position that was paid back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawn {
    /// The position, which is no more.
    pub position: u64,
    /// FLOE paid.
    pub amount: u128,
    /// Rewards paid with it, in the payment token.
    pub earned: u128,
    /// The transaction.
    pub tx: TxHash,
}

/// Money that was paid out: rewards or commission, in the payment token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// How much.
    pub amount: u128,
    /// The transaction.
    pub tx: TxHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_pending_active_leaving_withdrawable() {
        let mut position = StakePosition {
            position: 1,
            owner: Address::default(),
            node_id: NodeId::from_number(1),
            principal: 1,
            value: 1,
            earned: 0,
            activation_epoch: Epoch(3),
            withdraw_epoch: None,
        };
        assert_eq!(position.state(Epoch(2)), StakeState::Pending);
        assert_eq!(position.state(Epoch(3)), StakeState::Active);
        position.withdraw_epoch = Some(Epoch(5));
        assert_eq!(position.state(Epoch(4)), StakeState::Leaving);
        assert_eq!(position.state(Epoch(5)), StakeState::Withdrawable);
    }
}
