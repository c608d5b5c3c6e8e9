//! Subscriptions and requests over WebSocket, through a real alloy provider.
#![allow(clippy::unwrap_used)]

mod common;

use alloy::{
    primitives::U256,
    providers::Provider,
    rpc::types::{Filter, TransactionRequest},
};
use common::{Served, account, deploy, keep, send};
use futures::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn heads_and_logs_arrive_in_order() {
    let served = Served::memory().await;
    let provider = served.socket(0).await;
    let contract = deploy(&provider).await;
    let mut heads = provider.subscribe_blocks().await.unwrap().into_stream();
    let mut logs = provider.subscribe_logs(&Filter::new().address(contract)).await.unwrap().into_stream();
    for word in 1..=5 {
        send(&provider, keep(contract, word)).await;
    }
    for number in 2..=6 {
        let head = timeout(Duration::from_secs(10), heads.next()).await.unwrap().unwrap();
        assert_eq!(head.number, number);
        let log = timeout(Duration::from_secs(10), logs.next()).await.unwrap().unwrap();
        assert_eq!(log.block_number, Some(number));
        assert_eq!(log.block_hash, Some(head.hash));
        assert!(!log.removed);
    }
    served.stop().await;
}

#[tokio::test]
async fn another_filter_is_not_told() {
    let served = Served::memory().await;
    let provider = served.socket(1).await;
    let (one, other) = (deploy(&provider).await, deploy(&provider).await);
    let mut logs = provider.subscribe_logs(&Filter::new().address(other)).await.unwrap().into_stream();
    send(&provider, keep(one, 1)).await;
    send(&provider, keep(other, 2)).await;
    let log = timeout(Duration::from_secs(10), logs.next()).await.unwrap().unwrap();
    assert_eq!(log.inner.address, other);
    served.stop().await;
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let served = Served::memory().await;
    let provider = served.socket(2).await;
    let balances = (0..500).map(|_| provider.get_balance(account(3)).into_future());
    for balance in futures::future::join_all(balances).await {
        assert!(balance.unwrap() > U256::ZERO);
    }
    served.stop().await;
}

#[tokio::test]
async fn an_unknown_subscription_is_refused_and_unsubscribing_works() {
    let served = Served::memory().await;
    let provider = served.socket(0).await;
    let client = provider.client();
    let refused = client.request::<_, U256>("eth_subscribe", ["syncing"]).await.unwrap_err();
    assert!(refused.to_string().contains("unsupported subscription syncing"), "{refused}");
    let heads = provider.subscribe_blocks().await.unwrap();
    provider.unsubscribe(*heads.local_id()).await.unwrap();
    send(&provider, TransactionRequest::default().to(account(1)).value(U256::ONE)).await;
    assert_eq!(provider.get_block_number().await.unwrap(), 1);
    served.stop().await;
}

#[tokio::test]
async fn shutting_down_does_not_wait_for_subscriptions() {
    let served = Served::memory().await;
    let provider = served.socket(0).await;
    let _heads = provider.subscribe_blocks().await.unwrap();
    let within_the_grace = timeout(Duration::from_secs(4), served.stop()).await;
    within_the_grace.expect("open subscriptions do not delay the shutdown");
}
