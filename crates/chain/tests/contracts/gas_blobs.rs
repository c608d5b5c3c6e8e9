//! What the calls cost. The numbers are those of docs/gas.md; the limits here catch a change for the worse.
//!
//! `cargo test -p floe-chain --test contracts gas_blobs -- --nocapture`, and `FLOE_ANVIL` for the column of the draft.

use alloy::primitives::U256;
use alloy::rpc::types::TransactionReceipt;

use super::network::{Network, mined, new_blob};
use super::pools::MIB;
use super::repricing;
use super::signing::{batch_confirmation, invalid};
use crate::support::{CHAIN_ID, chains};

/// Blobs of the measured batch.
const BATCH: u8 = 32;

#[tokio::test(flavor = "multi_thread")]
async fn blobs_cost_what_the_documentation_says() {
    for chain in chains().await {
        for members in [10, 100] {
            let net = Network::launch(&chain, &vec![10; members]).await;
            let show = async |what: &str, receipt: &TransactionReceipt, limit: u64| {
                let (gas, what) = (receipt.gas_used, format!("{members:3} members  {what}"));
                repricing::show(&chain, &what, gas, receipt.transaction_hash).await;
                assert!(gas <= limit, "{what}: {gas} gas, more than {limit}");
            };
            let all: Vec<_> = (0..members).collect();
            let third = (members - 1) / 3;
            let owner = net.owner_address;
            let price = net.blobs.price(1000, 5).call().await.unwrap();
            // The first registration also pays for counters and first balances.
            let (first, object) = net.register(0, 1000, 5).await;
            let receipt = mined(net.blobs.register(new_blob(1, 1000, false), 5, price, owner).send().await).await;
            show("register", &receipt, 180_000).await;
            for (seed, what, absent, limit) in
                [(2, "certify, none absent", 0, 260_000), (3, "certify, a third absent", third, 300_000)]
            {
                let (id, object) = net.register(seed, 1000, 5).await;
                let receipt = net.certify(id, object, &all[absent..]).await;
                show(what, &receipt, limit).await;
            }
            let (id, object_again) = net.register(2, 1000, 5).await;
            let receipt = net.certify(id, object_again, &all).await;
            show("certify again, none absent", &receipt, 250_000).await;

            net.certify(first, object, &all).await;
            let more = price - net.blobs.price(1000, 3).call().await.unwrap();
            mined(net.blobs.extend(object, 2, more).send().await).await;
            let receipt = mined(net.blobs.extend(object_again, 2, more).send().await).await;
            show("extend", &receipt, 90_000).await;

            let (_, deletable) = net.register_deletable(4, 1000, 5).await;
            let receipt = mined(net.blobs.deleteBlob(deletable).send().await).await;
            show("delete", &receipt, 140_000).await;

            let batch: Vec<_> = (0..BATCH).map(|seed| new_blob(100 + seed, 1000, false)).collect();
            let ids: Vec<_> = batch.iter().map(|blob| blob.blobId).collect();
            let before = net.blobs.objectCount().call().await.unwrap();
            let registered = mined(net.blobs.registerBatch(batch, 5, U256::MAX, owner).send().await).await;
            let objects: Vec<_> = (1..=BATCH).map(|i| before + U256::from(i)).collect();
            let list: Vec<_> = ids.iter().map(|id| (*id, None)).collect();
            let message = batch_confirmation(1, CHAIN_ID, *net.blobs.address(), &list);
            let (signers, signature) = net.certificate(&all, &message);
            let certified = mined(net.blobs.certifyBatch(objects, signers, signature).send().await).await;
            show("register a batch of 32", &registered, 80_000 * u64::from(BATCH)).await;
            show("certify a batch of 32", &certified, 50_000 * u64::from(BATCH)).await;
            let one = (registered.gas_used + certified.gas_used) / u64::from(BATCH);
            println!("{:9} {members:3} members  one of a batch of 32, both: {one}", chain.name);
            assert!(one <= 110_000, "one of a batch of 32: {one} gas");

            // What lies in a pool has no capacity of its own to pay for.
            let pool = net.pool(256 * MIB, 5).await;
            net.register_in(pool, 50, false).await;
            let receipt = mined(net.pools.create(256 * MIB, 5, U256::MAX, owner).send().await).await;
            show("create a pool", &receipt, 220_000).await;
            let receipt = net.pool_registration(pool, 51, false).await;
            show("register in a pool", &receipt, 150_000).await;
            let receipt = net.certify_pooled((pool << 64) | U256::from(2)).await;
            show("certify in a pool, none absent", &receipt, 270_000).await;
            mined(net.pools.extend(pool, 2, U256::MAX).send().await).await;
            let receipt = mined(net.pools.extend(pool, 1, U256::MAX).send().await).await;
            show("extend a pool", &receipt, 120_000).await;

            let (_, id) = (object, first);
            let asked = net.availability.isAvailable(id).estimate_gas().await.unwrap();
            println!("{:9} {members:3} members  isAvailable, with the transaction: {asked}", chain.name);
            assert!(asked <= 31_500, "isAvailable: {asked} gas");

            let (signers, signature) = net.certificate(&all[..third + 1], &invalid(1, id));
            let receipt = mined(net.blobs.invalidate(id, signers, signature).send().await).await;
            show("invalidate, f + 1 signers", &receipt, 330_000).await;
            net.audit().await;
        }
    }
}
