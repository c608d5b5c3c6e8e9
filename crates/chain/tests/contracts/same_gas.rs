//! Gas is the same on every chain, by the rules of Prague and by those of Osaka: what is measured here holds there.

use alloy::primitives::U256;
use floe_devchain::Hardfork;

use super::network::{Network, mined, new_blob, tokens};
use super::signing;
use crate::support::{CHAIN_ID, TestChain, chains_of};

/// What a few operations of each contract cost.
async fn costs(chain: &TestChain) -> Vec<(&'static str, u64)> {
    let net = Network::launch(chain, &[1; 10]).await;
    let all: Vec<_> = (0..10).collect();
    let mut costs = Vec::new();
    let mut paid = |what, receipt: alloy::rpc::types::TransactionReceipt| costs.push((what, receipt.gas_used));

    let (first, object) = net.register(1, 1000, 5).await;
    paid("certify, none absent", net.certify(first, object, &all).await);
    let (second, other) = net.register_deletable(2, 100_000, 3).await;
    paid("certify, deletable", net.certify(second, other, &all).await);
    let extend = net.blobs.extend(object, 4, U256::MAX).gas(500_000);
    paid("extend", mined(extend.send().await).await);
    paid("delete", mined(net.blobs.deleteBlob(other).gas(500_000).send().await).await);
    let reserve = net.storage.reserveForEpochs(1 << 24, 2, 9, U256::MAX).gas(500_000);
    paid("reserve ahead", mined(reserve.send().await).await);
    let fund = net.blobs.fund(object, 100_000).gas(500_000);
    paid("fund", mined(fund.send().await).await);

    let batch = (3..6).map(|seed| new_blob(seed, 5_000, false)).collect();
    let register = net.blobs.registerBatch(batch, 2, U256::MAX, net.owner_address).gas(2_000_000);
    paid("register three", mined(register.send().await).await);
    let objects: Vec<_> = (3_u64..6).map(U256::from).collect();
    let list: Vec<_> = (3..6).map(|seed| (new_blob(seed, 5_000, false).blobId, None)).collect();
    let message = signing::batch_confirmation(1, CHAIN_ID, *net.blobs.address(), &list);
    let (signers, signature) = net.certificate(&all, &message);
    let certify = net.blobs.certifyBatch(objects, signers, signature).gas(2_000_000);
    paid("certify three", mined(certify.send().await).await);

    let stake = net.staking.stake(net.nodes[3].id, tokens(5_000)).gas(600_000);
    paid("stake", mined(stake.send().await).await);
    paid("select", net.select_next().await);
    paid("begin", net.begin_next().await);
    let report = net.epochs_as(&net.nodes[0].signer).epochSyncDone(2).gas(300_000).send().await;
    paid("report", mined(report).await);
    let claim = net.staking.claim(U256::from(4)).gas(600_000);
    paid("claim", mined(claim.send().await).await);
    costs
}

#[tokio::test(flavor = "multi_thread")]
async fn every_chain_charges_the_same_gas_by_both_sets_of_rules() {
    let mut known: Option<Vec<(&str, u64)>> = None;
    for hardfork in [Hardfork::Prague, Hardfork::Osaka] {
        for chain in chains_of(hardfork).await {
            let costs = costs(&chain).await;
            let expected = known.get_or_insert_with(|| costs.clone());
            assert_eq!(costs, *expected, "{} at {hardfork}", chain.name);
        }
    }
    for (what, gas) in known.expect("one chain at least") {
        println!("{what:22} {gas:8}");
    }
}
