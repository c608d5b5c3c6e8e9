//! What the calls cost. The numbers are those of docs/gas.md; the limits here catch a change for the worse.
//!
//! `cargo test -p floe-chain --test contracts gas -- --nocapture`

use alloy::primitives::{B256, U256};
use serde_json::json;

use super::network::{Network, mined, new_blob};
use super::signing::{batch_confirmation, invalid};
use crate::support::{CHAIN_ID, TestChain, chains};

/// Blobs of the measured batch.
const BATCH: u8 = 32;

/// Gas by kind of instruction, from anvil's trace of a transaction.
async fn where_it_goes(chain: &TestChain, what: &str, tx: B256) {
    if !chain.is_anvil() {
        return;
    }
    let options = json!({ "disableMemory": true, "disableStack": true, "disableStorage": true });
    let trace = chain.rpc("debug_traceTransaction", json!([tx, options])).await;
    let (mut written, mut read, mut logged, mut new) = (0, 0, 0, 0);
    let mut steps = 0;
    for step in trace["structLogs"].as_array().expect("a trace") {
        let cost = step["gasCost"].as_u64().expect("a cost");
        steps += 1;
        match step["op"].as_str().expect("an instruction") {
            "SSTORE" => {
                written += cost;
                new += u64::from(cost >= 20_000);
            }
            "SLOAD" => read += cost,
            op if op.starts_with("LOG") => logged += cost,
            _ => {}
        }
    }
    println!("    {what}: {new} new words; written {written}, read {read}, logged {logged}, {steps} instructions");
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_cost_what_the_documentation_says() {
    for chain in chains().await {
        for members in [10, 100] {
            let net = Network::launch(&chain, &vec![10; members]).await;
            let show = |what: &str, gas: u64, limit: u64| {
                println!("{:9} {members:3} members  {what:36} {gas:7}", chain.name);
                assert!(gas <= limit, "{what}: {gas} gas, more than {limit}");
            };
            let all: Vec<_> = (0..members).collect();
            let third = (members - 1) / 3;
            let owner = net.owner_address;
            // The first registration also pays for counters and first balances.
            let (first, object) = net.register(0, 1000, 5).await;
            let receipt = mined(net.blobs.register(new_blob(1, 1000, false), 5, U256::MAX, owner).send().await).await;
            show("register", receipt.gas_used, 180_000);
            where_it_goes(&chain, "register", receipt.transaction_hash).await;
            for (seed, what, absent, limit) in
                [(2, "certify, none absent", 0, 260_000), (3, "certify, a third absent", third, 300_000)]
            {
                let (id, object) = net.register(seed, 1000, 5).await;
                let receipt = net.certify(id, object, &all[absent..]).await;
                show(what, receipt.gas_used, limit);
            }
            let (id, object_again) = net.register(2, 1000, 5).await;
            let receipt = net.certify(id, object_again, &all).await;
            show("certify again, none absent", receipt.gas_used, 250_000);

            net.certify(first, object, &all).await;
            mined(net.blobs.extend(object, 2, U256::MAX).send().await).await;
            let receipt = mined(net.blobs.extend(object_again, 2, U256::MAX).send().await).await;
            where_it_goes(&chain, "extend", receipt.transaction_hash).await;
            show("extend", receipt.gas_used, 190_000);

            let (_, deletable) = net.register_deletable(4, 1000, 5).await;
            let receipt = mined(net.blobs.deleteBlob(deletable).send().await).await;
            show("delete", receipt.gas_used, 140_000);

            let batch: Vec<_> = (0..BATCH).map(|seed| new_blob(100 + seed, 1000, false)).collect();
            let ids: Vec<_> = batch.iter().map(|blob| blob.blobId).collect();
            let before = net.blobs.objectCount().call().await.unwrap();
            let registered = mined(net.blobs.registerBatch(batch, 5, U256::MAX, owner).send().await).await.gas_used;
            let objects: Vec<_> = (1..=BATCH).map(|i| before + U256::from(i)).collect();
            let list: Vec<_> = ids.iter().map(|id| (*id, None)).collect();
            let message = batch_confirmation(1, CHAIN_ID, *net.blobs.address(), &list);
            let (signers, signature) = net.certificate(&all, &message);
            let certified = mined(net.blobs.certifyBatch(objects, signers, signature).send().await).await.gas_used;
            show("register one of a batch of 32", registered / u64::from(BATCH), 80_000);
            show("certify one of a batch of 32", certified / u64::from(BATCH), 50_000);
            show("one of a batch of 32, both", (registered + certified) / u64::from(BATCH), 110_000);

            let (_, id) = (object, first);
            let asked = net.availability.isAvailable(id).estimate_gas().await.unwrap();
            show("isAvailable, with the transaction", asked, 31_500);

            let (signers, signature) = net.certificate(&all[..third + 1], &invalid(1, id));
            let receipt = mined(net.blobs.invalidate(id, signers, signature).send().await).await;
            show("invalidate, f + 1 signers", receipt.gas_used, 330_000);
            net.audit().await;
        }
    }
}
