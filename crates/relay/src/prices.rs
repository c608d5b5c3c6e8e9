//! What the relay asks for.

use floe_chain::IntentKind;

use crate::{RelayFees, config::RelayConfig};

/// Smallest units of a whole native coin.
const COIN: u128 = 10u128.pow(18);

/// Gas that the certificate of a registration costs, a third of the largest committee absent.
pub(crate) const CERTIFICATE_GAS: u64 = 330_000;

/// Gas of each kind, the first one of an owner included (docs/gas.md); not the first of a network.
const fn usual_gas(kind: IntentKind) -> u64 {
    match kind {
        IntentKind::Reserve => 260_000,
        IntentKind::Register => 270_000,
        IntentKind::Extend => 230_000,
        IntentKind::Fund => 200_000,
    }
}

/// The fee for an intent that needs so much gas, in the payment token's smallest unit; the certificate of a registration
/// is paid by it as well.
pub(crate) fn fee(config: &RelayConfig, kind: IntentKind, gas: u64, gas_price: u128) -> u128 {
    let gas = match kind {
        IntentKind::Register => gas.saturating_add(CERTIFICATE_GAS),
        _ => gas,
    };
    let cost = u128::from(gas).saturating_mul(gas_price);
    let with_margin = cost.saturating_add(cost / 100 * u128::from(config.margin_percent));
    with_margin.saturating_mul(config.coin_price).div_ceil(COIN).max(config.fee_min)
}

/// What each kind usually costs.
pub(crate) fn usual_fees(config: &RelayConfig, gas_price: u128) -> RelayFees {
    let of = |kind| fee(config, kind, usual_gas(kind), gas_price);
    RelayFees {
        reserve: of(IntentKind::Reserve),
        register: of(IntentKind::Register),
        extend: of(IntentKind::Extend),
        fund: of(IntentKind::Fund),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_follow_the_price_of_gas_down_to_the_least() {
        // A coin is worth 3,000 dollars of six decimals; gas costs 2 gwei.
        let config =
            RelayConfig { fee_min: 500, coin_price: 3_000_000_000, margin_percent: 20, ..RelayConfig::default() };
        let gwei = 10u128.pow(9);
        // 200,000 gas are 0.0004 coins, 1.2 dollars; a fifth more.
        assert_eq!(fee(&config, IntentKind::Fund, 200_000, 2 * gwei), 1_440_000);
        // The certificate is included.
        let (with, without) = (IntentKind::Register, IntentKind::Reserve);
        assert_eq!(fee(&config, with, 200_000, gwei), fee(&config, without, 200_000 + CERTIFICATE_GAS, gwei));
        assert_eq!(fee(&config, IntentKind::Fund, 1, 1), 500);
        let free = RelayConfig { coin_price: 0, ..config };
        assert_eq!(fee(&free, IntentKind::Register, u64::MAX, u128::MAX), 500);
        assert_eq!(usual_fees(&free, gwei).of(IntentKind::Extend), 500);
    }
}
