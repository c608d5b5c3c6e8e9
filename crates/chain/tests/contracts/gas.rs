//! What the calls cost. The numbers are those of docs/gas.md; the limits here catch a change for the worse.
//!
//! `cargo test -p floe-chain --test contracts gas -- --nocapture`, and `FLOE_ANVIL` for the column of the draft.

use alloy::primitives::aliases::U96;
use alloy::rpc::types::TransactionReceipt;

use super::network::{Deployment, HOUR, Network, TRANSACTION_GAS_MAX, mined, tokens, votes};
use super::repricing;
use crate::support::chains;

/// What one transaction of a change may cost.
const STEP_GAS_MAX: u64 = 12_000_000;

/// A committee of 150 that holds 1000 shards, in which every node's stake changes, so that everything is written anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_largest_committee_fits_into_blocks() {
    const NODES: usize = 150;
    for chain in chains().await {
        let net = Deployment::new(&chain, 1000).await;
        let nodes = net.register_nodes(NODES).await;
        for (i, node) in nodes.iter().enumerate() {
            net.stake(node.id, 1_000 + u64::try_from(i).unwrap()).await;
        }
        let show = async |what: &str, receipt: &TransactionReceipt, limit: u64| {
            let gas = receipt.gas_used;
            repricing::show(&chain, what, gas, receipt.transaction_hash).await;
            assert!(gas <= limit, "{what}: {gas} gas, more than {limit}");
        };
        let launch = mined(net.epochs.launch().gas(TRANSACTION_GAS_MAX).send().await).await;
        show("launch, 150 nodes, 1000 shards", &launch, STEP_GAS_MAX).await;
        let net = Network { contracts: net, nodes };
        show("select, nothing changed", &net.select_next().await, STEP_GAS_MAX).await;
        show("begin, nothing changed", &net.begin_next().await, STEP_GAS_MAX).await;
        net.pass(HOUR).await;
        mined(net.epochs.endSync().send().await).await;
        for (i, node) in net.nodes.iter().enumerate() {
            let more = if i % 2 == 0 { 500 } else { 1 };
            net.stake(node.id, more).await;
            let mut terms = votes();
            terms.storagePrice = U96::from((i * 7919) % 1000);
            terms.writePrice = U96::from(1000 - i);
            terms.capacity = u64::try_from((i * 104_729) % 10_007).unwrap() << 30;
            mined(net.nodes_as(&node.signer).vote(node.id, terms).send().await).await;
        }
        let select = net.select_next().await;
        show("select, all changed", &select, STEP_GAS_MAX).await;
        let begin = net.begin_next().await;
        show("begin, all changed", &begin, STEP_GAS_MAX).await;
        let report = mined(net.epochs_as(&net.nodes[0].signer).epochSyncDone(3).send().await).await;
        show("report of a member", &report, 120_000).await;
        let whole = select.gas_used + begin.gas_used + 100 * report.gas_used;
        println!("{:9} a whole change with a quorum of reports: {whole}", chain.name);
        assert!(whole <= 30_000_000, "a whole change: {whole} gas");

        // The first stake of an account with a node costs most.
        let receipt = mined(net.staking.stake(net.nodes[7].id, tokens(5)).send().await).await;
        show("stake", &receipt, 150_000).await;
    }
}
