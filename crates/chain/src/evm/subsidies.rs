//! Subsidies: a pot that anyone fills, paid out once an epoch by whoever sends the transaction.

use alloy::primitives::U256;
use floe_protocol::Epoch;

use super::{EvmChain, Inner, convert};
use crate::{ChainError, EpochPhase, SubsidiesPaid, SubsidyPot, TxHash, bindings::Subsidies, send::Call};

impl EvmChain {
    /// What there is to pay out, and by which rates.
    ///
    /// # Errors
    /// As any question to the chain.
    pub async fn subsidies(&self) -> Result<SubsidyPot, ChainError> {
        let (rpc, pot) = (&self.inner.rpc, self.inner.config.contracts.subsidies);
        let (balance, rates, processed) = tokio::try_join!(
            rpc.call("pot", pot, &Subsidies::potCall {}),
            rpc.call("rates", pot, &Subsidies::ratesCall {}),
            rpc.call("processedEpoch", pot, &Subsidies::processedEpochCall {}),
        )?;
        Ok(SubsidyPot {
            balance: convert::amount("pot", balance)?,
            usage_basis_points: rates.usageBps,
            per_node: rates.perNode.to(),
            per_shard: rates.perShard.to(),
            processed_epoch: (processed != 0).then_some(Epoch(processed)),
        })
    }

    /// Adds money of the wallet's to the pot, in the payment token's smallest unit. Nothing comes back. Sees to the
    /// allowance.
    ///
    /// # Errors
    /// [`ChainError::InsufficientFunds`].
    pub async fn fund_subsidies(&self, amount: u128) -> Result<TxHash, ChainError> {
        let (inner, pot, amount) = (&self.inner, self.inner.config.contracts.subsidies, U256::from(amount));
        inner.allow(pot, amount, amount).await?;
        inner.send(&Call::contract(pot, &Subsidies::fundCall { amount })).await.map(|mined| mined.tx)
    }
}

impl Inner {
    pub(super) async fn process_subsidies_if_due(&self) -> Result<Option<SubsidiesPaid>, ChainError> {
        self.sender()?;
        let (clock, pot) = (self.clock().await?, self.config.contracts.subsidies);
        if clock.phase != EpochPhase::Selected {
            return Ok(None);
        }
        let rates = self.rpc.call("rates", pot, &Subsidies::ratesCall {}).await?;
        let are_set = rates.usageBps != 0 || !rates.perNode.is_zero() || !rates.perShard.is_zero();
        let processed = self.rpc.call("processedEpoch", pot, &Subsidies::processedEpochCall {}).await?;
        if !are_set || Epoch(processed) == clock.epoch {
            return Ok(None);
        }
        let call = Subsidies::processCall {};
        let sent = match self.rpc.call("process", pot, &call).await {
            Ok(paid) if paid.usagePart.is_zero() && paid.fixedPart.is_zero() => return Ok(None),
            Ok(_) => self.send(&Call::contract(pot, &call)).await,
            Err(error) => Err(error),
        };
        let mined = match sent {
            Ok(mined) => mined,
            Err(ChainError::Reverted { name, .. }) if name == "AlreadyProcessed" || name == "PotTooSmall" => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let event: Subsidies::Processed = convert::expect_event(&mined, pot, "process")?;
        Ok(Some(SubsidiesPaid {
            epoch: Epoch(event.epoch),
            usage_part: convert::amount("usage part", event.usagePart)?,
            fixed_part: convert::amount("fixed part", event.fixedPart)?,
            tx: mined.tx,
        }))
    }
}
