//! Deployments that are interrupted.

use std::sync::Arc;

use floe_chain::{
    ChainConfig, ChainError, ContractAddresses, EvmChain, Wallet,
    deploy::{DeployOptions, DeployRecord, Deployment},
};
use serde_json::{Value, json};

use super::{
    endpoint::{Endpoint, Mode, Remaining},
    network::{OPTIONS, wallet},
};
use crate::support::{TestChain, chains, eventually};

async fn finish(mut deployment: Deployment) -> Result<ContractAddresses, ChainError> {
    while deployment.step().await?.is_some() {}
    deployment.contracts().await
}

async fn resume(chain: &TestChain, account: &Wallet, record: &DeployRecord) -> ContractAddresses {
    finish(Deployment::resume(&chain.rpc_url, account, record.clone()).await.unwrap()).await.unwrap()
}

async fn nonce(chain: &TestChain, account: &Wallet, block: &str) -> u64 {
    let count = chain.rpc("eth_getTransactionCount", json!([account.address(), block])).await;
    u64::from_str_radix(count.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// Requests after which a deployment is interrupted: from the first on to beyond what it takes to find out what is done
/// and to take a step.
const REQUESTS: std::ops::RangeInclusive<usize> = 1..=24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_goes_on_wherever_it_was_interrupted() {
    for chain in chains().await {
        let (account, name) = (wallet(0), chain.name);
        let deployment = Deployment::begin(&chain.rpc_url, &account, &OPTIONS).await.unwrap();
        let steps = deployment.steps();
        // All that is kept of it.
        let record = serde_json::to_string(deployment.record()).unwrap();
        let record: DeployRecord = serde_json::from_str(&record).unwrap();
        let mut interrupted = Vec::new();
        for requests in REQUESTS.cycle() {
            let endpoint = Endpoint::open(&chain.rpc_url).await;
            let remaining = Remaining::new(requests);
            endpoint.set(Mode::Stops(Arc::clone(&remaining)));
            let (url, record, account) = (endpoint.url.clone(), record.clone(), account.clone());
            let mut deploying =
                tokio::spawn(async move { finish(Deployment::resume(&url, &account, record).await.unwrap()).await });
            tokio::select! {
                done = &mut deploying => {
                    done.unwrap().unwrap();
                    break;
                }
                () = remaining.stopped() => deploying.abort(),
            }
            interrupted.push(requests);
            assert!(interrupted.len() < 500, "{name}: it gets nowhere");
        }
        assert!(interrupted.len() > 12, "{name}: {interrupted:?}");
        let used = nonce(&chain, &account, "latest").await - record.first_nonce;
        assert_eq!(usize::try_from(used).unwrap(), steps, "{name}: each transaction happened once");
        // They are all there, and know each other. Going on with what is complete does nothing.
        let contracts = resume(&chain, &account, &record).await;
        EvmChain::connect(ChainConfig::new(&chain.rpc_url, contracts), None).await.unwrap();
        assert_eq!(contracts.first_block, record.first_block, "{name}");
        assert_eq!(nonce(&chain, &account, "latest").await - record.first_nonce, used, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_before_that_is_still_waiting_does_not_happen_twice() {
    for chain in chains().await.into_iter().filter(TestChain::is_anvil) {
        for before in [0, 1, 7] {
            let account = wallet(0);
            let mut deployment = Deployment::begin(&chain.rpc_url, &account, &OPTIONS).await.unwrap();
            let record = deployment.record().clone();
            for _ in 0..before {
                deployment.step().await.unwrap();
            }
            chain.rpc("evm_setAutomine", json!([false])).await;
            let waiting = tokio::spawn(async move { deployment.step().await });
            let count = nonce(&chain, &account, "latest").await;
            eventually("a waiting transaction", || async {
                (nonce(&chain, &account, "pending").await > count).then_some(())
            })
            .await;
            waiting.abort();
            let resumed = Deployment::resume(&chain.rpc_url, &account, record).await.unwrap();
            let resumed = tokio::spawn(finish(resumed));
            tokio::time::timeout(std::time::Duration::from_millis(300), std::future::pending::<()>())
                .await
                .unwrap_err();
            chain.rpc("evm_setAutomine", json!([true])).await;
            chain.mine(1).await;
            let contracts = resumed.await.unwrap().unwrap();
            EvmChain::connect(ChainConfig::new(&chain.rpc_url, contracts), None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_deployment_is_gone_on_with_by_its_account_on_its_chain_alone() {
    for chain in chains().await {
        let deployment = Deployment::begin(&chain.rpc_url, &wallet(0), &OPTIONS).await.unwrap();
        let record = deployment.record().clone();
        let resume = async |account: &Wallet, record: DeployRecord| {
            Deployment::resume(&chain.rpc_url, account, record).await.map(drop).unwrap_err()
        };
        let stranger = resume(&wallet(1), record.clone()).await;
        assert!(matches!(stranger, ChainError::InvalidArgument { .. }), "{stranger}");
        let elsewhere = resume(&wallet(0), DeployRecord { chain_id: 1, ..record.clone() }).await;
        assert!(matches!(elsewhere, ChainError::WrongChain { expected: 1, .. }), "{elsewhere}");
        let options = DeployOptions { n_shards: 11, ..OPTIONS };
        let changed = resume(&wallet(0), DeployRecord { options, ..record }).await;
        assert!(matches!(changed, ChainError::InvalidArgument { .. }), "{changed}");
        assert_eq!(nonce(&chain, &wallet(0), "latest").await, 0, "nothing was sent");
    }
}

#[tokio::test]
async fn a_network_takes_the_money_it_is_told_to_take() {
    for chain in chains().await {
        let own_money = finish(Deployment::begin(&chain.rpc_url, &wallet(0), &OPTIONS).await.unwrap()).await.unwrap();
        let payment_token = Some(own_money.payment_token);
        let options = DeployOptions { payment_token, burn_basis_points: 250, ..OPTIONS };
        let shared = Deployment::begin(&chain.rpc_url, &wallet(0), &options).await.unwrap();
        let steps = shared.steps();
        let shared = finish(shared).await.unwrap();
        assert_eq!(shared.payment_token, own_money.payment_token);
        assert_ne!(shared.blobs, own_money.blobs);
        assert_eq!(steps, Deployment::begin(&chain.rpc_url, &wallet(0), &OPTIONS).await.unwrap().steps() - 1);

        let not_money = DeployOptions { payment_token: Some(own_money.blobs), ..OPTIONS };
        let refused = Deployment::begin(&chain.rpc_url, &wallet(0), &not_money).await.map(drop).unwrap_err();
        assert!(matches!(refused, ChainError::InvalidArgument { .. }), "{refused}");
        let logs: Value = chain.rpc("eth_getCode", json!([shared.storage, "latest"])).await;
        assert!(logs.as_str().unwrap().len() > 2);
    }
}
