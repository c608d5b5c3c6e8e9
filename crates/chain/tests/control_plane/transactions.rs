//! Many transactions at once, and other programs with the same account.

use std::collections::BTreeSet;

use floe_chain::{ControlPlane as _, EvmChain, Wallet};
use futures::future::join_all;
use serde_json::json;

use super::network::{Network, new_blob};
use crate::support::{DEV_KEYS, TestChain, chains, eventually};

async fn register_each_alone(control: &EvmChain, count: usize) -> Vec<u64> {
    let tasks = (0..count).map(|_| {
        let control = control.clone();
        tokio::spawn(async move { control.register_blobs(&[new_blob()]).await })
    });
    let outcomes = join_all(tasks).await;
    let ids = outcomes.into_iter().map(|outcome| outcome.unwrap().unwrap()[0].object.object_id.to_number());
    ids.map(|id| id.unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_registrations_at_once() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        let ids = register_each_alone(&control, 32).await;
        let distinct: BTreeSet<u64> = ids.into_iter().collect();
        assert!(distinct.into_iter().eq(1..=32), "{}", network.chain.name);
        // As one batch, in order.
        let blobs: Vec<_> = (0..32).map(|_| new_blob()).collect();
        let registered = control.register_blobs(&blobs).await.unwrap();
        assert!(registered.iter().map(|r| r.object.blob_id).eq(blobs.iter().map(|b| b.blob_id)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_together_shares_blocks() {
    // The other chain makes a block for each transaction.
    for chain in chains().await.into_iter().filter(|chain| !chain.is_anvil()) {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        let before = network.chain.rpc("eth_blockNumber", json!([])).await;
        register_each_alone(&control, 32).await;
        let after = network.chain.rpc("eth_blockNumber", json!([])).await;
        let number = |block: serde_json::Value| {
            u64::from_str_radix(block.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
        };
        let blocks = number(after) - number(before);
        assert!(blocks < 16, "{blocks} blocks for 32 transactions");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revert_is_named_also_when_the_gas_is_known() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        let wrong = floe_chain::RegisterBlob { root_hash: [7; 32], ..new_blob() };
        // The first is sent and fails in its block; after that the next is refused before it costs anything.
        for _ in 0..2 {
            let error = control.register_blobs(std::slice::from_ref(&wrong)).await.unwrap_err();
            assert!(
                matches!(&error, floe_chain::ChainError::Reverted { name, .. } if name == "WrongBlobId"),
                "{error}"
            );
        }
        // One that fails does not hold up those that come with it.
        let blobs = [new_blob(), wrong, new_blob()];
        let outcomes = join_all(blobs.iter().map(|blob| control.register_blobs(std::slice::from_ref(blob)))).await;
        let good: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, true], "{}", network.chain.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_with_one_account_get_in_each_others_way_but_no_further() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        // Wallets of their own: they share the account and nothing else.
        let mut programs = Vec::new();
        for _ in 0..2 {
            programs.push(network.connect_as(Some(Wallet::from_key_hex(DEV_KEYS[0]).unwrap())).await);
        }
        programs[0].register_blobs(&[new_blob()]).await.unwrap();
        let (mut a, b) = tokio::join!(register_each_alone(&programs[0], 12), register_each_alone(&programs[1], 12));
        a.extend(b);
        let distinct: BTreeSet<u64> = a.into_iter().collect();
        assert!(distinct.into_iter().eq(2..=25), "{}", network.chain.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_websocket_as_well() {
    for chain in chains().await {
        let network = Network::launch(chain).await;
        let config = floe_chain::ChainConfig { rpc_url: network.chain.ws_url.clone(), ..network.config() };
        let control = EvmChain::connect(config, Some(network.owner.clone())).await.unwrap();
        assert_eq!(register_each_alone(&control, 8).await.len(), 8);
        assert_eq!(control.committee().await.unwrap().members().len(), 4);
    }
}

/// Hash of the waiting transaction with the lowest nonce, once as many wait.
async fn first_of_waiting(chain: &TestChain, count: usize) -> String {
    eventually("transactions in the pool", || async {
        let content = chain.rpc("txpool_content", json!([])).await;
        let mut waiting: Vec<(u64, String)> = ["pending", "queued"]
            .iter()
            .flat_map(|part| content[part].as_object().into_iter().flatten())
            .flat_map(|(_, by_nonce)| by_nonce.as_object().into_iter().flatten())
            .map(|(nonce, tx)| (nonce.parse().unwrap(), tx["hash"].as_str().unwrap().to_owned()))
            .collect();
        waiting.sort();
        (waiting.len() == count).then(|| waiting.swap_remove(0).1)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_pool_forgets_is_handed_over_again() {
    for chain in chains().await.into_iter().filter(TestChain::is_anvil) {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        network.chain.rpc("evm_setAutomine", json!([false])).await;
        let waiting = tokio::spawn(async move { control.register_blobs(&[new_blob(), new_blob()]).await });
        let first = first_of_waiting(&network.chain, 2).await;
        network.chain.rpc("anvil_dropTransaction", json!([first])).await;
        first_of_waiting(&network.chain, 2).await;
        network.chain.rpc("evm_setAutomine", json!([true])).await;
        network.chain.mine(1).await;
        assert_eq!(waiting.await.unwrap().unwrap().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_that_nobody_minds_is_filled() {
    for chain in chains().await.into_iter().filter(TestChain::is_anvil) {
        let network = Network::launch(chain).await;
        let control = network.connect().await;
        control.register_blobs(&[new_blob()]).await.unwrap();
        network.chain.rpc("evm_setAutomine", json!([false])).await;
        let (abandoned, waiting) = (control.clone(), control.clone());
        let abandoned = tokio::spawn(async move { abandoned.register_blobs(&[new_blob()]).await });
        let first = first_of_waiting(&network.chain, 1).await;
        let waiting = tokio::spawn(async move { waiting.register_blobs(&[new_blob()]).await });
        first_of_waiting(&network.chain, 2).await;
        abandoned.abort();
        network.chain.rpc("anvil_dropTransaction", json!([first])).await;
        network.chain.rpc("evm_setAutomine", json!([true])).await;
        let registered = waiting.await.unwrap().unwrap();
        assert_eq!(registered[0].object.object_id.to_number(), Some(2));
    }
}
