//! The pot of subsidies: filled by anyone, paid out late in each epoch by whoever is first.

use floe_chain::{Action, ChainError, ControlPlane as _, EpochPhase, EvmChain};
use floe_protocol::Epoch;

use super::network::{Network, OPTIONS, new_blob, wallet};
use crate::support::{
    chains,
    keepers::{Keepers, chain_time},
};

const RATES: Action = Action::SubsidyRates { usage_basis_points: 5_000, per_node: 100, per_shard: 10 };
/// The four nodes of the network and their ten shards.
const FIXED_PART: u128 = 4 * 100 + 10 * 10;

/// The governance sets the rates, which takes three epochs.
async fn set_rates(network: &Network, control: &EvmChain) {
    for index in 0..3 {
        let voter = network.connect_as(Some(wallet(index + 1))).await;
        voter.vote(network.nodes[index], &RATES).await.unwrap();
    }
    for _ in 0..3 {
        network.next_epoch(control).await;
        network.report_all(control.network().await.unwrap().epoch).await;
    }
    control.execute(&RATES).await.unwrap();
}

#[tokio::test]
async fn the_pot_is_paid_out_once_an_epoch_when_there_is_something_to_pay() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let due = async || control.process_subsidies_if_due().await.unwrap();
        let empty = control.subsidies().await.unwrap();
        assert_eq!((empty.balance, empty.per_node, empty.processed_epoch), (0, 0, None), "{}", network.chain.name);
        let money = control.balances().await.unwrap().payment;
        control.fund_subsidies(300).await.unwrap();
        control.fund_subsidies(100).await.unwrap();
        assert_eq!(control.balances().await.unwrap().payment, money - 400);
        network.select_next(&control).await;
        assert_eq!(due().await, None, "no rates are set");
        network.chain.increase_time(OPTIONS.epoch_duration_secs / 2).await;
        control.advance_epoch_if_due().await.unwrap();
        network.report_all(Epoch(2)).await;

        set_rates(&network, &control).await;
        let rates = control.subsidies().await.unwrap();
        assert_eq!((rates.usage_basis_points, rates.per_node, rates.per_shard), (5_000, 100, 10));
        let paid = control.register_blobs(&[new_blob()]).await.unwrap()[0].cost;
        assert_eq!(due().await, None, "it is early in the epoch");
        network.select_next(&control).await;
        assert_eq!(due().await, None, "the pot is not enough");
        control.fund_subsidies(1_000_000).await.unwrap();
        let before = control.subsidies().await.unwrap();
        let other = network.connect_as(Some(wallet(5))).await;
        let done = other.process_subsidies_if_due().await.unwrap().unwrap();
        assert_eq!((done.epoch, done.usage_part, done.fixed_part), (Epoch(5), paid / 2, FIXED_PART));
        let after = control.subsidies().await.unwrap();
        assert_eq!(after.balance, before.balance - paid / 2 - FIXED_PART);
        assert_eq!(after.processed_epoch, Some(done.epoch));
        assert_eq!(due().await, None, "it was paid in this epoch");
        let reader = network.connect_as(None).await;
        assert_eq!(reader.process_subsidies_if_due().await, Err(ChainError::NoWallet));
    }
}

#[tokio::test]
async fn keepers_pay_subsidies_before_an_epoch_ends_and_an_empty_pot_does_not_stop_the_clock() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        set_rates(&network, &control).await;
        control.fund_subsidies(FIXED_PART).await.unwrap();
        let mut keepers = Vec::new();
        for index in 5..9 {
            keepers.push(network.connect_as(Some(wallet(index))).await);
        }
        let (url, keepers) = (&network.chain.rpc_url, Keepers::start(keepers));
        network.select_next(&control).await;
        let end = control.network().await.unwrap().next_step_at;
        let window = OPTIONS.epoch_duration_secs / 16;

        keepers.pass(url, end - window - 10 - chain_time(url).await).await;
        assert_eq!(control.subsidies().await.unwrap().processed_epoch, None, "{}", network.chain.name);
        for _ in 0..20 {
            keepers.pass(url, 1).await;
        }
        let pot = control.subsidies().await.unwrap();
        assert_eq!((pot.processed_epoch, pot.balance), (Some(Epoch(4)), 0));
        assert_eq!(control.network().await.unwrap().phase, EpochPhase::Selected);

        // The next payout fails for want of money, and the epoch ends all the same.
        for epoch in [5, 6] {
            keepers.pass(url, OPTIONS.epoch_duration_secs).await;
            for _ in 0..20 {
                keepers.pass(url, 1).await;
            }
            assert_eq!(control.network().await.unwrap().epoch, Epoch(epoch));
            network.report_all(Epoch(epoch)).await;
            keepers.pass(url, OPTIONS.epoch_duration_secs / 2 + 20).await;
            keepers.pass(url, 20).await;
            assert_eq!(control.network().await.unwrap().phase, EpochPhase::Selected, "epoch {epoch}");
        }
        assert_eq!(control.subsidies().await.unwrap().processed_epoch, Some(Epoch(4)));
    }
}
