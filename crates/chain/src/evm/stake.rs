//! Stake: positions of delegators, and what they earn.

use std::collections::BTreeSet;

use alloy::{
    primitives::{B256, Signature, U256, aliases::U96, keccak256},
    sol_types::{SolEvent as _, SolValue as _},
};
use floe_protocol::{Epoch, NodeId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::{EvmChain, Inner, convert, read::Search};
use crate::{
    Address, ChainError, Paid, StakePosition, Staked, Unstaked, Withdrawn,
    bindings::{FloeToken, Staking},
    send::{Call, Mined},
};

/// Positions that are asked for at once.
const POSITIONS_AT_ONCE: usize = 16;
/// Positions whose parts are looked for at once.
const TOPICS_AT_ONCE: usize = 64;
/// What an ERC-2612 permit signs.
const PERMIT: &str = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";
/// Symbol of the token that is staked.
const FLOE: &str = "FLOE";

impl EvmChain {
    /// Stakes FLOE of the wallet with a node, in one transaction that carries its own permit. It counts from the next
    /// epoch on whose committee is not selected yet.
    ///
    /// # Errors
    /// [`ChainError::InsufficientFunds`], or [`ChainError::Reverted`]: `StakeTooSmall` for less than one FLOE,
    /// `UnknownPool` for an unknown node.
    pub async fn stake(&self, node: NodeId, amount: u128) -> Result<Staked, ChainError> {
        let inner = &self.inner;
        let staking = inner.config.contracts.staking;
        let (signature, deadline) = inner.permit_stake(amount).await?;
        let call = Staking::stakeWithPermitCall {
            nodeId: convert::node_number(node),
            amount: floe("amount", amount)?,
            deadline,
            v: 27 + u8::from(signature.v()),
            r: signature.r().into(),
            s: signature.s().into(),
        };
        let mined = inner.send_floe(&Call::contract(staking, &call)).await?;
        let event: Staking::Staked = convert::expect_event(&mined, staking, "stake")?;
        Ok(Staked {
            position: convert::number("position", event.positionId)?,
            node_id: node,
            amount,
            activation_epoch: Epoch(event.activationEpoch),
            tx: mined.tx,
        })
    }

    /// Takes stake of the wallet back: at once where it served in no committee, otherwise at the end of the last epoch
    /// whose committee counts on it. `amount` is a part of the principal; `None` takes all of it.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownPosition`, `Unauthorized`, `AlreadyLeaving`, or `RemainderTooSmall`.
    pub async fn unstake(&self, position: u64, amount: Option<u128>) -> Result<Unstaked, ChainError> {
        let inner = &self.inner;
        inner.sender()?;
        let staking = inner.config.contracts.staking;
        let number = U256::from(position);
        let held = inner.rpc.call("positionOf", staking, &Staking::positionOfCall { positionId: number }).await?;
        let amount = amount.map_or(Ok(held.principal), |amount| floe("amount", amount))?;
        let call = Staking::unstakeCall { positionId: number, amount };
        let mined = inner.send(&Call::contract(staking, &call)).await?;
        let node_id = NodeId::from_number(held.nodeId.into());
        if let Some(leaving) = convert::event::<Staking::WithdrawalRequested>(&mined, staking) {
            return Ok(Unstaked {
                position: convert::number("position", leaving.positionId)?,
                node_id,
                withdraw_epoch: Some(Epoch(leaving.withdrawEpoch)),
                paid: 0,
                earned: 0,
                tx: mined.tx,
            });
        }
        let paid = paid_back(&mined, staking, "unstake")?;
        let Withdrawn { position, amount, earned, tx } = paid;
        Ok(Unstaked { position, node_id, withdraw_epoch: None, paid: amount, earned, tx })
    }

    /// Pays back a position of the wallet whose withdrawal is due, with what it earned.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownPosition`, `Unauthorized`, `NotLeaving`, or `WithdrawalNotDue` with both
    /// epochs.
    pub async fn withdraw(&self, position: u64) -> Result<Withdrawn, ChainError> {
        let staking = self.inner.config.contracts.staking;
        let call = Staking::withdrawCall { positionId: U256::from(position) };
        let mined = self.inner.send(&Call::contract(staking, &call)).await?;
        paid_back(&mined, staking, "withdraw")
    }

    /// Pays what a position of the wallet has earned so far; nothing, if that is nothing.
    ///
    /// # Errors
    /// [`ChainError::Reverted`]: `UnknownPosition` or `Unauthorized`.
    pub async fn claim(&self, position: u64) -> Result<Paid, ChainError> {
        let staking = self.inner.config.contracts.staking;
        let call = Staking::claimCall { positionId: U256::from(position) };
        let mined = self.inner.send(&Call::contract(staking, &call)).await?;
        Ok(Paid { amount: rewards_in(&mined, staking)?, tx: mined.tx })
    }

    /// A position, with what it is worth now; `None` if there is none of this number, or none any more.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn position(&self, position: u64) -> Result<Option<StakePosition>, ChainError> {
        self.inner.position(U256::from(position)).await
    }

    /// All positions that an account has, the oldest first.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn positions(&self, owner: Address) -> Result<Vec<StakePosition>, ChainError> {
        let ids = self.inner.positions_ever_of(owner).await?;
        let found = stream::iter(ids.into_iter().map(|id| self.inner.position(id.into())));
        let found: Vec<Option<StakePosition>> = found.buffered(POSITIONS_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl Inner {
    async fn position(&self, number: U256) -> Result<Option<StakePosition>, ChainError> {
        let staking = self.config.contracts.staking;
        let (position, worth) =
            (Staking::positionOfCall { positionId: number }, Staking::valueOfCall { positionId: number });
        let asked = tokio::try_join!(
            self.rpc.call("positionOf", staking, &position),
            self.rpc.call("valueOf", staking, &worth),
        );
        let (position, worth) = match asked {
            Ok(found) => found,
            Err(ChainError::Reverted { name, .. }) if name == "UnknownPosition" => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(StakePosition {
            position: convert::number("position", number)?,
            owner: Address::from_evm(position.owner),
            node_id: NodeId::from_number(position.nodeId.into()),
            principal: position.principal.to(),
            value: convert::amount("value", worth.amount)?,
            earned: convert::amount("earned", worth.earned)?,
            activation_epoch: Epoch(position.activationEpoch),
            withdraw_epoch: (position.withdrawEpoch != 0).then_some(Epoch(position.withdrawEpoch)),
        }))
    }

    /// Numbers of the positions that an account opened, of those that were split off them, and of those split off these.
    async fn positions_ever_of(&self, owner: Address) -> Result<BTreeSet<B256>, ChainError> {
        let staking = self.config.contracts.staking;
        let opened = json!([Staking::Staked::SIGNATURE_HASH, null, null, owner.evm().into_word()]);
        let logs = self.search(staking, &opened, Search::All).await?;
        let mut ids: BTreeSet<B256> = logs.iter().filter_map(|log| log.topics().get(1).copied()).collect();
        let mut unseen: Vec<B256> = ids.iter().copied().collect();
        while !unseen.is_empty() {
            let some: Vec<B256> = unseen.drain(..unseen.len().min(TOPICS_AT_ONCE)).collect();
            let split = json!([Staking::PositionSplit::SIGNATURE_HASH, some]);
            let logs = self.search(staking, &split, Search::All).await?;
            unseen.extend(logs.iter().filter_map(|log| log.topics().get(2).copied()).filter(|id| ids.insert(*id)));
        }
        Ok(ids)
    }

    /// The wallet's permit that lets the staking contract take FLOE. It has no deadline: the transaction that carries it
    /// uses it up, and the contract takes what its owner stakes and nothing else.
    async fn permit_stake(&self, amount: u128) -> Result<(Signature, U256), ChainError> {
        let sender = self.sender()?;
        let token = self.config.contracts.floe_token;
        let (owner, spender) = (sender.address().evm(), self.config.contracts.staking.evm());
        let nonces = FloeToken::noncesCall { owner };
        let (domain, nonce) = tokio::try_join!(
            self.rpc.call("DOMAIN_SEPARATOR", token, &FloeToken::DOMAIN_SEPARATORCall {}),
            self.rpc.call("nonces", token, &nonces),
        )?;
        let deadline = U256::MAX;
        let fields = (keccak256(PERMIT), owner, spender, U256::from(amount), nonce, deadline);
        let message = [&[0x19, 0x01], domain.as_slice(), keccak256(fields.abi_encode()).as_slice()].concat();
        Ok((sender.sign_hash(&keccak256(message))?, deadline))
    }

    /// A transaction that takes FLOE: too little of that is not too little of the payment token.
    async fn send_floe(&self, call: &Call) -> Result<Mined, ChainError> {
        match self.sender()?.send(call).await {
            Err(ChainError::InsufficientFunds { asset, account, needed, available }) if asset == crate::send::TOKEN => {
                Err(ChainError::InsufficientFunds { asset: FLOE.to_owned(), account, needed, available })
            }
            outcome => outcome,
        }
    }
}

fn paid_back(mined: &Mined, staking: Address, method: &'static str) -> Result<Withdrawn, ChainError> {
    let event: Staking::Withdrawn = convert::expect_event(mined, staking, method)?;
    Ok(Withdrawn {
        position: convert::number("position", event.positionId)?,
        amount: convert::amount("amount", event.amount)?,
        earned: rewards_in(mined, staking)?,
        tx: mined.tx,
    })
}

/// Nothing is said of rewards where there were none.
fn rewards_in(mined: &Mined, staking: Address) -> Result<u128, ChainError> {
    let event = convert::event::<Staking::RewardsClaimed>(mined, staking);
    event.map_or(Ok(0), |event| convert::amount("rewards", event.amount))
}

/// An amount of FLOE as the contract keeps it.
fn floe(what: &str, amount: u128) -> Result<U96, ChainError> {
    U96::try_from(amount).map_err(|_| ChainError::InvalidArgument { detail: format!("{what}: {amount} is too much") })
}
