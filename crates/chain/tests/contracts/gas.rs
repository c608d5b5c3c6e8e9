//! What the calls cost. The numbers are those of docs/contracts.md; the limits here catch a change for the worse.
//!
//! `cargo test -p floe-chain --test contracts gas -- --nocapture`

use alloy::primitives::B256;

use super::network::{Network, mined};
use super::signing::{blob_id, invalid};
use crate::support::chains;

#[tokio::test(flavor = "multi_thread")]
async fn calls_cost_what_the_documentation_says() {
    for chain in chains().await {
        for members in [10, 100] {
            let net = Network::launch(&chain, &vec![10; members]).await;
            let show = |what: &str, gas: u64, limit: u64| {
                println!("{:9} {members:3} members  {what:36} {gas:7}", chain.name);
                assert!(gas <= limit, "{what}: {gas} gas, more than {limit}");
            };
            // The first registration also pays for the counter and the contract's first balance.
            net.register(0, 1000, 5).await;
            let root = B256::repeat_byte(1);
            let receipt = mined(net.blobs.register(blob_id(root, 1000), root, 1000, 1, 5).send().await).await;
            show("register", receipt.gas_used, 140_000);

            let all: Vec<_> = (0..members).collect();
            let third = (members - 1) / 3;
            for (seed, what, absent) in [(2, "certify, none absent", 0), (3, "certify, a third absent", third)] {
                let (id, object) = net.register(seed, 1000, 5).await;
                let receipt = net.certify(id, object, &all[absent..]).await;
                show(what, receipt.gas_used, 300_000);
            }
            let (id, object) = net.register(2, 1000, 5).await;
            let receipt = net.certify(id, object, &all).await;
            show("certify again, none absent", receipt.gas_used, 250_000);

            let (signers, signature) = net.certificate(&all[..third + 1], &invalid(1, id));
            let receipt = mined(net.blobs.invalidate(id, signers, signature).send().await).await;
            show("invalidate, f + 1 signers", receipt.gas_used, 320_000);
        }
    }
}
