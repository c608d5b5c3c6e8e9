//! What to offer for gas (EIP-1559).

use std::time::Duration;

use alloy::primitives::U256;
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    ChainError, revert,
    rpc::{Failure, Header, Rpc},
};

/// How long an offer is good for. The base fee moves by an eighth per block at most, and the offer is twice it.
const FRESH: Duration = Duration::from_secs(2);
/// Offered to the block's maker where the endpoint gives no advice, in wei.
const TIP_DEFAULT: u128 = 1_000_000_000;

/// An offer, in wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fees {
    /// At most this in all.
    pub(super) max_fee: u128,
    /// Of which to the block's maker.
    pub(super) tip: u128,
}

impl Fees {
    /// Twice the base fee leaves room for six full blocks.
    const fn over(base: u128, tip: u128) -> Self {
        Self { max_fee: base.saturating_mul(2).saturating_add(tip), tip }
    }

    /// At least an eighth above, as nodes ask of a transaction that replaces another, and a little.
    pub(super) const fn bumped(self) -> Self {
        Self { max_fee: bump(self.max_fee), tip: bump(self.tip) }
    }

    pub(super) fn max(self, other: Self) -> Self {
        Self { max_fee: self.max_fee.max(other.max_fee), tip: self.tip.max(other.tip) }
    }

    pub(super) const fn max_cost(self, gas: u64) -> u128 {
        self.max_fee.saturating_mul(gas as u128)
    }
}

const fn bump(fee: u128) -> u128 {
    fee.saturating_add(fee / 5).saturating_add(1)
}

/// The latest offer, shared by transactions that are sent at the same time.
#[derive(Default)]
pub(super) struct FeeCache {
    latest: Mutex<Option<(Instant, Fees)>>,
}

impl FeeCache {
    pub(super) async fn current(&self, rpc: &Rpc) -> Result<Fees, ChainError> {
        let mut latest = self.latest.lock().await;
        if let Some((at, fees)) = *latest
            && at.elapsed() < FRESH
        {
            return Ok(fees);
        }
        let fees = ask(rpc).await?;
        *latest = Some((Instant::now(), fees));
        Ok(fees)
    }

    /// A new offer above one that was refused.
    pub(super) async fn raised(&self, rpc: &Rpc, refused: Fees) -> Result<Fees, ChainError> {
        let fees = ask(rpc).await?.max(refused.bumped());
        *self.latest.lock().await = Some((Instant::now(), fees));
        Ok(fees)
    }
}

async fn ask(rpc: &Rpc) -> Result<Fees, ChainError> {
    let method = "eth_getBlockByNumber";
    let latest = rpc.get::<Header>(method, json!(["latest", false]));
    let advice = rpc.patiently::<U256>("eth_maxPriorityFeePerGas", json!([]));
    let (latest, advice) = tokio::join!(latest, advice);
    let tip = match advice {
        Ok(tip) => revert::clamp(tip),
        Err(Failure::Refused(_)) => TIP_DEFAULT,
        Err(failure) => return Err(rpc.error("eth_maxPriorityFeePerGas", failure)),
    };
    let base = latest?.base_fee_per_gas.ok_or_else(|| ChainError::BadAnswer {
        method,
        detail: "no base fee: the chain must know EIP-1559 transactions".to_owned(),
    })?;
    Ok(Fees::over(revert::clamp(base), tip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_offer_replaces_the_old_one() {
        let old = Fees::over(100, 8);
        assert_eq!(old, Fees { max_fee: 208, tip: 8 });
        let new = old.bumped();
        assert!(new.max_fee * 8 >= old.max_fee * 9 && new.tip * 8 >= old.tip * 9);
        assert_eq!(Fees { max_fee: 0, tip: 0 }.bumped(), Fees { max_fee: 1, tip: 1 });
        assert_eq!(Fees::over(u128::MAX, 1).max_cost(2), u128::MAX);
    }
}
